"""Tells in words the leads that a report is about, as they are now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.models import Employee, Lead


@dataclass(frozen=True, slots=True)
class ReportedLead:
    """One line of a list of leads behind a figure."""

    id: int
    name: str
    named: bool
    responsible: str | None
    created_at: datetime
    closed_at: datetime | None


async def reported_leads(session: AsyncSession, keys: Iterable[int]) -> Sequence[ReportedLead]:
    """Leads in the order of their keys."""
    rows = await session.execute(
        select(Lead.id, Lead.name, Lead.named, Employee.name, Lead.created_at, Lead.closed_at)
        .outerjoin(Employee, Employee.id == Lead.responsible_id)
        .where(Lead.id.in_(list(keys)))
        .order_by(Lead.id)
    )
    return [ReportedLead(*row) for row in rows]


async def lead_names(session: AsyncSession, keys: Iterable[int] | None) -> dict[int, tuple[str, bool]]:
    """For each of these leads, or for all, its name and whether a person typed it."""
    statement = select(Lead.id, Lead.name, Lead.named)
    rows = await session.execute(statement if keys is None else statement.where(Lead.id.in_(list(keys))))
    return {row[0]: (row[1], row[2]) for row in rows}
