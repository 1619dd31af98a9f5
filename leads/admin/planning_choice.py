"""Whether and how calls are planned; for administrators (P2 to P4)."""

from aiohttp import web
from babel.dates import get_day_names

from leads.admin.context import admin_only, panel_of
from leads.admin.duty_pages import saved_days
from leads.admin.forms import Form
from leads.admin.guard import form_of
from leads.admin.i18n import _, current_locale
from leads.admin.rendering import redirect, render
from leads.store.company import SavedMeanwhileError
from leads.store.planning_settings import PlanningChoice, planning_choice, save_planning_choice

PAGE = "/company/planning"
MOST_A_DAY = 1000

routes = web.RouteTableDef()


@routes.get(PAGE)
@admin_only
async def choice_page(request: web.Request) -> web.Response:
    """The choice as it is."""
    return _page(request, await _saved(request))


@routes.post(PAGE)
@admin_only
async def save_choice(request: web.Request) -> web.Response:
    """Choose anew; what is planned already stays, but for what falls on days that are no working days now."""
    panel, form = panel_of(request), form_of(request)
    days = [form.identifier("working_day", typed=value) for value in form.values("working_day")]
    if not days or not all(day in range(1, 8) for day in days):
        form.fail("working_day", _("Choose at least one day of the week."))
    made = PlanningChoice(
        planning=form.flag("planning"),
        any_conversation=form.flag("any_conversation"),
        daily_cap=form.integer("daily_cap", 1, MOST_A_DAY),
        working_days=frozenset(day for day in days if day is not None),
    )
    if form.errors:
        return _page(request, form, 422)
    try:
        async with panel.database.write() as session:
            await save_planning_choice(session, form.version(), made)
    except SavedMeanwhileError:
        names = dict(_day_names())
        return _page(request, form.against(await _saved(request), {"working_day": lambda day: names[day]}), 409)
    return redirect(request, PAGE, flash=await saved_days(request))


async def _saved(request: web.Request) -> Form:
    async with panel_of(request).database.read() as session:
        version, choice = await planning_choice(session)
    return Form.filled(
        version=version,
        planning=choice.planning,
        any_conversation=choice.any_conversation,
        daily_cap=choice.daily_cap,
        working_day=sorted(choice.working_days),
    )


def _page(request: web.Request, form: Form, status: int = 200) -> web.Response:
    zone = panel_of(request).zone.key
    return render(request, "planning/choice.html", status=status, form=form, days=_day_names(), zone=zone)


def _day_names() -> list[tuple[str, str]]:
    """The days of the week, each as the form has it and in words."""
    names = get_day_names("wide", "stand-alone", locale=current_locale().language)
    return [(str(number + 1), names[number].capitalize()) for number in range(7)]
