"""The report on leads: grouped in any order with subtotals, and the leads behind each figure (R1)."""

from collections.abc import Iterator, Sequence

from aiohttp import web
from sqlalchemy import Connection

from leads.admin.charts import Bar, Series, bars
from leads.admin.context import export_only, panel_of, supervisor_only, viewer_of
from leads.admin.exports import Row
from leads.admin.forms import Query
from leads.admin.i18n import N_, _
from leads.admin.lead_report_lines import Words, label, make_report, report_rows
from leads.admin.periods import read_period, valid_period
from leads.admin.rendering import render, status_word
from leads.admin.report_groups import NONE, Line, Report, asked_dimensions, dimensions_part, number_key
from leads.admin.reports import group_parts, names_of_people, page_parts, read_report, report_file
from leads.domain.statuses import StatusSet
from leads.store.lead_report import Dimension, Figure, Key, LeadFigures, leads_behind
from leads.store.reported_leads import reported_leads
from leads.store.sources import source_names
from leads.store.statuses import status_names

PAGE = "/reports/leads"
MOST_BEHIND = 100
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

routes = web.RouteTableDef()


@routes.get(PAGE)
@supervisor_only
async def lead_report(request: web.Request) -> web.Response:
    """The report as a page, with a chart of its first groups."""
    query = Query(request)
    by, asked = _dimensions(query), read_period(request, query)
    report = Report(LeadFigures())
    if not asked.error:
        words, scope = await _words(request), viewer_of(request).scope
        report = await read_report(request, lambda connection: make_report(connection, asked.period, by, scope, words))
    return render(
        request,
        "reports/leads.html",
        **page_parts(request, query, asked, dimensions_part(by)),
        **group_parts(by, DIMENSIONS, report),
        bars=_bars(report.tops),
        series=_series([]),
    )


@routes.get(f"{PAGE}.csv")
@export_only
async def lead_report_file(request: web.Request) -> web.StreamResponse:
    """The same figures as a file: a line for each innermost group."""
    query = Query(request)
    by, asked = _dimensions(query), valid_period(request, query)
    words, scope = await _words(request), viewer_of(request).scope
    head = [*(_(DIMENSIONS[each]) for each in by), *(_(FIGURES[each]) for each in Figure), _("Conversion, %")]

    def rows(connection: Connection) -> Iterator[Sequence[Row]]:
        yield [head]
        yield from report_rows(connection, asked.period, by, scope, words)

    return await report_file(request, f"leads-{asked.first}-{asked.last}", rows)


@routes.get(f"{PAGE}/behind")
@supervisor_only
async def behind(request: web.Request) -> web.Response:
    """The leads that make one figure up."""
    panel, scope, query = panel_of(request), viewer_of(request).scope, Query(request)
    figure = Figure(query.choice("figure", set(Figure), Figure.LEADS))
    asked, after = valid_period(request, query), query.identifier("after") or 0
    back = dimensions_part(_dimensions(query))
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
        groups=[label(words, each, key) for each, key in where.items() if each is not Dimension.LEAD],
        asked=asked,
        leads=leads,
        counts=counts if figure is Figure.CALLS else None,
        back=f"{PAGE}?{asked.part(back)}",
        following=query.url(after=found[MOST_BEHIND - 1][0]) if len(found) > MOST_BEHIND else None,
    )


def _dimensions(query: Query) -> tuple[Dimension, ...]:
    return asked_dimensions(query, DIMENSIONS) or (Dimension.EMPLOYEE,)


def _key(query: Query, dimension: Dimension) -> Key:
    text = query.text(dimension, 10)
    return None if text == NONE else number_key(text)


async def _words(request: web.Request) -> Words:
    async with panel_of(request).database.read() as session:
        people = await names_of_people(session)
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


def _series(figures: Sequence[LeadFigures]) -> tuple[Series, ...]:
    return (
        Series(_("New and converted"), "good", [each.converted_new for each in figures]),
        Series(_("New, not converted"), "plain", [each.new - each.converted_new for each in figures]),
    )


def _bars(tops: Sequence[Line[LeadFigures]]) -> tuple[Bar, ...]:
    return bars([line.label for line in tops], _series([line.figures for line in tops]))
