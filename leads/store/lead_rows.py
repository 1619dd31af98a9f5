"""What the list of leads shows of each: read for the few of one page, by their ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.models import Employee, Lead, LeadStatus, PhoneNumber
from leads.store.models import Source as SourceWord


@dataclass(frozen=True, slots=True)
class LeadRow:
    """One line of the list."""

    id: int
    name: str
    named: bool
    numbers: tuple[str, ...]
    status: str
    responsible: str | None
    source: str | None
    created_at: datetime
    last_call_at: datetime | None
    closed_at: datetime | None


# Made once, because SQLAlchemy takes longer to make and read a statement than SQLite to run it.
_IDS = bindparam("ids", type_=Integer, expanding=True)
_NUMBERS = (
    select(PhoneNumber.lead_id, PhoneNumber.number)
    .where(PhoneNumber.lead_id.in_(_IDS))
    .order_by(PhoneNumber.lead_id, PhoneNumber.position, PhoneNumber.id)
)
_LINES = (
    select(
        Lead.id,
        Lead.name,
        Lead.named,
        LeadStatus.name,
        Employee.name,
        SourceWord.name,
        Lead.created_at,
        Lead.last_call_at,
        Lead.closed_at,
    )
    .join(LeadStatus, LeadStatus.id == Lead.status_id)
    .outerjoin(Employee, Employee.id == Lead.responsible_id)
    .outerjoin(SourceWord, SourceWord.id == Lead.source_id)
    .where(Lead.id.in_(_IDS))
)


async def rows_of(session: AsyncSession, ids: Sequence[int]) -> tuple[LeadRow, ...]:
    """The lines of these leads in their order, without those that have gone."""
    if not ids:
        return ()
    numbers: dict[int | None, list[str]] = {}
    for owner, number in await session.execute(_NUMBERS, {"ids": ids}):
        numbers.setdefault(owner, []).append(number)
    rows = {
        row[0]: LeadRow(row[0], row[1], row[2], tuple(numbers.get(row[0], ())), *row[3:])
        for row in await session.execute(_LINES, {"ids": ids})
    }
    return tuple(rows[identity] for identity in ids if identity in rows)
