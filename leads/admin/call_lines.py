"""Turns a call into the line that lists of calls show: who, with whom, how it stands; and who may see it."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.context import Panel, Viewer
from leads.admin.words import PHASE_WORDS
from leads.domain.calls import Direction, LegKind, Phase, Result
from leads.domain.directory import Directory
from leads.domain.participation import participants
from leads.store.board import BoardCall
from leads.store.visibility import visible_counterparties, visible_leads

CardOf = Callable[[BoardCall], str | None]


@dataclass(frozen=True, slots=True)
class CallLine:
    """One line: `who` is the person outside (the other phone, for an internal call).

    `card` is the way to his card, for who may open it.
    `colleagues` are ours: who talked, else whose phones rang, else who called. `since` is from when the clock ticks.
    `origin` is channel and source. `recovered`: it is told by what Asterisk kept. `may_pause`: the viewer may stop the
    recording for a while.
    """

    id: int
    pbx: str
    direction: Direction | None
    who: str
    number: str | None
    card: str | None
    colleagues: str
    did: str | None
    did_label: str
    origin: str
    state: str
    missed: bool
    running: bool
    since: datetime | None
    started_at: datetime
    talk_seconds: float | None
    result: Result | None
    recorded: bool
    recovered: bool
    may_pause: bool = False


def visible(viewer: Viewer, directory: Directory) -> Callable[[BoardCall], bool]:
    """The question whether `viewer` may see a call, prepared for many calls."""
    if viewer.scope is None:
        return lambda call: True
    people = participants(viewer.scope, directory)
    return lambda call: people.are_on(
        direction=call.direction,
        employee_id=call.employee_id,
        caller=call.caller,
        dialled=call.dialled,
        endpoints=[str(leg.get("endpoint")) for leg in call.legs],
    )


async def cards_to_open(session: AsyncSession, panel: Panel, viewer: Viewer, calls: Collection[BoardCall]) -> CardOf:
    """The way to a card, where the viewer may open it: his phone may have rung for a colleague's lead."""
    leads = await visible_leads(session, {call.lead_id for call in calls if call.lead_id is not None}, viewer.scope)
    ids = {call.counterparty_id for call in calls if call.counterparty_id is not None}
    companies = await visible_counterparties(session, ids, viewer.scope)

    def open_card(call: BoardCall) -> str | None:
        if call.counterparty_id is not None:
            whose, seen = {"counterparty_id": call.counterparty_id}, call.counterparty_id in companies
        elif call.lead_id is not None:
            whose, seen = {"lead_id": call.lead_id}, call.lead_id in leads
        else:
            return None
        return card_of(call) if seen or panel.questions.caller_rings(viewer.id, **whose) else None

    return open_card


def call_lines(calls: Iterable[BoardCall], directory: Directory, card: CardOf) -> list[CallLine]:
    """Lines in the order of `calls`; `card` is the way to the person's card."""
    names = phone_names(directory)
    return [_line(call, directory, names, card(call)) for call in calls]


def phone_names(directory: Directory) -> dict[str, str]:
    """How people call each phone, by its endpoint and by its number: its owner and number, else its number."""
    names: dict[str, str] = {}
    for phone in directory.extensions.values():
        owner = directory.employees.get(phone.employee_id) if phone.employee_id else None
        names[phone.endpoint] = names[phone.number] = f"{owner.name} · {phone.number}" if owner else phone.number
    return names


def _line(call: BoardCall, directory: Directory, names: dict[str, str], card: str | None) -> CallLine:
    running = call.phase is not Phase.ENDED
    who, number = _outside(call, names)
    did = directory.dids.get(call.did or "")
    return CallLine(
        id=call.id,
        pbx=call.pbx,
        direction=call.direction,
        who=who,
        number=number,
        card=card,
        colleagues=_colleagues(call, names),
        did=call.did if call.direction is Direction.INBOUND else None,
        did_label=did.label if did else "",
        origin=" · ".join(part for part in (call.channel, call.source) if part),
        state=PHASE_WORDS.get(call.phase) or call.result or "",
        missed=not running and call.direction is Direction.INBOUND and call.result is not Result.ANSWERED,
        running=running,
        since=(call.answered_at or call.started_at) if running else None,
        started_at=call.started_at,
        talk_seconds=call.talk_seconds,
        result=call.result,
        recorded=call.recorded,
        recovered=call.recovered,
    )


def card_of(call: BoardCall) -> str | None:
    """The address of the card of the person outside."""
    if call.counterparty_id:
        return f"/counterparties/{call.counterparty_id}"
    return f"/leads/{call.lead_id}" if call.lead_id else None


def _outside(call: BoardCall, names: dict[str, str]) -> tuple[str, str | None]:
    """Name (empty when there is none) and number of the person outside."""
    if call.direction is Direction.INTERNAL:
        return names.get(call.dialled or "", call.dialled or ""), None
    number = call.outside_number or (call.dialled if call.direction is Direction.OUTBOUND else call.caller)
    if call.counterparty_name:
        parts = (call.contact_name, call.counterparty_name)
        return " · ".join(part for part in parts if part), number
    if call.lead_name and call.lead_named:
        return call.lead_name, number
    return (call.caller_name or "") if call.direction is Direction.INBOUND else "", number


def _is_station(leg: dict[str, Any]) -> bool:
    return LegKind(leg.get("kind", LegKind.RANG)).is_station


def _colleagues(call: BoardCall, names: dict[str, str]) -> str:
    if call.direction is not Direction.INBOUND:
        return names.get(call.caller or "") or call.employee_name or call.caller or ""
    if call.answered_by:
        return names.get(call.answered_by) or call.employee_name or call.answered_by
    ringing = (
        str(leg.get("endpoint"))
        for leg in call.legs
        if not _is_station(leg) and (call.phase is Phase.ENDED or leg.get("result") is None)
    )
    return ", ".join(dict.fromkeys(names.get(endpoint, endpoint) for endpoint in ringing))
