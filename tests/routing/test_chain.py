"""Whom a call reaches by who is there: all combinations as a table, and what holds for any company (C4, K2)."""

from dataclasses import replace
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.admin.reasons import tell
from leads.domain.directory import Did, Directory, DisplayMode, Employee, Extension, Group
from leads.domain.duty import MOST_SUBSTITUTES, Absence, AbsenceKind, Duty
from leads.domain.numbers import Number, NumberKind
from leads.domain.people import Person, PersonKind
from leads.domain.reasons import ChainRole, ReasonCode
from routing.decide import decide
from routing.decision import Decision, StepKind

CALLER = Number(NumberKind.OUTSIDE, "+380501234567")
OLEH, IRYNA, TARAS, HALYNA = 1, 2, 3, 4
NAMES = {OLEH: "Oleh", IRYNA: "Iryna", TARAS: "Taras", HALYNA: "Halyna"}
AWAY = Absence(AbsenceKind.AWAY)
PHONES = {
    number: Extension(number, f"PJSIP/{number}", DisplayMode.LATIN, 24, owner)
    for number, owner in (("101", OLEH), ("102", IRYNA), ("103", TARAS), ("104", HALYNA), ("199", None))
}
MAIN = Did("+380441234567", "", 1, None, 60, None, None)
QUEUED = Did("+380441234568", "", None, "sales", 60, None, None)


def company(
    substitutes: dict[int, int],
    *,
    left: set[int] | None = None,
    group: tuple[str, ...] = ("104",),
    last: str | None = "199",
) -> Directory:
    employees = {
        key: Employee(
            key,
            name,
            key not in (left or ()),
            15,
            False,
            tuple(phone for phone in PHONES.values() if phone.employee_id == key),
            duty=Duty(substitute_id=substitutes.get(key)),
        )
        for key, name in NAMES.items()
    }
    groups = {1: Group(1, "Sales", 25, tuple(PHONES[number] for number in group))}
    dids = (replace(MAIN, default_extension=last), QUEUED)
    return Directory(1, employees, PHONES, groups, {did.number: did for did in dids})


def route(
    directory: Directory,
    absent: dict[int, Absence],
    *,
    responsible: tuple[int | None, ...] = (OLEH,),
    talker: int | None = None,
    did: Did | None = MAIN,
    default: str | None = None,
) -> Decision:
    people = tuple(
        Person(PersonKind.LEAD, key, None, "Olha", None, one, last_talker_id=talker)
        for key, one in enumerate(responsible)
    )
    return decide(CALLER, people, did, did and did.number, directory, default_extension=default, absent=absent)


def rung(decision: Decision) -> list[str]:
    return [step.queue or " ".join(ring.extension.number for ring in step.rings) for step in decision.steps]


STATES = ("there", "absent", "left")
TABLE = list(product(STATES, (None, *STATES), (None, *STATES), (None, *STATES)))


@pytest.mark.parametrize(("responsible", "talker", "substitute", "second"), TABLE)
def test_every_combination_of_who_is_there(
    responsible: str, talker: str | None, substitute: str | None, second: str | None
) -> None:
    """The responsible, who talked last, the substitute and his own: each is there, absent, has left, or is none."""
    states = {OLEH: responsible, IRYNA: talker, TARAS: substitute, HALYNA: second if substitute else None}
    directory = company(
        {key: stands_in for key, stands_in in ((OLEH, TARAS), (TARAS, HALYNA)) if states[stands_in]},
        left={key for key, state in states.items() if state == "left"},
        group=("199",),
    )
    absent = {key: AWAY for key, state in states.items() if state == "absent"}
    decision = route(directory, absent, talker=IRYNA if talker else None)
    expected = [number for number, key in (("101", OLEH), ("102", IRYNA)) if states[key] == "there"]
    stands_in = next((number for number, key in (("103", TARAS), ("104", HALYNA)) if states[key] == "there"), None)
    assert rung(decision) == [*expected, *([stands_in] if stands_in else []), "199"]
    told = [ReasonCode.EMPLOYEE_RINGS, ReasonCode.EMPLOYEE_ABSENT, ReasonCode.EMPLOYEE_LEFT]
    roles = [reason.args["role"] for reason in decision.reasons if reason.code in told]
    substitutes = 0 if not substitute else 1 if substitute == "there" or not second else 2
    assert roles == [
        ChainRole.RESPONSIBLE,
        *([ChainRole.LAST_TALKER] if talker else []),
        *[ChainRole.SUBSTITUTE] * substitutes,
    ]


@pytest.mark.parametrize(
    ("responsible", "talker", "expected"),
    [
        ((OLEH,), OLEH, ["101", "103", "104", "199"]),
        ((OLEH,), TARAS, ["101", "103", "104", "199"]),
        ((None,), IRYNA, ["102", "104", "199"]),
        ((None,), TARAS, ["103", "104", "199"]),
        ((OLEH, IRYNA), IRYNA, ["102", "104", "199"]),
        ((OLEH, IRYNA), None, ["104", "199"]),
    ],
    ids=["himself", "his substitute", "nobody responsible", "nobody, no substitute", "shared", "shared, never talked"],
)
def test_who_talked_last(responsible: tuple[int | None, ...], talker: int | None, expected: list[str]) -> None:
    decision = route(company({OLEH: TARAS}), {}, responsible=responsible, talker=talker)
    assert rung(decision) == expected
    assert {step.seconds for step in decision.steps if "role" in step.why.args} <= {15}, "each rings once"


def test_substitutes_in_a_circle_end() -> None:
    circle = company({OLEH: IRYNA, IRYNA: TARAS, TARAS: OLEH})
    everybody = dict.fromkeys((OLEH, IRYNA, TARAS), AWAY)
    assert rung(route(circle, everybody)) == ["104", "199"]
    assert len([r for r in route(circle, everybody).reasons if r.code is ReasonCode.EMPLOYEE_ABSENT]) == 3
    assert MOST_SUBSTITUTES >= 2


def test_a_group_rings_without_those_who_are_absent_and_says_so() -> None:
    directory = company({}, group=("101", "102"))
    decision = route(directory, {OLEH: AWAY}, responsible=(None,))
    assert rung(decision) == ["102", "199"]
    assert any(tell(reason).endswith("Rings for 25 s: 102. Not there now: Oleh.") for reason in decision.reasons)


@pytest.mark.parametrize(
    ("group", "own", "default", "absent", "expected"),
    [
        (("101",), "102", None, {OLEH, IRYNA}, ["102"]),
        (("101",), "102", None, {OLEH}, ["102"]),
        (("101",), "102", None, {IRYNA}, ["101"]),
        (("101",), "102", "199", {OLEH, IRYNA}, ["199"]),
        (("101",), None, None, {OLEH}, ["101"]),
        (("101",), None, "102", {OLEH, IRYNA}, ["102"]),
        ((), None, None, {OLEH}, []),
    ],
)
def test_the_dialled_number_s_way_never_ends_in_silence(
    group: tuple[str, ...], own: str | None, default: str | None, absent: set[int], expected: list[str]
) -> None:
    decision = route(
        company({}, group=group, last=own), dict.fromkeys(absent, AWAY), responsible=(None,), default=default
    )
    assert rung(decision) == expected


def test_a_queue_is_nobody_s_absence() -> None:
    decision = route(company({}), dict.fromkeys(NAMES, AWAY), did=QUEUED, default="101")
    assert rung(decision) == ["sales"]


KEYS = st.sampled_from(list(NAMES))
MAYBE = st.one_of(st.none(), KEYS)
companies = st.builds(
    lambda substitutes, left, group, last: company(substitutes, left=left, group=group, last=last),
    st.dictionaries(KEYS, KEYS),
    st.sets(KEYS),
    st.lists(st.sampled_from(list(PHONES)), unique=True).map(tuple),
    st.sampled_from([None, "102", "199"]),
)


@given(
    directory=companies,
    away=st.sets(KEYS),
    responsible=st.lists(MAYBE, max_size=2).map(tuple),
    talker=MAYBE,
    did=st.sampled_from([MAIN, QUEUED, None]),
    default=st.sampled_from([None, "101", "199"]),
)
def test_whatever_the_company_and_whoever_calls(
    *,
    directory: Directory,
    away: set[int],
    responsible: tuple[int | None, ...],
    talker: int | None,
    did: Did | None,
    default: str | None,
) -> None:
    absent = dict.fromkeys(away, AWAY)
    decision = route(directory, absent, responsible=responsible, talker=talker, did=did, default=default)
    phones = [step for step in decision.steps if step.kind is StepKind.PHONES]
    for before, after in pairwise(decision.steps):
        if before.kind is after.kind is StepKind.PHONES:
            assert {ring.extension for ring in before.rings} != {ring.extension for ring in after.rings}
    for step in phones:
        owners = {ring.extension.employee_id for ring in step.rings}
        if step.why.code is not ReasonCode.LAST_RESORT_RINGS:
            assert not owners & away
            assert all(owner is None or directory.employees[owner].active for owner in owners)
    ours = directory.dids[did.number] if did else None
    group = directory.groups[1].extensions if did is MAIN else ()
    somebody = any(phone.employee_id is None or directory.employees[phone.employee_id].active for phone in group)
    if default or (ours and (ours.queue or ours.default_extension)) or somebody:
        assert route(directory, absent, responsible=(), did=did, default=default).steps
