"""The value a routing decision is: the steps a call takes, what the displays show, and why."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from leads.domain.directory import Extension
from leads.domain.displays import Displays
from leads.domain.reasons import Reason


class StepKind(StrEnum):
    """What a step of the chain does."""

    PHONES = "phones"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Ring:
    """One phone to ring in a step; with `call_waiting` it is rung even while it is in a call."""

    extension: Extension
    call_waiting: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One link of the chain: phones rung together, or a queue, for at most `seconds`; `why` tells people.

    The `rings` of a queue are the phones that may be its members, for what their displays show.
    """

    kind: StepKind
    seconds: int
    why: Reason
    rings: tuple[Ring, ...] = ()
    queue: str | None = None


class Decision(NamedTuple):
    """Where a call goes and why; a tuple, because one is made while a caller waits.

    `caller` is the caller's E.164 number, or None when hidden or unreadable; `did` the dialled number's. `name` is
    what displays show before it is fitted to each phone, or None: then the name that the trunk delivered stays.
    `reasons` stand in the order in which they were found. `displays` are those of the company, to one of which the
    call may be handed on; None: only those of the steps are known. `record`: the call is recorded.
    `unsure`: the database did not tell who calls, so the decision is the one for an unknown caller.
    `greeting_language` is in which the caller hears announcements; empty: as Asterisk chooses.
    """

    caller: str | None
    did: str | None
    name: str | None
    language: str | None
    steps: tuple[Step, ...]
    reasons: tuple[Reason, ...]
    record: bool = False
    displays: Displays | None = None
    unsure: bool = False
    greeting_language: str = ""
