"""What a story should be on record as, written from what its ends saw; nothing here comes from the tracker."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from tests.lab.stage.ends import Interval


@dataclass
class ExpectedLeg:
    """One attempt: whom, how it ended, how it came about."""

    who: str
    result: str
    kind: str = "rang"
    at: float | None = None
    """When it began to ring, to tell which legs were one after the other; None where that does not matter."""


@dataclass
class ExpectedStation:
    """A queue, parking space or mailbox where the caller waited, and whether he was taken there."""

    kind: str
    name: str
    result: str | None


@dataclass
class ExpectedTransfer:
    type: str
    by: str
    to: str
    result: str
    answered_by: str | None = None


@dataclass
class ExpectedCall:
    """One call as a sales manager would tell it; `lead` is the number of the lead that it made, `parent` the place of
    the call that a consultation belongs to."""

    direction: str
    caller: str
    dialled: str | None
    result: str
    ring_seconds: float
    answered_by: str | None = None
    talk_seconds: float = 0.0
    legs: list[ExpectedLeg] = field(default_factory=list)
    transfers: list[ExpectedTransfer] = field(default_factory=list)
    stations: list[ExpectedStation] = field(default_factory=list)
    role: str = "call"
    parent: int | None = None
    lead: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def seconds(start: datetime | None, end: datetime | None) -> float:
    """From one moment to another, as an end's log has them."""
    assert start
    assert end
    return round((end - start).total_seconds(), 2)


def total(intervals: Iterable[Interval]) -> float:
    """How long at least one of these conversations went on."""
    whole, until = 0.0, None
    for one in sorted(intervals, key=lambda interval: interval.start):
        start = max(one.start, until) if until else one.start
        whole += max(0.0, (one.end - start).total_seconds())
        until = max(one.end, until) if until else one.end
    return round(whole, 2)
