"""Working hours, substitutes, away by one click, and holidays, as people set them; routing knows at once (K2, C4)."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from leads.domain.duty import Absence, AbsenceKind, Shift, absences
from leads.store.daily_plans import plan_day
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead
from tests.admin.conftest import Clock, Company, Visitor

KYIV = ZoneInfo("Europe/Kyiv")
CARD: dict[str, Any] = {
    "version": "1",
    "name": "Щербань Юрій",
    "login": "yurii",
    "role": "employee",
    "active": "1",
    "ring_seconds": "20",
    "phone_number": "101",
    "phone_endpoint": "PJSIP/101",
    "phone_mode": "latin",
    "phone_length": "24",
}


async def test_hours_and_substitute_are_saved_and_shown(
    admin: Visitor, company: Company, directory: DirectoryCache
) -> None:
    path = f"/company/employees/{company.yurii}"
    typed = {"hours_0": "9-13, 14:00–18.30", "hours_4": "22:00-06:00", "substitute_id": str(company.maria)}
    assert (await admin.post(path, CARD | typed)).status == 303
    duty = directory.current.employees[company.yurii].duty
    assert duty.shifts == (Shift(0, 540, 780), Shift(0, 840, 1110), Shift(4, 1320, 360))
    assert duty.substitute_id == company.maria
    page = (await admin.get(path)).text
    assert 'value="09:00–13:00, 14:00–18:30"' in page
    assert f'value="{company.maria}" selected' in page
    assert "Time zone: Europe/Kyiv." in page
    assert (await admin.post(path, CARD | {"version": "2"})).status == 303
    assert directory.current.employees[company.yurii].duty.shifts == ()


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("nine to five", "Write hours like"),
        ("9-25", "Write hours like"),
        ("9:00-9:00", "Write hours like"),
        ("9-13, 12-18", "These hours overlap."),
        ("22-6, 23-24", "These hours overlap."),
    ],
)
async def test_hours_that_cannot_be_read_are_told_and_kept(
    admin: Visitor, company: Company, typed: str, message: str
) -> None:
    answer = await admin.post(f"/company/employees/{company.yurii}", CARD | {"hours_2": typed})
    assert answer.status == 422
    assert message in answer.text
    assert f'value="{typed}"' in answer.text


async def test_a_substitute_must_work_here_and_be_another(admin: Visitor, company: Company) -> None:
    path = f"/company/employees/{company.yurii}"
    for who in (company.yurii, 999):
        answer = await admin.post(path, CARD | {"substitute_id": str(who)})
        assert answer.status == 422
        assert "This substitute does not work here any more." in answer.text


async def test_away_and_back_by_one_click_each(
    yurii: Visitor, company: Company, directory: DirectoryCache, clock: Clock
) -> None:
    assert "Takes calls" in (await yurii.get("/me")).text
    assert (await yurii.post("/me/away", {"away": "1", "until": ""})).status == 303
    assert absences(directory.current, clock(), KYIV).of == {company.yurii: Absence(AbsenceKind.AWAY)}
    assert "Back: take calls again" in (await yurii.get("/me")).text
    assert (await yurii.post("/me/away", {})).status == 303
    assert absences(directory.current, clock(), KYIV).of == {}


async def test_away_ends_by_itself(
    admin: Visitor, yurii: Visitor, company: Company, directory: DirectoryCache, clock: Clock
) -> None:
    # It is 11:00 in Kyiv.
    assert (await yurii.post("/me/away", {"away": "1", "until": "2026-03-02T12:30"})).status == 303
    until = clock() + timedelta(minutes=90)
    assert absences(directory.current, clock(), KYIV).of[company.yurii].until == until
    assert "away, until 12:30" in (await admin.get("/company/employees")).text
    assert absences(directory.current, until, KYIV).of == {}
    clock.move(minutes=91)
    assert "Takes calls" in (await yurii.get("/me")).text


@pytest.mark.parametrize("until", ["2026-03-02T10:59", "tomorrow", "0001-01-01T00:00"])
async def test_a_time_that_is_none_is_told_and_kept(yurii: Visitor, directory: DirectoryCache, until: str) -> None:
    answer = await yurii.post("/me/away", {"away": "1", "until": until})
    assert answer.status == 422
    assert f'value="{until}"' in answer.text
    assert not any(one.duty.away for one in directory.current.employees.values())


async def test_an_administrator_switches_for_others_and_nobody_else_does(
    admin: Visitor, yurii: Visitor, company: Company, directory: DirectoryCache
) -> None:
    path = f"/company/employees/{company.maria}/away"
    assert (await yurii.post(path, {"away": "1"})).status == 403
    assert (await admin.post(path, {"away": "1"})).status == 303
    assert directory.current.employees[company.maria].duty.away
    assert (await admin.post("/company/employees/999999/away", {"away": "1"})).status == 404


async def test_what_was_planned_for_a_new_holiday_moves_and_the_card_tells_whose_doing_it_was(
    admin: Visitor, company: Company, database: Database, clock: Clock
) -> None:
    edit = LeadEdit("Петро", ("+380501234567",), "", "", "", None, 2, company.yurii, None)
    lead = await create_lead(database, edit, by=None, clock=clock, region="UA")
    await plan_day(database, KYIV, clock)
    assert "Mon, 9 Mar" in (await admin.get(f"/leads/{lead}")).text
    made = await admin.post("/company/holidays", {"day": "2026-03-09", "name": "Свято"})
    assert "Saved. Planned calls move to the next working days." in (await admin.get(made.location)).text
    page = (await admin.get(f"/leads/{lead}")).text
    assert "Tue, 10 Mar" in page
    assert "<del>Mon, 9 Mar</del>" in page
    fields = {"version": 1, "planning": 1, "any_conversation": 1, "daily_cap": 20, "working_day": [1, 3, 4, 5]}
    saved = await admin.post("/company/planning", fields)
    assert "Saved. Planned calls move to the next working days." in (await admin.get(saved.location)).text
    assert "Wed, 11 Mar" in (await admin.get(f"/leads/{lead}")).text
    again = await admin.post("/company/holidays", {"day": "2026-03-09", "name": "Свято весни"})
    assert "Planned calls move" not in (await admin.get(again.location)).text


async def test_holidays_are_added_named_anew_and_removed(admin: Visitor, directory: DirectoryCache) -> None:
    for name in ("New Year", "Новий рік"):
        assert (await admin.post("/company/holidays", {"day": "2027-01-01", "name": name})).status == 303
    assert directory.current.holidays == {date(2027, 1, 1): "Новий рік"}
    page = (await admin.get("/company/holidays")).text
    assert "Fri, 1 Jan 2027" in page
    assert (await admin.post("/company/holidays/remove", {"day": "2027-01-01"})).status == 303
    assert directory.current.holidays == {}


@pytest.mark.parametrize(("typed", "message"), [("soon", "No such day."), ("0001-01-01", "No such day.")])
async def test_a_day_that_is_none_is_told_and_kept(admin: Visitor, typed: str, message: str) -> None:
    answer = await admin.post("/company/holidays", {"day": typed, "name": "X"})
    assert answer.status == 422
    assert message in answer.text
    assert f'value="{typed}"' in answer.text


async def test_who_stands_in_is_said_to_all_whom_it_concerns(
    admin: Visitor, visitor: Callable[[], Visitor], yurii: Visitor, company: Company
) -> None:
    maria = visitor()
    await maria.sign_in("maria")
    card = f"/company/employees/{company.yurii}"
    assert "Nobody stands in." in (await admin.get(card)).text
    assert (await admin.post(card, CARD | {"substitute_id": str(company.maria)})).status == 303
    assert "Марія Коваленко stands in." in (await yurii.get("/me")).text
    ring_here = "Calls of Щербань Юрій ring here: away, until 18:00."
    assert ring_here not in (await maria.get("/day")).text
    await yurii.post("/me/away", {"away": "1", "until": "2026-03-02T18:00"})
    assert "Марія Коваленко stands in." in (await admin.get(card)).text
    assert ring_here in (await maria.get("/day")).text
    await maria.get("/me")
    await maria.post("/me/away", {"away": "1"})
    assert "Whoever stands in takes no calls now." in (await yurii.get("/me")).text
    assert ring_here not in (await maria.get("/day")).text


async def test_a_substitute_who_left_stays_chosen_for_his_successor_stands_in(
    admin: Visitor, company: Company, directory: DirectoryCache
) -> None:
    card, leave = f"/company/employees/{company.yurii}", f"/company/employees/{company.maria}/leave"
    await admin.post(card, CARD | {"substitute_id": str(company.maria)})
    page = await admin.get(leave)
    version = re.search(r'name="version" value="(\d+)"', page.text)
    assert version
    assert (await admin.post(leave, {"version": version[1], "successor_id": str(company.boss)})).status == 303
    page = await admin.get(card)
    assert f'value="{company.maria}" selected>Марія Коваленко · Deactivated' in page.text
    assert "Big Boss stands in." in page.text
    assert (await admin.post(card, CARD | {"version": "2", "substitute_id": str(company.maria)})).status == 303
    assert directory.current.employees[company.yurii].duty.substitute_id == company.maria
