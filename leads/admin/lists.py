"""What the pages that list cards are asked for, by their address: search, whose, order, place."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

from aiohttp import web

from leads.admin import cards
from leads.admin.context import panel_of
from leads.admin.forms import Query
from leads.admin.i18n import _, current_locale
from leads.store.leads import NOBODY
from leads.store.listing import Request
from leads.store.narrowing import Stretch

_NOBODY = "nobody"

Order = TypeVar("Order", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Asked(Generic[Order]):
    """One page of a list: `search` and `responsible_id` narrow it, `sort` and `place` say which rows."""

    query: Query
    search: str
    responsible_id: int | None
    sort: Order
    place: Request

    def shown(self) -> dict[str, Any]:
        """What the list's template needs of it."""
        return {
            "query": self.query,
            "who": self.query.text("responsible"),
            "sort": self.sort.value,
            "order": "desc" if self.place.descending else "asc",
        }

    def number(self, region: str) -> str:
        """The piece of a number that the list is narrowed to."""
        return cards.searched(self.query.words("number"), region)

    def days(self, name: str) -> Stretch | None:
        """The days of the viewer that the list is narrowed to, the first and the last among them; None for all.

        Raises:
            HTTPBadRequest: one is no day.
        """
        first, last = (self._day(f"{name}-{side}") for side in ("from", "to"))
        if first is None and last is None:
            return None
        zone = current_locale().zone
        begin = None if first is None else datetime.combine(first, time(), zone).astimezone(UTC)
        end = None if last is None else datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC)
        return Stretch(begin, end)

    def _day(self, name: str) -> date | None:
        typed = self.query.text(name, 10)
        try:
            day = date.fromisoformat(typed) if typed else None
        except ValueError:
            day = date.min
        if day is not None and not 1970 <= day.year <= 2100:
            raise web.HTTPBadRequest(text=_("A day is written as 2026-03-02."))
        return day


def read_list(
    request: web.Request, usual: Order, newest_first: Collection[Order], *, forgiving: bool = False
) -> Asked[Order]:
    """Read the address of a list's page.

    Args:
        request: that asked.
        usual: the order of a list that nobody ordered; its class has all that there are.
        newest_first: orders that begin with their greatest value unless the address says else.
        forgiving: whether a page is shown that says in its fields what cannot be looked for; else that is refused.

    Raises:
        HTTPBadRequest: the address is none of the list's.
    """
    query = Query(request, forgiving=forgiving)
    sort = type(usual)(query.choice("sort", set(type(usual)), usual))
    order = query.choice("order", ("asc", "desc"), "desc" if sort in newest_first else "asc")
    return Asked(
        query,
        search=cards.searched(query.words("q"), panel_of(request).region),
        responsible_id=NOBODY if query.text("responsible") == _NOBODY else query.identifier("responsible"),
        sort=sort,
        place=Request(
            cards.LIST_SIZE,
            order == "desc",
            after=query.text("after", cards.LONGEST_CURSOR) or None,
            before=query.text("before", cards.LONGEST_CURSOR) or None,
        ),
    )
