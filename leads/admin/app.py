"""Puts the panel together: its collaborators are passed in, nothing is global."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.http import HttpProcessingError

from leads.admin import guard, pages
from leads.admin.assets import Assets
from leads.admin.asterisks import Asterisks
from leads.admin.connections import PanelRunner
from leads.admin.context import PANEL, Panel
from leads.admin.dialling import Dialling
from leads.admin.entrance import Entrance
from leads.admin.feed import CallFeed
from leads.admin.handover_runner import Handovers
from leads.admin.i18n import load_catalogs
from leads.admin.import_runner import Imports
from leads.admin.live import LiveCalls
from leads.admin.passwords import Hashing, HashingThreads, Passwords
from leads.admin.phone_books import CutBooks, Pace, PhoneBooks, PhoneNames
from leads.admin.questions import Questions
from leads.admin.recordings import Recordings
from leads.admin.rendering import set_up_templates
from leads.admin.route_trial import RouteTrial
from leads.admin.sent_forms import SentForms
from leads.admin.session_watch import SessionWatch
from leads.admin.throttle import Throttle
from leads.domain.clock import Clock
from leads.domain.directory import DisplayMode
from leads.roster.roster import LeadRoster
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.long_reads import LongReads

IDLE_CONNECTION_SECONDS = 30.0


def create_panel(
    database: Database,
    directory: DirectoryCache,
    feed: CallFeed,
    *,
    zone: ZoneInfo,
    region: str,
    secure: bool,
    clock: Clock,
    behind_proxy: bool = False,
    questions: Questions | None = None,
    recordings: Recordings | None = None,
    asterisks: Asterisks | None = None,
    route_trial: RouteTrial | None = None,
    hashing: Hashing | None = None,
    phone_names: PhoneNames | None = None,
    roster: LeadRoster | None = None,
) -> web.Application:
    """Make the panel's web application; serve it with `panel_runner`, which sets its limits.

    Args:
        database: where everything is kept.
        directory: refreshed after each change to the company.
        feed: rung by whoever writes calls, so that live pages follow at once.
        zone: the company's time zone, for those who chose none.
        region: how national numbers that people type are completed (ISO 3166 alpha-2).
        secure: whether browsers come over TLS; cookies are then theirs only over TLS.
        clock: tells the present moment, UTC.
        behind_proxy: whether a proxy of ours stands before us, whose X-Forwarded-For is true.
        questions: knows which phones ring; without it none do.
        recordings: the folders of recordings, and the way to pause one; without it there are none.
        asterisks: whose calls these are; without it nothing is said of them.
        phone_names: writes names as phones show them; without it they stay as they are.
        route_trial: tells where a call would go now; without it the page says that it cannot.
        hashing: checks passwords; without it threads of this process do.
        roster: finds the pages of the list of leads; without it the database does.
    """
    app = web.Application(middlewares=[guard.guard], client_max_size=guard.LARGEST_BODY)
    assets = Assets()
    asterisks = asterisks or Asterisks()
    app[PANEL] = Panel(
        database=database,
        directory=directory,
        roster=roster or LeadRoster(database),
        live=LiveCalls(database, feed, asterisks),
        questions=questions or Questions(database, directory, region),
        zone=zone,
        region=region,
        secure=secure,
        behind_proxy=behind_proxy,
        clock=clock,
        assets=assets,
        catalogs=dict(load_catalogs()),
        entrance=Entrance(),
        passwords=Passwords(hashing or HashingThreads()),
        throttle=Throttle(clock),
        dialling=Dialling(clock),
        recordings=recordings or Recordings(),
        asterisks=asterisks,
        long_reads=LongReads(database),
        route_trial=route_trial,
        imports=Imports(database, clock),
        handovers=Handovers(database, directory, clock),
        phone_books=PhoneBooks(phone_names or _as_they_are, Throttle(clock), Pace(clock), CutBooks(clock)),
        sent_forms=SentForms(database, clock),
    )
    set_up_templates(app, assets, several_asterisks=asterisks.several)
    for routes in pages.ALL:
        app.add_routes(routes)
    app.on_response_prepare.append(guard.add_headers)
    app.cleanup_ctx.append(_running)
    app.on_shutdown.append(_stop_streams)
    return app


def panel_runner(app: web.Application, most_connections: int = 1000) -> web.AppRunner:
    """A runner that closes connections which send no whole request in time, and refuses oversized headers.

    Args:
        app: the panel.
        most_connections: so many at once; who comes then is not served, for each takes a file that calls may need.
    """
    logging.getLogger("aiohttp.server").addFilter(_is_our_trouble)
    return PanelRunner(
        app,
        most_connections,
        keepalive_timeout=IDLE_CONNECTION_SECONDS,
        max_line_size=8190,
        max_field_size=8190,
        max_headers=64,
        auto_decompress=False,  # No browser packs a form; unpacking is work that a stranger could order.
        lingering_time=5.0,
        access_log=None,
        shutdown_timeout=3.0,
    )


def _is_our_trouble(record: logging.LogRecord) -> bool:
    """Whether it is for the log: what is no HTTP has its answer, and would fill the log with what strangers send."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _as_they_are(name: str, _language: str | None, _mode: DisplayMode, length: int) -> str | None:
    return name[:length]


async def _running(app: web.Application) -> AsyncIterator[None]:
    panel = app[PANEL]
    await panel.live.start()
    watch = SessionWatch(panel.database, (panel.live.streams, panel.questions.streams), panel.clock)
    beside = (
        asyncio.create_task(watch.run(), name="sessions of open pages"),
        asyncio.create_task(panel.handovers.run(), name="hand-overs"),
    )
    yield
    for task in beside:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await panel.handovers.close()
    await panel.live.stop()
    await panel.imports.close()
    panel.long_reads.close()
    await panel.passwords.close()


async def _stop_streams(app: web.Application) -> None:
    """End the streams first: a server that stops waits for its open answers."""
    app[PANEL].questions.streams.end()
    await app[PANEL].live.stop()
