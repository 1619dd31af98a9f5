"""Lines of lists as they were drawn: whoever works with a list sees the same lines again and again."""

from collections.abc import Callable
from datetime import date
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from jinja2 import Environment
from markupsafe import Markup

from leads.admin.i18n import current_locale, local_day
from leads.store.lead_rows import LeadRow

MOST_KEPT = 4000


class LeadLines:
    """Draws lines of the list of leads, and keeps some thousand of them until the viewers' day ends."""

    def __init__(self, environment: Environment) -> None:
        """Take the environment that has the template of a line."""
        self._environment = environment
        self._kept = lru_cache(MOST_KEPT)(self._draw)
        self._day: date | None = None

    def __call__(self, lead: LeadRow, supervises: bool, ticked: bool) -> Markup:
        """The line of a lead in the viewer's language and zone, for whoever gives leads away with a box to tick."""
        locale = current_locale()
        today = local_day(locale.now)
        if today != self._day:  # Lines of other days show them otherwise; and whoever was erased is not kept.
            self._kept.cache_clear()
            self._day = today
        return self._kept(lead, supervises, ticked, locale.language, locale.zone)

    def _draw(self, lead: LeadRow, supervises: bool, ticked: bool, _language: str, _zone: ZoneInfo) -> Markup:
        return self._template(lead, supervises, ticked)

    @cached_property
    def _template(self) -> Callable[[LeadRow, bool, bool], Markup]:
        drawn: Callable[[LeadRow, bool, bool], Markup] = self._environment.get_template("leads/line.html").module.line  # type: ignore[attr-defined]
        return drawn
