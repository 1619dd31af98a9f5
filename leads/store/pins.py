"""Says whose a number is that several counterparties have: the pinned one's, for all (L16)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.clock import Clock
from leads.domain.visibility import Scope
from leads.store import cards
from leads.store.cards import Journal, NoSuchCardError
from leads.store.counterparty_rows import NUMBERS_COMPANY
from leads.store.engine import Database
from leads.store.lock_order import hold_persons
from leads.store.models import ContactPerson, Counterparty, PhoneNumber
from leads.store.visibility import counterparty_is_visible


@dataclass(frozen=True, slots=True)
class Sharer:
    """One who has a shared number: a counterparty, or its contact person; `holding` is the key to pin it by."""

    holding: int
    counterparty_id: int
    name: str
    person: str | None
    pinned: bool


async def shared_numbers(session: AsyncSession, numbers: Collection[str]) -> Mapping[str, tuple[Sharer, ...]]:
    """Of these numbers those that several have, each with all who have it, the first entered first."""
    rows = await session.execute(
        select(
            PhoneNumber.number,
            PhoneNumber.id,
            Counterparty.id,
            Counterparty.name,
            ContactPerson.name,
            PhoneNumber.pinned,
        )
        .outerjoin(ContactPerson, ContactPerson.id == PhoneNumber.contact_person_id)
        .join(Counterparty, Counterparty.id == NUMBERS_COMPANY)
        .where(PhoneNumber.number.in_(list(numbers)), PhoneNumber.lead_id.is_(None))
        .order_by(PhoneNumber.id)
    )
    found: dict[str, list[Sharer]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(Sharer(row[1], row[2], row[3], row[4], row[5]))
    return {number: tuple(found[number]) for number in numbers if len(found.get(number, ())) > 1}


async def pin(database: Database, holding: int, pinned: bool, scope: Scope, *, by: int | None, clock: Clock) -> int:
    """Pin a shared number to one who has it, instead of another, or take the pin away; returns his counterparty.

    Each counterparty that gets or loses a pin has a line of it in its history.

    Raises:
        NoSuchCardError: nobody has it in that way, or the person may not see who does.
    """
    async with database.write() as session:
        number = await session.scalar(select(PhoneNumber.number).where(PhoneNumber.id == holding))
        await cards.lock(session, () if number is None else (number,))
        row = await session.scalar(select(PhoneNumber).where(PhoneNumber.id == holding, PhoneNumber.lead_id.is_(None)))
        counterparty_id = None if row is None else await _company_of(session, row)
        if row is None or counterparty_id is None:
            raise NoSuchCardError(holding)
        if not await counterparty_is_visible(session, counterparty_id, scope):
            raise NoSuchCardError(holding)
        of_number = select(PhoneNumber).where(PhoneNumber.number == row.number).order_by(PhoneNumber.pinned.desc())
        holders = [(each, await _company_of(session, each)) for each in await session.scalars(of_number)]
        await hold_persons(session, (), [company for _each, company in holders])
        now = clock()
        # One loses the mark before another gets it: the database lets a number have one only.
        for each, company in holders:
            wanted = pinned and each.id == holding
            if each.pinned != wanted:
                journal = Journal(now, by, counterparty_id=company)
                journal.note("pinned", each.number if each.pinned else "", each.number if wanted else "")
                session.add_all(journal.changes)
                each.pinned = wanted
                await session.flush()
        return counterparty_id


async def _company_of(session: AsyncSession, row: PhoneNumber) -> int | None:
    """The counterparty that has a number, itself or by a contact person."""
    if row.contact_person_id is None:
        return row.counterparty_id
    return await session.scalar(select(ContactPerson.counterparty_id).where(ContactPerson.id == row.contact_person_id))
