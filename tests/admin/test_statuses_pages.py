"""The status directory in the panel: what is typed stays, what is in use asks for another (P1)."""

import re

from sqlalchemy import insert, select

from leads.store.engine import Database
from leads.store.models import Counterparty, CounterpartyStatus, Lead, LeadStatus
from tests.admin.conftest import Clock, Visitor


async def test_a_status_is_made_and_then_offered_on_cards(admin: Visitor) -> None:
    page = await admin.get("/company/statuses")
    assert re.findall(r"After \d+ days?|Not planned", page.text) == [
        *("After 1 day", "After 7 days", "After 30 days", "Not planned"),
        *("After 1 day", "After 7 days", "After 30 days", "Not planned"),
    ]
    await admin.get("/company/statuses/counterparties/new")
    fields = {"version": 1, "name": "Постійний", "sort_order": 5, "plans": 1, "plan_days": 14}
    made = await admin.post("/company/statuses/counterparties/new", fields)
    assert (made.status, made.location) == (303, "/company/statuses")
    assert "Постійний" in (await admin.get("/counterparties/new")).text
    assert "Постійний" not in (await admin.get("/leads/new")).text


async def test_mistakes_keep_what_was_typed(admin: Visitor) -> None:
    await admin.get("/company/statuses/leads/new")
    fields = {"version": 1, "name": "HOT", "sort_order": 5, "plan_days": 400}
    answer = await admin.post("/company/statuses/leads/new", fields)
    assert answer.status == 422
    assert 'value="HOT"' in answer.text
    assert "A whole number from 0 to 365." in answer.text
    answer = await admin.post("/company/statuses/leads/new", fields | {"plan_days": 4})
    assert "Another status has this name." in answer.text


async def test_our_own_names_stay_translatable_and_the_second_who_saves_sees_both(
    admin: Visitor, database: Database
) -> None:
    fields = {"version": 1, "name": "Hot", "sort_order": 1, "plans": 1, "plan_days": 2}
    await admin.get("/company/statuses/leads/1")
    assert (await admin.post("/company/statuses/leads/1", fields)).status == 303
    late = await admin.post("/company/statuses/leads/1", fields | {"plan_days": 3})
    assert late.status == 409
    assert "Saved meanwhile:" in late.text
    async with database.read() as session:
        assert await session.scalar(select(LeadStatus.name).where(LeadStatus.id == 1)) == "Hot"


async def test_one_in_use_asks_which_takes_its_place(admin: Visitor, database: Database, clock: Clock) -> None:
    values = {"name": "x", "created_at": clock(), "updated_at": clock()}
    async with database.write() as session:
        await session.execute(insert(Lead), [values | {"status_id": 2}])
        await session.execute(insert(Counterparty), [values | {"status_id": 2}])
    for which, table in (("leads", Lead), ("counterparties", Counterparty)):
        card = await admin.get(f"/company/statuses/{which}/2")
        assert "1 card has it" in card.text
        asked = await admin.post(f"/company/statuses/{which}/2/remove", {"version": 1})
        assert asked.status == 422
        assert "Choose which status takes its place." in asked.text
        done = await admin.post(f"/company/statuses/{which}/2/remove", {"version": 1, "replacement_id": 3})
        assert done.status == 303
        async with database.read() as session:
            assert await session.scalar(select(table.status_id)) == 3
    async with database.read() as session:
        assert await session.get(CounterpartyStatus, 2) is None


async def test_a_counterpartys_status_is_on_its_card_and_in_its_history(admin: Visitor) -> None:
    await admin.get("/counterparties/new")
    made = await admin.post("/counterparties", {"name": "ТОВ Ромашка", "status_id": 1})
    page = await admin.get(made.location)
    version = re.search(r'name="version" value="(\d+)"', page.text)
    assert version
    await admin.post(made.location, {"name": "ТОВ Ромашка", "status_id": 3, "version": version[1]})
    page = await admin.get(made.location)
    assert '<option value="3" selected>Cold</option>' in page.text
    assert "<del>Hot</del> → <ins>Cold</ins>" in page.text
