"""Lists counterparties (K1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial

from sqlalchemy import ColumnElement, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.leads import NOBODY, employees, searches
from leads.store.listing import Condition, Group, Page, Request, Segments, Source, Total, read_page
from leads.store.models import ContactPerson, Counterparty, Employee, PhoneNumber
from leads.store.search import search_patterns
from leads.store.visibility import counterparties_of


class CounterpartyOrder(StrEnum):
    """The columns that sort the list."""

    NAME = "name"
    FOLDER = "folder"
    RESPONSIBLE = "responsible"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class CounterpartyFilter:
    """What the list is narrowed to; `folder` None is all, `responsible_id` may be NOBODY."""

    search: str = ""
    folder: str | None = None
    responsible_id: int | None = None


@dataclass(frozen=True, slots=True)
class CounterpartyRow:
    """One line of the list; `people` are the names of its contact persons."""

    id: int
    name: str
    folder: str
    numbers: tuple[str, ...]
    people: tuple[str, ...]
    responsible: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CounterpartyPage:
    """One page of the list, with the cursors of its neighbours."""

    rows: tuple[CounterpartyRow, ...]
    before: str | None
    after: str | None
    total: Total


async def list_counterparties(
    session: AsyncSession,
    wanted: CounterpartyFilter,
    order: CounterpartyOrder,
    request: Request,
    scope: frozenset[int] | None,
) -> CounterpartyPage:
    """Read one page of the counterparties that a viewer may see; the arguments are as for list_leads."""
    page = await find_counterparties(session, wanted, order, request, scope)
    return CounterpartyPage(await _rows(session, page.ids), page.before, page.after, page.total)


async def find_counterparties(
    session: AsyncSession,
    wanted: CounterpartyFilter,
    order: CounterpartyOrder,
    request: Request,
    scope: frozenset[int] | None,
) -> Page:
    """The ids of one page of the list; the arguments are as for list_leads."""
    connection = await session.connection()
    conditions = list(searches(connection.dialect.name, Counterparty, search_patterns(wanted.search)))
    if scope is not None:
        conditions.append(counterparties_of(scope))
    source = await _source(session, wanted, order, tuple(conditions))
    return await read_page(session, [source], request)


async def folders(session: AsyncSession, scope: frozenset[int] | None = None) -> list[str]:
    """The folders in use, of the counterparties that somebody with this scope may see; None for all."""
    statement = select(Counterparty.folder).where(Counterparty.folder != "").distinct()
    if scope is not None:
        statement = statement.where(Counterparty.id.in_(counterparties_of(scope).ids))
    return sorted(await session.scalars(statement), key=str.casefold)


async def _source(
    session: AsyncSession, wanted: CounterpartyFilter, order: CounterpartyOrder, conditions: tuple[Condition, ...]
) -> Source:
    filters: list[ColumnElement[bool]] = []
    if wanted.folder is not None:
        filters.append(Counterparty.folder == wanted.folder)
    if wanted.responsible_id is not None:
        filters.append(_charge(wanted.responsible_id))
    base = tuple(filters)
    groups = [Group(0, 0, partial(_segments, base))]
    key = Counterparty.created_at if order is CounterpartyOrder.CREATED else Counterparty.sort_name
    rank: ColumnElement[int] | None = None
    in_use = None
    if order is CounterpartyOrder.RESPONSIBLE:
        ranks = {each: place for place, each in enumerate([NOBODY, *(one for one, _name in await employees(session))])}
        groups = [Group(place, each, partial(_segments, base, _charge(each))) for each, place in ranks.items()]
        rank = case(ranks, value=func.coalesce(Counterparty.responsible_id, NOBODY), else_=0)
        in_use = select(Employee.id).where(exists().where(Counterparty.responsible_id == Employee.id, *base))
    elif order is CounterpartyOrder.FOLDER:
        names = ["", *await folders(session)]
        groups = [
            Group(place, place, partial(_segments, base, Counterparty.folder == name))
            for place, name in enumerate(names)
        ]
        rank = case({name: place for place, name in enumerate(names)}, value=Counterparty.folder, else_=0)
    return Source(Counterparty.id, key, tuple(groups), base, conditions, rank, in_use)


def _segments(base: tuple[ColumnElement[bool], ...], *more: ColumnElement[bool]) -> Segments:
    return ((*base, *more),)


def _charge(responsible: int) -> ColumnElement[bool]:
    if responsible == NOBODY:
        return Counterparty.responsible_id.is_(None)
    return Counterparty.responsible_id == responsible


async def _rows(session: AsyncSession, ids: Sequence[int]) -> tuple[CounterpartyRow, ...]:
    if not ids:
        return ()
    numbers: dict[int, list[str]] = {}
    owner = func.coalesce(PhoneNumber.counterparty_id, ContactPerson.counterparty_id)
    for counterparty_id, number in await session.execute(
        select(owner, PhoneNumber.number)
        .outerjoin(ContactPerson, ContactPerson.id == PhoneNumber.contact_person_id)
        .where(or_(PhoneNumber.counterparty_id.in_(ids), ContactPerson.counterparty_id.in_(ids)))
        .order_by(PhoneNumber.contact_person_id.is_not(None), PhoneNumber.position, PhoneNumber.id)
    ):
        numbers.setdefault(counterparty_id, []).append(number)
    people: dict[int, list[str]] = {}
    for counterparty_id, name in await session.execute(
        select(ContactPerson.counterparty_id, ContactPerson.name)
        .where(ContactPerson.counterparty_id.in_(ids))
        .order_by(ContactPerson.id)
    ):
        people.setdefault(counterparty_id, []).append(name)
    statement = (
        select(Counterparty.id, Counterparty.name, Counterparty.folder, Employee.name, Counterparty.created_at)
        .outerjoin(Employee, Employee.id == Counterparty.responsible_id)
        .where(Counterparty.id.in_(ids))
    )
    rows = {
        row[0]: CounterpartyRow(
            row[0], row[1], row[2], tuple(numbers.get(row[0], ())), tuple(people.get(row[0], ())), row[3], row[4]
        )
        for row in await session.execute(statement)
    }
    return tuple(rows[identity] for identity in ids if identity in rows)
