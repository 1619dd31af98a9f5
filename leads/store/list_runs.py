"""Matches of a search that stand together in the order of a list, as all whose name begins with what is searched do.

Then a page is read from that stretch of the order's index, and none but its own rows is looked at. Whether they stand
so, both indexes tell: that of the search and that of the order name the same ids. To compare their number and a sum
takes a fifth of looking at each. It is no proof, but hardly ever wrong: sets that differ have one sum once in 2^40.
"""

from dataclasses import replace
from functools import partial

from sqlalchemy import ColumnElement, GenerativeSelect, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.list_shapes import Condition, Group, Place, Run, Segments, Source
from leads.store.list_walks import Search, Walk, groups_in_use

_MIX, _MIXED, _CUT = 2_654_435_761, 2**31 - 1, 16
"""An id (31 bits) times its own mixture, without the lower bits: a hundred thousand of them do not overflow a sum."""


async def page_of_run(
    search: Search, source: Source, matches: Condition, between: tuple[int, int], longest: int
) -> list[Place] | None:
    """A page of what meets all conditions, where all matches stand in their run and their number lies between the two.

    None where they do not, or where it takes a look at more than `longest` of them.
    """
    run = matches.run
    if run is None or run.key is not source.key or not await _stands_together(search.session, run, matches, *between):
        return None
    walk = Walk(search, source, [_within(search, group, run) for group in await groups_in_use(search, source)])
    for budget in (search.limit, longest - search.limit):
        if await walk.go_on(budget) is None:
            return walk.places
    return None


async def _stands_together(session: AsyncSession, run: Run, matches: Condition, least: int, most: int) -> bool:
    standing = await _sum(session, select(run.id).where(*run.ahead, *run.bounds).limit(most + 1))
    return least < standing[0] <= most and standing == await _sum(session, matches.ids.limit(most + 1))


async def _sum(session: AsyncSession, ids: GenerativeSelect) -> tuple[int, int]:
    """How many ids there are, and the sum that tells them from others."""
    one = ids.subquery().c[0]
    mixed = (one * (one * _MIX).bitwise_and(_MIXED)).bitwise_rshift(_CUT)
    number, total = (await session.execute(select(func.count(), func.sum(mixed)))).one()
    return number, total or 0


def _within(search: Search, group: Group, run: Run) -> Group:
    begin, end = run.bounds
    bounds: tuple[ColumnElement[bool], ...] = run.bounds
    if search.start is not None and search.start.rank == group.rank:
        bounds = (begin,) if search.descending else (end,)  # SQLite would begin at the run's, not at the page's.
    return replace(group, segments=partial(_segments, group, bounds), together=lambda: (*bounds, *group.together()))


def _segments(group: Group, bounds: tuple[ColumnElement[bool], ...]) -> Segments:
    return tuple((*bounds, *segment) for segment in group.segments())
