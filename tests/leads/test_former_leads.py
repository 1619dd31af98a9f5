"""What is about a counterparty and the leads that it was is found by indexes on both databases (L5)."""

import re
from datetime import UTC, date, datetime

from sqlalchemy import insert, text

from leads.domain.follow_up import TaskKind
from leads.store.board import calls_of_counterparty
from leads.store.cards import history_with_leads
from leads.store.counterparties import CounterpartyFilter, CounterpartyOrder, list_counterparties
from leads.store.counterparty_rows import numbers_on
from leads.store.daily_plans import plan_day
from leads.store.day_lists import due_plans, open_tasks_for
from leads.store.engine import Database
from leads.store.listing import Request
from leads.store.models import Employee
from leads.store.people_of_calls import CallPerson
from leads.store.plan_lists import PlanFilter, list_plans, plans_of
from leads.store.tasks import notes_of, tasks_of
from tests.leads.planning import ZONE
from tests.leads.query_plans import plans, statements

NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)
TODAY = date(2026, 3, 3)
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0}) "
MANY = (
    NUMBERS.format(2000) + "INSERT INTO counterparty (id, name, folder, email, address, comment, status_id, sort_name, "
    "main_number, sort_person, people_keys, search_text, created_at, updated_at, version) SELECT i, 'c' || i, '', '', "
    "'', '', 1, 'c' || i, '', '', '', '', :now, :now, 1 FROM n",
    NUMBERS.format(2000) + "INSERT INTO contact_person (id, counterparty_id, name, email) SELECT i, i, 'p', '' FROM n",
    NUMBERS.format(6000) + "INSERT INTO lead (id, name, named, status_id, counterparty_id, closed_at, created_at, "
    "updated_at, main_number, sort_name, search_text, version, email, address, comment, responsible_by_hand) "
    "SELECT i, 'l' || i, true, 1, 1 + i % 2000, :now, :now, :now, '', 'l', '', 1, '', '', '', false FROM n",
    NUMBERS.format(6000) + "INSERT INTO call (pbx, linkedid, role, phase, progress, lead_id, counterparty_id, "
    "employee_id, result, started_at, transfers, legs, incomplete) SELECT 'p', CAST(i AS TEXT), 'call', 3, 1, "
    "CASE WHEN i % 2 = 0 THEN i END, CASE WHEN i % 2 = 1 THEN 1 + i % 2000 END, 1, 'answered', :now, '[]', '[]', false "
    "FROM n",
    NUMBERS.format(6000) + "INSERT INTO change (lead_id, counterparty_id, employee_id, at, field, before, after) "
    "SELECT CASE WHEN i % 2 = 0 THEN i END, CASE WHEN i % 2 = 1 THEN 1 + i % 2000 END, 1, :now, 'name', '', '' FROM n",
    NUMBERS.format(6000) + "INSERT INTO task (kind, lead_id, counterparty_id, employee_id, text, made_at, done_at, "
    "reason, missed, attempts) SELECT 'typed', CASE WHEN i % 2 = 0 THEN i END, CASE WHEN i % 2 = 1 THEN 1 + i % 2000 "
    "END, 1, '', :now, :now, '', 0, 0 FROM n",
    NUMBERS.format(6000) + "INSERT INTO note (lead_id, counterparty_id, at, employee_id, text) SELECT CASE WHEN i % 2 "
    "= 0 THEN i END, CASE WHEN i % 2 = 1 THEN 1 + i % 2000 END, :now, 1, 'n' FROM n",
    NUMBERS.format(6000)
    + "INSERT INTO planned_call (lead_id, counterparty_id, employee_id, state, day, by_hand, note, "
    "set_at, made_at, version) SELECT CASE WHEN i % 2 = 0 THEN i END, CASE WHEN i % 2 = 1 THEN 1 + i % 2000 END, 1, "
    "'done', '2026-03-03', false, '', :now, :now, 1 FROM n",
    NUMBERS.format(6000) + "INSERT INTO phone_number (number, position, counterparty_id, contact_person_id, "
    "on_active_lead) SELECT '+38050' || i, 0, CASE WHEN i % 2 = 0 THEN 1 + i % 2000 END, CASE WHEN i % 2 = 1 THEN "
    "1 + i % 2000 END, false FROM n",
)
BIG = "call|change|task|note|planned_call|phone_number"


async def test_no_table_is_read_whole_for_a_card(database: Database) -> None:
    """A card took 4 s among a million calls on PostgreSQL, and the daily job 1 s for each counterparty."""
    now = NOW.strftime("%Y-%m-%d %H:%M:%S.%f") if database.dialect == "sqlite" else NOW
    async with database.write() as session:
        await session.execute(insert(Employee), [{"id": 1, "name": "e", "created_at": NOW}])
        for statement in MANY:
            wanted = text(statement)
            await session.execute(wanted, {"now": now} if ":now" in statement else {})
    if database.dialect == "postgresql":
        async with database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.exec_driver_sql("VACUUM ANALYZE")
    person = CallPerson(counterparty_id=8)
    with statements() as seen:
        async with database.read() as session:
            assert await plans_of(session, person)
            assert await tasks_of(session, person)
            assert await notes_of(session, person)
            assert await numbers_on(session, 8)
            assert await calls_of_counterparty(session, 8)
            assert await history_with_leads(session, 8)
            assert (
                await list_counterparties(session, CounterpartyFilter(), CounterpartyOrder.NAME, Request(2), None)
            ).rows
            await due_plans(session, 1, TODAY)
            await open_tasks_for(session, 1, TaskKind.TYPED)
            await list_plans(session, PlanFilter(), 0)
        assert await plan_day(database, ZONE, lambda: NOW) == 2000
    for sql, steps in (await plans(database, seen)).items():
        whole = [step for step in steps if re.search(rf"(SCAN|Seq Scan on) ({BIG})\b", step)]
        whole += [step for step in steps if "ix_call_started_at" in step]
        assert not whole, (sql, steps)
