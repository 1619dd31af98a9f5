"""My day and the list of planned calls, tasks and notes on cards, and reminders (P5 to P8)."""

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin import tasks
from leads.admin.context import Viewer
from leads.domain.calls import Phase, Result
from leads.domain.follow_up import TaskKind
from leads.store import day_lists
from leads.store.counterparty_card import CounterpartyEdit, save_counterparty
from leads.store.daily_plans import plan_day
from leads.store.engine import Database
from leads.store.erasing import erase, mentions_of, traces_of
from leads.store.lead_card import LeadEdit, create_lead
from leads.store.models import Lead
from leads.store.people_of_calls import CallPerson
from leads.store.task_tables import Task
from tests.admin.calls import add_call
from tests.admin.conftest import Clock, Company, Visitor

NUMBER = "+380501234567"


@pytest.fixture
async def lead(database: Database, company: Company, clock: Clock) -> str:
    """The address of a lead of Yurii's; it is Monday, 11:00 in Kyiv."""
    edit = LeadEdit("Петро", (NUMBER,), "", "", "", None, 1, company.yurii, None)
    return f"/leads/{await create_lead(database, edit, by=None, clock=clock, region='UA')}"


async def test_the_day_shows_calls_missed_calls_and_tasks(
    yurii: Visitor, lead: str, database: Database, company: Company, clock: Clock
) -> None:
    assert "No call is due" in (await yurii.get("/day")).text
    await yurii.post(f"{lead}/plan", {"plan_day": "2026-03-02", "plan_note": "про двері"})
    fields = {"task_text": "надіслати прайс", "task_employee": company.yurii, "task_due": "2026-03-02"}
    assert (await yurii.post(f"{lead}/tasks", fields)).location == lead
    missed = Task(kind=TaskKind.MISSED, lead_id=int(lead[7:]), employee_id=company.yurii, missed=2, attempts=1)
    async with database.write() as session:
        missed.made_at = missed.missed_at = clock()
        session.add(missed)
    page = (await yurii.get("/day")).text
    for text in ("про двері", "надіслати прайс", "2 missed calls", "1 attempt to call back", "Today"):
        assert text in page
    assert page.count(f'href="tel:{NUMBER}"') == 3
    clock.move(days=1)
    await yurii.sign_in("yurii")
    assert (await yurii.get("/day")).text.count("Overdue") == 2


async def test_who_looks_after_others_is_told_what_waits_while_they_are_away(
    *, admin: Visitor, yurii: Visitor, visitor: Callable[[], Visitor], lead: str, database: Database, company: Company
) -> None:
    await yurii.post(f"{lead}/plan", {"plan_day": "2026-03-02"})
    async with database.write() as session:
        task = Task(kind=TaskKind.MISSED, lead_id=int(lead[7:]), employee_id=company.yurii, missed=1, attempts=0)
        task.made_at = task.missed_at = Clock()()
        session.add(task)
    told = f'<a href="/day?employee={company.yurii}">2 calls wait meanwhile</a>'
    boss, maria = visitor(), visitor()
    await boss.sign_in("boss")
    await maria.sign_in("maria")
    assert told not in (await admin.get("/day")).text
    await yurii.get("/me")
    await yurii.post("/me/away", {"away": "1"})
    pages = [(await one.get("/day")).text for one in (admin, boss, maria, yurii)]
    assert [told in page for page in pages] == [True, True, False, False]
    assert "Щербань Юрій: away" in pages[0]


async def test_long_lists_of_a_day_have_pages(
    *, admin: Visitor, database: Database, company: Company, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_lists, "PAGE", 2)
    names = ("Перша", "Друга", "Третя", "Четверта", "П’ята")
    for place, name in enumerate(names):
        number = f"+38050123456{place}"
        edit = LeadEdit(name, (number,), "", "", "", None, 1, company.admin, None)
        lead = await create_lead(database, edit, by=None, clock=clock, region="UA")
        await admin.get("/me")
        await admin.post(f"/leads/{lead}/plan", {"plan_day": "2026-03-02", "plan_note": f"план {name}"})
        async with database.write() as session:
            made = {"lead_id": lead, "made_at": clock()}
            session.add(Task(kind=TaskKind.TYPED, text=f"справа {name}", employee_id=company.admin, **made))
            missed_at = clock() - timedelta(hours=place)
            ownerless = Task(kind=TaskKind.MISSED, missed=10 + place, missed_at=missed_at, **made)
            session.add(ownerless)

    def shown(page: str, what: str) -> list[str]:
        return [name for name in names if what.format(name=name, count=10 + names.index(name)) in page]

    first = unescape((await admin.get("/day")).text)
    assert re.findall(r'<span class="count">(\d*)</span>', first) == ["5", "", "5", "5"]
    for what, parameter in (
        ("план {name}", "calls"),
        ("{count} missed calls", "ownerless"),
        ("справа {name}", "tasks"),
    ):
        assert shown(first, what) == list(names[:2])
        assert f'href="/day?{parameter}=1#{parameter}-title"' in first
        # The address of a page that is no more leads to the last one.
        for page, expected in (("1", names[2:4]), ("2", names[4:]), ("7", names[4:])):
            other = unescape((await admin.get(f"/day?{parameter}={page}")).text)
            assert shown(other, what) == list(expected)
            assert ("Next" in other.split(f'id="{parameter}-title"')[1].split("</section>")[0]) is (page == "1")
    # What is due long ago hides no call that was missed today.
    async with database.write() as session:
        await session.execute(update(Task).where(Task.kind == TaskKind.MISSED).values(employee_id=company.admin))
        await session.execute(update(Task).where(Task.kind == TaskKind.TYPED).values(due_on=date(2026, 1, 1)))
    assert shown(unescape((await admin.get("/day")).text), "{count} missed calls") == list(names[:2])


async def test_the_number_of_who_has_no_name_stands_there_once(
    yurii: Visitor, database: Database, company: Company, clock: Clock
) -> None:
    edit = LeadEdit("", (NUMBER,), "", "", "", None, 1, company.yurii, None)
    lead = f"/leads/{await create_lead(database, edit, by=None, clock=clock, region='UA')}"
    await yurii.get("/me")
    await yurii.post(f"{lead}/plan", {"plan_day": "2026-03-02", "plan_note": "про двері"})
    page = (await yurii.get("/day")).text
    assert page.count('<span class="number">+380 50 123 4567</span>') == 1
    assert '<p class="soft">про двері</p>' in page


async def test_a_missed_call_is_closed_with_a_reason(
    yurii: Visitor, lead: str, database: Database, company: Company, clock: Clock
) -> None:
    async with database.write() as session:
        task = Task(kind=TaskKind.MISSED, lead_id=int(lead[7:]), employee_id=company.yurii, missed=1, attempts=0)
        task.made_at = task.missed_at = clock()
        session.add(task)
    await yurii.get("/day")
    asked = await yurii.post(f"/tasks/{task.id}/done", {"back": "day", "reason": " "})
    assert asked.status == 422
    assert "Say why nobody needs to call back." in asked.text
    assert (await yurii.post(f"/tasks/{task.id}/done", {"back": "day", "reason": "спам"})).location == "/day"
    assert "спам" in (await yurii.get(lead)).text


async def test_a_missed_call_that_is_nobodys_is_in_an_administrators_day(
    *, yurii: Visitor, admin: Visitor, lead: str, database: Database, company: Company, clock: Clock
) -> None:
    async with database.write() as session:
        task = Task(kind=TaskKind.MISSED, lead_id=int(lead[7:]), missed=3, missed_at=clock(), made_at=clock())
        session.add(task)
    page = (await admin.get("/day")).text
    assert "Missed calls that are nobody&#39;s" in page
    assert "3 missed calls" in page
    assert f'href="tel:{NUMBER}"' in page
    for visitor, path in ((admin, f"/day?employee={company.yurii}"), (yurii, "/day")):
        assert "3 missed calls" not in (await visitor.get(path)).text
    await admin.post(f"/tasks/{task.id}/done", {"back": "day", "reason": "спам"})
    assert "nobody&#39;s" not in (await admin.get("/day")).text


async def test_due_calls_of_leads_without_a_responsible_are_in_an_administrators_day(
    yurii: Visitor, admin: Visitor, database: Database, clock: Clock, company: Company
) -> None:
    """The daily job plans for all; a call that is nobody's would be on no day."""
    edit = LeadEdit("Сирота", (NUMBER,), "", "", "", None, 1, None, None)
    lead = await create_lead(database, edit, by=None, clock=clock, region="UA")
    assert "are nobody&#39;s" not in (await admin.get("/day")).text
    clock.move(days=30)
    assert await plan_day(database, ZoneInfo("Europe/Kyiv"), clock) == 1
    await admin.sign_in("admin")
    page = (await admin.get("/day")).text
    assert "Calls to make that are nobody&#39;s" in page
    assert f'href="/leads/{lead}"' in page
    await yurii.sign_in("yurii")
    assert "are nobody&#39;s" not in (await yurii.get("/day")).text
    async with database.write() as session:
        await session.execute(update(Lead).values(responsible_id=company.yurii))
    assert "are nobody&#39;s" not in (await admin.get("/day")).text


async def test_a_task_for_another_is_told_him_once(
    yurii: Visitor, admin: Visitor, lead: str, company: Company, database: Database
) -> None:
    await admin.get(lead)
    await admin.post(f"{lead}/tasks", {"task_text": "передзвони <b>", "task_employee": company.yurii})
    await yurii.get("/me")
    told = json.loads((await yurii.post("/live/reminders")).text)
    assert told == {"due": 0, "items": [{"text": "Олена gave you a task: передзвони <b>", "href": lead}]}
    assert json.loads((await yurii.post("/live/reminders")).text)["items"] == []
    wrong = await admin.post(
        f"{lead}/tasks", {"task_text": "", "task_employee": company.yurii, "task_due": "2026-03-09"}
    )
    assert wrong.status == 422
    assert 'value="2026-03-09"' in wrong.text
    async with database.read() as session:
        assert len((await session.scalars(select(Task))).all()) == 1


async def test_a_call_reminds_when_it_is_due(yurii: Visitor, lead: str, clock: Clock) -> None:
    await yurii.get(lead)
    await yurii.post(f"{lead}/plan", {"plan_day": "2026-03-02", "plan_time": "11:30"})
    assert json.loads((await yurii.post("/live/reminders")).text) == {"due": 1, "items": []}
    clock.move(minutes=30)
    told = json.loads((await yurii.post("/live/reminders")).text)
    assert told == {"due": 1, "items": [{"text": "Time to call Петро", "href": lead}]}
    assert json.loads((await yurii.post("/live/reminders")).text)["items"] == []


async def test_the_list_is_filtered_and_has_a_calendar(admin: Visitor, lead: str, company: Company) -> None:
    await admin.get(lead)
    await admin.post(f"{lead}/plan", {"plan_day": "2026-03-20"})
    for path, shown in (
        ("/plans", True),
        (f"/plans?employee={company.yurii}", True),
        (f"/plans?employee={company.maria}", False),
        ("/plans?day=2026-03-20", True),
        ("/plans?day=2026-03-21", False),
        ("/plans?state=overdue", False),
        ("/plans?state=done", False),
    ):
        assert ("Петро" in (await admin.get(path)).text) is shown, path
    page = (await admin.get("/plans?month=2026-03-05")).text
    assert "March 2026" in page
    assert re.search(r'title="Fri, 20 Mar: 1 call"><span>20</span><strong>1</strong>', page)
    assert "<strong>1</strong>" not in (await admin.get("/plans?month=2026-05-01")).text


@pytest.mark.parametrize("name", ["month", "day"])
@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "2101-01-01", "9999-12-01"])
async def test_days_beyond_any_calendar_are_refused(admin: Visitor, name: str, day: str) -> None:
    assert (await admin.get(f"/plans?{name}={day}")).status == 400


async def test_notes_are_kept_on_cards_and_calls(
    yurii: Visitor, lead: str, database: Database, company: Company, clock: Clock
) -> None:
    await yurii.get(lead)
    await yurii.post(f"{lead}/notes", {"note": "любить дуб"})
    ended = {"phase": Phase.ENDED, "result": Result.ANSWERED, "employee_id": company.yurii}
    call = await add_call(database, clock, "7.7", lead_id=int(lead[7:]), **ended)
    assert (await yurii.post(f"/calls/{call}/notes", {"note": "просив знижку"})).location == f"/calls/{call}"
    assert "просив знижку" in (await yurii.get(f"/calls/{call}")).text
    page = (await yurii.get(lead)).text
    assert page.index("просив знижку") < page.index("любить дуб")
    nobody = await add_call(database, clock, "7.8", **ended)
    assert (await yurii.post(f"/calls/{nobody}/notes", {"note": "x"})).status == 409
    assert (await yurii.post(f"{lead}/notes", {"note": ""})).status == 422


async def test_a_task_opens_the_card_until_it_is_done(
    yurii: Visitor, admin: Visitor, database: Database, company: Company, clock: Clock
) -> None:
    edit = LeadEdit("Чужа", ("+380671234567",), "", "", "", None, 1, company.maria, None)
    theirs = f"/leads/{await create_lead(database, edit, by=None, clock=clock, region='UA')}"
    assert (await yurii.get(theirs)).status == 404
    await admin.get(theirs)
    await admin.post(f"{theirs}/tasks", {"task_text": "прайс", "task_employee": company.yurii})
    assert (await yurii.get(theirs)).status == 200
    async with database.read() as session:
        task = await session.scalar(select(Task.id))
    assert (await yurii.post(f"/tasks/{task}/done", {})).location == "/day"
    assert (await yurii.get(theirs)).status == 404


@pytest.mark.parametrize(("card", "form"), list(product(("leads", "counterparties"), ("tasks", "notes"))))
async def test_whoever_is_erased_while_somebody_writes_of_him_is_not_there(
    *, admin: Visitor, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch, card: str, form: str
) -> None:
    fixed: dict[str, Any] = {"by": None, "clock": clock, "region": "UA"}
    if card == "leads":
        key = await create_lead(database, LeadEdit("Іван", (NUMBER,), "", "", "", None, 1, None, None), **fixed)
    else:
        edit = CounterpartyEdit("ТОВ", "", "", "", "", None, None, (NUMBER,), ())
        key = (await save_counterparty(database, None, 0, edit, **fixed)).id
    address = f"/{card}/{key}"
    await admin.get(address)
    seen = tasks.refuse_stranger

    async def seen_once_more(session: AsyncSession, viewer: Viewer, person: CallPerson) -> None:
        await seen(session, viewer, person)
        traces = await traces_of(session, lead_id=person.lead_id, counterparty_id=person.counterparty_id)
        mentions = await mentions_of(session, traces)
        await session.rollback()
        async with database.write() as other:
            await erase(other, traces, mentions, clock())

    monkeypatch.setattr(tasks, "refuse_stranger", seen_once_more)
    answer = await admin.post(f"{address}/{form}", {"task_text": "прайс", "note": "любить дуб"})
    assert answer.status == 404
    assert "no such" in answer.text
