"""Moves calls that were planned for a day before it became a holiday, or a day on which nobody works (P4).

Days that a person chose stay, and so does what is overdue: it is the one open call.
"""

import time
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.clock import Clock
from leads.domain.planning import Calendar, Workload
from leads.store import daily_plans
from leads.store.cards import Journal
from leads.store.engine import Database, breathe
from leads.store.lock_order import hold_persons
from leads.store.planning_settings import company_calendar, planned_load, planning_choice
from leads.store.planning_tables import OPEN, PlannedCall

AT_ONCE = 100
_FARTHEST = 2 * 366
"""Days: no status plans more than a year ahead; what many calls at once have pushed behind that moves later."""


async def clear_days_off(
    database: Database, zone: ZoneInfo, clock: Clock, *, by: int | None = None, most: int | None = None
) -> int:
    """Move what statuses planned for days off to the next working days, within the daily cap; tells how many moved.

    Args:
        database: where they are.
        zone: the company's, by whose days calls are planned.
        clock: tells the present moment, UTC.
        by: whose change of the company's days it is, where that is known.
        most: how many pieces are moved at most; None for all.
    """
    moved, pieces, load = 0, 0, None
    while True:
        began = time.monotonic()
        async with database.read() as session:
            if not (await planning_choice(session))[1].planning:
                return moved
            today = clock().astimezone(zone).date()
            days = _days_off(await company_calendar(session, zone), today)
            found = (await session.scalars(select(PlannedCall.id).where(*_on(days)).limit(AT_ONCE))).all()
            if not found:
                return moved
            load = load or await planned_load(session, zone, today)
        async with database.write() as session:
            plans = await _locked(session, found, days)
            journals = [_move(plan, load, clock(), by) for plan in plans]
            changes = [change for journal in journals for change in journal.changes]
            session.add_all(changes)
        moved, pieces = moved + len(changes), pieces + 1
        # Without any, whoever changed them was faster, or there is no working day to move them to.
        if not changes or pieces == most:
            return moved
        await breathe(began, daily_plans.PAUSES)


def _days_off(calendar: Calendar, today: date) -> Sequence[date]:
    """The days from today on for which nothing is to be planned."""
    every = (today + timedelta(days=ahead) for ahead in range(_FARTHEST))
    return [day for day in every if not calendar.is_working(day)]


def _on(days: Collection[date]) -> tuple[Any, ...]:
    return OPEN, PlannedCall.day.in_(days), ~PlannedCall.by_hand


async def _locked(session: AsyncSession, ids: Sequence[int], days: Collection[date]) -> Sequence[PlannedCall]:
    """Keep others from these calls; those that somebody changed meanwhile are left alone."""
    these = PlannedCall.id.in_(ids)
    whose = (await session.execute(select(PlannedCall.lead_id, PlannedCall.counterparty_id).where(these))).all()
    await hold_persons(session, [row.lead_id for row in whose], [row.counterparty_id for row in whose])
    wanted = select(PlannedCall).where(these, *_on(days)).order_by(PlannedCall.day, PlannedCall.id)
    return (await session.scalars(wanted.with_for_update(key_share=True))).all()


def _move(plan: PlannedCall, load: Workload, now: datetime, by: int | None) -> Journal:
    """Move one; when its day was chosen stays, so that a conversation that goes on at this moment fulfils it."""
    day = load.place(plan.employee_id, load.calendar.working_day(plan.day))
    journal = Journal(now, by, lead_id=plan.lead_id, counterparty_id=plan.counterparty_id)
    if journal.note("planned_call", plan.day.isoformat(), day.isoformat()):
        plan.day, plan.reminded_at = day, None
    return journal
