"""The live page: ringing, running and recent calls, pushed to open pages as Server-Sent Events.

One shared task reads the calls when the recorder rings the bell, and once a second besides, since another server may
have written some; each open page gets what its viewer may see, when that differs from what it has. What a slow page
has not read yet is overwritten by the newer state, never queued.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import aiohttp_jinja2
import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from leads.admin.asterisks import Asterisks
from leads.admin.call_lines import CardOf, call_lines, card_of, cards_to_open, visible
from leads.admin.context import Viewer, panel_of, viewer_of
from leads.admin.feed import CallFeed
from leads.admin.guard import find_viewer
from leads.admin.i18n import _
from leads.admin.recordings import may_pause
from leads.admin.rendering import render
from leads.admin.sse import Stream, Streams, event_stream, send
from leads.store.board import BoardCall, recent_calls, running_calls
from leads.store.engine import Database

POLL_SECONDS = 1.0
SHORTEST_PAUSE = 0.1
"""Between two readings: a burst of calls costs ten readings a second, not one for each event."""
BEAT_SECONDS = 10.0
"""How often an open page hears from us when nothing happens, and its session is checked."""
MOST_STREAMS = 500
LINES_SHOWN = 50
LOOKS_BACK = 10
"""So many times as many calls as the board has are looked through for those of a viewer who may not see all."""

routes = web.RouteTableDef()
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Board:
    """Running and recent calls of the whole company at one moment, and the Asterisks that are not connected."""

    running: tuple[BoardCall, ...] = ()
    recent: tuple[BoardCall, ...] = ()
    away: tuple[str, ...] = ()


class LiveCalls:
    """Keeps the board current while pages are open, and knows these pages."""

    def __init__(self, database: Database, feed: CallFeed, asterisks: Asterisks) -> None:
        """Nothing runs before `start`."""
        self.board = Board()
        self._database = database
        self._feed = feed
        self._asterisks = asterisks
        self.streams = Streams()
        self._wanted = asyncio.Event()
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    async def start(self) -> None:
        """Begin to follow the calls."""
        self._task = asyncio.create_task(self._follow(), name="live calls")

    async def stop(self) -> None:
        """End all open pages' streams and stop following."""
        self.streams.end()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    @property
    def stopped(self) -> bool:
        """Whether the server is going down."""
        return self._task is None

    def check_sessions(self) -> None:
        """Let each open page make sure at once that its session is still valid."""
        self.streams.check_sessions()

    @contextmanager
    def stream(self, session_hash: str, employee_id: int) -> Iterator[Stream]:
        """Follow as one open page."""
        with self.streams.opened(session_hash, employee_id) as stream:
            self._wanted.set()
            try:
                yield stream
            finally:
                if len(self.streams) == 1:
                    self._wanted.clear()

    @property
    def full(self) -> bool:
        """Whether the server follows as many pages as it can."""
        return len(self.streams) >= MOST_STREAMS

    async def read(self) -> Board:
        """The board as the database has it now."""
        async with self._database.read() as session:
            running, recent = await running_calls(session), await recent_calls(session)
        return Board(tuple(running), tuple(recent), self._asterisks.away())

    async def refresh(self) -> None:
        """Read the board, and wake all open pages when it changed."""
        async with self._reading:
            board = await self.read()
            if board != self.board:
                self.board = board
                self.streams.wake()

    async def _follow(self) -> None:
        while True:
            await self._wanted.wait()
            await self._feed.wait(POLL_SECONDS)
            try:
                await self.refresh()
            except (SQLAlchemyError, OSError) as error:
                if not self._failing:
                    _log.error("live page: database failed", error=str(error))
                self._failing = True
            else:
                self._failing = False
            await asyncio.sleep(SHORTEST_PAUSE)


class RecentCalls:
    """The last calls that one viewer may see, though others may have made all of the company's last ones."""

    def __init__(self) -> None:
        """Nothing is known before `look_back`."""
        self._kept: list[BoardCall] = []

    async def look_back(self, database: Database, board: Board, mine: Callable[[BoardCall], bool]) -> None:
        """Read back from the board's earliest call as far as is needed, and no further than LOOKS_BACK readings."""
        found = sum(map(mine, board.recent))
        earliest = board.recent[-1] if board.recent else None
        async with database.read() as session:
            for _look in range(LOOKS_BACK):
                if earliest is None or found >= LINES_SHOWN:
                    return
                calls = await recent_calls(session, before=earliest)
                earliest = calls[-1] if calls else None
                found += sum(map(mine, calls))
                self._kept += filter(mine, calls)

    def shown(self, board: Board, mine: Callable[[BoardCall], bool]) -> list[BoardCall]:
        """The last of the board's and of those known before, the newest first; of a call the board's counts."""
        calls = {call.id: call for call in (*self._kept, *board.recent) if mine(call)}
        self._kept = sorted(calls.values(), key=lambda call: (call.started_at, call.id), reverse=True)[:LINES_SHOWN]
        return self._kept


@routes.get("/live")
async def live_page(request: web.Request) -> web.Response:
    """Running and recent calls; the script then keeps them current."""
    panel, viewer, recent = panel_of(request), viewer_of(request), RecentCalls()
    board = await panel.live.read()
    await recent.look_back(panel.database, board, visible(viewer, panel.directory.current))
    return render(request, "live/page.html", **await _shown(request, viewer, board, recent))


@routes.get("/live/session")
async def live_session(request: web.Request) -> web.Response:
    """Tell a page that lost its stream whether its session is still valid: whoever gets here is signed in."""
    return web.Response(status=204)


@routes.get("/live/stream", allow_head=False)
async def live_stream(request: web.Request) -> web.StreamResponse:
    """The calls of one open page, as events, until its session or the server ends."""
    live = panel_of(request).live
    if live.full or live.stopped:
        raise web.HTTPServiceUnavailable(text=_("Too many live pages are open."))
    viewer, response = viewer_of(request), event_stream()
    try:
        await response.prepare(request)
        with live.stream(viewer.session_hash, viewer.id) as stream:
            await live.refresh()
            await _serve(request, response, stream)
    except (OSError, TimeoutError):
        pass  # The page was closed, or reads nothing.
    except SQLAlchemyError as error:
        _log.error("live page: database failed", error=str(error))  # The page will connect again.
    return response


async def _serve(request: web.Request, response: web.StreamResponse, stream: Stream) -> None:
    """Send the calls whenever they changed, and a sign of life otherwise, until the stream is over."""
    panel = panel_of(request)
    viewer: Viewer | None = viewer_of(request)
    recent = RecentCalls()
    await recent.look_back(panel.database, panel.live.board, visible(viewer_of(request), panel.directory.current))
    sent = ""
    while viewer is not None and not stream.over:
        content = await _content(request, viewer, panel.live.board, recent)
        if content == sent:
            await send(response, "event: beat\ndata: 1\n\n")
        else:
            await send(response, f"event: calls\nid: {int(panel.clock().timestamp() * 1000)}\ndata: {content}\n\n")
            sent = content
        news = await stream.wait(BEAT_SECONDS)
        if stream.check or not news:
            stream.check = False
            viewer = await find_viewer(request)
    if viewer is None:
        await send(response, "event: signed-out\ndata: 1\n\n")
    elif stream.moved:
        await send(response, "event: moved\ndata: 1\n\n")


async def _content(request: web.Request, viewer: Viewer, board: Board, recent: RecentCalls) -> str:
    shown = await _shown(request, viewer, board, recent)
    rows = aiohttp_jinja2.get_env(request.app).get_template("live/rows.html")
    parts = {part: rows.render(lines=shown[part], viewer=viewer) for part in ("running", "recent")}
    return json.dumps(parts | {"trouble": shown["trouble"]}, separators=(",", ":"))


async def _shown(request: web.Request, viewer: Viewer, board: Board, recent: RecentCalls) -> dict[str, Any]:
    panel = panel_of(request)
    directory = panel.directory.current
    mine = visible(viewer, directory)
    running = [call for call in board.running if mine(call)][:LINES_SHOWN]
    ended = recent.shown(board, mine)
    card: CardOf = card_of
    if viewer.scope is not None:
        async with panel.database.read() as session:
            card = await cards_to_open(session, panel, viewer, [*running, *ended])
    lines = [
        replace(line, may_pause=call.recorded and may_pause(viewer, call, panel.recordings.control))
        for call, line in zip(running, call_lines(running, directory, card), strict=True)
    ]
    return {
        "running": lines,
        "recent": call_lines(ended, directory, card),
        "trouble": panel.asterisks.trouble(board.away),
        "now": panel.clock(),
    }
