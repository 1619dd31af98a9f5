"""Follows channel events and says, after each, which calls changed: the pure core of call recording.

Live AMI, recordings and recovered CEL go through here. One call is everything that shares a linkedid; who talks with
whom is read from bridges and Local pairs, never from a DialStatus; a call ends with its last channel.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from ami_listener import events as e
from ami_listener.ami_events import read_event
from ami_listener.bridges import Bridges
from ami_listener.memory import Memory
from ami_listener.model import Call, Channel, Kind, LegState, TransferState, age_of, dialled_number, kind_of
from ami_listener.transfers import handed_over_within, joined
from ami_listener.views import view_of
from leads.domain.calls import CallView, TransferType

logger = logging.getLogger(__name__)

MAX_CHANNELS = 50_000
MAX_CALLS = 20_000
MAX_REMEMBERED = 5_000


class Tracker:
    """Turns the events of one Asterisk into views of its calls.

    Args:
        pbx: the name of that Asterisk; linkedids are unique only within it.
        is_trunk: whether a channel of this name leads to the public network.
    """

    def __init__(self, pbx: str, is_trunk: Callable[[str], bool]) -> None:
        self.pbx = pbx
        self._is_trunk = is_trunk
        self._channels: dict[str, Channel] = {}
        self._calls: dict[str, Call] = {}
        self._bridges = Bridges(self._channels)
        self._gone = Memory(MAX_REMEMBERED)
        self._finished = Memory(MAX_REMEMBERED)
        self._serial = 0
        self._touched: dict[str, Call] = {}
        self.evicted = 0
        self._handlers: dict[type[e.ChannelEvent], Callable[..., None]] = {
            e.ChannelCreated: self._created,
            e.ChannelListed: self._listed,
            e.ListingEnded: self._listing_ended,
            e.CallerIdentified: self._identified,
            e.StateChanged: self._state_changed,
            e.LocalPaired: self._paired,
            e.DialStarted: self._dial_started,
            e.DialEnded: self._dial_ended,
            e.BridgeEntered: self._bridge_entered,
            e.BridgeLeft: self._bridge_left,
            e.BlindTransferred: self._blind_transferred,
            e.AttendedTransferred: self._attended_transferred,
            e.QueueJoined: self._queue_joined,
            e.QueueLeft: self._queue_left,
            e.ChannelEnded: self._ended,
        }

    @property
    def live_calls(self) -> int:
        """How many calls are known to be running."""
        return len(self._calls)

    @property
    def live_channels(self) -> int:
        """How many channels are known to be running."""
        return len(self._channels)

    def feed(self, headers: Mapping[str, str], arrived_at: datetime | None) -> list[CallView]:
        """Take one AMI event and give the calls that it changed.

        Args:
            headers: the event as it came over the wire; unknown and incomplete ones change nothing.
            arrived_at: when it came, for events without a Timestamp; None leaves times unknown.
        """
        event = read_event(headers, arrived_at)
        return self.apply(event) if event is not None else []

    def apply(self, event: e.ChannelEvent) -> list[CallView]:
        """Take one channel event and give the calls that it changed."""
        channel = self._channels.get(event.uniqueid)
        if channel is not None and channel.call.linkedid != event.linkedid and event.linkedid:
            self._rejoin(channel, event)
        self._handlers[type(event)](event)
        return self._publish() if self._touched else []

    def begin_resync(self, incomplete: bool = False) -> list[CallView]:
        """Doubt all that is known, because events were lost; a listing of the running channels must follow.

        Args:
            incomplete: whether lost events may belong to calls that still run, so that they are to be marked.
        """
        for channel in self._channels.values():
            channel.unconfirmed = True
        if incomplete:
            for call in self._calls.values():
                call.incomplete = True
                self._touch(call)
        return self._publish()

    # What channels are there

    def _created(self, event: e.ChannelCreated) -> None:
        if event.uniqueid not in self._channels:
            self._add(event)

    def _add(self, event: e.ChannelCreated) -> Channel | None:
        if event.uniqueid in self._gone or event.linkedid in self._finished:
            return None
        call = self._calls.get(event.linkedid) or self._new_call(event)
        name = event.name
        channel = Channel(event.uniqueid, name, kind_of(name, self._is_trunk(name)), call, event.at, event.exten)
        channel.identify(event.number, event.caller_name)
        self._channels[event.uniqueid] = channel
        call.channels[event.uniqueid] = channel
        if event.uniqueid == event.linkedid:
            if channel.kind is Kind.PSEUDO:
                call.originated = True
            else:
                call.caller = channel
            call.begun = True
        if event.state is not None:
            self._enter_state(channel, event.state)
        self._touch(call)
        self._make_room()
        return channel

    def _new_call(self, event: e.ChannelCreated) -> Call:
        self._serial += 1
        call = self._calls[event.linkedid] = Call(event.linkedid, age_of(event.linkedid, self._serial), event.at)
        return call

    def _make_room(self) -> None:
        while len(self._channels) > MAX_CHANNELS or len(self._calls) > MAX_CALLS:
            oldest = next(iter(self._calls.values()))
            oldest.incomplete = True
            self.evicted += 1
            logger.warning("too many running calls: %s is closed unfinished to make room", oldest.linkedid)
            for channel in list(oldest.channels.values()):
                self._remove(channel, None)

    def _paired(self, event: e.LocalPaired) -> None:
        one, two = self._channels.get(event.uniqueid), self._channels.get(event.other)
        if one is not None and two is not None:
            one.pair, two.pair = two.uniqueid, one.uniqueid

    def _rejoin(self, channel: Channel, event: e.ChannelEvent) -> None:
        """Asterisk gave a channel another linkedid: always the older call's, so the way back is a late event."""
        target = self._calls.get(event.linkedid)
        if target is not None and target.age < channel.call.age:
            self._move(channel, target, event.at)

    def _move(self, channel: Channel, target: Call, at: datetime | None) -> None:
        origin = channel.call
        del origin.channels[channel.uniqueid]
        target.channels[channel.uniqueid] = channel
        channel.call = target
        if channel.kind is not Kind.PSEUDO and channel is not target.caller:
            if channel.leg is None:
                channel.leg = LegState(channel, None)
            if channel.leg not in target.legs:
                target.add_leg(channel.leg)
        self._touch(target)
        if not origin.channels:
            self._finish(origin, at)

    # Who calls whom

    def _identified(self, event: e.CallerIdentified) -> None:
        channel = self._channels.get(event.uniqueid)
        if channel is None:
            return
        channel.hidden = event.hidden
        channel.identify(event.number, event.caller_name)
        self._touch(channel.call)

    def _state_changed(self, event: e.StateChanged) -> None:
        channel = self._channels.get(event.uniqueid)
        if channel is not None:
            self._enter_state(channel, event.state)

    def _enter_state(self, channel: Channel, state: e.State) -> None:
        """An inbound call is on record once it calls us, an outgoing one once the outside line rings."""
        call = channel.call
        channel.up = channel.up or state is e.State.UP
        if channel.kind is Kind.TRUNK and not call.visible and (state is e.State.CALLING or channel.dialled):
            call.visible = True
            self._touch(call)

    def _dial_started(self, event: e.DialStarted) -> None:
        target = self._channels.get(event.target)
        if target is None:
            return
        source = self._channels.get(event.uniqueid)
        call = source.call if source else target.call
        target.unconfirmed = False
        if source is None and not event.uniqueid:
            call.originated = True
            if call.caller is target and target.kind is Kind.TRUNK:
                call.caller = None
        target.dialled = True
        if event.target_number and target.number is None:
            target.identify(event.target_number, None)
        if target.call is not call and target.call.age > call.age:
            self._move(target, call, event.at)
        if target.kind is not Kind.PSEUDO:
            self._start_leg(target, call, event)

    def _start_leg(self, target: Channel, call: Call, event: e.DialStarted) -> None:
        """A phone or an outside line is rung; the first phone of a call that Asterisk originated is its caller."""
        dialled = dialled_number(event.dial_string) if target.kind is Kind.TRUNK else None
        leg = target.leg or LegState(target, dialled)
        leg.dialled = leg.dialled or dialled
        target.leg = leg
        if call.originated and target.kind is Kind.PHONE and call.caller is None:
            call.caller = target
        if target is not call.caller and leg not in call.legs:
            call.add_leg(leg)
        if target.kind is Kind.PHONE:
            call.visible = True
        self._touch(call)

    def _dial_ended(self, event: e.DialEnded) -> None:
        target = self._channels.get(event.target)
        if target is not None and target.leg is not None:
            target.leg.status = event.status
            target.leg.forwarded = event.forwarded

    # Who talks with whom

    def _bridge_entered(self, event: e.BridgeEntered) -> None:
        channel = self._channels.get(event.uniqueid)
        if channel is None:
            return
        left = self._bridges.enter(channel, event.bridge)
        people = self._bridges.people_heard_by(channel)
        if len(people) > 1:
            self._converse(people, event.at)
        if left:
            self._check_silence(channel.call, event.at)

    def _bridge_left(self, event: e.BridgeLeft) -> None:
        channel = self._channels.get(event.uniqueid)
        if channel is not None and channel.bridge == event.bridge:
            self._bridges.leave(channel)
            self._check_silence(channel.call, event.at)

    def _converse(self, people: list[Channel], at: datetime | None) -> None:
        """People hear each other: it is one call, the oldest of theirs, and whoever is new in it has answered."""
        call = min((person.call for person in people), key=lambda c: c.age)
        for person in people:
            if person.call is not call:
                self._move(person, call, at)
        if not call.talking:
            call.talking, call.talking_since = True, at
        for person in people:
            if person.uniqueid not in call.talked:
                call.talked.add(person.uniqueid)
                self._touch(call)
                if person is not call.caller:
                    self._has_answered(person, call)
        if not call.answered:
            call.answered, call.answered_at, call.visible = True, at, True
            self._touch(call)

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
            transfer.pending, transfer.target = False, person

    def _check_silence(self, call: Call, at: datetime | None) -> None:
        """Stop counting talk time when no two people of the call hear each other any more."""
        if not call.talking or any(
            len(self._bridges.people_heard_by(channel)) > 1 for channel in call.real_channels() if channel.bridge
        ):
            return
        call.talking = False
        if at and call.talking_since and at > call.talking_since:
            call.talk += at - call.talking_since

    # Hand-overs

    def _blind_transferred(self, event: e.BlindTransferred) -> None:
        channel = self._channels.get(event.uniqueid)
        if channel is not None:
            self._hand_over(channel.call, TransferState(TransferType.BLIND, channel, event.to, []))

    def _attended_transferred(self, event: e.AttendedTransferred) -> None:
        first, second = self._channels.get(event.uniqueid), self._channels.get(event.second)
        if first is None or second is None:
            return
        if first.call is second.call:
            target = self._channels.get(event.target or "")
            within = handed_over_within(first, target.leg if target else None)
            if within is not None:
                self._hand_over(first.call, within)
            return
        main, consultation = sorted((first.call, second.call), key=lambda c: c.age)
        self._hand_over(main, joined(main, consultation, *((first, second) if first.call is main else (second, first))))
        self._touch(consultation)

    def _hand_over(self, call: Call, transfer: TransferState) -> None:
        if call.hand_over(transfer):
            self._touch(call)

    # Queues, and how it ends

    def _queue_joined(self, event: e.QueueJoined) -> None:
        channel = self._channels.get(event.uniqueid)
        if channel is not None:
            channel.call.in_queue = channel.call.waited_in_queue = channel.call.visible = True
            self._touch(channel.call)

    def _queue_left(self, event: e.QueueLeft) -> None:
        channel = self._channels.get(event.uniqueid)
        if channel is not None:
            channel.call.in_queue = False
            channel.call.gave_up = channel.call.gave_up or event.abandoned

    def _ended(self, event: e.ChannelEnded) -> None:
        channel = self._channels.get(event.uniqueid)
        if channel is None:
            self._gone.add(event.uniqueid)
            return
        channel.cause = event.cause
        self._remove(channel, event.at)

    def _remove(self, channel: Channel, at: datetime | None) -> None:
        call = channel.call
        self._gone.add(channel.uniqueid)
        del self._channels[channel.uniqueid]
        call.channels.pop(channel.uniqueid, None)
        if channel.bridge:
            self._bridges.leave(channel)
            self._check_silence(call, at)
        leg = channel.leg
        if leg is not None and not leg.ended:
            leg.ended = True
            if leg in call.legs:
                call.ended_legs.append(leg)
            self._touch(call)
            if leg.handed_to is not None and leg.handed_to is not call and not leg.handed_to.ended:
                self._touch(leg.handed_to)
        if not call.channels:
            self._finish(call, at)

    def _finish(self, call: Call, at: datetime | None) -> None:
        """The last channel is gone. A phone that only picked up another's call leaves no call of its own."""
        del self._calls[call.linkedid]
        self._finished.add(call.linkedid)
        call.ended, call.ended_at = True, at
        call.incomplete = call.incomplete or not call.begun
        if call.caller is not None and call.caller.call is call and call.caller.kind is not Kind.PSEUDO:
            call.visible = True
        self._touch(call)

    # After a connect: what runs already

    def _listed(self, event: e.ChannelListed) -> None:
        channel = self._channels.get(event.uniqueid)
        if channel is None:
            channel = self._add(event)
            if channel is None:
                return
            channel.call.incomplete = True
            if event.application == "AppDial":
                self._dial_started(e.DialStarted(None, channel.call.linkedid, "", channel.uniqueid, "", None, ""))
        channel.unconfirmed = False
        if event.state is not None:
            self._enter_state(channel, event.state)
        if event.bridge and channel.bridge != event.bridge:
            self._bridge_entered(e.BridgeEntered(None, channel.uniqueid, event.linkedid, event.bridge))

    def _listing_ended(self, event: e.ListingEnded) -> None:
        for channel in [c for c in self._channels.values() if c.unconfirmed]:
            channel.call.incomplete = True
            self._touch(channel.call)
            self._remove(channel, event.at)

    # What changed

    def _touch(self, call: Call) -> None:
        self._touched[call.linkedid] = call

    def _publish(self) -> list[CallView]:
        views = []
        for call in self._touched.values():
            if call.visible:
                view = view_of(call, self.pbx)
                if view != call.last_view:
                    call.progress += 1
                    call.last_view = replace(view, progress=call.progress)
                    views.append(call.last_view)
        self._touched.clear()
        return views
