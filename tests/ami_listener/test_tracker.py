"""Telephone stories, one a test: what took place against what is put on record."""

import sys
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest

from leads.domain.calls import Direction, Leg, Phase, Result
from tests.ami_listener.stories import EPOCH, Pbx, new_tracker, play, told

CALLER = "+380501234567"


def test_inbound_call_is_answered() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    pbx.wait(1)
    b = pbx.ring(a, "101")
    pbx.wait(4)
    pbx.answer(a, b)
    pbx.wait(60.5)
    pbx.part("b1", a, b)
    call = told(pbx)
    assert (call.direction, call.caller, call.dialled) == (Direction.INBOUND, CALLER, "0441234567")
    assert (call.result, call.answered_by) == (Result.ANSWERED, "101")
    assert call.started_at == EPOCH
    assert call.answered_at == EPOCH + timedelta(seconds=5)
    assert call.ended_at == EPOCH + timedelta(seconds=65.5)
    assert (call.ring_seconds, call.talk_seconds) == (5.0, 60.5)
    assert call.legs == (Leg("PJSIP/101", "101", Result.ANSWERED),)
    assert not call.incomplete


@pytest.mark.parametrize(
    ("seconds", "cause", "result"),
    [
        pytest.param(0.004, 16, Result.CANCELLED, id="he gave up in that instant"),
        pytest.param(0.004, 19, Result.NO_ANSWER, id="we ended the call"),
        pytest.param(6, 16, Result.NO_ANSWER, id="a mobile that never accepted"),
    ],
)
@pytest.mark.parametrize("said", [("NOANSWER", "ANSWER"), ("ANSWER",)], ids=" ".join)
@pytest.mark.parametrize("phone_first", [True, False])
def test_a_phone_is_answered_and_nobody_is_connected(
    *, seconds: float, cause: int, result: Result, phone_first: bool, said: tuple[str, ...]
) -> None:
    pbx = Pbx()
    a = pbx.inbound()
    b = pbx.ring(a, "101")
    pbx.wait(3)
    pbx.state(b, "6")
    for status in said:
        pbx.dial_end(a, b, status)
    pbx.wait(seconds)
    for channel, why in ((b, 16), (a, cause)) if phone_first else ((a, cause), (b, 16)):
        pbx.hangup(channel, why)
    call = told(pbx)
    assert (call.result, [leg.result for leg in call.legs]) == (result, [result])


def test_call_is_seen_while_it_rings_and_while_it_talks() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    b = pbx.ring(a, "101")
    pbx.answer(a, b)
    pbx.part("b1", a, b)
    views = play(pbx.events)
    assert [view.phase for view in views] == sorted(view.phase for view in views)
    assert {view.phase for view in views} == set(Phase)
    assert [view.progress for view in views] == list(range(1, len(views) + 1))
    assert views[0].caller == CALLER
    assert [leg.result for leg in views[0].legs] == [None]


def test_a_number_that_is_withheld_by_the_dialplans_first_step_is_never_shown() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    pbx.caller_id(a, "anonymous", pres="32")
    b = pbx.ring(a, "101")
    pbx.answer(a, b)
    pbx.part("b1", a, b)
    views = play(pbx.events)
    assert views[0].phase is Phase.RINGING
    assert {(view.caller, view.caller_hidden) for view in views} == {("anonymous", True)}


def test_times_are_unknown_where_the_stream_has_none() -> None:
    pbx = Pbx(timestamps=False)
    a = pbx.inbound()
    b = pbx.ring(a, "101")
    pbx.answer(a, b)
    pbx.part("b1", a, b)
    call = told(pbx)
    assert (call.started_at, call.answered_at, call.ended_at) == (None, None, None)
    assert (call.ring_seconds, call.talk_seconds) == (None, None)


def test_an_events_timestamp_beats_its_arrival() -> None:
    pbx = Pbx()
    pbx.ring(pbx.inbound(), "101")
    late = EPOCH + timedelta(hours=1)
    assert {view.started_at for view in play(pbx.events, arrived_at=late)} == {EPOCH}
    pbx.events[0] |= {"Timestamp": "nonsense"}
    assert {view.started_at for view in play(pbx.events, arrived_at=late)} == {late}


@pytest.mark.parametrize(
    ("status", "cause", "result"),
    [
        ("BUSY", 17, Result.BUSY),
        ("NOANSWER", 21, Result.REJECTED),
        ("CHANUNAVAIL", 21, Result.REJECTED),
        ("NOANSWER", 19, Result.NO_ANSWER),
        ("BUSY", 19, Result.NO_ANSWER),
        ("NOANSWER", 16, Result.NO_ANSWER),
        ("NOANSWER", 0, Result.NO_ANSWER),
        ("CHANUNAVAIL", 1, Result.FAILED),
        ("NOANSWER", 1, Result.FAILED),
        ("CHANUNAVAIL", 58, Result.FAILED),
        ("CONGESTION", 34, Result.FAILED),
        ("CHANUNAVAIL", 0, Result.FAILED),
        ("CANCEL", 0, Result.CANCELLED),
        ("CANCEL", 16, Result.CANCELLED),
    ],
)
def test_result_comes_from_dial_status_and_cause_together(status: str, cause: int, result: Result) -> None:
    pbx = Pbx()
    a = pbx.inbound()
    b = pbx.ring(a, "101")
    pbx.refuse(a, b, status, cause)
    pbx.hangup(a, 17)
    call = told(pbx)
    assert (call.result, call.legs[0].result, call.answered_by) == (result, result, None)
    assert call.talk_seconds == 0.0


def test_busy_then_no_answer_is_no_answer_and_both_legs_are_there() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    pbx.refuse(a, pbx.ring(a, "101"), "BUSY", 17)
    pbx.refuse(a, pbx.ring(a, "102"), "NOANSWER", 0)
    pbx.hangup(a, 16)
    call = told(pbx)
    assert call.result is Result.NO_ANSWER
    assert [(leg.number, leg.result) for leg in call.legs] == [("101", Result.BUSY), ("102", Result.NO_ANSWER)]


def test_caller_gives_up_after_the_first_phone_was_busy() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    pbx.refuse(a, pbx.ring(a, "101"), "BUSY", 17)
    pbx.refuse(a, pbx.ring(a, "102"), "CANCEL", 0)
    pbx.hangup(a, 0)
    assert told(pbx).result is Result.CANCELLED


def test_group_where_one_answers() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    b, c = pbx.ring(a, "101"), pbx.ring(a, "102")
    pbx.state(c, "6")
    pbx.refuse(a, b, "CANCEL", 26)
    pbx.answer(a, c)
    pbx.part("b1", a, c)
    call = told(pbx)
    assert call.answered_by == "102"
    assert [leg.result for leg in call.legs] == [Result.CANCELLED, Result.ANSWERED]


def test_phones_that_carry_the_dialled_number_are_known_by_their_endpoint() -> None:
    pbx = Pbx()
    a = pbx.inbound(did="+380441234567")
    b = pbx.ring(a, "desk-b", "0441234567")
    pbx.answer(a, b)
    pbx.part("b1", a, b)
    call = told(pbx)
    assert call.answered_by == "PJSIP/desk-b"
    assert call.legs[0].number is None


def test_phones_of_a_group_that_share_its_number_are_known_by_their_endpoint() -> None:
    pbx = Pbx()
    a = pbx.channel("101", "101", "600", state="4")
    b, c = pbx.ring(a, "desk-b", "600"), pbx.ring(a, "desk-c", "600")
    pbx.refuse(a, b, "CANCEL", 26)
    pbx.answer(a, c)
    pbx.part("b1", a, c)
    call = told(pbx)
    assert (call.direction, call.answered_by, call.dialled) == (Direction.INTERNAL, "PJSIP/desk-c", "600")


def test_outgoing_call_is_on_record_once_the_outside_line_rings() -> None:
    pbx = Pbx()
    a = pbx.channel("101", "101", "0501234567", state="4")
    b = pbx.channel("trunk", "0501234567", of=a)
    pbx.dial(a, b, "0501234567@trunk")
    assert play(pbx.events) == []
    pbx.state(b, "5")
    (ringing,) = play(pbx.events)
    assert (ringing.phase, ringing.direction) == (Phase.RINGING, Direction.OUTBOUND)
    pbx.answer(a, b)
    pbx.part("b1", a, b)
    call = told(pbx)
    assert (call.caller, call.dialled, call.answered_by) == ("101", "0501234567", "0501234567")
    assert call.legs == (Leg("PJSIP/trunk", "0501234567", Result.ANSWERED),)


def test_outgoing_call_that_fails_is_on_record_only_as_failed() -> None:
    pbx = Pbx()
    a = pbx.channel("101", "101", "0501234567", state="4")
    b = pbx.channel("trunk", of=a)
    pbx.dial(a, b, "trunk/sip:0501234567@10.0.0.1")
    pbx.refuse(a, b, "CHANUNAVAIL", 1)
    pbx.hangup(a, 1)
    views = play(pbx.events)
    assert [(view.phase, view.result) for view in views] == [(Phase.ENDED, Result.FAILED)]
    assert views[0].legs[0].number == "0501234567"


def test_early_media_counts_as_ringing() -> None:
    pbx = Pbx()
    a = pbx.channel("101", "101", "0501234567", state="4")
    b = pbx.channel("trunk", of=a)
    pbx.dial(a, b, "0501234567@trunk")
    pbx.say("DialState", DestUniqueid=b, DestLinkedid=a, DialStatus="PROGRESS")
    assert [view.phase for view in play(pbx.events)] == [Phase.RINGING]


def test_a_phone_keeps_its_extension_when_our_public_number_is_set_for_the_trunk() -> None:
    pbx = Pbx()
    a = pbx.channel("desk-a", "desk-a", "0501234567", state="4")
    pbx.caller_id(a, "101", "Olha")
    pbx.caller_id(a, "0441234567")
    b = pbx.channel("trunk", of=a)
    pbx.dial(a, b, "0501234567@trunk")
    pbx.state(b, "5")
    pbx.refuse(a, b, "CANCEL", 0)
    pbx.hangup(a, 0)
    call = told(pbx)
    assert (call.caller, call.caller_name, call.result) == ("101", "Olha", Result.CANCELLED)


@pytest.mark.parametrize(("number", "pres", "hidden"), [("0501234567", "0", False), ("0501234567", "35", True)])
def test_withheld_numbers(number: str, pres: str, hidden: bool) -> None:
    pbx = Pbx()
    a = pbx.inbound()
    pbx.caller_id(a, number, pres=pres)
    pbx.hangup(a, 0)
    assert told(pbx).caller_hidden is hidden


def test_the_name_that_the_trunk_delivered_stays_when_the_dialplan_sets_ours_for_the_display() -> None:
    pbx = Pbx()
    a = pbx.inbound(name="KYIV CITY")
    pbx.caller_id(a, CALLER, "Shcherban")
    pbx.hangup(a, 0)
    assert told(pbx).caller_name == "KYIV CITY"


@pytest.mark.parametrize(
    ("asterisk", "name"),
    [
        (r"O\'Neil \"x\"", 'O\'Neil "x"'),
        (r"back\\slash", r"back\slash"),
        (r"C:\dir\new", r"C:\dir\new"),
        ("end\\", "end\\"),
        ("O'Neil", "O'Neil"),
    ],
)
def test_a_name_from_outside_is_without_the_backslashes_of_sip(asterisk: str, name: str) -> None:
    pbx = Pbx()
    pbx.hangup(pbx.inbound(name=asterisk.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")))  # as AMI does
    assert told(pbx).caller_name == name


def test_a_name_of_our_own_phone_keeps_its_backslashes() -> None:
    pbx = Pbx()
    pbx.hangup(pbx.channel("101", "101", "102", state="4", name=r"Ann\\\'s"))
    assert told(pbx).caller_name == r"Ann\'s"


def test_a_trunk_that_says_no_number_is_no_caller_s_number() -> None:
    pbx = Pbx()
    a = pbx.inbound("")
    b = pbx.ring(a, "101")
    pbx.answer(a, b)
    pbx.part("b1", a, b)
    call = told(pbx)
    assert (call.caller, call.answered_by) == (None, "101")


def test_who_hears_whom_in_a_crowd_costs_its_size_and_not_the_square_of_it() -> None:
    def lines_run(people: int) -> int:
        pbx = Pbx()
        channels = [pbx.inbound(f"+38050{number:07d}") for number in range(people)]
        pbx.enter("b1", *channels[:-1])
        tracker = new_tracker()
        for event in pbx.events:
            tracker.feed(event, pbx.clock)
        count = 0

        def trace(_frame: FrameType, what: str, _value: object) -> "Callable[..., Any]":
            nonlocal count
            count += what == "line"
            return trace

        pbx.enter("b1", channels[-1])
        sys.settrace(trace)
        try:
            tracker.follow(pbx.events[-1], pbx.clock)
        finally:
            sys.settrace(None)
        return count

    assert lines_run(160) < 3 * lines_run(80)


@pytest.mark.parametrize("name", ["CLIEval/1", "CLIExec/1", "Calendar/office"])
def test_what_the_console_evaluates_is_no_call(name: str) -> None:
    pbx = Pbx()
    pbx.hangup(pbx.channel(name))
    assert play(pbx.events) == []


def test_anonymous_caller() -> None:
    pbx = Pbx()
    pbx.hangup(pbx.inbound("anonymous"), 0)
    call = told(pbx)
    assert call.caller_hidden
    assert call.result is Result.CANCELLED


def test_caller_who_gives_up_in_a_queue_was_not_answered() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    pbx.state(a, "6")
    pbx.say("QueueCallerJoin", Uniqueid=a, Linkedid=a)
    pbx.refuse(a, pbx.ring(a, "101"), "NOANSWER", 0)
    pbx.say("QueueCallerAbandon", Uniqueid=a, Linkedid=a)
    pbx.say("QueueCallerLeave", Uniqueid=a, Linkedid=a)
    pbx.hangup(a, 16)
    call = told(pbx)
    assert (call.result, call.answered_by, call.talk_seconds) == (Result.CANCELLED, None, 0.0)


def test_queue_that_ran_out_of_time_is_no_answer() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    pbx.state(a, "6")
    pbx.say("QueueCallerJoin", Uniqueid=a, Linkedid=a)
    pbx.refuse(a, pbx.ring(a, "101"), "NOANSWER", 0)
    pbx.say("QueueCallerLeave", Uniqueid=a, Linkedid=a)
    pbx.hangup(a, 16)
    assert told(pbx).result is Result.NO_ANSWER


def test_caller_who_gives_up_in_a_menu() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    pbx.state(a, "6")
    pbx.hangup(a, 16)
    assert told(pbx).result is Result.CANCELLED


def test_internal_service_answers_by_itself() -> None:
    pbx = Pbx()
    a = pbx.channel("101", "101", "*97", state="4")
    pbx.state(a, "6")
    pbx.hangup(a, 16)
    call = told(pbx)
    assert (call.direction, call.result, call.answered_by) == (Direction.INTERNAL, Result.ANSWERED, None)
