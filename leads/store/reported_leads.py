"""Tells in words the leads that a report is about, as they are now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.visibility import Scope
from leads.store.models import Employee, Lead
from leads.store.visibility import leads_of

_AT_ONCE = 500
"""Keys in one statement, which may hold only so many values."""


@dataclass(frozen=True, slots=True)
class ReportedLead:
    """One line of a list of leads behind a figure; of one that is not `visible`, only when it was made and closed."""

    id: int
    visible: bool
    name: str
    named: bool
    responsible: str | None
    created_at: datetime
    closed_at: datetime | None


async def reported_leads(session: AsyncSession, keys: Iterable[int], scope: Scope) -> Sequence[ReportedLead]:
    """Leads in the order of their keys; those that somebody with this scope may not see now without name and people."""
    visible = true() if scope is None else leads_of(scope).check
    rows = await session.execute(
        select(Lead.id, visible, Lead.name, Lead.named, Employee.name, Lead.created_at, Lead.closed_at)
        .outerjoin(Employee, Employee.id == Lead.responsible_id)
        .where(Lead.id.in_(list(keys)))
        .order_by(Lead.id)
    )
    return [
        ReportedLead(key, bool(seen), *(rest[:3] if seen else ("", False, None)), *rest[3:])
        for key, seen, *rest in rows
    ]


def lead_names(connection: Connection, keys: Sequence[int], scope: Scope) -> dict[int, tuple[str, bool]]:
    """For each of these leads that somebody with this scope may see its name and whether a person typed it."""
    statement = select(Lead.id, Lead.name, Lead.named)
    if scope is not None:
        statement = statement.where(leads_of(scope).check)
    names: dict[int, tuple[str, bool]] = {}
    for first in range(0, len(keys), _AT_ONCE):
        rows = connection.execute(statement.where(Lead.id.in_(keys[first : first + _AT_ONCE])))
        names.update((row[0], (row[1], row[2])) for row in rows)
    return names
