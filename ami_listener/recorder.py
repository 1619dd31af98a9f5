"""Brings calls and decisions to the database: one ordered consumer, in batches, through every trouble of the database.

Only the fullest view of a call matters, so views that wait replace poorer ones: a database that is away for a while
costs memory for the calls that changed, not for every change.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol

import structlog

from leads.domain.calls import CallView, Phase
from leads.domain.clock import Clock
from leads.store.calls import RecordedDecision

logger = logging.getLogger(__name__)
_story = structlog.get_logger(__name__)

BATCH_SECONDS = 0.15
BATCH_SIZE = 1000
MOST_WAITING = 50_000
FIRST_RETRY = 0.5
LONGEST_RETRY = 15.0

_ViewKey = tuple[str, str, bool]
_DecisionKey = tuple[str, str]


class Writer(Protocol):
    """What stores calls; see leads.store.calls.CallWriter."""

    async def write(self, views: Sequence[CallView], decisions: Sequence[RecordedDecision]) -> None:
        """Store all in one go, or raise and store nothing."""


@dataclass(slots=True)
class RecorderHealth:
    """What /healthz and the metrics show of recording; times are UTC."""

    written: int = 0
    batches: int = 0
    spilled: int = 0
    failing_since: datetime | None = None
    last_error: str | None = None


class Recorder:
    """Takes what is to be stored at once and stores it soon, while `run` runs.

    Args:
        writer: stores a batch; used by this recorder alone.
        on_written: called after each batch, so that the live page can be told.
        most_waiting: how many calls, and how many decisions, wait at most while the database is away.
        clock: the present time, UTC.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        on_written: Callable[[], None] = lambda: None,
        most_waiting: int = MOST_WAITING,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self.health = RecorderHealth()
        self._writer = writer
        self._on_written = on_written
        self._most = most_waiting
        self._clock = clock
        self._live: dict[_ViewKey, CallView] = {}
        self._ended: dict[_ViewKey, CallView] = {}
        self._decisions: dict[_DecisionKey, RecordedDecision] = {}
        self._past: deque[tuple[Sequence[CallView], asyncio.Future[None]]] = deque()
        self._in_flight = 0
        self._work = asyncio.Event()
        self._hurry = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def waiting(self) -> int:
        """How many views and decisions are not stored yet."""
        return len(self._live) + len(self._ended) + len(self._decisions) + self._in_flight

    def submit(self, views: Sequence[CallView]) -> None:
        """Take views of calls, in order; returns at once."""
        for view in views:
            self._keep(view)
        self._spill()
        self._wake()

    def submit_decision(self, decision: RecordedDecision) -> None:
        """Take a routing decision; returns at once."""
        self._decisions[decision.pbx, decision.linkedid] = decision
        self._spill()
        self._wake()

    async def store_past(self, views: Sequence[CallView]) -> None:
        """Store calls that are over by themselves, when nothing that is happening waits; returns once they are stored.

        Raises:
            Exception: they could not be stored; do it again.
        """
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._past.append((views, stored))
        self._work.set()
        await stored

    async def run(self) -> None:
        """Store what comes, until cancelled. What a cancelled batch held is stored by nobody: `drain` first."""
        retry = FIRST_RETRY
        while True:
            await self._work.wait()
            if not self._hurry.is_set():
                await asyncio.sleep(BATCH_SECONDS)
            if self._past and not self.waiting:
                await self._store_past()
                continue
            views, decisions = self._take()
            try:
                await self._writer.write(views, decisions)
            except Exception as error:
                self._failed(error, views, decisions)
                await asyncio.sleep(retry * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
                retry = min(retry * 2, LONGEST_RETRY)
                continue
            retry = FIRST_RETRY
            self._stored()
            _tell(views, decisions)

    async def drain(self, seconds: float = 10.0) -> int:
        """Store what waits without delay; give how much is still unsaved after at most `seconds`."""
        self._hurry.set()
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            logger.error("recorder: %d calls and decisions could not be stored before the end", self.waiting)
        return self.waiting

    async def _store_past(self) -> None:
        views, stored = self._past.popleft()
        try:
            await self._writer.write(views, [])
        except Exception as error:
            if not stored.done():
                stored.set_exception(error)
        else:
            if not stored.done():
                stored.set_result(None)
            self._on_written()
        if not self.waiting and not self._past:
            self._work.clear()

    def _keep(self, view: CallView) -> None:
        """Keep the fullest view; one that missed a part of the call stands beside one that did not."""
        key = (view.pbx, view.linkedid, view.incomplete)
        known = self._ended.get(key) or self._live.get(key)
        if known is not None and (known.phase, known.progress) >= (view.phase, view.progress):
            return
        if view.phase is Phase.ENDED:
            self._live.pop(key, None)
            self._ended[key] = view
        else:
            self._live[key] = view

    def _spill(self) -> None:
        """Make room: first the oldest calls that still run, which will be heard of again, last those that ended."""
        before = self.health.spilled
        while len(self._live) + len(self._ended) > self._most:
            waiting = self._live or self._ended
            del waiting[next(iter(waiting))]
            self.health.spilled += 1
        while len(self._decisions) > self._most:
            del self._decisions[next(iter(self._decisions))]
            self.health.spilled += 1
        if before == 0 and self.health.spilled:
            logger.error("recorder: the database is away for too long; the oldest calls that wait are given up")

    def _wake(self) -> None:
        self._empty.clear()
        self._work.set()

    def _take(self) -> tuple[list[CallView], list[RecordedDecision]]:
        views = [waiting.pop(key) for waiting in (self._ended, self._live) for key in list(islice(waiting, BATCH_SIZE))]
        decisions = [self._decisions.pop(key) for key in list(islice(self._decisions, BATCH_SIZE))]
        if not self.waiting and not self._past:
            self._work.clear()
        self._in_flight = len(views) + len(decisions)
        return views, decisions

    def _failed(self, error: Exception, views: list[CallView], decisions: list[RecordedDecision]) -> None:
        self._in_flight = 0
        if self.health.failing_since is None:
            self.health.failing_since = self._clock()
        self.health.last_error = f"{type(error).__name__}: {error}"[:500]
        logger.warning("recorder: not stored, will be tried again: %s", self.health.last_error)
        newer_live, self._live = self._live, {}
        newer_ended, self._ended = self._ended, {}
        for view in (*views, *newer_live.values(), *newer_ended.values()):
            self._keep(view)
        self._decisions = {(made.pbx, made.linkedid): made for made in (*decisions, *self._decisions.values())}
        self._spill()
        self._wake()

    def _stored(self) -> None:
        if self.health.failing_since is not None:
            logger.info("recorder: the database is back after trouble since %s", self.health.failing_since)
            self.health.failing_since = None
        self.health.written += self._in_flight
        self._in_flight = 0
        self.health.batches += 1
        if not self.waiting:
            self._empty.set()
        self._on_written()


def _tell(views: Sequence[CallView], decisions: Sequence[RecordedDecision]) -> None:
    """Log what was stored of each call, for who asks for so much; no outside number, which erasing could not reach."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    for made in decisions:
        why = [reason.get("code") for reason in made.decision.get("reasons", ())]
        _story.debug("call routed", pbx=made.pbx, linkedid=made.linkedid, why=why)
    for view in views:
        _story.debug(
            "call stored",
            pbx=view.pbx,
            linkedid=view.linkedid,
            phase=view.phase.name.lower(),
            direction=view.direction and view.direction.value,
            result=view.result and view.result.value,
            talk_seconds=view.talk_seconds,
        )
