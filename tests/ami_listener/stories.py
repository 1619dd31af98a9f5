"""Tells telephone stories as the AMI events that Asterisk 22 with PJSIP sends for them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from ami_listener.tracker import Tracker
from leads.domain.calls import CallView, Phase

EPOCH = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
STATES = {"0": "Down", "4": "Ring", "5": "Ringing", "6": "Up"}
Event = dict[str, str]


class Pbx:
    """One imagined Asterisk; each method appends what it would say. `clock` moves only when told."""

    def __init__(self, first: int = 1, timestamps: bool = True) -> None:
        self.events: list[Event] = []
        self.clock = EPOCH
        self._count = first
        self._timestamps = timestamps
        self._linkedids: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._numbers: dict[str, str] = {}

    def wait(self, seconds: float) -> None:
        self.clock += timedelta(seconds=seconds)

    def say(self, name: str, **headers: str) -> None:
        event = {"Event": name, "Privilege": "call,all"}
        if self._timestamps:
            event["Timestamp"] = f"{self.clock.timestamp():.6f}"
        self.events.append(event | headers)

    def _headers(self, uniqueid: str, prefix: str = "") -> Event:
        headers = {
            "Channel": self._names[uniqueid],
            "CallerIDNum": self._numbers.get(uniqueid, "<unknown>"),
            "Uniqueid": uniqueid,
            "Linkedid": self._linkedids[uniqueid],
        }
        return {prefix + name: value for name, value in headers.items()}

    def channel(
        self,
        endpoint: str,
        number: str = "<unknown>",
        exten: str = "s",
        *,
        of: str = "",
        state: str = "0",
        name: str = "<unknown>",
    ) -> str:
        """A new channel, in the call of channel `of` or in one of its own; gives its uniqueid."""
        uniqueid = f"1763726400.{self._count}"
        tech = endpoint if "/" in endpoint else f"PJSIP/{endpoint}"
        self._names[uniqueid] = tech if ";" in tech else f"{tech}-{self._count:08x}"
        self._count += 1
        self._linkedids[uniqueid] = self._linkedids[of] if of else uniqueid
        self._numbers[uniqueid] = number
        self.say("Newchannel", **self._headers(uniqueid), CallerIDName=name, ChannelState=state, Exten=exten)
        return uniqueid

    def local(self, exten: str, of: str) -> tuple[str, str]:
        """A pair of Local channels in the call of `of`."""
        name = f"Local/{exten}@somewhere-{self._count:08x}"
        one, two = self.channel(f"{name};1", of=of), self.channel(f"{name};2", of=of)
        both = self._headers(one, "LocalOne") | self._headers(two, "LocalTwo")
        self.say("LocalBridge", **both, LocalOptimization="Yes")
        return one, two

    def caller_id(self, uniqueid: str, number: str, name: str = "<unknown>", pres: str = "0") -> None:
        self._numbers[uniqueid] = number
        headers = self._headers(uniqueid)
        self.say("NewCallerid", **headers, CallerIDName=name, **{"CID-CallingPres": f"{pres} (text)"})

    def state(self, uniqueid: str, state: str) -> None:
        self.say("Newstate", **self._headers(uniqueid), ChannelState=state, ChannelStateDesc=STATES[state])

    def dial(self, source: str, target: str, dial_string: str = "") -> None:
        caller = self._headers(source) if source else {}
        self.say("DialBegin", **caller, **self._headers(target, "Dest"), DialString=dial_string)

    def dial_end(self, source: str, target: str, status: str, **more: str) -> None:
        caller = self._headers(source) if source else {}
        self.say("DialEnd", **caller, **self._headers(target, "Dest"), DialStatus=status, **more)

    def enter(self, bridge: str, *uniqueids: str, technology: str = "simple_bridge") -> None:
        for uniqueid in uniqueids:
            bridge_headers = {"BridgeUniqueid": bridge, "BridgeTechnology": technology}
            self.say("BridgeEnter", **self._headers(uniqueid), **bridge_headers)

    def leave(self, bridge: str, *uniqueids: str) -> None:
        for uniqueid in uniqueids:
            self.say("BridgeLeave", **self._headers(uniqueid), BridgeUniqueid=bridge)

    def join_call(self, uniqueid: str, of: str) -> None:
        """Asterisk gives a channel the linkedid of another's call."""
        self._linkedids[uniqueid] = self._linkedids[of]

    def hangup(self, uniqueid: str, cause: int = 16) -> None:
        self.say("Hangup", **self._headers(uniqueid), Cause=str(cause))

    # Whole passages

    def inbound(self, caller: str = "+380501234567", did: str = "0441234567", name: str = "<unknown>") -> str:
        return self.channel("trunk", caller, did, state="4", name=name)

    def ring(self, source: str, endpoint: str, number: str | None = None, dial_string: str = "") -> str:
        """A channel dials an endpoint, which rings."""
        target = self.channel(endpoint, number or endpoint, of=source)
        self.dial(source, target, dial_string or f"{endpoint}/sip:{endpoint}@127.0.0.1")
        self.state(target, "5")
        return target

    def answer(self, source: str, target: str, bridge: str = "b1") -> None:
        self.state(target, "6")
        self.dial_end(source, target, "ANSWER")
        self.state(source, "6")
        self.enter(bridge, target, source)

    def refuse(self, source: str, target: str, status: str, cause: int) -> None:
        self.dial_end(source, target, status)
        self.hangup(target, cause)

    def part(self, bridge: str, *uniqueids: str) -> None:
        self.leave(bridge, *uniqueids)
        for uniqueid in uniqueids:
            self.hangup(uniqueid)


def new_tracker() -> Tracker:
    return Tracker("pbx", lambda name: name.startswith("PJSIP/trunk"))


def play(events: Iterable[Event], tracker: Tracker | None = None, arrived_at: datetime | None = None) -> list[CallView]:
    """Every view that a tracker gives for these events, in order."""
    tracker = tracker or new_tracker()
    return [view for event in events for view in tracker.feed(event, arrived_at)]


def finals(views: Iterable[CallView]) -> dict[str, CallView]:
    """The last view of each call."""
    return {view.linkedid: view for view in views}


def told(pbx: Pbx) -> CallView:
    """The one call of a story; fails when there are more, when it has not ended, or when state is left behind."""
    tracker = new_tracker()
    calls = finals(play(pbx.events, tracker))
    assert len(calls) == 1, calls
    assert (tracker.live_calls, tracker.live_channels, tracker.live_bridges) == (0, 0, 0)
    (view,) = calls.values()
    assert view.phase is Phase.ENDED
    return view
