"""Gives many leads to another employee at once (L8); routing follows from the next call on.

A whole list is given in pieces by leads.store.handing_over, each of them with `give_some`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.clock import Clock
from leads.domain.visibility import Scope
from leads.store import cards
from leads.store.engine import Database
from leads.store.models import Change, Employee, Lead
from leads.store.visibility import leads_of

MOST_AT_ONCE = 100
"""Leads in one transaction: calls must not wait for it."""


@dataclass(frozen=True, slots=True)
class Given:
    """What became of the leads: `given` changed hands, `theirs` had done so before; `closed` ones stay as they are."""

    given: int
    closed: int = 0
    theirs: int = 0


@dataclass(frozen=True, slots=True)
class Giving:
    """To whom (None: nobody), at whose word, and when."""

    responsible_id: int | None
    by: int | None
    now: datetime


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
        WrongFieldError: there is no such employee at work.
    """
    given = closed = theirs = 0
    wanted = sorted(set(lead_ids))
    visible = () if scope is None else (leads_of(scope).check,)
    for start in range(0, len(wanted), MOST_AT_ONCE):
        async with database.write() as session:
            giving = Giving(responsible_id, by, clock())
            done = await give_some(session, wanted[start : start + MOST_AT_ONCE], giving, *visible)
        given, closed, theirs = given + done.given, closed + done.closed, theirs + done.theirs
    return Given(given, closed, theirs)


async def give_some(
    session: AsyncSession, ids: Collection[int], giving: Giving, *conditions: ColumnElement[bool]
) -> Given:
    """Give those of the leads that meet the conditions now, at most MOST_AT_ONCE of them.

    Raises:
        WrongFieldError: there is no such employee at work.
    """
    name = await cards.chosen_name(session, giving.responsible_id, None)
    found = await session.execute(
        select(Lead.id, Lead.responsible_id, Lead.closed_at)
        .where(Lead.id.in_(ids), Lead.merged_into_id.is_(None), *conditions)
        .order_by(Lead.id)
        .with_for_update(key_share=True)
    )
    rows = found.all()
    had = {row[0]: row[1] for row in rows if row[2] is None and row[1] != giving.responsible_id}
    closed = sum(row[2] is not None for row in rows)
    if had:
        people = await session.execute(
            select(Employee.id, Employee.name).where(Employee.id.in_({*had.values()} - {None}))
        )
        names = {row[0]: row[1] for row in people}
        fixed = {"at": giving.now, "employee_id": giving.by, "counterparty_id": None, "field": "responsible"}
        await session.execute(
            insert(Change),
            [
                {**fixed, "lead_id": one, "before": names.get(before or 0, ""), "after": name}
                for one, before in had.items()
            ],
        )
        values = {"responsible_id": giving.responsible_id, "responsible_by_hand": True, "updated_at": giving.now}
        statement = update(Lead).where(Lead.id.in_(had)).values(**values, version=Lead.version + 1)
        await session.execute(statement.execution_options(synchronize_session=False))
    return Given(len(had), closed, len(rows) - len(had) - closed)
