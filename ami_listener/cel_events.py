"""Tells CEL of a call in the vocabulary of channel events, so that recovered calls go through the tracker of live ones.

CEL says less than AMI: nothing of ringing, of who dialled whom, or why a phone stopped. But it is read when the call is
over, so what came later explains what came before.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from ami_listener import events as e
from ami_listener.cel_facts import ENDS, TOGETHER, CallFacts, Facts
from ami_listener.cel_rows import CelRow
from ami_listener.model import HIDDEN_NUMBERS, HOLDING

_LEAVES = frozenset({"BRIDGE_EXIT", "BRIDGE_END", *ENDS})


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
        self._call = CallFacts(rows)
        self._bridges: dict[str, str] = {}
        self._brought: dict[str, str] = {}
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

    def events(self) -> Iterator[e.ChannelEvent]:
        """What happened."""
        for row in self._call.rows:
            facts = self._call.channels[row.uniqueid]
            if not facts.made and row.event != "LINKEDID_END":
                yield from self._make(row, facts)
            elif not facts.gone:
                yield from self._identify(row, facts)
            if row.app == "voicemail" and not facts.in_voicemail and not facts.gone:
                facts.in_voicemail = True
                yield e.VoicemailReached(row.at, row.uniqueid, row.linkedid, _mailbox(row.appdata))
            if row.event in _LEAVES and row.uniqueid in self._call.joins:
                yield from self._join_silently(row)
            handler = self._handlers.get(row.event)
            if handler is not None:
                yield from handler(row)

    # Channels and who dialled them

    def _make(self, row: CelRow, facts: Facts) -> Iterator[e.ChannelEvent]:
        facts.made, facts.number, facts.name = True, row.number, row.name
        is_dialled = facts.dialled or facts.originated
        yield e.ChannelCreated(
            row.at,
            row.uniqueid,
            row.linkedid,
            row.channel or row.uniqueid,
            row.number,
            row.name,
            None if is_dialled else self._call.dialled_by(facts),
            None if is_dialled else e.State.CALLING,
        )
        yield from self._pair(row)
        if is_dialled and facts.is_person:
            source = "" if facts.originated else row.linkedid
            dial_string = self._call.dial_string(row.channel)
            yield e.DialStarted(
                row.at, source, row.linkedid, row.uniqueid, row.linkedid, row.number, dial_string, facts.instead
            )

    def _pair(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        """Local channels are named alike but for ;1 and ;2."""
        base, mark, half = row.channel.rpartition(";")
        other = self._call.names.get(f"{base};{'1' if half == '2' else '2'}") if mark else None
        if other is not None and self._call.channels[other].made:
            yield e.LocalPaired(row.at, row.uniqueid, row.linkedid, other)

    def _identify(self, row: CelRow, facts: Facts) -> Iterator[e.ChannelEvent]:
        """A caller id that changed. One that Asterisk called for somebody shows the other's number, not his own."""
        changed = (row.number or facts.number, row.name or facts.name) != (facts.number, facts.name)
        if not changed or facts.originated or row.event in ENDS:
            return
        facts.number, facts.name = row.number or facts.number, row.name or facts.name
        hidden = (facts.number or "").lower() in HIDDEN_NUMBERS
        yield e.CallerIdentified(row.at, row.uniqueid, row.linkedid, row.number, row.name, hidden)

    # What they did

    def _answered(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        facts = self._call.channels[row.uniqueid]
        yield e.StateChanged(row.at, row.uniqueid, row.linkedid, e.State.UP)
        if self._call.has_bridges or facts.gone:
            return
        # Bridges are not logged here: whoever was dialled and answered talks with the caller.
        caller = self._call.channels.get(row.linkedid)
        bridge = self._brought.get(row.uniqueid) or f"of {row.linkedid}"
        if facts.dialled and caller is not None and caller.answered_at is None and not caller.gone:
            self._bridges[row.linkedid] = bridge
            yield e.BridgeEntered(row.at, row.linkedid, row.linkedid, bridge)
        self._bridges[row.uniqueid] = bridge
        yield e.BridgeEntered(row.at, row.uniqueid, row.linkedid, bridge)

    def _app_started(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        facts = self._call.channels[row.uniqueid]
        if row.app == "queue" and not facts.in_queue:
            facts.in_queue = True
            yield e.QueueJoined(row.at, row.uniqueid, row.linkedid, row.appdata.partition(",")[0])

    def _app_ended(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        facts = self._call.channels[row.uniqueid]
        if row.app == "queue" and not self._call.goes_on(row):
            facts.in_queue = False
            last = facts.last_app == "queue" and self._ends_with(facts, row.at)
            yield e.QueueLeft(row.at, row.uniqueid, row.linkedid, last and facts.gave_up())

    def _ends_with(self, facts: Facts, at: datetime) -> bool:
        return facts.ended_at is not None and facts.ended_at - at <= TOGETHER

    def _entered(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        if self._call.channels[row.uniqueid].parked and not row.extra:
            return
        if row.extra.get("bridge_technology") == HOLDING:
            if not self._call.has_parking:
                yield from self._parked(row)
            return
        bridge = self._bridges[row.uniqueid] = row.extra.get("bridge_id") or self._bridge_of(row)
        if row.event == "BRIDGE_UPDATE":
            yield from self._leave_old_peers(row)
        conference = row.app == "confbridge"
        yield e.BridgeEntered(row.at, row.uniqueid, row.linkedid, bridge, conference)
        for other in self._silent_peers(row):
            if not conference:
                yield e.BridgeEntered(row.at, other, row.linkedid, bridge)

    def _left(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        if row.extra.get("bridge_technology") == HOLDING:
            if not self._call.has_parking:
                yield from self._unparked(row)
            return
        bridge = row.extra.get("bridge_id") or self._bridges.pop(row.uniqueid, f"of {row.linkedid}")
        yield e.BridgeLeft(row.at, row.uniqueid, row.linkedid, bridge)
        for other in self._silent_peers(row):
            yield e.BridgeLeft(row.at, other, row.linkedid, bridge)

    def _bridge_of(self, row: CelRow) -> str:
        """A bridge that is not named: that of those who are named in it, else the call's, or a new one."""
        if row.event != "BRIDGE_ENTER" or not self._call.has_peers:
            return self._brought.get(row.uniqueid) or f"of {row.linkedid}"
        there = (self._bridges.get(self._call.names.get(name, "")) for name in row.peer.split(","))
        return next((bridge for bridge in there if bridge), f"of {row.uniqueid} {row.serial}")

    def _leave_old_peers(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        for uniqueid, facts in self._call.channels.items():
            if facts.made and not facts.gone and not facts.own_bridges:
                yield e.BridgeLeft(row.at, uniqueid, row.linkedid, f"of {row.linkedid}")

    def _silent_peers(self, row: CelRow) -> list[str]:
        """The others in a bridge of which only one end is logged, as before Asterisk 12: named, or whoever answered."""
        if row.extra.get("bridge_id"):
            return []
        named = [self._call.names[name] for name in row.peer.split(",") if name in self._call.names]
        others = named or [
            uniqueid
            for uniqueid, facts in self._call.channels.items()
            if facts.dialled and facts.is_person and facts.answered_at is not None and facts.answered_at <= row.at
        ]
        return [
            uniqueid
            for uniqueid in others
            if uniqueid != row.uniqueid
            and self._call.channels[uniqueid].made
            and not self._call.channels[uniqueid].gone
            and not self._call.channels[uniqueid].own_bridges
        ]

    def _sent_on(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        to = row.extra.get("extension") or self._call.sent_to(row)
        if to:
            yield e.BlindTransferred(row.at, row.uniqueid, row.linkedid, to)

    def _named(self, extra: Mapping[str, str], uniqueid: str, name: str) -> str | None:
        """The channel that a row names by its id or its name."""
        told = extra.get(uniqueid)
        return told if told in self._call.channels else self._call.names.get(extra.get(name, ""))

    def _joined(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        extra = row.extra
        second = self._named(extra, "channel2_uniqueid", "channel2_name") or self._call.second_of(row)
        facts = self._call.channels.get(second)
        if facts is not None:
            target = self._named(extra, "transfer_target_channel_uniqueid", "transfer_target_channel_name")
            yield e.AttendedTransferred(row.at, row.uniqueid, row.linkedid, second, facts.first.linkedid, target)
            yield from self._bring_together(row, second, f"of {facts.last.linkedid}")

    def _join_silently(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        """With his first step out of either call he has joined them."""
        first, second = self._call.joins[row.uniqueid]
        for one in (first, second):
            self._call.joins.pop(one.first.uniqueid, None)
        told = first.first.uniqueid, first.last.linkedid, second.first.uniqueid, second.first.linkedid
        yield e.AttendedTransferred(row.at, *told, None)

    def _bring_together(self, row: CelRow, second: str, bridge: str) -> Iterator[e.ChannelEvent]:
        """Where no row names bridges, those whom the second channel leaves behind, or rings, come to the first's."""
        to = f"of {row.linkedid}"
        for uniqueid, facts in self._call.channels.items():
            if uniqueid == second or f"of {facts.first.linkedid}" != bridge or bridge == to or facts.gone:
                continue
            self._brought[uniqueid] = to
            if self._bridges.get(uniqueid) == bridge:
                self._bridges[uniqueid] = to
                yield e.BridgeEntered(row.at, uniqueid, row.linkedid, to)

    def _picked_up(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        picker = self._named(row.extra, "pickup_channel_uniqueid", "pickup_channel") or self._call.picker_of(row)
        facts = self._call.channels.get(picker or "")
        if picker is not None and facts is not None:
            self._brought[picker] = f"of {row.linkedid}"
            yield e.PickedUp(row.at, picker, facts.first.linkedid, row.uniqueid)
            if picker in self._bridges:
                self._bridges[picker] = self._brought[picker]
                yield e.BridgeEntered(row.at, picker, row.linkedid, self._brought[picker])

    def _parked(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        self._call.channels[row.uniqueid].parked = True
        yield e.Parked(row.at, row.uniqueid, row.linkedid, self._space_of(row))

    def _unparked(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        facts = self._call.channels[row.uniqueid]
        facts.parked = False
        retriever = self._retriever(row)
        gave_up = retriever is None and self._ends_with(facts, row.at)
        yield e.Unparked(row.at, row.uniqueid, row.linkedid, retriever or "", gave_up)

    def _retriever(self, row: CelRow) -> str | None:
        """Who took the parked caller back: named, or whoever dialled a parking space last before."""
        named = self._call.names.get(row.extra.get("retriever", ""))
        dialled = [
            one for one in self._call.rows if one.app == "parkedcall" and one.at <= row.at and one.event == "ANSWER"
        ]
        return named or (dialled[-1].uniqueid if dialled else None)

    def _space_of(self, row: CelRow) -> str:
        """The parking space, which CEL does not tell but by who dialled it then."""
        taken = (one for one in self._call.rows if one.app == "parkedcall" and one.at >= row.at)
        return next((one.exten for one in taken if one.exten), "")

    # How it ended

    def _ended(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        facts = self._call.channels[row.uniqueid]
        if facts.gone or (facts.ended_at is not None and row.at < facts.ended_at):
            return  # of several records of one channel the last tells its end
        facts.gone = True
        if facts.dialled and facts.is_person and facts.answered_at is None:
            status = self._call.why_it_stopped(facts, row.at)
            yield e.DialEnded(row.at, row.linkedid, row.linkedid, row.uniqueid, status or "", facts.forwarded)
        elif facts.in_queue and not facts.gave_up():
            yield e.QueueLeft(row.at, row.uniqueid, row.linkedid, False)
        yield e.ChannelEnded(row.at, row.uniqueid, row.linkedid, facts.cause)

    def _all_ended(self, row: CelRow) -> Iterator[e.ChannelEvent]:
        """No channel of the call is left; one whose own end was not logged has ended unseen."""
        for uniqueid, facts in self._call.channels.items():
            if facts.made and not facts.gone and facts.last.linkedid == row.linkedid and facts.ended_at is None:
                facts.gone = True
                yield e.ChannelEnded(row.at, uniqueid, row.linkedid, 0)
