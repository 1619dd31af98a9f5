"""The rules of intake: who makes a lead, and who is in charge of it."""

from dataclasses import replace

import pytest

from leads.domain.calls import CallView, Direction, Leg, Phase, Result, Role, Transfer, TransferType
from leads.domain.directory import Did, Directory, DisplayMode, Employee, Extension
from leads.domain.intake import Intake
from tests.leads.views import CALLER, DID, RINGING, ended, outgoing, talking


def _directory() -> Directory:
    phones = {
        number: Extension(number, f"PJSIP/{number}", DisplayMode.LATIN, 24, owner)
        for number, owner in [("101", 1), ("102", 2), ("103", 3), ("199", None)]
    }
    employees = {
        owner: Employee(owner, f"e{owner}", owner != 3, 20, False, (), (f"+38067000000{owner}",)) for owner in (1, 2, 3)
    }
    dids = {
        DID: Did(DID, "", None, None, 60, None, 2),
        "+380440000003": Did("+380440000003", "", None, None, 60, None, 3),
        "7001": Did("7001", "", None, None, 60, None, 1),
    }
    return Directory(1, employees, phones, {}, dids, frozenset({"+380800500500"}))


INTAKE = Intake(_directory(), "UA")


def _blind(to: str, result: Result) -> Transfer:
    return Transfer(TransferType.BLIND, "101", to, result, to if result is Result.ANSWERED else None)


@pytest.mark.parametrize(
    ("view", "makes_lead"),
    [
        (RINGING, True),
        (replace(RINGING, caller="0501234567"), True),
        (ended(RINGING, Result.FAILED), True),
        (replace(RINGING, caller_hidden=True), False),
        (replace(RINGING, caller=None), False),
        (replace(RINGING, caller="anonymous"), False),
        (replace(RINGING, caller="101"), False),
        (replace(RINGING, caller="12345678901234567890"), False),
        (replace(RINGING, caller="0800500500"), False),
        (replace(RINGING, caller=DID), False),
        (replace(RINGING, caller="0670000001"), False),
        (replace(RINGING, role=Role.CONSULTATION), False),
        (replace(RINGING, direction=None), False),
        (replace(RINGING, direction=Direction.INTERNAL, caller="101", dialled="102"), False),
        (replace(RINGING, direction=Direction.INTERNAL), False),
        (outgoing(), True),
        (outgoing(role=Role.CONSULTATION), False),
        (outgoing(dialled="112"), False),
        (talking(outgoing()), True),
        (ended(talking(outgoing())), True),
        (ended(outgoing(), Result.NO_ANSWER), True),
        (ended(outgoing(), Result.BUSY), True),
        (ended(outgoing(), Result.CANCELLED), True),
        (ended(outgoing(), Result.FAILED), False),
        (ended(outgoing(dialled="112")), False),
        (ended(outgoing(dialled="*43")), False),
        (ended(outgoing(dialled="0670000002")), False),
    ],
)
def test_who_makes_a_lead(view: CallView, makes_lead: bool) -> None:
    assert INTAKE.judge(view).makes_lead is makes_lead


@pytest.mark.parametrize(
    ("view", "employee", "talker", "provisional"),
    [
        (RINGING, None, None, 2),
        (replace(RINGING, dialled="0449999999"), None, None, None),
        (replace(RINGING, dialled="7001"), None, None, 1),
        (replace(RINGING, dialled="0440000003"), None, None, None),
        (ended(RINGING), None, None, 2),
        (talking(RINGING), 1, 1, 2),
        (talking(RINGING, "199"), None, None, 2),
        (talking(RINGING, "PJSIP/102"), 2, 2, 2),
        (talking(RINGING, legs=(Leg("PJSIP/102", "101", Result.ANSWERED),)), 2, 2, 2),
        (ended(talking(RINGING)), 1, 1, 2),
        (ended(talking(RINGING, transfers=(_blind("102", Result.ANSWERED),))), 2, 2, 2),
        (ended(talking(RINGING, transfers=(_blind("102", Result.NO_ANSWER),))), 1, 1, 2),
        (ended(talking(RINGING, transfers=(_blind("102", Result.ANSWERED), _blind("0671", Result.ANSWERED)))), 2, 2, 2),
        (outgoing(), 1, None, 1),
        (ended(outgoing()), 1, None, 1),
        (talking(outgoing(), "0501234567"), 1, 1, 1),
        (talking(outgoing(), "0501234567", transfers=(_blind("102", Result.ANSWERED),)), 2, 2, 1),
    ],
)
def test_who_is_in_charge(view: CallView, employee: int | None, talker: int | None, provisional: int | None) -> None:
    judged = INTAKE.judge(view)
    assert (judged.employee_id, judged.talker_id, judged.provisional_id) == (employee, talker, provisional)


def test_numbers_are_completed() -> None:
    judged = INTAKE.judge(replace(RINGING, caller="050 123-45-67"))
    assert (judged.outside, judged.did) == (CALLER, DID)
    judged = INTAKE.judge(outgoing(dialled="80501234567"))
    assert (judged.outside, judged.did) == (CALLER, None)


UNDIALLED = replace(ended(outgoing(), Result.CANCELLED), direction=Direction.INTERNAL, legs=())


@pytest.mark.parametrize(
    ("incomplete", "result"), [(False, Result.CANCELLED), (True, Result.FAILED)], ids=["given up", "Asterisk ended"]
)
def test_a_call_to_the_outside_that_never_came_to_a_line_is_one_all_the_same(incomplete: bool, result: Result) -> None:
    meant = INTAKE.as_meant(replace(UNDIALLED, incomplete=incomplete))
    assert (meant.direction, meant.result) == (Direction.OUTBOUND, result)
    judged = INTAKE.judge(meant)
    assert (judged.outside, judged.makes_lead) == ("+380501234567", result is not Result.FAILED)


def test_such_a_call_that_still_runs_has_no_result() -> None:
    running = replace(UNDIALLED, phase=Phase.RINGING, result=None, incomplete=True)
    assert INTAKE.as_meant(running).result is None


@pytest.mark.parametrize(
    "view",
    [
        replace(UNDIALLED, dialled="102"),
        replace(UNDIALLED, dialled="*43"),
        replace(UNDIALLED, dialled=DID),
        replace(UNDIALLED, dialled="0440000003"),
        replace(UNDIALLED, dialled="7001"),
        replace(UNDIALLED, dialled=None),
        replace(UNDIALLED, result=Result.ANSWERED),
        replace(UNDIALLED, legs=(Leg("PJSIP/102", "102", Result.BUSY),)),
        RINGING,
    ],
)
def test_other_calls_keep_their_direction(view: CallView) -> None:
    assert INTAKE.as_meant(view) is view
