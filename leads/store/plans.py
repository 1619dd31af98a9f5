"""Planned calls with one person: made and moved by the status, or by hand; each person has at most one open (P2).

Whoever changes a person's plan holds the row of the person's card, so that two do not plan at the same moment; a
unique index has the last word.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from leads.domain.clock import Clock
from leads.domain.planning import Act, HandDate, OpenCall, PlanState, Step, Workload, after_status_change
from leads.domain.statuses import StatusRule
from leads.store.cards import CardError, Journal, LeadClosedError, NoSuchCardError
from leads.store.company import SavedMeanwhileError
from leads.store.engine import Database
from leads.store.lock_order import hold_persons
from leads.store.models import Change, Counterparty, CounterpartyStatus, Lead, LeadStatus
from leads.store.people_of_calls import CallPerson
from leads.store.planning_settings import company_calendar, planning_choice
from leads.store.planning_tables import OPEN, PlannedCall

LONGEST_NOTE = 2000


class HandDateError(CardError):
    """The new status would move a call whose day somebody set by hand: keep it, or move it to `day`?"""

    def __init__(self, planned: date, day: date) -> None:
        super().__init__(f"planned by hand for {planned}, by status for {day}")
        self.planned, self.day = planned, day


@dataclass(frozen=True, slots=True)
class Planning:
    """What a save of a card needs to plan: the company's zone, and what to do with a day that was set by hand.

    `load`, where many cards are saved at once: their calls are spread over days within the daily cap (P4).
    """

    zone: ZoneInfo
    hand_date: HandDate | None = None
    load: Workload | None = None


@dataclass(frozen=True, slots=True)
class PlanEdit:
    """A planned call as somebody typed it: a day of the company, perhaps a moment of it, and a note."""

    day: date
    at: datetime | None
    note: str


async def plan_after_status(
    session: AsyncSession, card: Lead | Counterparty, planning: Planning, now: datetime, by: int | None
) -> Step:
    """Plan, move or cancel a card's call after its status was changed; the card is locked and flushed.

    Raises:
        HandDateError: a person must say first what becomes of the day that was set by hand.
    """
    _version, choice = await planning_choice(session)
    if not choice.planning:
        return Step(Act.NOTHING)
    planned = await open_plan(session, _is_of(card))
    step = after_status_change(
        await _rule(session, card),
        OpenCall(planned.day, planned.by_hand) if planned else None,
        now,
        await company_calendar(session, planning.zone),
        planning.hand_date,
    )
    if planning.load is not None and step.day is not None and step.act in (Act.PLAN, Act.MOVE):
        step = Step(step.act, planning.load.place(card.responsible_id, step.day))
    if step.act is Act.ASK and planned is not None and step.day is not None:
        raise HandDateError(planned.day, step.day)
    journal = _journal_of(card, now, by)
    before = planned.day.isoformat() if planned else ""
    if step.act is Act.CANCEL and planned is not None:
        close_plan(planned, PlanState.CANCELLED, now, by)
        journal.note("planned_call", before, "")
    elif step.day is not None and step.act in (Act.PLAN, Act.MOVE):
        if planned is None:
            planned = _new_plan(card, now, by)
            session.add(planned)
        _set_day(planned, step.day, None, now, by_hand=False)
        journal.note("planned_call", before, step.day.isoformat())
    session.add_all(journal.changes)
    return step


async def plan_by_hand(
    database: Database, person: CallPerson, version: int | None, edit: PlanEdit, *, by: int | None, clock: Clock
) -> None:
    """Make the call with a person, or move and note the one that is planned.

    Args:
        database: where it is.
        person: the lead or counterparty, which the caller has seen that he may see.
        version: of the planned call that was seen; None where there was none.
        edit: what was typed.
        by: who did.
        clock: tells the present moment, UTC.

    Raises:
        NoSuchCardError, LeadClosedError: there is no such person to call.
        SavedMeanwhileError: somebody else planned meanwhile.
    """
    async with database.write() as session:
        card = await _locked_card(session, person)
        planned = await open_plan(session, _is_of(card))
        if (planned.version if planned else None) != version:
            raise SavedMeanwhileError
        now = clock()
        journal = _journal_of(card, now, by)
        before = planned.day.isoformat() if planned else ""
        if planned is None:
            planned = _new_plan(card, now, by)
            session.add(planned)
        if (planned.day, planned.at) != (edit.day, edit.at):
            _set_day(planned, edit.day, edit.at, now, by_hand=True)
        planned.note = edit.note
        journal.note("planned_call", before, edit.day.isoformat())
        session.add_all(journal.changes)


async def cancel_plan(database: Database, plan_id: int, version: int, *, by: int | None, clock: Clock) -> None:
    """Cancel an open planned call; it stays in the history.

    Raises:
        SavedMeanwhileError: it was moved, done or cancelled meanwhile.
    """
    async with database.write() as session:
        planned = await session.get(PlannedCall, plan_id)
        if planned is not None:
            await hold_persons(session, [planned.lead_id], [planned.counterparty_id])
            planned = await open_plan(session, PlannedCall.id == plan_id)
        if planned is None or planned.version != version:
            raise SavedMeanwhileError
        now = clock()
        close_plan(planned, PlanState.CANCELLED, now, by)
        journal = Journal(now, by, lead_id=planned.lead_id, counterparty_id=planned.counterparty_id)
        journal.note("planned_call", planned.day.isoformat(), "")
        session.add_all(journal.changes)


async def cancel_plans_with(
    session: AsyncSession,
    key: str,
    ids: Collection[int],
    now: datetime,
    by: int | None,
) -> None:
    """Cancel the open planned calls with many leads or counterparties, whose cards are locked; each card tells it."""
    whose: InstrumentedAttribute[int | None] = getattr(PlannedCall, key)
    cancelled = (
        update(PlannedCall)
        .where(whose.in_(ids), OPEN)
        .values(state=PlanState.CANCELLED, closed_at=now, closed_by_id=by, version=PlannedCall.version + 1)
        .returning(whose, PlannedCall.day)
    )
    rows = (await session.execute(cancelled.execution_options(synchronize_session=False))).all()
    change = {"at": now, "employee_id": by, "field": "planned_call", "after": ""}
    if rows:
        await session.execute(insert(Change), [change | {key: row[0], "before": row[1].isoformat()} for row in rows])


async def note_dialled(database: Database, plan_id: int, by: int, now: datetime) -> None:
    """Keep that somebody pressed a planned call's Call button: the conversation that follows fulfils it."""
    async with database.write() as session:
        await session.execute(
            update(PlannedCall)
            .where(PlannedCall.id == plan_id, OPEN)
            .values(dialled_at=now, dialled_by_id=by)
            .execution_options(synchronize_session=False)
        )


async def move_plans(session: AsyncSession, lead_id: int, to: CallPerson, now: datetime) -> None:
    """Let the planned calls of a lead that ends go along: to the lead it is merged into, or the counterparty it became.

    Of two open ones the earlier stays open. What was done or cancelled goes along to a lead only: a closed lead keeps
    its past.
    """
    mine = await open_plan(session, PlannedCall.lead_id == lead_id)
    if mine is not None:
        target = Lead if to.lead_id is not None else Counterparty
        key = to.lead_id if to.lead_id is not None else to.counterparty_id
        theirs = await open_plan(
            session, PlannedCall.lead_id == key if target is Lead else PlannedCall.counterparty_id == key
        )
        if theirs is not None:
            later = max(mine, theirs, key=lambda plan: (plan.day, plan.at is None, plan.id))
            close_plan(later, PlanState.CANCELLED, now, None)
            await session.flush()
        if mine.state is PlanState.OPEN:
            mine.lead_id, mine.counterparty_id = (key, None) if target is Lead else (None, key)
            # Where nobody is responsible there, whoever was to call is still to call: nobody is forgotten.
            responsible = await session.scalar(select(target.responsible_id).where(target.id == key))
            mine.employee_id = responsible or mine.employee_id
            await session.flush()
    if to.lead_id is not None:
        await session.execute(
            update(PlannedCall)
            .where(PlannedCall.lead_id == lead_id)
            .values(lead_id=to.lead_id)
            .execution_options(synchronize_session=False)
        )


async def open_plan(session: AsyncSession, whose: ColumnElement[bool]) -> PlannedCall | None:
    """The open planned call of a person, or that with a key, locked."""
    statement = select(PlannedCall).where(whose, OPEN).with_for_update(key_share=True)
    return await session.scalar(statement.execution_options(populate_existing=True))


def close_plan(planned: PlannedCall, state: PlanState, now: datetime, by: int | None) -> None:
    """End an open planned call."""
    planned.state, planned.closed_at, planned.closed_by_id = state, now, by


def _set_day(planned: PlannedCall, day: date, at: datetime | None, now: datetime, *, by_hand: bool) -> None:
    planned.day, planned.at, planned.by_hand = day, at, by_hand
    planned.set_at, planned.reminded_at, planned.dialled_at = now, None, None


def _new_plan(card: Lead | Counterparty, now: datetime, by: int | None) -> PlannedCall:
    is_lead = isinstance(card, Lead)
    return PlannedCall(
        lead_id=card.id if is_lead else None,
        counterparty_id=None if is_lead else card.id,
        employee_id=card.responsible_id,
        state=PlanState.OPEN,
        note="",
        made_at=now,
        made_by_id=by,
    )


def _is_of(card: Lead | Counterparty) -> ColumnElement[bool]:
    return PlannedCall.lead_id == card.id if isinstance(card, Lead) else PlannedCall.counterparty_id == card.id


def _journal_of(card: Lead | Counterparty, now: datetime, by: int | None) -> Journal:
    if isinstance(card, Lead):
        return Journal(now, by, lead_id=card.id)
    return Journal(now, by, counterparty_id=card.id)


async def _rule(session: AsyncSession, card: Lead | Counterparty) -> StatusRule:
    table = LeadStatus if isinstance(card, Lead) else CounterpartyStatus
    row = (await session.execute(select(table.plans, table.plan_days).where(table.id == card.status_id))).first()
    return StatusRule(*row) if row else StatusRule(False, 0)


async def _locked_card(session: AsyncSession, person: CallPerson) -> Lead | Counterparty:
    card: Lead | Counterparty | None
    if person.lead_id is not None:
        card = await session.get(Lead, person.lead_id, with_for_update={"key_share": True})
        if card is not None and card.closed_at is not None:
            raise LeadClosedError(person.lead_id)
    else:
        card = await session.get(Counterparty, person.counterparty_id, with_for_update={"key_share": True})
    if card is None:
        raise NoSuchCardError(person)
    return card
