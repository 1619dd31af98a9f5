"""Pages through a big table in any order that a list offers, by key and never by offset, at the same cost on each page.

A list is a sequence of groups (the statuses, when it is sorted by status; else one). Within a group rows stand by a
key and their id, and the group is merged from segments, each of which one index holds in that very order. So a page
without search reads the rows that it shows and hardly any more.

Search, and what an employee may see, are conditions for which no such index can exist. A page then either takes all
that matches from the condition's own index and sorts it (good where little matches), or walks the order and drops what
does not match (good where much does). The index says which, and the first rows of the order how far a page may reach;
only where much matches and all of it stands far off, a page costs more.

What costs most is to look at a row of a big table: six times as much as to read an entry of an index. So a condition
may have an index that holds all that lists sort and filter by, and an order that has such an index is walked in it.
"""

import base64
import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import ColumnElement, and_, false, or_, text
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.base import UtcDateTime
from leads.store.list_paths import fetch
from leads.store.list_shapes import MOST_COUNTED, Place, Source, Total
from leads.store.list_walks import Search


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


class Listed(Protocol):
    """A list in which places are found.

    Attributes:
        ranks: of its groups, by their labels.
        by_time: whether it goes by moments.
    """

    ranks: Mapping[int, int]
    by_time: bool

    async def places(self, start: Place | None, descending: bool, limit: int) -> tuple[list[Place], Total]:
        """The first `limit` places after `start`, and how many rows the whole list has."""


async def read_page(session: AsyncSession, sources: Sequence[Source], request: Request) -> Page:
    """Read one page of the list that the sources make together; their groups rank alike, and no row is in two.

    A cursor that is none, or no longer fits, gives the first page.
    """
    if session.get_bind().dialect.name == "postgresql":
        # The plan that it makes for all values of a condition passes the whole table where one of them has no rows.
        await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    return await page_of(_Sources(session, sources), request)


async def page_of(listed: Listed, request: Request) -> Page:
    """One page of any list; as read_page."""
    start = _read_cursor(request.before or request.after, listed)
    backward = request.before is not None and start is not None
    places, total = await listed.places(start, request.descending != backward, request.size + 1)
    more, places = len(places) > request.size, places[: request.size]
    if backward and not more:
        # The beginning is reached: a full first page, not the few rows that stood before the cursor.
        return await page_of(listed, Request(request.size, request.descending))
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


class _Sources:
    """The list that some sources make together."""

    def __init__(self, session: AsyncSession, sources: Sequence[Source]) -> None:
        self._session, self._sources = session, sources
        self.ranks: Mapping[int, int] = {group.label: group.rank for source in sources for group in source.groups}
        self.by_time = bool(sources) and isinstance(sources[0].key.type, UtcDateTime)

    async def places(self, start: Place | None, descending: bool, limit: int) -> tuple[list[Place], Total]:
        search = Search(self._session, start, descending, limit)
        found = [await fetch(search, source) for source in self._sources]

        def by_place(place: Place) -> tuple[int, str | datetime, int]:
            return place.rank, place.key if place.key is not None else "", place.id

        places = list(heapq.merge(*(places for places, _total in found), key=by_place, reverse=descending))
        number = sum(total.number for _places, total in found)
        exact = all(total.exact for _places, total in found) and number <= MOST_COUNTED
        return places[:limit], Total(min(number, MOST_COUNTED), exact)


def _write_cursor(place: Place) -> str:
    key = place.key.isoformat() if isinstance(place.key, datetime) else place.key
    return (
        base64.urlsafe_b64encode(json.dumps([place.label, key, place.id], ensure_ascii=False).encode())
        .decode()
        .rstrip("=")
    )


def _read_cursor(cursor: str | None, listed: Listed) -> Place | None:
    """The place that a cursor stands for; None for one that we did not write for such a list."""
    if not cursor:
        return None
    try:
        label, key, identity = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if key is not None and listed.by_time:
            key = datetime.fromisoformat(key)
            if key.tzinfo is None:
                return None
            key = key.astimezone(UTC)
        elif key is not None:
            key.encode()  # No half of a surrogate pair.
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    if type(label) is not int or label not in listed.ranks or type(identity) is not int or not 0 <= identity < 2**31:
        return None
    if not isinstance(key, str | datetime | None) or (isinstance(key, str) and "\0" in key):
        return None
    return Place(listed.ranks[label], label, key, identity)
