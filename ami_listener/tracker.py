"""Follows channel events and says, after each, which calls changed: the pure core of call recording.

Live AMI, recordings and recovered CEL go through here. One call is everything that shares a linkedid; who talks with
whom is read from bridges and Local pairs, never from a DialStatus; a call ends with its last channel.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from ami_listener import events as e
from ami_listener.ami_events import read_event
from ami_listener.model import Call, Channel, Kind, LegState, TransferState, dialled_number
from ami_listener.switchboard import Switchboard
from ami_listener.transfers import handed_over_within, joined
from ami_listener.views import new_view
from leads.domain.calls import CallView, LegKind, Result, TransferType
from leads.domain.rings import Ring
from leads.domain.views import ended_unseen


class Tracker:
    """Turns the events of one Asterisk into views of its calls.

    Args:
        pbx: the name of that Asterisk; linkedids are unique only within it.
        is_trunk: whether a channel of this name leads to the public network.
        left_running: calls that were running when whoever followed them before stopped; the first listing of the
            running channels tells which of them have ended since.

    Attributes:
        is_listed: whether the running channels have been listed since all was in doubt.
    """

    def __init__(self, pbx: str, is_trunk: Callable[[str], bool], left_running: Iterable[CallView] = ()) -> None:
        self.pbx = pbx
        self.is_listed = False
        self._left_running = tuple(left_running)
        self._ended_unseen: list[CallView] = []
        self._booted_at: datetime | None = None
        self._tells_boots = False
        self._board = Switchboard(pbx, is_trunk)
        self._handlers: dict[type[e.ChannelEvent], Callable[..., None]] = {
            e.ChannelCreated: self._created,
            e.ChannelListed: self._listed,
            e.ListingEnded: self._listing_ended,
            e.Booted: self._booted,
            e.CallerIdentified: self._identified,
            e.StateChanged: self._state_changed,
            e.LocalPaired: self._paired,
            e.DialStarted: self._dial_started,
            e.DialEnded: self._dial_ended,
            e.BridgeEntered: self._bridge_entered,
            e.BridgeLeft: self._bridge_left,
            e.BlindTransferred: self._blind_transferred,
            e.AttendedTransferred: self._attended_transferred,
            e.PickedUp: self._picked_up,
            e.Parked: self._parked,
            e.Unparked: self._unparked,
            e.VoicemailReached: self._voicemail_reached,
            e.QueueJoined: self._queue_joined,
            e.QueueLeft: self._queue_left,
            e.ChannelEnded: self._ended,
        }

    @property
    def live_calls(self) -> int:
        """How many calls are known to be running."""
        return len(self._board.calls)

    def knows(self, uniqueid: str) -> bool:
        """Whether a channel is known to be running."""
        return uniqueid in self._board.channels

    def sees_whole(self, linkedid: str) -> bool:
        """Whether a call is known to be running and nothing of it was missed."""
        call = self._board.calls.get(linkedid)
        return call is not None and call.begun and not call.incomplete

    @property
    def live_channels(self) -> int:
        """How many channels are known to be running."""
        return len(self._board.channels)

    @property
    def evicted(self) -> int:
        """How many calls were closed unfinished because too many ran."""
        return self._board.evicted

    @property
    def live_bridges(self) -> int:
        """How many bridges hold channels now."""
        return len(self._board.bridges)

    def feed(self, headers: Mapping[str, str], arrived_at: datetime | None) -> list[CallView]:
        """Take one AMI event and give the calls that it changed.

        Args:
            headers: the event as it came over the wire; unknown and incomplete ones change nothing.
            arrived_at: when it came, for events without a Timestamp; None leaves times unknown.
        """
        self.follow(headers, arrived_at)
        return list(self.changed())

    def follow(self, headers: Mapping[str, str], arrived_at: datetime | None) -> None:
        """As `feed`, but what it changed is told by `changed`: one view after several events costs one."""
        event = read_event(headers, arrived_at)
        if event is not None:
            self.apply(event)

    def apply(self, event: e.ChannelEvent) -> None:
        """Take one channel event."""
        channel = self._board.channels.get(event.uniqueid)
        if channel is not None:
            channel.unconfirmed = False
            if channel.call.linkedid != event.linkedid:
                self._rejoin(channel, event)
            channel.call.heard_at(event.at)
        self._handlers[type(event)](event)
        if channel is not None and channel.just_calling:
            channel.just_calling = False
            self._board.enter_state(channel, e.State.CALLING)

    def changed(self) -> Iterator[CallView]:
        """The calls that changed since this was asked last."""
        touched = self._board.touched
        while touched:
            call = touched.pop(next(iter(touched)))
            view = new_view(call, self.pbx) if call.visible else None
            if view is not None:
                yield view
        while self._ended_unseen:
            yield self._ended_unseen.pop()

    def rings(self) -> list[Ring]:
        """Phones that began or ceased to ring since this was asked last; ask it before `changed`."""
        ringing = self._board.ringing
        return list(ringing.changes(self._board.touched))

    def connection_lost(self) -> None:
        """Asterisk is not heard any more; the next connection tells when it was started, or that it is starting."""
        self._booted_at = None

    def begin_resync(self, incomplete: bool = False) -> None:
        """Doubt all that is known, because events were lost; a listing of the running channels must follow.

        Args:
            incomplete: whether lost events may belong to calls that still run, so that they are to be marked.
        """
        self.is_listed = False
        for channel in self._board.channels.values():
            channel.unconfirmed = True
        if incomplete:
            for call in self._board.calls.values():
                call.incomplete = True
                self._board.touch(call)

    # What channels are there

    def _created(self, event: e.ChannelCreated) -> None:
        if event.uniqueid not in self._board.channels:
            self._board.add(event)

    def _paired(self, event: e.LocalPaired) -> None:
        one, two = self._board.channels.get(event.uniqueid), self._board.channels.get(event.other)
        if one is not None and two is not None:
            one.pair, two.pair = two.uniqueid, one.uniqueid

    def _rejoin(self, channel: Channel, event: e.ChannelEvent) -> None:
        """Asterisk gave a channel another linkedid: always the older call's, so the way back is a late event."""
        target = self._board.calls.get(event.linkedid)
        if target is not None and target.age < channel.call.age:
            self._board.move(channel, target, event.at)

    # Who calls whom

    def _identified(self, event: e.CallerIdentified) -> None:
        channel = self._board.channels.get(event.uniqueid)
        if channel is None:
            return
        channel.reidentify(event.number, event.caller_name, event.hidden)
        self._board.touch(channel.call)

    def _state_changed(self, event: e.StateChanged) -> None:
        channel = self._board.channels.get(event.uniqueid)
        if channel is not None:
            self._board.enter_state(channel, event.state)

    def _dial_started(self, event: e.DialStarted) -> None:
        target = self._board.channels.get(event.target)
        if target is None:
            return
        source = self._board.channels.get(event.uniqueid)
        call = source.call if source else target.call
        target.unconfirmed = False
        if source is None and not event.uniqueid:
            call.originated = True
            if call.caller is target and target.kind is Kind.TRUNK:
                call.caller = None
        target.dialled, target.dialled_by = True, event.uniqueid
        if event.instead or (source is not None and self._sends_on(source)):
            target.instead = True
            for leg in self._board.legs_behind(target):  # a Local channel's other half may be quicker
                leg.kind = LegKind.FORWARDED
        if event.target_number and target.number is None:
            target.identify(event.target_number, None)
        if target.call is not call and target.call.age > call.age:
            self._board.move(target, call, event.at)
        if target.kind is not Kind.PSEUDO:
            self._start_leg(target, call, event)

    def _start_leg(self, target: Channel, call: Call, event: e.DialStarted) -> None:
        """A phone or an outside line is rung; the first phone of a call that Asterisk originated is its caller."""
        dialled = dialled_number(event.dial_string) if target.kind is Kind.TRUNK else None
        leg = target.leg or LegState(target, dialled)
        leg.dialled, leg.status, leg.stopped_at = leg.dialled or dialled, None, None
        target.leg = leg
        if call.originated and target.kind is Kind.PHONE and call.caller is None:
            call.caller = target
        if target is not call.caller and leg not in call.legs:
            if target.instead:
                leg.kind = LegKind.FORWARDED
            call.gave_up = call.gave_up and call.in_queue
            call.add_leg(leg)
        if target.kind is Kind.PHONE:
            call.visible = True
        self._board.touch(call)

    def _sends_on(self, dialler: Channel) -> bool:
        """Whether what it dials now is in the place of a phone: that comes next, and through a Local channel."""
        sends_on, dialler.sends_on = dialler.sends_on, False
        other_half = self._board.channels.get(dialler.pair or "")
        return sends_on or (other_half is not None and other_half.instead)

    def _dial_ended(self, event: e.DialEnded) -> None:
        target, source = self._board.channels.get(event.target), self._board.channels.get(event.uniqueid)
        if target is None:
            return
        if source is not None and event.forwarded:
            source.sends_on = True
        if target.leg is not None:
            target.leg.stop(event.status, event.at)
            target.leg.forwarded = target.leg.forwarded or event.forwarded
        elif event.status == "NOANSWER":
            # So it is behind Local channels: there CANCEL follows, though only the time of who dialled them is over.
            for leg in self._board.legs_behind(target):
                leg.status = leg.status or event.status

    # Who talks with whom

    def _bridge_entered(self, event: e.BridgeEntered) -> None:
        channel = self._board.channels.get(event.uniqueid)
        if channel is None:
            return
        left = self._board.bridges.enter(channel, event.bridge)
        channel.conference = event.conference
        people = self._board.bridges.people_heard_by(channel)
        if len(people) > 1 and event.conference:
            self._board.confer(people, event.at)
        elif len(people) > 1:
            self._board.converse(people, event.at)
        if left:
            self._board.check_silence(channel.call, event.at)

    def _bridge_left(self, event: e.BridgeLeft) -> None:
        channel = self._board.channels.get(event.uniqueid)
        if channel is not None and channel.bridge == event.bridge:
            self._board.bridges.leave(channel)
            self._board.check_silence(channel.call, event.at)

    # Hand-overs

    def _blind_transferred(self, event: e.BlindTransferred) -> None:
        channel = self._board.channels.get(event.uniqueid)
        if channel is not None:
            call = channel.call
            self._hand_over(call, TransferState(TransferType.BLIND, channel, event.to, [], parked=call.is_parked))
            # Who was sent into a conference may be heard there before Asterisk tells that he was sent.
            for sent in [one for one in call.real_channels() if one is not channel and one.bridge and one.conference]:
                if len(people := self._board.bridges.people_heard_by(sent)) > 1:
                    self._board.confer(people, event.at)

    def _attended_transferred(self, event: e.AttendedTransferred) -> None:
        first, second = self._board.channels.get(event.uniqueid), self._board.channels.get(event.second)
        if first is None or second is None:
            return
        if first.call is second.call:
            target = self._board.channels.get(event.target or "")
            within = handed_over_within(first, target.leg if target else None)
            if within is not None:
                self._hand_over(first.call, within)
            return
        main, consultation = sorted((first.call, second.call), key=lambda c: c.age)
        if not consultation.answered:
            consultation.handed_on_at = consultation.handed_on_at or event.at
        self._hand_over(main, joined(main, consultation, *((first, second) if first.call is main else (second, first))))
        self._board.touch(consultation)

    def _hand_over(self, call: Call, transfer: TransferState) -> None:
        if call.hand_over(transfer):
            self._board.touch(call)

    def _picked_up(self, event: e.PickedUp) -> None:
        picker, target = self._board.channels.get(event.uniqueid), self._board.channels.get(event.target)
        if target is not None and target.leg is not None:
            target.leg.status = target.leg.status or "CANCEL"
        if picker is not None:
            self._mark(picker, LegKind.PICKED_UP)

    def _mark(self, channel: Channel, kind: LegKind) -> None:
        """Say how a phone that dialled its way into another's call came into it."""
        channel.leg = channel.leg or LegState(channel, None)
        channel.leg.kind = kind
        self._board.touch(channel.call)

    # Queues and other stations, and how it ends

    def _parked(self, event: e.Parked) -> None:
        parkee = self._board.channels.get(event.uniqueid)
        if parkee is None:
            return
        call = parkee.call
        call.come_to(LegKind.PARKED, event.space)
        transfer = call.pending_transfer()
        if transfer is not None:
            transfer.parked = True
        self._board.touch(call)

    def _unparked(self, event: e.Unparked) -> None:
        parkee, retriever = self._board.channels.get(event.uniqueid), self._board.channels.get(event.retriever)
        if retriever is not None:
            self._mark(retriever, LegKind.TAKEN_BACK)
        if parkee is not None:
            waited = Result.CANCELLED if event.gave_up else Result.NO_ANSWER
            parkee.call.leave_station(LegKind.PARKED, Result.ANSWERED if event.retriever else waited)
            self._board.touch(parkee.call)

    def _voicemail_reached(self, event: e.VoicemailReached) -> None:
        channel = self._board.channels.get(event.uniqueid)
        if channel is not None:
            channel.call.come_to(LegKind.VOICEMAIL, event.mailbox)
            self._board.touch(channel.call)

    def _queue_joined(self, event: e.QueueJoined) -> None:
        channel = self._board.channels.get(event.uniqueid)
        if channel is not None:
            channel.call.in_queue = channel.call.waited_in_queue = channel.call.visible = True
            channel.call.gave_up = False
            channel.call.come_to(LegKind.QUEUE, event.queue)
            self._board.touch(channel.call)

    def _queue_left(self, event: e.QueueLeft) -> None:
        channel = self._board.channels.get(event.uniqueid)
        if channel is not None:
            channel.call.in_queue = False
            channel.call.leave_station(LegKind.QUEUE)
            channel.call.gave_up = channel.call.gave_up or event.abandoned

    def _ended(self, event: e.ChannelEnded) -> None:
        channel = self._board.channels.get(event.uniqueid)
        if channel is None:
            self._board.gone.add(event.uniqueid)
            return
        channel.cause = event.cause
        if channel is channel.call.caller:
            channel.call.caller_left(event.at)
        self._board.remove(channel, event.at)

    # After a connect: what runs already

    def _listed(self, event: e.ChannelListed) -> None:
        channel = self._board.channels.get(event.uniqueid)
        if channel is None:
            channel = self._board.add(event)
            if channel is None:
                return
            channel.call.incomplete = True
            if event.application == "AppDial":
                self._dial_started(e.DialStarted(None, channel.call.linkedid, "", channel.uniqueid, "", None, ""))
        elif event.bridge != channel.bridge or (event.state is e.State.UP and not channel.up):
            channel.call.incomplete = True  # it was answered, transferred or parked while nobody listened
        channel.unconfirmed = False
        if event.state is not None:
            self._board.enter_state(channel, event.state)
        if event.bridge and channel.bridge != event.bridge:
            self._bridge_entered(e.BridgeEntered(None, channel.uniqueid, event.linkedid, event.bridge))

    def _booted(self, event: e.Booted) -> None:
        """A call of the Asterisk that ran before ended, as far as one can tell, with the last that was said of it."""
        self._booted_at, self._tells_boots = event.at, True
        for call in list(self._board.calls.values()):
            if event.at is not None and call.last_at is not None and call.last_at < event.at:
                call.incomplete = True
                for channel in list(call.channels.values()):
                    self._board.remove(channel, call.last_at)

    def _listing_ended(self, event: e.ListingEnded) -> None:
        self.is_listed = True
        for channel in [c for c in self._board.channels.values() if c.unconfirmed]:
            call = channel.call
            call.incomplete = True
            self._board.touch(call)
            self._board.remove(channel, call.last_at if self._died_with_asterisk(call) else event.at)
        left, self._left_running = self._left_running, ()
        self._ended_unseen += [
            ended_unseen(view, self._noticed_at(view, event.at))
            for view in left
            if view.linkedid not in self._board.calls
        ]

    def _died_with_asterisk(self, call: Call) -> bool:
        """Whether a call that is not listed was heard of last before Asterisk was started, or is being started now."""
        if self._booted_at is None:
            return self._tells_boots
        return call.last_at is not None and call.last_at < self._booted_at + e.BOOTED_WITHIN

    def _noticed_at(self, view: CallView, listed_at: datetime | None) -> datetime | None:
        """When at the latest a call ended that is not listed: before Asterisk was started anew, if it was."""
        booted_at = self._booted_at
        return booted_at if booted_at and view.started_at and view.started_at < booted_at else listed_at
