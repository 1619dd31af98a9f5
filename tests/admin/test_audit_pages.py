"""The pages of the audit log and of retention, and erasing a person, as an administrator meets them (X5)."""

import re
from html import unescape
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin import erasing
from leads.admin.context import PANEL
from leads.store.engine import Database
from leads.store.erasing import Mentions, Traces
from leads.store.models import Call, Lead, Recording
from tests.admin.access_world import Owned, add_things
from tests.admin.calls import end_call
from tests.admin.conftest import Clock, Company, Visitor
from tests.admin.test_duty_pages import CARD
from tests.admin.test_recordings import app, control, root

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
__all__ = ["app", "control", "root"]


def _text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@pytest.fixture
async def owned(*, database: Database, clock: Clock, app: web.Application, root: Path, company: Company) -> Owned:
    return await add_things(database, clock, app[PANEL], root, owner=company.yurii, phone="101", word="Ялинка")


async def test_the_log_tells_who_did_what_and_is_narrowed(admin: Visitor, company: Company) -> None:
    await admin.get("/company/ignored")
    await admin.post("/company/ignored", {"number": "067 111 22 33", "note": "<b>spam</b>"})
    await admin.post("/company/ignored/remove", {"number": "+380671112233"})
    page = await admin.get("/company/audit")
    text = _text(page.text)
    assert "Олена Ignored number removed Note: <b>spam</b> → – Number: +380671112233 → –" in text
    assert "Олена Ignored number added Note: – → <b>spam</b> Number: – → +380671112233" in text
    assert "<b>spam" not in page.text
    assert f"Employee {company.admin} signed in Address: – → 127.0.0.1" in text
    assert "Ignored number removed" not in _text((await admin.get("/company/audit?kind=employee")).text)
    assert "Nothing is on record here" in _text((await admin.get(f"/company/audit?who={company.maria}")).text)


async def test_what_people_set_up_is_noted_in_words(admin: Visitor, company: Company) -> None:
    await admin.post("/company/holidays", {"day": "2026-12-25", "name": "Christmas"})
    await admin.post("/company/holidays/remove", {"day": "2026-12-25"})
    await admin.post(f"/phone-book/{company.phone_101}/key")
    await admin.post(f"/phone-book/{company.phone_101}/revoke")
    version = re.search(r'name="version" value="(\d+)"', (await admin.get("/company/planning")).text)
    assert version
    chosen = {
        "planning": "1",
        "daily_cap": "30",
        "any_conversation": "1",
        "working_day": ["1", "2", "3", "4", "5", "6"],
    }
    saved = await admin.post("/company/planning", chosen | {"version": version[1]})
    assert saved.status == 303, saved.text
    await admin.post("/me", {"language": "uk", "time_zone": "", "card_key": "Ctrl+Q"})
    await admin.post("/me", {"language": "en", "time_zone": "", "card_key": "Ctrl+Q"})
    text = _text((await admin.get("/company/audit")).text)
    for line in (
        "Holiday added Day: – → 2026-12-25 Name: – → Christmas",
        "Holiday removed Day: 2026-12-25 → – Name: Christmas → –",
        f"Phone-book key {company.phone_101} added Phone: – → {company.phone_101} Phone-book key: – → •••",
        f"Phone-book key {company.phone_101} removed Phone: {company.phone_101} → – Phone-book key: ••• → –",
        "Calls a day for one employee, at most: 50 → 30",
        f"Employee {company.admin} changed Language: uk → en",
    ):
        assert line in text, text


async def test_a_working_time_and_a_substitute_are_noted_when_they_change(admin: Visitor, company: Company) -> None:
    for version in ("1", "2"):
        typed = {"version": version, "hours_0": "9:00–18:00", "substitute_id": str(company.maria)}
        assert (await admin.post(f"/company/employees/{company.yurii}", CARD | typed)).status == 303
    text = _text((await admin.get("/company/audit")).text)
    assert text.count("Working hours: – → 1 09:00–18:00") == 1
    assert "Substitute: – → Марія" in text


async def test_values_are_said_in_the_readers_words(admin: Visitor, company: Company) -> None:
    made = await admin.post("/leads", {"name": "Олег", "number": "0501234567", "status_id": "1", "responsible_id": ""})
    assert made.status == 303, made.text
    planned = await admin.post(f"{made.location}/plan", {"plan_version": "", "plan_day": "2026-12-25", "plan_note": ""})
    assert planned.status == 303, planned.text
    promoted = CARD | {"version": "1", "role": "supervisor"}
    assert (await admin.post(f"/company/employees/{company.yurii}", promoted)).status == 303
    changed = await admin.post(
        made.location, {"version": "1", "name": "Олег", "number": "0501234567", "status_id": "2", "hand_date": "keep"}
    )
    assert changed.status == 303, changed.text
    await admin.post("/me", {"language": "uk", "time_zone": "", "card_key": "Ctrl+Q"})
    text = _text((await admin.get("/company/audit")).text)
    assert "Роль: Працівник → Керівник групи" in text
    assert "Статус: Гарячий → Теплий" in text
    assert "Запланований дзвінок: – → пт, 25 груд." in text


async def test_taking_a_list_away_is_noted(admin: Visitor) -> None:
    assert (await admin.get("/leads/export.csv")).status == 200
    assert "Олена Lead exported" in _text((await admin.get("/company/audit?kind=lead")).text)


async def test_a_long_log_is_read_page_by_page(admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leads.admin.audit_page.PAGE_SIZE", 2)
    for digit in range(3):
        await admin.post("/company/ignored", {"number": f"067111223{digit}", "note": f"note {digit}"})
    page = await admin.get("/company/audit")
    assert "note 2" in page.text
    assert "note 0" not in page.text
    older = re.search(r'rel="next" href="([^"]+)"', page.text)
    assert older
    page = await admin.get(unescape(older[1]))
    assert "note 0" in page.text
    assert "note 2" not in page.text


async def test_retention_is_chosen_and_calls_stay_as_long_as_their_recordings(admin: Visitor) -> None:
    page = await admin.get("/company/retention")
    version = re.search(r'name="version" value="(\d+)"', page.text)
    assert version
    wanted = {"version": version[1], "calls": "30", "audit": "", "outages": "x"}
    answer = await admin.post("/company/retention", wanted)
    assert answer.status == 422
    assert "Recordings are kept for 90 days; their calls as long at least." in answer.text
    assert "A whole number from 1 to 36500." in answer.text
    assert 'value="30"' in answer.text
    assert (await admin.post("/company/retention", {**wanted, "calls": "365", "outages": ""})).status == 303
    assert 'value="365"' in (await admin.get("/company/retention")).text
    answer = await admin.post("/company/retention", {**wanted, "calls": "400", "outages": ""})
    assert answer.status == 409
    assert "Saved meanwhile: 365" in _text(answer.text)
    assert "How long things are kept changed Keep for, days: – → 365" in _text((await admin.get("/company/audit")).text)


async def test_a_person_is_erased_with_his_recordings(
    *, admin: Visitor, owned: Owned, database: Database, clock: Clock, root: Path
) -> None:
    async with database.write() as session:
        (await session.get_one(Lead, owned.leads[1])).comment = "Розлучений, любить грушеві дерева"
    card = f"/leads/{owned.leads[1]}"
    assert f'href="{card}/erase"' in (await admin.get(card)).text
    page = _text((await admin.get(f"{card}/erase")).text)
    assert "This cannot be undone." in page
    assert "Recordings 1" in page
    assert (await admin.post(f"{card}/erase")).status == 400
    answer = await admin.post(f"{card}/erase", {"sure": "1"})
    assert answer.status == 409
    assert "A call with this person goes on." in answer.text
    (file,) = files_in(root)
    await end_call(database, clock, owned.call)
    assert (await admin.post(f"{card}/erase", {"sure": "1"})).location == "/leads"
    assert not is_there(file)
    assert (await admin.get(card)).status == 404
    async with database.read() as session:
        assert await session.get(Lead, owned.leads[1]) is None
        call = await session.get(Call, owned.call)
        assert call is not None
        assert (call.caller, call.caller_name, call.lead_id) == (None, None, None)
        assert await session.scalar(select(Recording.deleted_at)) == clock()
    assert "Lead 2 erased for good" in _text((await admin.get("/company/audit")).text)
    assert "грушеві".encode() not in bytes_of(database), "neither free pages nor the log hold what was erased"


def bytes_of(database: Database) -> bytes:
    file = Path(str(database.url.database))
    return b"".join(one.read_bytes() for one in file.parent.glob(f"{file.name}*"))


def files_in(root: Path) -> list[Path]:
    return list(root.rglob("*.wav"))


def is_there(file: Path) -> bool:
    return file.exists()


async def test_a_lead_that_became_a_counterparty_is_erased_there(
    admin: Visitor, owned: Owned, database: Database, clock: Clock
) -> None:
    async with database.write() as session:
        lead = await session.get(Lead, owned.leads[0])
        assert lead is not None
        lead.counterparty_id, lead.closed_at = owned.counterparties[0], clock()
    assert (await admin.get(f"/leads/{owned.leads[0]}/erase")).status == 409
    card = f"/counterparties/{owned.counterparties[0]}"
    assert "Leads 1" in _text((await admin.get(f"{card}/erase")).text)
    assert (await admin.post(f"{card}/erase", {"sure": "1"})).location == "/counterparties"
    async with database.read() as session:
        assert await session.get(Lead, owned.leads[0]) is None


async def test_what_comes_to_a_person_while_he_is_looked_for_is_erased_too(
    admin: Visitor, owned: Owned, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = erasing.mentions_of

    async def mentions_of(session: AsyncSession, traces: Traces) -> Mentions:
        async with database.write() as other:
            lead = await other.get_one(Lead, owned.leads[0])
            lead.counterparty_id, lead.closed_at = owned.counterparties[0], lead.closed_at or clock()
        return await searched(session, traces)

    monkeypatch.setattr(erasing, "mentions_of", mentions_of)
    card = f"/counterparties/{owned.counterparties[0]}"
    assert (await admin.post(f"{card}/erase", {"sure": "1"})).location == "/counterparties"
    async with database.read() as session:
        assert await session.get(Lead, owned.leads[0]) is None
