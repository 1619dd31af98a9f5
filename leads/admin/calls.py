"""One call's own page: its legs, its transfers, and why it went where it went."""

from aiohttp import web

from leads.admin.call_lines import call_lines, cards_to_open, phone_names
from leads.admin.context import panel_of, viewer_of
from leads.admin.forms import ID
from leads.admin.reasons import tell_kept
from leads.admin.recordings import may_pause, shown_recordings
from leads.admin.rendering import render
from leads.admin.seen import seen_call
from leads.store import board
from leads.store.tasks import notes_of_call

routes = web.RouteTableDef()


@routes.get(f"/calls/{ID}")
async def call_page(request: web.Request) -> web.Response:
    """Show a call to those who may see it; for others it does not exist."""
    panel, viewer = panel_of(request), viewer_of(request)
    async with panel.database.read() as session:
        call = await seen_call(session, request)
        consultations = await board.consultations(session, call)
        decision = await board.decision_of(session, call)
        notes = await notes_of_call(session, call.id)
        card = await cards_to_open(session, panel, viewer, [call, *consultations])
        recorded = await shown_recordings(session, panel, viewer, [call], with_uses=True)
    directory = panel.directory.current
    return render(
        request,
        "calls/card.html",
        call=call,
        line=call_lines([call], directory, card)[0],
        consultations=call_lines(consultations, directory, card),
        decision=decision,
        reasons=[tell_kept(kept) for kept in decision.get("reasons", [])] if decision else [],
        names=phone_names(directory),
        notes=notes,
        note_address=f"/calls/{call.id}" if call.lead_id is not None or call.counterparty_id is not None else None,
        recordings=recorded.get(call.id),
        may_pause=may_pause(viewer, call, panel.recordings.control),
    )
