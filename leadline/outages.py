"""Keeps on record when calls could not be followed or recorded: Leadline down, an Asterisk out of reach, no database.

A beat every other second says that Leadline is alive, so that even after a kill the beginning of the outage is known.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ami_listener.listener import CallListener
from leads.domain.clock import Clock
from leads.store.engine import Database
from leads.store.models import OutageKind
from leads.store.recovery import (
    EVERY_PBX,
    add_outage,
    begin_outage,
    end_outage,
    keep_alive,
    last_alive,
)

BEAT_SECONDS = 2.0
FIRST_CONNECT = timedelta(seconds=5)
"""For logging in after the start."""
SLOW = timedelta(seconds=3)
"""A beat that took longer found the database locked or hanging."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Watched:
    """An Asterisk, and how it was at the last look."""

    pbx: str
    listener: CallListener
    connects: int = 0
    heard_at: datetime | None = None
    is_away: bool = False


_Change = tuple[_Watched, datetime | None, datetime | None]
"""An Asterisk that is away from a time on, or was until another; without a beginning: that is here now."""


class OutageKeeper:
    """Watches, while `run` runs.

    Args:
        database: keeps what is found, and is watched itself.
        listeners: by the name of their Asterisk.
        clock: the present time, UTC.
    """

    def __init__(
        self,
        database: Database,
        listeners: Sequence[tuple[str, CallListener]],
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._clock = clock
        self._started_at = clock()
        self._watched = [_Watched(pbx, listener) for pbx, listener in listeners]
        self._database_away: datetime | None = None
        self._is_down_noted = False
        self._changes: list[_Change] = []

    async def run(self) -> None:
        """Beat until cancelled, through every trouble of the database."""
        while True:
            began = self._clock()
            try:
                async with asyncio.timeout(10 * BEAT_SECONDS):
                    await self.beat()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                if self._database_away is None:
                    self._database_away = began
                    _log.warning("the database does not answer; no outage can be noted now", why=str(error)[:200])
            await asyncio.sleep(BEAT_SECONDS)

    async def beat(self) -> None:
        """Note that we are alive, and what has gone away or come back."""
        began = self._clock()
        if not self._is_down_noted:
            await self._note_down()
        self._changes += self._look_around()
        await keep_alive(self._database, began)
        now = self._clock()
        if now - began >= SLOW and self._database_away is None:
            self._database_away = began
        if self._database_away is not None:
            await add_outage(self._database, EVERY_PBX, OutageKind.DATABASE, self._database_away, now)
            self._database_away = None
        while self._changes:
            await self._note_away(*self._changes[0])
            del self._changes[0]

    async def _note_down(self) -> None:
        """The time since the last beat of any Leadline on this database, unless another one still beats."""
        async with self._database.read() as session:
            before = await last_alive(session)
        if before is not None and before < self._started_at:
            await asyncio.sleep(1.5 * BEAT_SECONDS)
            async with self._database.read() as session:
                if await last_alive(session) == before:
                    await add_outage(self._database, EVERY_PBX, OutageKind.LEADLINE, before, self._started_at)
                    _log.info("leadline was down", since=before.isoformat(), until=self._started_at.isoformat())
        self._is_down_noted = True

    def _look_around(self) -> list[_Change]:
        """The Asterisks that have gone, or were gone since the last look: from when, and until when if back."""
        changes: list[_Change] = []
        now = self._clock()
        for watched in self._watched:
            connection = watched.listener.connection
            link, connects = connection.link, connection.health.connects
            since = watched.heard_at or self._started_at
            if link is None and watched.heard_at is None and now - self._started_at < FIRST_CONNECT:
                continue
            if link is None and not watched.is_away:
                changes.append((watched, since, None))
            elif link is not None and (watched.is_away or (watched.connects and connects != watched.connects)):
                changes.append((watched, since, connection.health.since or now))
            elif link is not None and not watched.connects:
                # One that a Leadline noted which was killed before Asterisk was back would last for ever.
                changes.append((watched, None, connection.health.since or now))
            watched.is_away, watched.connects = link is None, connects
            if link is not None:
                silent = asyncio.get_running_loop().time() - link.received_at
                watched.heard_at = now - timedelta(seconds=max(0.0, silent))
        return changes

    async def _note_away(self, watched: _Watched, start: datetime | None, end: datetime | None) -> None:
        if start is not None and end is None:
            await begin_outage(self._database, watched.pbx, OutageKind.AMI, start)
        elif start is not None and end is not None:
            await add_outage(self._database, watched.pbx, OutageKind.AMI, start, end)
        if end is not None:
            await end_outage(self._database, watched.pbx, OutageKind.AMI, end)
