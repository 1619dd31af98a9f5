"""Closes leads: to the counterparty that has their number now, or to one that a person chose (L4 to L7).

A lead closes as a whole, and only here. Its numbers stay with it as a memory of whose they were, and become numbers
of the card that it closes to.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from leads.domain.clock import Clock
from leads.domain.lead_life import NumbersTo
from leads.domain.visibility import Scope
from leads.store import cards
from leads.store.belongings import move_belongings
from leads.store.cards import CardError, Journal, LeadClosedError, NoSuchCardError, Owner, WrongFieldError
from leads.store.counterparty_rows import all_numbers, derive, person_of, plain, whole
from leads.store.engine import Database
from leads.store.last_talks import hand_on_talks, tell_untold
from leads.store.lock_order import hold_persons
from leads.store.models import ContactPerson, Counterparty, Lead, PhoneNumber
from leads.store.people_of_calls import CallPerson
from leads.store.visibility import counterparty_is_visible, lead_is_visible


class PlaceForNumbersError(CardError):
    """The lead's numbers are on neither card, and two could take them: a person must say which (L4)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose for a lead: a counterparty, perhaps its contact person, and which of the two gets numbers."""

    counterparty_id: int
    contact_person_id: int | None = None
    numbers_to: NumbersTo | None = None


async def lock_with_leads(session: AsyncSession, numbers: Iterable[str], also: int | None = None) -> None:
    """Lock the numbers, the leads that have them, and the others of those leads, which are closed as a whole.

    `also` is a lead that is to be closed in any case.
    """
    wanted = set(numbers)
    holders = select(PhoneNumber.lead_id).where(PhoneNumber.number.in_(wanted), PhoneNumber.on_active_lead)
    leads = {*await session.scalars(holders), also} - {None}
    await cards.lock(session, wanted | await numbers_of(session, *leads))
    # Now that nobody else can give them to another lead.
    await hold_persons(session, [*await session.scalars(holders), also])


async def open_lead(session: AsyncSession, lead_id: int, version: int | None, scope: Scope) -> Lead:
    """Take an active lead with its numbers, and keep others from its row; its numbers must be locked before.

    Raises:
        NoSuchCardError, LeadClosedError, ConflictError: there is none, it is closed, or it is another version.
    """
    lead = await session.scalar(
        select(Lead)
        .where(Lead.id == lead_id)
        .options(selectinload(Lead.numbers))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if lead is None or not await lead_is_visible(session, lead_id, scope):
        raise NoSuchCardError(lead_id)
    if lead.closed_at is not None:
        raise LeadClosedError(lead_id)
    if version is not None and lead.version != version:
        raise await cards.conflict(session, lead_id=lead_id)
    return lead


async def numbers_of(session: AsyncSession, *lead_ids: int | None) -> set[str]:
    """The numbers of leads, to be locked before the leads are opened."""
    return set(await session.scalars(select(PhoneNumber.number).where(PhoneNumber.lead_id.in_(lead_ids))))


async def choose_counterparty(
    database: Database,
    lead_id: int,
    version: int,
    choice: Choice,
    *,
    by: int | None,
    clock: Clock,
    scope: Scope = None,
) -> Owner:
    """Close a lead to a counterparty that exists; returns that.

    Raises:
        PlaceForNumbersError: a contact person was chosen, and it was not said which of the two gets the numbers.
        CardError: it is refused, and the database is as before; see leads.store.cards.
    """
    async with database.write() as session:
        await cards.lock(session, await numbers_of(session, lead_id))
        lead = await open_lead(session, lead_id, version, scope)
        card = await session.scalar(whole(choice.counterparty_id).with_for_update(of=Counterparty, key_share=True))
        if card is None or not await counterparty_is_visible(session, choice.counterparty_id, scope):
            raise WrongFieldError("counterparty_id", str(choice.counterparty_id))
        person = person_of(card, choice.contact_person_id)
        if choice.contact_person_id is not None and person is None:
            raise WrongFieldError("contact_person_id", str(choice.contact_person_id))
        if person is not None and choice.numbers_to is None and set(plain(lead.numbers)) - all_numbers(card):
            raise PlaceForNumbersError
        now = clock()
        takes = person if person is not None and choice.numbers_to is NumbersTo.CONTACT_PERSON else card
        await close_lead(session, lead, card, person, takes, now=now, by=by)
        derive(card)
        card.updated_at = now
        return Owner(card.id, card.name, card.responsible_id)


async def close_leads_with(
    session: AsyncSession, card: Counterparty, numbers: Collection[str], now: datetime, by: int | None
) -> tuple[Owner, ...]:
    """Close the active leads that have one of these numbers of `card`; their other numbers go to the same owner."""
    found = await cards.active_leads_with(session, numbers)
    first = {found[number].id: number for number in sorted(found, reverse=True)}
    closed: list[Owner] = []
    # In the order of their keys, in which others take them too: so two writers cannot wait for each other.
    for lead_id, number in sorted(first.items()):
        lead = await open_lead(session, lead_id, None, None)
        person = next((one for one in card.contact_persons if number in plain(one.numbers)), None)
        await close_lead(session, lead, card, person, person or card, now=now, by=by)
        closed.append(Owner(lead.id, lead.name, lead.responsible_id))
    return tuple(closed)


async def close_lead(
    session: AsyncSession,
    lead: Lead,
    card: Counterparty,
    person: ContactPerson | None,
    takes: Counterparty | ContactPerson,
    *,
    now: datetime,
    by: int | None,
) -> None:
    """Close one active lead, whose numbers are locked, to a counterparty or its contact person; `takes` its numbers.

    `card` must have its key, and its numbers as they shall be; those of the lead that it lacks are added.
    """
    have = all_numbers(card)
    for row in lead.numbers:
        row.on_active_lead = False
        if row.number not in have:
            takes.numbers.append(PhoneNumber(number=row.number, position=len(takes.numbers)))
    lead.closed_at = lead.updated_at = now
    lead.counterparty_id = card.id
    lead.contact_person_id = None if person is None else person.id
    journal = Journal(now, by, lead_id=lead.id)
    journal.note("counterparty", "", card.name if person is None else f"{card.name}: {person.name}")
    journal.note("closed", "", now.isoformat())
    arrival = Journal(now, by, counterparty_id=card.id)
    arrival.note("lead", "", "; ".join((lead.name, *(row.number for row in lead.numbers))))
    session.add_all([*journal.changes, *arrival.changes])
    await session.flush()
    connection = await session.connection()
    talks = {row.number: (row.last_talker_id, row.last_talk_at) for row in lead.numbers if row.last_talk_at is not None}
    await connection.run_sync(tell_untold, talks)
    await connection.run_sync(hand_on_talks, as_person(takes))
    await move_belongings(session, lead.id, CallPerson(None, card.id, lead.contact_person_id), now)


def as_person(owner: Counterparty | ContactPerson) -> CallPerson:
    """Whose the numbers of a card or of its contact person are."""
    if isinstance(owner, ContactPerson):
        return CallPerson(None, owner.counterparty_id, owner.id)
    return CallPerson(counterparty_id=owner.id)
