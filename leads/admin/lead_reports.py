"""The report on leads: grouped in any order with subtotals, and the leads behind each figure (R1)."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy import Connection

from leads.admin.charts import Bar, Series, bars
from leads.admin.context import export_only, panel_of, supervisor_only, viewer_of
from leads.admin.forms import BIGGEST_ID, Query
from leads.admin.i18n import N_, _
from leads.admin.periods import read_period
from leads.admin.rendering import number_text, render, status_word
from leads.admin.reports import read_report, report_file
from leads.domain.periods import Period
from leads.domain.statuses import StatusSet
from leads.domain.visibility import Scope
from leads.store.lead_report import (
    Dimension,
    Figure,
    Key,
    LeadFigures,
    TooManyGroupsError,
    count_leads,
    leads_behind,
)
from leads.store.leads import employees
from leads.store.reported_leads import lead_names, reported_leads
from leads.store.sources import source_names
from leads.store.statuses import status_names

PAGE = "/reports/leads"
MOST_ROWS = 400
MOST_BARS = 20
MOST_BEHIND = 100
NONE = "none"
DIMENSIONS = {
    Dimension.EMPLOYEE: N_("Employee"),
    Dimension.SOURCE: N_("Source"),
    Dimension.STATUS: N_("Status"),
    Dimension.STATE: N_("Open or closed"),
    Dimension.LEAD: N_("Lead"),
}
FIGURES = {
    Figure.LEADS: N_("Leads"),
    Figure.NEW: N_("New leads"),
    Figure.CALLS: N_("Calls"),
    Figure.CONVERTED: N_("Converted"),
    Figure.CONVERTED_NEW: N_("New and converted"),
}
Words = dict[Dimension, dict[Key, str]]
Groups = dict[tuple[Key, ...], LeadFigures]
T = TypeVar("T")

routes = web.RouteTableDef()


@dataclass(frozen=True, slots=True)
class Line:
    """One group or subtotal; `behind` is the address's part that tells which leads it is about."""

    level: int
    label: str
    figures: LeadFigures
    behind: str


@dataclass(frozen=True, slots=True)
class Report:
    """The lines that the page shows, how many more there are, and the figures of all."""

    lines: Sequence[Line] = ()
    cut: int = 0
    total: LeadFigures = field(default_factory=LeadFigures)


@routes.get(PAGE)
@supervisor_only
async def lead_report(request: web.Request) -> web.Response:
    """The report as a page, with a chart of its first groups."""
    query = Query(request)
    by, asked = _dimensions(query), read_period(request, query)
    report = Report()
    if not asked.error:
        words, scope = await _words(request), viewer_of(request).scope
        report = await _read(request, lambda connection: _report(connection, asked.period, by, scope, words))
    return render(
        request,
        "reports/leads.html",
        status=422 if asked.error else 200,
        query=query,
        asked=asked,
        by=[*(each.value for each in by), *([""] if len(by) < len(DIMENSIONS) else [])],
        dimensions=[(each.value, _(word)) for each, word in DIMENSIONS.items()],
        lines=report.lines,
        cut=report.cut,
        total=report.total,
        bars=_bars(report.lines),
        series=_series([]),
        period_part=urlencode({"from": asked.first, "to": asked.last}),
        file=f"{PAGE}.csv?{request.rel_url.raw_query_string}",
    )


@routes.get(f"{PAGE}.csv")
@export_only
async def lead_report_file(request: web.Request) -> web.Response:
    """The same figures as a file: a line for each innermost group."""
    query = Query(request)
    by, asked = _dimensions(query), read_period(request, query)
    if asked.error:
        raise web.HTTPBadRequest(text=asked.error)
    words, scope = await _words(request), viewer_of(request).scope
    rows = await _read(request, lambda connection: _rows(connection, asked.period, by, scope, words))
    head = [*(_(DIMENSIONS[each]) for each in by), *(_(FIGURES[each]) for each in Figure)]
    return report_file(f"leads-{asked.first}-{asked.last}", [head, *rows])


@routes.get(f"{PAGE}/behind")
@supervisor_only
async def behind(request: web.Request) -> web.Response:
    """The leads that make one figure up."""
    panel, scope, query = panel_of(request), viewer_of(request).scope, Query(request)
    figure = Figure(query.choice("figure", set(Figure), Figure.LEADS))
    asked, after = read_period(request, query), query.identifier("after") or 0
    if asked.error:
        raise web.HTTPBadRequest(text=asked.error)
    where = {each: _key(query, each) for each in Dimension if query.text(each)}
    found = await read_report(
        request,
        lambda connection: leads_behind(
            connection, asked.period, figure, where, scope, after=after, most=MOST_BEHIND + 1
        ),
    )
    counts, words = dict(found[:MOST_BEHIND]), await _words(request)
    async with panel.database.read() as session:
        leads = await reported_leads(session, counts, scope)
    return render(
        request,
        "reports/behind.html",
        title=_(FIGURES[figure]),
        groups=[_label(words, each, key) for each, key in where.items() if each is not Dimension.LEAD],
        asked=asked,
        leads=leads,
        counts=counts if figure is Figure.CALLS else None,
        back=f"{PAGE}?{urlencode({'from': asked.first, 'to': asked.last})}",
        following=query.url(after=found[MOST_BEHIND - 1][0]) if len(found) > MOST_BEHIND else None,
    )


def _dimensions(query: Query) -> tuple[Dimension, ...]:
    """What the report is grouped by, in its order; one that is named twice counts once."""
    named = (query.text(f"by{place}", 10) for place in range(1, len(DIMENSIONS) + 1))
    try:
        chosen = tuple(dict.fromkeys(Dimension(name) for name in named if name))
    except ValueError:
        raise web.HTTPBadRequest(text=_("This address is not one of this page's.")) from None
    return chosen or (Dimension.EMPLOYEE,)


def _key(query: Query, dimension: Dimension) -> Key:
    text = query.text(dimension, 10)
    if text == NONE:
        return None
    if text.isascii() and text.isdigit() and int(text) <= BIGGEST_ID:
        return int(text)
    raise web.HTTPBadRequest(text=_("This address is not one of this page's."))


async def _read(request: web.Request, work: Callable[[Connection], T]) -> T:
    try:
        return await read_report(request, work)
    except TooManyGroupsError:
        raise web.HTTPServiceUnavailable(
            text=_("This report has too many rows. Choose a shorter period, or group it by something else.")
        ) from None


async def _words(request: web.Request) -> Words:
    async with panel_of(request).database.read() as session:
        people: dict[Key, str] = {**dict(await employees(session)), None: _("Nobody")}
        sources: dict[Key, str] = {**dict(await source_names(session)), None: _("No source")}
        names = await status_names(session, StatusSet.LEADS)
    statuses: dict[Key, str] = {**{key: status_word(name) for key, name in names}, None: _("A removed status")}
    return {
        Dimension.EMPLOYEE: people,
        Dimension.SOURCE: sources,
        Dimension.STATUS: statuses,
        Dimension.STATE: {0: _("Open"), 1: _("Closed")},
        # Leads are too many to be named before it is known which are shown.
        Dimension.LEAD: {None: _("Not yours to see")},
    }


def _label(words: Words, dimension: Dimension, key: Key) -> str:
    return words[dimension].get(key, str(key))


def _tree(
    groups: Groups, by: Sequence[Dimension], words: Words, outer: Mapping[Dimension, Key] | None = None
) -> list[Line]:
    """Each group with the groups within it below it, those with most leads first."""
    outer = outer or {}
    dimension, *inner = by
    parts: dict[Key, Groups] = {}
    for keys, figures in groups.items():
        parts.setdefault(keys[0], {})[keys[1:]] = figures
    sums = {key: sum(part.values(), LeadFigures()) for key, part in parts.items()}
    lines: list[Line] = []
    for key in sorted(parts, key=lambda key: (-sums[key].leads, -sums[key].calls, _label(words, dimension, key))):
        where = {**outer, dimension: key}
        part = urlencode({each.value: NONE if value is None else value for each, value in where.items()})
        lines.append(Line(len(outer), _label(words, dimension, key), sums[key], part))
        if inner:
            lines += _tree(parts[key], inner, words, where)
    return lines


def _report(connection: Connection, period: Period, by: Sequence[Dimension], scope: Scope, words: Words) -> Report:
    groups = count_leads(connection, period, by, scope)
    lines = _tree(groups, by, words)
    shown = lines[:MOST_ROWS]
    if Dimension.LEAD in by:
        level = list(by).index(Dimension.LEAD)
        names = _lead_names(connection, {int(line.label) for line in shown if line.level == level}, scope, words)
        shown = [replace(line, label=names[int(line.label)]) if line.level == level else line for line in shown]
    return Report(shown, len(lines) - len(shown), sum(groups.values(), LeadFigures()))


def _rows(
    connection: Connection, period: Period, by: Sequence[Dimension], scope: Scope, words: Words
) -> list[list[str]]:
    groups = count_leads(connection, period, by, scope)
    if Dimension.LEAD in by:
        place = list(by).index(Dimension.LEAD)
        leads = {keys[place] or 0 for keys in groups}
        words = words | {Dimension.LEAD: _lead_names(connection, leads, scope, words)}
    return sorted(
        [*(_label(words, *pair) for pair in zip(by, keys, strict=True)), *(str(getattr(each, one)) for one in Figure)]
        for keys, each in groups.items()
    )


def _lead_names(connection: Connection, leads: Set[int], scope: Scope, words: Words) -> dict[Key, str]:
    """What each lead is called; one word for all that may not be seen now, though they count."""
    found = lead_names(connection, sorted(leads), scope)
    names: dict[Key, str] = {key: name if named else number_text(name) for key, (name, named) in found.items()}
    return {key: names.get(key, words[Dimension.LEAD][None]) for key in leads}


def _series(figures: Sequence[LeadFigures]) -> tuple[Series, ...]:
    return (
        Series(_("New and converted"), "good", [each.converted_new for each in figures]),
        Series(_("New, not converted"), "plain", [each.new - each.converted_new for each in figures]),
    )


def _bars(lines: Sequence[Line]) -> tuple[Bar, ...]:
    first: list[Any] = [line for line in lines if line.level == 0][:MOST_BARS]
    return bars([line.label for line in first], _series([line.figures for line in first]))
