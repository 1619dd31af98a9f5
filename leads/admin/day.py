"""My day: calls that are due, missed calls and tasks, each with Call; and all planned calls with a calendar (P5)."""

from datetime import date, timedelta
from typing import Any

from aiohttp import web
from babel.dates import get_day_names
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.cards import people_choices
from leads.admin.context import Panel, Viewer, panel_of, viewer_of
from leads.admin.dialling import call_buttons
from leads.admin.forms import Query
from leads.admin.i18n import _, current_locale, month_text, ngettext
from leads.admin.refusals import strange_address
from leads.admin.rendering import number_text, render
from leads.admin.stand_ins import away_now, said_of_away
from leads.domain.follow_up import TaskKind
from leads.domain.planning import PlanState, due
from leads.store.day_lists import calls_waiting, due_plans, open_tasks_for, ownerless_missed, ownerless_plans
from leads.store.plan_lists import (
    PAGE,
    PlanFilter,
    count_due,
    due_untold,
    list_plans,
    mark_reminded,
    plans_by_day,
)
from leads.store.planning_settings import company_calendar
from leads.store.tasks import mark_told, untold_tasks

MOST_TOLD = 3
LAST_PAGE = 400
YEARS = range(2000, 2101)
_WEEK = timedelta(days=7)

routes = web.RouteTableDef()


@routes.get("/day")
async def my_day(request: web.Request) -> web.Response:
    """What is to be done today by the viewer, or by one of those whose work he may see."""
    panel, viewer, query = panel_of(request), viewer_of(request), Query(request)
    async with panel.database.read() as session:
        people = await _people(session, viewer)
        whose = _chosen(query, viewer, people) or viewer.id
        calendar = await company_calendar(session, panel.zone)
        now = panel.clock()
        plans = await due_plans(session, whose, calendar.day_of(now), query.page("calls", LAST_PAGE))
        missed = await open_tasks_for(session, whose, TaskKind.MISSED, query.page("missed", LAST_PAGE))
        tasks = await open_tasks_for(session, whose, TaskKind.TYPED, query.page("tasks", LAST_PAGE))
        looks_after = viewer.answers_for_others and whose == viewer.id
        waiting = await _waiting(session, panel, viewer, calendar.day_of(now)) if looks_after else []
        ownerless = (
            await ownerless_missed(session, viewer.scope, query.page("ownerless", LAST_PAGE)) if looks_after else None
        )
        sees_all = looks_after and viewer.scope is None
        unowned = (
            await ownerless_plans(session, calendar.day_of(now), query.page("unowned", LAST_PAGE)) if sees_all else None
        )
    return render(
        request,
        "planning/day.html",
        query=query,
        plans=plans,
        states={
            row.id: due(row.day, row.at, now, calendar) for row in (*plans.rows, *(unowned.rows if unowned else ()))
        },
        missed=missed,
        ownerless=ownerless,
        unowned=unowned,
        tasks=tasks,
        today=calendar.day_of(now),
        people=people,
        whose=whose,
        away=said_of_away(panel, whose),
        waiting=waiting,
        buttons=call_buttons(panel, viewer.id, ""),
    )


@routes.get("/plans")
async def plan_list(request: web.Request) -> web.Response:
    """All planned calls of those whose work the viewer may see, and a month of them as a calendar."""
    panel, viewer, query = panel_of(request), viewer_of(request), Query(request)
    state = query.choice("state", ("open", "overdue", "done", "cancelled"), "open")
    page = query.page("page", LAST_PAGE)
    async with panel.database.read() as session:
        people = await _people(session, viewer)
        whose = _chosen(query, viewer, people)
        calendar = await company_calendar(session, panel.zone)
        now = panel.clock()
        today = calendar.day_of(now)
        employees = viewer.scope if whose is None else frozenset({whose})
        wanted = PlanFilter(
            state=PlanState.OPEN if state == "overdue" else PlanState(state),
            employees=employees,
            before=today if state == "overdue" else None,
            day=_day(query, "day"),
        )
        rows = await list_plans(session, wanted, page)
        month = (_day(query, "month") or today).replace(day=1)
        weeks = _weeks(month)
        counts = await plans_by_day(session, employees, weeks[0][0], weeks[-1][-1])
    return render(
        request,
        "planning/plans.html",
        query=query,
        state=state,
        rows=[(row, due(row.day, row.at, now, calendar)) for row in rows[:PAGE]],
        before=page - 1 if page else None,
        after=page + 1 if len(rows) > PAGE and page + 1 < LAST_PAGE else None,
        people=people,
        whose=whose,
        today=today,
        chosen_day=wanted.day,
        month=month,
        month_name=month_text(month),
        day_names=[get_day_names("abbreviated", "stand-alone", locale=current_locale().language)[n] for n in range(7)],
        weeks=[[(day, counts.get(day, 0)) for day in week] for week in weeks],
        earlier=(month - timedelta(days=1)).replace(day=1),
        later=(month + timedelta(days=31)).replace(day=1),
        buttons=call_buttons(panel, viewer.id, ""),
    )


@routes.post("/live/reminders")
async def reminders(request: web.Request) -> web.Response:
    """How many calls are due, and what the viewer was not told of yet: calls that became due, tasks given to him."""
    panel, viewer = panel_of(request), viewer_of(request)
    now = panel.clock()
    async with panel.database.read() as session:
        today = (await company_calendar(session, panel.zone)).day_of(now)
        plans = await due_untold(session, viewer.id, now, today)
        tasks = await untold_tasks(session, viewer.id)
        count = await count_due(session, viewer.id, today)
    if plans or tasks:
        async with panel.database.write() as session:
            fresh = await mark_reminded(session, [plan.id for plan in plans], now)
            untold = await mark_told(session, [task.id for task in tasks], now)
        plans = [plan for plan in plans if plan.id in fresh]
        tasks = [task for task in tasks if task.id in untold]
    items: list[dict[str, Any]] = []
    for plan in plans:
        who = plan.name if plan.named else number_text(plan.name)
        items.append({"text": _("Time to call %(who)s", who=who), "href": plan.card})
    if len(items) > MOST_TOLD:
        text = ngettext("%(count)s call is due", "%(count)s calls are due", len(items))
        items = [{"text": text, "href": "/day"}]
    for task in tasks:
        by = task.made_by or "Leadline"
        items.append({"text": _("%(who)s gave you a task: %(text)s", who=by, text=task.text[:200]), "href": task.card})
    return web.json_response({"due": count, "items": items})


async def _waiting(session: AsyncSession, panel: Panel, viewer: Viewer, today: date) -> list[tuple[int, str, int]]:
    """Who of those whose work the viewer may see is away, and how many calls wait for him meanwhile."""
    away = {one: said for one, said in away_now(panel).items() if viewer.scope is None or one in viewer.scope}
    counts = await calls_waiting(session, away.keys() - {viewer.id}, today)
    return sorted(((one, away[one], count) for one, count in counts.items()), key=lambda one: one[1])


async def _people(session: AsyncSession, viewer: Viewer) -> list[tuple[int, str]]:
    """Those whose work the viewer may see."""
    choices = await people_choices(session, viewer.id)
    return [choice for choice in choices if viewer.scope is None or choice[0] in viewer.scope]


def _chosen(query: Query, viewer: Viewer, people: list[tuple[int, str]]) -> int | None:
    """Whose work is asked for; nobody's where it is not the viewer's to see."""
    whose = query.identifier("employee")
    if whose is not None and whose not in {viewer.id, *(key for key, _name in people)}:
        raise web.HTTPNotFound(text=_("There is no such employee, or it is not yours to see."))
    return whose


def _day(query: Query, name: str) -> date | None:
    typed = query.text(name)
    try:
        day = date.fromisoformat(typed) if typed else None
    except ValueError:
        raise strange_address() from None
    # A calendar has weeks before and after its month, which the first and the last year of all have not.
    if day is not None and day.year not in YEARS:
        raise strange_address()
    return day


def _weeks(month: date) -> list[list[date]]:
    """The weeks, from Monday on, that show a month whole."""
    first = month - timedelta(days=month.weekday())
    following = (month + timedelta(days=31)).replace(day=1)
    weeks = []
    while first < following:
        weeks.append([first + timedelta(days=place) for place in range(7)])
        first += _WEEK
    return weeks
