"""Shows whoever gave a whole list away, or let somebody go, how far that has come, and lets him stop it (L8, K2).

A hand-over is its beginner's alone: for everybody else it does not exist.
"""

from aiohttp import web

from leads.admin.context import panel_of, supervisor_only, viewer_of
from leads.admin.forms import ID
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.rendering import redirect, render
from leads.store import handovers
from leads.store.handover_tables import StopReason

routes = web.RouteTableDef()


@routes.get("/handovers")
@supervisor_only
async def own_handovers(request: web.Request) -> web.Response:
    """What the viewer has begun in the last month."""
    async with panel_of(request).database.read() as session:
        begun = await handovers.begun_by(session, viewer_of(request).id)
    return render(request, "handovers/list.html", handovers=begun)


@routes.get(f"/handovers/{ID}")
@supervisor_only
async def handover_page(request: web.Request) -> web.Response:
    """How far one has come; the page looks again by itself while it runs."""
    return render(request, "handovers/one.html", handover=await _own(request))


@routes.post(f"/handovers/{ID}/stop")
@supervisor_only
async def stop(request: web.Request) -> web.Response:
    """Let it stop after the piece that is just being carried out; what has changed hands stays so."""
    form_of(request)
    panel, own = panel_of(request), await _own(request)
    async with panel.database.write() as session:
        stopped = await handovers.stop(session, own.id, StopReason.ASKED, panel.clock())
    return redirect(request, f"/handovers/{own.id}", flash="" if stopped else _("It was over already."))


async def _own(request: web.Request) -> handovers.Standing:
    async with panel_of(request).database.read() as session:
        found = await handovers.find(session, int(request.match_info["id"]))
    if found is None or found.employee_id != viewer_of(request).id:
        raise web.HTTPNotFound(text=_("There is no such hand-over; they are kept for 30 days."))
    return found
