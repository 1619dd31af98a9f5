"""Changes many leads of the list at once: another responsible (L8), for the ticked ones or all that it holds."""

from aiohttp import web

from leads.admin.cards import people_choices
from leads.admin.context import Viewer, panel_of, supervisor_only, viewer_of
from leads.admin.guard import form_of
from leads.admin.i18n import _, ngettext
from leads.admin.leads import asked_leads
from leads.admin.rendering import redirect, render
from leads.store.cards import WrongFieldError
from leads.store.leads import count_open
from leads.store.reassigning import Given, give_leads, give_list

routes = web.RouteTableDef()
_NOBODY = "nobody"


@routes.post("/leads/give")
@supervisor_only
async def give(request: web.Request) -> web.Response:
    """Give leads of the list in the address to an employee; back to the same page of it.

    For all that the list holds, whoever asked sees first how many they are.
    """
    form, viewer, list_page = form_of(request), viewer_of(request), _list_page(request)
    ids = {identity for typed in form.values("lead") if (identity := form.identifier("lead", typed=typed))}
    to, everything = form.value("to"), form.flag("all")
    if not everything and not (ids and to):
        return redirect(request, list_page, flash=_("Tick the leads and choose who gets them."))
    if not to:
        return redirect(request, list_page, flash=_("Choose who gets the leads."))
    responsible = None if to == _NOBODY else form.identifier("to")
    if everything and not form.flag("sure"):
        return await _ask(request, responsible)
    try:
        given = await _give(request, viewer, None if everything else ids, responsible)
    except WrongFieldError:
        raise web.HTTPBadRequest(text=_("This form was not sent by this page.")) from None
    flash = ngettext("%(count)s lead changed hands.", "%(count)s leads changed hands.", given.given)
    if given.closed:
        stay = ngettext("%(count)s is closed and stays.", "%(count)s are closed and stay.", given.closed)
        flash = f"{flash} {stay}"
    return redirect(request, list_page, flash=flash)


def _list_page(request: web.Request) -> str:
    query = request.rel_url.raw_query_string
    return f"/leads?{query}" if query else "/leads"


async def _ask(request: web.Request, responsible: int | None) -> web.Response:
    """Say how many leads would change hands, and to whom."""
    panel, viewer = panel_of(request), viewer_of(request)
    wanted, _asked = asked_leads(request)
    async with panel.database.read() as session:
        people = dict(await people_choices(session))
        count = await count_open(session, wanted, viewer.scope)
    if responsible is not None and responsible not in people:
        raise web.HTTPBadRequest(text=_("This form was not sent by this page."))
    if not count:
        return redirect(request, _list_page(request), flash=_("The list holds no open lead."))
    return render(
        request,
        "leads/give_list.html",
        count=count,
        to=responsible or _NOBODY,
        name=people[responsible] if responsible else _("Nobody"),
        list_page=_list_page(request),
        query=request.rel_url.raw_query_string,
    )


async def _give(request: web.Request, viewer: Viewer, ids: set[int] | None, responsible: int | None) -> Given:
    panel = panel_of(request)
    if ids is not None:
        return await give_leads(panel.database, ids, responsible, by=viewer.id, clock=panel.clock, scope=viewer.scope)
    wanted, _asked = asked_leads(request)
    given = await give_list(panel.database, wanted, responsible, by=viewer.id, clock=panel.clock, scope=viewer.scope)
    return Given(given, 0)
