"""Phone books of desk phones: whose each key is, and the people who stand in it, page by page (C14).

A book holds what the phone's owner may see, and nothing else: counterparties with their contact persons by name, then
named leads by name. Pages are found by key and never by offset, so that the last of 50,000 costs what the first does.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.directory import DisplayMode, Role
from leads.domain.visibility import Scope
from leads.store.counterparties import CounterpartyFilter, CounterpartyOrder, find_counterparties
from leads.store.exports import numbers_of
from leads.store.leads import LeadFilter, LeadOrder, LeadState, find_leads
from leads.store.listing import Page, Request
from leads.store.models import ContactPerson, Counterparty, Employee, Extension, Lead, PhoneNumber
from leads.store.phone_book_tables import PhoneBookKey

USED_STEP = timedelta(hours=1)
"""How exactly it is known when a phone last fetched its book: not worth a write each time."""
_COUNTERPARTIES, _LEADS = "c", "l"


@dataclass(frozen=True, slots=True)
class BookPhone:
    """The phone that a key belongs to, and its owner at this moment."""

    extension_id: int
    employee_id: int
    role: Role
    display_mode: DisplayMode
    display_length: int
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One phone with an owner, and its key if it has one."""

    extension_id: int
    number: str
    employee_id: int
    owner: str
    created_at: datetime | None
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One person or company with numbers; `company` is a contact person's."""

    name: str
    language: str | None
    numbers: tuple[str, ...]
    company: str = ""


@dataclass(frozen=True, slots=True)
class BookPage:
    """Some entries, and where the next ones begin; None at the end."""

    entries: tuple[Entry, ...]
    after: str | None


def key_hash(key: str) -> str:
    """What the database keeps of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


async def make_key(session: AsyncSession, extension_id: int, now: datetime) -> str:
    """Give a phone a new key of 128 bits in the place of its last one; nobody can read it again afterwards."""
    await revoke_key(session, extension_id)
    key = secrets.token_hex(16)
    session.add(PhoneBookKey(extension_id=extension_id, key_hash=key_hash(key), created_at=now))
    await session.flush()
    return key


async def revoke_key(session: AsyncSession, extension_id: int) -> None:
    """Let a phone's key open nothing any more."""
    key = await session.get(PhoneBookKey, extension_id)
    if key is not None:
        await session.delete(key)
        await session.flush()


async def phones_with_keys(session: AsyncSession, employee_id: int | None) -> list[KeyRow]:
    """The phones of one employee, or of all who work here, by number."""
    columns: tuple[Any, ...] = (
        Extension.id,
        Extension.number,
        Employee.id,
        Employee.name,
        PhoneBookKey.created_at,
        PhoneBookKey.used_at,
    )
    statement = (
        select(*columns)
        .join(Employee, Employee.id == Extension.employee_id)
        .outerjoin(PhoneBookKey, PhoneBookKey.extension_id == Extension.id)
        .where(Employee.active)
        .order_by(Extension.number)
    )
    if employee_id is not None:
        statement = statement.where(Employee.id == employee_id)
    return [KeyRow(*row) for row in await session.execute(statement)]


async def find_phone(session: AsyncSession, hashed: str) -> BookPhone | None:
    """The phone whose key has that hash, while its owner works here."""
    columns: tuple[Any, ...] = (
        Extension.id,
        Employee.id,
        Employee.role,
        Extension.display_mode,
        Extension.display_length,
        PhoneBookKey.used_at,
    )
    statement = (
        select(*columns)
        .join(Extension, Extension.id == PhoneBookKey.extension_id)
        .join(Employee, Employee.id == Extension.employee_id)
        .where(PhoneBookKey.key_hash == hashed, Employee.active)
    )
    row = (await session.execute(statement)).first()
    return BookPhone(*row) if row else None


async def note_used(session: AsyncSession, extension_id: int, now: datetime) -> None:
    """Note that a phone fetched its book; callers do so at most once in USED_STEP."""
    await session.execute(update(PhoneBookKey).where(PhoneBookKey.extension_id == extension_id).values(used_at=now))


async def read_book(
    session: AsyncSession, scope: Scope, size: int, at: str | None = None, search: str = ""
) -> BookPage:
    """The entries of the next `size` cards.

    Args:
        session: a reading one.
        scope: of the phone's owner.
        size: how many cards, each of which may have several numbers and persons.
        at: where the page before ended; None begins. What we did not write begins too.
        search: narrows the book as it narrows lists.
    """
    entries: list[Entry] = []
    left = size
    while True:
        part, page = await _next(session, scope, left, at, search)
        load = _counterparty_entries if part == _COUNTERPARTIES else _lead_entries
        entries += await load(session, page.ids)
        at, left = _place_after(part, page), left - len(page.ids)
        if at is None or left <= 0:
            return BookPage(tuple(entries), at)


async def page_starts(session: AsyncSession, scope: Scope, size: int, most: int) -> list[tuple[str | None, str]]:
    """Where each page of `size` cards begins, with the name that stands first there; at most `most` pages."""
    starts: list[tuple[str | None, str]] = []
    begin: str | None = None
    at: str | None = None
    left = size
    while len(starts) < most:
        part, page = await _next(session, scope, left, at, "")
        if page.ids and left == size:
            model = Counterparty if part == _COUNTERPARTIES else Lead
            name = await session.scalar(select(model.name).where(model.id == page.ids[0]))
            starts.append((begin, name or ""))
        at, left = _place_after(part, page), left - len(page.ids)
        if at is None:
            break
        if left <= 0:
            begin, left = at, size
    return starts


async def _next(session: AsyncSession, scope: Scope, size: int, at: str | None, search: str) -> tuple[str, Page]:
    """The cards from a place on, and which part of the book they are of."""
    part, cursor = (at or _COUNTERPARTIES)[:1], (at or "")[1:]
    request = Request(size, after=cursor or None)
    if part == _LEADS:
        leads = LeadFilter(search=search, state=LeadState.NAMED)
        return part, await find_leads(session, leads, LeadOrder.NAME, request, scope)
    wanted = CounterpartyFilter(search=search)
    return _COUNTERPARTIES, await find_counterparties(session, wanted, CounterpartyOrder.NAME, request, scope)


def _place_after(part: str, page: Page) -> str | None:
    if page.after is not None:
        return part + page.after
    return _LEADS if part == _COUNTERPARTIES else None


async def _counterparty_entries(session: AsyncSession, ids: Sequence[int]) -> list[Entry]:
    own = await numbers_of(session, PhoneNumber.counterparty_id, ids)
    columns: tuple[Any, ...] = (Counterparty.id, Counterparty.name, Counterparty.language)
    cards = {row[0]: row for row in await session.execute(select(*columns).where(Counterparty.id.in_(ids)))}
    of_person: tuple[Any, ...] = (
        ContactPerson.id,
        ContactPerson.counterparty_id,
        ContactPerson.name,
        ContactPerson.language,
    )
    chosen = select(*of_person).where(ContactPerson.counterparty_id.in_(ids)).order_by(ContactPerson.id)
    people = (await session.execute(chosen)).all()
    theirs = await numbers_of(session, PhoneNumber.contact_person_id, [person[0] for person in people])
    entries: list[Entry] = []
    for identity in ids:
        if identity not in cards:
            continue
        _id, name, language = cards[identity]
        entries.append(Entry(name, language, own.get(identity, ())))
        entries += [
            Entry(person[2], person[3] or language, theirs.get(person[0], ()), company=name)
            for person in people
            if person[1] == identity
        ]
    return [entry for entry in entries if entry.numbers]


async def _lead_entries(session: AsyncSession, ids: Sequence[int]) -> list[Entry]:
    numbers = await numbers_of(session, PhoneNumber.lead_id, ids)
    columns: tuple[Any, ...] = (Lead.id, Lead.name, Lead.language)
    cards = {row[0]: row for row in await session.execute(select(*columns).where(Lead.id.in_(ids)))}
    found = [Entry(cards[one][1], cards[one][2], numbers.get(one, ())) for one in ids if one in cards]
    return [entry for entry in found if entry.numbers]
