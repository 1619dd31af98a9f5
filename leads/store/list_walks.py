"""The statements by which a list's rows are found: a walk along its order, or all that a condition finds, sorted.

Which of them is good when, leads.store.list_paths decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    GenerativeSelect,
    Select,
    Subquery,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from leads.store.list_shapes import MOST_COUNTED, Group, Index, Place, Source

GROUPS_AT_ONCE = 4
"""Groups that are sorted by one statement; each further one takes twice as many."""
MOST_GROUPS_WALKED = 12


@dataclass(frozen=True, slots=True)
class Search:
    """One attempt to read a page: `limit` rows after `start`, in one direction."""

    session: AsyncSession
    start: Place | None
    descending: bool
    limit: int


def in_index(source: Source) -> bool:
    """Whether an index of the list holds all that the conditions ask for."""
    return all(condition.index is Index.COVERING for condition in source.conditions)


async def walk(search: Search, source: Source, groups: Sequence[Group], budget: int) -> tuple[list[Place], int | None]:
    """Follow the order through these groups for at most `budget` rows.

    Returns: what was found, and how many rows more might have been walked through; None where the page is complete.
    """
    session, start = search.session, search.start
    all_held = bool(source.conditions) and in_index(source)
    places: list[Place] = []
    for number, group in enumerate(groups):
        if source.conditions and number == MOST_GROUPS_WALKED:
            return places, budget
        wanted = search.limit - len(places)
        most = budget if source.conditions else wanted
        after = () if start is None or start.rank != group.rank else (_beyond(source, start, search.descending),)
        held = group.held if all_held else None
        segments = [(*after, *segment) for segment in (held or group.segments)()]  # SQLite begins at the first.
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
            # Many segments take longer to count than the one condition that they are together.
            stretch = segments[0] if len(segments) == 1 else (*after, *group.together())
            budget -= await count(session, source, stretch, budget)
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


async def groups_in_use(search: Search, source: Source) -> list[Group]:
    """The groups ahead that may hold rows, as far as the source can tell."""
    groups = _groups_ahead(source, search)
    if source.labels_in_use is None:
        return groups
    in_use = {*(await search.session.scalars(source.labels_in_use)), 0}
    return [group for group in groups if group.label in in_use]


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
    shown = looked_at(search.session, select(window.c.key, window.c.id), window, source.id, checks)
    return shown.order_by(*_directed(window.c.key, window.c.id, descending=search.descending)).limit(limit)


def _met(source: Source, segments: Sequence[Sequence[ColumnElement[bool]]], search: Search, most: int) -> Select[Any]:
    """The rows of a window that meet filters and conditions, of which its index holds all that they ask for."""
    asked = and_(*source.filters, *(condition.check for condition in source.conditions)).label("met")
    window = _ordered(source, segments, search, most, asked).subquery()
    shown = select(window.c.key, window.c.id).where(window.c.met)
    return shown.order_by(*_directed(window.c.key, window.c.id, descending=search.descending))


def looked_at(
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


async def sort(
    search: Search, source: Source, finds: Sequence[ColumnElement[bool]], count: int = MOST_COUNTED + 1
) -> list[Place]:
    """Take everything that meets `finds`, of which there are `count`, and sort it.

    Of many only the first groups, if they fill the page: it costs more to tell the places of groups than to pass rows.
    """
    places: list[Place] = []
    groups = _groups_ahead(source, search)
    number = GROUPS_AT_ONCE if count > MOST_COUNTED else len(groups)
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
        after = _beyond(source, start, descending)
        statement = statement.where(after if source.label is None else or_(source.label != start.label, after))
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


async def count(session: AsyncSession, source: Source, finds: Sequence[ColumnElement[bool]], most: int) -> int:
    """How many rows of the list meet `finds`, at most `most`."""
    return await rows_in(session, select(source.id).where(*finds).limit(most))


async def rows_in(session: AsyncSession, statement: GenerativeSelect) -> int:
    """How many rows a statement finds."""
    return await session.scalar(select(func.count()).select_from(statement.subquery())) or 0
