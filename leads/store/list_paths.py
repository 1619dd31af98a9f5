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
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.visitors import replacement_traverse

from leads.store.list_shapes import MOST_COUNTED, Condition, Group, Index, Place, Source, Total

_FIRST_WALK, _SECOND_WALK = 200, 1000
"""So many rows of the order tell how far a page may reach. A walk looks at all its rows, because SQLite sorts what it
found once more."""
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


@dataclass(frozen=True, slots=True)
class Effort:
    """How many matches are sorted at once, how many after a walk that found hardly any, and the longest walk."""

    few: int
    more: int
    walk: int


_LOOKING = Effort(8000, 20_000, 5000)
"""Where each row is looked at."""
_IN_INDEX = Effort(40_000, 100_000, 40_000)
"""Where an index holds all that is needed of it."""


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
        number = await _count(search.session, source, source.filters, MOST_COUNTED + 1)
        if len(source.groups) > _MOST_GROUPS_WALKED and number <= MOST_COUNTED:
            places = await _sort(search, source, source.filters, number)
        else:
            places, _left = await _walk(search, source, await _groups_in_use(search, source), search.limit)
        return places, Total(number, True)
    rarest, few = await _rarest(search.session, source)
    finds = _found_by(search.session, source, rarest)
    if few:
        number = await _count(search.session, source, finds, MOST_COUNTED + 1)
        return await _sort(search, source, finds, number), Total(number, True)
    places, total = await _walk_far(search, source, rarest)
    if total is None:
        places = await _sort(search, source, finds)
        total = Total(max(len(places) - 1, 0), False)
    return places, total


async def _walk_far(search: Search, source: Source, rarest: Condition | None) -> tuple[list[Place], Total | None]:
    """Walk as far as the page probably reaches; no total, where sorting costs less or all of it is farther off."""
    in_index = _in_index(source)
    groups = await _groups_in_use(search, source)
    longest = (_IN_INDEX if in_index and groups and groups[0].held else _LOOKING).walk
    budget = _FIRST_WALK
    while True:
        places, left = await _walk(search, source, groups, budget)
        if left is None:
            return places, await _total_checked(search, source, places)
        if left or budget == longest:
            return places, None
        ahead = budget * search.limit // max(len(places), 1)
        if ahead <= longest:
            budget = min(max(ahead * 3 // 2, budget * 2), longest)
        elif budget < _SECOND_WALK:
            budget = _SECOND_WALK
        elif rarest and await _at_most(search.session, rarest, (_IN_INDEX if in_index else _LOOKING).more):
            return places, None
        else:
            budget = longest


def _in_index(source: Source) -> bool:
    return all(condition.index is Index.COVERING for condition in source.conditions)


def _indexed(source: Source) -> list[Condition]:
    return [condition for condition in source.conditions if condition.index is not Index.NONE]


async def _at_most(session: AsyncSession, condition: Condition, most: int) -> bool:
    """Whether so many rows or fewer meet the condition, as its index tells."""
    beyond = condition.ids.offset(most).limit(1).subquery()
    return await session.scalar(select(literal(1)).select_from(beyond)) is None


async def _rarest(session: AsyncSession, source: Source) -> tuple[Condition | None, bool]:
    """The condition whose matches cost least to sort; also whether they are few enough to do so at once."""
    indexed = _indexed(source)
    most = (_IN_INDEX if _in_index(source) else _LOOKING).few
    few = [condition for condition in indexed if await _at_most(session, condition, most)]
    if not few:
        return max(indexed, key=lambda condition: condition.index, default=None), False
    if len(few) == 1:
        return few[0], True
    counts = [await _rows_in(session, condition.ids.limit(most)) for condition in few]
    return few[counts.index(min(counts))], True


def _found_by(session: AsyncSession, source: Source, driver: Condition | None) -> list[ColumnElement[bool]]:
    """The rows of a source, taken from the index of one of its conditions, if one has any, and held against all else.

    The database is kept from any other index: it would follow one of the list's, through most of the table.
    """
    if driver is None:
        return [*source.filters, *(condition.check for condition in source.conditions)]
    checks = [condition.check for condition in source.conditions if condition is not driver]
    if driver.rest is not None:
        checks.append(driver.rest)
    on_postgres = session.get_bind().dialect.name == "postgresql"
    match driver.index:
        case Index.COVERING:
            found = driver.check
        case Index.IDS_ONCE:
            found = driver.check if on_postgres else source.id == driver.ids.subquery().c.id
        case _:
            found = source.id.in_(driver.ids)
    met = and_(true(), *source.filters, *checks)
    return [found, case((met, true()), else_=false()) if on_postgres else _without_index(source, met)]


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
    alone = source.conditions[0] if len(source.conditions) == 1 and not source.filters else None
    if alone is not None and alone.index >= Index.IDS_ONCE and alone.rest is None:
        return Total(await _rows_in(search.session, alone.ids.limit(MOST_COUNTED + 1)), True)
    if await _count(search.session, source, source.filters, MOST_COUNTED + 1) <= MOST_COUNTED:
        checks = [condition.check for condition in source.conditions]
        return Total(await _count(search.session, source, [*source.filters, *checks], MOST_COUNTED + 1), True)
    return Total(max(len(places) - 1, 0), False)


async def _walk(search: Search, source: Source, groups: Sequence[Group], budget: int) -> tuple[list[Place], int | None]:
    """Follow the order through these groups for at most `budget` rows.

    Returns: what was found, and how many rows more might have been walked through; None where the page is complete.
    """
    session, start = search.session, search.start
    in_index = bool(source.conditions) and _in_index(source)
    places: list[Place] = []
    for number, group in enumerate(groups):
        if source.conditions and number == _MOST_GROUPS_WALKED:
            return places, budget
        wanted = search.limit - len(places)
        most = budget if source.conditions else wanted
        beyond = () if start is None or start.rank != group.rank else (_beyond(source, start, search.descending),)
        held = group.held if in_index else None
        segments = [(*segment, *beyond) for segment in (held or group.segments)()]
        if not source.conditions:
            shown: Select[Any] | CompoundSelect[Any] = _ordered(source, segments, search, most)
        elif held is not None:
            shown = _met(source, segments, search, most).limit(wanted)
        else:
            shown = _checked(source, _ordered(source, segments, search, most), search, wanted)
        rows = (await session.execute(shown)).all()
        places.extend(Place(group.rank, group.label, row[0], row[1]) for row in rows)
        if len(places) == search.limit:
            return places, None
        if source.conditions:
            budget -= await _length(session, source, segments, budget)
            if budget == 0:
                return places, 0
    return places, None


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
    first, *others = segments
    length = await _count(session, source, first, most)
    if others and length < most:
        rest = union_all(*(select(source.id).where(*segment) for segment in others))
        length += await _rows_in(session, rest.limit(most - length))
    return length


def _ordered(
    source: Source, segments: Sequence[Sequence[ColumnElement[bool]]], search: Search, most: int, *also: Any
) -> Select[Any] | CompoundSelect[Any]:
    """The first `most` rows of one group in order, merged from its segments, with what is to be known of each.

    SQLite merges segments lazily as they are. PostgreSQL sorts them whole, unless each is ordered and limited itself;
    which in turn SQLite would not do lazily.
    """
    limited = len(segments) == 1 or search.session.get_bind().dialect.name == "postgresql"
    parts = []
    for segment in segments:
        part = select(source.key.label("key"), source.id.label("id"), *also).where(*segment)
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


def _met(source: Source, segments: Sequence[Sequence[ColumnElement[bool]]], search: Search, most: int) -> Select[Any]:
    """The rows of a window that meet filters and conditions, of which its index holds all that they ask for."""
    asked = and_(*source.filters, *(condition.check for condition in source.conditions)).label("met")
    window = _ordered(source, segments, search, most, asked).subquery()
    shown = select(window.c.key, window.c.id).where(window.c.met)
    return shown.order_by(*_directed(window.c.key, window.c.id, descending=search.descending))


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


async def _sort(
    search: Search, source: Source, finds: Sequence[ColumnElement[bool]], count: int = MOST_COUNTED + 1
) -> list[Place]:
    """Take everything that meets `finds`, of which there are `count`, and sort it.

    Of many only the first groups, if they fill the page: it costs more to tell the places of groups than to pass rows.
    """
    places: list[Place] = []
    groups = _groups_ahead(source, search)
    number = _GROUPS_AT_ONCE if count > MOST_COUNTED else len(groups)
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
    place, key, identity = statement.selected_columns
    if search.session.get_bind().dialect.name == "postgresql":
        key = func.coalesce(key, key)  # Else it may pass all rows in the order's index, to find a page that is far off.
    statement = statement.order_by(*_directed(place, key, identity, descending=descending))
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
