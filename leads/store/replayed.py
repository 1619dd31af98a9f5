"""What a replayed recording needs of its database: phones that are known only from the recording, and whose leads came.

A recording knows no employees; each of its phones stands for one, so that a lead shows who would be in charge.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.models import Call, Employee, Extension, Lead


@dataclass(frozen=True, slots=True)
class ReplayedLead:
    """The lead that a call belongs to."""

    number: str
    name: str
    responsible: str | None


def add_phones(session: AsyncSession, phones: Iterable[tuple[str, str | None]], now: datetime) -> None:
    """Add an employee for each phone, named as the phone.

    Args:
        phones: endpoint, and number where the recording tells it.
        now: when they are added.
    """
    taken: set[str] = set()
    for place, (endpoint, number) in enumerate(phones):
        short = number if number is not None and len(number) <= 8 and number not in taken else f"*{place}"
        taken.add(short)
        session.add(
            Employee(
                name=number or endpoint,
                created_at=now,
                extensions=[Extension(number=short, endpoint=endpoint)],
            )
        )


async def leads_of_calls(session: AsyncSession, pbx: str) -> dict[str, ReplayedLead]:
    """The leads of all calls of a recording, by linkedid."""
    rows = await session.execute(
        select(Call.linkedid, Lead.main_number, Lead.name, Employee.name)
        .join(Lead, Call.lead_id == Lead.id)
        .outerjoin(Employee, Lead.responsible_id == Employee.id)
        .where(Call.pbx == pbx)
    )
    return {linkedid: ReplayedLead(number, name, responsible) for linkedid, number, name, responsible in rows}
