"""Takes what the tracker says about calls and has it written, in order, in batches, and bounded whatever happens.

Only the fullest view of each call waits: a database that is away for a minute costs memory for the calls of that
minute, not for all that was said of them.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from leads.domain.calls import CallView, Phase
from leads.store.calls import RecordedDecision

COLLECT_SECONDS = 0.05
"""How long a batch is collected: one call begins with a burst of events, and people look at the page once a second."""
BATCH = 500
CAPACITY = 50_000
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)

_log = structlog.get_logger(__name__)
_Key = tuple[str, str]
_T = TypeVar("_T")


class Writer(Protocol):
    """Writes a batch in one transaction (leads.store.calls.CallWriter)."""

    async def write(self, views: Sequence[CallView], decisions: Sequence[RecordedDecision]) -> object:
        """Write all or, by raising, none."""
        ...


@dataclass(slots=True)
class RecorderFigures:
    """What the recorder has done since it started; `trouble` is why writing fails at present, None when it works."""

    written: int = 0
    failures: int = 0
    dropped: int = 0
    trouble: str | None = None


class Recorder:
    """The one ordered consumer through which everything that calls cause reaches the database."""

    def __init__(self, writer: Writer, on_written: Callable[[], None], *, capacity: int = CAPACITY) -> None:
        """Take what writing needs.

        Args:
            writer: writes batches.
            on_written: is rung on the loop after each batch that was written; it may not wait.
            capacity: how many calls, and how many decisions, may wait for the database.
        """
        self.figures = RecorderFigures()
        self._writer = writer
        self._on_written = on_written
        self._capacity = capacity
        self._views: dict[_Key, CallView] = {}
        self._decisions: dict[_Key, RecordedDecision] = {}
        self._something = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def pending(self) -> int:
        """How many calls and decisions wait to be written."""
        return len(self._views) + len(self._decisions)

    def submit(self, views: Iterable[CallView]) -> None:
        """Take views of calls, the later ones the fuller; never waits."""
        for view in views:
            self._views[view.pbx, view.linkedid] = view
        if len(self._views) > self._capacity:
            self._spill_views()
        self._wake()

    def submit_decision(self, decision: RecordedDecision) -> None:
        """Take one routing decision; never waits."""
        self._decisions[decision.pbx, decision.linkedid] = decision
        if len(self._decisions) > self._capacity:
            self._note_dropped(1)
            del self._decisions[next(iter(self._decisions))]
        self._wake()

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="recorder")

    async def stop(self, seconds: float = 5.0) -> None:
        """Write what waits, for at most `seconds`, and end."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            _log.error("calls were not written before the end", calls=len(self._views), why=self.figures.trouble)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _wake(self) -> None:
        if self._views or self._decisions:
            self._idle.clear()
            self._something.set()

    async def _run(self) -> None:
        attempt = 0
        while True:
            await self._something.wait()
            await asyncio.sleep(COLLECT_SECONDS if attempt == 0 else _pause(attempt))
            attempt = 0 if await self._write_batch() else attempt + 1
            if not self.pending:
                self._something.clear()
                self._idle.set()

    async def _write_batch(self) -> bool:
        views = _take(self._views)
        decisions = _take(self._decisions)
        try:
            await self._writer.write(list(views.values()), list(decisions.values()))
        except Exception as error:
            self._give_back(views, decisions)
            self._note_failure(error)
            return False
        except asyncio.CancelledError:
            self._give_back(views, decisions)
            raise
        if self.figures.trouble is not None:
            _log.info("calls are written again", waiting=self.pending)
        self.figures.trouble = None
        self.figures.written += len(views)
        self._on_written()
        return True

    def _give_back(self, views: dict[_Key, CallView], decisions: dict[_Key, RecordedDecision]) -> None:
        """Put a batch that was not written before what came meanwhile, which is fuller."""
        self._views = views | self._views
        self._decisions = decisions | self._decisions

    def _note_failure(self, error: Exception) -> None:
        self.figures.failures += 1
        if self.figures.trouble is None:
            _log.error("calls are not written; they wait and are tried again", why=repr(error), waiting=self.pending)
        self.figures.trouble = repr(error)

    def _spill_views(self) -> None:
        """Make room: first the oldest views of calls that go on, whose next view says more, then ended ones."""
        surplus = len(self._views) - self._capacity
        running = [key for key, view in self._views.items() if view.phase is not Phase.ENDED]
        for key in (running + [key for key in self._views if key not in set(running)])[:surplus]:
            del self._views[key]
        self._note_dropped(surplus)

    def _note_dropped(self, count: int) -> None:
        if not self.figures.dropped:
            _log.error(
                "more calls wait for the database than fit in memory; views are dropped", capacity=self._capacity
            )
        self.figures.dropped += count


def _take(waiting: dict[_Key, _T]) -> dict[_Key, _T]:
    """Take the oldest entries out."""
    keys = [key for key, _ in zip(waiting, range(BATCH), strict=False)]
    return {key: waiting.pop(key) for key in keys}


def _pause(attempt: int) -> float:
    """Seconds before the next attempt, with jitter so that several servers do not knock together."""
    longest = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS)) - 1]
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
