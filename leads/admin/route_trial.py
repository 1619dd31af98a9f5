"""The dry run in the panel: whom a number would reach now, what the displays would show, and why (C5)."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from leads.admin.call_lines import phone_names
from leads.admin.context import admin_only, panel_of
from leads.admin.forms import Form, Query
from leads.admin.i18n import _
from leads.admin.reasons import tell_kept
from leads.admin.rendering import number_text, render
from leads.domain.numbers import NumberKind, read_number

RouteTrial = Callable[[str | None, str | None], Awaitable[dict[str, Any]]]
"""Decides a call from a number (None: hidden) to one of ours; gives what is kept with a call as its decision."""

LONGEST_NUMBER = 40

routes = web.RouteTableDef()


@routes.get("/company/route")
@admin_only
async def try_route(request: web.Request) -> web.Response:
    """Ask, and show what the server would decide at this moment; nothing rings, and nothing is recorded."""
    panel, query = panel_of(request), Query(request, forgiving=True)
    directory = panel.directory.current
    number, to = query.words("number", LONGEST_NUMBER), query.words("to", LONGEST_NUMBER)
    form = Form.filled(number=query.typed("number"), to=query.typed("to"))
    form.errors.update(query.errors)
    asked = "number" in request.query
    if asked and number and read_number(number, panel.region).kind is NumberKind.INVALID:
        form.fail("number", _("Not a telephone number. Write it like +380 44 123 4567, or leave it empty if hidden."))
    if asked and panel.route_trial is None:
        form.fail("number", _("This server does not route calls; try it on the one that Asterisk asks."))
    decision = None
    if asked and not form.errors and panel.route_trial is not None:
        decision = await panel.route_trial(number or None, to or None)
    return render(
        request,
        "company/route.html",
        status=422 if form.errors else 200,
        form=form,
        dids=[
            (did.number, f"{number_text(did.number)} · {did.label}" if did.label else number_text(did.number))
            for did in sorted(directory.dids.values(), key=lambda did: did.number)
        ],
        decision=decision,
        reasons=[tell_kept(kept) for kept in decision["reasons"]] if decision else [],
        names=phone_names(directory),
    )
