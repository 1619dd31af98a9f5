"""Lists counterparties (K1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from leads.domain.statuses import StatusSet
from leads.domain.visibility import Scope
from leads.store.counterparty_rows import NUMBERS_COMPANY
from leads.store.former_leads import numbers_of_counterparties
from leads.store.leads import NOBODY, employees
from leads.store.list_shapes import Condition, Group, Index, Source, Total
from leads.store.listing import Page, Request, read_page
from leads.store.models import ContactPerson, Counterparty, CounterpartyStatus, Employee, PhoneNumber
from leads.store.narrowing import Stretch, key_holds, number_holds, searches
from leads.store.search import search_patterns
from leads.store.statuses import status_names
from leads.store.visibility import Became, seen_counterparties


class CounterpartyOrder(StrEnum):
    """The columns that sort the list."""

    NAME = "name"
    FOLDER = "folder"
    RESPONSIBLE = "responsible"
    STATUS = "status"
    CREATED = "created"
    NUMBERS = "numbers"
    PEOPLE = "people"


_KEYS: dict[CounterpartyOrder, InstrumentedAttribute[Any]] = {
    CounterpartyOrder.CREATED: Counterparty.created_at,
    CounterpartyOrder.NUMBERS: Counterparty.main_number,
    CounterpartyOrder.PEOPLE: Counterparty.sort_person,
}


@dataclass(frozen=True, slots=True)
class CounterpartyFilter:
    """What the list is narrowed to; `folder` or `status_id` None is all, `responsible_id` may be NOBODY.

    `name`, `number` and `person` (a contact person's name) are pieces of them, `created` when that was.
    """

    search: str = ""
    folder: str | None = None
    status_id: int | None = None
    responsible_id: int | None = None
    name: str = ""
    number: str = ""
    person: str = ""
    created: Stretch | None = None


@dataclass(frozen=True, slots=True)
class CounterpartyRow:
    """One line of the list; `people` are the names of its contact persons."""

    id: int
    name: str
    folder: str
    numbers: tuple[str, ...]
    people: tuple[str, ...]
    status: str
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
    scope: Scope,
    *,
    became: Became = None,
) -> CounterpartyPage:
    """Read one page of the counterparties that a viewer may see; the arguments are as for find_counterparties."""
    page = await find_counterparties(session, wanted, order, request, scope, became=became)
    return CounterpartyPage(await _rows(session, page.ids), page.before, page.after, page.total)


async def find_counterparties(
    session: AsyncSession,
    wanted: CounterpartyFilter,
    order: CounterpartyOrder,
    request: Request,
    scope: Scope,
    *,
    became: Became = None,
) -> Page:
    """The ids of one page of the list; the arguments are as for list_leads, and `became` as for seen_counterparties."""
    dialect = (await session.connection()).dialect.name
    conditions = [
        *searches(dialect, Counterparty, search_patterns(wanted.search)),
        *key_holds(dialect, Counterparty, Counterparty.sort_name, wanted.name),
        *key_holds(dialect, Counterparty, Counterparty.people_keys, wanted.person),
        *number_holds(dialect, Counterparty, wanted.number),
    ]
    if scope is not None:
        conditions.append(await seen_counterparties(session, scope, became))
    source = await _source(session, wanted, order, tuple(conditions))
    return await read_page(session, [source], request)


async def folders(session: AsyncSession, scope: Scope = None, became: Became = None) -> list[str]:
    """The folders in use, of the counterparties that somebody with this scope may see, as find_counterparties."""
    if scope is not None:
        seen = await seen_counterparties(session, scope, became)
        statement = select(Counterparty.folder).where(Counterparty.folder != "").distinct()
        statement = statement.where(Counterparty.id.in_(seen.ids))
        return sorted(await session.scalars(statement), key=str.casefold)
    # From each folder to the next in their index: to pass all counterparties of each takes longer than their list.
    first = select(func.min(Counterparty.folder).label("folder")).where(Counterparty.folder > "").cte(recursive=True)
    following = select(func.min(Counterparty.folder)).where(Counterparty.folder > first.c.folder).scalar_subquery()
    every = first.union_all(select(following).where(first.c.folder.is_not(None)))
    found = await session.scalars(select(every.c.folder).where(every.c.folder.is_not(None)))
    return sorted(found, key=str.casefold)


async def _source(
    session: AsyncSession, wanted: CounterpartyFilter, order: CounterpartyOrder, conditions: tuple[Condition, ...]
) -> Source:
    base, outside = _by_columns(wanted, order)
    conditions = (*conditions, *outside)
    groups = [_group(0, base)]
    key = _KEYS.get(order, Counterparty.sort_name)
    label: ColumnElement[int] | None = None
    in_use = None
    if order is CounterpartyOrder.RESPONSIBLE:
        ranks = {each: place for place, each in enumerate([NOBODY, *(one for one, _name in await employees(session))])}
        groups = [
            _group(place, base, _charge(each), label=each)
            for each, place in ranks.items()
            if wanted.responsible_id in (None, each)
        ]
        label = func.coalesce(Counterparty.responsible_id, NOBODY)
        if wanted.responsible_id is None:
            in_use = select(Employee.id).where(exists().where(Counterparty.responsible_id == Employee.id, *base))
    elif order is CounterpartyOrder.STATUS:
        # None has no status but for a moment of the column's own history; it stands last and is never lost.
        statuses = [*(one for one, _name in await status_names(session, StatusSet.COUNTERPARTIES)), None]
        groups = [
            _group(place, base, _of_status(each))
            for place, each in enumerate(statuses)
            if wanted.status_id in (None, each)
        ]
        places = {each: place for place, each in enumerate(statuses) if each is not None}
        label = case(places, value=Counterparty.status_id, else_=len(places))
    elif order is CounterpartyOrder.FOLDER:
        names = ["", *await folders(session)]
        groups = [_group(place, base, Counterparty.folder == name) for place, name in enumerate(names)]
        label = case({name: place for place, name in enumerate(names)}, value=Counterparty.folder, else_=0)
    return Source(Counterparty.id, key, tuple(groups), base, base, conditions, label, in_use)


def _by_columns(
    wanted: CounterpartyFilter, order: CounterpartyOrder
) -> tuple[tuple[ColumnElement[bool], ...], tuple[Condition, ...]]:
    """The filters of single columns: the one by which an index has the order too, and the others."""
    checks: dict[CounterpartyOrder, ColumnElement[bool]] = {}
    if wanted.folder is not None:
        checks[CounterpartyOrder.FOLDER] = Counterparty.folder == wanted.folder
    if wanted.status_id is not None:
        checks[CounterpartyOrder.STATUS] = Counterparty.status_id == wanted.status_id
    if wanted.responsible_id is not None:
        checks[CounterpartyOrder.RESPONSIBLE] = _charge(wanted.responsible_id)
    by_name = next(iter(checks), None)  # Each of these three has an index in which the names follow.
    if wanted.created is not None:
        checks[CounterpartyOrder.CREATED] = wanted.created.holds(Counterparty.created_at)
    inside = checks.pop(by_name if by_name and order is CounterpartyOrder.NAME else order, None)
    outside = (Condition(each, select(Counterparty.id).where(each), Index.IDS_ONCE) for each in checks.values())
    return () if inside is None else (inside,), tuple(outside)


def _group(
    rank: int, base: tuple[ColumnElement[bool], ...], *more: ColumnElement[bool], label: int | None = None
) -> Group:
    stretch = (*base, *more)
    return Group(rank, rank if label is None else label, lambda: (stretch,), lambda: stretch)


def _charge(responsible: int) -> ColumnElement[bool]:
    if responsible == NOBODY:
        return Counterparty.responsible_id.is_(None)
    return Counterparty.responsible_id == responsible


def _of_status(status_id: int | None) -> ColumnElement[bool]:
    return Counterparty.status_id.is_(None) if status_id is None else Counterparty.status_id == status_id


async def _rows(session: AsyncSession, ids: Sequence[int]) -> tuple[CounterpartyRow, ...]:
    if not ids:
        return ()
    numbers: dict[int, list[str]] = {}
    for counterparty_id, number in await session.execute(
        select(NUMBERS_COMPANY, PhoneNumber.number)
        .outerjoin(ContactPerson, ContactPerson.id == PhoneNumber.contact_person_id)
        .where(numbers_of_counterparties(ids))
        .order_by(
            PhoneNumber.contact_person_id.is_not(None),
            PhoneNumber.contact_person_id,
            PhoneNumber.position,
            PhoneNumber.id,
        )
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
        select(
            Counterparty.id,
            Counterparty.name,
            Counterparty.folder,
            func.coalesce(CounterpartyStatus.name, ""),
            Employee.name,
            Counterparty.created_at,
        )
        .outerjoin(CounterpartyStatus, CounterpartyStatus.id == Counterparty.status_id)
        .outerjoin(Employee, Employee.id == Counterparty.responsible_id)
        .where(Counterparty.id.in_(ids))
    )
    rows = {
        row[0]: CounterpartyRow(
            row[0], row[1], row[2], tuple(numbers.get(row[0], ())), tuple(people.get(row[0], ())), *row[3:]
        )
        for row in await session.execute(statement)
    }
    return tuple(rows[identity] for identity in ids if identity in rows)
