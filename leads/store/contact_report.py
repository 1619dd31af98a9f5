"""Finds where first contact went wrong: callers who stay without a name, and who never were called back (R2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Subquery, and_, case, desc, func, select

from leads.domain.calls import Direction, Phase, Result, Role
from leads.domain.periods import Period
from leads.store.call_report import called_back
from leads.store.models import Call, ContactPerson, Counterparty, Lead

ENOUGH_CALLS = 2
"""After so many calls with the outside somebody should have asked for a name."""
_OUTSIDE = (Call.role == Role.CALL, Call.direction.in_((Direction.INBOUND, Direction.OUTBOUND)))
Scope = frozenset[int] | None


@dataclass(frozen=True, slots=True)
class UnnamedLead:
    """An open lead that nobody has named, with how many calls it had and when the last one was."""

    id: int
    name: str
    responsible_id: int | None
    calls: int
    last_call_at: datetime | None


@dataclass(frozen=True, slots=True)
class WaitingCaller:
    """A number that called in vain, and was not called since; with whose it is now."""

    number: str
    responsible_id: int | None
    lead_id: int | None
    counterparty_id: int | None
    name: str | None
    missed: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """How many there are by the present responsible (None for nobody), and the first of them."""

    by_responsible: dict[int | None, int]
    rows: Sequence[Any]


def unnamed_leads(connection: Connection, scope: Scope, most: int) -> Finding:
    """Open leads without a name that had more than two calls with the outside, ever; those with most calls first."""
    called = (
        select(Call.lead_id, func.count().label("calls"))
        .where(*_OUTSIDE, Call.lead_id.is_not(None))
        .group_by(Call.lead_id)
        .having(func.count() > ENOUGH_CALLS)
        .subquery("called")
    )
    tables = Lead.metadata.tables["lead"].join(called, called.c.lead_id == Lead.id)
    mine = () if scope is None else (Lead.responsible_id.in_(scope),)
    conditions = (~Lead.named, Lead.closed_at.is_(None), Lead.merged_into_id.is_(None), *mine)
    rows = connection.execute(
        select(Lead.id, Lead.name, Lead.responsible_id, called.c.calls, Lead.last_call_at)
        .select_from(tables)
        .where(*conditions)
        .order_by(desc(called.c.calls), Lead.id)
        .limit(most)
    )
    counts = _by(connection, Lead.responsible_id, tables, conditions)
    return Finding(counts, [UnnamedLead(*row) for row in rows])


def waiting_callers(connection: Connection, period: Period, scope: Scope, most: int) -> Finding:
    """Numbers of people on record that called in vain in the period and were never called since; the last one first."""
    waiting = _waiting(period)
    responsible = func.coalesce(
        ContactPerson.responsible_id,
        Counterparty.responsible_id,
        case((waiting.c.counterparty_id.is_(None), Lead.responsible_id)),
    )
    tables = (
        waiting.outerjoin(Lead, Lead.id == waiting.c.lead_id)
        .outerjoin(Counterparty, Counterparty.id == waiting.c.counterparty_id)
        .outerjoin(ContactPerson, ContactPerson.id == waiting.c.contact_person_id)
    )
    mine = () if scope is None else (responsible.in_(scope),)
    name = func.coalesce(Counterparty.name, case((Lead.named, Lead.name)))
    rows = connection.execute(
        select(
            *(waiting.c.number, responsible, waiting.c.lead_id, waiting.c.counterparty_id),
            *(name, waiting.c.missed, waiting.c.last_at),
        )
        .select_from(tables)
        .where(*mine)
        .order_by(desc(waiting.c.last_at), waiting.c.number)
        .limit(most)
    )
    return Finding(_by(connection, responsible, tables, mine), [WaitingCaller(*row) for row in rows])


def _waiting(period: Period) -> Subquery:
    """One row for each number and whose it is: a closed lead's is its counterparty's."""
    counterparty = func.coalesce(Call.counterparty_id, Lead.counterparty_id)
    contact = func.coalesce(Call.contact_person_id, Lead.contact_person_id)
    lead = case((counterparty.is_(None), Call.lead_id))
    return (
        select(
            Call.outside_number.label("number"),
            lead.label("lead_id"),
            counterparty.label("counterparty_id"),
            contact.label("contact_person_id"),
            func.count().label("missed"),
            func.max(Call.started_at).label("last_at"),
        )
        .outerjoin(Lead, Lead.id == Call.lead_id)
        .where(
            *(Call.started_at >= period.begin, Call.started_at < period.end, Call.role == Role.CALL),
            *(Call.direction == Direction.INBOUND, Call.phase == Phase.ENDED),
            Call.result.is_distinct_from(Result.ANSWERED),
            Call.outside_number.is_not(None),
            func.coalesce(Call.lead_id, Call.counterparty_id).is_not(None),
            ~called_back(),
        )
        .group_by(Call.outside_number, lead, counterparty, contact)
        .subquery("waiting")
    )


def _by(
    connection: Connection,
    responsible: ColumnElement[Any] | Any,
    tables: FromClause,
    conditions: Sequence[ColumnElement[bool]],
) -> dict[int | None, int]:
    rows = connection.execute(
        select(responsible, func.count()).select_from(tables).where(and_(True, *conditions)).group_by(responsible)
    )
    return {row[0]: row[1] for row in rows}
