"""By which index PostgreSQL finds what a list of leads is narrowed to, where only some of many are left."""

from itertools import product

import pytest
from sqlalchemy import insert, text

from leads.store.engine import Database
from leads.store.leads import LeadFilter, LeadOrder, LeadState, list_leads
from leads.store.listing import Request
from leads.store.models import Source
from leads.store.search import sort_key
from tests.leads.query_plans import statements

pytestmark = pytest.mark.parametrize("dialect", ["postgres"], indirect=True)

MANY = """
    INSERT INTO lead (name, named, status_id, source_id, created_at, updated_at, last_call_at, main_number, sort_name,
                      search_text, closed_at, version, email, address, comment, responsible_by_hand)
    SELECT name, true, 1 + each % 4, CASE WHEN each % 10 = 0 THEN 1 END, at, at, at, '+38050' || each, key || each,
           '  ' || name || '  +38050' || each, CASE WHEN each % 100 < 12 THEN at END, 1, '', '', repeat('x', 200), false
    FROM (SELECT each, CASE WHEN each % 10 = 0 THEN 'щербань' ELSE 'коваль' END AS name,
                 CASE WHEN each % 10 = 0 THEN CAST(:found AS text) ELSE CAST(:other AS text) END AS key,
                 timestamptz '2026-01-01 00:00+00' + each * interval '1 hour' AS at
          FROM generate_series(1, 10000) AS each) AS made
"""
FOUND_BY = (
    (LeadFilter(search="щербань", state=LeadState.ALL), "ix_lead_search_text"),
    (LeadFilter(search="щербань", state=LeadState.CLOSED), "ix_lead_search_text"),
    (LeadFilter(name="щербань"), "ix_lead_search_text"),
    (LeadFilter(source_id=1), "ix_lead_source_sort_name"),
)


async def test_matches_are_sorted_from_the_index_of_what_was_asked_for(database: Database) -> None:
    async with database.write() as session:
        await session.execute(insert(Source), [{"id": 1, "name": "s"}])
        await session.execute(text(MANY), {"found": sort_key("щербань"), "other": sort_key("коваль")})
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.exec_driver_sql("VACUUM ANALYZE lead")
    for (wanted, index), order in product(FOUND_BY, (LeadOrder.NUMBER, LeadOrder.CREATED, LeadOrder.LAST_CALL)):
        with statements() as seen:
            async with database.read() as session:
                assert len((await list_leads(session, wanted, order, Request(50), None)).rows) == 50
        async with database.engine.connect() as connection:
            for sql, parameters in seen.items():
                if "AS key" in sql:
                    plan = (await connection.exec_driver_sql(f"EXPLAIN {sql}", parameters)).scalars().all()
                    used = [line for line in plan if "ix_lead_" in line]
                    assert used, (order, plan)
                    assert all(index in line for line in used), (order, plan)
                    assert not [line for line in plan if "Join" in line or "Loop" in line], (order, plan)


async def test_each_page_is_planned_for_its_own_values(database: Database) -> None:
    """A plan for all values may pass the whole table where one of them, such as being closed, has no rows."""
    async with database.read() as session:
        for _ in range(7):  # After five plans for their own PostgreSQL would use one for all.
            await list_leads(session, LeadFilter("щербань", LeadState.ALL), LeadOrder.CREATED, Request(50), None)
        found = await session.execute(
            text(
                "SELECT custom_plans, generic_plans FROM pg_prepared_statements "
                "WHERE statement LIKE '%search_text%' AND custom_plans + generic_plans >= 7"
            )
        )
        plans = [(row[0], row[1]) for row in found]
    assert plans
    assert not [plan for plan in plans if plan[1]]


async def test_a_whole_number_is_found_by_its_end(database: Database) -> None:
    """What all numbers of a country begin with, the index would go through in all of them."""
    with statements() as seen:
        async with database.read() as session:
            await list_leads(session, LeadFilter("+380501234567"), LeadOrder.NUMBER, Request(50), None)
    searching = [parameters for sql, parameters in seen.items() if "search_text LIKE" in sql]
    assert searching
    assert all("%501234567%" in parameters for parameters in searching)
