"""Listens to one Asterisk: events go from the connection through a bounded queue into the tracker, in order.

Reading never waits for anything, because Asterisk drops a client that stands still; what comes is queued unparsed and
worked off in slices, so that calls being routed on the same loop do not wait for a burst either.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ami_listener.ami_events import WANTED
from ami_listener.connection import AmiAccount, AmiConnection
from ami_listener.link import AmiError, AmiLink, AmiRefusedError
from ami_listener.tracker import Tracker
from ami_listener.wire import HeaderLines
from leads.domain.calls import CallView
from leads.domain.clock import Clock
from leads.domain.rings import Ring

logger = logging.getLogger(__name__)

MAX_QUEUED_BYTES = 64 * 1024 * 1024
SLICE = 100
GIVE_SECONDS = 0.1
"""How long changes of calls are collected: a call changes several times within it, and is then made into one view."""
LISTING = "CoreShowChannels"
_LISTING_ENDED = {"Event": "CoreShowChannelsComplete"}


@dataclass(slots=True)
class ListenerHealth:
    """What /healthz and the metrics show of listening, besides the connection's own health."""

    last_event_at: datetime | None = None
    events: int = 0
    dropped: int = 0
    failures: int = 0
    listings: int = 0
    listing_refused: bool = False


@dataclass(frozen=True, slots=True)
class _Resync:
    """A place in the queue from which on everything known is in doubt until the running channels are listed."""

    incomplete: bool


@dataclass(frozen=True, slots=True)
class _Lost:
    """The place in the queue after which the next connection tells."""


class CallListener:
    """Follows the calls of one Asterisk for as long as `run` runs.

    Args:
        tracker: knows the calls; only this listener feeds it.
        submit: gets the views of calls that changed, in order; must return at once (see Recorder).
        account: the events account.
        on_rings: told at once of phones that began or ceased to ring; must return at once.
        silence: after this time without a byte the connection counts as dead.
        clock: the present time, UTC, for events that carry none.
    """

    def __init__(
        self,
        tracker: Tracker,
        submit: Callable[[Sequence[CallView]], None],
        account: AmiAccount,
        *,
        on_rings: Callable[[Sequence[Ring]], None] = lambda _: None,
        silence: timedelta = timedelta(seconds=15),
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self.tracker = tracker
        self.health = ListenerHealth()
        self.connection = AmiConnection(
            account,
            on_event=self._on_event,
            wanted=WANTED,
            on_connected=self._on_connected,
            on_lost=lambda: self._put(_Lost()),
            silence=silence,
            clock=clock,
        )
        self._submit = submit
        self._on_rings = on_rings
        self._clock = clock
        self._queue: deque[tuple[datetime, bytes | _Resync | _Lost]] = deque()
        self._queued_bytes = 0
        self._overflowed = False
        self._draining = False
        self._listing: asyncio.Task[None] | None = None
        self._giving: asyncio.TimerHandle | None = None

    @property
    def is_current(self) -> bool:
        """Whether Asterisk is connected and has told all that runs."""
        return self.connection.link is not None and self.tracker.is_listed and not self.health.listing_refused

    def knows(self, uniqueid: str) -> bool:
        """Whether a channel runs."""
        return self.tracker.knows(uniqueid)

    def sees_whole(self, linkedid: str) -> bool:
        """Whether a call runs of which nothing was missed."""
        return self.connection.link is not None and self.tracker.sees_whole(linkedid)

    @property
    def queued(self) -> int:
        """How many events wait."""
        return len(self._queue)

    async def run(self) -> None:
        """Listen, through every restart of Asterisk; ends only by cancellation."""
        try:
            await self.connection.run()
        finally:
            if self._listing is not None:
                self._listing.cancel()
            if self._giving is not None:
                self._giving.cancel()
            self._give()

    def _on_event(self, block: bytes) -> None:
        if self._queued_bytes + len(block) > MAX_QUEUED_BYTES:
            self.health.dropped += 1
            if not self._overflowed:
                self._overflowed = True
                logger.error("AMI: more events than can be worked off; the running calls will be read anew")
            return
        self._put(block)
        self._queued_bytes += len(block)

    def _put(self, item: bytes | _Resync | _Lost) -> None:
        self._queue.append((self._clock(), item))
        if not self._draining:
            self._draining = True
            asyncio.get_running_loop().call_soon(self._drain)

    def _drain(self) -> None:
        """Work off a slice; the rest waits for the next turn of the loop."""
        for _ in range(min(SLICE, len(self._queue))):
            arrived_at, item = self._queue.popleft()
            if isinstance(item, _Resync):
                self.tracker.begin_resync(item.incomplete)
            elif isinstance(item, _Lost):
                self.tracker.connection_lost()
            else:
                self._queued_bytes -= len(item)
                self._follow(item, arrived_at)
        self._tell_rings()
        self._give_soon()
        if self._queue:
            asyncio.get_running_loop().call_soon(self._drain)
            return
        self._draining = False
        if self._overflowed:
            self._overflowed = False
            self._listing = asyncio.create_task(self._list_again())

    def _follow(self, block: bytes, arrived_at: datetime) -> None:
        self.health.events += 1
        self.health.last_event_at = arrived_at
        try:
            self.tracker.follow(HeaderLines(block), arrived_at)
        except Exception:  # one event must not end the listening; the tests of the tracker look for such
            self.health.failures += 1
            logger.exception("AMI: the tracker failed on %r", block[:200])

    def _tell_rings(self) -> None:
        try:
            if rings := self.tracker.rings():
                self._on_rings(rings)
        except Exception:  # nor may a screen keep calls from being recorded
            self.health.failures += 1
            logger.exception("AMI: the phones that ring could not be told")

    def _give_soon(self) -> None:
        if self._giving is None:
            self._giving = asyncio.get_running_loop().call_later(GIVE_SECONDS, self._give)

    def _give(self) -> None:
        self._giving = None
        views: list[CallView] = []
        try:
            views.extend(self.tracker.changed())
        except Exception:  # nor must one call keep the others from being recorded
            self.health.failures += 1
            logger.exception("AMI: a call that changed could not be made into a view")
            self._give_soon()
        if views:
            self._submit(views)

    async def _on_connected(self, link: AmiLink) -> None:
        await self._list_channels(link, incomplete=False)

    async def _list_again(self) -> None:
        link = self.connection.link
        if link is None:
            return  # the next connection lists the channels anyway
        try:
            await self._list_channels(link, incomplete=True)
        except AmiError as error:
            link.drop(f"the running channels could not be read: {error}")

    async def _list_channels(self, link: AmiLink, *, incomplete: bool) -> None:
        """Ask what runs; the rows come as events, between those that happen meanwhile."""
        self._put(_Resync(incomplete))
        try:
            await link.ask(LISTING)
        except AmiRefusedError as error:
            self.health.listing_refused = True
            logger.error("AMI: %s; the account needs write=reporting to find calls that ran before", error)
            self.tracker.follow(_LISTING_ENDED, self._clock())
            self._give_soon()
            return
        self.health.listings += 1
        self.health.listing_refused = False
