"""By which path a part of a list is found: along its order, or from the index of what narrows it, and sorted.

See leads.store.listing for when each of them is good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    GenerativeSelect,
    Select,
    Subquery,
    UnaryExpression,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.visitors import replacement_traverse

from leads.store.list_shapes import MOST_COUNTED, Condition, Group, Index, Place, Source, Total

_FEW = 8000
"""So many matches are looked at and sorted."""
_MANY = 40_000
"""So many are where an index holds all that is needed of them."""
_WALKS = (200, 1000, 5000)
"""So many rows of the order are looked at; each time all of them, because SQLite sorts what it found once more."""
_GROUPS_AT_ONCE = 4
"""Groups that are sorted by one statement; each further one takes twice as many."""
_WINDOW = 5000
"""So many rows are looked through at once, where all of them are."""
_MOST_GROUPS_WALKED = 12


@dataclass(frozen=True, slots=True)
class Search:
    """One attempt to read a page: `limit` rows after `start`, in one direction."""

    session: AsyncSession
    start: Place | None
    descending: bool
    limit: int


async def count_all(session: AsyncSession, source: Source, *more: ColumnElement[bool]) -> int:
    """Count the rows of a source that also meet `more`, however many they are."""
    finds = _found_by(session, source, next(iter(_indexed(source)), None))
    return await session.scalar(select(func.count(source.id)).where(*finds, *more)) or 0


async def next_ids(
    session: AsyncSession, identity: InstrumentedAttribute[int], condition: ColumnElement[bool], after: int
) -> tuple[list[int], int | None]:
    """Look through the next rows by id, a bounded number of them.

    Returns: the ids of those that meet the condition, and the id to go on after; None when there are no more rows.
    """
    window = select(identity.label("id")).where(identity > after).order_by(identity).limit(_WINDOW).subquery()
    shown = _looked_at(session, select(window.c.id), window, identity, [condition]).order_by(window.c.id)
    found = list(await session.scalars(shown))
    count, last = (await session.execute(select(func.count(), func.max(window.c.id)))).one()
    return found, last if count == _WINDOW else None


async def fetch(search: Search, source: Source) -> tuple[list[Place], Total]:
    """The rows that one part of a list gives to the page, in the direction of the search, and how many it has."""
    if not source.conditions:
        many = len(source.groups) > _MOST_GROUPS_WALKED
        most = _FEW if many else MOST_COUNTED + 1
        number = await _count(search.session, source, source.filters, most)
        if many and number < most:
            places = await _sort(search, source, source.filters)
        else:
            places, _done = await _walk(search, source, await _groups_in_use(search, source), search.limit)
        return places, Total(number, True)
    rarest, few = await _rarest(search.session, source)
    finds = _found_by(search.session, source, rarest)
    if few:
        number = await _count(search.session, source, finds, MOST_COUNTED + 1)
        return await _sort(search, source, finds), Total(number, True)
    groups = await _groups_in_use(search, source)
    for budget in _WALKS:
        places, done = await _walk(search, source, groups, budget)
        if done:
            return places, await _total_checked(search, source, places)
    places = await _sort(search, source, finds)
    return places, Total(max(len(places) - 1, 0), False)


def _indexed(source: Source) -> list[Condition]:
    return [condition for condition in source.conditions if condition.index is not Index.NONE]


async def _rarest(session: AsyncSession, source: Source) -> tuple[Condition | None, bool]:
    """The condition whose matches cost least to sort; also whether they are few enough to do so at once."""
    indexed = _indexed(source)
    in_index = all(condition.index is Index.COVERING for condition in source.conditions)
    most = _MANY if in_index else _FEW
    few = []
    for condition in indexed:
        beyond = condition.ids.offset(most).limit(1).subquery()
        if await session.scalar(select(literal(1)).select_from(beyond)) is None:
            few.append(condition)
    if not few:
        return max(indexed, key=lambda condition: condition.index, default=None), False
    if len(few) == 1:
        return few[0], True
    counts = [await _rows_in(session, condition.ids.limit(most)) for condition in few]
    return few[counts.index(min(counts))], True


def _found_by(session: AsyncSession, source: Source, driver: Condition | None) -> list[ColumnElement[bool]]:
    """The rows of a source, taken from the index of one of its conditions, if one has any, and held against all else.

    SQLite is kept from any other index: it would follow one of the list's, through most of the table.
    """
    if driver is None:
        return [*source.filters, *(condition.check for condition in source.conditions)]
    checks = [condition.check for condition in source.conditions if condition is not driver]
    if driver.rest is not None:
        checks.append(driver.rest)
    match driver.index:
        case Index.COVERING:
            found = driver.check
        case Index.IDS_ONCE:
            found = source.id == driver.ids.subquery().c.id
        case _:
            found = source.id.in_(driver.ids)
    met = and_(true(), *source.filters, *checks)
    return [found, met if session.get_bind().dialect.name == "postgresql" else _without_index(source, met)]


def _without_index(source: Source, met: ColumnElement[bool]) -> ColumnElement[bool]:
    """The same condition, for which SQLite uses no index: https://www.sqlite.org/optoverview.html (unary +)."""
    of_list = source.id.class_.__table__

    def hide(element: Any, **_kw: Any) -> Any:
        if isinstance(element, Column) and element.table is of_list:
            return UnaryExpression(element, operator=custom_op("+"), type_=element.type)
        return None

    return replacement_traverse(met, {}, hide)


async def _total_checked(search: Search, source: Source, places: Sequence[Place]) -> Total:
    """Count what a walk was enough for: exactly where the list is not long, else as more than one page."""
    if search.start is None and len(places) < search.limit:
        return Total(len(places), True)
    if await _count(search.session, source, source.filters, MOST_COUNTED + 1) <= MOST_COUNTED:
        checks = [condition.check for condition in source.conditions]
        return Total(await _count(search.session, source, [*source.filters, *checks], MOST_COUNTED + 1), True)
    return Total(max(len(places) - 1, 0), False)


async def _walk(search: Search, source: Source, groups: Sequence[Group], budget: int) -> tuple[list[Place], bool]:
    """Follow the order through these groups for at most `budget` rows; also tell whether the page is complete."""
    session, start = search.session, search.start
    places: list[Place] = []
    for number, group in enumerate(groups):
        if source.conditions and number == _MOST_GROUPS_WALKED:
            return places, False
        wanted = search.limit - len(places)
        most = budget if source.conditions else wanted
        beyond = () if start is None or start.rank != group.rank else (_beyond(source, start, search.descending),)
        segments = [(*segment, *beyond) for segment in group.segments()]
        ordered = _ordered(source, segments, search, most)
        shown = _checked(source, ordered, search, wanted) if source.conditions else ordered
        rows = (await session.execute(shown)).all()
        places.extend(Place(group.rank, group.label, row[0], row[1]) for row in rows)
        if len(places) == search.limit:
            return places, True
        if source.conditions:
            budget -= await _length(session, source, segments, budget)
            if budget <= 0:
                return places, False
    return places, True


def _groups_ahead(source: Source, search: Search) -> list[Group]:
    """The groups that hold what comes after the start, in the direction of the search."""
    groups = list(source.groups)
    if search.descending:
        groups.reverse()
    if search.start is None:
        return groups
    sign = -1 if search.descending else 1
    return [group for group in groups if group.rank * sign >= search.start.rank * sign]


async def _groups_in_use(search: Search, source: Source) -> list[Group]:
    """The groups ahead that may hold rows, as far as the source can tell."""
    groups = _groups_ahead(source, search)
    if source.labels_in_use is None:
        return groups
    in_use = {*(await search.session.scalars(source.labels_in_use)), 0}
    return [group for group in groups if group.label in in_use]


async def _length(
    session: AsyncSession, source: Source, segments: Sequence[Sequence[ColumnElement[bool]]], most: int
) -> int:
    """How many rows segments have together, up to `most`; without merging them, which costs more."""
    length = 0
    for segment in segments:
        if length < most:
            length += await _count(session, source, segment, most - length)
    return length


def _ordered(
    source: Source, segments: Sequence[Sequence[ColumnElement[bool]]], search: Search, most: int
) -> Select[Any] | CompoundSelect[Any]:
    """The first `most` rows of one group in order, merged from its segments.

    SQLite merges segments lazily as they are. PostgreSQL sorts them whole, unless each is ordered and limited itself;
    which in turn SQLite would not do lazily.
    """
    limited = len(segments) == 1 or search.session.get_bind().dialect.name == "postgresql"
    parts = []
    for segment in segments:
        part = select(source.key.label("key"), source.id.label("id")).where(*segment)
        if limited:
            part = part.order_by(*_directed(source.key, source.id, descending=search.descending)).limit(most)
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    merged = union_all(*parts)
    columns = merged.selected_columns
    return merged.order_by(*_directed(columns.key, columns.id, descending=search.descending)).limit(most)


def _directed(*columns: Any, descending: bool) -> list[Any]:
    return [column.desc() if descending else column for column in columns]


def _checked(source: Source, ordered: Select[Any] | CompoundSelect[Any], search: Search, limit: int) -> Select[Any]:
    """The rows of a window that meet the conditions."""
    window = ordered.subquery()
    checks = [condition.check for condition in source.conditions]
    shown = _looked_at(search.session, select(window.c.key, window.c.id), window, source.id, checks)
    return shown.order_by(*_directed(window.c.key, window.c.id, descending=search.descending)).limit(limit)


def _looked_at(
    session: AsyncSession,
    shown: Select[Any],
    window: Subquery,
    identity: InstrumentedAttribute[int],
    checks: Sequence[ColumnElement[bool]],
) -> Select[Any]:
    """Narrow what is shown of a window to the rows that meet the checks, each looked at by its key.

    SQLite does not get a join for it: it would read the whole table first, to make a Bloom filter of it.
    """
    if session.get_bind().dialect.name == "postgresql":
        return shown.join(identity.class_, identity == window.c.id).where(*checks)
    row = select(and_(*checks)).select_from(identity.class_).where(identity == window.c.id)
    return shown.where(row.correlate(window).scalar_subquery())


async def _sort(search: Search, source: Source, finds: Sequence[ColumnElement[bool]]) -> list[Place]:
    """Take everything that meets `finds`, and sort it: only the first groups, if they fill the page."""
    places: list[Place] = []
    groups, number = _groups_ahead(source, search), _GROUPS_AT_ONCE
    while groups and len(places) < search.limit:
        chosen, groups, number = groups[:number], groups[number:], number * 2
        places += await _sort_groups(search, source, finds, chosen, search.limit - len(places))
    return places


async def _sort_groups(
    search: Search, source: Source, finds: Sequence[ColumnElement[bool]], groups: Sequence[Group], limit: int
) -> list[Place]:
    start, descending = search.start, search.descending
    rank: ColumnElement[int] = literal(groups[0].rank)
    if source.label is not None:
        labels = [group.label for group in groups]
        if len(labels) < len(source.groups):
            finds = [*finds, source.label.in_(labels)]
        rank = case({group.label: group.rank for group in groups}, value=source.label)
    statement = select(rank.label("rank"), source.key.label("key"), source.id.label("id")).where(*finds)
    if start is not None and start.rank == groups[0].rank:
        beyond = _beyond(source, start, descending)
        statement = statement.where(beyond if source.label is None else or_(source.label != start.label, beyond))
    statement = statement.order_by(*_directed(*statement.selected_columns, descending=descending))
    rows = (await search.session.execute(statement.limit(limit))).all()
    label_of = {group.rank: group.label for group in groups}
    return [Place(row[0], label_of[row[0]], row[1], row[2]) for row in rows]


def _beyond(source: Source, start: Place, descending: bool) -> ColumnElement[bool]:
    """What stands after `start` within its group."""
    if start.key is None:
        return source.id < start.id if descending else source.id > start.id
    here = tuple_(source.key, source.id)
    there = tuple_(literal(start.key, source.key.type), literal(start.id, source.id.type))
    return here < there if descending else here > there


async def _count(session: AsyncSession, source: Source, finds: Sequence[ColumnElement[bool]], most: int) -> int:
    return await _rows_in(session, select(source.id).where(*finds).limit(most))


async def _rows_in(session: AsyncSession, statement: GenerativeSelect) -> int:
    return await session.scalar(select(func.count()).select_from(statement.subquery())) or 0
