"""Says whose a number is that several counterparties have: the pinned one's, for all (L16)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store import cards
from leads.store.cards import NoSuchCardError
from leads.store.engine import Database
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
    owner = func.coalesce(PhoneNumber.counterparty_id, ContactPerson.counterparty_id)
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
        .join(Counterparty, Counterparty.id == owner)
        .where(PhoneNumber.number.in_(list(numbers)), PhoneNumber.lead_id.is_(None))
        .order_by(PhoneNumber.id)
    )
    found: dict[str, list[Sharer]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(Sharer(row[1], row[2], row[3], row[4], row[5]))
    return {number: tuple(found[number]) for number in numbers if len(found.get(number, ())) > 1}


async def pin(database: Database, holding: int, pinned: bool, scope: frozenset[int] | None) -> int:
    """Pin a shared number to one who has it, instead of another, or take the pin away; returns his counterparty.

    Raises:
        NoSuchCardError: nobody has it in that way, or the person may not see who does.
    """
    async with database.write() as session:
        number = await session.scalar(select(PhoneNumber.number).where(PhoneNumber.id == holding))
        await cards.lock(session, () if number is None else (number,))
        row = await session.scalar(select(PhoneNumber).where(PhoneNumber.id == holding, PhoneNumber.lead_id.is_(None)))
        if row is None:
            raise NoSuchCardError(holding)
        counterparty_id = row.counterparty_id or await session.scalar(
            select(ContactPerson.counterparty_id).where(ContactPerson.id == row.contact_person_id)
        )
        if counterparty_id is None or not await counterparty_is_visible(session, counterparty_id, scope):
            raise NoSuchCardError(holding)
        await session.execute(
            update(PhoneNumber).where(PhoneNumber.number == row.number, PhoneNumber.pinned).values(pinned=False)
        )
        await session.execute(update(PhoneNumber).where(PhoneNumber.id == holding).values(pinned=pinned))
        return counterparty_id
