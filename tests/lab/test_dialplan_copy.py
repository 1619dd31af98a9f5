"""The dialplan joins what the copy holds: however the number is written, with names, after a doubtful plan (C9)."""

from collections.abc import Iterator

import pytest

from dialplan.copy import CompanyEntries
from dialplan.words import NUMBER_FAMILY
from leads.domain.directory import Did, Directory, DisplayMode, Employee, Extension, Group
from leads.domain.duty import Duty
from leads.domain.people import Person, PersonKind
from tests.lab.dialplan_lab import CALLER, DialplanLab, phones, plan, ring
from tests.lab.scripted_agi import CLOSES
from tests.lab.signed_in import await_no_phone

pytestmark = pytest.mark.lab

MAIN, OTHER = "0441234567", "0447777777"
OLEH = Extension("101", "PJSIP/101", DisplayMode.UTF8, 10, 1)
SALES = Extension("102", "PJSIP/102", DisplayMode.LATIN, 24, 2)
DEFAULT = Extension("103", "PJSIP/103", DisplayMode.OFF, 24, None)
COMPANY = Directory(
    1,
    {
        1: Employee(1, "Олег", True, 10, False, (OLEH,)),
        2: Employee(2, "Ія", True, 10, False, (SALES,)),
        3: Employee(3, "Тарас", True, 10, False, (), duty=Duty(substitute_id=1)),
    },
    {phone.number: phone for phone in (OLEH, SALES, DEFAULT)},
    {1: Group(1, "Sales", 10, (DEFAULT,))},
    {"+380441234567": Did("+380441234567", "", 1, None, 10, None, None)},
)
TALKED = "+380507770001"
"""A number whose responsible has no phone but a substitute, and that somebody else talked with last."""
OLHA = Person(PersonKind.LEAD, 1, None, "Ольга Мельниченко", "uk", 1)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialplanLab]:
    with DialplanLab(tmp_path_factory.mktemp("copy")) as lab:
        entries = CompanyEntries(COMPANY, region="UA", default_extension="103", name_language="uk")
        families = {**entries.small, NUMBER_FAMILY: {"+380509999999": "-|", "501234000": f"as {CALLER}"}}
        families[NUMBER_FAMILY] |= entries.number(CALLER, (OLHA,))
        families[NUMBER_FAMILY] |= entries.number(TALKED, (OLHA._replace(responsible_id=3, last_talker_id=2),))
        for family, values in families.items():
            for key, value in values.items():
                lab.asterisk.cli(f'database put {family} {key} "{value}"')
        for number in (MAIN, OTHER):
            lab.agi.answers[number] = CLOSES
        yield lab
        lab.await_quiet()
        assert [line for line in lab.complaints() if "agi" not in line.lower()] == []


@pytest.mark.parametrize(
    "written", [CALLER, "380501234567", "00380501234567", "810380501234567", "0501234567", "80501234567", "501234000"]
)
def test_a_known_caller_reaches_his_responsible_with_the_name(lab: DialplanLab, written: str) -> None:
    with lab.phone("101") as responsible, lab.phone("103") as others:
        assert lab.call(MAIN, written, display_name="Trunk").wait_one().status == 200
        assert [call.name for call in responsible.calls()] == ["Ольга Мель"]
        assert others.calls() == []


@pytest.mark.parametrize(
    ("number", "called"),
    [
        ("+380671112233", MAIN),
        ("+380509999999", MAIN),  # nobody's in particular
        ("anonymous", MAIN),
        ("38+0501234567", MAIN),
        ("1099", MAIN),  # short, as of another office
        (CALLER, OTHER),
    ],
)
def test_others_take_the_way_of_the_dialled_number(lab: DialplanLab, number: str, called: str) -> None:
    with lab.phone("101", None) as responsible, lab.phone("103") as default:
        known = number == CALLER
        assert lab.call(called, number, display_name="Trunk").wait_one().status == 200
        assert len(responsible.calls()) == known
        if not known:
            assert [call.name for call in default.calls()] == [None]  # a display that shows no names


def test_whom_the_responsible_does_not_take_the_dialled_number_does(lab: DialplanLab) -> None:
    with lab.phone("103") as group:
        assert lab.call(MAIN).wait_one().status == 200
        assert len(group.calls()) == 1


def test_who_talked_last_rings_and_then_the_substitute(lab: DialplanLab) -> None:
    with lab.phone("101") as substitute, lab.phone("103") as group:
        with lab.phone("102") as talker:
            assert lab.call(MAIN, TALKED).wait_one().status == 200
            assert (len(talker.calls()), len(substitute.calls())) == (1, 0)
        await_no_phone(lab.asterisk, "102")
        assert lab.call(MAIN, TALKED).wait_one().status == 200
        assert (len(substitute.calls()), len(group.calls())) == (1, 0)


def test_a_plan_made_without_the_database_is_only_for_callers_whom_the_copy_does_not_know(lab: DialplanLab) -> None:
    lab.agi.answers["0445"] = plan(phones(ring("102"))).replace("L1|", "L0|")
    with lab.phone("101") as responsible, lab.phone("102") as dialled:
        assert lab.call("0445").wait_one().status == 200
        assert [call.name for call in responsible.calls()] == ["Ольга Мель"]
        assert dialled.calls() == []
        assert lab.call("0445", "+380671112233").wait_one().status == 200
        assert len(dialled.calls()) == 1
