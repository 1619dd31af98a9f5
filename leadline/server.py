"""The server process: builds every part, passes them to each other, and ends them in the order that loses nothing.

FastAGI is last at the start and first at the end: while it does not listen, Asterisk goes on by its own plan at once.
"""

import asyncio
import gc
import resource
import signal
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from agi.askers import Askers
from agi.server import FastAgiServer
from agi.service import RoutingService
from agi.standby import Standby
from ami_listener.recorder import Recorder
from dialplan.names import display_form
from leadline import figures
from leadline.company_copy import forget_old_changes
from leadline.daily_planning import plan_every_day
from leadline.dry_run import decision_record, make_service, make_writer
from leadline.metrics import PartHealth, add_operation_routes
from leadline.outages import OutageKeeper
from leadline.parts import Parts, ServerError
from leadline.pbx import Pbx, Shared
from leadline.recording_control import AmiRecordingControl
from leadline.recording_keeper import RecordingKeeper
from leadline.retention_keeper import keep_retention
from leadline.route_text import trial_of
from leadline.settings import Settings
from leads.admin.app import create_panel, panel_runner
from leads.admin.asterisks import Asterisks
from leads.admin.feed import CallFeed
from leads.admin.hashing_processes import HashingProcesses
from leads.admin.phone_books import PhoneNames
from leads.admin.questions import Questions
from leads.admin.recordings import Recordings
from leads.roster.roster import LeadRoster
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lookup import CallerLookup
from leads.store.migrate import revisions, wrong_revision
from leads.store.recording_files import RecordingFolder
from routing.decision import Decision
from routing.language import language_of

LONGEST_RETRY_SECONDS = 15.0
PANEL_CONNECTIONS = 4000
"""At once; a browser has up to six, and one that shows what happens keeps one."""
SPARE_FILES = 1000
"""Open files beside FastAGI's sessions and the panel's connections: the database, AMI, connections on their way out."""
DRAIN_SECONDS = 5.0
"""For writing at the end what waits; longer, and a supervisor would kill us."""
_log = structlog.get_logger(__name__)


async def run_server(settings: Settings) -> None:
    """Run until SIGINT or SIGTERM.

    Raises:
        ServerError: something that waiting does not mend: the database's revision, a port in use, a TLS file.
    """
    files = _allow_open_files(settings.fastagi_max_sessions + PANEL_CONNECTIONS + SPARE_FILES)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Parts() as parts:
        starting = asyncio.create_task(_start(settings, parts, panel_share(files, settings.fastagi_max_sessions)))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            _log.info("leadline runs", panel=f"{settings.panel_host}:{settings.panel_port}")
            await stopping
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        _log.info("leadline ends")


def set_lasting_objects_aside() -> None:
    """Spare the garbage collector what lives as long as the process: to go through it takes a tenth of a second.

    All calls that ask meanwhile would wait for that, again and again.
    """
    gc.collect()
    gc.freeze()


def panel_share(files: int, sessions: int) -> int:
    """How many connections the panel may have, so that whoever opens thousands of them leaves calls their files.

    Args:
        files: how many the process may have open.
        sessions: how many of them FastAGI may want.
    """
    return min(PANEL_CONNECTIONS, max(files - sessions - SPARE_FILES, files // 4))


def _allow_open_files(count: int) -> int:
    """Raise the process's limit of open files, which is often 1,024: each session and each browser needs one.

    Returns:
        How many it may have open now, as far as it wants them.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < count:
        _log.warning("the limit of open files is low; raise it (ulimit -n)", limit=wanted, wanted=count)
    return wanted


async def _start(settings: Settings, parts: Parts, panel_connections: int) -> None:
    """Start every part; `parts` ends them, the last first."""
    try:
        database = Database(settings.database_url)
    except OSError as error:
        raise ServerError(f"LEADLINE_DATABASE_URL: the file's folder cannot be made: {error}") from None
    parts.push_async_callback(database.dispose)
    directory = DirectoryCache(database)
    await _await_database(settings, directory)
    lookup = await CallerLookup.open(settings.database_url)
    parts.push_async_callback(lookup.close)

    feed = CallFeed()
    recorder = Recorder(make_writer(settings, database, directory), on_written=feed.notify)
    parts.run(recorder.run(), "recorder")
    parts.push_async_callback(recorder.drain, DRAIN_SECONDS)

    questions = Questions(database, directory, settings.region)
    pbxes = [Pbx(one) for one in settings.pbxes]
    for pbx in pbxes:
        await pbx.start(Shared(settings, database, directory, lookup, recorder, questions), parts)
    routing = make_service(settings, lookup, directory)
    fastagi = _make_fastagi(settings, routing, recorder, questions)
    roster = LeadRoster(database)
    panel = create_panel(
        database,
        directory,
        feed,
        zone=settings.zone,
        region=settings.region,
        secure=settings.panel_is_secure,
        clock=lambda: datetime.now(UTC),
        behind_proxy=settings.panel_behind_tls_proxy,
        questions=questions,
        recordings=_start_recordings(database, pbxes, feed, parts),
        asterisks=_asterisks(pbxes),
        route_trial=trial_of(routing),
        phone_names=_phone_names(settings),
        hashing=HashingProcesses(),
        roster=roster,
    )
    _add_operation(panel, _Watched(fastagi, lookup, recorder, pbxes, roster))
    await _serve_panel(settings, panel_runner(panel, panel_connections), parts)
    set_lasting_objects_aside()
    await _listen(fastagi, settings, parts)
    # What nobody waits for comes last: nothing has begun where the server ends because a port is taken.
    listeners = [(pbx.name, pbx.listener) for pbx in pbxes if pbx.listener is not None]
    parts.run(OutageKeeper(database, listeners).run(), "outages")
    parts.run(forget_old_changes(database), "old notes of changes")
    parts.run(plan_every_day(database, settings.zone), "daily planning")
    parts.run(keep_retention(database), "retention")
    parts.run(roster.keep(), "leads for lists")


def _phone_names(settings: Settings) -> PhoneNames:
    """Names in a phone book are written as those of callers on the same phone's display."""
    return lambda name, own, mode, length: display_form(
        name, language_of(name, own, settings.name_language), mode, length
    )


def _asterisks(pbxes: Sequence[Pbx]) -> Asterisks:
    return Asterisks([pbx.name for pbx in pbxes], lambda: [pbx.name for pbx in pbxes if pbx.is_away])


async def _await_database(settings: Settings, directory: DirectoryCache) -> None:
    """Wait until the database answers, however long it is away; a wrong revision does not mend by waiting."""
    delay = 0.5
    while True:
        try:
            current, _head = await revisions(settings.database_url)
            wrong = wrong_revision(current)
            if wrong is not None:
                raise ServerError(f"the database {wrong.what}: {wrong.mend}")
            await directory.refresh()
        except (SQLAlchemyError, OSError) as error:
            _log.error("the database does not answer; trying again", why=str(error), seconds=delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_RETRY_SECONDS)
        else:
            return


def _start_recordings(database: Database, pbxes: Sequence[Pbx], feed: CallFeed, parts: Parts) -> Recordings:
    folders = {
        pbx.name: RecordingFolder(pbx.settings.recordings_folder)
        for pbx in pbxes
        if pbx.settings.recordings_folder is not None
    }
    if folders:
        parts.run(RecordingKeeper(database, folders, feed.notify).run(), "recordings")
    controls = {pbx.name: pbx.control for pbx in pbxes if pbx.control is not None}
    return Recordings(folders, AmiRecordingControl(controls))


def _make_fastagi(
    settings: Settings, routing: RoutingService, recorder: Recorder, questions: Questions
) -> FastAgiServer:
    def record(pbx: str, linkedid: str, decision: Decision, at: datetime) -> None:
        questions.decided(pbx, linkedid, decision.name)
        recorder.submit_decision(decision_record(pbx, linkedid, decision, at))

    return FastAgiServer(
        routing,
        host=settings.fastagi_host,
        port=settings.fastagi_port,
        askers=Askers({pbx.pbx_name: pbx.fastagi_allow for pbx in settings.pbxes}),
        max_sessions=settings.fastagi_max_sessions,
        on_decision=record,
    )


@dataclass(frozen=True, slots=True)
class _Watched:
    """The parts whose health and figures are shown."""

    fastagi: FastAgiServer
    lookup: CallerLookup
    recorder: Recorder
    pbxes: Sequence[Pbx]
    roster: LeadRoster


def _add_operation(panel: web.Application, watched: _Watched) -> None:
    fastagi, recorder, pbxes = watched.fastagi, watched.recorder, watched.pbxes

    def health() -> list[PartHealth]:
        own = [figures.fastagi_health(fastagi, watched.lookup), figures.recorder_health(recorder)]
        return own + [
            replace(part, name=f"{part.name} {pbx.name}") if len(pbxes) > 1 else part
            for pbx in pbxes
            for part in pbx.health()
        ]

    listeners = {pbx.name: pbx.listener for pbx in pbxes if pbx.listener is not None}
    metrics = [
        figures.fastagi_metrics(fastagi),
        figures.recorder_metrics(recorder),
        figures.listener_metrics(listeners),
        figures.copy_metrics({pbx.name: pbx.copy for pbx in pbxes if pbx.copy is not None}),
        figures.roster_metrics(watched.roster),
        figures.recovery_metrics({pbx.name: pbx.recovery for pbx in pbxes if pbx.recovery is not None}),
    ]
    add_operation_routes(panel, health, metrics)


async def _serve_panel(settings: Settings, runner: web.AppRunner, parts: Parts) -> None:
    tls = None
    if settings.panel_tls_certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            tls.load_cert_chain(settings.panel_tls_certificate, settings.panel_tls_key)
        except OSError as error:
            files = f"{settings.panel_tls_certificate} and {settings.panel_tls_key}"
            raise ServerError(
                f"LEADLINE_PANEL_TLS_CERTIFICATE and _KEY: {files} cannot be used: {error.strerror or error}"
            ) from None
    await runner.setup()
    parts.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, settings.panel_host, settings.panel_port, ssl_context=tls).start()
    except OSError as error:
        raise ServerError(
            f"the panel cannot listen on {settings.panel_host}:{settings.panel_port} ({error.strerror or error}): "
            "set LEADLINE_PANEL_HOST or LEADLINE_PANEL_PORT, or end what listens there"
        ) from None


async def _listen(fastagi: FastAgiServer, settings: Settings, parts: Parts) -> None:
    try:
        await fastagi.start()
    except OSError as error:
        raise ServerError(
            f"FastAGI cannot listen on {settings.fastagi_host}:{settings.fastagi_port} ({error.strerror or error}): "
            "set LEADLINE_FASTAGI_HOST or LEADLINE_FASTAGI_PORT, or end what listens there"
        ) from None
    parts.push_async_callback(fastagi.close)
    standby = Standby(fastagi)
    standby.start()
    parts.push_async_callback(standby.close)
