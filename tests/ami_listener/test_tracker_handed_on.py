"""Calls that go through others: Local channels, forwarding, pickup, transfers, click to call, parking."""

import pytest

from leads.domain.calls import Direction, LegKind, Result, Role, Transfer, TransferType
from tests.ami_listener.stories import Pbx, finals, play, told

CALLER = "+380501234567"


def through_local(pbx: Pbx, a: str, endpoint: str, accept: bool = True) -> tuple[str, str, str]:
    """`a` dials an endpoint through a pair of Local channels, and the endpoint goes up."""
    one, two = pbx.local("x", of=a)
    pbx.dial(a, one, "x@somewhere")
    b = pbx.ring(two, endpoint)
    pbx.answer(two, b, "inner")
    if accept:
        pbx.answer(a, one, "outer")
    return one, two, b


def through_local_that_goes(pbx: Pbx, a: str, endpoint: str) -> str:
    """The same, and Asterisk optimises the pair away: the endpoint talks with `a` in one bridge."""
    one, two, b = through_local(pbx, a, endpoint)
    pbx.leave("inner", b)
    pbx.leave("outer", one)
    pbx.enter("outer", b)
    pbx.part("inner", two)
    pbx.hangup(one)
    return b


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
    b = through_local_that_goes(pbx, a, "101")
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
