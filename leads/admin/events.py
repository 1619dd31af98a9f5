"""What happened with a lead or a counterparty, in one list: calls, planned calls, tasks, changes (L9, L3)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.cards import card_calls, spoken_history
from leads.admin.context import panel_of, viewer_of
from leads.admin.forms import Query
from leads.admin.i18n import N_, _
from leads.admin.planning import CardPlans
from leads.admin.tasks import CardWork
from leads.store.board import calls_of_counterparty, calls_of_lead
from leads.store.cards import MOST_HISTORY, history, history_with_leads
from leads.store.people_of_calls import CallPerson
from leads.store.plan_lists import MOST_ON_CARD, PlanRow, plans_of
from leads.store.tasks import MOST_TASKS, TaskRow, tasks_of

PAGE = 50
LAST_PAGE = 400


class EventKind(StrEnum):
    """What the list of events can be narrowed to."""

    ALL = "all"
    CALLS = "calls"
    PLANS = "plans"
    TASKS = "tasks"
    CHANGES = "changes"


KINDS = {
    EventKind.ALL: N_("All"),
    EventKind.CALLS: N_("Calls"),
    EventKind.PLANS: N_("Planned calls"),
    EventKind.TASKS: N_("Tasks"),
    EventKind.CHANGES: N_("Changes"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at a moment, or is `open` and still to be done: `shown` says which kind it is."""

    kind: EventKind
    at: datetime
    shown: Any
    open: bool = False


@dataclass(frozen=True, slots=True)
class Events:
    """The list as it is shown: what it can be narrowed to, what it is narrowed to, and the events, the last first.

    One kind has pages, whose neighbours' addresses are `before` and `after`. All together are the last of each kind;
    `cut` says that there may be more.
    """

    kinds: list[tuple[str, str]]
    shown: str
    all: list[Event]
    before: str | None = None
    after: str | None = None
    cut: bool = False


async def events_of(
    request: web.Request, session: AsyncSession, person: CallPerson, plans: CardPlans, work: CardWork
) -> Events:
    """What a card has in one list, what is to be done first; or a page of one kind, as its address says."""
    query = Query(request)
    shown = query.choice("events", set(EventKind), EventKind.ALL)
    kinds = [(kind.value, _(word)) for kind, word in KINDS.items()]
    if shown != EventKind.ALL:
        page = query.page("page", LAST_PAGE)
        found = await _READERS[EventKind(shown)](request, session, person, PAGE + 1, page * PAGE)
        address = [query.url(page=other or None) + "#events" for other in (page - 1, page + 1)]
        before, after = address[0] if page else None, address[1] if len(found) > PAGE else None
        return Events(kinds, shown, found[:PAGE], before, after)
    events = [*map(_plan, (*((plans.planned,) if plans.planned else ()), *plans.past))]
    events += map(_task, (*work.tasks, *work.done))
    changes = await _changes(request, session, person, MOST_HISTORY, 0)
    calls = await _calls(request, session, person, PAGE, 0)
    read = (len(calls), len(changes), len(plans.past) + (plans.planned is not None), len(work.tasks) + len(work.done))
    cut = any(many >= most for many, most in zip(read, (PAGE, MOST_HISTORY, MOST_ON_CARD, MOST_TASKS), strict=True))
    # What was written first stands last among those of one moment.
    events = sorted((*events, *changes, *calls), key=lambda event: (event.open, event.at), reverse=True)
    return Events(kinds, shown, events, cut=cut)


async def _calls(request: web.Request, session: AsyncSession, person: CallPerson, most: int, skip: int) -> list[Event]:
    if person.lead_id is not None:
        calls = await calls_of_lead(session, person.lead_id, most, skip)
    else:
        calls = await calls_of_counterparty(session, person.counterparty_id or 0, most, skip)
    told = await card_calls(session, panel_of(request), viewer_of(request), calls)
    return [Event(EventKind.CALLS, call.line.started_at, call) for call in told]


async def _changes(
    _request: web.Request, session: AsyncSession, person: CallPerson, most: int, skip: int
) -> list[Event]:
    if person.lead_id is not None:
        changes = await history(session, lead_id=person.lead_id, most=most, skip=skip)
    else:
        changes = await history_with_leads(session, person.counterparty_id or 0, most, skip)
    return [Event(EventKind.CHANGES, change["at"], change) for change in spoken_history(changes)]


async def _plans(_request: web.Request, session: AsyncSession, person: CallPerson, most: int, skip: int) -> list[Event]:
    return [_plan(row) for row in await plans_of(session, person, most, skip)]


async def _tasks(_request: web.Request, session: AsyncSession, person: CallPerson, most: int, skip: int) -> list[Event]:
    return [_task(task) for task in await tasks_of(session, person, most, skip)]


_READERS = {
    EventKind.CALLS: _calls,
    EventKind.PLANS: _plans,
    EventKind.TASKS: _tasks,
    EventKind.CHANGES: _changes,
}


def _plan(row: PlanRow) -> Event:
    return Event(EventKind.PLANS, row.closed_at or row.made_at, row, row.closed_at is None)


def _task(task: TaskRow) -> Event:
    return Event(EventKind.TASKS, task.done_at or task.made_at, task, task.done_at is None)
