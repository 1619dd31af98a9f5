"""Reads the cards of a list from its first to its last, however long it is, in chunks that cost little memory (L10).

Each chunk is read by itself and by key, so that an export holds no transaction open while somebody saves the file.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from leads.domain.csv_cells import card_mark
from leads.domain.visibility import Scope
from leads.store.counterparties import CounterpartyFilter, CounterpartyOrder, find_counterparties
from leads.store.engine import Database
from leads.store.leads import Find, LeadFilter, LeadOrder, find_leads
from leads.store.listing import Page, Request
from leads.store.models import ContactPerson, Counterparty, Lead, PhoneNumber
from leads.store.visibility import KnowBecame

CHUNK = 200
"""Few enough that nobody waits for the loop while they are written."""

FindPage = Callable[[AsyncSession, Request], Awaitable[Page]]


@dataclass(frozen=True, slots=True)
class ExportedLead:
    """A lead as it goes into a file; `name` is empty where it is but the number."""

    name: str
    numbers: tuple[str, ...]
    email: str
    address: str
    comment: str
    language: str | None
    status_id: int
    source_id: int | None
    responsible_id: int | None
    last_call_at: datetime | None
    created_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ExportedPerson:
    """A contact person as he goes into a file."""

    name: str
    numbers: tuple[str, ...]
    email: str
    language: str | None
    responsible_id: int | None


@dataclass(frozen=True, slots=True)
class ExportedCounterparty:
    """A counterparty as it goes into a file, with its contact persons; `mark` tells it from its namesakes."""

    mark: str
    name: str
    folder: str
    numbers: tuple[str, ...]
    persons: tuple[ExportedPerson, ...]
    email: str
    address: str
    comment: str
    language: str | None
    status_id: int | None
    source_id: int | None
    responsible_id: int | None
    created_at: datetime


async def exported_leads(
    database: Database,
    wanted: LeadFilter,
    order: LeadOrder,
    *,
    descending: bool,
    scope: Scope,
    find: Find = find_leads,
) -> AsyncIterator[list[ExportedLead]]:
    """All leads of a list in its order, chunk by chunk; the arguments are as for list_leads."""

    async def find_chunk(session: AsyncSession, request: Request) -> Page:
        return await find(session, wanted, order, request, scope)

    async for rows in _chunks(database, find_chunk, _leads, descending=descending):
        yield rows


async def exported_counterparties(
    database: Database,
    wanted: CounterpartyFilter,
    order: CounterpartyOrder,
    *,
    descending: bool,
    scope: Scope,
    know: KnowBecame | None = None,
) -> AsyncIterator[list[ExportedCounterparty]]:
    """All counterparties of a list in its order, chunk by chunk; the arguments are as for list_counterparties.

    `know` tells what find_counterparties takes as `became`.
    """

    async def find(session: AsyncSession, request: Request) -> Page:
        return await find_counterparties(
            session, wanted, order, request, scope, became=know and await know(session, scope)
        )

    async for rows in _chunks(database, find, _counterparties, descending=descending):
        yield rows


async def _chunks(
    database: Database,
    find: FindPage,
    load: Callable[[AsyncSession, Sequence[int]], Awaitable[list[Any]]],
    *,
    descending: bool,
) -> AsyncIterator[list[Any]]:
    after: str | None = None
    while True:
        async with database.read() as session:
            page = await find(session, Request(CHUNK, descending, after=after))
            # A place that somebody removed meanwhile would give the first page again, without end.
            rows = await load(session, page.ids) if after is None or page.before is not None else []
        if rows:
            yield rows
        after = page.after
        if after is None or not rows:
            return


async def numbers_of(
    session: AsyncSession, owner: InstrumentedAttribute[int | None], ids: Sequence[int]
) -> dict[int, tuple[str, ...]]:
    """The numbers of each of these owners, the main one first; `owner` is the column that names them."""
    numbers: dict[int, list[str]] = {}
    for identity, number in await session.execute(
        select(owner, PhoneNumber.number).where(owner.in_(ids)).order_by(owner, PhoneNumber.position, PhoneNumber.id)
    ):
        if identity is not None:
            numbers.setdefault(identity, []).append(number)
    return {identity: tuple(theirs) for identity, theirs in numbers.items()}


async def _leads(session: AsyncSession, ids: Sequence[int]) -> list[ExportedLead]:
    numbers = await numbers_of(session, PhoneNumber.lead_id, ids)
    columns: tuple[Any, ...] = (
        Lead.id,
        Lead.name,
        Lead.main_number,
        Lead.email,
        Lead.address,
        Lead.comment,
        Lead.language,
        Lead.status_id,
        Lead.source_id,
        Lead.responsible_id,
        Lead.last_call_at,
        Lead.created_at,
        Lead.closed_at,
    )
    found = {
        row[0]: ExportedLead("" if row[1] == row[2] else row[1], numbers.get(row[0], ()), *row[3:])
        for row in await session.execute(select(*columns).where(Lead.id.in_(ids)))
    }
    return [found[identity] for identity in ids if identity in found]


async def _counterparties(session: AsyncSession, ids: Sequence[int]) -> list[ExportedCounterparty]:
    numbers = await numbers_of(session, PhoneNumber.counterparty_id, ids)
    persons = await _persons(session, ids)
    columns: tuple[Any, ...] = (
        Counterparty.id,
        Counterparty.name,
        Counterparty.folder,
        Counterparty.email,
        Counterparty.address,
        Counterparty.comment,
        Counterparty.language,
        Counterparty.status_id,
        Counterparty.source_id,
        Counterparty.responsible_id,
        Counterparty.created_at,
        Counterparty.mark,
    )
    found = {
        row[0]: ExportedCounterparty(
            row.mark or card_mark(row[0], row.created_at),
            row[1],
            row[2],
            numbers.get(row[0], ()),
            tuple(persons.get(row[0], ())),
            *row[3:-1],
        )
        for row in await session.execute(select(*columns).where(Counterparty.id.in_(ids)))
    }
    return [found[identity] for identity in ids if identity in found]


async def _persons(session: AsyncSession, ids: Sequence[int]) -> dict[int, list[ExportedPerson]]:
    columns: tuple[Any, ...] = (
        ContactPerson.id,
        ContactPerson.counterparty_id,
        ContactPerson.name,
        ContactPerson.email,
        ContactPerson.language,
        ContactPerson.responsible_id,
    )
    rows = (
        await session.execute(select(*columns).where(ContactPerson.counterparty_id.in_(ids)).order_by(ContactPerson.id))
    ).all()
    numbers = await numbers_of(session, PhoneNumber.contact_person_id, [row[0] for row in rows])
    persons: dict[int, list[ExportedPerson]] = {}
    for row in rows:
        persons.setdefault(row[1], []).append(ExportedPerson(row[2], numbers.get(row[0], ()), *row[3:]))
    return persons
