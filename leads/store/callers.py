"""Whose number it is that rings: for the question on the screen, and for the card during a call (C10, L11)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.counterparty_rows import NUMBERS_COMPANY
from leads.store.engine import Database
from leads.store.models import ContactPerson, Counterparty, Lead, PhoneNumber
from leads.store.people_of_calls import NOBODY, CallPerson, Wanted, people_for
from leads.store.tasks import latest_note

LONGEST_NOTE = 300
_MOST_SHARERS = 5
"""Of a number that many have, so many names are told."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The person on our records behind a number; `name` is None while nobody has typed one.

    Of a shared number without a pin `name` holds the names of all, as displays do (L16); the rest is the first's.
    `note` is the beginning of the latest note about him (P8), or of what the card says where there is none.
    """

    lead_id: int | None
    counterparty_id: int | None
    name: str | None
    language: str | None
    company: str | None
    note: str


def _statement() -> Select[Any]:
    columns: tuple[Any, ...] = (
        PhoneNumber.lead_id,
        Counterparty.id,
        Lead.named,
        Lead.name,
        ContactPerson.name,
        Counterparty.name,
        func.coalesce(ContactPerson.language, Counterparty.language, Lead.language),
        func.coalesce(Counterparty.comment, Lead.comment),
        PhoneNumber.pinned,
        ContactPerson.id,
    )
    return (
        select(*columns)
        .select_from(PhoneNumber)
        .outerjoin(ContactPerson, ContactPerson.id == PhoneNumber.contact_person_id)
        .outerjoin(Counterparty, Counterparty.id == NUMBERS_COMPANY)
        .outerjoin(Lead, Lead.id == PhoneNumber.lead_id)
        .where(or_(PhoneNumber.on_active_lead, PhoneNumber.lead_id.is_(None)))
        .order_by(PhoneNumber.on_active_lead.desc(), PhoneNumber.pinned.desc(), PhoneNumber.id)
        .limit(_MOST_SHARERS)
    )


_OWNER = _statement()


async def find_caller(session: AsyncSession, number: str) -> Caller | None:
    """Who has an E.164 number now: an active lead, else the counterparty that it is pinned to, or the first
    that has it; None for nobody."""
    rows = (await session.execute(_OWNER.where(PhoneNumber.number == number))).all()
    if not rows:
        return None
    lead_id, counterparty_id, named, lead, person, company, language, comment, pinned, _contact_id = rows[0]
    name = person or company if counterparty_id is not None else (lead if named else None)
    shared = len(rows) > 1 and not pinned
    if shared:
        in_order = sorted(rows, key=lambda row: (row[4] is None, row[9] or row[1]))
        name = " / ".join(dict.fromkeys(row[4] or row[5] for row in in_order))
    owner = CallPerson(lead_id) if counterparty_id is None else CallPerson(counterparty_id=counterparty_id)
    noted = await latest_note(session, owner)
    return Caller(
        lead_id=lead_id if counterparty_id is None else None,
        counterparty_id=counterparty_id,
        name=name,
        language=language,
        company=company if person and not shared else None,
        note=(noted or comment or "").strip()[:LONGEST_NOTE],
    )


async def lead_for(
    database: Database, number: str, responsible_id: int | None, source_id: int | None, now: datetime
) -> CallPerson:
    """Whom a number belongs to; nobody's becomes a lead, or its closed lead is opened again, as by a call (L1, L12)."""
    wanted = [Wanted(number, makes_lead=True, responsible_id=responsible_id, source_id=source_id)]
    people = await database.run_write(lambda connection: people_for(connection, wanted, now))
    return people.get(number, NOBODY)
