"""Erasing a person for good, asked for and confirmed by an administrator (X5)."""

import structlog
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.context import Panel, admin_only, panel_of, viewer_of
from leads.admin.forms import ID
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.refusals import strange_form
from leads.admin.rendering import redirect, render
from leads.store import erasing, recordings
from leads.store.cards import NoSuchCardError
from leads.store.counterparty_card import load_counterparty
from leads.store.erasing import CallRunsError, ChangedMeanwhileError, Traces, mentions_of, traces_of
from leads.store.lead_card import load_lead

routes = web.RouteTableDef()
_log = structlog.get_logger(__name__)
_ATTEMPTS = 3
"""So often he is looked for anew because something came to him meanwhile."""


@routes.get(f"/leads/{ID}/erase")
@routes.get(f"/counterparties/{ID}/erase")
@admin_only
async def ask(request: web.Request) -> web.Response:
    """Say what would go, and ask."""
    name, traces = await _find(request)
    return render(request, "access/erase.html", name=name, back=_card(request), traces=traces)


@routes.post(f"/leads/{ID}/erase")
@routes.post(f"/counterparties/{ID}/erase")
@admin_only
async def erase(request: web.Request) -> web.Response:
    """Erase: first the voices, then everything else at once."""
    panel, viewer = panel_of(request), viewer_of(request)
    if form_of(request).value("sure") != "1":
        raise strange_form()
    for _attempt in range(_ATTEMPTS):
        _name, traces = await _find(request)
        if traces.runs:
            raise _call_runs()
        await _delete_recordings(panel, traces, viewer.id)
        async with panel.database.read() as session:
            mentions = await mentions_of(session, traces)
        try:
            async with panel.database.write() as session:
                await erasing.erase(session, traces, mentions, panel.clock())
        except CallRunsError:
            raise _call_runs() from None
        except ChangedMeanwhileError:
            continue
        break
    else:
        raise web.HTTPConflict(text=_("Somebody works with this card at this moment. Try again later."))
    if not await panel.database.empty_log():
        _log.warning("an erased person is in the database's log until nobody reads for long")
    return redirect(request, _card(request).rpartition("/")[0], flash=_("The person is erased."))


def _call_runs() -> web.HTTPConflict:
    return web.HTTPConflict(text=_("A call with this person goes on. Erase them when it has ended."))


def _card(request: web.Request) -> str:
    return request.path.removesuffix("/erase")


async def _traces(session: AsyncSession, request: web.Request) -> Traces:
    key = int(request.match_info["id"])
    if request.path.startswith("/leads/"):
        return await traces_of(session, lead_id=key)
    return await traces_of(session, counterparty_id=key)


async def _find(request: web.Request) -> tuple[str, Traces]:
    """Who is to be erased, and all that is on record of him; a lead that became a counterparty is erased there."""
    key = int(request.match_info["id"])
    async with panel_of(request).database.read() as session:
        try:
            if request.path.startswith("/leads/"):
                lead = await load_lead(session, key, None)
                if lead.counterparty_id is not None:
                    raise web.HTTPConflict(text=_("This lead became a counterparty; erase that."))
                return lead.name, await _traces(session, request)
            return (await load_counterparty(session, key, None)).name, await _traces(session, request)
        except NoSuchCardError:
            raise web.HTTPNotFound(text=_("There is no such card.")) from None


async def _delete_recordings(panel: Panel, traces: Traces, by_id: int) -> None:
    for recording_id, pbx, path in traces.recordings:
        await panel.recordings.delete(pbx, path)
        async with panel.database.write() as session:
            await recordings.note_deleted(session, recording_id, panel.clock(), by_id=by_id)
