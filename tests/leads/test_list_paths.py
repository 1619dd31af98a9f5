"""By which index SQLite finds what a list of leads is narrowed to, with statistics of the tables or without.

A wrong one costs nothing among a thousand leads, and a second among a million.
"""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text

from leads.store import leads, list_paths, models
from leads.store.counterparties import CounterpartyFilter, CounterpartyOrder, list_counterparties
from leads.store.engine import Database
from leads.store.leads import LeadFilter, LeadOrder, LeadState, list_leads
from leads.store.listing import Request
from leads.store.models import Lead
from leads.store.narrowing import Stretch
from leads.store.search import search_text, sort_key
from tests.leads.query_plans import plans, statements

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MONTH = Stretch(BEGIN + timedelta(days=30), BEGIN + timedelta(days=60))
CREATED = "SEARCH lead USING INDEX ix_lead_created_at (created_at>? AND created_at<?)"
LAST_CALL = "SEARCH lead USING INDEX ix_lead_last_call_at (last_call_at>? AND last_call_at<?)"
SOURCE = "SEARCH lead USING INDEX ix_lead_source_sort_name (source_id=?)"
SEARCH = "SCAN lead_search VIRTUAL TABLE INDEX 0:M1"
LISTED = {"id", "list_state", "status_id", "responsible_id", "source_id", "merged_into_id"}
LISTED |= {"created_at", "last_call_at", "main_number", "sort_name"}

pytestmark = [
    pytest.mark.parametrize("dialect", ["sqlite"], indirect=True),
    pytest.mark.parametrize("analyzed", [False, True]),
]


async def _fill(database: Database, *, analyzed: bool) -> None:
    async with database.write() as session:
        await session.execute(insert(models.Employee), [{"id": 1, "name": "e1", "created_at": BEGIN}])
        await session.execute(insert(models.Source), [{"id": 1, "name": "s1"}, {"id": 2, "name": "s2"}])
        rows = []
        for number in range(1, 401):
            name, phone, day = f"Щербань {number}", f"+38050{number:07}", BEGIN + timedelta(hours=6 * number)
            rows.append(
                {
                    "name": name,
                    "named": True,
                    "status_id": 1 + number % 3,
                    "responsible_id": number % 2 or None,
                    "source_id": (None, 1, 2)[number % 3],
                    "created_at": day,
                    "updated_at": day,
                    "last_call_at": day,
                    "main_number": phone,
                    "sort_name": sort_key(name),
                    "search_text": search_text(name, numbers=[phone]),
                    "version": 1,
                }
            )
        await session.execute(insert(Lead), rows)
        numbers = [{"number": row["main_number"], "lead_id": place} for place, row in enumerate(rows, 1)]
        await session.execute(insert(models.PhoneNumber), numbers)
        if analyzed:
            await session.execute(text("ANALYZE"))


@pytest.mark.parametrize(
    ("wanted", "orders", "step"),
    [
        (LeadFilter(created=MONTH), set(LeadOrder) - {LeadOrder.CREATED}, CREATED),
        (LeadFilter(created=MONTH, responsible_id=1, status_id=2), set(LeadOrder) - {LeadOrder.CREATED}, CREATED),
        (LeadFilter(last_call=MONTH, state=LeadState.ALL), set(LeadOrder) - {LeadOrder.LAST_CALL}, LAST_CALL),
        (LeadFilter(source_id=1), {LeadOrder.CREATED, LeadOrder.NUMBER, LeadOrder.RESPONSIBLE}, SOURCE),
        (LeadFilter(source_id=1, responsible_id=1), set(LeadOrder), SOURCE),
        (LeadFilter(search="щербань", state=LeadState.ALL), set(LeadOrder), SEARCH),
        (LeadFilter(number="0000"), set(LeadOrder), SEARCH),
        (LeadFilter(name="щербань 7"), set(LeadOrder), SEARCH),
    ],
)
async def test_a_filter_finds_its_leads_by_its_own_index(
    database: Database, wanted: LeadFilter, orders: set[LeadOrder], step: str, analyzed: bool
) -> None:
    await _fill(database, analyzed=analyzed)
    for order in orders:
        with statements() as seen:
            async with database.read() as session:
                assert (await list_leads(session, wanted, order, Request(50), None)).rows
        sorting = {sql: how for sql, how in (await plans(database, seen)).items() if 'AS "key"' in sql}
        assert [how[0] for how in sorting.values()] == [step], (order, sorting)


@pytest.mark.parametrize("order", LeadOrder)
async def test_what_many_meet_is_walked_to_in_the_list_s_order(
    database: Database, monkeypatch: pytest.MonkeyPatch, order: LeadOrder, analyzed: bool
) -> None:
    await _fill(database, analyzed=analyzed)
    for which in ("_LOOKING", "_IN_INDEX"):
        monkeypatch.setattr(list_paths, which, list_paths.Effort(20, 20, 300))
    for wanted in (LeadFilter(search="щербань"), LeadFilter(created=Stretch(BEGIN, None), last_call=MONTH)):
        with statements() as seen:
            async with database.read() as session:
                assert (await list_leads(session, wanted, order, Request(50), None)).rows
        walks = {sql: how for sql, how in (await plans(database, seen)).items() if 'AS "key"' in sql}
        assert walks
        for sql, how in walks.items():
            assert any("USING INDEX ix_lead_" in each or "USING COVERING INDEX ix_lead_" in each for each in how), sql
            assert not any(each.startswith(("SCAN lead ", "SCAN lead_search")) or each == "SCAN lead" for each in how)


LATE = Stretch(BEGIN + timedelta(days=60), None)


async def _steps(database: Database, wanted: LeadFilter, order: LeadOrder) -> dict[str, list[str]]:
    """How the statements of a full first page that take leads find them."""
    with statements() as seen:
        async with database.read() as session:
            assert len((await list_leads(session, wanted, order, Request(20), None)).rows) == 20
    return {sql: how for sql, how in (await plans(database, seen)).items() if "FROM lead " in sql and "LIMIT" in sql}


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        (LeadFilter(last_call=LATE), LeadOrder.CREATED),
        (LeadFilter(last_call=LATE, created=Stretch(BEGIN, None), source_id=1), LeadOrder.CREATED),
        (LeadFilter(created=LATE), LeadOrder.LAST_CALL),
        (LeadFilter(created=LATE), LeadOrder.SOURCE),
    ],
)
async def test_times_and_sources_are_walked_to_in_an_index_that_holds_them(
    database: Database, monkeypatch: pytest.MonkeyPatch, wanted: LeadFilter, order: LeadOrder, analyzed: bool
) -> None:
    await _fill(database, analyzed=analyzed)
    monkeypatch.setattr(list_paths, "_IN_INDEX", list_paths.Effort(5, 5, 300))
    index = {LeadOrder.CREATED: "ix_lead_created_at", LeadOrder.LAST_CALL: "ix_lead_last_call_at"}.get(order)
    index = index or "ix_lead_source_sort_name"
    walks = [how for sql, how in (await _steps(database, wanted, order)).items() if "AS met" in sql]
    assert walks
    for how in walks:
        at_leads = [step for step in how if " lead " in step]
        assert at_leads
        # Not called covering, because one of its columns is derived; read it is from the index all the same.
        assert all(f"USING INDEX {index}" in step for step in at_leads), how


async def test_before_very_many_are_sorted_they_are_walked_to_half_as_far_as_that_would_take(
    database: Database, monkeypatch: pytest.MonkeyPatch, analyzed: bool
) -> None:
    await _fill(database, analyzed=analyzed)
    monkeypatch.setattr(list_paths, "_LOOKING", list_paths.Effort(5, 50, 30))
    monkeypatch.setattr(list_paths, "_FIRST_WALK", 5)
    monkeypatch.setattr(list_paths, "_SECOND_WALK", 10)
    soon = LeadFilter(created=Stretch(BEGIN + timedelta(days=20), None))  # There are 321 of them, behind 79 others.
    for more, sorts in ((50, True), (250, False), (350, True)):
        monkeypatch.setattr(list_paths, "_IN_INDEX", list_paths.Effort(5, more, 30))
        steps = await _steps(database, soon, LeadOrder.NUMBER)
        assert any("AS rank" in sql for sql in steps) is sorts


async def test_people_without_leads_of_that_time_are_found_out_by_their_own_index(
    database: Database, analyzed: bool
) -> None:
    await _fill(database, analyzed=analyzed)
    for wanted, moment in ((LeadFilter(created=LATE), "created_at"), (LeadFilter(last_call=LATE), "last_call_at")):
        with statements() as seen:
            async with database.read() as session:
                source = (await leads._sources(session, wanted, LeadOrder.RESPONSIBLE, None))[0]
                assert source.labels_in_use is not None
                await session.execute(source.labels_in_use)
        steps = [step for how in (await plans(database, seen)).values() for step in how if "SEARCH lead" in step]
        assert steps
        assert all(f"ix_lead_responsible_{moment} (" in step and f"{moment}>?)" in step for step in steps), steps


async def test_leads_of_many_sources_are_not_sorted_where_their_index_has_them_in_order(
    database: Database, monkeypatch: pytest.MonkeyPatch, analyzed: bool
) -> None:
    await _fill(database, analyzed=analyzed)
    monkeypatch.setattr(list_paths, "MOST_GROUPS_WALKED", 1)
    monkeypatch.setattr(list_paths, "MOST_COUNTED", 50)
    steps = await _steps(database, LeadFilter(status_id=2), LeadOrder.SOURCE)
    assert not [step for how in steps.values() for step in how if "TEMP B-TREE" in step]


async def test_what_no_lead_there_can_meet_is_not_looked_through(
    database: Database, monkeypatch: pytest.MonkeyPatch, analyzed: bool
) -> None:
    await _fill(database, analyzed=analyzed)
    monkeypatch.setattr(list_paths, "_LOOKING", list_paths.Effort(5, 5, 300))
    called = await _steps(database, LeadFilter(last_call=LATE), LeadOrder.LAST_CALL)
    assert not [sql for sql in called if "last_call_at IS NULL" in sql]
    before_numbers = "lead.sort_name < ?"
    for order in (LeadOrder.NAME, LeadOrder.STATUS, LeadOrder.RESPONSIBLE, LeadOrder.SOURCE):
        walks = await _steps(database, LeadFilter(name="щ"), order)
        assert any(before_numbers in sql for sql in walks)
        assert any("sort_name<?)" in step for how in walks.values() for step in how), order
    assert not any(before_numbers in sql for sql in await _steps(database, LeadFilter(name="3"), LeadOrder.NAME))


async def test_a_page_of_counterparties_reads_their_numbers_only(database: Database, analyzed: bool) -> None:
    async with database.write() as session:
        common = {"created_at": BEGIN, "updated_at": BEGIN, "search_text": "", "folder": ""}
        rows = [{"name": f"C {one}", "sort_name": f"c{one}", **common} for one in range(1000)]
        await session.execute(insert(models.Counterparty), rows)
        people = [{"counterparty_id": one, "name": "P"} for one in range(1, 1001)]
        await session.execute(insert(models.ContactPerson), people)
        for owner in ("counterparty_id", "contact_person_id"):
            numbers = [{"number": f"+38{len(owner)}{one:07}", owner: one} for one in range(1, 1001)]
            await session.execute(insert(models.PhoneNumber), numbers)
        if analyzed:
            await session.execute(text("ANALYZE"))
    with statements() as seen:
        async with database.read() as session:
            page = await list_counterparties(session, CounterpartyFilter(), CounterpartyOrder.NAME, Request(20), None)
    assert [len(row.numbers) for row in page.rows] == [2] * 20
    steps = [step for how in (await plans(database, seen)).values() for step in how]
    assert not [step for step in steps if step.startswith(("SCAN phone_number", "SCAN contact_person"))]


def test_what_lists_sort_and_filter_by_is_in_the_index_of_each_filter(analyzed: bool, dialect: str) -> None:
    indexes = {index.name: {column.name for column in index.columns} for index in Lead.__table__.indexes}
    for name in ("ix_lead_created_at", "ix_lead_last_call_at", "ix_lead_source_sort_name"):
        assert indexes[name] >= LISTED, name
