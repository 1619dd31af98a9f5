"""The matches of a search on SQLite, to which the order of a list is walked without a look at any other row.

The search index gives ids in no order that a list has. To look at the row of each takes ten times as long as to pass an
entry of the order's index that is none of them. So where there are thousands, a page passes entries. How many, some of
the matches tell: those among whom a part of a page stands before the place where all of them fill it.
"""

from dataclasses import replace

from sqlalchemy import and_, case, false, select, true

from leads.store.list_shapes import Condition, Place, Source
from leads.store.list_walks import Search, beyond, count, directed, groups_in_use, until

_SAMPLE = 800
_LONGEST = 15_000
"""So many entries take less than it takes to sort the matches."""
_SCATTER, _RANGE = 40_503, 1 << 16
"""Ids of a file's rows may match at regular intervals; multiplied by the one and cut by the other they do not."""


def some_of(matches: Condition, number: int) -> tuple[Condition, float]:
    """Some of so many matches, drawn by lot; and for how many of all each of them stands."""
    found = matches.ids.subquery()
    limit = min(_RANGE * _SAMPLE // number, _RANGE)
    drawn = select(found.c.id).where(found.c.id * _SCATTER % _RANGE < limit)
    return replace(matches, ids=drawn), _RANGE / limit


def enough_of(limit: int, each: float) -> int:
    """Behind how many of those drawn a page of all is most probably full (99 of 100)."""
    among = limit / each
    return int(among + 2.3 * among**0.5) + 2


async def walk_to_matches(search: Search, source: Source, matches: Condition, last: Place | None) -> list[Place] | None:
    """Go from match to match as far as `last`, or to the end; None where that is too far, or not far enough."""
    checks = [*source.filters, *(condition.check for condition in source.conditions if condition is not matches)]
    if matches.rest is not None:
        checks.append(matches.rest)
    # First the matches, and only for them the table; and they do not lead the way, because they know no order.
    met = case((source.id.in_(matches.ids), and_(true(), *checks)), else_=false())
    places: list[Place] = []
    left = _LONGEST
    for group in await groups_in_use(search, source):
        stretch = [*group.together()]
        if search.start is not None and search.start.rank == group.rank:
            stretch.append(beyond(source, search.start, search.descending))
        if last is not None and last.rank == group.rank:
            stretch.append(until(source, last, search.descending))
        left -= await count(search.session, source, stretch, left)
        if left == 0:
            return None
        found = select(source.key.label("key"), source.id.label("id")).where(*stretch, met)
        ordered = found.order_by(*directed(source.key, source.id, descending=search.descending))
        rows = await search.session.execute(ordered.limit(search.limit - len(places)))
        places.extend(Place(group.rank, group.label, row[0], row[1]) for row in rows)
        if len(places) == search.limit:
            return places
        if last is not None and last.rank == group.rank:
            return None
    return places
