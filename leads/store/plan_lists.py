"""Reads planned calls as plain values: those of one person (P2), and one by its key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from leads.domain.planning import PlanState
from leads.store.models import ContactPerson, Counterparty, Employee, Lead, PhoneNumber
from leads.store.people_of_calls import CallPerson
from leads.store.planning_tables import PlannedCall

MOST_ON_CARD = 20


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
    made_by: str | None
    closed_at: datetime | None
    closed_by: str | None

    @property
    def card(self) -> str:
        """The address of the person's card."""
        return f"/leads/{self.lead_id}" if self.lead_id is not None else f"/counterparties/{self.counterparty_id}"


_MADE_BY, _CLOSED_BY = aliased(Employee), aliased(Employee)
_ORDER = (PhoneNumber.contact_person_id.is_not(None), PhoneNumber.position, PhoneNumber.id)


def _of_counterparty(key: InstrumentedAttribute[int | None] | int | None) -> ColumnElement[bool]:
    people = select(ContactPerson.id).where(ContactPerson.counterparty_id == key)
    return or_(PhoneNumber.counterparty_id == key, PhoneNumber.contact_person_id.in_(people))


_FIRST_NUMBER = (
    select(PhoneNumber.number)
    .where(_of_counterparty(PlannedCall.counterparty_id))
    .order_by(*_ORDER)
    .limit(1)
    .correlate(PlannedCall)
    .scalar_subquery()
)
_COLUMNS: tuple[Any, ...] = (
    PlannedCall.id,
    PlannedCall.version,
    PlannedCall.lead_id,
    PlannedCall.counterparty_id,
    func.coalesce(Lead.name, Counterparty.name),
    func.coalesce(Lead.named, True),
    func.coalesce(Lead.main_number, _FIRST_NUMBER),
    PlannedCall.employee_id,
    Employee.name,
    PlannedCall.state,
    PlannedCall.day,
    PlannedCall.at,
    PlannedCall.by_hand,
    PlannedCall.note,
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


async def plans_of(session: AsyncSession, person: CallPerson) -> Sequence[PlanRow]:
    """The planned calls of one person, the open one first, then those done or cancelled last."""
    statement = (
        plan_rows().where(_is_of(person)).order_by(PlannedCall.closed_at.is_not(None), PlannedCall.closed_at.desc())
    )
    return [PlanRow(*row) for row in await session.execute(statement.limit(MOST_ON_CARD))]


async def find_plan(session: AsyncSession, plan_id: int) -> PlanRow | None:
    """One planned call by its key."""
    row = (await session.execute(plan_rows().where(PlannedCall.id == plan_id))).first()
    return PlanRow(*row) if row else None


async def numbers_of(session: AsyncSession, person: CallPerson) -> tuple[str, ...]:
    """The numbers under which a person can be called, the first first."""
    if person.lead_id is not None:
        whose: ColumnElement[bool] = PhoneNumber.lead_id == person.lead_id
    else:
        whose = _of_counterparty(person.counterparty_id)
    return tuple(dict.fromkeys(await session.scalars(select(PhoneNumber.number).where(whose).order_by(*_ORDER))))


def _is_of(person: CallPerson) -> ColumnElement[bool]:
    if person.lead_id is not None:
        return PlannedCall.lead_id == person.lead_id
    return PlannedCall.counterparty_id == person.counterparty_id
