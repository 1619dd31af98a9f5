"""Planned calls on cards: what a status does is said, a day set by hand asked about, and Call calls (P2, P3)."""

import re
from html import unescape

import pytest
from aiohttp import web
from sqlalchemy import select

from leads.admin.context import PANEL
from leads.domain.directory import Extension
from leads.domain.planning import PlanState
from leads.domain.rings import Rejection, Ring
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead
from leads.store.planning_tables import PlannedCall, PlanningSetting
from tests.admin.conftest import Clock, Company, Visitor

NUMBER = "+380501234567"
HOT, WARM, UNPROMISING = 1, 2, 4


@pytest.fixture
async def lead(database: Database, company: Company, clock: Clock) -> str:
    """The address of a lead of Yurii's; it is Monday, 11:00 in Kyiv."""
    edit = LeadEdit("Петро", (NUMBER,), "", "", "", None, HOT, company.yurii, None)
    return f"/leads/{await create_lead(database, edit, by=None, clock=clock, region='UA')}"


async def _set(one: Visitor, lead: str, company: Company, status: int, **answer: str) -> str:
    """Save the card with another status; gives the page that is shown then."""
    page = await one.get(lead)
    version = re.search(r'name="version" value="(\d+)"', page.text)
    assert version
    fields = {"version": version[1], "name": "Петро", "number": NUMBER, "status_id": status}
    answer_page = await one.post(lead, fields | {"responsible_id": company.yurii} | answer)
    return answer_page.text if answer_page.status == 422 else (await one.get(answer_page.location)).text


async def _plan(database: Database) -> PlannedCall | None:
    async with database.read() as session:
        return await session.scalar(select(PlannedCall).order_by(PlannedCall.id.desc()).limit(1))


async def test_a_status_says_what_it_planned(yurii: Visitor, lead: str, company: Company) -> None:
    assert "No call is planned." in (await yurii.get(lead)).text
    assert "Saved. A call is planned for Mon, 9 Mar." in await _set(yurii, lead, company, WARM)
    assert "Saved. The planned call is moved to Tue, 3 Mar." in await _set(yurii, lead, company, HOT)
    page = await _set(yurii, lead, company, UNPROMISING)
    assert "Saved. The planned call is cancelled." in page
    assert "<del>Tue, 3 Mar</del>" in page


async def test_who_is_in_another_zone_is_told_the_moment_that_he_chose(
    yurii: Visitor, lead: str, company: Company, database: Database
) -> None:
    await yurii.post("/me", {"language": "en", "time_zone": "America/New_York", "card_key": "Ctrl+Q"})
    typed = {"plan_version": "", "plan_day": "2026-03-20", "plan_time": "20:00", "plan_note": ""}
    made = await yurii.post(f"{lead}/plan", typed)
    assert "A call is planned for 20 Mar, 20:00." in (await yurii.get(made.location)).text
    planned = await _plan(database)
    assert planned
    assert planned.day.isoformat() == "2026-03-21"


async def test_a_day_set_by_hand_is_asked_about_with_nothing_lost(
    yurii: Visitor, lead: str, company: Company, database: Database
) -> None:
    await yurii.get(lead)
    made = await yurii.post(f"{lead}/plan", {"plan_version": "", "plan_day": "2026-03-20", "plan_note": "ціна"})
    assert made.location == lead
    asked = await _set(yurii, lead, company, WARM)
    assert "A call was planned by hand for Fri, 20 Mar." in asked
    assert '<option value="2" selected>Warm</option>' in asked
    assert "The planned call stays on Fri, 20 Mar." in await _set(yurii, lead, company, WARM, hand_date="keep")
    assert "The planned call is moved to Tue, 3 Mar." in await _set(yurii, lead, company, HOT, hand_date="move")
    planned = await _plan(database)
    assert planned is not None
    assert planned.note == "ціна"


async def test_a_time_is_the_viewers_and_the_day_the_companys(yurii: Visitor, lead: str, database: Database) -> None:
    await yurii.get("/me")
    await yurii.post("/me", {"time_zone": "America/New_York"})
    await yurii.get(lead)
    await yurii.post(f"{lead}/plan", {"plan_day": "2026-03-04", "plan_time": "20:30", "plan_note": ""})
    planned = await _plan(database)
    assert planned is not None
    assert planned.at is not None
    assert (planned.day.isoformat(), planned.at.isoformat()) == ("2026-03-05", "2026-03-05T01:30:00+00:00")
    page = await yurii.get(lead)
    assert 'value="2026-03-04"' in page.text
    assert 'value="20:30"' in page.text


@pytest.mark.parametrize(
    ("day", "moment"),
    [("2026-10-25", "2026-10-25T00:30:00+00:00"), ("2026-03-29", "2026-03-29T01:30:00+00:00")],
)
async def test_a_moment_of_the_night_in_which_clocks_change_is_moved_by_nobody_s_note(
    yurii: Visitor, lead: str, database: Database, clock: Clock, *, day: str, moment: str
) -> None:
    await yurii.get(lead)
    await yurii.post(f"{lead}/plan", {"plan_day": day, "plan_time": "03:30", "plan_note": ""})
    planned = await _plan(database)
    assert planned is not None
    assert planned.at is not None
    assert planned.at.isoformat() == moment
    chosen_at = clock()
    clock.move(hours=1)
    page = (await yurii.get(lead)).text
    typed = dict(re.findall(r'name="(plan_\w+)"[^>]* value="([^"]+)"', page))
    await yurii.post(f"{lead}/plan", typed | {"plan_note": "ціна"})
    planned = await _plan(database)
    assert planned is not None
    assert planned.at is not None
    assert (planned.note, planned.at.isoformat(), planned.set_at) == ("ціна", moment, chosen_at)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"plan_day": "2026-03-01"}, "This day is over."),
        ({"plan_day": "2036-03-01"}, "Choose a day within five years."),
        ({"plan_day": "tomorrow"}, "Choose a day."),
        ({"plan_day": "2026-03-03", "plan_time": "25:00"}, "A time looks like 14:30."),
    ],
)
async def test_mistakes_keep_what_was_typed(yurii: Visitor, lead: str, fields: dict[str, str], message: str) -> None:
    await yurii.get(lead)
    answer = await yurii.post(f"{lead}/plan", {"plan_note": "не загубити", **fields})
    assert answer.status == 422
    assert message in answer.text
    assert "не загубити" in answer.text


@pytest.mark.parametrize(
    ("zone", "day", "time", "message"),
    [
        ("America/New_York", "9999-12-31", "23:59", "Choose a day within five years."),
        ("Asia/Tokyo", "0001-01-01", "00:00", "This day is over."),
    ],
)
async def test_a_day_that_another_zone_cannot_have_is_a_mistake(
    yurii: Visitor, lead: str, *, zone: str, day: str, time: str, message: str
) -> None:
    await yurii.get("/me")
    await yurii.post("/me", {"time_zone": zone})
    await yurii.get(lead)
    answer = await yurii.post(f"{lead}/plan", {"plan_day": day, "plan_time": time})
    assert (answer.status, message in answer.text) == (422, True)


async def test_whose_days_are_meant_is_said_where_it_matters(yurii: Visitor, lead: str) -> None:
    for zone, said in (("America/New_York", 1), ("Europe/Helsinki", 0)):  # whose clock is Kyiv's
        await yurii.get("/me")
        await yurii.post("/me", {"time_zone": zone})
        for path in ("/day", "/plans"):
            assert unescape((await yurii.get(path)).text).count("Days are the company's, in Europe/Kyiv.") == said
        assert (await yurii.get(lead)).text.count("A day of the company, in Europe/Kyiv; with a time,") == said


async def test_the_second_who_plans_sees_both(yurii: Visitor, admin: Visitor, lead: str) -> None:
    for one in (yurii, admin):
        await one.get(lead)
    await admin.post(f"{lead}/plan", {"plan_day": "2026-03-10"})
    answer = await yurii.post(f"{lead}/plan", {"plan_day": "2026-03-12"})
    assert answer.status == 409
    assert "Tue, 10 Mar" in answer.text
    assert 'value="2026-03-12"' in answer.text
    assert answer.text.count("Saved meanwhile:") == 1


async def test_the_second_who_plans_sees_the_others_time_and_note(yurii: Visitor, admin: Visitor, lead: str) -> None:
    for one in (yurii, admin):
        await one.get(lead)
    first = {"plan_day": "2026-03-10", "plan_time": "14:30", "plan_note": "про ціну"}
    await admin.post(f"{lead}/plan", first)
    answer = await yurii.post(f"{lead}/plan", {"plan_day": "2026-03-10", "plan_time": "15:00"})
    assert answer.status == 409
    assert re.findall(r"Saved meanwhile: <q>(.*?)</q>", answer.text) == ["14:30", "про ціну"]
    same = await yurii.post(f"{lead}/plan", first)
    assert (same.status, same.location) == (303, lead)


class _Phones:
    """Steers no phone, but takes calls."""

    available = True

    def __init__(self) -> None:
        self.called: list[tuple[str, str]] = []

    async def answer(self, ring: Ring) -> None:
        raise AssertionError

    async def reject(self, ring: Ring) -> Rejection:
        raise AssertionError

    async def call(self, phone: Extension, number: str, name: str | None, language: str | None) -> None:
        self.called.append((phone.number, number))


async def test_the_call_button_calls_and_is_kept_until_the_conversation(
    *, app: web.Application, yurii: Visitor, lead: str, database: Database, clock: Clock, company: Company
) -> None:
    phones = _Phones()
    app[PANEL].questions.attach("asterisk", phones)
    await yurii.get(lead)
    await yurii.post(f"{lead}/plan", {"plan_day": "2026-03-02"})
    page = await yurii.get(lead)
    action = re.search(r'action="(/plans/\d+)/call"', page.text)
    assert action
    assert (await yurii.post(f"{action[1]}/call", {"number": "+380671112233"})).location == lead
    assert phones.called == []
    await yurii.post(f"{action[1]}/call", {"number": NUMBER})
    assert phones.called == [("101", NUMBER)]
    planned = await _plan(database)
    assert planned is not None
    assert (planned.dialled_at, planned.dialled_by_id) == (clock(), company.yurii)


async def test_others_plans_are_nobodys_business(
    yurii: Visitor, admin: Visitor, database: Database, company: Company, clock: Clock
) -> None:
    edit = LeadEdit("Чужа", (NUMBER,), "", "", "", None, HOT, company.maria, None)
    theirs = f"/leads/{await create_lead(database, edit, by=None, clock=clock, region='UA')}"
    await admin.get(theirs)
    await admin.post(f"{theirs}/plan", {"plan_day": "2026-03-10"})
    planned = await _plan(database)
    assert planned is not None
    await yurii.get("/me")
    for path in (
        f"{theirs}/plan",
        f"/plans/{planned.id}/cancel",
        f"/plans/{planned.id}/call",
        "/counterparties/1/plan",
    ):
        answer = await yurii.post(path, {"plan_day": "2026-03-11", "plan_version": planned.version})
        assert answer.status == 404, path
    after = await _plan(database)
    assert after is not None
    assert (after.version, after.state) == (planned.version, PlanState.OPEN)


async def test_the_company_chooses_how_it_plans(admin: Visitor, database: Database) -> None:
    page = await admin.get("/company/planning")
    assert page.text.count("checked") == 7  # two switches and five days
    fields = {"version": 1, "any_conversation": 1, "daily_cap": 20, "working_day": [1, 2, 6]}
    assert (await admin.post("/company/planning", fields)).status == 303
    async with database.read() as session:
        choice = (await session.scalars(select(PlanningSetting))).one()
    assert (choice.planning, choice.daily_cap, choice.working_days) == (False, 20, "126")
    late = await admin.post("/company/planning", fields | {"daily_cap": 9, "planning": 1, "working_day": [1, 2]})
    assert late.status == 409
    assert "<q>without a tick</q>" in late.text
    assert "<q>Monday, Tuesday, Saturday</q>" in late.text
    wrong = await admin.post("/company/planning", fields | {"working_day": [], "version": 2})
    assert "Choose at least one day of the week." in wrong.text
