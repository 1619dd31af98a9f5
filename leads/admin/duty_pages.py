"""Away and back, each by one click, and the company's holidays (K2)."""

from datetime import UTC, date, datetime

from aiohttp import web

from leads.admin.context import Panel, admin_only, panel_of, viewer_of
from leads.admin.employees import card_beside
from leads.admin.forms import ID, Form
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.refusals import no_such_employee, strange_form
from leads.admin.rendering import redirect, render
from leads.admin.sign_in import preferences_page
from leads.store import duty
from leads.store.company import GoneError
from leads.store.days_off import clear_days_off

routes = web.RouteTableDef()


@routes.post("/me/away")
async def switch_own(request: web.Request) -> web.Response:
    """Say that one is away, or back; calls go along the chain at once."""
    form = form_of(request)
    until = _until(request, form)
    if form.errors:
        return await preferences_page(request, form.replaced(**_preferences(request)), status=422)
    await _switch(panel_of(request), viewer_of(request).id, form.flag("away"), until)
    return redirect(request, "/me", flash=_said(form))


@routes.post(f"/company/employees/{ID}/away")
@admin_only
async def switch_other(request: web.Request) -> web.Response:
    """The same for somebody who cannot do it himself."""
    form, employee_id = form_of(request), int(request.match_info["id"])
    until = _until(request, form)
    if form.errors:
        return await card_beside(request, form)
    try:
        await _switch(panel_of(request), employee_id, form.flag("away"), until)
    except GoneError:
        raise no_such_employee() from None
    return redirect(request, f"/company/employees/{employee_id}", flash=_said(form))


async def _switch(panel: Panel, employee_id: int, away: bool, until: datetime | None) -> None:
    async with panel.database.write() as session:
        await duty.set_away(session, employee_id, away, until)
    await panel.directory.refresh()


def _said(form: Form) -> str:
    return _("Away: calls go on along the chain.") if form.flag("away") else _("Back: calls ring here again.")


def _until(request: web.Request, form: Form) -> datetime | None:
    """The moment (UTC) that was typed in the viewer's zone, if one was."""
    typed = form.text("until", longest=20)
    if not typed or not form.flag("away"):
        return None
    try:
        until = datetime.strptime(typed, "%Y-%m-%dT%H:%M").replace(tzinfo=viewer_of(request).zone).astimezone(UTC)
    except (ValueError, OverflowError):
        form.fail("until", _("No such time. Write it like 2026-12-31T18:00."))
        return None
    if until <= panel_of(request).clock():
        form.fail("until", _("This time has passed already."))
    return until


def _preferences(request: web.Request) -> dict[str, object]:
    viewer = viewer_of(request)
    zone = viewer.zone.key if viewer.zone != panel_of(request).zone else ""
    return {"language": viewer.language, "time_zone": zone, "card_key": viewer.card_key}


@routes.get("/company/holidays")
@admin_only
async def holiday_list(request: web.Request) -> web.Response:
    """The days on which nobody is on duty."""
    return await _holidays_page(request, Form.filled())


@routes.post("/company/holidays")
@admin_only
async def add_holiday(request: web.Request) -> web.Response:
    """Add a day, or name it anew."""
    panel, form = panel_of(request), form_of(request)
    name, day = form.text("name", required=True), _day(form)
    if form.errors or day is None:
        return await _holidays_page(request, form, status=422)
    async with panel.database.write() as session:
        await duty.add_holiday(session, day, name)
    await panel.directory.refresh()
    return redirect(request, "/company/holidays", flash=await saved_days(request))


async def saved_days(request: web.Request) -> str:
    """Move what was planned for days on which nobody works any more, and say so; very many follow in the background."""
    panel = panel_of(request)
    moved = await clear_days_off(panel.database, panel.zone, panel.clock, by=viewer_of(request).id, most=1)
    return _("Saved. Planned calls move to the next working days.") if moved else _("Saved.")


@routes.post("/company/holidays/remove")
@admin_only
async def remove_holiday(request: web.Request) -> web.Response:
    """Make a day an ordinary one again."""
    panel, form = panel_of(request), form_of(request)
    day = _day(form)
    if day is None:
        raise strange_form()
    async with panel.database.write() as session:
        await duty.remove_holiday(session, day)
    await panel.directory.refresh()
    return redirect(request, "/company/holidays", flash=_("The day is an ordinary one again."))


def _day(form: Form) -> date | None:
    try:
        day = date.fromisoformat(form.text("day", required=True, longest=10))
    except ValueError:
        day = None
    if day is None or not 2000 <= day.year < 2200:
        form.fail("day", _("No such day. Write it like 2026-12-31."))
        return None
    return day


async def _holidays_page(request: web.Request, form: Form, status: int = 200) -> web.Response:
    panel = panel_of(request)
    async with panel.database.read() as session:
        days = await duty.holidays(session)
    today = panel.clock().astimezone(panel.zone).date()
    return render(request, "company/holidays.html", status=status, form=form, days=days, today=today)
