"""Telephone stories, one a test: what took place against what is put on record."""

import sys
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest

from ami_listener.tracker import Tracker
from leads.domain.calls import Direction, Leg, LegKind, Phase, Result, Role, Transfer, TransferType
from tests.ami_listener.stories import EPOCH, Pbx, finals, new_tracker, play, told

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


def through_local(pbx: Pbx, a: str, endpoint: str, accept: bool = True) -> tuple[str, str, str]:
    """`a` dials an endpoint through a pair of Local channels, and the endpoint goes up."""
    one, two = pbx.local("x", of=a)
    pbx.dial(a, one, "x@somewhere")
    b = pbx.ring(two, endpoint)
    pbx.answer(two, b, "inner")
    if accept:
        pbx.answer(a, one, "outer")
    return one, two, b


def test_conversation_through_a_local_channel_that_stays() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    pbx.wait(3)
    one, two, b = through_local(pbx, a, "101")
    pbx.wait(10)
    pbx.part("outer", a, one)
    pbx.part("inner", two, b)
    call = told(pbx)
    assert (call.answered_by, call.ring_seconds, call.talk_seconds) == ("101", 3.0, 10.0)
    assert [leg.endpoint for leg in call.legs] == ["PJSIP/101"]


def test_conversation_through_a_local_channel_that_is_optimised_away() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    one, two, b = through_local(pbx, a, "101")
    pbx.leave("inner", b)
    pbx.leave("outer", one)
    pbx.enter("outer", b)
    pbx.part("inner", two)
    pbx.hangup(one)
    pbx.wait(10)
    pbx.part("outer", a, b)
    call = told(pbx)
    assert (call.answered_by, call.talk_seconds) == ("101", 10.0)


def test_mobile_that_is_picked_up_but_never_accepts_is_no_answer() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    one, two, b = through_local(pbx, a, "trunk", accept=False)
    pbx.part("inner", b, two)
    pbx.refuse(a, one, "NOANSWER", 16)
    pbx.hangup(a, 16)
    call = told(pbx)
    assert (call.direction, call.result, call.answered_by) == (Direction.INBOUND, Result.NO_ANSWER, None)


def test_phone_that_forwards_to_another() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    b = pbx.ring(a, "101")
    one, two = pbx.local("102", of=a)
    pbx.dial_end(a, b, "CANCEL", Forward="102")
    pbx.dial(a, one, "102@somewhere")
    pbx.hangup(b, 16)
    pbx.refuse(two, pbx.ring(two, "102"), "NOANSWER", 0)
    pbx.hangup(two, 0)
    pbx.refuse(a, one, "NOANSWER", 0)
    pbx.hangup(a, 16)
    call = told(pbx)
    assert call.result is Result.NO_ANSWER
    assert [(leg.number, leg.result) for leg in call.legs] == [("101", Result.CANCELLED), ("102", Result.NO_ANSWER)]


def test_picked_up_by_a_colleague() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    b = pbx.ring(a, "101")
    c = pbx.channel("103", "103", "*8", state="4")
    pbx.state(c, "6")
    pbx.dial_end(a, b, "CANCEL")
    pbx.dial(a, c)
    pbx.hangup(b, 26)
    pbx.dial_end(a, c, "ANSWER")
    pbx.enter("b1", c, a)
    pbx.join_call(c, a)
    pbx.part("b1", a, c)
    call = told(pbx)
    assert (call.answered_by, call.linkedid) == ("103", a)
    assert [(leg.number, leg.result) for leg in call.legs] == [("101", Result.CANCELLED), ("103", Result.ANSWERED)]


def answered(pbx: Pbx) -> tuple[str, str]:
    a = pbx.inbound()
    b = pbx.ring(a, "101")
    pbx.answer(a, b)
    pbx.wait(10)
    return a, b


def blind(pbx: Pbx, a: str, b: str, to: str) -> None:
    pbx.say("BlindTransfer", TransfererUniqueid=b, TransfererLinkedid=a, Extension=to, Result="Success")
    pbx.part("b1", b)
    pbx.leave("b1", a)


def test_blind_transfer_that_is_answered() -> None:
    pbx = Pbx()
    a, b = answered(pbx)
    blind(pbx, a, b, "102")
    pbx.wait(5)
    c = pbx.ring(a, "102")
    pbx.answer(a, c, "b2")
    pbx.wait(20)
    pbx.part("b2", a, c)
    call = told(pbx)
    assert call.answered_by == "101"
    assert call.transfers == (Transfer(TransferType.BLIND, "101", "102", Result.ANSWERED, "102"),)
    assert call.talk_seconds == 30.0


@pytest.mark.parametrize(
    ("status", "cause", "result"),
    [("BUSY", 17, Result.BUSY), ("NOANSWER", 21, Result.REJECTED), ("CANCEL", 0, Result.CANCELLED)],
)
def test_blind_transfer_that_is_not_answered(status: str, cause: int, result: Result) -> None:
    pbx = Pbx()
    a, b = answered(pbx)
    blind(pbx, a, b, "102")
    pbx.refuse(a, pbx.ring(a, "102"), status, cause)
    pbx.hangup(a)
    call = told(pbx)
    assert call.result is Result.ANSWERED
    assert call.transfers == (Transfer(TransferType.BLIND, "101", "102", result, None),)


def test_blind_transfer_to_an_extension_that_does_not_exist() -> None:
    pbx = Pbx()
    a, b = answered(pbx)
    blind(pbx, a, b, "999")
    pbx.hangup(a, 3)
    assert told(pbx).transfers == (Transfer(TransferType.BLIND, "101", "999", Result.FAILED, None),)


def attended(pbx: Pbx, first: str, second: str) -> None:
    pbx.say(
        "AttendedTransfer",
        Result="Success",
        OrigTransfererUniqueid=first,
        OrigTransfererLinkedid=pbx._linkedids[first],
        SecondTransfererUniqueid=second,
        SecondTransfererLinkedid=pbx._linkedids[second],
    )


@pytest.mark.parametrize("swapped", [False, True], ids=["from the first call", "from the second call"])
def test_attended_transfer(swapped: bool) -> None:
    pbx = Pbx()
    a, b = answered(pbx)
    b2 = pbx.channel("101", "101", "102", state="4")
    c = pbx.ring(b2, "102")
    pbx.answer(b2, c, "b2")
    pbx.wait(30)
    pbx.leave("b1", a)
    pbx.leave("b2", b2)
    pbx.enter("b2", a)
    attended(pbx, *((b2, b) if swapped else (b, b2)))
    pbx.part("b1", b)
    pbx.hangup(b2)
    pbx.join_call(c, a)
    pbx.wait(60)
    pbx.part("b2", a, c)
    calls = finals(play(pbx.events))
    call, consultation = calls[a], calls[b2]
    assert len(calls) == 2
    assert call.transfers == (Transfer(TransferType.ATTENDED, "101", "102", Result.ANSWERED, "102"),)
    assert (call.role, call.answered_by, call.talk_seconds) == (Role.CALL, "101", 100.0)
    assert (consultation.role, consultation.parent_linkedid) == (Role.CONSULTATION, a)
    assert (consultation.caller, consultation.answered_by, consultation.talk_seconds) == ("101", "102", 30.0)


@pytest.mark.parametrize(
    ("status", "cause", "result"), [("ANSWER", 16, Result.ANSWERED), ("BUSY", 17, Result.BUSY), ("CANCEL", 0, None)]
)
def test_semi_attended_transfer(status: str, cause: int, result: Result | None) -> None:
    pbx = Pbx()
    a, b = answered(pbx)
    b2 = pbx.channel("101", "101", "102", state="4")
    c = pbx.ring(b2, "102")
    attended(pbx, b, b2)
    pbx.leave("b1", b, a)
    pbx.dial_end(b2, c, "NOANSWER")
    pbx.dial(a, c)
    pbx.hangup(b2)
    pbx.hangup(b)
    if result is Result.ANSWERED:
        pbx.answer(a, c, "b2")
        pbx.join_call(c, a)
        pbx.part("b2", a, c)
    else:
        pbx.refuse(a, c, status, cause)
        pbx.hangup(a)
    calls = finals(play(pbx.events))
    answered_by = "102" if result is Result.ANSWERED else None
    expected = Transfer(TransferType.SEMI_ATTENDED, "101", "102", result or Result.CANCELLED, answered_by)
    assert calls[a].transfers == (expected,)
    assert (calls[b2].role, calls[b2].result) == (Role.CONSULTATION, Result.CANCELLED)


def test_transfer_by_feature_code_within_one_call() -> None:
    pbx = Pbx()
    a, b = answered(pbx)
    c = pbx.ring(b, "102")
    pbx.leave("b1", b)
    pbx.answer(b, c, "b2")
    pbx.leave("b2", b)
    pbx.enter("b2", a)
    attended(pbx, b, b)
    pbx.hangup(b)
    pbx.part("b2", a, c)
    call = told(pbx)
    assert call.transfers == (Transfer(TransferType.ATTENDED, "101", "102", Result.ANSWERED, "102"),)


def test_click_to_call_rings_the_employee_first() -> None:
    pbx = Pbx()
    one = pbx.channel("Local/start@click-0001;1")
    two = pbx.channel("Local/start@click-0001;2", of=one)
    pbx.say("LocalBridge", LocalOneUniqueid=one, LocalOneLinkedid=one, LocalTwoUniqueid=two, LocalTwoLinkedid=one)
    pbx.dial("", one)
    a = pbx.ring(two, "101")
    pbx.answer(two, a, "left")
    b = pbx.channel("trunk", "0501234567", of=one)
    pbx.dial(one, b, "0501234567@trunk")
    pbx.state(b, "5")
    pbx.answer(one, b, "right")
    pbx.part("right", one, b)
    pbx.part("left", two, a)
    call = told(pbx)
    assert (call.direction, call.caller, call.dialled) == (Direction.OUTBOUND, "101", "0501234567")
    assert (call.result, call.answered_by) == (Result.ANSWERED, "0501234567")
    assert [leg.endpoint for leg in call.legs] == ["PJSIP/trunk"]


def test_click_to_call_that_the_employee_does_not_take() -> None:
    pbx = Pbx()
    a = pbx.channel("101", "101")
    pbx.dial("", a)
    pbx.state(a, "5")
    pbx.refuse("", a, "NOANSWER", 0)
    call = told(pbx)
    assert (call.caller, call.result, call.legs) == ("101", Result.NO_ANSWER, ())


def test_originated_call_to_the_outside_first_is_never_shown_as_inbound() -> None:
    pbx = Pbx()
    b = pbx.channel("trunk", "0501234567")
    pbx.dial("", b, "0501234567@trunk")
    pbx.state(b, "5")
    pbx.state(b, "6")
    pbx.dial_end("", b, "ANSWER")
    a = pbx.ring(b, "101")
    pbx.answer(b, a)
    pbx.part("b1", a, b)
    assert {view.direction for view in play(pbx.events)} == {Direction.OUTBOUND}
    call = told(pbx)
    assert (call.caller, call.dialled, call.answered_by) == ("101", "0501234567", "0501234567")


def test_originated_call_that_rings_nowhere_is_on_record() -> None:
    pbx = Pbx()
    one = pbx.channel("Local/0501234567@somewhere-00000001;1")
    two = pbx.channel("Local/0501234567@somewhere-00000001;2", of=one)
    pbx.dial("", one)
    line = pbx.channel("trunk", of=one)
    pbx.dial(two, line, "0501234567@trunk")
    pbx.refuse(two, line, "CONGESTION", 34)
    pbx.hangup(two)
    pbx.hangup(one)
    call = told(pbx)
    assert (call.direction, call.dialled, call.result) == (Direction.OUTBOUND, "0501234567", Result.FAILED)


def test_who_rings_in_anothers_place_may_ring_before_the_way_there_is_told() -> None:
    pbx = Pbx()
    a = pbx.inbound()
    b, other = pbx.ring(a, "101"), pbx.ring(a, "102")
    one, two = pbx.local("103", a)
    c = pbx.channel("103", "103", of=a)
    pbx.dial(two, c)
    pbx.dial_end(a, b, "CANCEL", Forward="103")
    pbx.dial(a, one)
    pbx.hangup(b, 23)
    pbx.hangup(other, 26)
    pbx.answer(two, c, "b1")
    pbx.answer(a, one, "b2")
    pbx.part("b2", a, one)
    pbx.part("b1", c, two)
    assert [(leg.endpoint, leg.kind) for leg in told(pbx).legs] == [
        ("PJSIP/101", LegKind.RANG),
        ("PJSIP/102", LegKind.RANG),
        ("PJSIP/103", LegKind.FORWARDED),
    ]


def test_parked_callers_do_not_hear_each_other() -> None:
    pbx = Pbx()
    a, c = pbx.inbound(), pbx.inbound("+380671112233")
    pbx.enter("lot", a, c, technology="holding_bridge")
    pbx.hangup(a)
    pbx.hangup(c)
    calls = finals(play(pbx.events))
    assert [call.result for call in calls.values()] == [Result.CANCELLED, Result.CANCELLED]


def test_parked_call_that_is_retrieved_is_one_call() -> None:
    pbx = Pbx()
    a, b = answered(pbx)
    pbx.part("b1", b)
    pbx.leave("b1", a)
    c = pbx.channel("103", "103", "701", state="4")
    pbx.state(c, "6")
    pbx.enter("b2", c, a)
    pbx.join_call(c, a)
    pbx.part("b2", a, c)
    call = told(pbx)
    assert [(leg.number, leg.result) for leg in call.legs] == [("101", Result.ANSWERED), ("103", Result.ANSWERED)]


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
