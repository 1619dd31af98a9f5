"""Reads planned calls as plain values: one person's, one employee's day, and lists of all (P2, P5)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, TextClause, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from leads.domain.planning import PlanState
from leads.store.former_leads import of_person
from leads.store.models import Counterparty, Employee, Lead
from leads.store.people_of_calls import CallPerson
from leads.store.planning_tables import OPEN, PlannedCall

MOST_ON_CARD = 20
MOST_OF_A_DAY = 200
PAGE = 50


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One planned call; `number` is the person's first, None where there is none."""

    id: int
    version: int
    lead_id: int | None
    counterparty_id: int | None
    name: str
    named: bool
    number: str | None
    employee_id: int | None
    employee: str | None
    state: PlanState
    day: date
    at: datetime | None
    by_hand: bool
    note: str
    made_at: datetime
    made_by: str | None
    closed_at: datetime | None
    closed_by: str | None

    @property
    def card(self) -> str:
        """The address of the person's card."""
        return CallPerson(self.lead_id, self.counterparty_id).card


_MADE_BY, _CLOSED_BY = aliased(Employee), aliased(Employee)

FIRST_NUMBER: ColumnElement[str | None] = func.nullif(func.coalesce(Lead.main_number, Counterparty.main_number), "")
"""The number under which a lead or a counterparty is called first; its contact persons' come after its own."""
_COLUMNS: tuple[Any, ...] = (
    PlannedCall.id,
    PlannedCall.version,
    PlannedCall.lead_id,
    PlannedCall.counterparty_id,
    func.coalesce(Lead.name, Counterparty.name),
    func.coalesce(Lead.named, True),
    FIRST_NUMBER,
    PlannedCall.employee_id,
    Employee.name,
    PlannedCall.state,
    PlannedCall.day,
    PlannedCall.at,
    PlannedCall.by_hand,
    PlannedCall.note,
    PlannedCall.made_at,
    _MADE_BY.name,
    PlannedCall.closed_at,
    _CLOSED_BY.name,
)
"""In the order of PlanRow's fields."""


def plan_rows() -> Select[Any]:
    """Planned calls with the names that belong to them."""
    statement: Select[Any] = select(*_COLUMNS)
    return (
        statement.select_from(PlannedCall)
        .outerjoin(Lead, Lead.id == PlannedCall.lead_id)
        .outerjoin(Counterparty, Counterparty.id == PlannedCall.counterparty_id)
        .outerjoin(Employee, Employee.id == PlannedCall.employee_id)
        .outerjoin(_MADE_BY, _MADE_BY.id == PlannedCall.made_by_id)
        .outerjoin(_CLOSED_BY, _CLOSED_BY.id == PlannedCall.closed_by_id)
    )


async def plans_of(
    session: AsyncSession, person: CallPerson, most: int = MOST_ON_CARD, skip: int = 0
) -> Sequence[PlanRow]:
    """The planned calls of one person, the open one first, then those done or cancelled last.

    A counterparty's are also those of the leads that it was. At most so many after the first `skip`.
    """
    order = (PlannedCall.closed_at.is_not(None), PlannedCall.closed_at.desc(), PlannedCall.id.desc())
    statement = plan_rows().where(of_person(PlannedCall, person)).order_by(*order)
    return [PlanRow(*row) for row in await session.execute(statement.limit(most).offset(skip))]


async def find_plan(session: AsyncSession, plan_id: int) -> PlanRow | None:
    """One planned call by its key."""
    row = (await session.execute(plan_rows().where(PlannedCall.id == plan_id))).first()
    return PlanRow(*row) if row else None


async def due_untold(session: AsyncSession, employee_id: int, now: datetime, today: date) -> Sequence[PlanRow]:
    """The calls that became due and that their employee was not reminded of yet."""
    is_now = and_(PlannedCall.day == today, or_(PlannedCall.at.is_(None), PlannedCall.at <= now))
    mine = (OPEN, PlannedCall.employee_id == employee_id, PlannedCall.reminded_at.is_(None))
    statement = plan_rows().where(*mine, or_(PlannedCall.day < today, is_now))
    statement = statement.order_by(PlannedCall.day, PlannedCall.id).limit(MOST_OF_A_DAY)
    return [PlanRow(*row) for row in await session.execute(statement)]


async def mark_reminded(session: AsyncSession, plans: Collection[int], now: datetime) -> set[int]:
    """Count the employee as reminded; returns of which calls he was not yet: one of his windows tells him."""
    # Whoever holds some of them at this moment is not waited for: they are told at the next look.
    fresh = select(PlannedCall.id).where(PlannedCall.id.in_(plans), PlannedCall.reminded_at.is_(None))
    fresh = fresh.with_for_update(skip_locked=True)
    marked = update(PlannedCall).where(PlannedCall.id.in_(fresh)).values(reminded_at=now).returning(PlannedCall.id)
    return set(await session.scalars(marked.execution_options(synchronize_session=False)))


async def count_due(session: AsyncSession, employee_id: int, today: date) -> int:
    """How many calls of an employee's are due today or overdue."""
    mine = (OPEN, PlannedCall.employee_id == employee_id, PlannedCall.day <= today)
    return await session.scalar(select(func.count()).select_from(PlannedCall).where(*mine)) or 0


@dataclass(frozen=True, slots=True)
class PlanFilter:
    """What the list of planned calls is narrowed to; `before` is a day that overdue ones are earlier than."""

    state: PlanState = PlanState.OPEN
    employees: frozenset[int] | None = None
    before: date | None = None
    day: date | None = None


async def list_plans(session: AsyncSession, wanted: PlanFilter, page: int) -> Sequence[PlanRow]:
    """One page of the list, and one row more where there is a next page; the soonest first, the last done first."""
    order: tuple[Any, ...] = (PlannedCall.day, PlannedCall.id)
    if wanted.state is not PlanState.OPEN:
        order = (PlannedCall.day.desc(), PlannedCall.id.desc())
    # First which they are, by an index in their order: no name is looked up that the page does not show.
    ids = select(PlannedCall.id).where(*_conditions(wanted)).order_by(*order).offset(page * PAGE).limit(PAGE + 1)
    rows = await session.execute(plan_rows().where(PlannedCall.id.in_(ids)).order_by(*order))
    return [PlanRow(*row) for row in rows]


async def plans_by_day(
    session: AsyncSession, employees: frozenset[int] | None, first: date, last: date
) -> dict[date, int]:
    """How many calls are open on each day of a calendar."""
    wanted = _conditions(PlanFilter(employees=employees))
    days = PlannedCall.day.between(first, last)
    counts = select(PlannedCall.day, func.count()).where(*wanted, days).group_by(PlannedCall.day)
    return {row[0]: row[1] for row in await session.execute(counts)}


def _conditions(wanted: PlanFilter) -> list[ColumnElement[bool] | TextClause]:
    conditions: list[ColumnElement[bool] | TextClause] = []
    conditions.append(OPEN if wanted.state is PlanState.OPEN else PlannedCall.state == wanted.state)
    if wanted.employees is not None:
        conditions.append(PlannedCall.employee_id.in_(wanted.employees))
    if wanted.before is not None:
        conditions.append(PlannedCall.day < wanted.before)
    if wanted.day is not None:
        conditions.append(PlannedCall.day == wanted.day)
    return conditions
