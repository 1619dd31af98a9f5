"""Shows and saves a counterparty with its contact persons; a number added closes the lead that had it (L6, L7)."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.clock import Clock
from leads.domain.planning import Act, Step
from leads.domain.visibility import Scope
from leads.store import cards
from leads.store.at_stake import Decided, leads_that_stay
from leads.store.cards import Journal, NoSuchCardError, Owner, WrongFieldError
from leads.store.closing import as_person, close_lead, close_leads_with, lock_with_leads, open_lead
from leads.store.counterparty_rows import (
    all_numbers,
    derive,
    describe,
    keep_pins,
    numbers_on,
    pinned_numbers,
    plain,
    whole,
)
from leads.store.engine import Database
from leads.store.last_talks import Talks, hand_on_talks, talks_with
from leads.store.lead_card import LANGUAGES
from leads.store.models import ContactPerson, Counterparty, CounterpartyStatus, Employee, Lead
from leads.store.plans import Planning, plan_after_status
from leads.store.sources import source_name
from leads.store.visibility import counterparty_is_visible

MOST_PERSONS = 50
UNCHANGED = 0
"""In the place of a source's key: it stays as it is."""
_NO_STEP = Step(Act.NOTHING)


@dataclass(frozen=True, slots=True)
class PersonCard:
    """A contact person as he is now."""

    id: int
    name: str
    email: str
    language: str | None
    responsible_id: int | None
    responsible: str | None
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CounterpartyCard:
    """A counterparty as it is now; `leads` are those that were closed to it."""

    id: int
    version: int
    name: str
    folder: str
    email: str
    address: str
    comment: str
    language: str | None
    status_id: int | None
    status: str
    source_id: int | None
    responsible_id: int | None
    responsible: str | None
    numbers: tuple[str, ...]
    persons: tuple[PersonCard, ...]
    leads: tuple[Owner, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PersonEdit:
    """What a person made of a contact person; `id` is None for a new one. `numbers` in any writing."""

    id: int | None
    name: str
    email: str
    language: str | None
    responsible_id: int | None
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CounterpartyEdit:
    """What a person made of a card; contact persons that are missing from `persons` are removed.

    Without a `status_id` the status stays as it is; a new card has its set's first. The source stays too unless it is
    said: it changes only by hand (L14).
    """

    name: str
    folder: str
    email: str
    address: str
    comment: str
    language: str | None
    responsible_id: int | None
    numbers: tuple[str, ...]
    persons: tuple[PersonEdit, ...]
    status_id: int | None = None
    source_id: int | None = UNCHANGED


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save did: to which card, and the leads that it closed because their numbers are here now.

    `kept` are the leads that a person let stay, with the numbers that therefore did not come here.
    `step` is what became of the planned call.
    """

    id: int
    closed: tuple[Owner, ...]
    kept: tuple[tuple[str, Owner], ...] = ()
    step: Step = _NO_STEP


@dataclass(frozen=True, slots=True)
class Becoming:
    """The lead that a new counterparty is made from, in the version that the person saw (L5)."""

    lead_id: int
    version: int


class WrongPersonError(WrongFieldError):
    """A value that a contact person cannot hold; `person` is his place among the persons."""

    def __init__(self, person: int, error: WrongFieldError) -> None:
        super().__init__(error.field, error.typed, error.row)
        self.person = person


async def load_counterparty(session: AsyncSession, counterparty_id: int, scope: Scope) -> CounterpartyCard:
    """Read one card that a viewer with `scope` may see.

    Raises:
        NoSuchCardError: there is none, or he may not.
    """
    if not await counterparty_is_visible(session, counterparty_id, scope):
        raise NoSuchCardError(counterparty_id)
    card = await session.scalar(whole(counterparty_id))
    assert card is not None, "it was visible in this transaction"
    wanted = {card.responsible_id, *(person.responsible_id for person in card.contact_persons)}
    rows = await session.execute(select(Employee.id, Employee.name).where(Employee.id.in_(wanted - {None})))
    names: dict[int | None, str] = {row[0]: row[1] for row in rows}
    closed = await session.execute(
        select(Lead.id, Lead.name, Lead.responsible_id)
        .where(Lead.counterparty_id == card.id)
        .order_by(Lead.closed_at.desc(), Lead.id.desc())
        .limit(100)
    )
    return CounterpartyCard(
        id=card.id,
        version=card.version,
        name=card.name,
        folder=card.folder,
        email=card.email,
        address=card.address,
        comment=card.comment,
        language=card.language,
        status_id=card.status_id,
        status=await _status_name(session, card.status_id),
        source_id=card.source_id,
        responsible_id=card.responsible_id,
        responsible=names.get(card.responsible_id),
        numbers=plain(card.numbers),
        persons=tuple(
            PersonCard(
                id=person.id,
                name=person.name,
                email=person.email,
                language=person.language,
                responsible_id=person.responsible_id,
                responsible=names.get(person.responsible_id),
                numbers=plain(person.numbers),
            )
            for person in card.contact_persons
        ),
        leads=tuple(Owner(*row) for row in closed),
        created_at=card.created_at,
    )


async def save_counterparty(
    database: Database,
    counterparty_id: int | None,
    version: int,
    edit: CounterpartyEdit,
    *,
    by: int | None,
    clock: Clock,
    region: str,
    scope: Scope = None,
    planning: Planning | None = None,
    decided: Decided | None = None,
    becoming: Becoming | None = None,
    rings: bool = False,
) -> Saved:
    """Save what a person made of a card, or make a new one, and close the leads whose numbers it takes.

    Args:
        database: where it is.
        counterparty_id: which card; None makes one.
        version: of the card that he saw.
        edit: the whole card as he left it.
        by: the employee who saves.
        clock: tells the present moment, UTC.
        region: how national numbers are completed.
        scope: whose cards he may see; None for all.
        decided: what he said of the leads that have these numbers; None closes all that he may close.
        becoming: the lead that this counterparty is made from; it closes in any case.
        rings: it calls him at this moment, so that he may see this one card, whosever it is.
        planning: what a change of status needs to plan the next call; without it none is planned.

    Raises:
        HandDateError: the status would move a call that somebody set by hand; nothing is saved.
        LeadsToCloseError: there are leads with these numbers that he was not asked about.
        CardError: it is refused, and the database is as before; see leads.store.cards.
    """
    numbers, persons = _read(edit, region)
    async with database.write() as session:
        now = clock()
        every = {*numbers, *(number for _person, theirs in persons for number in theirs)}
        # Those that are taken away too: a conversation that ends writes into their rows (C4).
        have = set() if counterparty_id is None else await numbers_on(session, counterparty_id)
        await lock_with_leads(session, every | have, None if becoming is None else becoming.lead_id)
        lead = None if becoming is None else await open_lead(session, becoming.lead_id, becoming.version, scope)
        card = await _open(session, counterparty_id, version, None if rings else scope, now)
        if edit.status_id is None:
            edit = replace(edit, status_id=card.status_id or await first_status(session))
        before, status_before, pinned = all_numbers(card), card.status_id, pinned_numbers(card)
        talks = await (await session.connection()).run_sync(talks_with, every)
        kept = await leads_that_stay(session, every - before, decided, scope, lead)
        numbers, persons = _without(numbers, kept), [(person, _without(theirs, kept)) for person, theirs in persons]
        journal = Journal(now, by, counterparty_id=counterparty_id)
        with session.no_autoflush:
            await _apply(session, card, edit, numbers, journal)
            await _apply_persons(session, card, persons, journal)
        left = tuple(kept.items())
        if not journal.changes:
            return Saved(card.id, (), left)
        session.add(card)
        await session.flush()
        keep_pins(card, pinned)
        closed = await close_leads_with(session, card, every - before - kept.keys(), now, by)
        if lead is not None and lead.closed_at is None:
            await close_lead(session, lead, card, None, card, now=now, by=by)
        derive(card)
        card.updated_at = now
        await session.flush()
        await _hand_on(session, card, talks)
        for change in journal.changes:
            change.counterparty_id = card.id
        session.add_all(journal.changes)
        step = _NO_STEP
        if planning is not None and status_before not in (None, card.status_id):
            step = await plan_after_status(session, card, planning, now, by)
        return Saved(card.id, closed, left, step)


async def _hand_on(session: AsyncSession, card: Counterparty, talks: Talks) -> None:
    """Let each owner's numbers know of the last conversation with any of them, also those that came just now (C4)."""
    connection = await session.connection()
    owners: tuple[Counterparty | ContactPerson, ...] = (card, *card.contact_persons)
    for owner in owners:
        # Among the many of a file nobody has talked with anybody yet.
        if len({row.last_talk_at is None for row in owner.numbers}) > 1 or talks.keys() & plain(owner.numbers):
            await connection.run_sync(hand_on_talks, as_person(owner), talks)


def _without(numbers: tuple[str, ...], kept: Collection[str]) -> tuple[str, ...]:
    return tuple(number for number in numbers if number not in kept)


def _read(edit: CounterpartyEdit, region: str) -> tuple[tuple[str, ...], list[tuple[PersonEdit, tuple[str, ...]]]]:
    """Check what can be checked without the database."""
    _check(edit.name, edit.language)
    numbers = cards.read_numbers(edit.numbers, region)
    if len(edit.persons) > MOST_PERSONS:
        raise WrongFieldError("persons", str(len(edit.persons)))
    persons = []
    for place, person in enumerate(edit.persons):
        try:
            _check(person.name, person.language)
            persons.append((person, cards.read_numbers(person.numbers, region)))
        except WrongFieldError as error:
            raise WrongPersonError(place, error) from error
    return numbers, persons


def _check(name: str, language: str | None) -> None:
    if not name.strip():
        raise WrongFieldError("name", name)
    if language is not None and language not in LANGUAGES:
        raise WrongFieldError("language", language)


async def _open(
    session: AsyncSession, counterparty_id: int | None, version: int, scope: Scope, now: datetime
) -> Counterparty:
    if counterparty_id is None:
        return Counterparty(
            name="",
            folder="",
            email="",
            address="",
            comment="",
            language=None,
            status_id=None,
            source_id=None,
            responsible_id=None,
            numbers=[],
            contact_persons=[],
            created_at=now,
            updated_at=now,
        )
    card = await session.scalar(whole(counterparty_id).with_for_update(of=Counterparty, key_share=True))
    if card is None or not await counterparty_is_visible(session, counterparty_id, scope):
        raise NoSuchCardError(counterparty_id)
    if card.version != version:
        raise await cards.conflict(session, counterparty_id=counterparty_id)
    return card


async def _apply(
    session: AsyncSession, card: Counterparty, edit: CounterpartyEdit, numbers: tuple[str, ...], journal: Journal
) -> None:
    journal.note("name", card.name, edit.name.strip())
    journal.note("folder", card.folder, edit.folder.strip())
    journal.note("numbers", ", ".join(plain(card.numbers)), ", ".join(numbers))
    journal.note("email", card.email, edit.email.strip())
    journal.note("address", card.address, edit.address.strip())
    journal.note("comment", card.comment, edit.comment.strip())
    journal.note("language", card.language, edit.language)
    if card.status_id != edit.status_id:
        before = await _status_name(session, card.status_id)
        journal.note("status", before, await _status_name(session, edit.status_id))
        card.status_id = edit.status_id
    if edit.source_id not in (UNCHANGED, card.source_id):
        before = await source_name(session, card.source_id)
        journal.note("source", before, await source_name(session, edit.source_id))
        card.source_id = edit.source_id
    if card.responsible_id != edit.responsible_id:
        before = await cards.employee_name(session, card.responsible_id)
        after = await cards.chosen_name(session, edit.responsible_id, card.responsible_id)
        journal.note("responsible", before, after)
    card.name, card.folder, card.email = edit.name.strip(), edit.folder.strip(), edit.email.strip()
    card.address, card.comment = edit.address.strip(), edit.comment.strip()
    card.language, card.responsible_id = edit.language, edit.responsible_id
    cards.set_numbers(card.numbers, numbers)


async def first_status(session: AsyncSession) -> int | None:
    """The status of a new counterparty: the first of the set."""
    order = (CounterpartyStatus.sort_order, CounterpartyStatus.id)
    return await session.scalar(select(CounterpartyStatus.id).order_by(*order).limit(1))


async def _status_name(session: AsyncSession, status_id: int | None) -> str:
    """A status's name for the history, empty for none.

    Raises:
        WrongFieldError: there is no such status.
    """
    if status_id is None:
        return ""
    name = await session.scalar(select(CounterpartyStatus.name).where(CounterpartyStatus.id == status_id))
    if name is None:
        raise WrongFieldError("status_id", str(status_id))
    return name


async def _apply_persons(
    session: AsyncSession, card: Counterparty, persons: list[tuple[PersonEdit, tuple[str, ...]]], journal: Journal
) -> None:
    present = {person.id: person for person in card.contact_persons}
    kept: list[ContactPerson] = []
    for place, (edit, numbers) in enumerate(persons):
        person = present.pop(edit.id, None) if edit.id is not None else None
        before = "" if person is None else await describe(session, person)
        if person is None:
            person = ContactPerson(numbers=[])
        if not await cards.may_become_responsible(session, edit.responsible_id, person.responsible_id):
            raise WrongFieldError(f"person_responsible.{place}", str(edit.responsible_id))
        person.name, person.email = edit.name.strip(), edit.email.strip()
        person.language, person.responsible_id = edit.language, edit.responsible_id
        cards.set_numbers(person.numbers, numbers)
        journal.note("contact_person", before, await describe(session, person))
        kept.append(person)
    for person in present.values():
        journal.note("contact_person", await describe(session, person), "")
    # Closed leads stay with the counterparty when the person whom they were closed to is removed.
    gone = update(Lead).where(Lead.contact_person_id.in_(present)).values(contact_person_id=None)
    await session.execute(gone.execution_options(synchronize_session=False))
    card.contact_persons[:] = kept
