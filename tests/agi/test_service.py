"""One question, one answer: how numbers are read, the company is kept fresh, and the database's silence is borne."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agi.service import RoutingService, callee_in
from dialplan.plan import encode_plan
from leads.domain.directory import Group
from leads.domain.duty import Duty, Shift
from leads.domain.reasons import Reason, ReasonCode
from leads.store.lookup import LookupUnavailable
from routing.decision import Decision

from .company import COMPANY, PHONES, FakeDirectories, FakeLookup


def phones(decision: Decision) -> list[str]:
    return ["+".join(ring.extension.number for ring in step.rings) for step in decision.steps]


@pytest.mark.parametrize("caller", ["+380501234567", "0501234567", "380501234567", "00380501234567", "810380501234567"])
@pytest.mark.parametrize("did", ["+380441234567", "0441234567", "380441234567"])
async def test_a_known_caller_reaches_the_responsible(service: RoutingService, caller: str, did: str) -> None:
    decision = await service.route(caller, "Kyivstar", did)
    assert phones(decision) == ["101", "101+102", "103"]
    assert (decision.caller, decision.did) == ("+380501234567", "+380441234567")
    assert (decision.name, decision.language) == ("Мельниченко Ольга", "uk")


@pytest.mark.parametrize("caller", [None, "", "anonymous", "101", "hello", "unknown"])
async def test_a_caller_without_a_number_costs_no_search(
    service: RoutingService, lookup: FakeLookup, caller: str | None
) -> None:
    decision = await service.route(caller, None, "0441234567")
    assert phones(decision) == ["101+102", "103"]
    assert lookup.asked == [None]
    assert decision.caller is None


@pytest.mark.parametrize("did", [None, "", "666", "sip:x", "0445556677"])
async def test_a_number_that_is_not_ours_goes_to_the_company_s_default(
    service: RoutingService, did: str | None
) -> None:
    assert phones(await service.route("+380999999999", None, did)) == ["102"]


async def test_a_changed_company_is_read_before_the_decision(
    service: RoutingService, lookup: FakeLookup, directories: FakeDirectories
) -> None:
    lookup.version = 2
    assert phones(await service.route("+380501234567", None, "0441234567")) == ["101", "102"]
    assert phones(await service.route("+380501234567", None, "0441234567")) == ["101", "102"]
    assert directories.wanted == [2]


async def test_a_restored_back_up_is_read_too(
    service: RoutingService, lookup: FakeLookup, directories: FakeDirectories
) -> None:
    lookup.version = 0
    await service.route(None, None, None)
    assert directories.wanted == [0]


async def test_without_the_database_the_dialled_number_decides(service: RoutingService, lookup: FakeLookup) -> None:
    lookup.trouble = LookupUnavailable("locked")
    decision = await service.route("+380501234567", None, "0441234567")
    assert phones(decision) == ["101+102", "103"]
    assert decision.caller == "+380501234567"
    assert decision.reasons[0].code is ReasonCode.CALLER_NOT_TOLD


async def test_the_trunk_s_name_is_told_where_nobody_is_known(service: RoutingService) -> None:
    decision = await service.route("+380999999999", "Kyivstar", "0441234567")
    assert decision.name is None
    assert decision.reasons[-1] == Reason(ReasonCode.DISPLAYS_KEEP, {"name": "Kyivstar"})


async def test_the_trunk_s_name_is_shown_without_the_backslashes_of_sip(service: RoutingService) -> None:
    decision = await service.route("+380999999999", r"Lena O\'Neil \"VIP\"", "0441234567")
    assert decision.reasons[-1] == Reason(ReasonCode.DISPLAYS_SHOW, {"name": 'Lena O\'Neil "VIP"'})
    assert encode_plan(decision).startswith("L1|Lena ONeil VIP")


async def test_a_phone_is_told_whom_it_calls(service: RoutingService, lookup: FakeLookup) -> None:
    assert await service.find_callee("0501234567", "101") == "L1|Melnychenko Olha|l24"
    assert await service.find_callee("0671234567", "101") == "L1||l24"
    assert await service.find_callee("112", "555") == "L1||"
    assert lookup.asked == ["+380501234567", "+380671234567", None]


async def test_without_the_database_asterisk_is_to_look_whom_a_phone_calls(
    service: RoutingService, lookup: FakeLookup
) -> None:
    lookup.trouble = LookupUnavailable("locked")
    assert await service.find_callee("0501234567", "101") == "L0||l24"


def test_a_number_that_was_dialled_is_no_number_that_is_called() -> None:
    assert callee_in("to:+380501234567") == "+380501234567"
    assert callee_in("0441234567") is callee_in(None) is None


async def test_routes_follow_the_hours_without_any_change_to_the_company(
    lookup: FakeLookup, directories: FakeDirectories
) -> None:
    now = [datetime(2026, 11, 2, 8, 30, tzinfo=UTC)]
    office = Duty((Shift(0, 9 * 60, 17 * 60),))
    oleh = replace(COMPANY.employees[1], duty=office)
    owned = {number: replace(phone, employee_id=1 if number == "101" else None) for number, phone in PHONES.items()}
    groups = {1: Group(1, "Sales", 25, (owned["101"], owned["102"]))}
    oleh = replace(oleh, extensions=(owned["101"],))
    directories.current = replace(COMPANY, employees={1: oleh}, extensions=owned, groups=groups)
    names = {"region": "UA", "default_extension": "102", "name_language": "uk"}
    service = RoutingService(lookup, directories, **names, clock=lambda: now[0])

    async def reached() -> list[str]:
        return phones(await service.route("+380501234567", None, "0441234567"))

    assert await reached() == ["102", "103"]
    now[0] += timedelta(minutes=30)
    assert await reached() == ["101", "101+102", "103"]
    spare = service.without_database()
    now[0] += timedelta(hours=8)
    assert await reached() == ["102", "103"]
    assert phones(spare.decide(spare.read_caller(None), None, "0441234567", None)) == ["102", "103"]
