"""Changes many leads of the list at once: another responsible (L8), for the ticked ones or all that it holds."""

from aiohttp import web

from leads.admin.cards import people_choices
from leads.admin.context import panel_of, supervisor_only, viewer_of
from leads.admin.guard import form_of
from leads.admin.i18n import _, ngettext
from leads.admin.leads import asked_leads, show_list
from leads.admin.refusals import strange_form
from leads.admin.rendering import redirect, render
from leads.store import handovers
from leads.store.cards import WrongFieldError
from leads.store.leads import count_open
from leads.store.reassigning import give_leads

routes = web.RouteTableDef()
_NOBODY = "nobody"


@routes.post("/leads/give")
@supervisor_only
async def give(request: web.Request) -> web.Response:
    """Give leads of the list in the address to an employee; back to the same page of it.

    For all that the list holds, whoever asked sees first how many they are.
    """
    panel, viewer, form, list_page = panel_of(request), viewer_of(request), form_of(request), _list_page(request)
    ids = {identity for typed in form.values("lead") if (identity := form.identifier("lead", typed=typed))}
    to, everything = form.value("to"), form.flag("all")
    if not to or not (everything or ids):
        problem = (
            _("Choose who gets the leads.") if ids or everything else _("Tick the leads and choose who gets them.")
        )
        return await show_list(request, ticked=ids, to=to, problem=problem)
    responsible = None if to == _NOBODY else form.identifier("to")
    if everything:
        return await (_give_list if form.flag("sure") else _ask)(request, responsible)
    try:
        given = await give_leads(panel.database, ids, responsible, by=viewer.id, clock=panel.clock, scope=viewer.scope)
    except WrongFieldError:
        raise strange_form() from None
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
        raise strange_form()
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


async def _give_list(request: web.Request, responsible: int | None) -> web.Response:
    """Give all that the list holds: a few at once, more beside everything else, with a page that tells how far."""
    panel, viewer = panel_of(request), viewer_of(request)
    wanted, _asked = asked_leads(request)
    async with panel.database.read() as session:
        total = await count_open(session, wanted, viewer.scope)
    now, runner = panel.clock(), panel.handovers.at_once
    try:
        async with panel.database.write() as session:
            handover_id = await handovers.begin_list(
                session, wanted, responsible, total, by=viewer.id, now=now, runner=runner
            )
    except WrongFieldError:
        raise strange_form() from None
    if not await panel.handovers.take_up(handover_id, total):
        return redirect(request, f"/handovers/{handover_id}")
    async with panel.database.read() as session:
        done = await handovers.find(session, handover_id)
    given = done.counts.get("given", 0) if done is not None else 0
    flash = ngettext("%(count)s lead changed hands.", "%(count)s leads changed hands.", given)
    return redirect(request, _list_page(request), flash=flash)
