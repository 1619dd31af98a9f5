"""Tells CEL of a call in the vocabulary of channel events, so that recovered calls go through the tracker of live ones.

CEL says less than AMI: nothing of ringing, of who dialled whom, or why a phone stopped. But it is read when the call is
over, so what came later explains what came before.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ami_listener import events as e
from ami_listener.cel_rows import CelRow
from ami_listener.model import Kind, kind_of

_ORIGINATED = "appdial2"
_DIALLED = frozenset({"appdial", "appqueue", _ORIGINATED})
_BRIDGED = frozenset({"BRIDGE_ENTER", "BRIDGE_START", "BRIDGE_UPDATE"})
_ENDS = frozenset({"HANGUP", "CHAN_END"})
_SAY_NOTHING = frozenset({0, 16, 26, 31, 127})
"""Q.850 causes of an end by which no far end tells why."""
_HOLDING = "holding_bridge"
_TOGETHER = timedelta(seconds=1)
"""Ends as near as this have one cause; tables of whole seconds tell no better."""
_HIDDEN = frozenset({"anonymous", "restricted", "withheld", "private", "unavailable", "hidden"})
_TARGET = re.compile(r"([A-Za-z0-9]+)/([^,&]+)")


@dataclass(slots=True)
class _Facts:
    """What all rows together tell of one channel."""

    first: CelRow
    last: CelRow
    dialled: bool = False
    originated: bool = False
    begun: bool = False
    answer: CelRow | None = None
    ended_at: datetime | None = None
    hangup: CelRow | None = None
    own_bridges: bool = False
    last_app: str = ""
    forwarded: bool = False
    in_voicemail: bool = False
    number: str | None = None
    name: str | None = None
    made: bool = False
    gone: bool = False

    @property
    def answered_at(self) -> datetime | None:
        """When it went up."""
        return self.answer.at if self.answer is not None else None

    @property
    def is_person(self) -> bool:
        """Whether somebody is at its end: not a Local channel and the like."""
        return kind_of(self.first.channel, False) is not Kind.PSEUDO

    @property
    def cause(self) -> int:
        """The Q.850 cause of its end; 0 where none is told."""
        told = self.hangup.extra.get("hangupcause", "") if self.hangup is not None else ""
        return int(told) if told.isdecimal() and len(told) < 5 else 0

    def gave_up(self) -> bool:
        """Whether this caller hung up himself before anybody answered, as far as CEL tells."""
        if self.hangup is None or not self.hangup.extra:
            return True
        extra = self.hangup.extra
        return extra.get("dialstatus") == "CANCEL" or extra.get("hangupsource") == self.first.channel


def is_begun(rows: Sequence[CelRow]) -> bool:
    """Whether the rows tell of each channel from its beginning."""
    return {row.uniqueid for row in rows} == {row.uniqueid for row in rows if row.event == "CHAN_START"}


def channel_events(rows: Sequence[CelRow]) -> Iterator[e.ChannelEvent]:
    """Tell a call's rows, in their order, as channel events.

    Args:
        rows: everything of one call, or of calls that met; see `cel_rows.in_order`.
    """
    return _Telling(rows).events()


def _mailbox(appdata: str) -> str:
    return appdata.partition("@")[0].partition(",")[0]


class _Telling:
    """One pass to learn what the channels were, one to tell what they did."""

    def __init__(self, rows: Sequence[CelRow]) -> None:
        self._rows = rows
        self._channels: dict[str, _Facts] = {}
        self._names: dict[str, str] = {}
        self._targets: dict[tuple[str, str, str], None] = {}
        self._has_bridges = any(row.event in _BRIDGED for row in rows)
        self._handlers: dict[str, Callable[[CelRow], Iterator[e.ChannelEvent]]] = {
            "ANSWER": self._answered,
            "APP_START": self._app_started,
            "APP_END": self._app_ended,
            "BRIDGE_ENTER": self._entered,
            "BRIDGE_START": self._entered,
            "BRIDGE_UPDATE": self._entered,
            "BRIDGE_EXIT": self._left,
            "BRIDGE_END": self._left,
            "BLINDTRANSFER": self._sent_on,
            "ATTENDEDTRANSFER": self._joined,
            "HANGUP": self._ended,
            "CHAN_END": self._ended,
            "LINKEDID_END": self._all_ended,
            "PICKUP": self._picked_up,
            "PARK_START": self._parked,
            "PARK_END": self._unparked,
        }
        self._has_parking = any(row.event == "PARK_START" for row in rows)
        for row in rows:
            self._learn(row)
        self._learn_forwards()

    def _learn(self, row: CelRow) -> None:
        facts = self._channels.get(row.uniqueid)
        if facts is None:
            facts = self._channels[row.uniqueid] = _Facts(row, row, dialled=row.uniqueid != row.linkedid)
        facts.last = row
        facts.begun = facts.begun or row.event == "CHAN_START"
        if row.channel:
            self._names.setdefault(row.channel, row.uniqueid)
        if row.app in _DIALLED:
            # Who picks up a call takes the place of the phone that was dialled, and the words for it.
            facts.dialled = facts.dialled or not (facts.last_app or facts.first.exten not in (None, "s"))
            facts.originated = facts.originated or (row.app == _ORIGINATED and row.uniqueid == facts.first.linkedid)
        elif row.app:
            facts.last_app = row.app
        if row.event == "ANSWER" and facts.answer is None:
            facts.answer = row
        elif row.event in _ENDS:
            facts.ended_at = max(facts.ended_at or row.at, row.at)
            facts.hangup = row if row.event == "HANGUP" else facts.hangup
        elif row.event in _BRIDGED:
            facts.own_bridges = True
        if row.app == "dial":
            self._targets |= {(row.uniqueid, *target): None for target in _TARGET.findall(row.appdata)}

    def _learn_forwards(self) -> None:
        """A phone that sent its call elsewhere is the next to end without an answer; CEL names only the caller."""
        for place, row in enumerate(self._rows):
            if row.event != "FORWARD":
                continue
            for later in self._rows[place:]:
                facts = self._channels[later.uniqueid]
                if later.event in _ENDS and facts.dialled and facts.is_person and facts.answered_at is None:
                    facts.forwarded = True
                    break

    def events(self) -> Iterator[e.ChannelEvent]:
        """What happened."""
        for row in self._rows:
            facts = self._channels[row.uniqueid]
            if not facts.made and row.event != "LINKEDID_END":
                yield from self._make(row, facts)
            elif not facts.gone:
                yield from self._identify(row, facts)
            if row.app == "voicemail" and not facts.in_voicemail and not facts.gone:
                facts.in_voicemail = True
                yield e.VoicemailReached(row.at, row.uniqueid, row.linkedid, _mailbox(row.appdata))
            handler = self._handlers.get(row.event)
            if handler is not None:
                yield from handler(row)

    # Channels and who dialled them

    def _make(self, row: CelRow, facts: _Facts) -> Iterator[e.ChannelEvent]:
        facts.made, facts.number, facts.name = True, row.number, row.name
        is_dialled = facts.dialled or facts.originated
        yield e.ChannelCreated(
            row.at,
            row.uniqueid,
            row.linkedid,
            row.channel or row.uniqueid,
            row.number,
            row.name,
            None if is_dialled else self._dialled_by(facts),
            None if is_dialled else e.State.CALLING,
        )
        yield from self._pair(row)
        if is_dialled and facts.is_person:
            source = "" if facts.originated else row.linkedid
            dial_string = self._dial_string(row.channel)
            yield e.DialStarted(row.at, source, row.linkedid, row.uniqueid, row.linkedid, row.number, dial_string)

    def _dialled_by(self, facts: _Facts) -> str | None:
        """What a caller dialled, as his first row tells, or a later one where that has no such column."""
        first = facts.first.exten
        if first is not None or facts.begun:
            return first
        return next((row.exten for row in self._rows if row.uniqueid == facts.first.uniqueid and row.exten), None)

    def _pair(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        """Local channels are named alike but for ;1 and ;2."""
        base, mark, half = row.channel.rpartition(";")
        other = self._names.get(f"{base};{'1' if half == '2' else '2'}") if mark else None
        if other is not None and self._channels[other].made:
            yield e.LocalPaired(row.at, row.uniqueid, row.linkedid, other)

    def _asked_for(self, channel: str) -> Iterator[tuple[str, str]]:
        """Who told Dial to call this line, and what, the last first."""
        technology, _, rest = channel.rpartition("-")[0].partition("/")
        for dialler, asked, resource in reversed(self._targets):
            _, at, line = resource.partition("@")
            if asked == technology and (line == rest if at else resource.partition("/")[0] == rest):
                yield dialler, resource

    def _dial_string(self, channel: str) -> str:
        """What Dial was told for this line."""
        return next((resource for _, resource in self._asked_for(channel)), "")

    def _dialler(self, facts: _Facts) -> _Facts | None:
        """Whose Dial called this line: the caller's, or that of a Local channel on his way."""
        asked = (self._channels[dialler] for dialler, _ in self._asked_for(facts.first.channel))
        first = (one for one in asked if one.first.at <= facts.first.at)
        return next(first, self._channels.get(facts.first.linkedid))

    def _identify(self, row: CelRow, facts: _Facts) -> Iterator[e.ChannelEvent]:
        """A caller id that changed. One that Asterisk called for somebody shows the other's number, not his own."""
        changed = (row.number or facts.number, row.name or facts.name) != (facts.number, facts.name)
        if not changed or facts.originated or row.event in _ENDS:
            return
        facts.number, facts.name = row.number or facts.number, row.name or facts.name
        hidden = (facts.number or "").lower() in _HIDDEN
        yield e.CallerIdentified(row.at, row.uniqueid, row.linkedid, row.number, row.name, hidden)

    # What they did

    def _answered(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        facts = self._channels[row.uniqueid]
        yield e.StateChanged(row.at, row.uniqueid, row.linkedid, e.State.UP)
        if self._has_bridges or facts.gone:
            return
        # Bridges are not logged here: whoever was dialled and answered talks with the caller.
        caller = self._channels.get(row.linkedid)
        if facts.dialled and caller is not None and caller.answered_at is None and not caller.gone:
            yield e.BridgeEntered(row.at, row.linkedid, row.linkedid, row.linkedid)
        yield e.BridgeEntered(row.at, row.uniqueid, row.linkedid, row.linkedid)

    def _app_started(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        if row.app == "queue":
            yield e.QueueJoined(row.at, row.uniqueid, row.linkedid, row.appdata.partition(",")[0])

    def _app_ended(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        facts = self._channels[row.uniqueid]
        if row.app == "queue":
            last = facts.last_app == "queue" and self._ends_with(facts, row.at)
            yield e.QueueLeft(row.at, row.uniqueid, row.linkedid, last and facts.gave_up())

    def _ends_with(self, facts: _Facts, at: datetime) -> bool:
        return facts.ended_at is not None and facts.ended_at - at <= _TOGETHER

    def _entered(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        if row.extra.get("bridge_technology") == _HOLDING:
            if not self._has_parking:
                yield from self._parked(row)
            return
        bridge = row.extra.get("bridge_id") or f"of {row.linkedid}"
        if row.event == "BRIDGE_UPDATE":
            yield from self._leave_old_peers(row)
        conference = row.app == "confbridge"
        yield e.BridgeEntered(row.at, row.uniqueid, row.linkedid, bridge, conference)
        for other in self._silent_peers(row):
            if not conference:
                yield e.BridgeEntered(row.at, other, row.linkedid, bridge)

    def _left(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        if row.extra.get("bridge_technology") == _HOLDING:
            if not self._has_parking:
                yield from self._unparked(row)
            return
        bridge = row.extra.get("bridge_id") or f"of {row.linkedid}"
        yield e.BridgeLeft(row.at, row.uniqueid, row.linkedid, bridge)
        for other in self._silent_peers(row):
            yield e.BridgeLeft(row.at, other, row.linkedid, bridge)

    def _leave_old_peers(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        for uniqueid, facts in self._channels.items():
            if facts.made and not facts.gone and not facts.own_bridges:
                yield e.BridgeLeft(row.at, uniqueid, row.linkedid, f"of {row.linkedid}")

    def _silent_peers(self, row: CelRow) -> list[str]:
        """The others in a bridge of which only one end is logged, as before Asterisk 12: named, or whoever answered."""
        if row.extra.get("bridge_id"):
            return []
        named = [self._names[name] for name in row.peer.split(",") if name in self._names]
        others = named or [
            uniqueid
            for uniqueid, facts in self._channels.items()
            if facts.dialled and facts.is_person and facts.answered_at is not None and facts.answered_at <= row.at
        ]
        return [
            uniqueid
            for uniqueid in others
            if uniqueid != row.uniqueid
            and self._channels[uniqueid].made
            and not self._channels[uniqueid].gone
            and not self._channels[uniqueid].own_bridges
        ]

    def _sent_on(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        to = row.extra.get("extension")
        if to:
            yield e.BlindTransferred(row.at, row.uniqueid, row.linkedid, to)

    def _joined(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        extra = row.extra
        second = extra.get("channel2_uniqueid") or self._names.get(extra.get("channel2_name", ""))
        facts = self._channels.get(second or "")
        if second is not None and facts is not None:
            target = extra.get("transfer_target_channel_uniqueid")
            yield e.AttendedTransferred(row.at, row.uniqueid, row.linkedid, second, facts.first.linkedid, target)

    def _picked_up(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        picker = row.extra.get("pickup_channel_uniqueid") or self._names.get(row.extra.get("pickup_channel", ""))
        facts = self._channels.get(picker or "")
        if picker is not None and facts is not None:
            yield e.PickedUp(row.at, picker, facts.first.linkedid, row.uniqueid)

    def _parked(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        yield e.Parked(row.at, row.uniqueid, row.linkedid, self._space_of(row))

    def _unparked(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        facts = self._channels[row.uniqueid]
        retriever = self._retriever(row)
        gave_up = retriever is None and self._ends_with(facts, row.at)
        yield e.Unparked(row.at, row.uniqueid, row.linkedid, retriever or "", gave_up)

    def _retriever(self, row: CelRow) -> str | None:
        """Who took the parked caller back: named, or whoever dialled a parking space last before."""
        named = self._names.get(row.extra.get("retriever", ""))
        dialled = [one for one in self._rows if one.app == "parkedcall" and one.at <= row.at and one.event == "ANSWER"]
        return named or (dialled[-1].uniqueid if dialled else None)

    def _space_of(self, row: CelRow) -> str:
        """The parking space, which CEL does not tell but by who dialled it then."""
        taken = (one for one in self._rows if one.app == "parkedcall" and one.at >= row.at)
        return next((one.exten for one in taken if one.exten), "")

    # How it ended

    def _ended(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        facts = self._channels[row.uniqueid]
        if facts.gone or (facts.ended_at is not None and row.at < facts.ended_at):
            return  # of several records of one channel the last tells its end
        facts.gone = True
        if facts.dialled and facts.is_person and facts.answered_at is None:
            status = self._status(facts, row.at)
            yield e.DialEnded(row.at, row.linkedid, row.linkedid, row.uniqueid, status or "", facts.forwarded)
        elif facts.last_app == "queue" and not facts.gave_up():
            yield e.QueueLeft(row.at, row.uniqueid, row.linkedid, False)
        yield e.ChannelEnded(row.at, row.uniqueid, row.linkedid, facts.cause)

    def _status(self, facts: _Facts, at: datetime) -> str | None:
        """Why a line that was dialled stopped ringing, where its own cause does not tell."""
        if facts.forwarded:
            return "CANCEL"
        if facts.cause not in _SAY_NOTHING:
            return None
        if self._answered_elsewhere(facts):
            return "CANCEL"
        caller = self._dialler(facts)
        if caller is None or caller is facts or caller.ended_at is None or not self._was_tried_last(facts, at):
            return None
        told = caller.hangup.extra.get("dialstatus", "") if caller.hangup is not None else ""
        # Of several attempts the answered one is told, whatever became of the last.
        gave_up = caller.gave_up() if told in ("", "ANSWER") else told == "CANCEL"
        if caller.ended_at - at <= _TOGETHER and gave_up:
            return "CANCEL"
        return told if told in ("BUSY", "CHANUNAVAIL", "CONGESTION", "NOANSWER") else None

    def _answered_elsewhere(self, facts: _Facts) -> bool:
        """Whether another line was answered while this one rang: by the rows' order, as seconds may tell too little."""
        began, ended = facts.first.order, facts.last.order
        return any(
            other.answer is not None and began <= other.answer.order <= ended
            for other in self._channels.values()
            if other is not facts and other.dialled and other.is_person and other.first.linkedid == facts.first.linkedid
        )

    def _was_tried_last(self, facts: _Facts, at: datetime) -> bool:
        return not any(
            other.first.at > facts.first.at and other.first.at >= at
            for other in self._channels.values()
            if other.dialled and other.first.linkedid == facts.first.linkedid
        )

    def _all_ended(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        """No channel of the call is left; one whose own end was not logged has ended unseen."""
        for uniqueid, facts in self._channels.items():
            if facts.made and not facts.gone and facts.last.linkedid == row.linkedid and facts.ended_at is None:
                facts.gone = True
                yield e.ChannelEnded(row.at, uniqueid, row.linkedid, 0)
