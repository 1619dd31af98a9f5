"""What a call is, in the words that live AMI, recordings of it, the store and the panel share."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum


class Direction(StrEnum):
    """Where a call came from and went to, seen from the company."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class Role(StrEnum):
    """Whether a call stands for itself or is the question of a transferring party to the target."""

    CALL = "call"
    CONSULTATION = "consultation"


class Result(StrEnum):
    """How a call, or one leg of it, ended."""

    ANSWERED = "answered"
    NO_ANSWER = "no-answer"
    BUSY = "busy"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    FAILED = "failed"


class TransferType(StrEnum):
    """How a conversation was handed on: without asking the target, after talking, or while the target still rang."""

    BLIND = "blind"
    ATTENDED = "attended"
    SEMI_ATTENDED = "semi-attended"


class LegKind(StrEnum):
    """How one end came into a call; the last three are stations where a caller waits, and ring nowhere."""

    RANG = "rang"
    TRANSFERRED = "transferred"
    FORWARDED = "forwarded"
    PICKED_UP = "picked-up"
    TAKEN_BACK = "taken-back"
    QUEUE = "queue"
    PARKED = "parked"
    VOICEMAIL = "voicemail"

    @property
    def is_station(self) -> bool:
        """Whether no end is tried there."""
        return self in _STATIONS


_STATIONS = frozenset({LegKind.QUEUE, LegKind.PARKED, LegKind.VOICEMAIL})


class Phase(IntEnum):
    """How far a call has come; it only ever grows, so a late or repeated view cannot take a call back."""

    RINGING = 1
    TALKING = 2
    ENDED = 3


@dataclass(frozen=True, slots=True)
class Leg:
    """One attempt to reach one end: a phone that rang, or the outside line that was dialled.

    Of a station `endpoint` is the queue's name, the parking space or the mailbox; `result` says whether somebody then
    took the caller, and is None for a mailbox.
    """

    endpoint: str
    number: str | None
    result: Result | None
    kind: LegKind = LegKind.RANG


@dataclass(frozen=True, slots=True)
class Transfer:
    """One hand-over within a call."""

    type: TransferType
    by: str | None
    to: str | None
    result: Result | None
    answered_by: str | None


@dataclass(frozen=True, slots=True)
class CallView:
    """All that is known of one call at one moment; the tracker makes a new one whenever that changes.

    Numbers are as Asterisk gave them; `caller_hidden` says that the caller withheld theirs. Times are UTC and None
    where nothing told them. `progress` counts the views of this call, so that the store can tell the fuller one.
    `incomplete` says that a part of the call was missed, `recovered` that it is told by what Asterisk kept (CEL, CDR).
    """

    pbx: str
    linkedid: str
    role: Role
    phase: Phase
    progress: int
    direction: Direction | None
    caller: str | None
    caller_name: str | None
    caller_hidden: bool
    dialled: str | None
    result: Result | None
    answered_by: str | None
    started_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    ring_seconds: float | None
    talk_seconds: float | None
    transfers: tuple[Transfer, ...]
    legs: tuple[Leg, ...]
    parent_linkedid: str | None = None
    incomplete: bool = False
    recovered: bool = False
