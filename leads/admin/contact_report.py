"""The report on the quality of first contact: who was never asked for his name, and who never was called back (R2)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy import Connection

from leads.admin.charts import Bar, Series, bars
from leads.admin.context import export_only, panel_of, supervisor_only, viewer_of
from leads.admin.exports import Row
from leads.admin.forms import Query
from leads.admin.i18n import N_, _
from leads.admin.periods import AskedPeriod, read_period, valid_period
from leads.admin.rendering import render
from leads.admin.report_groups import NONE
from leads.admin.reports import names_of_people, page_parts, read_report, report_file
from leads.domain.visibility import Scope
from leads.store.contact_report import Finding, Wanted, unnamed_leads, waiting_callers

PAGE = "/reports/contact"
MOST_SHOWN = 100
MOST_IN_FILE = 50_000
MOST_PAGES = 500
UNNAMED, WAITING = "unnamed", "waiting"
FIGURES = {UNNAMED: N_("Unnamed"), WAITING: N_("Never called back")}

routes = web.RouteTableDef()


@dataclass(frozen=True, slots=True)
class Responsible:
    """One employee's line of the report."""

    key: int | None
    name: str
    unnamed: int
    waiting: int


@routes.get(PAGE)
@supervisor_only
async def contact_report(request: web.Request) -> web.Response:
    """Both findings, by responsible and one by one."""
    query = Query(request)
    asked = read_period(request, query)
    scope = viewer_of(request).scope
    unnamed, waiting = await read_report(
        request, lambda connection: _findings(connection, asked, scope, Wanted(MOST_SHOWN))
    )
    people = await _people(request)
    lines = _lines(unnamed, waiting, people)
    return render(
        request,
        "reports/contact.html",
        **page_parts(request, query, asked, {}),
        lines=lines,
        bars=_bars(lines),
        series=_series(lines),
        unnamed=unnamed,
        waiting=waiting,
        people=people,
        unnamed_total=sum(unnamed.by_responsible.values()),
        waiting_total=sum(waiting.by_responsible.values()),
    )


@routes.get(f"{PAGE}/behind")
@supervisor_only
async def behind(request: web.Request) -> web.Response:
    """Those who make one figure up, of one responsible or of all, in pages."""
    query, scope = Query(request), viewer_of(request).scope
    figure = query.choice("figure", FIGURES, UNNAMED)
    page = query.page("page", MOST_PAGES)
    asked = valid_period(request, query)
    of = _responsible(query)
    wanted = Wanted(MOST_SHOWN, page * MOST_SHOWN, of)
    found = await read_report(
        request,
        lambda connection: (
            unnamed_leads(connection, scope, wanted)
            if figure == UNNAMED
            else waiting_callers(connection, asked.period, scope, wanted)
        ),
    )
    people = await _people(request)
    total = sum(found.by_responsible.values())
    following = page + 1 if wanted.skip + MOST_SHOWN < total and page + 1 < MOST_PAGES else None
    return render(
        request,
        "reports/contact_behind.html",
        title=_(FIGURES[figure]),
        figure=figure,
        groups=[people.get(of[0], "")] if of else [],
        asked=asked,
        rows=found.rows,
        people=people,
        back=f"{PAGE}?{asked.part({})}",
        previous=query.url(page=page - 1 or None) if page else None,
        following=query.url(page=following) if following else None,
    )


def _responsible(query: Query) -> tuple[int | None] | None:
    """Whose findings are asked for; None for everybody's."""
    if query.text("responsible") == NONE:
        return (None,)
    key = query.identifier("responsible")
    return None if key is None else (key,)


@routes.get(f"{PAGE}.csv")
@export_only
async def contact_file(request: web.Request) -> web.StreamResponse:
    """Everybody whom the report is about, as a file."""
    asked = valid_period(request, Query(request))
    people, scope = await _people(request), viewer_of(request).scope
    head = [_("What"), _("Number"), _("Name"), _("Responsible"), _("Calls")]
    nameless, uncalled = _(FIGURES[UNNAMED]), _(FIGURES[WAITING])

    def rows(connection: Connection) -> Iterator[Sequence[Row]]:
        unnamed, waiting = _findings(connection, asked, scope, Wanted(MOST_IN_FILE))
        yield [head]
        yield [[nameless, one.name, "", people[one.responsible_id], str(one.calls)] for one in unnamed.rows]
        yield [
            [uncalled, one.number, one.name or "", people[one.responsible_id], str(one.missed)] for one in waiting.rows
        ]

    return await report_file(request, f"contact-{asked.first}-{asked.last}", rows)


def _findings(connection: Connection, asked: AskedPeriod, scope: Scope, wanted: Wanted) -> tuple[Finding, Finding]:
    return unnamed_leads(connection, scope, wanted), waiting_callers(connection, asked.period, scope, wanted)


async def _people(request: web.Request) -> dict[int | None, str]:
    async with panel_of(request).database.read() as session:
        return await names_of_people(session)


def _lines(unnamed: Finding, waiting: Finding, people: dict[int | None, str]) -> list[Responsible]:
    keys = unnamed.by_responsible.keys() | waiting.by_responsible.keys()
    lines = [
        Responsible(key, people[key], unnamed.by_responsible.get(key, 0), waiting.by_responsible.get(key, 0))
        for key in keys
    ]
    return sorted(lines, key=lambda line: (-line.unnamed - line.waiting, line.name))


def _series(lines: Sequence[Responsible]) -> tuple[Series, ...]:
    return (
        Series(_("Unnamed"), "accent", [line.unnamed for line in lines]),
        Series(_("Never called back"), "bad", [line.waiting for line in lines]),
    )


def _bars(lines: Sequence[Responsible]) -> tuple[Bar, ...]:
    return bars([line.name for line in lines], _series(lines))
