"""What the tracker's events act upon: the channels and calls that run, who of them talk, and how a call ends."""

import logging
from collections.abc import Callable
from datetime import datetime

from ami_listener import events as e
from ami_listener.bridges import Bridges
from ami_listener.memory import Memory
from ami_listener.model import Call, Channel, Kind, LegState, age_of, kind_of
from ami_listener.ringing import Ringing
from leads.domain.calls import Role

logger = logging.getLogger(__name__)

MAX_CHANNELS = 50_000
MAX_CALLS = 20_000
MAX_REMEMBERED = 5_000


class Switchboard:
    """The running channels and calls of one Asterisk; `touched` collects the calls that changed.

    A channel enters by `add` and leaves by `remove`; a call lives while it has channels.
    """

    def __init__(self, pbx: str, is_trunk: Callable[[str], bool]) -> None:
        self._is_trunk = is_trunk
        self.ringing = Ringing(pbx)
        self.channels: dict[str, Channel] = {}
        self.calls: dict[str, Call] = {}
        self.bridges = Bridges(self.channels)
        self.touched: dict[str, Call] = {}
        self.evicted = 0
        self._told_evicted = 0
        self.gone = Memory(MAX_REMEMBERED)
        self._finished = Memory(MAX_REMEMBERED)
        self._serial = 0

    def touch(self, call: Call) -> None:
        """Note that a call changed."""
        self.touched[call.linkedid] = call

    def add(self, event: e.ChannelCreated) -> Channel | None:
        """Take in a new channel; None when it, or its whole call, is known to be over already."""
        if event.uniqueid in self.gone or event.linkedid in self._finished:
            return None
        call = self.calls.get(event.linkedid) or self._new_call(event)
        name = event.name
        channel = Channel(event.uniqueid, name, kind_of(name, self._is_trunk(name)), call, event.at, event.exten)
        channel.identify(event.number, event.caller_name)
        self.channels[event.uniqueid] = channel
        if channel.kind is Kind.PSEUDO:
            self._pair(channel)
        call.channels[event.uniqueid] = channel
        if event.uniqueid == event.linkedid:
            if channel.kind is Kind.PSEUDO:
                call.originated = True
            else:
                call.caller = channel
            call.begun = True
        # Who calls, and whether he hides it, is sure only with the next event: the dialplan's first step may tell.
        channel.just_calling = event.state is e.State.CALLING
        if event.state is not None and not channel.just_calling:
            self.enter_state(channel, event.state)
        self.touch(call)
        self._make_room()
        return channel

    def _pair(self, half: Channel) -> None:
        """The two halves of a Local channel are named alike: in a list of running channels nothing else tells it."""
        base, _, number = half.name.rpartition(";")
        names = {"1": f"{base};2", "2": f"{base};1"}
        other = next((one for one in half.call.channels.values() if one.name == names.get(number)), None)
        if other is not None:
            half.pair, other.pair = other.uniqueid, half.uniqueid

    def _new_call(self, event: e.ChannelCreated) -> Call:
        self._serial += 1
        call = self.calls[event.linkedid] = Call(event.linkedid, age_of(event.linkedid, self._serial), event.at)
        call.heard_at(event.at)
        return call

    def _make_room(self) -> None:
        while len(self.channels) > MAX_CHANNELS or len(self.calls) > MAX_CALLS:
            oldest = next(iter(self.calls.values()))
            oldest.incomplete = True
            self.evicted += 1
            # Who tells of calls without end must not fill the disk with their names; the metrics have their number.
            if self.evicted >= 10 * self._told_evicted:
                self._told_evicted = self.evicted
                logger.warning(
                    "too many running calls: %s is closed unfinished to make room, the %d. so far",
                    oldest.linkedid,
                    self.evicted,
                )
            for channel in list(oldest.channels.values()):
                self.remove(channel, None)
            if not oldest.ended:
                self._finish(oldest, oldest.over_at)

    def enter_state(self, channel: Channel, state: e.State) -> None:
        """An inbound call is on record once it calls us, an outgoing one once the outside line rings."""
        call = channel.call
        channel.up = channel.up or state is e.State.UP
        if channel.up:
            self.ringing.ends(channel)
        elif state is e.State.RINGING:
            self.ringing.begins(channel)
        if channel.kind is Kind.TRUNK and not call.visible and (state is e.State.CALLING or channel.dialled):
            call.visible = True
            self.touch(call)

    def move(self, channel: Channel, target: Call, at: datetime | None) -> None:
        """Put a channel into another call; a call that thereby loses its last channel is over."""
        origin = channel.call
        del origin.channels[channel.uniqueid]
        target.channels[channel.uniqueid] = channel
        channel.call = target
        if channel.kind is not Kind.PSEUDO and channel is not target.caller:
            if channel.leg is None:
                channel.leg = LegState(channel, None)
            if channel.leg not in target.legs:
                target.add_leg(channel.leg)
        self.touch(target)
        if not origin.channels:
            if origin.originated and not origin.answered:
                # Asterisk's own call into a call that runs, as when it rings back who transferred in vain.
                origin.role, origin.parent = Role.CONSULTATION, target.linkedid
            self._finish(origin, at)

    def legs_behind(self, half: Channel) -> list[LegState]:
        """The phones and lines that ring through a Local channel, or through a chain of them."""
        legs, diallers = [], [half.pair] if half.pair else []
        for dialler in diallers:
            for channel in half.call.channels.values():
                if channel.dialled_by == dialler and channel.leg is not None:
                    legs.append(channel.leg)
                elif channel.dialled_by == dialler and channel.pair and channel.pair not in diallers:
                    diallers.append(channel.pair)
        return legs

    def converse(self, people: list[Channel], at: datetime | None) -> None:
        """People hear each other: it is one call, the oldest of theirs, and whoever is new in it has answered."""
        call = min((person.call for person in people), key=lambda c: c.age)
        for person in people:
            if person.call is not call:
                self.move(person, call, at)
        if not call.talking:
            call.talking, call.talking_since = True, at
        for person in people:
            if person.uniqueid not in call.talked:
                call.talked.add(person.uniqueid)
                self.touch(call)
                if person is not call.caller:
                    self._has_answered(person, call)
        if not call.answered:
            call.answered, call.answered_at, call.visible = True, at, True
            self.touch(call)

    def confer(self, people: list[Channel], at: datetime | None) -> None:
        """People hear each other in a conference room: each of their calls goes on by itself, as Asterisk has it."""
        for person in people:
            call = person.call
            if not call.talking:
                call.talking, call.talking_since = True, at
            transfer = call.pending_transfer()
            if transfer is not None and not transfer.legs:
                transfer.pending, transfer.conferred = False, True
            if not call.answered:
                call.answered, call.answered_at, call.visible = True, at, True
            self.touch(call)

    def _has_answered(self, person: Channel, call: Call) -> None:
        if person.leg is not None:
            person.leg.talked = True
        if call.answerer is None:
            if call.caller is None and not call.originated:
                return
            call.answerer = person
            return
        transfer = call.pending_transfer()
        if transfer is not None:
            came_back = person.endpoint == transfer.by.endpoint
            transfer.pending, transfer.target = False, None if came_back else person

    def check_silence(self, call: Call, at: datetime | None) -> None:
        """Stop counting talk time when no two people of the call hear each other any more."""
        if not call.talking or any(
            len(self.bridges.people_heard_by(channel)) > 1 for channel in call.real_channels() if channel.bridge
        ):
            return
        call.stop_talking(at)

    def remove(self, channel: Channel, at: datetime | None) -> None:
        """A channel is gone, and with its last channel the call."""
        call = channel.call
        self.ringing.ends(channel)
        self.gone.add(channel.uniqueid)
        del self.channels[channel.uniqueid]
        call.channels.pop(channel.uniqueid, None)
        if channel.bridge:
            self.bridges.leave(channel)
            self.check_silence(call, at)
        leg = channel.leg
        if leg is not None and not leg.ended:
            leg.ended = True
            if leg in call.legs:
                call.ended_legs.append(leg)
            self.touch(call)
            if leg.handed_to is not None and leg.handed_to is not call and not leg.handed_to.ended:
                self.touch(leg.handed_to)
                self._finish_if_over(leg.handed_to)
        if not call.channels:
            call.over_at = at
            self._finish_if_over(call)

    def _finish_if_over(self, call: Call) -> None:
        """A call without channels waits for the phones that it was handed on to: only they tell how that went."""
        if not call.channels and not any(self._is_awaited(leg, call) for leg in call.legs):
            self._finish(call, call.over_at)

    def _is_awaited(self, leg: LegState, call: Call) -> bool:
        return leg.handed_to is call and not leg.ended and leg.channel.uniqueid in self.channels

    def _finish(self, call: Call, at: datetime | None) -> None:
        """The last channel is gone. A phone that only picked up another's call leaves no call of its own."""
        del self.calls[call.linkedid]
        self._finished.add(call.linkedid)
        call.stop_talking(at)
        call.ended, call.ended_at = True, at
        call.incomplete = call.incomplete or not call.begun
        if call.caller is not None and call.caller.call is call and call.caller.kind is not Kind.PSEUDO:
            call.visible = True
        elif call.originated and call.legs:
            call.visible = True  # Asterisk called somebody for us, whose line did not even ring
        self.touch(call)
