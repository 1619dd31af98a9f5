"""The statements by which a list's rows are found: a walk along its order, or all that a condition finds, sorted.

Which of them is good when, leads.store.list_paths decides.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import (
    Column,
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
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList
from sqlalchemy.sql.visitors import replacement_traverse

from leads.store.list_shapes import MOST_COUNTED, Group, Index, Place, Segments, Source, unindexed

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


class Walk:
    """A walk along the order of a source, from the start of a search through the groups ahead of it.

    It goes on where it stopped, and `places` has what it found so far.
    """

    def __init__(self, search: Search, source: Source, groups: Sequence[Group]) -> None:
        self.places: list[Place] = []
        self._search = search
        self._source = source
        self._groups = deque(groups)
        self._most_groups = MOST_GROUPS_WALKED if source.conditions else len(groups)
        self._start = search.start
        self._all_held = bool(source.conditions) and in_index(source)

    async def go_on(self, budget: int) -> int | None:
        """Look through at most `budget` rows more.

        Returns: how many rows more might have been walked through, 0 for none; None where the page is complete.
        """
        while self._groups:
            if self._most_groups == 0:
                return budget
            group, start = self._groups[0], self._start
            after: tuple[ColumnElement[bool], ...] = ()
            if start is not None and start.rank == group.rank:
                after = (_beyond(self._source, start, self._search.descending),)
            segments = [(*after, *segment) for segment in self._segments_of(group)]  # SQLite begins at the first.
            stop = await self._place_at(group, segments, budget) if self._source.conditions else None
            await self._take(group, segments, stop, budget)
            if len(self.places) == self._search.limit:
                return None
            if stop is not None:
                self._start = stop
                return 0
            if self._source.conditions:
                # Many segments take longer to count than the one condition that they are together.
                stretch = segments[0] if len(segments) == 1 else (*after, *group.together())
                budget -= await count(self._search.session, self._source, stretch, budget)
            self._groups.popleft()
            self._most_groups -= 1
            if budget == 0:  # There are merged leads among those that were counted.
                return 0
        return None

    def _segments_of(self, group: Group) -> Segments:
        held = group.held if self._all_held else None
        return (held or group.segments)()

    async def _place_at(self, group: Group, segments: Sequence[Sequence[Any]], number: int) -> Place | None:
        """The place of the row of that number in a group, from 1; None where it has no such row."""
        at = _ordered(self._source, segments, self._search, number).limit(1).offset(number - 1)
        row = (await self._search.session.execute(at)).first()
        return None if row is None else Place(group.rank, group.label, row[0], row[1])

    async def _take(self, group: Group, segments: list[Any], stop: Place | None, most: int) -> None:
        """Add the rows of a group that the source wants, as far as `stop`, which is the row of number `most`."""
        search, source = self._search, self._source
        wanted = search.limit - len(self.places)
        if not source.conditions:
            shown: Select[Any] | CompoundSelect[Any] = _ordered(source, segments, search, wanted)
        else:
            if stop is not None:
                within = _up_to(source, stop, search.descending)
                segments = [(*segment[:1], within, *_without_end(source, segment[1:], search)) for segment in segments]
            window = partial(_window, source, segments, search, most)
            held = self._all_held and group.held is not None
            shown = _met(source, window, search) if held else _checked(source, window(), search)
            shown = shown.limit(wanted)
        rows = (await search.session.execute(shown)).all()
        self.places.extend(Place(group.rank, group.label, row[0], row[1]) for row in rows)


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


def _window(source: Source, segments: Sequence[Sequence[Any]], search: Search, most: int, *also: Any) -> Subquery:
    """The rows that a walk looks through, of which PostgreSQL is told the number, SQLite the place of the last.

    So SQLite looks at no more of them than the page needs; of an ordered and limited window it sorts all rows once
    more before it gives the first.
    """
    if search.session.get_bind().dialect.name == "postgresql":
        return _ordered(source, segments, search, most, *also).subquery()
    parts = [select(source.key.label("key"), source.id.label("id"), *also).where(*segment) for segment in segments]
    return (parts[0] if len(parts) == 1 else union_all(*parts)).subquery()


def _checked(source: Source, window: Subquery, search: Search) -> Select[Any]:
    """The rows of a window that meet the conditions."""
    checks = [condition.check for condition in source.conditions]
    shown = looked_at(search.session, select(window.c.key, window.c.id), window, source.id, checks)
    return shown.order_by(*_directed(window.c.key, window.c.id, descending=search.descending))


def _met(source: Source, window_with: Callable[[Any], Subquery], search: Search) -> Select[Any]:
    """The rows of a window that meet filters and conditions, of which its index holds all that they ask for."""
    asked = and_(*source.filters, *(condition.check for condition in source.conditions))
    if search.session.get_bind().dialect.name != "postgresql":
        asked = without_index(source, asked)
    window = window_with(asked.label("met"))
    shown = select(window.c.key, window.c.id).where(window.c.met)
    return shown.order_by(*_directed(window.c.key, window.c.id, descending=search.descending))


def without_index(source: Source, met: ColumnElement[bool]) -> ColumnElement[bool]:
    """The same condition, for which SQLite uses no index of the list's table."""
    of_list = source.id.class_.__table__

    def hide(element: Any, **_kw: Any) -> Any:
        if isinstance(element, Column) and element.table is of_list:
            return unindexed(element)
        return None

    return replacement_traverse(met, {}, hide)


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


def _up_to(source: Source, stop: Place, descending: bool) -> ColumnElement[bool]:
    """What does not stand after `stop` within its group."""
    if stop.key is None:
        return source.id >= stop.id if descending else source.id <= stop.id
    here = tuple_(source.key, source.id)
    there = tuple_(literal(stop.key, source.key.type), literal(stop.id, source.id.type))
    return here >= there if descending else here <= there


def _without_end(source: Source, segment: Sequence[Any], search: Search) -> list[ColumnElement[bool]]:
    """The conditions of a segment but for those that end it by the key: a stop within it ends it before.

    With several ends SQLite takes another index, or passes the stop.
    """
    ends = (operators.gt, operators.ge) if search.descending else (operators.lt, operators.le)

    def is_end(side: ColumnElement[bool]) -> bool:
        return isinstance(side, BinaryExpression) and side.operator in ends and side.left.compare(source.key.expression)

    kept: list[ColumnElement[bool]] = []
    for condition in segment:
        all_of = isinstance(condition, BooleanClauseList) and condition.operator is operators.and_
        kept += [side for side in (condition.clauses if all_of else [condition]) if not is_end(side)]
    return kept


async def count(session: AsyncSession, source: Source, finds: Sequence[ColumnElement[bool]], most: int) -> int:
    """How many rows of the list meet `finds`, at most `most`."""
    return await rows_in(session, select(source.id).where(*finds).limit(most))


async def rows_in(session: AsyncSession, statement: GenerativeSelect) -> int:
    """How many rows a statement finds."""
    return await session.scalar(select(func.count()).select_from(statement.subquery())) or 0
