"""`make run`: brings up a whole telephone company with Leadline in it, and takes all of it down again."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from dialplan.render import AsteriskValues
from leadline.demo import listen, pbx, summary
from leadline.demo.company import seed_company
from leadline.demo.listen import Listening
from leadline.demo.outside_line import NO_WAY_OUT, OutsideLine
from leadline.demo.server_process import ServerProcess
from leadline.demo.state import DemoError, Running, Secrets, announce, keep_secrets, only_run
from leadline.settings import ENV_FILE_VARIABLE, load_settings
from leads.store.access import create_admin, has_admin
from leads.store.engine import Database
from leads.store.migrate import upgrade

ADMIN = "admin"
_LOOK_SECONDS = 0.25
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _StopAsked(BaseException):
    """Somebody pressed Ctrl+C or ended us; no error, and nothing that code below should catch."""


def run(folder: Path, address: str) -> None:
    """Run until Ctrl+C (or SIGTERM); everything that was started is ended then, in whatever state it is.

    Args:
        folder: where the database, secrets and logs are kept.
        address: what SIP, RTP and the panel listen on.

    Raises:
        DemoError: it cannot start, or a part of it ended by itself.
    """
    os.umask(0o077)
    listen.check_address(address)
    with only_run(folder), _stop_on_signals(), ExitStack() as parts:
        try:
            if own_asterisk():
                _run_with_own_asterisk(folder, parts)
            else:
                _run_company(folder, address, parts)
        except _StopAsked:
            print("\nStopping …", flush=True)
    print("Everything that was started has ended.", flush=True)


def own_asterisk() -> bool:
    """Whether the settings name an Asterisk of the user's own."""
    return bool(os.environ.get("LEADLINE_AMI_SECRET") or os.environ.get(ENV_FILE_VARIABLE))


def _run_company(folder: Path, address: str, parts: ExitStack) -> None:
    began = time.monotonic()
    listening, notes = listen.choose(address)
    for note in notes:
        _say(note)
    kept = keep_secrets(folder)
    database_url = f"sqlite+aiosqlite:///{(folder / 'leadline.db').resolve()}"
    _say("Database: migrating …")
    asyncio.run(_prepare_database(database_url, with_company=True))
    _say("Asterisk: starting …")
    asterisk = pbx.start(folder, _asterisk_values(listening, kept), parts)
    parts.enter_context(OutsideLine(listening.trunk, NO_WAY_OUT if listening.open_to_network else None))
    _say("Leadline: starting …")
    panel = f"http://{listening.shown_address}:{listening.panel}/"
    settings = _settings(database_url, listening, kept)
    if asterisk.cel_file:
        settings["LEADLINE_CEL_SOURCE"] = f"csv:{asterisk.cel_file}"
    if asterisk.recordings:
        settings["LEADLINE_RECORDINGS_FOLDER"] = str(asterisk.recordings)
    server = parts.enter_context(_server(folder, settings, panel))
    server.await_health()
    announce(
        folder,
        Running(
            sip_address=listening.shown_address,
            sip_port=listening.sip,
            panel=panel,
            database_url=database_url,
            region=settings["LEADLINE_REGION"],
            console=str(asterisk.console or ""),
            container=asterisk.container,
        ),
        settings,
    )
    password = asyncio.run(_new_password(database_url))
    seconds = time.monotonic() - began
    ready = summary.of_company(
        panel, listening, kept, admin=ADMIN, password=password, asterisk=asterisk.description, seconds=seconds
    )
    print(ready, flush=True)
    _watch({"Asterisk": asterisk.alive, "leadline serve": lambda: server.running}, folder)


def _run_with_own_asterisk(folder: Path, parts: ExitStack) -> None:
    """The user's settings decide everything; only the database is prepared and the server run."""
    settings = load_settings()
    _say(f"Using your own Asterisk at {settings.ami_host}:{settings.ami_port}, as the settings say.")
    asyncio.run(_prepare_database(settings.database_url, with_company=False))
    own = {name: value for name, value in os.environ.items() if name.startswith("LEADLINE_")}
    scheme = "https" if settings.panel_tls_certificate else "http"
    panel = f"{scheme}://{listen.reachable(settings.panel_host)}:{settings.panel_port}/"
    server = parts.enter_context(_server(folder, own, panel))
    # Not healthy is no reason to stop: `leadline check` then says what is wrong with the Asterisk.
    server.await_answer()
    print(summary.of_server(panel, ADMIN, asyncio.run(_new_password(settings.database_url))), flush=True)
    _watch({"leadline serve": lambda: server.running}, folder)


def _settings(database_url: str, listening: Listening, kept: Secrets) -> dict[str, str]:
    return {
        "LEADLINE_DATABASE_URL": database_url,
        "LEADLINE_REGION": "UA",
        "LEADLINE_AMI_PORT": str(listening.ami),
        "LEADLINE_AMI_SECRET": kept.ami_events,
        "LEADLINE_AMI_CONTROL_SECRET": kept.ami_control,
        "LEADLINE_FASTAGI_PORT": str(listening.fastagi),
        "LEADLINE_PANEL_HOST": listening.address,
        "LEADLINE_PANEL_PORT": str(listening.panel),
        "LEADLINE_DEFAULT_EXTENSION": "103",
        # Who tries it out wants to follow each call in its log.
        "LEADLINE_LOG_LEVEL": "debug",
    }


def _asterisk_values(listening: Listening, kept: Secrets) -> AsteriskValues:
    return AsteriskValues(
        ami_events_secret=kept.ami_events,
        ami_control_secret=kept.ami_control,
        phone_secrets=kept.phones,
        sip_address=listening.address,
        sip_port=listening.sip,
        rtp_start=listening.rtp_start,
        rtp_end=listening.rtp_end,
        trunk_port=listening.trunk,
        ami_port=listening.ami,
        fastagi_port=listening.fastagi,
    )


async def _prepare_database(url: str, *, with_company: bool) -> None:
    """Migrate, and fill an empty one."""
    await upgrade(url)
    if not with_company:
        return
    database = Database(url)
    try:
        await seed_company(database, datetime.now(UTC))
    finally:
        await database.dispose()


async def _new_password(url: str) -> str | None:
    """Make an administrator where there is none; only here is his password known, so it is shown right afterwards."""
    database = Database(url)
    try:
        async with database.write() as session:
            if await has_admin(session):
                return None
            password = secrets.token_urlsafe(12)
            await create_admin(session, ADMIN, "Administrator", password, datetime.now(UTC))
            return password
    finally:
        await database.dispose()


def _server(folder: Path, settings: dict[str, str], panel: str) -> ServerProcess:
    return ServerProcess(settings, log=folder / "leadline.log", health_url=f"{panel}healthz")


def _watch(parts: dict[str, Callable[[], bool]], folder: Path) -> None:
    """Wait for Ctrl+C.

    Raises:
        DemoError: a part ended by itself.
    """
    while True:
        for name, alive in parts.items():
            if not alive():
                raise DemoError(
                    f"{name} has ended by itself; its log is in {folder}. Everything else is ended now, too."
                )
        time.sleep(_LOOK_SECONDS)


@contextmanager
def _stop_on_signals() -> Iterator[None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        raise _StopAsked

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """A second Ctrl+C must not interrupt the taking down, of which nothing may be left behind."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _say(text: str) -> None:
    print(text, flush=True)
