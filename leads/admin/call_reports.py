"""The report on calls: by hour, day, employee or our number (R3)."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from aiohttp import web

from leads.admin.call_lines import call_lines, visible
from leads.admin.charts import Bar, Chart, Series, bars, columns
from leads.admin.context import export_only, panel_of, supervisor_only, viewer_of
from leads.admin.forms import BIGGEST_ID, Query
from leads.admin.i18n import N_, _
from leads.admin.periods import AskedPeriod, day_text, read_period
from leads.admin.rendering import number_text, render
from leads.admin.reports import NONE, read_report, report_file
from leads.domain.directory import Directory
from leads.domain.periods import Period
from leads.store.board import calls_by_key
from leads.store.call_report import CallFigure, CallFigures, CallGrouping, Key, calls_behind, count_calls
from leads.store.leads import employees

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
    CallGrouping.HOUR: N_("By hour"),
    CallGrouping.DAY: N_("By day"),
    CallGrouping.EMPLOYEE: N_("By employee"),
    CallGrouping.NUMBER: N_("By our number"),
}

routes = web.RouteTableDef()


@dataclass(frozen=True, slots=True)
class Line:
    """One group of the report, in words, and its key."""

    label: str
    figures: CallFigures
    key: Key


@routes.get("/reports")
@supervisor_only
async def reports(request: web.Request) -> web.Response:
    """Begin with the calls."""
    return web.Response(status=303, headers={"Location": PAGE})


@routes.get(PAGE)
@supervisor_only
async def call_report(request: web.Request) -> web.Response:
    """The report as a page, with a chart."""
    query = Query(request)
    grouping, asked = _asked(request, query)
    lines = [] if asked.error else await _lines(request, grouping, asked.period)
    total = sum((line.figures for line in lines), CallFigures())
    by_time = grouping in (CallGrouping.HOUR, CallGrouping.DAY)
    return render(
        request,
        "reports/calls.html",
        status=422 if asked.error else 200,
        query=query,
        asked=asked,
        grouping=grouping,
        groupings=[(one.value, _(words)) for one, words in GROUPINGS.items()],
        lines=lines,
        total=total,
        chart=_columns(lines, grouping, asked.period) if by_time else None,
        bars=_bars(lines) if not by_time else (),
        series=_series(lines),
        period_part=urlencode({"from": asked.first, "to": asked.last}),
    )


@routes.get(f"{PAGE}/behind")
@supervisor_only
async def behind(request: web.Request) -> web.Response:
    """The calls that make one figure up; of those that the viewer may not see, only when they began."""
    panel, viewer, query = panel_of(request), viewer_of(request), Query(request)
    figure = CallFigure(query.choice("figure", set(CallFigure), CallFigure.INBOUND))
    grouping, asked = _asked(request, query)
    if asked.error:
        raise web.HTTPBadRequest(text=asked.error)
    group = (grouping, _key(grouping, query.text("key"))) if query.text("key") else None
    after, most = query.identifier("after") or 0, MOST_BEHIND + 1
    found = await read_report(
        request,
        lambda connection: calls_behind(connection, asked.period, figure, group, viewer.scope, after=after, most=most),
    )
    async with panel.database.read() as session:
        calls = await calls_by_key(session, found[:MOST_BEHIND])
        names = dict(await employees(session))
    directory = panel.directory.current
    may_see = visible(viewer, directory)
    shown = [call_lines([call], directory)[0] if may_see(call) else None for call in calls]
    return render(
        request,
        "reports/calls_behind.html",
        title=_(FIGURES[figure]),
        groups=[_label(*group, names, directory)] if group else [],
        asked=asked,
        lines=list(zip(shown, calls, strict=True)),
        back=f"{PAGE}?{urlencode({'from': asked.first, 'to': asked.last, 'by': grouping})}",
        following=query.url(after=found[MOST_BEHIND - 1]) if len(found) > MOST_BEHIND else None,
    )


def _key(grouping: CallGrouping, text: str) -> Key:
    """The key of a group, as the report's own links write it."""
    if text == NONE and grouping in (CallGrouping.EMPLOYEE, CallGrouping.NUMBER):
        return None
    if grouping is CallGrouping.NUMBER:
        return text
    if grouping is CallGrouping.DAY:
        with suppress(ValueError):
            return date.fromisoformat(text).isoformat()
    elif text.isascii() and text.isdigit() and int(text) <= BIGGEST_ID:
        return int(text)
    raise web.HTTPBadRequest(text=_("This address is not one of this page's."))


def _label(grouping: CallGrouping, key: Key, names: dict[int, str], directory: Directory) -> str:
    match grouping:
        case CallGrouping.HOUR:
            return f"{key}:00"
        case CallGrouping.DAY:
            return day_text(date.fromisoformat(str(key)))
        case CallGrouping.EMPLOYEE:
            return _employee(key, names)
        case CallGrouping.NUMBER:
            return _number(key, directory)


@routes.get(f"{PAGE}.csv")
@export_only
async def call_report_file(request: web.Request) -> web.Response:
    """The same figures as a file; times in seconds."""
    grouping, asked = _asked(request, Query(request))
    if asked.error:
        raise web.HTTPBadRequest(text=asked.error)
    lines = await _lines(request, grouping, asked.period)
    name = f"calls-{asked.first}-{asked.last}"
    return report_file(name, [_headings(grouping), *(_cells(line) for line in lines)])


def _asked(request: web.Request, query: Query) -> tuple[CallGrouping, AskedPeriod]:
    return CallGrouping(query.choice("by", set(CallGrouping), CallGrouping.DAY)), read_period(request, query)


async def _lines(request: web.Request, grouping: CallGrouping, period: Period) -> list[Line]:
    panel, scope = panel_of(request), viewer_of(request).scope
    figures = await read_report(request, lambda connection: count_calls(connection, period, grouping, scope))
    if grouping is CallGrouping.HOUR:
        return [Line(f"{hour}:00", figures.get(hour, CallFigures()), hour) for hour in range(24)]
    if grouping is CallGrouping.DAY:
        return [
            Line(day_text(day), figures.get(day.isoformat(), CallFigures()), day.isoformat()) for day in period.days()
        ]
    if grouping is CallGrouping.EMPLOYEE:
        async with panel.database.read() as session:
            names = dict(await employees(session))
        lines = [Line(_employee(key, names), each, key) for key, each in figures.items()]
    else:
        lines = [Line(_number(key, panel.directory.current), each, key) for key, each in figures.items()]
    return sorted(lines, key=lambda line: (-line.figures.inbound - line.figures.outgoing, line.label))


def _employee(key: Key, names: dict[int, str]) -> str:
    return names.get(key, str(key)) if isinstance(key, int) else _("Nobody")


def _number(key: Key, directory: Directory) -> str:
    if key is None:
        return _("Without a number of ours")
    ours = directory.dids.get(str(key))
    return f"{number_text(str(key))} · {ours.label}" if ours and ours.label else number_text(str(key))


def _series(lines: Sequence[Line]) -> tuple[Series, ...]:
    figures = [line.figures for line in lines]
    return (
        Series(_("Answered calls"), "good", [each.answered for each in figures]),
        Series(_("Missed"), "bad", [each.missed for each in figures]),
        Series(_("Outgoing calls"), "plain", [each.outgoing for each in figures]),
    )


def _columns(lines: Sequence[Line], grouping: CallGrouping, period: Period) -> Chart:
    if grouping is CallGrouping.HOUR:
        ends = ["0:00", "6:00", "12:00", "18:00", "24:00"]
    else:
        middle = date.fromordinal((period.first.toordinal() + period.last.toordinal()) // 2)
        ends = [day_text(day) for day in dict.fromkeys((period.first, middle, period.last))]
    return columns([line.label for line in lines], _series(lines), ends)


def _bars(lines: Sequence[Line]) -> tuple[Bar, ...]:
    shown = lines[:MOST_BARS]
    return bars([line.label for line in shown], _series(shown))


def _headings(grouping: CallGrouping) -> list[str]:
    return [
        _(GROUPINGS[grouping]),
        _("Inbound calls"),
        _("Answered calls"),
        _("Missed"),
        _("Called back"),
        _("Time to answer, seconds"),
        _("Outgoing calls"),
        _("Outgoing answered"),
        _("Talk time, seconds"),
    ]


def _cells(line: Line) -> list[str]:
    each = line.figures
    wait = "" if each.mean_wait is None else f"{each.mean_wait:.1f}"
    counts = (each.inbound, each.answered, each.missed, each.called_back)
    return [line.label, *map(str, counts), wait, str(each.outgoing), str(each.reached), f"{each.talk_seconds:.0f}"]
