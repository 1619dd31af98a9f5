"""What the tracker makes of hostile text, of calls without an end, and of an Asterisk that was started anew."""

from datetime import timedelta

import pytest

from ami_listener.tracker import Tracker
from leads.domain.calls import Leg, LegKind, Phase, Result
from tests.ami_listener.stories import EPOCH, Pbx, finals, new_tracker, play, told

CALLER = "+380501234567"


def test_hostile_text_is_cleaned_and_cut() -> None:
    pbx = Pbx()
    a = pbx.inbound("9" * 500, name="<script>\x00\x07alert(1)</script>\r\n" + "x" * 500)
    pbx.hangup(a, 0)
    call = told(pbx)
    assert call.caller == "9" * 80
    assert call.caller_name is not None
    assert call.caller_name.startswith("<script>alert(1)</script>")
    assert len(call.caller_name) <= 80


def test_ids_longer_than_asterisk_makes_are_ignored() -> None:
    tracker = new_tracker()
    tracker.feed({"Event": "Newchannel", "Channel": "PJSIP/trunk-1", "Uniqueid": "x" * 200, "Linkedid": "y"}, None)
    assert (tracker.live_calls, tracker.live_channels) == (0, 0)


def test_legs_of_a_queue_that_rings_for_hours_stay_bounded() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    for _ in range(500):
        pbx.refuse(a, pbx.ring(a, "101"), "NOANSWER", 0)
    b = pbx.ring(a, "102")
    pbx.answer(a, b)
    pbx.part("b1", a, b)
    call = told(pbx)
    assert len(call.legs) <= 200
    assert call.legs[-1] == Leg("PJSIP/102", "102", Result.ANSWERED)


def test_too_many_calls_make_room_by_closing_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ami_listener.switchboard.MAX_CALLS", 3)
    pbx = Pbx()
    for _ in range(5):
        pbx.inbound()
    tracker = new_tracker()
    views = play(pbx.events, tracker)
    ended = [view for view in views if view.phase is Phase.ENDED]
    assert (tracker.live_calls, tracker.evicted) == (3, 2)
    assert [(view.linkedid, view.incomplete) for view in ended] == [("1763726400.1", True), ("1763726400.2", True)]


def test_calls_without_end_fill_no_log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("ami_listener.switchboard.MAX_CALLS", 3)
    pbx = Pbx()
    for _ in range(153):
        pbx.inbound()
    play(pbx.events)
    assert [record.args[1] for record in caplog.records if record.args] == [1, 10, 100]


def test_calls_of_a_former_process_that_are_not_listed_have_ended_unseen() -> None:
    pbx = Pbx()
    runs_on, rings, talks = pbx.inbound(), pbx.inbound(), pbx.inbound()
    pbx.ring(rings, "101")
    pbx.answer(talks, pbx.ring(talks, "102"))
    before = {view.linkedid: view for view in play(pbx.events, new_tracker())}
    tracker = Tracker("pbx", lambda channel: channel.startswith("PJSIP/trunk"), before.values())
    listed = next(event for event in pbx.events if event.get("Uniqueid") == runs_on) | {"Event": "CoreShowChannel"}
    assert [view.linkedid for view in tracker.feed(listed, None)] == [runs_on]
    ended = {view.linkedid: view for view in tracker.feed({"Event": "CoreShowChannelsComplete"}, EPOCH)}
    assert {key: (view.phase, view.result, view.incomplete, view.ended_at) for key, view in ended.items()} == {
        rings: (Phase.ENDED, Result.NO_ANSWER, True, EPOCH),
        talks: (Phase.ENDED, Result.ANSWERED, True, EPOCH),
    }
    assert [leg.result for leg in ended[rings].legs] == [Result.NO_ANSWER]
    assert tracker.feed({"Event": "CoreShowChannelsComplete"}, EPOCH) == [], "told once"


def test_when_asterisk_was_started_anew_calls_ended_with_the_last_that_it_said_of_them() -> None:
    pbx = Pbx()
    talks = pbx.inbound()
    pbx.wait(3)
    pbx.answer(talks, pbx.ring(talks, "101"))
    pbx.wait(2)
    rings = pbx.inbound()
    pbx.ring(rings, "102")
    pbx.wait(60)
    pbx.say("FullyBooted", Uptime="30", Status="Fully Booted")
    after = pbx.inbound()
    pbx.ring(after, "101")
    tracker = new_tracker()
    calls = finals(play(pbx.events, tracker))
    assert {key: (view.phase, view.ended_at, view.incomplete) for key, view in calls.items()} == {
        talks: (Phase.ENDED, EPOCH + timedelta(seconds=3), True),
        rings: (Phase.ENDED, EPOCH + timedelta(seconds=5), True),
        after: (Phase.RINGING, None, False),
    }
    assert (calls[talks].result, calls[talks].talk_seconds) == (Result.ANSWERED, 0.0)
    assert (tracker.live_calls, tracker.live_channels) == (1, 2)


def test_a_call_just_before_asterisk_was_started_anew_is_told_by_the_listing() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    pbx.ring(a, "101")
    pbx.wait(0.4)
    tracker = new_tracker()
    play(pbx.events, tracker)
    tracker.begin_resync()
    pbx.events.clear()
    pbx.say("FullyBooted", Uptime="0", Status="Fully Booted")
    pbx.say("CoreShowChannelsComplete")
    (view,) = play(pbx.events, tracker)
    assert (view.ended_at, view.incomplete) == (EPOCH, True)


def test_an_asterisk_that_is_still_being_started_has_none_of_the_calls_before() -> None:
    """It lets us in before it says that it is fully booted."""
    pbx = Pbx()
    pbx.say("FullyBooted", Uptime="3600", Status="Fully Booted")
    pbx.ring(pbx.inbound(), "101")
    tracker = new_tracker()
    play(pbx.events, tracker)
    tracker.connection_lost()
    tracker.begin_resync()
    pbx.events.clear()
    pbx.wait(20)
    pbx.say("CoreShowChannelsComplete")
    pbx.say("FullyBooted", Uptime="7", Status="Fully Booted")
    (view,) = play(pbx.events, tracker)
    assert (view.ended_at, view.incomplete) == (EPOCH, True)


def test_a_new_login_to_an_asterisk_that_ran_on_ends_no_call() -> None:
    pbx = Pbx()
    pbx.ring(pbx.inbound(), "101")
    pbx.wait(60)
    pbx.say("FullyBooted", Uptime="3600", Status="Fully Booted")
    pbx.say("FullyBooted", Status="Fully Booted")
    assert [view.phase for view in finals(play(pbx.events)).values()] == [Phase.RINGING]


def test_a_call_of_a_former_process_ended_before_asterisk_was_started_anew() -> None:
    pbx = Pbx()
    pbx.ring(pbx.inbound(), "101")
    before = play(pbx.events, new_tracker())
    tracker = Tracker("pbx", lambda channel: channel.startswith("PJSIP/trunk"), before[-1:])
    pbx.events.clear()
    pbx.wait(3600)
    pbx.say("FullyBooted", Uptime="59", Status="Fully Booted")
    pbx.say("CoreShowChannelsComplete")
    (view,) = play(pbx.events, tracker)
    assert (view.ended_at, view.incomplete) == (EPOCH + timedelta(seconds=3540), True)


def test_a_message_that_a_caller_left_with_a_machine_is_no_conversation() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    pbx.state(a, "6")
    pbx.say("MessageWaiting", **pbx._headers(a), Mailbox="200@default", Waiting="1", New="1", Old="0")
    pbx.hangup(a)
    call = told(pbx)
    assert (call.result, [leg.kind for leg in call.legs]) == (Result.NO_ANSWER, [LegKind.VOICEMAIL])


def test_how_long_people_talked_before_they_were_listed_is_not_known() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    b = pbx.ring(a, "101")
    pbx.answer(a, b)
    tracker = new_tracker()
    for uniqueid in (a, b):
        made = next(event for event in pbx.events if event.get("Uniqueid") == uniqueid)
        talks = {"Event": "CoreShowChannel", "BridgeId": "b1", "ChannelState": "6", "Duration": "00:01:00"}
        tracker.feed(made | talks, None)
    told_so_far = len(pbx.events)
    pbx.wait(60)
    pbx.part("b1", a, b)
    views = play(pbx.events[told_so_far:], tracker)
    assert (views[-1].phase, views[-1].result, views[-1].talk_seconds) == (Phase.ENDED, Result.ANSWERED, None)
