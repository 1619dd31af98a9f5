"""Completes the record from what Asterisk kept: calls made while Leadline, AMI or the database was away (C3).

It reads on all the time, at low priority, a little behind the present: where live events told a call from its beginning
to its end, nothing is done; every other call is told by its CEL, through the same tracker. The place up to which all
calls are recorded is kept in the database, only after they are.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from ami_listener.cel_calls import CallBook, CallGroup, calls_of
from ami_listener.cel_source import CelSource, Place
from leads.domain.calls import CallView
from leads.domain.clock import Clock
from leads.store.engine import Database
from leads.store.recovery import Stand, keep_stand, recorded_whole, stand_of

logger = logging.getLogger(__name__)

POLL_SECONDS = 3.0
PAUSE_SECONDS = 0.005
"""Between slices of a backlog, for the calls that come meanwhile."""
BEHIND = timedelta(seconds=3)
"""How far behind the present calls are looked at, so that live events come first."""
SILENT = timedelta(seconds=10)
"""A call that CEL leaves open and Asterisk does not have any more has ended, once CEL was silent on it for so long."""
FORGOTTEN = timedelta(hours=24)
"""The same where nobody can say what Asterisk has."""
BATCH = 50
AT_ONCE = 200
"""Rows of calls that are told on the loop; a conference of a whole day is told beside it."""
LONGEST_RETRY = 30.0


class LiveCalls(Protocol):
    """What live events say at this moment."""

    @property
    def is_current(self) -> bool:
        """Whether Asterisk is connected and has told all that runs."""

    def knows(self, uniqueid: str) -> bool:
        """Whether a channel runs."""

    def sees_whole(self, linkedid: str) -> bool:
        """Whether a call runs of which nothing was missed."""


class PastRecorder(Protocol):
    """Stores calls of the past; see ami_listener.recorder.Recorder."""

    async def store_past(self, views: Sequence[CallView]) -> None:
        """Store them when nothing else waits, or raise."""


@dataclass(slots=True)
class RecoveryHealth:
    """What /healthz and the metrics show of recovery; times are UTC.

    `begun` says that the place to read from is kept: what happens from then on is not lost, whatever ends Leadline.
    """

    begun: bool = False
    recovered: int = 0
    rows: int = 0
    unreadable: int = 0
    last_row_at: datetime | None = None
    read_at: datetime | None = None
    failing_since: datetime | None = None
    last_error: str | None = None


class Recovery:
    """Follows what one Asterisk keeps, for as long as `run` runs.

    Args:
        pbx: the name of that Asterisk.
        source: where it keeps it.
        is_trunk: whether a channel of this name leads to the public network.
        live: what live events say; None where AMI is not listened to.
        recorder: stores the calls.
        database: keeps how far the source was read, and tells which calls are on record.
        clock: the present time, UTC.
    """

    def __init__(
        self,
        pbx: str,
        source: CelSource,
        *,
        is_trunk: Callable[[str], bool],
        live: LiveCalls | None,
        recorder: PastRecorder,
        database: Database,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self.health = RecoveryHealth()
        self.source = source
        self._pbx = pbx
        self._is_trunk = is_trunk
        self._live = live
        self._recorder = recorder
        self._database = database
        self._clock = clock
        self._book = CallBook()
        self._next: Place = None
        self._kept: Place = None

    async def run(self) -> None:
        """Read on until cancelled, through every trouble of the source and the database."""
        retry = POLL_SECONDS
        while True:
            try:
                await self.catch_up()
            except (OSError, SQLAlchemyError, TimeoutError) as error:
                self._failed(error)
                await asyncio.sleep(retry)
                retry = min(retry * 2, LONGEST_RETRY)
                continue
            except Exception as error:  # one strange row must not end the recovery of all others
                self._failed(error)
                logger.exception("recovery of %s", self._pbx)
                await asyncio.sleep(LONGEST_RETRY)
                continue
            if self.health.failing_since is not None:
                logger.info("recovery of %s: goes on", self._pbx)
                self.health.failing_since = None
            retry = POLL_SECONDS
            await asyncio.sleep(POLL_SECONDS)

    async def catch_up(self) -> None:
        """Read all that is there and record what it tells.

        Raises:
            OSError, SQLAlchemyError: the source or the database is away; do it again later.
        """
        if self._next is None:
            await self._begin()
        at_end = False
        while not at_end:
            found = await self.source.read(self._next)
            if found.note:
                logger.warning("recovery of %s: %s", self._pbx, found.note)
            for row, place in found.rows:
                self._book.take(row, place)
            self._next, at_end = found.next, found.at_end
            self.health.rows += len(found.rows)
            self.health.unreadable += found.unreadable
            self.health.last_row_at = self._book.newest or self.health.last_row_at
            await self._tell_past(at_end)
            await self._keep_place()
            await asyncio.sleep(PAUSE_SECONDS)
        self.health.read_at = self._clock()
        await self._tell_running()

    async def _begin(self) -> None:
        """Where the last one left off; the first time at the present, because older calls are nobody's loss."""
        async with self._database.read() as session:
            stand = await stand_of(session, self._pbx)
        if stand is not None and stand.source == self.source.name[:500]:
            self._next = self._kept = stand.place
        else:
            self._next = await self.source.present()
            await self._keep_place()
            logger.info("recovery of %s: %s is read from now on; calls before are left", self._pbx, self.source.name)
        self.health.begun = True

    def _failed(self, error: Exception) -> None:
        """Begin again from what is kept: what was read and not told is read once more."""
        if self.health.failing_since is None:
            self.health.failing_since = self._clock()
            logger.warning("recovery of %s: %s", self._pbx, error)
        self.health.last_error = f"{type(error).__name__}: {error}"[:500]
        self._book = CallBook()
        self._next = None

    async def _keep_place(self) -> None:
        """The place before the first call that is not recorded yet, if it moved."""
        open_groups = self._book.open_groups()
        place = open_groups[0].place if open_groups else self._next
        if place != self._kept:
            await keep_stand(self._database, self._pbx, Stand(self.source.name, place), self._clock())
            self._kept = place

    async def _tell_past(self, at_end: bool) -> None:
        now = self._clock() - BEHIND
        newest = self._book.newest
        groups = self._book.settled(now if at_end or newest is None else min(now, newest))
        if at_end:
            groups += self._abandoned()
        groups += self._book.excess()
        for start in range(0, len(groups), BATCH):
            await self._record(groups[start : start + BATCH])

    def _abandoned(self) -> list[CallGroup]:
        """Take out the calls whose end nobody wrote: Asterisk ended in the midst of them."""
        now = self._clock()
        over = []
        for group in self._book.open_groups():
            if self._live is not None and self._live.is_current:
                is_over = now - group.last_at >= SILENT and not any(map(self._live.knows, group.running))
            else:
                is_over = now - group.last_at >= FORGOTTEN
            if group.running and is_over:
                self._book.forget(group)
                over.append(group)
        return over

    async def _record(self, groups: Sequence[CallGroup]) -> None:
        """Store the calls of these groups that are not on record from beginning to end."""
        linkedids = {linkedid for group in groups for linkedid in group.linkedids}
        async with self._database.read() as session:
            whole = await recorded_whole(session, self._pbx, linkedids)
        views: list[CallView] = []
        for group in groups:
            if not group.linkedids <= whole:
                views += [view for view in await self._views(group, over=True) if view.linkedid not in whole]
        if views:
            await self._recorder.store_past(views)
            self.health.recovered += len(views)

    async def _tell_running(self) -> None:
        """Show calls that run and whose beginning live events missed; they go on live."""
        views: list[CallView] = []
        now = self._clock()
        for group in self._book.open_groups():
            if len(group.rows) == group.told or now - group.last_at < BEHIND or self._is_seen(group):
                continue
            group.told = len(group.rows)
            views += await self._views(group, over=False)
        if views:
            await self._recorder.store_past(views)

    def _is_seen(self, group: CallGroup) -> bool:
        """Whether live events tell all that runs in it."""
        live = self._live
        running = {row.linkedid for row in group.rows if row.uniqueid in group.running}
        return live is not None and all(map(live.sees_whole, running))

    async def _views(self, group: CallGroup, *, over: bool) -> list[CallView]:
        await asyncio.sleep(0)
        tell = partial(calls_of, group, self._pbx, self._is_trunk, over=over)
        try:
            return tell() if len(group.rows) <= AT_ONCE else await asyncio.to_thread(tell)
        except Exception:
            logger.exception("recovery of %s: CEL of %s tells no call", self._pbx, ", ".join(sorted(group.linkedids)))
            return []
