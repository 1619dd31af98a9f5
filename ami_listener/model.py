"""What the tracker knows: channels, the calls they belong to, the legs that were tried, the hand-overs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from ami_listener.results import ANSWERED_ELSEWHERE, leg_result, says_why
from leads.domain.calls import LegKind, Result, Role, TransferType
from leads.domain.sip_names import as_meant

MAX_LEGS = 200
MAX_TRANSFERS = 50
MAX_STATIONS = 50
SHORT_NUMBER = 6
LINE_DIGITS = 9
_INSTANT = timedelta(seconds=1)
_PSEUDO = frozenset(
    {
        *("Local", "Surrogate", "CBAnn", "CBRec", "Announcer", "Recorder", "Snoop", "Message", "Bridge", "AsyncGoto"),
        # What the console evaluates (`dialplan eval function …`) it does on a channel of its own; so do reminders.
        *("CLIEval", "CLIExec", "Calendar", "Test"),
    }
)
HOLDING = "holding_bridge"
"""Asterisk's name for what holds who waits: being in it is no conversation."""
HIDDEN_NUMBERS = frozenset({"anonymous", "restricted", "withheld", "private", "unavailable", "hidden"})
_DIALLED = re.compile(r"(?:^|[/:])(\+?[0-9*#]{2,32})(?:@|$)")


class Kind(Enum):
    """What stands at the far end of a channel: the public network, a phone of ours, or nobody (Local and the like)."""

    TRUNK = "trunk"
    PHONE = "phone"
    PSEUDO = "pseudo"


@dataclass(slots=True, eq=False)
class Channel:
    """One channel of Asterisk while it lives; legs and calls keep it after that for its number.

    `sends_on` while it is to dial where a phone sent the call, `instead` where it is what was dialled then;
    `conference` tells of what kind its `bridge` is.
    """

    uniqueid: str
    name: str
    kind: Kind
    call: "Call"
    created_at: datetime | None
    exten: str | None
    number: str | None = None
    caller_name: str | None = None
    hidden: bool = False
    up: bool = False
    dialled: bool = False
    dialled_by: str | None = None
    sends_on: bool = False
    instead: bool = False
    bridge: str | None = None
    conference: bool = False
    pair: str | None = None
    leg: "LegState | None" = None
    cause: int = 0
    unconfirmed: bool = False
    just_calling: bool = False

    @property
    def endpoint(self) -> str:
        """Asterisk's name of the phone or trunk: `PJSIP/101` of `PJSIP/101-0000002a`."""
        return self.name.rpartition("-")[0] or self.name

    def identify(self, number: str | None, caller_name: str | None) -> None:
        """Take a caller id. A phone that has its extension keeps it when the dialplan sets our public number for it."""
        keeps = self.kind is Kind.PHONE and not self.dialled and _is_short(self.number) and not _is_short(number)
        if number and not keeps:
            self.number = number
        self.caller_name = self._as_meant(caller_name) or self.caller_name
        if number and number.lower() in HIDDEN_NUMBERS:
            self.hidden = True

    def _as_meant(self, name: str | None) -> str | None:
        """A name as the network meant it; our phones' names mean what they say."""
        outside = self.kind is Kind.TRUNK and self.name.startswith("PJSIP/")
        return as_meant(name) if name is not None and outside else name

    def reidentify(self, number: str | None, caller_name: str | None, hidden: bool) -> None:
        """Take a caller id that was set later. A caller's own name came with the call: what follows is our display."""
        self.hidden = hidden
        self.identify(number, None if self.kind is Kind.TRUNK else caller_name)


def _is_short(number: str | None) -> bool:
    return number is not None and number.isdecimal() and len(number) <= SHORT_NUMBER


def kind_of(name: str, is_trunk: bool) -> Kind:
    """Tell what a channel's name stands for."""
    if name.partition("/")[0] in _PSEUDO or "/" not in name:
        return Kind.PSEUDO
    return Kind.TRUNK if is_trunk else Kind.PHONE


def dialled_number(dial_string: str) -> str | None:
    """The outside number in a dial string such as `0441234567@trunk`, `trunk/0441234567` or `trunk/sip:044…@host`."""
    found = _DIALLED.search(dial_string)
    return found.group(1) if found else None


@dataclass(slots=True, eq=False)
class LegState:
    """One attempt to reach one end, as it unfolds."""

    channel: Channel
    dialled: str | None
    status: str | None = None
    forwarded: bool = False
    talked: bool = False
    ended: bool = False
    kind: LegKind = LegKind.RANG
    handed_to: "Call | None" = None
    stopped_at: datetime | None = None
    """When Asterisk said by `status` how the attempt to reach it went."""

    def stop(self, status: str | None, at: datetime | None) -> None:
        """Take the first that is said of it: a queue says NOANSWER, and CANCEL when it then hangs that phone up. But of
        one that was answered as the caller hung up, Dial says NOANSWER and then ANSWER."""
        if not self.status or (self.status, status) == ("NOANSWER", "ANSWER"):
            self.status, self.stopped_at = status, at

    @property
    def result(self) -> Result | None:
        """How the leg ended; None while it rings. Who talked answered, whatever DialEnd said."""
        if self.talked:
            return Result.ANSWERED
        return leg_result(self.status, self.channel.cause) if self.ended else None

    @property
    def counts(self) -> bool:
        """Whether this leg's end says something about the caller's fate: not when forwarded or answered elsewhere."""
        return not self.forwarded and self.channel.cause != ANSWERED_ELSEWHERE


@dataclass(slots=True, eq=False)
class StationState:
    """A queue, parking space or mailbox that a call came to after its first `after` legs, and left after `until`.

    `left` says how it went on, None while he waits there; a queue does not say it.
    """

    kind: LegKind
    name: str
    after: int
    until: int | None = None
    left: Result | None = None


@dataclass(slots=True, eq=False)
class TransferState:
    """One hand-over; while `pending` its target has not been reached, and `legs` are the attempts to.

    Without a target and no longer pending it was in vain: who handed over was rung back and talks again.
    """

    type: TransferType
    by: Channel
    to: str | None
    legs: list[LegState]
    pending: bool = True
    target: Channel | None = None
    parked: bool = False
    conferred: bool = False


def age_of(linkedid: str, serial: int) -> tuple[int, int]:
    """When a call began, from the `epoch.count` at the end of its linkedid; else it counts as new, in order seen."""
    seconds, _, count = linkedid.rpartition("-")[2].partition(".")
    if seconds.isdecimal() and count.isdecimal() and len(linkedid) < 64:
        return int(seconds), int(count)
    return 1 << 62, serial


@dataclass(slots=True, eq=False)
class Call:
    """Everything that shares one linkedid. `age` orders calls as Asterisk does, which keeps the oldest linkedid."""

    linkedid: str
    age: tuple[int, int]
    started_at: datetime | None
    channels: dict[str, Channel] = field(default_factory=dict)
    caller: Channel | None = None
    originated: bool = False
    visible: bool = False
    legs: list[LegState] = field(default_factory=list)
    ended_legs: list[LegState] = field(default_factory=list)
    stations: list[StationState] = field(default_factory=list)
    transfers: list[TransferState] = field(default_factory=list)
    talked: set[str] = field(default_factory=set)
    answerer: Channel | None = None
    answered: bool = False
    answered_at: datetime | None = None
    talking: bool = False
    talking_since: datetime | None = None
    talk: timedelta = timedelta()
    role: Role = Role.CALL
    parent: str | None = None
    handed_on_at: datetime | None = None
    begun: bool = False
    in_queue: bool = False
    waited_in_queue: bool = False
    gave_up: bool = False
    incomplete: bool = False
    last_at: datetime | None = None
    over_at: datetime | None = None
    ended: bool = False
    ended_at: datetime | None = None
    last_facts: dict[str, Any] | None = None
    progress: int = 0

    def heard_at(self, at: datetime | None) -> None:
        """Note that something was said of the call."""
        if at is not None and (self.last_at is None or at > self.last_at):
            self.last_at = at

    def add_leg(self, leg: LegState) -> None:
        """Note an attempt; in a queue that rings for hours the oldest one in which nobody talked makes room."""
        if len(self.legs) >= MAX_LEGS:
            old = next((leg for leg in self.legs if not leg.talked), self.legs[0])
            self.legs.remove(old)
            if old in self.ended_legs:
                self.ended_legs.remove(old)
        self.legs.append(leg)
        for transfer in self.transfers:
            if transfer.pending and len(transfer.legs) < MAX_LEGS:
                transfer.legs.append(leg)

    def come_to(self, kind: LegKind, name: str) -> None:
        """Note that the call came to a station; the same one twice in a row is one."""
        last = self.stations[-1] if self.stations else None
        same = last is not None and (last.kind, last.name, last.until) == (kind, name, None)
        if not same and len(self.stations) < MAX_STATIONS:
            self.stations.append(StationState(kind, name, len(self.legs)))

    def leave_station(self, kind: LegKind, result: Result | None = None) -> None:
        """Note that the wait at the newest station of a kind ended, and how."""
        station = next((one for one in reversed(self.stations) if one.kind is kind), None)
        if station is not None and station.until is None:
            station.until, station.left = len(self.legs), result

    @property
    def is_parked(self) -> bool:
        """Whether the caller waits on a parking space."""
        return bool(self.stations) and self.stations[-1].kind is LegKind.PARKED and self.stations[-1].until is None

    def caller_left(self, at: datetime | None) -> None:
        """Note that the caller hung up. Where a phone was answered in that very instant, neither reached the other, and
        Asterisk tells of the answer: he gave up. (A mobile that never accepts the call takes longer.)"""
        last = self.legs[-1] if self.legs else None
        if self.caller is None or last is None or last.talked or last.status != "ANSWER" or says_why(self.caller.cause):
            return
        at_once = at is not None and last.stopped_at is not None and at - last.stopped_at <= _INSTANT
        if at_once and last.channel.dialled_by == self.caller.uniqueid:
            last.status = "CANCEL"

    def stop_talking(self, at: datetime | None) -> None:
        """Count the time that people talked until now."""
        if self.talking and at and self.talking_since and at > self.talking_since:
            self.talk += at - self.talking_since
        self.talking = False

    def hand_over(self, transfer: TransferState) -> bool:
        """Note a hand-over; says whether it was new, because the same event may come twice."""
        last = self.transfers[-1] if self.transfers else None
        if (
            last
            and (last.type, last.by, last.to) == (transfer.type, transfer.by, transfer.to)
            and (last.pending or last.target is transfer.target)
        ):
            return False
        if len(self.transfers) >= MAX_TRANSFERS:
            return False
        self.transfers.append(transfer)
        return True

    def pending_transfer(self) -> TransferState | None:
        """The newest hand-over whose target has not been reached."""
        return next((transfer for transfer in reversed(self.transfers) if transfer.pending), None)

    def real_channels(self) -> Iterator[Channel]:
        """The living channels that have a person or a network at their end."""
        return (channel for channel in self.channels.values() if channel.kind is not Kind.PSEUDO)
