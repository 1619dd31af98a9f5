"""A counterparty's rows with its contact persons' and all their numbers, as those need them who change any of it."""

from collections.abc import Collection, Iterable

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from leads.store import cards
from leads.store.former_leads import numbers_of_counterparties
from leads.store.models import ContactPerson, Counterparty, PhoneNumber
from leads.store.search import search_text, sort_key

NUMBERS_COMPANY = func.coalesce(PhoneNumber.counterparty_id, ContactPerson.counterparty_id)
"""The counterparty that has a number, itself or by a contact person, whom the statement has to join."""


def whole(counterparty_id: int) -> Select[Counterparty]:
    """One counterparty with all that its card shows."""
    return (
        select(Counterparty)
        .where(Counterparty.id == counterparty_id)
        .options(
            selectinload(Counterparty.numbers),
            selectinload(Counterparty.contact_persons).selectinload(ContactPerson.numbers),
        )
    )


def plain(rows: Iterable[PhoneNumber]) -> tuple[str, ...]:
    """The numbers alone, in their order."""
    return tuple(row.number for row in rows)


def all_numbers(card: Counterparty) -> set[str]:
    """Its own numbers and those of its contact persons."""
    return {*plain(card.numbers), *(number for person in card.contact_persons for number in plain(person.numbers))}


def pinned_numbers(card: Counterparty) -> set[str]:
    """Its numbers that are pinned to it or to a contact person of it (L16)."""
    return {row.number for row in _rows(card) if row.pinned}


def keep_pins(card: Counterparty, pinned: Collection[str]) -> None:
    """Let a pin go along with a number from the company to its contact person, or back; call it once that is flushed:
    the database lets a number have one pin only."""
    rows = _rows(card)
    for number in set(pinned) - pinned_numbers(card):
        for row in [row for row in rows if row.number == number][:1]:
            row.pinned = True


def _rows(card: Counterparty) -> list[PhoneNumber]:
    owners: tuple[Counterparty | ContactPerson, ...] = (card, *card.contact_persons)
    return [row for owner in owners for row in owner.numbers]


async def numbers_on(session: AsyncSession, counterparty_id: int) -> set[str]:
    """The numbers on a counterparty's card, to be locked before it is opened."""
    theirs = numbers_of_counterparties([counterparty_id])
    return set(await session.scalars(select(PhoneNumber.number).where(theirs)))


def derive(card: Counterparty) -> None:
    """Keep the columns for lists in step: a counterparty is found by its contact persons too."""
    people = [text for person in card.contact_persons for text in (person.name, person.email)]
    card.sort_name = sort_key(card.name)
    keys = [sort_key(person.name) for person in card.contact_persons]
    card.sort_person, card.people_keys = keys[0] if keys else "", "\n".join(keys)
    numbers = [*plain(card.numbers), *(number for person in card.contact_persons for number in plain(person.numbers))]
    card.main_number = numbers[0] if numbers else ""
    card.search_text = search_text(card.name, card.email, *people, numbers=sorted(all_numbers(card)))


async def describe(session: AsyncSession, person: ContactPerson) -> str:
    """A contact person in one line of the history."""
    responsible = await cards.employee_name(session, person.responsible_id)
    parts = (", ".join(plain(person.numbers)), person.email, person.language, responsible)
    return "; ".join([person.name, *(part for part in parts if part)])


def person_of(card: Counterparty, contact_person_id: int | None) -> ContactPerson | None:
    """The contact person with that key; None where there is none at this counterparty."""
    return next((person for person in card.contact_persons if person.id == contact_person_id), None)
