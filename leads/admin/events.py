"""What happened with a lead or a counterparty, in one list: its calls and the changes of its card (L9, L3)."""

from collections.abc import Sequence
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
from leads.store.board import BoardCall
from leads.store.cards import HistoryRow


class EventKind(StrEnum):
    """What the list of events can be narrowed to."""

    ALL = "all"
    CALLS = "calls"
    CHANGES = "changes"


KINDS = {EventKind.ALL: N_("All"), EventKind.CALLS: N_("Calls"), EventKind.CHANGES: N_("Changes")}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, at a moment: a call, or a change in words."""

    at: datetime
    call: Any = None
    change: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """The list as it is shown: what it can be narrowed to, what it is narrowed to, and the events, the last first."""

    kinds: list[tuple[str, str]]
    shown: str
    all: list[Event]


async def events_of(
    request: web.Request, session: AsyncSession, calls: Sequence[BoardCall], changes: Sequence[HistoryRow]
) -> Events:
    """Put a card's calls and changes into one list, narrowed as its address says."""
    shown = Query(request).choice("events", set(EventKind), EventKind.ALL)
    events: list[Event] = []
    if shown != EventKind.CHANGES:
        told = await card_calls(session, panel_of(request), viewer_of(request), calls)
        events += [Event(call.line.started_at, call=call) for call in told]
    if shown != EventKind.CALLS:
        events += [Event(change["at"], change=change) for change in spoken_history(changes)]
    # What was written first stands last among those of one moment.
    events.sort(key=lambda event: event.at, reverse=True)
    return Events([(kind.value, _(label)) for kind, label in KINDS.items()], shown, events)
