"""Puts rows of CEL together to calls and shows each as the tracker sees it: pure, and bounded in memory.

What has met in one call (by linkedid, channel, bridge or transfer) is told together, once all of its channels have
ended.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ami_listener import events as e
from ami_listener.cel_events import channel_events, is_begun
from ami_listener.cel_ids import with_ids
from ami_listener.cel_rows import CelRow
from ami_listener.tracker import Tracker
from leads.domain.calls import CallView

SETTLED = timedelta(seconds=2)
"""Rows of one moment may be written in another order, so a call is over only when nothing followed for this long."""
Place = Any
"""Where a source of CEL stands, in its own terms; kept as JSON."""
MOST_ROWS = 200_000
"""Of calls that have not ended; more, and the oldest is told as far as it came."""
MOST_OF_ONE = 20_000
"""Of calls that met, as in a conference."""
_OTHERS = (
    "channel2_uniqueid",
    "transferee_channel_uniqueid",
    "transfer_target_channel_uniqueid",
    "pickup_channel_uniqueid",
)


@dataclass(slots=True, eq=False)
class CallGroup:
    """The rows of one call, or of calls that met; `first` and `place` are of the row that was written first.

    `told` says how many rows it had when it was shown last.
    """

    first: int
    place: Place
    last_at: datetime
    rows: list[CelRow] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    told: int = 0

    @property
    def linkedids(self) -> set[str]:
        """The calls in it."""
        return {row.linkedid for row in self.rows}

    def take(self, row: CelRow) -> None:
        """Add a row."""
        self.rows.append(row)
        self.last_at = max(self.last_at, row.at)
        if row.event in ("HANGUP", "CHAN_END"):
            self.ended.add(row.uniqueid)
            self.running.discard(row.uniqueid)
        elif row.event == "LINKEDID_END":
            self.running = {uniqueid for uniqueid in self.running if self._linkedid_now(uniqueid) != row.linkedid}
        elif row.uniqueid not in self.ended:
            self.running.add(row.uniqueid)

    def _linkedid_now(self, uniqueid: str) -> str:
        return next(row.linkedid for row in reversed(self.rows) if row.uniqueid == uniqueid)

    def swallow(self, other: "CallGroup") -> None:
        """Take in another group, which has met this one."""
        self.rows += other.rows
        self.ended |= other.ended
        self.running = (self.running | other.running) - self.ended
        self.keys |= other.keys
        self.last_at = max(self.last_at, other.last_at)
        if other.first < self.first:
            self.first, self.place = other.first, other.place


class CallBook:
    """The calls of which CEL told something and that are not told yet."""

    def __init__(self) -> None:
        self._groups: dict[str, CallGroup] = {}
        self._rows = 0
        self._newest: datetime | None = None

    @property
    def newest(self) -> datetime | None:
        """The latest time that any row told."""
        return self._newest

    def take(self, row: CelRow, place: Place = None) -> None:
        """Add a row to its call; `place` is where its source reads on to come by it again."""
        keys = set(_keys(row))
        met = list({id(group): group for key in keys if (group := self._groups.get(key)) is not None}.values())
        group = max(met, key=lambda one: len(one.rows)) if met else CallGroup(row.serial, place, row.at)
        for other in met:
            if other is not group:
                group.swallow(other)
                keys |= other.keys
        group.keys |= keys
        for key in keys:
            self._groups[key] = group
        group.take(row)
        self._rows += 1
        if self._newest is None or row.at > self._newest:
            self._newest = row.at

    def open_groups(self) -> list[CallGroup]:
        """All that is not told yet, the first begun first."""
        return sorted({id(group): group for group in self._groups.values()}.values(), key=lambda one: one.first)

    def settled(self, now: datetime) -> list[CallGroup]:
        """Take out the calls that have ended.

        Args:
            now: the latest time up to which all rows are known to have been read.
        """
        over = [group for group in self.open_groups() if not group.running and now - group.last_at >= SETTLED]
        for group in over:
            self.forget(group)
        return over

    def excess(self) -> list[CallGroup]:
        """Take out the oldest calls while there are more rows than memory is for."""
        over = []
        for group in self.open_groups():
            if self._rows > MOST_ROWS or len(group.rows) > MOST_OF_ONE:
                self.forget(group)
                over.append(group)
        return over

    def forget(self, group: CallGroup) -> None:
        """Take out one call."""
        self._rows -= len(group.rows)
        for key in group.keys:
            if self._groups.get(key) is group:
                del self._groups[key]


def _keys(row: CelRow) -> Iterator[str]:
    """What ties a row to others: so are the two halves of a Local channel, and people in one bridge.

    Those who wait in a bridge that only holds are not.
    """
    yield f"call {row.linkedid}"
    yield f"channel {row.uniqueid}"
    if row.channel.startswith("Local/"):
        yield f"halves {row.channel.rpartition(';')[0]}"
    if row.extra.get("bridge_id") and row.extra.get("bridge_technology") != "holding_bridge":
        yield f"bridge {row.extra['bridge_id']}"
    for name in _OTHERS:
        if name in row.extra:
            yield f"channel {row.extra[name]}"


def calls_of(group: CallGroup, pbx: str, is_trunk: Callable[[str], bool], *, over: bool) -> list[CallView]:
    """The calls of a group as far as CEL tells them.

    Args:
        group: the rows.
        pbx: the Asterisk they come from.
        is_trunk: whether a channel of this name leads to the public network.
        over: whether a call whose end is not told has ended all the same, with its last event.
    """
    rows = with_ids(group.rows)
    tracker = Tracker(pbx, is_trunk)
    for event in channel_events(rows):
        tracker.apply(event)
    cut = False
    if over:
        cut = _end_all(tracker, rows)
    incomplete = cut or not is_begun(rows)
    return [
        replace(view, progress=len(rows), recovered=True, incomplete=view.incomplete or incomplete)
        for view in tracker.changed()
    ]


def _end_all(tracker: Tracker, rows: Sequence[CelRow]) -> bool:
    """End what still runs with the last event; says whether anything did."""
    at = rows[-1].at
    left = {row.uniqueid: row.linkedid for row in rows if tracker.knows(row.uniqueid)}
    for uniqueid, linkedid in left.items():
        tracker.apply(e.ChannelEnded(at, uniqueid, linkedid, 0))
    return bool(left)


def calls_of_rows(rows: Iterable[CelRow], pbx: str, is_trunk: Callable[[str], bool]) -> list[CallView]:
    """All calls of a whole table of CEL, in the order in which they began; what has no end ends with its last event."""
    book = CallBook()
    for row in with_ids(list(rows)):
        book.take(row)
    views = [view for group in book.open_groups() for view in calls_of(group, pbx, is_trunk, over=True)]
    return sorted(views, key=lambda view: (view.started_at is None, view.started_at))
