"""Running and recent calls as plain values, in one statement each: with names for the live page, else as views."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.calls import CallView, Direction, Phase, Result, Role
from leads.store.call_rows import halves_of
from leads.store.former_leads import of_counterparty
from leads.store.models import Call, ContactPerson, Counterparty, Employee, Lead, Recording, RoutingDecision, Source

MOST_RUNNING = 500
MOST_RECENT = 300
"""Read at once; a viewer who sees few of them looks further back."""
MOST_ON_CARD = 50


@dataclass(frozen=True, slots=True)
class BoardCall:
    """One call as a line of a list; `recorded`: its voices are on record, or were until somebody deleted them."""

    id: int
    pbx: str
    linkedid: str
    parent_linkedid: str | None
    phase: Phase
    direction: Direction | None
    caller: str | None
    caller_name: str | None
    dialled: str | None
    outside_number: str | None
    did: str | None
    channel: str | None
    source: str | None
    result: Result | None
    answered_by: str | None
    employee_id: int | None
    employee_name: str | None
    lead_id: int | None
    lead_name: str | None
    lead_named: bool | None
    counterparty_id: int | None
    counterparty_name: str | None
    contact_name: str | None
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    ring_seconds: float | None
    talk_seconds: float | None
    incomplete: bool
    recovered: bool
    legs: Sequence[dict[str, Any]]
    transfers: Sequence[dict[str, Any]]
    recorded: bool


_RUNNING = text(f"call.phase < {Phase.ENDED:d}")
"""Written out as in the partial index of running calls: behind a parameter the databases would not see that it fits."""
_MOST_LEFT = 20_000
"""As many as run at once at most, see ami_listener.switchboard."""
_COUNTERPARTY = func.coalesce(Call.counterparty_id, Lead.counterparty_id)
"""A closed lead's calls are the counterparty's that it became."""
_COLUMNS: tuple[Any, ...] = (
    Call.id,
    Call.pbx,
    Call.linkedid,
    Call.parent_linkedid,
    Call.phase,
    Call.direction,
    Call.caller,
    Call.caller_name,
    Call.dialled,
    Call.outside_number,
    Call.did,
    Call.channel,
    Source.name,
    Call.result,
    Call.answered_by,
    Call.employee_id,
    Employee.name,
    Call.lead_id,
    Lead.name,
    Lead.named,
    _COUNTERPARTY,
    Counterparty.name,
    ContactPerson.name,
    Call.started_at,
    Call.answered_at,
    Call.ended_at,
    Call.ring_seconds,
    Call.talk_seconds,
    Call.incomplete,
    Call.recovered,
    Call.legs,
    Call.transfers,
    exists().where(Recording.pbx == Call.pbx, Recording.linkedid == Call.linkedid),
)
"""In the order of BoardCall's fields."""


def _lines() -> Select[Any]:
    statement: Select[Any] = select(*_COLUMNS)
    return (
        statement.outerjoin(Employee, Employee.id == Call.employee_id)
        .outerjoin(Source, Source.id == Call.source_id)
        .outerjoin(Lead, Lead.id == Call.lead_id)
        .outerjoin(Counterparty, Counterparty.id == _COUNTERPARTY)
        .outerjoin(ContactPerson, ContactPerson.id == func.coalesce(Call.contact_person_id, Lead.contact_person_id))
    )


async def running_calls(session: AsyncSession) -> list[BoardCall]:
    """Calls that ring or are talked on, the newest first."""
    statement = (
        _lines()
        .where(_RUNNING, Call.role == Role.CALL)
        .order_by(Call.started_at.desc(), Call.id.desc())
        .limit(MOST_RUNNING)
    )
    return [BoardCall(*row) for row in await session.execute(statement)]


async def recent_calls(session: AsyncSession, before: BoardCall | None = None) -> list[BoardCall]:
    """Calls that ended, the last begun first; those that began before another one, or the last of all."""
    earlier = () if before is None else (tuple_(Call.started_at, Call.id) < (before.started_at, before.id),)
    statement = (
        _lines()
        .where(Call.phase == Phase.ENDED, Call.role == Role.CALL, *earlier)
        .order_by(Call.started_at.desc(), Call.id.desc())
        .limit(MOST_RECENT)
    )
    return [BoardCall(*row) for row in await session.execute(statement)]


async def find_call(session: AsyncSession, call_id: int) -> BoardCall | None:
    """One call by its key."""
    row = (await session.execute(_lines().where(Call.id == call_id))).first()
    return BoardCall(*row) if row else None


async def calls_by_key(session: AsyncSession, keys: Collection[int]) -> list[BoardCall]:
    """Some calls, in the order of their keys."""
    rows = await session.execute(_lines().where(Call.id.in_(keys)).order_by(Call.id))
    return [BoardCall(*row) for row in rows]


async def consultations(session: AsyncSession, call: BoardCall) -> list[BoardCall]:
    """The calls in which a transferring party asked the target, in their order."""
    statement = (
        _lines()
        .where(Call.pbx == call.pbx, Call.parent_linkedid == call.linkedid, Call.started_at >= call.started_at)
        .order_by(Call.started_at, Call.id)
        .limit(50)
    )
    return [BoardCall(*row) for row in await session.execute(statement)]


async def decision_of(session: AsyncSession, call: BoardCall) -> dict[str, Any] | None:
    """Why the call went where it went, as it was kept; None where Leadline was not asked."""
    row = await session.get(RoutingDecision, (call.pbx, call.linkedid))
    return row.decision if row else None


async def calls_of_lead(
    session: AsyncSession, lead_id: int, most: int = MOST_ON_CARD, skip: int = 0
) -> list[BoardCall]:
    """A lead's calls, the last begun first; at most so many after the first `skip`."""
    return await _calls_where(session, Call.lead_id == lead_id, most, skip)


async def calls_of_counterparty(
    session: AsyncSession, counterparty_id: int, most: int = MOST_ON_CARD, skip: int = 0
) -> list[BoardCall]:
    """A counterparty's calls, and those of the leads that were closed to it, the last begun first."""
    return await _calls_where(session, of_counterparty(Call, counterparty_id), most, skip)


async def _calls_where(session: AsyncSession, condition: ColumnElement[bool], most: int, skip: int) -> list[BoardCall]:
    order = (Call.started_at.desc(), Call.id.desc())
    statement = _lines().where(condition, Call.role == Role.CALL).order_by(*order)
    return [BoardCall(*row) for row in await session.execute(statement.limit(most).offset(skip))]


async def reasons_of(session: AsyncSession, calls: Sequence[BoardCall]) -> dict[int, list[Any]]:
    """Why each of these calls went where it went, by the call's id; calls that were not routed by us are left out."""
    keys = {(call.pbx, call.linkedid): call.id for call in calls}
    if not keys:
        return {}
    statement = select(RoutingDecision.pbx, RoutingDecision.linkedid, RoutingDecision.decision).where(
        RoutingDecision.linkedid.in_([linkedid for _pbx, linkedid in keys])
    )
    rows = await session.execute(statement)
    return {keys[row[0], row[1]]: row[2].get("reasons", []) for row in rows if (row[0], row[1]) in keys}


async def calls_left_running(session: AsyncSession, pbx: str) -> list[CallView]:
    """The calls of one Asterisk server that are on record as running, as fully as they are known."""
    statement = select(Call.__table__).where(Call.pbx == pbx, _RUNNING).order_by(Call.id.desc()).limit(_MOST_LEFT)
    return [halves_of(row).sum() for row in (await session.execute(statement)).mappings()]
