"""Counts calls for a period by hour, day, employee and our number, in any order (R3).

Calls with the outside that ended count, each once: an inbound one is answered or missed; consultations, and calls
between colleagues, are left out. A missed call was called back if any later outgoing call went to its number.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.orm import aliased

from leads.domain.calls import Direction, Phase, Result, Role
from leads.domain.periods import Period
from leads.domain.visibility import Scope
from leads.store.figures import Figures, TooManyGroupsError
from leads.store.lead_past import leads_at
from leads.store.local_time import local_day, local_hour
from leads.store.models import Call, ContactPerson, Counterparty, Did


class CallGrouping(StrEnum):
    """What the rows of the report are about."""

    HOUR = "hour"
    DAY = "day"
    EMPLOYEE = "employee"
    NUMBER = "number"


class CallFigure(StrEnum):
    """What is counted call by call."""

    INBOUND = "inbound"
    ANSWERED = "answered"
    MISSED = "missed"
    CALLED_BACK = "called_back"
    OUTGOING = "outgoing"
    REACHED = "reached"


@dataclass(frozen=True, slots=True)
class CallFigures(Figures):
    """What is counted of some calls; seconds are sums, of those answered inbound calls whose waiting is known."""

    inbound: int = 0
    answered: int = 0
    missed: int = 0
    called_back: int = 0
    waits: int = 0
    wait_seconds: float = 0.0
    outgoing: int = 0
    reached: int = 0
    talk_seconds: float = 0.0

    @property
    def mean_wait(self) -> float | None:
        """How long an answered caller waited, on average."""
        return self.wait_seconds / self.waits if self.waits else None

    @property
    def missed_share(self) -> float | None:
        """The share of inbound calls that nobody answered."""
        return self.missed / self.inbound if self.inbound else None


Key = int | str | None
"""An hour, a day as 2026-03-02, an employee's key, or a number; None where a call has none."""
Where = Mapping[CallGrouping, Key]
MOST_GROUPS = 50_000
"""A year by day and hour has some nine thousand."""


def count_calls(
    connection: Connection, period: Period, by: Sequence[CallGrouping], scope: Scope
) -> dict[tuple[Key, ...], CallFigures]:
    """The figures of each group that has calls, by its keys in the order of `by`.

    Args:
        connection: reads only.
        period: calls that began in it count.
        by: what the groups are.
        scope: the employees whose calls count; None for all calls.

    Raises:
        TooManyGroupsError: as said there.
    """
    statement, keys = _selected(connection.dialect.name, period, by, scope)
    statement = (
        statement.with_only_columns(*(keys[each] for each in by), *_figures())
        .group_by(*(text(str(place + 1)) for place in range(len(by))))
        .limit(MOST_GROUPS + 1)
    )
    rows = connection.execute(statement).all()
    if len(rows) > MOST_GROUPS:
        raise TooManyGroupsError
    return {tuple(row[: len(by)]): CallFigures(*_plain(row[len(by) :])) for row in rows}


def calls_behind(
    connection: Connection,
    period: Period,
    figure: CallFigure,
    where: Where,
    scope: Scope,
    *,
    after: int,
    most: int,
) -> list[int]:
    """The keys of the calls that a figure of one group, or of all calls, counts: in their order, those after a key."""
    statement, keys = _selected(connection.dialect.name, period, where, scope)
    of_group = (keys[each].is_(None) if key is None else keys[each] == key for each, key in where.items())
    statement = statement.where(*of_group, _counts()[figure], Call.id > after).order_by(Call.id).limit(most)
    return [row[0] for row in connection.execute(statement)]


def _plain(values: Sequence[Any]) -> list[Any]:
    return [value or 0 for value in values]


def _figures() -> tuple[ColumnElement[Any], ...]:
    """What is counted, in the order of `CallFigures`."""
    counts = _counts()
    taken, answered = counts[CallFigure.ANSWERED], Call.result == Result.ANSWERED
    return (
        _count(counts[CallFigure.INBOUND]),
        _count(taken),
        _count(counts[CallFigure.MISSED]),
        _count(counts[CallFigure.CALLED_BACK]),
        _count(and_(taken, Call.ring_seconds.is_not(None))),
        _sum(taken, Call.ring_seconds),
        _count(counts[CallFigure.OUTGOING]),
        _count(counts[CallFigure.REACHED]),
        _sum(answered, Call.talk_seconds),
    )


def _counts() -> dict[CallFigure, ColumnElement[bool]]:
    """Which calls each figure counts."""
    inbound, outgoing = Call.direction == Direction.INBOUND, Call.direction == Direction.OUTBOUND
    answered = Call.result == Result.ANSWERED
    missed = and_(inbound, Call.result.is_distinct_from(Result.ANSWERED))
    return {
        CallFigure.INBOUND: inbound,
        CallFigure.ANSWERED: and_(inbound, answered),
        CallFigure.MISSED: missed,
        CallFigure.CALLED_BACK: and_(missed, called_back()),
        CallFigure.OUTGOING: outgoing,
        CallFigure.REACHED: and_(outgoing, answered),
    }


def _selected(
    dialect: str, period: Period, by: Collection[CallGrouping], scope: Scope
) -> tuple[Select[Any], dict[CallGrouping, ColumnElement[Any]]]:
    """The keys of the calls of a period and scope that count, and what they are grouped by."""
    keys: dict[CallGrouping, ColumnElement[Any]] = {
        CallGrouping.HOUR: local_hour(dialect, Call.started_at, period.shifts()),
        CallGrouping.DAY: local_day(dialect, Call.started_at, period.shifts()),
        CallGrouping.NUMBER: Call.did.expression,
    }
    statement: Select[Any] = select(Call.id).where(
        Call.started_at >= period.begin,
        Call.started_at < period.end,
        Call.role == Role.CALL,
        Call.phase == Phase.ENDED,
        Call.direction.in_((Direction.INBOUND, Direction.OUTBOUND)),
    )
    if CallGrouping.EMPLOYEE not in by and scope is None:
        return statement, keys
    employee, joined = _with_employee(period)
    mine = () if scope is None else (employee.in_(scope),)
    return joined(statement).where(*mine), {**keys, CallGrouping.EMPLOYEE: employee}


def _with_employee(period: Period) -> tuple[ColumnElement[int], Callable[[Select[Any]], Select[Any]]]:
    """Whose a call is: who talked last or called out; of a missed one the responsible, else our number's."""
    lead = leads_at(period.end)
    employee = case(
        (or_(Call.direction == Direction.OUTBOUND, Call.result == Result.ANSWERED), Call.employee_id),
        else_=func.coalesce(
            ContactPerson.responsible_id, lead.c.responsible_id, Counterparty.responsible_id, Did.responsible_id
        ),
    )

    def joined(statement: Select[Any]) -> Select[Any]:
        return (
            statement.select_from(Call)
            .outerjoin(lead, lead.c.id == Call.lead_id)
            .outerjoin(Counterparty, Counterparty.id == Call.counterparty_id)
            .outerjoin(ContactPerson, ContactPerson.id == Call.contact_person_id)
            .outerjoin(Did, Did.number == Call.did)
        )

    return employee, joined


def called_back() -> ColumnElement[bool]:
    """Whether a later outgoing call went to the number of a call; one that failed rang nowhere, so it was none."""
    later = aliased(Call)
    return exists().where(
        later.outside_number == Call.outside_number,
        later.direction == Direction.OUTBOUND,
        later.role == Role.CALL,
        later.result.is_distinct_from(Result.FAILED),
        later.started_at > Call.started_at,
    )


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, literal(1)), else_=literal(0)))


def _sum(condition: ColumnElement[bool], seconds: Any) -> ColumnElement[float]:
    return cast(func.sum(case((condition, seconds), else_=literal(0.0))), Float)
