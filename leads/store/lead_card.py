"""Shows and saves a lead's card; what two people type at once is never overwritten silently (L3, L7, L13)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from leads.domain.clock import Clock
from leads.domain.planning import Act, Step
from leads.domain.visibility import Scope
from leads.store import cards
from leads.store.cards import (
    Journal,
    NoSuchCardError,
    NumberOnCounterpartyError,
    NumberTakenError,
    NumberWithoutLeadError,
    Owner,
    WrongFieldError,
)
from leads.store.closing import numbers_of, open_lead
from leads.store.engine import Database
from leads.store.last_talks import hand_on_talks, talks_with
from leads.store.merging import keep_calls_away, lock_to_merge, merge
from leads.store.models import ContactPerson, Counterparty, Employee, Lead, LeadStatus, Source
from leads.store.people_of_calls import CallPerson
from leads.store.plans import Planning, plan_after_status
from leads.store.search import search_text, sort_key
from leads.store.sources import source_name
from leads.store.visibility import lead_is_visible

UNCHANGED = 0
"""In the place of a responsible's key: he stays who he is."""
LANGUAGES = ("uk", "ru", "other")


@dataclass(frozen=True, slots=True)
class LeadCard:
    """A lead as it is now."""

    id: int
    version: int
    name: str
    named: bool
    numbers: tuple[str, ...]
    email: str
    address: str
    comment: str
    language: str | None
    status_id: int
    status: str
    responsible_id: int | None
    responsible: str | None
    source_id: int | None
    source: str | None
    counterparty_id: int | None
    counterparty: str | None
    contact_person: str | None
    closed_at: datetime | None
    created_at: datetime
    last_call_at: datetime | None

    @property
    def typed_name(self) -> str:
        """What a person typed for a name, also without a letter; nothing where the lead is called by its number."""
        return "" if not self.named and self.name in self.numbers[:1] else self.name


@dataclass(frozen=True, slots=True)
class LeadEdit:
    """What a person made of a card. `numbers` in any writing; an empty `name` leaves the lead named by its number.

    A responsible that the person did not touch is UNCHANGED: a conversation may have given the lead to somebody since
    the card was opened (L1), and to save another field is no choice of the one before.
    """

    name: str
    numbers: tuple[str, ...]
    email: str
    address: str
    comment: str
    language: str | None
    status_id: int
    responsible_id: int | None
    source_id: int | None


@dataclass(frozen=True, slots=True)
class LeadSaved:
    """What a save did: to which lead (after a merge the survivor), and what became of the planned call."""

    id: int
    step: Step


async def load_lead(session: AsyncSession, lead_id: int, scope: Scope) -> LeadCard:
    """Read one card that a viewer with `scope` may see.

    Raises:
        NoSuchCardError: there is none, or he may not.
    """
    if not await lead_is_visible(session, lead_id, scope):
        raise NoSuchCardError(lead_id)
    statement = (
        select(Lead, LeadStatus.name, Employee.name, Source.name, Counterparty.name, ContactPerson.name)
        .join(LeadStatus, LeadStatus.id == Lead.status_id)
        .outerjoin(Employee, Employee.id == Lead.responsible_id)
        .outerjoin(Source, Source.id == Lead.source_id)
        .outerjoin(Counterparty, Counterparty.id == Lead.counterparty_id)
        .outerjoin(ContactPerson, ContactPerson.id == Lead.contact_person_id)
        .where(Lead.id == lead_id)
        .options(selectinload(Lead.numbers))
    )
    lead, status, responsible, source, counterparty, contact_person = (await session.execute(statement)).one()
    return LeadCard(
        id=lead.id,
        version=lead.version,
        name=lead.name,
        named=lead.named,
        numbers=tuple(row.number for row in lead.numbers),
        email=lead.email,
        address=lead.address,
        comment=lead.comment,
        language=lead.language,
        status_id=lead.status_id,
        status=status,
        responsible_id=lead.responsible_id,
        responsible=responsible,
        source_id=lead.source_id,
        source=source,
        counterparty_id=lead.counterparty_id,
        counterparty=counterparty,
        contact_person=contact_person,
        closed_at=lead.closed_at,
        created_at=lead.created_at,
        last_call_at=lead.last_call_at,
    )


async def save_lead(
    database: Database,
    lead_id: int,
    version: int,
    edit: LeadEdit,
    *,
    by: int | None,
    clock: Clock,
    region: str,
    scope: Scope = None,
    planning: Planning | None = None,
    merge_with: int | None = None,
    never_leads: Collection[str] = (),
) -> LeadSaved:
    """Save what a person made of a card; nothing happens when he changed nothing.

    Args:
        database: where the lead is.
        lead_id: which lead.
        version: of the card that he saw.
        edit: the whole card as he left it.
        by: the employee who saves.
        clock: tells the present moment, UTC.
        region: how national numbers are completed.
        scope: whose leads he may see; None for all.
        planning: what a change of status needs to plan the next call; without it none is planned.
        merge_with: the lead that has some of these numbers, to be made one with this (L15).
        never_leads: numbers that no lead gets (L2); one that it has it keeps.

    Raises:
        HandDateError: the status would move a call that somebody set by hand; nothing is saved.
        CardError: it is refused, and the database is as before; see leads.store.cards.
    """
    numbers = _numbers(edit, region)
    if merge_with == lead_id:
        raise WrongFieldError("other", str(merge_with))
    async with database.write() as session:
        theirs = await _lock(session, numbers, lead_id, merge_with)
        if merge_with is not None:
            await lock_to_merge(session, lead_id, merge_with)
        versions = {lead_id: version, merge_with: None}
        leads = {each: await open_lead(session, each, versions[each], scope) for each in sorted(filter(None, versions))}
        lead, other = leads[lead_id], None if merge_with is None else leads[merge_with]
        added = [number for number in numbers if number not in {row.number for row in lead.numbers} | theirs]
        _refuse_never_leads(added, never_leads)
        await _refuse_owned(session, added)
        journal, status_before = Journal(clock(), by, lead_id=lead_id), lead.status_id
        if await _apply(session, lead, edit, numbers, journal, elsewhere=theirs):
            lead.updated_at = clock()
            session.add_all(journal.changes)
            await _flush(session, lead, added)
        step = Step(Act.NOTHING)
        if planning is not None and lead.status_id != status_before:
            step = await plan_after_status(session, lead, planning, clock(), by)
        identity = lead.id if other is None else await merge(session, lead, other, clock(), by)
        return LeadSaved(identity, step)


async def create_lead(
    database: Database,
    edit: LeadEdit,
    *,
    by: int | None,
    clock: Clock,
    region: str,
    scope: Scope = None,
    merge_with: int | None = None,
    never_leads: Collection[str] = (),
) -> int:
    """Make a lead by hand, or add what was typed to the lead that has some of its numbers; returns its id.

    Raises:
        CardError: it is refused; see leads.store.cards.
    """
    numbers = _numbers(edit, region)
    async with database.write() as session:
        theirs = await _lock(session, numbers, merge_with)
        other = None
        if merge_with is not None:
            await lock_to_merge(session, merge_with)
            other = await open_lead(session, merge_with, None, scope)
        added = [number for number in numbers if number not in theirs]
        _refuse_never_leads(added, never_leads)
        await _refuse_owned(session, added)
        now = clock()
        lead = Lead(
            name="",
            status_id=edit.status_id,
            responsible_id=None,
            source_id=None,
            email="",
            address="",
            comment="",
            language=None,
            numbers=[],
            main_number="",
            created_at=now,
            updated_at=now,
        )
        journal = Journal(now, by)
        await _apply(session, lead, edit, numbers, journal, elsewhere=theirs)
        session.add(lead)
        await _flush(session, lead, added)
        created = Journal(now, by, lead_id=lead.id)
        created.note("created", "", lead.name)
        session.add_all(created.changes)
        return lead.id if other is None else await merge(session, lead, other, now, by)


async def _lock(session: AsyncSession, numbers: tuple[str, ...], *leads: int | None) -> set[str]:
    """Lock the numbers and those of the leads, the last of which is one to merge with; returns what that one has."""
    if leads[-1] is None:
        await cards.lock(session, numbers)
        return set()
    await keep_calls_away(session)
    known = [lead for lead in leads if lead is not None]
    await cards.lock(session, {*numbers, *await numbers_of(session, *known)})
    return await numbers_of(session, leads[-1])


def _numbers(edit: LeadEdit, region: str) -> tuple[str, ...]:
    if edit.language is not None and edit.language not in LANGUAGES:
        raise WrongFieldError("language", edit.language)
    numbers = cards.read_numbers(edit.numbers, region)
    if not numbers:
        raise WrongFieldError("numbers", "")
    return numbers


def _refuse_never_leads(added: Collection[str], never_leads: Collection[str]) -> None:
    """Refuse numbers that are no leads (L2)."""
    for number in filter(never_leads.__contains__, added):
        raise NumberWithoutLeadError(number)


async def _refuse_owned(session: AsyncSession, added: tuple[str, ...] | list[str]) -> None:
    """Refuse numbers that somebody else has already (L7)."""
    if not added:
        return
    for number, lead in (await cards.active_leads_with(session, added)).items():
        raise NumberTakenError(number, Owner(lead.id, lead.name, lead.responsible_id))
    for number, counterparty in (await cards.counterparties_with(session, added)).items():
        raise NumberOnCounterpartyError(number, counterparty)


async def _apply(
    session: AsyncSession,
    lead: Lead,
    edit: LeadEdit,
    numbers: tuple[str, ...],
    journal: Journal,
    *,
    elsewhere: Collection[str],
) -> bool:
    """Write the edit into the lead and its changes into the journal; tell whether there were any.

    Numbers that are `elsewhere` come by the merge that follows.
    """
    status = await session.scalar(select(LeadStatus.name).where(LeadStatus.id == edit.status_id))
    if status is None:
        raise WrongFieldError("status_id", str(edit.status_id))
    name = edit.name.strip()
    if not name or (not lead.named and name == lead.main_number):
        name = numbers[0]
    old_status = await session.scalar(select(LeadStatus.name).where(LeadStatus.id == lead.status_id))
    chosen = lead.responsible_id if edit.responsible_id == UNCHANGED else edit.responsible_id
    old_responsible = await cards.employee_name(session, lead.responsible_id)
    responsible = await cards.chosen_name(session, chosen, lead.responsible_id)
    old_numbers = ", ".join(row.number for row in lead.numbers)
    changed = [
        journal.note("name", lead.name, name),
        journal.note("numbers", old_numbers, ", ".join(numbers)),
        journal.note("email", lead.email, edit.email.strip()),
        journal.note("address", lead.address, edit.address.strip()),
        journal.note("comment", lead.comment, edit.comment.strip()),
        journal.note("language", lead.language, edit.language),
        journal.note("status", old_status, status),
        journal.note("source", await source_name(session, lead.source_id), await source_name(session, edit.source_id)),
    ]
    if lead.responsible_id != chosen:
        lead.responsible_by_hand = True
        changed.append(journal.note("responsible", old_responsible, responsible) or True)
    lead.name, lead.named = name, cards.is_name(name)
    lead.email, lead.address, lead.comment = edit.email.strip(), edit.address.strip(), edit.comment.strip()
    lead.language, lead.status_id, lead.responsible_id = edit.language, edit.status_id, chosen
    lead.source_id = edit.source_id
    lead.main_number = numbers[0]
    own = [number for number in numbers if number not in elsewhere]
    cards.set_numbers(lead.numbers, own, on_active_lead=True)
    lead.sort_name = sort_key(name)
    lead.search_text = search_text(name, lead.email, numbers=numbers)
    return any(changed)


async def _flush(session: AsyncSession, lead: Lead, added: tuple[str, ...] | list[str]) -> None:
    """Write to the database, whose unique index has the last word about who has a number."""
    connection = await session.connection()
    talks = await connection.run_sync(talks_with, added)
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError:
        await _refuse_owned(session, added)
        raise
    if added:
        await connection.run_sync(hand_on_talks, CallPerson(lead_id=lead.id), talks)
