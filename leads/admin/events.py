"""What happened with a lead or a counterparty, in one list: calls, planned calls, tasks, changes (L9, L3)."""

from collections.abc import Iterator, Sequence
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
from leads.store.board import BoardCall
from leads.store.cards import HistoryRow


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
    """The list as it is shown: what it can be narrowed to, what it is narrowed to, and the events, the last first."""

    kinds: list[tuple[str, str]]
    shown: str
    all: list[Event]


async def events_of(
    request: web.Request,
    session: AsyncSession,
    *,
    calls: Sequence[BoardCall],
    changes: Sequence[HistoryRow],
    plans: CardPlans,
    work: CardWork,
) -> Events:
    """Put all that a card has into one list, narrowed as its address says: what is to be done, then the past."""
    shown = Query(request).choice("events", set(EventKind), EventKind.ALL)
    events = [*_planned(plans), *_tasks(work)]
    events += [Event(EventKind.CHANGES, change["at"], change) for change in spoken_history(changes)]
    if shown in (EventKind.ALL, EventKind.CALLS):
        told = await card_calls(session, panel_of(request), viewer_of(request), calls)
        events += [Event(EventKind.CALLS, call.line.started_at, call) for call in told]
    if shown != EventKind.ALL:
        events = [event for event in events if event.kind == shown]
    # What was written first stands last among those of one moment.
    events.sort(key=lambda event: (event.open, event.at), reverse=True)
    return Events([(kind.value, _(label)) for kind, label in KINDS.items()], shown, events)


def _planned(plans: CardPlans) -> Iterator[Event]:
    for row in (*((plans.planned,) if plans.planned else ()), *plans.past):
        yield Event(EventKind.PLANS, row.closed_at or row.made_at, row, row.closed_at is None)


def _tasks(work: CardWork) -> Iterator[Event]:
    for task in (*work.tasks, *work.done):
        yield Event(EventKind.TASKS, task.done_at or task.made_at, task, task.done_at is None)
