"""Reads what an employee has to do today, page by page (P5, P7).

However long the lists are, nobody is forgotten behind their ends.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from leads.domain.follow_up import TaskKind
from leads.domain.visibility import Scope
from leads.store.models import Counterparty, Lead
from leads.store.plan_lists import PlanRow, plan_rows
from leads.store.planning_tables import OPEN, PlannedCall
from leads.store.task_tables import OPEN_MISSED, Task
from leads.store.tasks import TaskRow, task_rows
from leads.store.visibility import counterparties_of, leads_of

PAGE = 100
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class DayPart(Generic[Row]):
    """One page of one of the day's lists, with how long the whole list is; the first page is 0."""

    rows: Sequence[Row]
    page: int
    total: int

    @property
    def before(self) -> int | None:
        """The page before; None where this is the first."""
        return self.page - 1 if self.page else None

    @property
    def after(self) -> int | None:
        """The next page; None where this is the last."""
        return self.page + 1 if (self.page + 1) * PAGE < self.total else None


async def due_plans(session: AsyncSession, employee_id: int, today: date, page: int = 0) -> DayPart[PlanRow]:
    """An employee's open calls that are due today or overdue, the longest due first."""
    return await _due(session, PlannedCall.employee_id == employee_id, today, page)


async def ownerless_plans(session: AsyncSession, today: date, page: int = 0) -> DayPart[PlanRow]:
    """The due calls with people for whom nobody is responsible, the longest due first."""
    return await _due(session, PlannedCall.employee_id.is_(None), today, page)


async def _due(session: AsyncSession, whose: ColumnElement[bool], today: date, page: int) -> DayPart[PlanRow]:
    due = plan_rows().where(OPEN, whose, PlannedCall.day <= today)
    order = (PlannedCall.day, PlannedCall.at.is_(None), PlannedCall.at, PlannedCall.id)
    return await _part(session, due.order_by(*order), PlannedCall.id, PlanRow, page)


async def open_tasks_for(session: AsyncSession, employee_id: int, kind: TaskKind, page: int = 0) -> DayPart[TaskRow]:
    """An employee's open tasks of one kind, the soonest due, or the last missed, first."""
    theirs = task_rows().where(Task.employee_id == employee_id, Task.done_at.is_(None), Task.kind == kind)
    order = (Task.due_on.is_(None), Task.due_on, Task.missed_at.desc(), Task.id)
    return await _part(session, theirs.order_by(*order), Task.id, TaskRow, page)


async def ownerless_missed(session: AsyncSession, scope: Scope, page: int = 0) -> DayPart[TaskRow]:
    """The missed calls that are nobody's, of cards that somebody with this scope may see, the last missed first."""
    conditions: list[ColumnElement[bool]] = [Task.employee_id.is_(None)]
    if scope is not None:
        waiting = aliased(Task)
        ownerless = (waiting.employee_id.is_(None), waiting.done_at.is_(None))
        leads = select(Lead.id).where(Lead.id.in_(select(waiting.lead_id).where(*ownerless)))
        companies = select(Counterparty.id).where(
            Counterparty.id.in_(select(waiting.counterparty_id).where(*ownerless))
        )
        theirs = Task.lead_id.in_(leads.where(leads_of(scope).check))
        conditions.append(or_(theirs, Task.counterparty_id.in_(companies.where(counterparties_of(scope).check))))
    statement = task_rows().where(OPEN_MISSED, *conditions).order_by(Task.missed_at.desc(), Task.id)
    return await _part(session, statement, Task.id, TaskRow, page)


async def calls_waiting(session: AsyncSession, employees: Collection[int], today: date) -> dict[int, int]:
    """How many calls wait in the days of some employees, due and missed ones; nobody for whom none does."""
    due = (OPEN, PlannedCall.employee_id.in_(employees), PlannedCall.day <= today)
    planned = select(PlannedCall.employee_id, func.count()).where(*due).group_by(PlannedCall.employee_id)
    to_whom = (OPEN_MISSED, Task.employee_id.in_(employees))
    missed = select(Task.employee_id, func.count()).where(*to_whom).group_by(Task.employee_id)
    waiting: Counter[Any] = Counter()
    for statement in (planned, missed):
        for employee, count in await session.execute(statement):
            waiting[employee] += count
    return dict(waiting)


async def _part(
    session: AsyncSession, ordered: Select[Any], key: InstrumentedAttribute[int], row: Callable[..., Row], page: int
) -> DayPart[Row]:
    """A page of a list; the last one where the list has become shorter since its address was made."""
    every = ordered.with_only_columns(key).order_by(None).subquery()
    total = await session.scalar(select(func.count()).select_from(every)) or 0
    page = min(page, max(0, total - 1) // PAGE)
    rows = await session.execute(ordered.offset(page * PAGE).limit(PAGE))
    return DayPart([row(*each) for each in rows], page, total)
