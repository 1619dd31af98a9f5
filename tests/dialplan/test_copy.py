"""What Asterisk makes of its copy is what we would decide, for any company, caller and dialled number (C8, C9)."""

from hypothesis import given
from hypothesis import strategies as st

from dialplan.copy import CompanyEntries
from dialplan.plan import encode_plan
from dialplan.words import COMPANY_FAMILY, COMPANY_PLAN, DID_FAMILY, EMPLOYEE_FAMILY, PHONE_FAMILY
from leads.domain.directory import Did, Directory, DisplayMode, Employee, Extension, Group
from leads.domain.duty import Absence, AbsenceKind, Duty
from leads.domain.numbers import read_number
from leads.domain.people import Person, PersonKind
from leads.domain.recordings import RecordedCalls, RecordingRule
from routing.decide import decide
from tests.dialplan.as_asterisk import OPENING, PlannedStep, compose_plan, decode_plan

CALLER = "+380501234567"
DIDS = ("+380441234567", "+380441234568", "+31201234567")
NAMES = (None, "Олена Петренко", "Ольга Мельниченко-Заболотна з контори", "Müller 24/7", "№ 5 ʼ", "李小龙")


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    owners = st.sampled_from([None, 1, 2, 3])
    phones = {
        number: Extension(
            number,
            f"PJSIP/{number}",
            draw(st.sampled_from(DisplayMode)),
            draw(st.sampled_from([4, 16, 24])),
            draw(owners),
        )
        for number in draw(st.lists(st.sampled_from(["101", "102", "103"]), unique=True))
    }
    employees = {
        key: Employee(
            key,
            f"Працівник {key}",
            draw(st.booleans()),
            draw(st.sampled_from([10, 20])),
            draw(st.booleans()),
            tuple(phone for phone in phones.values() if phone.employee_id == key),
            duty=Duty(substitute_id=draw(st.sampled_from([None, *({1, 2, 3, 4} - {key})]))),
        )
        for key in (1, 2, 3)
    }
    members = st.lists(st.sampled_from(list(phones.values())), unique=True) if phones else st.just([])
    groups = {key: Group(key, f"Group {key}", 25, tuple(draw(members))) for key in (1, 2)}
    defaults = st.sampled_from([None, "999", *phones])
    dids = {}
    for number in draw(st.lists(st.sampled_from(DIDS), unique=True)):
        group, queue = draw(st.sampled_from([(None, None), (1, None), (2, None), (7, None), (None, "sales")]))
        language = draw(st.sampled_from(["", "uk"]))
        dids[number] = Did(number, "", group, queue, 40, draw(defaults), None, greeting_language=language)
    recording = RecordingRule(draw(st.sampled_from([RecordedCalls.NONE, RecordedCalls.ALL])))
    return Directory(1, employees, phones, groups, dids, recording=recording)


PEOPLE = st.lists(
    st.builds(
        Person,
        st.sampled_from(PersonKind),
        st.integers(1, 5),
        st.none(),
        st.sampled_from(NAMES),
        st.sampled_from([None, "uk", "ru"]),
        st.sampled_from([None, None, 1, 2, 3, 4]),
    ),
    max_size=3,
).map(tuple)
TALKERS = st.sampled_from([None, 1, 2, 3, 4])
ABSENT = st.sets(st.sampled_from([1, 2, 3])).map(lambda keys: dict.fromkeys(keys, Absence(AbsenceKind.AWAY)))


def _way(plan: str) -> list[tuple[object, ...]]:
    def step(one: PlannedStep) -> tuple[object, ...]:
        return one.kind, one.seconds, one.queue, {(phone.endpoint, phone.call_waiting) for phone in one.phones}

    return [step(one) for one in decode_plan(plan)]


def _opening(plan: str) -> list[str]:
    """What comes before anybody rings: the language of announcements, and that the call is recorded."""
    return [step for step in plan.split("|") if step.startswith(OPENING)]


@given(
    directory=directories(),
    people=PEOPLE,
    talker=TALKERS,
    absent=ABSENT,
    dialled=st.sampled_from(DIDS),
    default=st.sampled_from([None, "101", "999"]),
)
def test_the_copy_tells_what_we_would_tell(
    *,
    directory: Directory,
    people: tuple[Person, ...],
    talker: int | None,
    absent: dict[int, Absence],
    dialled: str,
    default: str | None,
) -> None:
    people = tuple(person._replace(last_talker_id=talker) for person in people)
    entries = CompanyEntries(directory, region="UA", default_extension=default, name_language="uk", absent=absent)
    for caller in (CALLER, CALLER[1:], "0501234567", "anonymous"):
        known = people if caller != "anonymous" else ()
        plan = compose_plan(entries.small, entries.number(CALLER, people), caller, dialled[1:])
        did = directory.dids.get(dialled)
        live = encode_plan(
            decide(
                read_number(caller, "UA"),
                known,
                did,
                dialled,
                directory,
                default_extension=default,
                name_language="uk",
                absent=absent,
            )
        )
        assert _way(plan) == _way(live)
        assert plan.split("|")[1] == live.split("|")[1]  # the names, in all forms
        assert _opening(plan) == _opening(live)


def test_phones_that_both_ways_begin_with_ring_once_for_the_time_of_both() -> None:
    phone, other = (Extension(number, f"PJSIP/{number}", DisplayMode.LATIN, 24, 1) for number in ("101", "102"))
    directory = Directory(
        1,
        {1: Employee(1, "e", True, 10, False, (phone, other))},
        {"101": phone, "102": other},
        {1: Group(1, "g", 25, (other, phone))},
        {DIDS[0]: Did(DIDS[0], "", 1, None, 40, "101", None)},
    )
    entries = CompanyEntries(directory, region="UA", default_extension=None, name_language="uk")
    numbers = entries.number(CALLER, (Person(PersonKind.LEAD, 1, None, "Ія", None, 1),))
    plan = compose_plan(entries.small, numbers, CALLER, DIDS[0][1:])
    assert plan == "L1|Iia|P,35,0PJSIP/101!0PJSIP/102,*,|P,30,0PJSIP/101,*,"


def test_the_last_of_his_people_is_the_one_who_is_joined_with_the_dialled_number_s_way() -> None:
    phones = {
        number: Extension(number, f"PJSIP/{number}", DisplayMode.LATIN, 24, owner)
        for number, owner in (("101", 1), ("102", 2))
    }
    employees = {
        1: Employee(1, "e", True, 10, False, (phones["101"],), duty=Duty(substitute_id=2)),
        2: Employee(2, "f", True, 10, False, (phones["102"],)),
    }
    dids = {number: Did(number, "", group, None, 40, None, None) for group, number in enumerate(DIDS[:2], 1)}
    groups = {key: Group(key, "g", 25, (phone,)) for key, phone in enumerate(phones.values(), 1)}
    entries = CompanyEntries(
        Directory(1, employees, phones, groups, dids), region="UA", default_extension=None, name_language="uk"
    )
    numbers = entries.number(CALLER, (Person(PersonKind.LEAD, 1, None, None, None, 1),))
    ways = [compose_plan(entries.small, numbers, CALLER, number[1:]) for number in DIDS[:2]]
    assert ways == [
        "L1||P,10,0PJSIP/101,*,|P,10,0PJSIP/102,*,|P,25,0PJSIP/101,*,",
        "L1||P,10,0PJSIP/101,*,|P,35,0PJSIP/102,*,",
    ]


def test_entries_are_as_the_dialplan_reads_them() -> None:
    phone = Extension("101", "PJSIP/101", DisplayMode.UTF8, 20, 7)
    directory = Directory(
        1,
        {7: Employee(7, "Юрій", True, 20, True, (phone,)), 8: Employee(8, "Олег", True, 20, True, ())},
        {"101": phone},
        {},
        {"+380441234567": Did("+380441234567", "", None, "sales", 40, "101", None)},
    )
    entries = CompanyEntries(directory, region="UA", default_extension=None, name_language="uk")
    assert entries.small[EMPLOYEE_FAMILY] == {"7": "P,20,1PJSIP/101,*,"}
    assert entries.small[DID_FAMILY]["0441234567"] == "L1||Q,40,sales,*,|P,30,1PJSIP/101,*,"
    assert entries.small[PHONE_FAMILY] == {"101": "u20~Yurii~u20~Юрій"}
    assert entries.small[COMPANY_FAMILY][COMPANY_PLAN] == "L1|"
    lead = Person(PersonKind.LEAD, 1, None, "Олена Петренко", None, 7)
    assert entries.number(CALLER, (lead,)) == {CALLER: "7|Olena Petrenko~u20~Олена Петренко"}
    assert entries.number(CALLER, (lead._replace(name=None, responsible_id=None),)) == {CALLER: "-|"}
    assert entries.number(CALLER, (lead._replace(last_talker_id=8),))[CALLER].split("|")[0] == "7-8"
    assert entries.number(CALLER, (lead._replace(last_talker_id=7),))[CALLER].split("|")[0] == "7"
    assert entries.number(CALLER, ()) == {}
    assert entries.number_keys(CALLER) == {CALLER}
