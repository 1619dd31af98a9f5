"""The daily job: plans the next call with everybody whose status plans and who has none; nobody is forgotten (P4).

Candidates are found without a lock and planned in small transactions, so that calls are written in between. A row of
the database tells how far the day has come: several servers may work on one day, and one that was down goes on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, ScalarSelect, Select, exists, func, literal, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from leads.domain.calls import Phase, Result, Role
from leads.domain.clock import Clock
from leads.domain.planning import Calendar, PlanState, Workload, next_day
from leads.domain.statuses import StatusRule
from leads.store.engine import Database, breathe, lock_key
from leads.store.lock_order import locked_in_order
from leads.store.models import Call, Change, Counterparty, CounterpartyStatus, Lead, LeadStatus
from leads.store.planning_settings import planned_load, planning_choice
from leads.store.planning_tables import OPEN, PlannedCall, PlanningDay

AT_ONCE = 200
PAUSES = 9
"""How much longer others have the processor than the job: a million leads take it minutes, in which people work."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Leads or counterparties: their tables, and the column of the day that tells how far they are done."""

    card: type[Lead] | type[Counterparty]
    status: type[LeadStatus] | type[CounterpartyStatus]
    key: str
    done: str


_KINDS = (
    _Kind(Lead, LeadStatus, "lead_id", "leads_done"),
    _Kind(Counterparty, CounterpartyStatus, "counterparty_id", "counterparties_done"),
)


@dataclass(slots=True)
class _Load:
    """The employees' load, counted once and kept up by who plans: all open calls are too many to count in each batch.

    It holds for a day of which `planned` calls are planned: with more of them, another server has worked on it too.
    """

    work: Workload
    day: date
    planned: int

    def is_of(self, day: PlanningDay) -> bool:
        """Whether nobody else planned since it was counted."""
        return (self.day, self.planned) == (day.day, day.planned)


async def plan_day(database: Database, zone: ZoneInfo, clock: Clock) -> int:
    """Do what is left of the daily job of the company's present day; returns how many calls it planned."""
    planned, load = 0, None
    for kind in _KINDS:
        while True:
            began = time.monotonic()
            async with database.read() as session:
                day = await _open_day(session, zone, clock())
                if day is None:
                    return planned
                candidates = await _candidates(session, kind, day)
                load = load or await _workload(session, zone, day)
            if not candidates:
                break
            async with database.write() as session:
                planned += await _plan_some(session, kind, candidates, load, clock(), of=day.day)
            await breathe(began, PAUSES)
    async with database.write() as session:
        await _finish(session, zone, clock())
    return planned


async def _open_day(session: AsyncSession, zone: ZoneInfo, now: datetime) -> PlanningDay | None:
    """How far today has come; None when it is done, or the company plans nothing."""
    _version, choice = await planning_choice(session)
    if not choice.planning:
        return None
    today = now.astimezone(zone).date()
    day = await session.get(PlanningDay, today)
    if day is None:
        return PlanningDay(day=today, leads_done=0, counterparties_done=0, planned=0, finished=False)
    return None if day.finished else day


async def _candidates(session: AsyncSession, kind: _Kind, day: PlanningDay) -> Sequence[int]:
    """The next of those who need a call, by key."""
    statement = select(kind.card.id).where(kind.card.id > getattr(day, kind.done), *_needs_call(kind))
    return (await session.scalars(statement.order_by(kind.card.id).limit(AT_ONCE))).all()


def _needs_call(kind: _Kind) -> tuple[ColumnElement[bool], ...]:
    plans = kind.card.status_id.in_(select(kind.status.id).where(kind.status.plans))
    none_planned = ~exists().where(getattr(PlannedCall, kind.key) == kind.card.id, OPEN)
    return (plans, none_planned, Lead.closed_at.is_(None)) if kind.card is Lead else (plans, none_planned)


async def _plan_some(
    session: AsyncSession, kind: _Kind, candidates: Sequence[int], load: _Load, now: datetime, *, of: date
) -> int:
    """Plan for those of the candidates of a day that still need it, and note how far it is; a new day begins anew."""
    zone = load.work.calendar.zone
    day = await _locked_day(session, zone, now)
    if day is None or day.day != of:
        return 0
    if not load.is_of(day):
        # Another server planned meanwhile, or another day began.
        fresh = await _workload(session, zone, day)
        load.work, load.day, load.planned = fresh.work, fresh.day, fresh.planned
    calendar = load.work.calendar
    # Nobody may close a card, or plan with it, between what is read and what is written.
    held = (await session.scalars(locked_in_order(kind.card, kind.card.id.in_(candidates)))).all()
    rows = (await session.execute(_facts(kind, held))).all()
    plans = [_plan(kind, row, load.work, calendar, now) for row in rows]
    if plans:
        dialect = postgresql if (await session.connection()).dialect.name == "postgresql" else sqlite
        await session.execute(dialect.insert(PlannedCall).on_conflict_do_nothing(), plans)
    setattr(day, kind.done, max(candidates[-1], getattr(day, kind.done)))
    day.planned += len(plans)
    load.planned = day.planned
    return len(plans)


async def _locked_day(session: AsyncSession, zone: ZoneInfo, now: datetime) -> PlanningDay | None:
    """Today's row, made if there is none, while servers take turns; None when another one has finished it."""
    if (await session.connection()).dialect.name == "postgresql":
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key("daily planning")})
    day = await _open_day(session, zone, now)
    if day is not None:
        session.add(day)
    return day


async def _finish(session: AsyncSession, zone: ZoneInfo, now: datetime) -> None:
    day = await _locked_day(session, zone, now)
    if day is not None:
        day.finished = True


async def _workload(session: AsyncSession, zone: ZoneInfo, day: PlanningDay) -> _Load:
    return _Load(await planned_load(session, zone, day.day), day.day, day.planned)


def _plan(kind: _Kind, row: Row[Any], load: Workload, calendar: Calendar, now: datetime) -> dict[str, Any]:
    every = row.talked_at, row.talked_before, row.changed_at or row.created_at
    contacts = [moment for moment in every if moment is not None]
    day = next_day(StatusRule(True, row.plan_days), max(contacts), now, calendar)
    return {
        kind.key: row.id,
        "employee_id": row.responsible_id,
        "state": PlanState.OPEN,
        "day": load.place(row.responsible_id, day),
        "by_hand": False,
        "note": "",
        "set_at": now,
        "made_at": now,
        "version": 1,
    }


def _facts(kind: _Kind, candidates: Sequence[int]) -> Select[Any]:
    """What decides the day: the status's days, the last conversation, and since when the card has its status."""
    card = kind.card
    changed = (
        select(func.max(Change.at))
        .where(getattr(Change, kind.key) == card.id, Change.field.in_(("status", "closed", "closed_at")))
        .correlate(card)
        .scalar_subquery()
    )
    columns: tuple[Any, ...] = (
        card.id,
        card.responsible_id,
        card.created_at,
        kind.status.plan_days,
        _talked(kind.card, getattr(Call, kind.key) == card.id).label("talked_at"),
        _talked_before(kind).label("talked_before"),
        changed.label("changed_at"),
    )
    statement: Select[Any] = select(*columns)
    return (
        statement.join(kind.status, kind.status.id == card.status_id)
        .where(card.id.in_(candidates), *_needs_call(kind))
        .order_by(card.id)
    )


def _talked_before(kind: _Kind) -> ColumnElement[Any]:
    """When a counterparty talked last as one of the leads that it was; asked apart, see leads.store.former_leads."""
    if kind.card is Lead:
        return literal(None)
    was = aliased(Lead)
    return _talked(kind.card, Call.lead_id == was.id, was.counterparty_id == Counterparty.id)


def _talked(card: type[Lead] | type[Counterparty], *whose: ColumnElement[bool]) -> ScalarSelect[datetime]:
    """When the last conversation of some calls began."""
    talk = (Call.role == Role.CALL, Call.phase == Phase.ENDED, Call.result == Result.ANSWERED)
    began = func.max(func.coalesce(Call.answered_at, Call.started_at), type_=Call.started_at.type)
    return select(began).where(*whose, *talk).correlate(card).scalar_subquery()
