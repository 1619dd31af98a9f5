"""Which phones ring, for whom, and how each ringing ends: told by the tracker at once (C10)."""

from ami_listener.tracker import Tracker
from leads.domain.rings import Ring, RingState
from tests.ami_listener.stories import Pbx, new_tracker

CALLER = "+380501234567"


class Watch:
    """A tracker that is told a story bit by bit, and the rings that it tells."""

    def __init__(self, pbx: Pbx) -> None:
        self.pbx, self.tracker = pbx, new_tracker()

    def rings(self) -> list[Ring]:
        told = []
        for event in self.pbx.events:
            self.tracker.follow(event, None)
            told += self.tracker.rings()
        self.pbx.events.clear()
        return told


def states(rings: list[Ring]) -> list[tuple[str, RingState]]:
    return [(ring.endpoint, ring.state) for ring in rings]


def test_a_phone_that_rings_is_told_with_its_caller_and_once() -> None:
    pbx = Pbx()
    watch = Watch(pbx)
    caller = pbx.inbound(name="Kyivstar")
    pbx.caller_id(caller, CALLER, "Olha")
    phone = pbx.ring(caller, "101")
    (ring,) = watch.rings()
    assert (ring.endpoint, ring.party, ring.party_name, ring.hidden) == ("PJSIP/101", CALLER, "Kyivstar", False)
    assert (ring.channel, ring.uniqueid, ring.linkedid) == (f"PJSIP/101-{2:08x}", phone, caller)
    assert (ring.id, ring.state, ring.dialled) == (f"pbx/{phone}", RingState.RINGING, "0441234567")
    pbx.caller_id(caller, CALLER, "Olha")
    assert watch.rings() == []


def test_a_phone_that_was_only_dialled_does_not_ring_yet() -> None:
    pbx = Pbx()
    watch = Watch(pbx)
    caller = pbx.inbound()
    phone = pbx.channel("101", "101", of=caller)
    pbx.dial(caller, phone)
    assert watch.rings() == []


def test_how_a_ringing_ends() -> None:
    pbx = Pbx()
    watch = Watch(pbx)
    caller = pbx.inbound()
    answers, loses, gives_up = (pbx.ring(caller, number) for number in ("101", "102", "103"))
    watch.rings()
    pbx.refuse(caller, gives_up, "NOANSWER", 21)
    assert states(watch.rings()) == [("PJSIP/103", RingState.OVER)]
    pbx.answer(caller, answers)
    pbx.refuse(caller, loses, "CANCEL", 26)
    assert states(watch.rings()) == [("PJSIP/101", RingState.ANSWERED), ("PJSIP/102", RingState.ELSEWHERE)]


def test_a_withheld_number_is_not_told() -> None:
    pbx = Pbx()
    watch = Watch(pbx)
    caller = pbx.inbound(name="Olha")
    pbx.caller_id(caller, CALLER, "Olha", pres="35")
    pbx.ring(caller, "101")
    (ring,) = watch.rings()
    assert (ring.hidden, ring.party, ring.party_name) == (True, None, None)


def test_a_trunk_that_says_no_number_is_not_told_for_one() -> None:
    pbx = Pbx()
    watch = Watch(pbx)
    pbx.ring(pbx.inbound(""), "101")
    (ring,) = watch.rings()
    assert (ring.hidden, ring.party) == (False, None)


def test_a_colleague_is_told_by_his_phone() -> None:
    pbx = Pbx()
    watch = Watch(pbx)
    caller = pbx.channel("102", "102", "101", state="4")
    pbx.ring(caller, "101")
    (ring,) = watch.rings()
    assert (ring.party, ring.endpoint) == ("102", "PJSIP/101")


def test_ones_own_phone_that_rings_for_click_to_call_asks_nothing() -> None:
    pbx = Pbx()
    watch = Watch(pbx)
    phone = pbx.channel("101", "101")
    pbx.dial("", phone)
    pbx.state(phone, "5")
    assert watch.rings() == []


def test_a_phone_that_takes_over_while_ringing_is_told_who_asks_now() -> None:
    """101 asks 102 and hands the caller over before 102 has answered."""
    pbx = Pbx()
    watch = Watch(pbx)
    caller = pbx.inbound()
    first = pbx.ring(caller, "101")
    pbx.answer(caller, first)
    asking = pbx.channel("101", "101", "102", state="4")
    pbx.ring(asking, "102")
    assert [ring.party for ring in watch.rings() if ring.endpoint == "PJSIP/102"] == ["101"]
    names = pbx._headers(first, "OrigTransferer") | pbx._headers(asking, "SecondTransferer")
    pbx.say("AttendedTransfer", **names, Result="Success", DestType="Link")
    assert [(ring.party, ring.state) for ring in watch.rings()] == [(CALLER, RingState.RINGING)]


def test_ringing_phones_are_found_after_a_connect_and_lost_ones_end() -> None:
    pbx = Pbx()
    tracker = new_tracker()
    caller = pbx.inbound()
    phone = pbx.ring(caller, "101")
    for event in pbx.events:
        tracker.follow(event, None)
    tracker.rings()
    tracker.begin_resync()
    tracker.follow({"Event": "CoreShowChannelsComplete"}, None)
    assert states(tracker.rings()) == [("PJSIP/101", RingState.OVER)]

    anew: Tracker = new_tracker()
    rows = ((caller, "4", "Dial"), (phone, "5", "AppDial"))
    for uniqueid, state, application in rows:
        row = pbx._headers(uniqueid) | {"ChannelState": state, "Application": application, "Duration": "00:00:05"}
        anew.follow({"Event": "CoreShowChannel", **row}, None)
    anew.follow({"Event": "CoreShowChannelsComplete"}, None)
    assert [(ring.endpoint, ring.party, ring.state) for ring in anew.rings()] == [
        ("PJSIP/101", CALLER, RingState.RINGING)
    ]
