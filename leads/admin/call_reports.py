"""The report on calls: by hour, day, employee and our number, in any order with subtotals (R3)."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date

from aiohttp import web
from sqlalchemy import Connection

from leads.admin.call_lines import call_lines, cards_to_open, visible
from leads.admin.call_report_lines import BY_TIME, Words, label, make_report, report_rows
from leads.admin.charts import Bar, Chart, Series, bars, columns
from leads.admin.context import export_only, panel_of, supervisor_only, viewer_of
from leads.admin.exports import Row
from leads.admin.forms import Query
from leads.admin.i18n import N_, _
from leads.admin.periods import day_text, read_period, valid_period
from leads.admin.refusals import strange_address
from leads.admin.rendering import number_text, render
from leads.admin.report_groups import (
    NONE,
    Line,
    Report,
    asked_dimensions,
    dimensions_part,
    number_key,
)
from leads.admin.reports import group_parts, names_of_people, page_parts, read_report, report_file
from leads.domain.periods import Period
from leads.store.board import calls_by_key
from leads.store.call_report import CallFigure, CallFigures, CallGrouping, Key, calls_behind

PAGE = "/reports/calls"
MOST_BARS = 20
MOST_BEHIND = 100
FIGURES = {
    CallFigure.INBOUND: N_("Inbound calls"),
    CallFigure.ANSWERED: N_("Answered calls"),
    CallFigure.MISSED: N_("Missed"),
    CallFigure.CALLED_BACK: N_("Called back"),
    CallFigure.OUTGOING: N_("Outgoing calls"),
    CallFigure.REACHED: N_("Outgoing answered"),
}
GROUPINGS = {
    CallGrouping.DAY: N_("Day"),
    CallGrouping.HOUR: N_("Hour"),
    CallGrouping.EMPLOYEE: N_("Employee"),
    CallGrouping.NUMBER: N_("Our number"),
}

routes = web.RouteTableDef()


@routes.get("/reports")
@supervisor_only
async def reports(request: web.Request) -> web.Response:
    """Begin with the calls."""
    return web.Response(status=303, headers={"Location": PAGE})


@routes.get(PAGE)
@supervisor_only
async def call_report(request: web.Request) -> web.Response:
    """The report as a page, with a chart of its outermost groups."""
    query = Query(request)
    by, asked = _groupings(query), read_period(request, query)
    report = Report(CallFigures())
    if not asked.error:
        words, scope = await _words(request, asked.period), viewer_of(request).scope
        report = await read_report(request, lambda connection: make_report(connection, asked.period, by, scope, words))
    return render(
        request,
        "reports/calls.html",
        **page_parts(request, query, asked, dimensions_part(by)),
        **group_parts(by, GROUPINGS, report),
        heading=_(GROUPINGS[by[0]]) if len(by) == 1 else _("Group"),
        chart=_columns(report.tops, by[0], asked.period) if by[0] in BY_TIME else None,
        bars=_bars(report.tops) if by[0] not in BY_TIME else (),
        series=_series([]),
    )


@routes.get(f"{PAGE}/behind")
@supervisor_only
async def behind(request: web.Request) -> web.Response:
    """The calls that make one figure up; of those that the viewer may not see, only when they began."""
    panel, viewer, query = panel_of(request), viewer_of(request), Query(request)
    figure = CallFigure(query.choice("figure", set(CallFigure), CallFigure.INBOUND))
    asked, back = valid_period(request, query), dimensions_part(_groupings(query))
    where = {each: _key(each, query.text(each)) for each in CallGrouping if query.text(each)}
    after, most = query.identifier("after") or 0, MOST_BEHIND + 1
    found = await read_report(
        request,
        lambda connection: calls_behind(connection, asked.period, figure, where, viewer.scope, after=after, most=most),
    )
    words = await _words(request, asked.period)
    async with panel.database.read() as session:
        calls = await calls_by_key(session, found[:MOST_BEHIND])
        card = await cards_to_open(session, panel, viewer, calls)
    directory = panel.directory.current
    may_see = visible(viewer, directory)
    shown = [call_lines([call], directory, card)[0] if may_see(call) else None for call in calls]
    return render(
        request,
        "reports/calls_behind.html",
        title=_(FIGURES[figure]),
        groups=[label(words, each, key) for each, key in where.items()],
        asked=asked,
        lines=list(zip(shown, calls, strict=True)),
        back=f"{PAGE}?{asked.part(back)}",
        following=query.url(after=found[MOST_BEHIND - 1]) if len(found) > MOST_BEHIND else None,
    )


@routes.get(f"{PAGE}.csv")
@export_only
async def call_report_file(request: web.Request) -> web.StreamResponse:
    """The same figures as a file: a line for each innermost group."""
    query = Query(request)
    by, asked = _groupings(query), valid_period(request, query)
    words, scope = await _words(request, asked.period), viewer_of(request).scope
    head = _headings(by)

    def rows(connection: Connection) -> Iterator[Sequence[Row]]:
        yield [head, *report_rows(connection, asked.period, by, scope, words)]

    return await report_file(request, f"calls-{asked.first}-{asked.last}", rows)


def _groupings(query: Query) -> tuple[CallGrouping, ...]:
    return asked_dimensions(query, GROUPINGS) or (CallGrouping.DAY,)


def _key(grouping: CallGrouping, text: str) -> Key:
    """The key of a group, as the report's own links write it."""
    if text == NONE and grouping not in BY_TIME:
        return None
    if grouping is CallGrouping.NUMBER:
        return text
    if grouping is CallGrouping.DAY:
        with suppress(ValueError):
            return date.fromisoformat(text).isoformat()
        raise strange_address()
    return number_key(text)


async def _words(request: web.Request, period: Period) -> Words:
    panel = panel_of(request)
    async with panel.database.read() as session:
        people = await names_of_people(session)
    ours = panel.directory.current.dids.values()
    numbers: dict[Key, str] = {
        did.number: f"{number_text(did.number)} · {did.label}" if did.label else number_text(did.number) for did in ours
    }
    return {
        CallGrouping.HOUR: {hour: f"{hour}:00" for hour in range(24)},
        CallGrouping.DAY: {day.isoformat(): day_text(day) for day in period.days()},
        CallGrouping.EMPLOYEE: people,
        CallGrouping.NUMBER: {**numbers, None: _("Without a number of ours")},
    }


def _series(lines: Sequence[Line[CallFigures]]) -> tuple[Series, ...]:
    figures = [line.figures for line in lines]
    return (
        Series(_("Answered calls"), "good", [each.answered for each in figures]),
        Series(_("Missed"), "bad", [each.missed for each in figures]),
        Series(_("Outgoing calls"), "plain", [each.outgoing for each in figures]),
    )


def _columns(lines: Sequence[Line[CallFigures]], grouping: CallGrouping, period: Period) -> Chart:
    if grouping is CallGrouping.HOUR:
        ends = ["0:00", "6:00", "12:00", "18:00", "24:00"]
    else:
        middle = date.fromordinal((period.first.toordinal() + period.last.toordinal()) // 2)
        ends = [day_text(day) for day in dict.fromkeys((period.first, middle, period.last))]
    return columns([line.label for line in lines], _series(lines), ends)


def _bars(lines: Sequence[Line[CallFigures]]) -> tuple[Bar, ...]:
    shown = lines[:MOST_BARS]
    return bars([line.label for line in shown], _series(shown))


def _headings(by: Sequence[CallGrouping]) -> list[str]:
    return [
        *(_(GROUPINGS[each]) for each in by),
        *(_(FIGURES[each]) for each in (CallFigure.INBOUND, CallFigure.ANSWERED, CallFigure.MISSED)),
        _(FIGURES[CallFigure.CALLED_BACK]),
        _("Time to answer, seconds"),
        *(_(FIGURES[each]) for each in (CallFigure.OUTGOING, CallFigure.REACHED)),
        _("Talk time, seconds"),
    ]
