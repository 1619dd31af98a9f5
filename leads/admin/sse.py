"""Server-Sent Events: the open pages that are told of changes, in bounded numbers, and none waits for a slow one."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

STREAMS_OF_ONE = 4
"""Open streams of one kind and session. Browsers have six connections to a server: one is for the question on the
screen, which all windows share, and one must stay free for the rest."""
WRITE_SECONDS = 20.0


@dataclass(slots=True, eq=False)
class Stream:
    """One open page. `news` is set when it shall look; `over` says that it has to end, `moved` why."""

    session_hash: str
    employee_id: int
    news: asyncio.Event = field(default_factory=asyncio.Event)
    check: bool = False
    over: bool = False
    moved: bool = False

    async def wait(self, seconds: float) -> bool:
        """Wait for news, at most `seconds`; tells whether there are any."""
        try:
            async with asyncio.timeout(seconds):
                await self.news.wait()
        except TimeoutError:
            return False
        self.news.clear()
        return True


class Streams:
    """The open pages of one kind, in the order in which they were opened."""

    def __init__(self) -> None:
        """Nobody looks yet."""
        self._open: OrderedDict[Stream, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Stream]:
        return iter(tuple(self._open))

    @contextmanager
    def opened(self, session_hash: str, employee_id: int) -> Iterator[Stream]:
        """Follow as one open page. When a session opens too many, its oldest ends: the person looks at the newest."""
        own = [stream for stream in self._open if stream.session_hash == session_hash and not stream.over]
        for stream in own[: max(0, len(own) - STREAMS_OF_ONE + 1)]:
            stream.over = stream.moved = True
            stream.news.set()
        stream = Stream(session_hash, employee_id)
        self._open[stream] = None
        try:
            yield stream
        finally:
            del self._open[stream]

    def wake(self) -> None:
        """Let every page look."""
        for stream in self._open:
            stream.news.set()

    def check_sessions(self) -> None:
        """Let each page make sure at once that its session is still valid."""
        for stream in self._open:
            stream.check = True
            stream.news.set()

    def end(self) -> None:
        """End all pages' streams."""
        for stream in self._open:
            stream.over = True
            stream.news.set()


def event_stream() -> web.StreamResponse:
    """The answer that events are written to, once it is prepared."""
    return web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"})


async def send(response: web.StreamResponse, text: str) -> None:
    """Write one event.

    Raises:
        OSError, TimeoutError: the page was closed, or reads nothing.
    """
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(text.encode())
