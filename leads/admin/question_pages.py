"""The question on the screen towards browsers: its stream, Accept and Reject, and the caller's card (C10, L11)."""

import asyncio
import json
from typing import Any

import aiohttp_jinja2
import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from leads.admin.call_lines import card_of, phone_names
from leads.admin.context import Panel, Viewer, panel_of, viewer_of
from leads.admin.forms import Query
from leads.admin.guard import find_viewer, form_of
from leads.admin.i18n import N_, _, speak_in
from leads.admin.questions import Outcome, Question
from leads.admin.rendering import number_text, redirect
from leads.admin.sse import Stream, event_stream, send
from leads.domain.calls import Direction, Phase
from leads.domain.directory import Directory
from leads.domain.intake import numbers_without_leads
from leads.domain.numbers import read_number
from leads.domain.participation import participants
from leads.domain.rings import Ring
from leads.store.board import BoardCall, running_calls
from leads.store.callers import find_caller, lead_for

BEAT_SECONDS = 10.0
"""How often an open page hears from us when nothing happens, and its session is checked."""
MOST_STREAMS = 1000
OUTCOMES = {
    Outcome.ANSWERED: N_("Your phone has answered."),
    Outcome.REJECTED: N_("Rejected; the caller goes on to the next phone."),
    Outcome.NO_REMOTE_ANSWER: N_("This phone does not accept remote answer"),
    Outcome.LATE: N_("Your phone has been answered already; the conversation goes on."),
    Outcome.ELSEWHERE: N_("Somebody else has answered this call."),
    Outcome.OVER: N_("This call does not ring any more."),
    Outcome.UNAVAILABLE: N_("The telephone system cannot be reached at this moment. Use the phone itself."),
    Outcome.STILL_RINGS: N_("That did not work. Use the phone itself."),
}

routes = web.RouteTableDef()
_log = structlog.get_logger(__name__)


@routes.get("/live/questions/stream", allow_head=False)
async def question_stream(request: web.Request) -> web.StreamResponse:
    """What the viewer is asked, as events, in the language of the page, until his session or the server ends."""
    panel, viewer, response = panel_of(request), viewer_of(request), event_stream()
    speak_in(Query(request).text("language"), panel.catalogs)
    if len(panel.questions.streams) >= MOST_STREAMS or panel.live.stopped:
        raise web.HTTPServiceUnavailable(text=_("Too many live pages are open."))
    try:
        await response.prepare(request)
        with panel.questions.streams.opened(viewer.session_hash, viewer.id) as stream:
            await _serve(request, response, stream)
    except (OSError, TimeoutError):
        pass  # The page was closed, or reads nothing.
    return response


async def _serve(request: web.Request, response: web.StreamResponse, stream: Stream) -> None:
    """Send what the viewer is asked whenever it changes; the database, for his session, is asked beside that."""
    viewer = viewer_of(request)
    check: asyncio.Task[Viewer | None] | None = None
    sent = ""
    try:
        while not stream.over:
            content = _content(request, viewer)
            event = ("beat", "1") if content == sent else ("questions", content)
            await send(response, "event: {}\ndata: {}\n\n".format(*event))
            sent = content
            news = await stream.wait(BEAT_SECONDS)
            if check is None and (stream.check or not news):
                stream.check = False
                check = asyncio.create_task(find_viewer(request))
                check.add_done_callback(lambda _: stream.news.set())
            elif check is not None and check.done():
                found, check = _checked(check, viewer), None
                if found is None:
                    await send(response, "event: signed-out\ndata: 1\n\n")
                    return
                viewer = found
        if stream.moved:
            await send(response, "event: moved\ndata: 1\n\n")
    finally:
        if check is not None:
            check.cancel()


def _checked(check: asyncio.Task[Viewer | None], viewer: Viewer) -> Viewer | None:
    """The viewer as he is now; while the database does not answer, as he was."""
    try:
        return check.result()
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        _log.warning("question on the screen: session not checked", error=str(error))
        return viewer


def _content(request: web.Request, viewer: Viewer) -> str:
    panel = panel_of(request)
    directory = panel.directory.current
    names = phone_names(directory)
    template = aiohttp_jinja2.get_env(request.app).get_template("questions/who.html")
    questions = []
    for question in panel.questions.of(viewer.id):
        shown = _shown(panel, question, directory, names)
        questions.append(
            {
                "id": question.ring.id,
                "html": template.render(**shown),
                "title": _("%(who)s calls", who=shown["who"]),
                "body": "\n".join(text for text in (shown["line"], shown["note"]) if text),
                "steered": panel.questions.steers(question.ring.pbx),
            }
        )
    return json.dumps(questions, separators=(",", ":"))


def _shown(panel: Panel, question: Question, directory: Directory, names: dict[str, str]) -> dict[str, Any]:
    """One question in words: `who` calls, `line` is his number and company, `phone` the one that rings."""
    ring, caller = question.ring, question.caller
    number = number_text(question.number or ring.party or "")
    href = None
    if caller is not None:
        kind, identity = ("leads", caller.lead_id) if caller.lead_id else ("counterparties", caller.counterparty_id)
        href = f"/{kind}/{identity}"
    if ring.hidden:
        who, number = _("Number hidden"), ""
    elif ring.direction is Direction.INTERNAL:
        who, number = names.get(ring.party or "", ring.party or ""), ""
    else:
        who = question.name or (caller and caller.name) or ring.party_name or number or _("Unknown caller")
    did = _did(panel, ring)
    known = directory.dids.get(did)
    return {
        "who": who,
        "href": href,
        "line": " · ".join(part for part in (number if number != who else "", caller and caller.company) if part),
        "note": caller.note if caller else "",
        "phone": names.get(ring.endpoint, ring.endpoint),
        "did": (known.label or number_text(did)) if known else "",
    }


def _did(panel: Panel, ring: Ring) -> str:
    """Our number that the caller dialled; empty for a call that did not come from outside."""
    return read_number(ring.dialled, panel.region).text if ring.direction is Direction.INBOUND else ""


@routes.post("/questions/accept")
async def accept(request: web.Request) -> web.Response:
    """Make the viewer's ringing phone answer."""
    panel = panel_of(request)
    return _said(await panel.questions.accept(viewer_of(request).id, form_of(request).value("ring")))


@routes.post("/questions/reject")
async def reject(request: web.Request) -> web.Response:
    """Stop the viewer's phone's ringing; the caller goes on."""
    panel = panel_of(request)
    return _said(await panel.questions.reject(viewer_of(request).id, form_of(request).value("ring")))


def _said(outcome: Outcome) -> web.Response:
    return web.json_response({"outcome": outcome, "text": _(OUTCOMES[outcome])})


@routes.post("/questions/card")
async def open_card(request: web.Request) -> web.Response:
    """To the card of whom the viewer talks with, or who rings his phone; it is made if there is none (L11)."""
    href, why = await _card(panel_of(request), viewer_of(request), form_of(request).value("ring"))
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response({"href": href, "text": why})
    return redirect(request, href or "/live", flash=why)


async def _card(panel: Panel, viewer: Viewer, ring_id: str) -> tuple[str, str]:
    """The card's address, or why there is none."""
    question = panel.questions.question(viewer.id, ring_id) if ring_id else None
    call = None if question else await _current_call(panel, viewer)
    if question is None and (call is None or call.phase is not Phase.TALKING):
        question = next(iter(panel.questions.of(viewer.id)), None)
    if question is not None:
        internal, number = question.ring.direction is Direction.INTERNAL, question.number
        did: str | None = _did(panel, question.ring)
    elif call is not None:
        if (href := card_of(call)) is not None:
            return href, ""
        internal, number, did = call.direction is Direction.INTERNAL, call.outside_number, call.did
    else:
        return "", _("You are on no call at this moment.")
    if internal:
        return "", _("This is a call between colleagues; it has no card.")
    if number is None:
        return "", _("The caller hides the number, so there is no card to open.")
    return await _card_of_number(panel, viewer, number, did)


async def _card_of_number(panel: Panel, viewer: Viewer, number: str, did: str | None) -> tuple[str, str]:
    async with panel.database.read() as session:
        caller = await find_caller(session, number)
    lead_id, counterparty_id = (caller.lead_id, caller.counterparty_id) if caller else (None, None)
    if caller is None:
        if number in numbers_without_leads(panel.directory.current):
            return "", _("This number is one that has no card: our own, a colleague's, or an ignored one.")
        ours = panel.directory.current.dids.get(did or "")
        person = await lead_for(panel.database, number, viewer.id, ours.source_id if ours else None, panel.clock())
        lead_id, counterparty_id = person.lead_id, person.counterparty_id
    return (f"/counterparties/{counterparty_id}" if counterparty_id else f"/leads/{lead_id}"), ""


async def _current_call(panel: Panel, viewer: Viewer) -> BoardCall | None:
    """The call that the viewer is on: one he talks on before one that rings, the newest of them."""
    people = participants(frozenset({viewer.id}), panel.directory.current)
    async with panel.database.read() as session:
        running = await running_calls(session)
    mine = [
        call
        for call in running
        if people.are_on(
            direction=call.direction,
            employee_id=call.employee_id,
            caller=call.caller,
            dialled=call.dialled,
            endpoints=[str(leg.get("endpoint")) for leg in call.legs if leg.get("result") in (None, "answered")],
        )
    ]
    talking = [call for call in mine if call.phase is Phase.TALKING]
    his = [call for call in talking if call.employee_id == viewer.id]
    return next(iter(his or talking or mine), None)
