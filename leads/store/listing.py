"""Pages through a big table in any order that a list offers, by key and never by offset, at the same cost on each page.

A list is a sequence of groups (the statuses, when it is sorted by status; else one). Within a group rows stand by a
key and their id, and the group is merged from segments, each of which one index holds in that very order. So a page
without search reads the rows that it shows and hardly any more.

Search, and what an employee may see, are conditions for which no such index can exist. A page then either walks the
order and drops what does not match (good where much matches), or takes all that matches from the condition's own index
and sorts it (good where little does). Which of the two is good nobody knows before, so they are tried by turns, each
for a bounded time, and only the last attempt, which no real data has needed, may take long.
"""

import base64
import heapq
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    SelectBase,
    Subquery,
    and_,
    case,
    false,
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

from leads.store.models import UtcDateTime

MOST_COUNTED = 1000
_FEW = 5000
"""So many matches are sorted at once."""
_SHORT_WALK = 1000
_LONG_WALK = 10_000
_WINDOW = 5000
"""So many rows are looked through at once, where all of them are."""
_MOST_GROUPS_WALKED = 12

Key = str | datetime | None
Segments = tuple[tuple[ColumnElement[bool], ...], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One row's place in a list: its group, its key there, its id."""

    rank: int
    label: int
    key: Key
    id: int


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that stand together, merged from segments; each is the conditions of one stretch of an index.

    `segments` makes them when they are needed, because most groups of a long list are not. `rank` is the group's place
    in the list; `label` stands for it in cursors, where ranks may change.
    """

    rank: int
    label: int
    segments: Callable[[], Segments]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition in two forms: `check` looks at one row, `ids` takes the matching rows' ids from an index."""

    check: ColumnElement[bool]
    ids: SelectBase


@dataclass(frozen=True, slots=True)
class Source:
    """A list, or a part of one.

    `filters` say the same as all segments together. `rank` is the rank of a row's group, None where there is only
    one. `labels_in_use` finds the labels of groups that hold rows, where many may be empty.
    """

    id: InstrumentedAttribute[int]
    key: InstrumentedAttribute[Any]
    groups: tuple[Group, ...]
    filters: tuple[ColumnElement[bool], ...]
    conditions: tuple[Condition, ...] = ()
    rank: ColumnElement[int] | None = None
    labels_in_use: Select[Any] | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """How many rows a list has; not `exact` means more than that."""

    number: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Page:
    """The ids of one page in order, and the cursors of the pages around it (None where there is none)."""

    ids: tuple[int, ...]
    before: str | None
    after: str | None
    total: Total


@dataclass(frozen=True, slots=True)
class Request:
    """What part of a list is asked for: the first page, or the one `after` or `before` a cursor."""

    size: int
    descending: bool = False
    after: str | None = None
    before: str | None = None


async def read_page(session: AsyncSession, sources: Sequence[Source], request: Request) -> Page:
    """Read one page of the list that the sources make together; their groups rank alike, and no row is in two.

    A cursor that is none, or no longer fits, gives the first page.
    """
    start = _read_cursor(request.before or request.after, sources)
    backward = request.before is not None and start is not None
    search = _Search(session, start, request.descending != backward, request.size + 1)
    places, total = await _merge(search, sources)
    more, places = len(places) > request.size, places[: request.size]
    if backward and not more:
        # The beginning is reached: a full first page, not the few rows that stood before the cursor.
        return await read_page(session, sources, Request(request.size, request.descending))
    if backward:
        places.reverse()
    if not places:
        return Page((), None, None, total)
    has_before, has_after = (more, True) if backward else (start is not None, more)
    return Page(
        tuple(place.id for place in places),
        _write_cursor(places[0]) if has_before else None,
        _write_cursor(places[-1]) if has_after else None,
        total,
    )


def held_by(sources: Sequence[Source]) -> ColumnElement[bool]:
    """The condition that a row is in one of the sources, as one looks at a single row."""
    return or_(
        false(), *(and_(*source.filters, *(condition.check for condition in source.conditions)) for source in sources)
    )


async def count_all(session: AsyncSession, source: Source, *more: ColumnElement[bool]) -> int:
    """Count the rows of a source that also meet `more`, however many they are."""
    finds = _found_by(session, source, source.conditions[0]) if source.conditions else source.filters
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


@dataclass(frozen=True, slots=True)
class _Search:
    """One attempt to read a page: `limit` rows after `start`, in one direction."""

    session: AsyncSession
    start: Place | None
    descending: bool
    limit: int


async def _merge(search: _Search, sources: Sequence[Source]) -> tuple[list[Place], Total]:
    found = [await _fetch(search, source) for source in sources]

    def by_place(place: Place) -> tuple[int, str | datetime, int]:
        return place.rank, place.key if place.key is not None else "", place.id

    places = list(heapq.merge(*(places for places, _total in found), key=by_place, reverse=search.descending))
    number = sum(total.number for _places, total in found)
    exact = all(total.exact for _places, total in found) and number <= MOST_COUNTED
    return places[: search.limit], Total(min(number, MOST_COUNTED), exact)


async def _fetch(search: _Search, source: Source) -> tuple[list[Place], Total]:
    if not source.conditions:
        many = len(source.groups) > _MOST_GROUPS_WALKED
        most = _FEW if many else MOST_COUNTED + 1
        number = await _count(search.session, source, source.filters, most)
        if many and number < most:
            places = await _sort(search, source, source.filters)
        else:
            places, _done = await _walk(search, source, search.limit)
        return places, Total(number, True)
    places, done = await _walk(search, source, _SHORT_WALK)
    if done:
        return places, await _total_checked(search, source, places)
    counted = [
        (await _matches(search.session, condition.ids), place) for place, condition in enumerate(source.conditions)
    ]
    matched, rarest = min(counted)
    finds = _found_by(search.session, source, source.conditions[rarest])
    if matched < _FEW:
        number = await _count(search.session, source, finds, MOST_COUNTED + 1)
        return await _sort(search, source, finds), Total(number, True)
    places, done = await _walk(search, source, _LONG_WALK)
    if not done:
        places = await _sort(search, source, finds)
    return places, Total(max(len(places) - 1, 0), False)


def _found_by(session: AsyncSession, source: Source, driver: Condition) -> list[ColumnElement[bool]]:
    """The rows of a source, taken from the index of one of its conditions and held against all else.

    SQLite is kept from any other index: it would follow one of the list's, through most of the table.
    """
    others = [condition.check for condition in source.conditions if condition is not driver]
    met = and_(true(), *source.filters, *others)
    if session.get_bind().dialect.name != "postgresql":
        met = case((met, 1), else_=0) == 1
    return [source.id.in_(driver.ids), met]


async def _total_checked(search: _Search, source: Source, places: Sequence[Place]) -> Total:
    """Count what a short walk was enough for: exactly where the list is not long, else as more than one page."""
    if search.start is None and len(places) < search.limit:
        return Total(len(places), True)
    if await _count(search.session, source, source.filters, MOST_COUNTED + 1) <= MOST_COUNTED:
        checks = [condition.check for condition in source.conditions]
        return Total(await _count(search.session, source, [*source.filters, *checks], MOST_COUNTED + 1), True)
    return Total(max(len(places) - 1, 0), False)


async def _walk(search: _Search, source: Source, budget: int) -> tuple[list[Place], bool]:
    """Follow the order for at most `budget` rows; also tell whether the page is complete."""
    session, start = search.session, search.start
    groups = list(source.groups)
    if source.labels_in_use is not None:
        in_use = {*(await session.scalars(source.labels_in_use)), 0}
        groups = [group for group in groups if group.label in in_use]
    if search.descending:
        groups.reverse()
    if start is not None:
        sign = -1 if search.descending else 1
        groups = [group for group in groups if group.rank * sign >= start.rank * sign]
    places: list[Place] = []
    for number, group in enumerate(groups):
        if source.conditions and number == _MOST_GROUPS_WALKED:
            return places, False
        wanted = search.limit - len(places)
        most = budget if source.conditions else wanted
        ordered = _ordered(source, group, start, search, most)
        shown = _checked(source, ordered, search, wanted) if source.conditions else ordered
        rows = (await session.execute(shown)).all()
        places.extend(Place(group.rank, group.label, row[0], row[1]) for row in rows)
        if len(places) == search.limit:
            return places, True
        if source.conditions:
            budget -= await session.scalar(select(func.count()).select_from(ordered.subquery())) or 0
            if budget <= 0:
                return places, False
        start = None
    return places, True


def _ordered(
    source: Source, group: Group, start: Place | None, search: _Search, most: int
) -> Select[Any] | CompoundSelect[Any]:
    """The first `most` rows of one group in order, merged from its segments.

    SQLite merges segments lazily as they are. PostgreSQL sorts them whole, unless each is ordered and limited itself;
    which in turn SQLite would not do lazily.
    """
    beyond = _beyond(source, start, search.descending) if start is not None and start.rank == group.rank else None
    segments = group.segments()
    limited = len(segments) == 1 or search.session.get_bind().dialect.name == "postgresql"
    parts = []
    for segment in segments:
        part = select(source.key.label("key"), source.id.label("id")).where(*segment)
        if beyond is not None:
            part = part.where(beyond)
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


def _checked(source: Source, ordered: Select[Any] | CompoundSelect[Any], search: _Search, limit: int) -> Select[Any]:
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


async def _sort(search: _Search, source: Source, finds: Sequence[ColumnElement[bool]]) -> list[Place]:
    """Take everything that meets `finds`, and sort it."""
    start, descending = search.start, search.descending
    rank: ColumnElement[int] = literal(0) if source.rank is None else source.rank
    statement = select(rank.label("rank"), source.key.label("key"), source.id.label("id"))
    statement = statement.where(*finds)
    if start is not None:
        later = rank < start.rank if descending else rank > start.rank
        statement = statement.where(or_(later, and_(rank == start.rank, _beyond(source, start, descending))))
    statement = statement.order_by(*_directed(*statement.selected_columns, descending=descending))
    rows = (await search.session.execute(statement.limit(search.limit))).all()
    labels = {group.rank: group.label for group in source.groups}
    return [Place(row[0], labels[row[0]], row[1], row[2]) for row in rows]


def _beyond(source: Source, start: Place, descending: bool) -> ColumnElement[bool]:
    """What stands after `start` within its group."""
    if start.key is None:
        return source.id < start.id if descending else source.id > start.id
    here = tuple_(source.key, source.id)
    there = tuple_(literal(start.key, source.key.type), literal(start.id, source.id.type))
    return here < there if descending else here > there


async def _count(session: AsyncSession, source: Source, finds: Sequence[ColumnElement[bool]], most: int) -> int:
    rows = select(source.id).where(*finds).limit(most).subquery()
    return await session.scalar(select(func.count()).select_from(rows)) or 0


async def _matches(session: AsyncSession, ids: SelectBase) -> int:
    """How much an index finds, up to _FEW; it need not look further."""
    rows = select(ids.subquery()).limit(_FEW).subquery()
    return await session.scalar(select(func.count()).select_from(rows)) or 0


def _write_cursor(place: Place) -> str:
    key = place.key.isoformat() if isinstance(place.key, datetime) else place.key
    return (
        base64.urlsafe_b64encode(json.dumps([place.label, key, place.id], ensure_ascii=False).encode())
        .decode()
        .rstrip("=")
    )


def _read_cursor(cursor: str | None, sources: Sequence[Source]) -> Place | None:
    """The place that a cursor stands for; None for one that we did not write for such a list."""
    if not cursor or not sources:
        return None
    ranks = {group.label: group.rank for source in sources for group in source.groups}
    try:
        label, key, identity = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if key is not None and isinstance(sources[0].key.type, UtcDateTime):
            key = datetime.fromisoformat(key)
            if key.tzinfo is None:
                return None
            key = key.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    if type(label) is not int or label not in ranks or type(identity) is not int or not 0 <= identity < 2**31:
        return None
    if not isinstance(key, str | datetime | None) or (isinstance(key, str) and not key.isprintable()):
        return None
    return Place(ranks[label], label, key, identity)
