"""Finds where first contact went wrong: callers who stay without a name, and who never were called back (R2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, case, desc, func, or_, select

from leads.domain.calls import Direction, Phase, Result, Role
from leads.domain.periods import Period
from leads.domain.visibility import Scope
from leads.store.call_report import called_back
from leads.store.models import Call, ContactPerson, Counterparty, Lead

ENOUGH_CALLS = 2
"""After so many calls with the outside somebody should have asked for a name."""
_OUTSIDE = (Call.role == Role.CALL, Call.direction.in_((Direction.INBOUND, Direction.OUTBOUND)))


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
class Wanted:
    """Which findings are listed: at most `most` after the first `skip`; `of` one responsible only, or of nobody."""

    most: int
    skip: int = 0
    of: tuple[int | None] | None = None

    def narrowed(self, responsible: ColumnElement[Any]) -> tuple[ColumnElement[bool], ...]:
        """The condition that a finding is one of these."""
        if self.of is None:
            return ()
        return (responsible.is_(None) if self.of[0] is None else responsible == self.of[0],)


@dataclass(frozen=True, slots=True)
class Finding:
    """How many there are by the present responsible (None for nobody), and those that are listed."""

    by_responsible: dict[int | None, int]
    rows: Sequence[Any]


def unnamed_leads(connection: Connection, scope: Scope, wanted: Wanted) -> Finding:
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
    chosen = wanted.narrowed(Lead.responsible_id.expression)
    conditions = (~Lead.named, Lead.closed_at.is_(None), Lead.merged_into_id.is_(None), *mine, *chosen)
    found = select(Lead.id, Lead.name, Lead.responsible_id, called.c.calls, Lead.last_call_at)
    every = found.select_from(tables).where(*conditions).subquery("every")
    counts, rows = _counted(connection, every, (desc(every.c.calls), every.c.id), wanted)
    return Finding(counts, [UnnamedLead(*row) for row in rows])


def waiting_callers(connection: Connection, period: Period, scope: Scope, wanted: Wanted) -> Finding:
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
    name = func.coalesce(Counterparty.name, case((Lead.named, Lead.name))).label("name")
    found = select(
        *(waiting.c.number, responsible.label("responsible_id"), waiting.c.lead_id, waiting.c.counterparty_id),
        *(name, waiting.c.missed, waiting.c.last_at),
    )
    every = found.select_from(tables).where(*mine, *wanted.narrowed(responsible)).subquery("every")
    counts, rows = _counted(connection, every, (desc(every.c.last_at), every.c.number), wanted)
    return Finding(counts, [WaitingCaller(*row) for row in rows])


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


def _counted(
    connection: Connection, every: Subquery, order: tuple[ColumnElement[Any], ...], asked: Wanted
) -> tuple[dict[int | None, int], list[Sequence[Any]]]:
    """How many there are by responsible, and those that are listed in this order; both of one pass."""
    responsible = every.c.responsible_id
    ranked = select(
        every,
        func.row_number().over(order_by=order).label("place"),
        func.row_number().over(partition_by=responsible, order_by=order).label("place_of_his"),
        func.count().over(partition_by=responsible).label("many"),
    ).subquery("ranked")
    last = asked.skip + asked.most
    wanted = or_(ranked.c.place.between(asked.skip + 1, last), ranked.c.place_of_his == 1)
    rows = connection.execute(select(ranked).where(wanted).order_by(ranked.c.place)).all()
    counts = {row.responsible_id: row.many for row in rows}
    return counts, [row[:-3] for row in rows if asked.skip < row.place <= last]
