"""Ends open pages soon after their session, whoever ended it: another server, the command line, or time (X1)."""

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from leads.admin.sse import Streams
from leads.domain.clock import Clock
from leads.store import access
from leads.store.engine import Database

LOOK_SECONDS = 2.0
"""One small statement for all open pages together; a page is to end within five seconds."""
_log = structlog.get_logger(__name__)


class SessionWatch:
    """Looks whether the sessions of all open pages are still valid, and wakes the pages of those that are not."""

    def __init__(self, database: Database, streams: Sequence[Streams], clock: Clock) -> None:
        """Nothing is looked at before `run`."""
        self._database = database
        self._streams = streams
        self._clock = clock

    async def run(self) -> None:
        """Look again and again; ends only by cancellation. A database that is away ends no page."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                _log.warning("open pages: sessions not checked", error=str(error))

    async def look(self) -> None:
        """Wake the pages whose session is over, so that they make sure of it themselves and end."""
        pages = [stream for streams in self._streams for stream in streams]
        if not pages:
            return
        async with self._database.read() as session:
            valid = await access.valid_sessions(session, {page.session_hash for page in pages}, self._clock())
        for page in pages:
            if page.session_hash not in valid:
                page.check = True
                page.news.set()
