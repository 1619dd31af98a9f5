"""The chain of a call (C4, L16) and its reasons (C5), as tables: who calls, where to, which steps."""

import json
from dataclasses import replace

import pytest

from leads.admin.reasons import tell, tell_kept
from leads.domain.directory import Did, Directory, DisplayMode, Employee, Extension, Group
from leads.domain.numbers import Number, NumberKind
from leads.domain.people import Person, PersonKind
from leads.domain.reasons import ReasonCode, kept_reason
from routing.chain import DEFAULT_RING_SECONDS
from routing.decide import Routes, decide
from routing.decision import Decision, StepKind

CALLER = Number(NumberKind.OUTSIDE, "+380501234567")


def phone(number: str, employee_id: int | None = None) -> Extension:
    return Extension(number, f"PJSIP/{number}", DisplayMode.LATIN, 24, employee_id)


OLEH, IRYNA, BOHDAN, GONE = 1, 2, 3, 4
PHONES = {
    p.number: p
    for p in (phone("101", OLEH), phone("102", IRYNA), phone("112", IRYNA), phone("103"), phone("104", GONE))
}
SALES = Did("+380441234567", "Sales line", 1, None, 60, "103", None)
QUEUED = Did("+380441234568", "", None, "support", 45, None, None)
EMPTY = Did("+380441234569", "", 2, None, 60, None, None)
NOTHING = Did("+380441234570", "", None, None, 60, None, None)
ALONE = Did("+380441234571", "", 3, None, 60, None, None)
STRANGE = Did("+380441234572", "", None, None, 60, "999", None)
LOST_GROUP = Did("+380441234573", "", 77, None, 60, "103", None)
OURS = {did.number: did for did in (SALES, QUEUED, EMPTY, NOTHING, ALONE, STRANGE, LOST_GROUP)}
DIRECTORY = Directory(
    version=7,
    employees={
        OLEH: Employee(OLEH, "Oleh Koval", True, 15, False, (PHONES["101"],)),
        IRYNA: Employee(IRYNA, "Iryna Bondar", True, 20, True, (PHONES["102"], PHONES["112"])),
        BOHDAN: Employee(BOHDAN, "Bohdan Moroz", True, 20, False, ()),
        GONE: Employee(GONE, "Hanna Left", False, 20, False, (PHONES["104"],)),
    },
    extensions=PHONES,
    groups={
        1: Group(1, "Sales", 25, (PHONES["101"], PHONES["102"], PHONES["104"], PHONES["101"])),
        2: Group(2, "Empty", 25, (PHONES["104"],)),
        3: Group(3, "Oleh alone", 25, (PHONES["101"],)),
    },
    dids=OURS,
)


def lead(name: str | None = "Ольга", responsible: int | None = OLEH, **more: object) -> Person:
    return Person(PersonKind.LEAD, 1, None, name, None, responsible)._replace(**more)


def route(
    people: tuple[Person, ...] | None = (),
    did: Did | None = SALES,
    *,
    caller: Number = CALLER,
    default: str | None = "102",
    dialled: str | None = "0441234567",
) -> Decision:
    return decide(caller, people, did, dialled, DIRECTORY, default_extension=default, name_language="uk")


def steps(decision: Decision) -> list[str]:
    """Write each step shortly: `101 102+ 25` is two phones, the second with call waiting, for 25 s."""
    return [
        " ".join([s.queue or " ".join(r.extension.number + "+" * r.call_waiting for r in s.rings), str(s.seconds)])
        for s in decision.steps
    ]


def said(decision: Decision) -> list[str]:
    return [tell(reason) for reason in decision.reasons]


GROUP = "101 102+ 25"
LAST = f"103 {DEFAULT_RING_SECONDS}"
COMPANY = f"102+ {DEFAULT_RING_SECONDS}"

CHAINS: list[tuple[str, tuple[Person, ...] | None, Did | None, list[str]]] = [
    ("unknown caller", (), SALES, [GROUP, LAST]),
    ("no answer of the database", None, SALES, [GROUP, LAST]),
    ("known, with a responsible", (lead(),), SALES, ["101 15", GROUP, LAST]),
    ("known, nobody responsible", (lead(responsible=None),), SALES, [GROUP, LAST]),
    ("responsible with two phones", (lead(responsible=IRYNA),), SALES, ["102+ 112+ 20", GROUP, LAST]),
    ("responsible without a phone", (lead(responsible=BOHDAN),), SALES, [GROUP, LAST]),
    ("responsible who left", (lead(responsible=GONE),), SALES, [GROUP, LAST]),
    ("responsible who is not in the directory", (lead(responsible=99),), SALES, [GROUP, LAST]),
    ("a queue, then the company's default", (lead(),), QUEUED, ["101 15", "support 45", COMPANY]),
    ("a group of people who left", (), EMPTY, [COMPANY]),
    ("a number without a route", (), NOTHING, [COMPANY]),
    ("the group is the same phone", (lead(),), ALONE, ["101 40", COMPANY]),
    ("a default that is no phone", (), STRANGE, [COMPANY]),
    ("a group that was deleted", (), LOST_GROUP, [LAST]),
    ("not one of our numbers", (lead(),), None, ["101 15", COMPANY]),
    ("shared, one responsible", (lead(), lead(id=2, name="Борис")), SALES, ["101 15", GROUP, LAST]),
    ("shared, one of them without", (lead(responsible=None), lead(id=2)), SALES, ["101 15", GROUP, LAST]),
    ("shared, two responsible", (lead(), lead(id=2, responsible=IRYNA)), SALES, [GROUP, LAST]),
]


@pytest.mark.parametrize(("story", "people", "did", "expected"), CHAINS, ids=[chain[0] for chain in CHAINS])
def test_the_chain(story: str, people: tuple[Person, ...] | None, did: Did | None, expected: list[str]) -> None:
    decision = route(people, did)
    assert steps(decision) == expected, story
    assert all(step.why in decision.reasons for step in decision.steps)
    assert all(reason.endswith(".") and reason[0] != " " for reason in said(decision))
    assert [tell_kept(json.loads(json.dumps(kept_reason(reason)))) for reason in decision.reasons] == said(decision)


@pytest.mark.parametrize("kind", [NumberKind.HIDDEN, NumberKind.SHORT, NumberKind.INVALID])
def test_a_caller_without_an_outside_number_goes_the_dialled_number_s_way(kind: NumberKind) -> None:
    decision = route((), caller=Number(kind, "anonymous"))
    assert steps(decision) == [GROUP, LAST]
    assert decision.caller is None
    assert decision.name is None


def test_nothing_configured_leaves_no_step_and_says_so() -> None:
    decision = route((), NOTHING, default=None)
    assert decision.steps == ()
    assert decision.reasons[-1].code is ReasonCode.NOBODY_LEFT


COUNTERPARTY = Person(PersonKind.COUNTERPARTY, 5, 5, "Ромашка", None, OLEH)
CONTACT = Person(PersonKind.CONTACT_PERSON, 9, 5, "Ольга", "ru", OLEH)

NAMES = [
    ((), None, None),
    ((lead(),), "Ольга", "uk"),
    ((lead(name=None),), None, None),
    ((lead(language="ru"),), "Ольга", "ru"),
    ((lead(name="Юрий Рыжов"),), "Юрий Рыжов", "ru"),
    ((CONTACT,), "Ольга", "ru"),
    ((COUNTERPARTY, CONTACT), "Ольга / Ромашка", "uk"),
    ((lead(id=2, name="Борис"), lead(id=1, name="Анна")), "Анна / Борис", "uk"),
    ((lead(id=2, name=None), lead(id=1, name="Анна", language="ru")), "Анна", "ru"),
    ((lead(id=2, name="Анна"), lead(id=1, name="Анна")), "Анна", "uk"),
]


@pytest.mark.parametrize(("people", "name", "language"), NAMES)
def test_the_name_on_the_display(people: tuple[Person, ...], name: str | None, language: str | None) -> None:
    decision = route(people)
    assert (decision.name, decision.language) == (name, language)


def test_the_reasons_are_sentences_with_names_and_numbers() -> None:
    assert said(route((lead(),))) == [
        "+380501234567 is the lead Ольга.",
        "Oleh Koval is responsible. Rings for 15 s: 101.",
        "+380441234567 (Sales line) leads to the group Sales. Rings for 25 s: 101, 102.",
        "The dialled number's default phone. Rings for 30 s: 103.",
        "Displays show the name Ольга.",
    ]


def test_a_name_of_the_trunk_stays_where_we_know_none() -> None:
    def reasons(person: Person) -> list[str]:
        return said(Routes(DIRECTORY, None).decide(CALLER, (person,), SALES, None, "Kyiv\r\n" + "x" * 200))

    assert reasons(lead(name=None))[-1] == f"Displays keep the name that the trunk delivered: “Kyiv{'x' * 76}”."
    assert reasons(lead())[-1] == "Displays show the name Ольга."


@pytest.mark.parametrize(
    ("people", "did", "dialled", "sentence"),
    [
        ((), SALES, None, "+380501234567 is unknown: no lead, counterparty or contact person has this number."),
        (
            None,
            SALES,
            None,
            "The database did not tell in time who +380501234567 is: Asterisk's own copy does, and for a number that it"
            " does not have the call goes as an unknown caller's.",
        ),
        ((lead(name=None),), SALES, None, "+380501234567 is a lead without a name."),
        (
            (COUNTERPARTY, CONTACT),
            SALES,
            None,
            "+380501234567 belongs to several: the contact person Ольга, the counterparty Ромашка.",
        ),
        ((COUNTERPARTY._replace(pinned=True),), SALES, None, "+380501234567 is pinned to the counterparty Ромашка."),
        ((lead(responsible=None),), SALES, None, "Nobody is responsible for this caller."),
        ((lead(responsible=BOHDAN),), SALES, None, "Bohdan Moroz is responsible. Has no phone."),
        ((lead(responsible=GONE),), SALES, None, "Hanna Left is responsible. Does not work here any more."),
        (
            (lead(), lead(id=2, responsible=IRYNA)),
            SALES,
            None,
            "Several are responsible (Oleh Koval, Iryna Bondar), so nobody's phone rings first.",
        ),
        ((), QUEUED, None, "+380441234568 leads to the queue support. Waiting time: 45 s."),
        ((), EMPTY, None, "+380441234569 leads to the group Empty, which has no phones."),
        ((), NOTHING, None, "+380441234570 has neither a group nor a queue."),
        ((), STRANGE, None, "The dialled number's default, 999, is not a phone that is known."),
        ((), None, "0445556677", "The dialled number 0445556677 is not one of ours."),
        ((), None, None, "The dialled number is not known."),
        (
            (lead(),),
            ALONE,
            None,
            "+380441234571 leads to the group Oleh alone. Rings for 25 s: 101. "
            "These phones ring already, so they ring that much longer.",
        ),
    ],
)
def test_each_reason(people: tuple[Person, ...] | None, did: Did | None, dialled: str | None, sentence: str) -> None:
    assert sentence in said(route(people, did, dialled=dialled))


def test_a_queue_goes_with_all_phones_because_any_may_be_its_member_the_unusual_displays_first() -> None:
    cyrillic = replace(PHONES["104"], display_mode=DisplayMode.UTF8)
    step = decide(
        CALLER,
        (),
        QUEUED,
        QUEUED.number,
        replace(DIRECTORY, extensions={**PHONES, "104": cyrillic}),
        default_extension=None,
    ).steps[0]
    assert (step.kind, step.queue, step.seconds) == (StepKind.QUEUE, "support", 45)
    assert [ring.extension.number for ring in step.rings] == ["104", "101", "102", "112", "103"]


def test_the_phones_of_a_queue_have_not_rung() -> None:
    one = {"102": PHONES["102"]}
    decision = decide(CALLER, (), QUEUED, QUEUED.number, replace(DIRECTORY, extensions=one), default_extension="102")
    assert steps(decision) == ["support 45", COMPANY]


def test_an_unanswered_look_up_keeps_the_caller_s_number() -> None:
    assert route(None).caller == CALLER.text


def test_calls_of_one_kind_share_their_steps() -> None:
    routes = Routes(DIRECTORY, "102")
    first, second = (routes.decide(CALLER, (person,), SALES, None) for person in (lead(), lead(id=2, name="Борис")))
    assert first.steps is second.steps
    assert (first.name, second.name) == ("Ольга", "Борис")
