"""Gives many leads to another employee at once (L8); routing follows from the next call on."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from leads.store import cards
from leads.store.cards import Journal
from leads.store.engine import Database
from leads.store.models import Lead
from leads.store.visibility import lead_is_visible

Clock = Callable[[], datetime]
MOST_AT_ONCE = 200
"""Leads in one transaction: calls must not wait for it."""


@dataclass(frozen=True, slots=True)
class Given:
    """What became of the leads: `given` changed hands; `closed` ones are read-only and stay as they are."""

    given: int
    closed: int


async def give_leads(
    database: Database,
    lead_ids: Collection[int],
    responsible_id: int | None,
    *,
    by: int | None,
    clock: Clock,
    scope: frozenset[int] | None = None,
) -> Given:
    """Make an employee (None: nobody) responsible for many leads, each with a line in its history.

    Leads that are not there, or that the person may not see, are passed over without a word.

    Raises:
        WrongFieldError: there is no such employee.
    """
    given = closed = 0
    wanted = sorted(set(lead_ids))
    for start in range(0, len(wanted), MOST_AT_ONCE):
        async with database.write() as session:
            name = await cards.employee_name(session, responsible_id)
            leads = await session.scalars(
                select(Lead)
                .where(Lead.id.in_(wanted[start : start + MOST_AT_ONCE]), Lead.merged_into_id.is_(None))
                .order_by(Lead.id)
                .with_for_update(key_share=True)
            )
            for lead in leads.all():
                if lead.responsible_id == responsible_id or not await lead_is_visible(session, lead.id, scope):
                    continue
                if lead.closed_at is not None:
                    closed += 1
                    continue
                now = clock()
                journal = Journal(now, by, lead_id=lead.id)
                journal.note("responsible", await cards.employee_name(session, lead.responsible_id), name)
                lead.responsible_id, lead.responsible_by_hand, lead.updated_at = responsible_id, True, now
                session.add_all(journal.changes)
                given += 1
    return Given(given, closed)
