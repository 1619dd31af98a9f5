"""Planned calls on the card of a lead or counterparty: made, moved, noted, cancelled and called (P2, P3)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.context import Panel, Viewer, panel_of, viewer_of
from leads.admin.dialling import CallButtons, call_buttons, start_call, tell_call
from leads.admin.forms import ID, Form
from leads.admin.guard import form_of
from leads.admin.i18n import _, day_text, short_time
from leads.admin.refusals import no_such_counterparty, no_such_lead
from leads.admin.rendering import redirect, render
from leads.domain.planning import Act, Calendar, Due, HandDate, PlanState, Step, due
from leads.store.cards import LeadClosedError, NoSuchCardError
from leads.store.closing import numbers_of
from leads.store.company import SavedMeanwhileError
from leads.store.counterparty_rows import numbers_on
from leads.store.people_of_calls import CallPerson
from leads.store.plan_lists import PlanRow, find_plan, plans_of
from leads.store.planning_settings import company_calendar
from leads.store.plans import LONGEST_NOTE, PlanEdit, Planning, cancel_plan, note_dialled, plan_by_hand
from leads.store.visibility import counterparty_is_visible, lead_is_visible

FURTHEST = timedelta(days=5 * 366)

routes = web.RouteTableDef()


@dataclass(frozen=True, slots=True)
class CardPlans:
    """What the card of a person shows of planned calls; `form` is to plan or to move one."""

    address: str
    planned: PlanRow | None
    due: Due | None
    past: tuple[PlanRow, ...]
    form: Form
    buttons: CallButtons | None


async def card_plans(session: AsyncSession, panel: Panel, viewer: Viewer, person: CallPerson) -> CardPlans:
    """The planned calls of a person, for his card."""
    rows = await plans_of(session, person)
    planned = next((row for row in rows if row.state is PlanState.OPEN), None)
    calendar = await company_calendar(session, panel.zone)
    return CardPlans(
        address=person.card,
        planned=planned,
        due=due(planned.day, planned.at, panel.clock(), calendar) if planned else None,
        past=tuple(row for row in rows if row.state is not PlanState.OPEN),
        form=plan_form(planned, viewer),
        buttons=call_buttons(panel, viewer.id, f"/plans/{planned.id}") if planned else None,
    )


def planning_of(panel: Panel, form: Form) -> Planning:
    """What a save of a card needs to plan, with the answer that the form may hold."""
    return Planning(panel.zone, form.choice("hand_date", HandDate) if form.value("hand_date") else None)


def step_text(step: Step) -> str:
    """Tell what a change of status did to the planned call; nothing where it did nothing."""
    texts = {
        Act.PLAN: _("A call is planned for %(day)s.", day=day_text(step.day) if step.day else ""),
        Act.MOVE: _("The planned call is moved to %(day)s.", day=day_text(step.day) if step.day else ""),
        Act.KEEP: _("The planned call stays on %(day)s.", day=day_text(step.day) if step.day else ""),
        Act.CANCEL: _("The planned call is cancelled."),
    }
    return texts.get(step.act, "")


def plan_form(planned: PlanRow | None, viewer: Viewer) -> Form:
    """The form in which a call is planned or moved; times are the viewer's."""
    if planned is None:
        return Form.filled()
    at = planned.at.astimezone(viewer.zone) if planned.at else None
    return Form.filled(
        plan_version=planned.version,
        plan_day=(at.date() if at else planned.day).isoformat(),
        plan_time=at.strftime("%H:%M") if at else None,
        plan_note=planned.note,
    )


@routes.post(f"/leads/{ID}/plan")
@routes.post(f"/counterparties/{ID}/plan")
async def plan(request: web.Request) -> web.Response:
    """Plan or move the call with a lead or counterparty."""
    person = person_of_card(request)
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    async with panel.database.read() as session:
        if not caller_rings(request, person):
            await refuse_stranger(session, viewer, person)
        calendar = await company_calendar(session, panel.zone)
    edit = _read(form, panel, viewer, calendar)
    status = 422
    if not form.errors:
        version = form.identifier("plan_version")
        try:
            await plan_by_hand(panel.database, person, version, edit, by=viewer.id, clock=panel.clock)
        except (NoSuchCardError, LeadClosedError):
            form.fail("plan_day", _("This lead was closed meanwhile; a closed lead is read-only."))
            return render(request, "planning/plan.html", status=409, form=form, card=person.card)
        except SavedMeanwhileError:
            status = 409
        else:
            return redirect(request, person.card, flash=_planned_text(edit))
    async with panel.database.read() as session:
        planned = next((row for row in await plans_of(session, person) if row.state is PlanState.OPEN), None)
    if status == 409:
        form = _beside(form, edit, planned, viewer)
        if not form.theirs:
            return redirect(request, person.card, flash=_planned_text(edit))
    return render(request, "planning/plan.html", status=status, form=form, card=person.card)


@routes.post(f"/plans/{ID}/cancel")
async def cancel(request: web.Request) -> web.Response:
    """Cancel a planned call."""
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    planned = await _find(request)
    version = form.identifier("plan_version") or 0
    try:
        await cancel_plan(panel.database, planned.id, version, by=viewer.id, clock=panel.clock)
    except SavedMeanwhileError:
        return redirect(request, planned.card, flash=_("Somebody else changed this planned call. Look at it again."))
    return redirect(request, planned.card, flash=_("The planned call is cancelled."))


@routes.post(f"/plans/{ID}/call")
async def call(request: web.Request) -> web.Response:
    """Make a planned call: the conversation that follows fulfils it."""
    panel, viewer, planned = panel_of(request), viewer_of(request), await _find(request)
    async with panel.database.read() as session:
        numbers = (
            await numbers_of(session, planned.lead_id)
            if planned.counterparty_id is None
            else await numbers_on(session, planned.counterparty_id)
        )
    pressed = panel.clock()
    status, text = await start_call(request, numbers)
    if status == web.HTTPAccepted.status_code:
        await note_dialled(panel.database, planned.id, viewer.id, pressed)
    return tell_call(request, planned.card, status, text)


def _planned_text(edit: PlanEdit) -> str:
    """Tell when, in the zone of who reads it where a moment was set: the company's day can be another than his."""
    return _("A call is planned for %(day)s.", day=short_time(edit.at) if edit.at else day_text(edit.day))


def _beside(form: Form, edit: PlanEdit, planned: PlanRow | None, viewer: Viewer) -> Form:
    """The form to be saved knowingly: with the present version, and beside each field what is planned now."""
    # The version may be none: the call may be done or planned meanwhile.
    form = form.replaced(plan_version=planned.version if planned else "")
    if planned is None:
        form.theirs["plan_day"] = _("Nothing planned")
        return form
    present = plan_form(planned, viewer)
    if form.value("plan_day") != present.value("plan_day"):
        form.theirs["plan_day"] = day_text(date.fromisoformat(present.value("plan_day")))
    if edit.at != planned.at and form.value("plan_time")[:5] != present.value("plan_time"):
        form.theirs["plan_time"] = present.value("plan_time")
    if edit.note != planned.note:
        form.theirs["plan_note"] = planned.note
    return form


def _read(form: Form, panel: Panel, viewer: Viewer, calendar: Calendar) -> PlanEdit:
    today = calendar.day_of(panel.clock())
    day, at = read_day(form, "plan_day", today), None
    if form.value("plan_time"):
        try:
            clock_time = time.fromisoformat(form.value("plan_time"))
        except ValueError:
            form.fail("plan_time", _("A time looks like 14:30."))
        else:
            # In UTC, because Python takes a moment of an hour that comes twice, or never, for no other zone's.
            at = datetime.combine(day, clock_time.replace(tzinfo=None), tzinfo=viewer.zone).astimezone(UTC)
            day = calendar.day_of(at)
    if not form.errors and day < today:
        form.fail("plan_day", _("This day is over."))
    return PlanEdit(day, at, form.text("plan_note", longest=LONGEST_NOTE, lines=True))


def read_day(form: Form, name: str, today: date) -> date:
    """A day from today on, as the browser's own field sends it; today together with a message when it is none."""
    try:
        day = date.fromisoformat(form.value(name))
    except ValueError:
        form.fail(name, _("Choose a day."))
        return today
    if not today - timedelta(days=1) <= day <= today + FURTHEST:
        form.fail(name, _("This day is over.") if day < today else _("Choose a day within five years."))
        return today  # because a moment of the first or the last day of all cannot be put into another zone
    return day


def person_of_card(request: web.Request) -> CallPerson:
    """Whose card the address belongs to: it begins with /leads/ or /counterparties/ and the key."""
    key = int(request.match_info["id"])
    return CallPerson(lead_id=key) if request.path.startswith("/leads/") else CallPerson(counterparty_id=key)


def caller_rings(request: web.Request, person: CallPerson) -> bool:
    """Whether the person rings the viewer's phone: then the card is open to him, and what he types there is kept."""
    return panel_of(request).questions.caller_rings(
        viewer_of(request).id, lead_id=person.lead_id, counterparty_id=person.counterparty_id
    )


async def refuse_stranger(session: AsyncSession, viewer: Viewer, person: CallPerson) -> None:
    """Answer that there is nobody, where there is nobody whom the viewer may see."""
    if not await may_see(session, viewer, person):
        raise nobody_there(person)


def nobody_there(person: CallPerson) -> web.HTTPNotFound:
    """The answer where a card is not, or is no longer."""
    return no_such_lead() if person.lead_id is not None else no_such_counterparty()


async def may_see(session: AsyncSession, viewer: Viewer, person: CallPerson) -> bool:
    """Whether the viewer may see the card of a person."""
    if person.lead_id is not None:
        return await lead_is_visible(session, person.lead_id, viewer.scope)
    return await counterparty_is_visible(session, person.counterparty_id or 0, viewer.scope)


async def _find(request: web.Request) -> PlanRow:
    async with panel_of(request).database.read() as session:
        planned = await find_plan(session, int(request.match_info["id"]))
        if planned is None:
            raise web.HTTPNotFound(text=_("There is no such planned call, or it is not yours to see."))
        if not caller_rings(request, _person_of(planned)):
            await refuse_stranger(session, viewer_of(request), _person_of(planned))
    return planned


def _person_of(planned: PlanRow) -> CallPerson:
    return CallPerson(planned.lead_id, planned.counterparty_id)
