"""Gives many leads to another employee at once (L8); routing follows from the next call on."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.visibility import Scope
from leads.store import cards
from leads.store.engine import Database, breathe
from leads.store.leads import LeadFilter, leads_in_list
from leads.store.listing import next_ids
from leads.store.models import Change, Employee, Lead
from leads.store.visibility import leads_of

Clock = Callable[[], datetime]
MOST_AT_ONCE = 100
"""Leads in one transaction: calls must not wait for it."""


@dataclass(frozen=True, slots=True)
class Given:
    """What became of the leads: `given` changed hands; `closed` ones are read-only and stay as they are."""

    given: int
    closed: int


@dataclass(frozen=True, slots=True)
class _Giving:
    """To whom, at whose word, and when."""

    responsible_id: int | None
    by: int | None
    clock: Clock


async def give_leads(
    database: Database,
    lead_ids: Collection[int],
    responsible_id: int | None,
    *,
    by: int | None,
    clock: Clock,
    scope: Scope = None,
) -> Given:
    """Make an employee (None: nobody) responsible for many leads, each with a line in its history.

    Leads that are not there, or that the person may not see, are passed over without a word.

    Raises:
        WrongFieldError: there is no such employee.
    """
    given = closed = 0
    wanted = sorted(set(lead_ids))
    giving = _Giving(responsible_id, by, clock)
    visible = () if scope is None else (leads_of(scope).check,)
    for start in range(0, len(wanted), MOST_AT_ONCE):
        async with database.write() as session:
            done = await _give(session, wanted[start : start + MOST_AT_ONCE], giving, *visible)
        given, closed = given + done.given, closed + done.closed
    return Given(given, closed)


async def give_list(
    database: Database,
    wanted: LeadFilter,
    responsible_id: int | None,
    *,
    by: int | None,
    clock: Clock,
    scope: Scope = None,
) -> int:
    """Do the same with all open leads of a list, however long it is; tells how many changed hands.

    They are looked for without holding anybody up, and change hands some at a time, between which calls have the
    database. Whatever has left the list by then stays as it is. Broken off half-way, it is finished by doing it again.

    Raises:
        WrongFieldError: there is no such employee.
    """
    giving = _Giving(responsible_id, by, clock)
    async with database.read() as session:
        await cards.employee_name(session, responsible_id)
        listed = await leads_in_list(session, wanted, scope)
    given, after = 0, 0
    while True:
        async with database.read() as session:
            ids, last = await next_ids(session, Lead.id, listed, after)
        for start in range(0, len(ids), MOST_AT_ONCE):
            began = time.monotonic()
            async with database.write() as session:
                done = await _give(session, ids[start : start + MOST_AT_ONCE], giving, listed)
            given += done.given
            await breathe(began)
        if last is None:
            return given
        after = last


async def _give(
    session: AsyncSession, ids: Collection[int], giving: _Giving, *conditions: ColumnElement[bool]
) -> Given:
    name = await cards.employee_name(session, giving.responsible_id)
    found = await session.execute(
        select(Lead.id, Lead.responsible_id, Lead.closed_at)
        .where(Lead.id.in_(ids), Lead.merged_into_id.is_(None), *conditions)
        .where(Lead.responsible_id.is_distinct_from(giving.responsible_id))
        .order_by(Lead.id)
        .with_for_update(key_share=True)
    )
    rows = found.all()
    had = {row[0]: row[1] for row in rows if row[2] is None}
    if had:
        now = giving.clock()
        people = await session.execute(
            select(Employee.id, Employee.name).where(Employee.id.in_({*had.values()} - {None}))
        )
        names = {row[0]: row[1] for row in people}
        fixed = {"at": now, "employee_id": giving.by, "counterparty_id": None, "field": "responsible", "after": name}
        await session.execute(
            insert(Change),
            [{**fixed, "lead_id": one, "before": names.get(before or 0, "")} for one, before in had.items()],
        )
        values = {"responsible_id": giving.responsible_id, "responsible_by_hand": True, "updated_at": now}
        statement = update(Lead).where(Lead.id.in_(had)).values(**values, version=Lead.version + 1)
        await session.execute(statement.execution_options(synchronize_session=False))
    return Given(len(had), len(rows) - len(had))
