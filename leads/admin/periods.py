"""The period that a report is asked for by its address, in whole days of the company's zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from aiohttp import web
from babel.dates import format_date

from leads.admin.context import panel_of
from leads.admin.forms import Query
from leads.admin.i18n import N_, _, current_locale
from leads.domain.periods import Period

MOST_DAYS = 1100
"""Three years: what a report still counts in a time that somebody waits."""
USUAL_DAYS = 30
_PRESETS = (
    ("today", N_("Today")),
    ("yesterday", N_("Yesterday")),
    ("week", N_("7 days")),
    ("days", N_("30 days")),
    ("month", N_("This month")),
    ("last-month", N_("Last month")),
    ("year", N_("This year")),
)


@dataclass(frozen=True, slots=True)
class Preset:
    """A period that one click asks for."""

    name: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class AskedPeriod:
    """The period of a report's page; with an `error` it is the usual one, and `first` and `last` are as typed."""

    period: Period
    first: str
    last: str
    presets: tuple[Preset, ...]
    error: str = ""

    def part(self, more: Mapping[str, str]) -> str:
        """What an address says of this period, and of `more`, for the way back to the report."""
        return urlencode({"from": self.first, "to": self.last, **more})


def valid_period(request: web.Request, query: Query) -> AskedPeriod:
    """As `read_period`, for what only links of the report lead to.

    Raises:
        HTTPBadRequest: the address asks for no period.
    """
    asked = read_period(request, query)
    if asked.error:
        raise web.HTTPBadRequest(text=asked.error)
    return asked


def read_period(request: web.Request, query: Query) -> AskedPeriod:
    """Read `from` and `to` of an address; without them it is the last thirty days."""
    panel = panel_of(request)
    today = panel.clock().astimezone(panel.zone).date()
    usual = (today - timedelta(days=USUAL_DAYS - 1), today)
    typed = (query.text("from", 10) or usual[0].isoformat(), query.text("to", 10) or usual[1].isoformat())
    error = ""
    first, last = usual
    try:
        first, last = date.fromisoformat(typed[0]), date.fromisoformat(typed[1])
    except ValueError:
        error = _("A day is written as 2026-03-02.")
    else:
        if first > last:
            error = _("The first day is after the last one.")
        elif (last - first).days >= MOST_DAYS or not 2000 <= first.year <= last.year <= 2100:
            error = _("A report covers three years at most.")
    if error:
        first, last = usual
    presets = tuple(Preset(_(label), *_days(name, today)) for name, label in _PRESETS)
    return AskedPeriod(Period(first, last, panel.zone), *typed, presets, error)


def day_text(day: date) -> str:
    """A day as people write it, briefly."""
    return format_date(day, "d MMM y", locale=current_locale().language)


def _days(preset: str, today: date) -> tuple[date, date]:
    yesterday, month = today - timedelta(days=1), today.replace(day=1)
    last_of_month_before = month - timedelta(days=1)
    return {
        "today": (today, today),
        "yesterday": (yesterday, yesterday),
        "week": (today - timedelta(days=6), today),
        "days": (today - timedelta(days=USUAL_DAYS - 1), today),
        "month": (month, today),
        "last-month": (last_of_month_before.replace(day=1), last_of_month_before),
        "year": (today.replace(month=1, day=1), today),
    }[preset]
