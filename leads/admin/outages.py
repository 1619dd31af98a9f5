"""The page of outages: when calls could not be followed or recorded, and how many were completed afterwards (C3)."""

from aiohttp import web

from leads.admin.context import panel_of, supervisor_only
from leads.admin.rendering import render
from leads.store.recovery import outages

routes = web.RouteTableDef()


@routes.get("/outages")
@supervisor_only
async def outage_list(request: web.Request) -> web.Response:
    """The outages, for those who answer for others' calls."""
    panel = panel_of(request)
    async with panel.database.read() as session:
        lines = await outages(session)
    return render(request, "outages.html", lines=lines, now=panel.clock())
