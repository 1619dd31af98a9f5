"""Changes many leads of the list at once: another responsible (L8)."""

from aiohttp import web

from leads.admin.context import panel_of, supervisor_only, viewer_of
from leads.admin.guard import form_of
from leads.admin.i18n import _, ngettext
from leads.admin.rendering import redirect
from leads.store.cards import WrongFieldError
from leads.store.reassigning import give_leads

routes = web.RouteTableDef()
_NOBODY = "nobody"


@routes.post("/leads/give")
@supervisor_only
async def give(request: web.Request) -> web.Response:
    """Give the ticked leads to an employee; back to the same page of the list."""
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    back = form.value("back")
    location = f"/leads?{back}" if back.isascii() and back.isprintable() else "/leads"
    ids = {identity for typed in form.values("lead") if (identity := form.identifier("lead", typed=typed))}
    to = form.value("to")
    if not ids or not to:
        flash = _("Tick the leads and choose who gets them.")
        return redirect(request, location, flash=flash)
    responsible = None if to == _NOBODY else form.identifier("to")
    try:
        given = await give_leads(panel.database, ids, responsible, by=viewer.id, clock=panel.clock, scope=viewer.scope)
    except WrongFieldError:
        raise web.HTTPBadRequest(text=_("This form was not sent by this page.")) from None
    flash = ngettext("%(count)s lead changed hands.", "%(count)s leads changed hands.", given.given)
    if given.closed:
        stay = ngettext("%(count)s is closed and stays.", "%(count)s are closed and stay.", given.closed)
        flash = f"{flash} {stay}"
    return redirect(request, location, flash=flash)
