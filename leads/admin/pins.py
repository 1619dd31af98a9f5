"""Pins a number that several counterparties have to one of them: its calls are his from then on (L16)."""

from aiohttp import web

from leads.admin.context import panel_of, viewer_of
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.refusals import no_such_counterparty
from leads.admin.rendering import redirect
from leads.store.cards import NoSuchCardError
from leads.store.pins import pin

routes = web.RouteTableDef()


@routes.post("/numbers/pin")
async def pin_number(request: web.Request) -> web.Response:
    """Pin a number, or take its pin away; back to the card."""
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    holding = form.key("holding")
    pinned = form.flag("pinned")
    try:
        counterparty_id = await pin(panel.database, holding, pinned, viewer.scope, by=viewer.id, clock=panel.clock)
    except NoSuchCardError:
        raise no_such_counterparty() from None
    card = form.identifier("card") or counterparty_id
    flash = _("Calls of this number are theirs now.") if pinned else _("This number is shared by all who have it.")
    return redirect(request, f"/counterparties/{card}", flash=flash)
