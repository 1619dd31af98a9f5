"""All pages of the panel, in one list; a new area adds its routes here."""

from aiohttp import web

from leads.admin import (
    audit_page,
    call_reports,
    calls,
    contact_report,
    counterparties,
    day,
    dialling,
    duty_pages,
    employees,
    erasing,
    exports,
    groups,
    handovers,
    imports,
    lead_bulk,
    lead_ends,
    lead_reports,
    leads,
    leaving,
    live,
    our_numbers,
    outages,
    phone_books,
    pins,
    planning,
    planning_choice,
    question_pages,
    recording_choice,
    recordings,
    retention_page,
    route_trial,
    sessions,
    sign_in,
    sources,
    statuses,
    tasks,
)
from leads.admin.context import panel_of, public

_common = web.RouteTableDef()


@_common.get("/")
async def first_page(request: web.Request) -> web.Response:
    """Begin where the work is."""
    return web.Response(status=303, headers={"Location": "/live"})


@_common.get("/static/{name:[A-Za-z0-9_./-]{1,80}}")
@public
async def static_file(request: web.Request) -> web.Response:
    """One style sheet, script or icon."""
    return panel_of(request).assets.response(request.match_info["name"], request.query.get("v"))


ALL: tuple[web.RouteTableDef, ...] = (
    _common,
    sign_in.routes,
    sessions.routes,
    audit_page.routes,
    retention_page.routes,
    erasing.routes,
    live.routes,
    question_pages.routes,
    dialling.routes,
    recordings.routes,
    recording_choice.routes,
    outages.routes,
    call_reports.routes,
    contact_report.routes,
    lead_reports.routes,
    calls.routes,
    employees.routes,
    duty_pages.routes,
    leaving.routes,
    groups.routes,
    our_numbers.routes,
    statuses.routes,
    route_trial.routes,
    sources.routes,
    planning.routes,
    planning_choice.routes,
    tasks.routes,
    day.routes,
    lead_bulk.routes,
    handovers.routes,
    lead_ends.routes,
    pins.routes,
    leads.routes,
    counterparties.routes,
    exports.routes,
    imports.routes,
    phone_books.routes,
)
