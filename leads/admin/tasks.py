"""Tasks and dated notes about a person: from his card, and from a call with him (P6 to P8)."""

from dataclasses import dataclass
from datetime import date

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.cards import people_choices
from leads.admin.context import Panel, Viewer, panel_of, viewer_of
from leads.admin.forms import ID, Form
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.planning import caller_rings, may_see, nobody_there, person_of_card, read_day, refuse_stranger
from leads.admin.rendering import redirect, render
from leads.admin.seen import seen_call
from leads.domain.planning import Calendar
from leads.store.cards import NoSuchCardError
from leads.store.company import GoneError, SavedMeanwhileError
from leads.store.people_of_calls import CallPerson
from leads.store.planning_settings import company_calendar
from leads.store.tasks import (
    NeedsReasonError,
    NoteRow,
    TaskRow,
    add_note,
    close_task,
    find_task,
    give_task,
    notes_of,
    tasks_of,
)

LONGEST = 2000

routes = web.RouteTableDef()


@dataclass(frozen=True, slots=True)
class CardWork:
    """What the card of a person shows of tasks and notes; `people` are those who can be given a task."""

    address: str
    tasks: tuple[TaskRow, ...]
    done: tuple[TaskRow, ...]
    notes: tuple[NoteRow, ...]
    people: tuple[tuple[int, str], ...]
    form: Form
    today: date


async def card_work(session: AsyncSession, panel: Panel, viewer: Viewer, person: CallPerson) -> CardWork:
    """The tasks and notes about a person, for his card."""
    rows = await tasks_of(session, person)
    calendar = await company_calendar(session, panel.zone)
    return CardWork(
        address=person.card,
        tasks=tuple(row for row in rows if row.done_at is None),
        done=tuple(row for row in rows if row.done_at is not None),
        notes=tuple(await notes_of(session, person)),
        people=tuple(await people_choices(session, viewer.id)),
        form=Form.filled(task_employee=viewer.id),
        today=calendar.day_of(panel.clock()),
    )


@routes.post(f"/leads/{ID}/tasks")
@routes.post(f"/counterparties/{ID}/tasks")
async def give(request: web.Request) -> web.Response:
    """Give somebody a task about a lead or counterparty."""
    person = person_of_card(request)
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    async with panel.database.read() as session:
        if not caller_rings(request, person):
            await refuse_stranger(session, viewer, person)
        calendar = await company_calendar(session, panel.zone)
    text, due_on = form.text("task_text", required=True, longest=LONGEST, lines=True), _due(form, panel, calendar)
    employee = form.identifier("task_employee") or viewer.id
    if not form.errors:
        try:
            async with panel.database.write() as session:
                person = await give_task(session, person, employee, text, due_on, by=viewer.id, now=panel.clock())
        except GoneError:
            form.fail("task_employee", _("Choose somebody who works here."))
        except NoSuchCardError:
            raise nobody_there(person) from None
        else:
            return await _to_card(request, person, _("The task is given."))
    async with panel.database.read() as session:
        people = await people_choices(session, viewer.id)
    return render(request, "planning/task.html", status=422, form=form, card=person.card, people=people)


@routes.post(f"/leads/{ID}/notes")
@routes.post(f"/counterparties/{ID}/notes")
async def note(request: web.Request) -> web.Response:
    """Note something about a lead or counterparty."""
    person = person_of_card(request)
    async with panel_of(request).database.read() as session:
        if not caller_rings(request, person):
            await refuse_stranger(session, viewer_of(request), person)
    return await _keep_note(request, person, person.card, None)


@routes.post(f"/calls/{ID}/notes")
async def note_on_call(request: web.Request) -> web.Response:
    """Note something about whom a call is with."""
    async with panel_of(request).database.read() as session:
        call = await seen_call(session, request)
    if call.lead_id is None and call.counterparty_id is None:
        raise web.HTTPConflict(text=_("This call is with nobody on record, so there is no card for the note."))
    person = CallPerson(call.lead_id, None if call.lead_id is not None else call.counterparty_id)
    return await _keep_note(request, person, f"/calls/{call.id}", call.id)


@routes.post(f"/tasks/{ID}/done")
async def done(request: web.Request) -> web.Response:
    """Say that a task is done, or why a missed call needs no calling back."""
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    async with panel.database.read() as session:
        task = await find_task(session, int(request.match_info["id"]))
        if task is None:
            raise web.HTTPNotFound(text=_("There is no such task, or it is not yours to see."))
        if task.employee_id != viewer.id:
            await refuse_stranger(session, viewer, CallPerson(task.lead_id, task.counterparty_id))
    back = "/day" if form.value("back") == "day" else task.card
    reason = form.text("reason", longest=LONGEST, lines=True)
    if form.errors:
        return render(request, "planning/reason.html", status=422, form=form, task=task)
    try:
        async with panel.database.write() as session:
            await close_task(session, task.id, reason, by=viewer.id, now=panel.clock())
    except SavedMeanwhileError:
        return redirect(request, back, flash=_("This task is done already."))
    except NeedsReasonError:
        form.fail("reason", _("Say why nobody needs to call back."))
        return render(request, "planning/reason.html", status=422, form=form, task=task)
    async with panel.database.read() as session:
        # With its last task a card may be no longer his to see.
        mine = await may_see(session, viewer, CallPerson(task.lead_id, task.counterparty_id))
    return redirect(request, back if mine else "/day", flash=_("Done."))


def _due(form: Form, panel: Panel, calendar: Calendar) -> date | None:
    if not form.value("task_due"):
        return None
    today = calendar.day_of(panel.clock())
    day = read_day(form, "task_due", today)
    if day < today:
        form.fail("task_due", _("This day is over."))
    return day


async def _keep_note(request: web.Request, person: CallPerson, back: str, call_id: int | None) -> web.Response:
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    text = form.text("note", required=True, longest=LONGEST, lines=True)
    if form.errors:
        return render(request, "planning/note.html", status=422, form=form, card=back)
    try:
        async with panel.database.write() as session:
            kept = await add_note(session, person, text, by=viewer.id, now=panel.clock(), call_id=call_id)
    except NoSuchCardError:
        raise nobody_there(person) from None
    if call_id is not None:
        return redirect(request, back, flash=_("The note is kept."))
    return await _to_card(request, kept, _("The note is kept."))


async def _to_card(request: web.Request, person: CallPerson, flash: str) -> web.Response:
    """To the card on which it is, which another one than the one that was typed on may be."""
    async with panel_of(request).database.read() as session:
        mine = caller_rings(request, person) or await may_see(session, viewer_of(request), person)
    return redirect(request, person.card if mine else "/day", flash=flash)
