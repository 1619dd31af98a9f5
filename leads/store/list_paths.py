"""By which path a part of a list is found: along its order, or from the index of what narrows it, and sorted.

See leads.store.listing for when each of them is good, leads.store.list_walks for the statements.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, false, func, literal, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from leads.store.list_runs import page_of_run
from leads.store.list_shapes import MOST_COUNTED, Condition, Index, Place, Source, Total
from leads.store.list_walks import (
    GROUPS_AT_ONCE,
    MOST_GROUPS_WALKED,
    Search,
    Walk,
    count,
    groups_in_use,
    in_index,
    looked_at,
    rows_in,
    sort,
    without_index,
)

_FIRST_WALK, _SECOND_WALK = 200, 1000
"""So many rows of the order tell how far a page may reach. A walk looks at all its rows, because SQLite sorts what it
found once more."""
_WINDOW = 5000
"""So many rows are looked through at once, where all of them are."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How many matches are sorted at once, how many after a walk that found hardly any, and the longest walk."""

    few: int
    more: int
    walk: int


_LOOKING = Effort(8000, 50_000, 5000)
"""Where each row is looked at. Of so many matches hardly any comes early only if all stand together: no walk helps."""
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
    shown = looked_at(session, select(window.c.id), window, identity, [condition]).order_by(window.c.id)
    found = list(await session.scalars(shown))
    count, last = (await session.execute(select(func.count(), func.max(window.c.id)))).one()
    return found, last if count == _WINDOW else None


async def fetch(search: Search, source: Source) -> tuple[list[Place], Total]:
    """The rows that one part of a list gives to the page, in the direction of the search, and how many it has."""
    if not source.conditions:
        whole = await count(search.session, source, source.filters, MOST_COUNTED + 1)
        if len(source.groups) > MOST_GROUPS_WALKED and whole <= MOST_COUNTED:
            places = await sort(search, source, source.filters, whole)
        else:
            walk = Walk(search, source, await groups_in_use(search, source))
            await walk.go_on(search.limit)
            places = walk.places
        return places, Total(whole, True)
    rarest, few = await _rarest(search.session, source)
    finds = _found_by(search.session, source, rarest)
    if rarest is not None and few:
        several = len(source.groups) > GROUPS_AT_ONCE
        number = await rows_in(search.session, rarest.ids.limit(MOST_COUNTED + 1)) if several else 0
        places = await sort(search, source, finds, number)
        if search.start is None and len(places) < search.limit:
            return places, Total(len(places), True)
        return places, Total(await count(search.session, source, finds, MOST_COUNTED + 1), True)
    places, total = await _walk_far(search, source, rarest)
    if total is None:
        places = await sort(search, source, finds)
        total = Total(max(len(places) - 1, 0), False)
    return places, total


async def _walk_far(search: Search, source: Source, rarest: Condition | None) -> tuple[list[Place], Total | None]:
    """Walk as far as the page probably reaches; no total, where sorting costs less or all of it is farther off."""
    all_held = in_index(source)
    effort = _IN_INDEX if all_held else _LOOKING
    groups = await groups_in_use(search, source)
    usual = longest = (_IN_INDEX if all_held and groups and groups[0].held else _LOOKING).walk
    walk = Walk(search, source, groups)
    walked, further = 0, _FIRST_WALK
    while further > 0:
        left = await walk.go_on(further)
        if left is None:
            return walk.places, await _total_checked(search, source, walk.places)
        if left:
            break
        walked += further
        whole = walked * search.limit // max(len(walk.places), 1)
        if whole > longest and walked == _FIRST_WALK and rarest is not None:
            run = await page_of_run(search, source, rarest, (_LOOKING.few, _LOOKING.more), usual)
            if run is not None:
                return run, await _total_checked(search, source, run)
        if whole > longest == usual and walked >= _SECOND_WALK:
            if rarest and await _at_most(search.session, rarest, effort.more):
                break
            longest = max(longest, effort.more // 2)  # Half as long as it would take to sort so many.
        if whole > longest and walked < _SECOND_WALK:
            further = _SECOND_WALK - walked
        else:
            further = min(max((whole - walked) * 5 // 4, walked) if whole <= longest else walked * 3, longest - walked)
    return walk.places, None


def _indexed(source: Source) -> list[Condition]:
    return [condition for condition in source.conditions if condition.index is not Index.NONE]


async def _at_most(session: AsyncSession, condition: Condition, most: int) -> bool:
    """Whether so many rows or fewer meet the condition, as its index tells."""
    beyond = condition.ids.offset(most).limit(1).subquery()
    return await session.scalar(select(literal(1)).select_from(beyond)) is None


async def _rarest(session: AsyncSession, source: Source) -> tuple[Condition | None, bool]:
    """The condition whose matches cost least to sort; also whether they are few enough to do so at once."""
    indexed = _indexed(source)
    most = (_IN_INDEX if in_index(source) else _LOOKING).few
    few = [condition for condition in indexed if await _at_most(session, condition, most)]
    if not few:
        return max(indexed, key=lambda condition: condition.index, default=None), False
    if len(few) == 1:
        return few[0], True
    counts = [await rows_in(session, condition.ids.limit(most)) for condition in few]
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
    filters = source.seen
    match driver.index:
        case Index.COVERING:
            found, filters = driver.check, source.filters
        case Index.IDS_ONCE:
            found = driver.check if on_postgres else source.id == driver.ids.subquery().c.id
        case _:
            found = source.id.in_(driver.ids)
    met = and_(true(), *filters, *checks)
    return [found, case((met, true()), else_=false()) if on_postgres else without_index(source, met)]


async def _total_checked(search: Search, source: Source, places: Sequence[Place]) -> Total:
    """Count what a walk was enough for: exactly where the list is not long, else as more than one page."""
    if search.start is None and len(places) < search.limit:
        return Total(len(places), True)
    alone = source.conditions[0] if len(source.conditions) == 1 and not source.filters else None
    if alone is not None and alone.index >= Index.IDS_ONCE:
        found = _found_by(search.session, source, alone)
        return Total(await count(search.session, source, found, MOST_COUNTED + 1), True)
    if await count(search.session, source, source.filters, MOST_COUNTED + 1) <= MOST_COUNTED:
        checks = [condition.check for condition in source.conditions]
        return Total(await count(search.session, source, [*source.filters, *checks], MOST_COUNTED + 1), True)
    return Total(max(len(places) - 1, 0), False)
