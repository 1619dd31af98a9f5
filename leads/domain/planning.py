"""When the next call with somebody is due, and what becomes of it when the status changes (P2, P4).

A call is planned for a calendar day of the company's zone, whatever zone its caller or its reader lives in.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from leads.domain.statuses import StatusRule

MONDAY_TO_FRIDAY = frozenset(range(1, 6))
_LONGEST_HOLIDAYS = 400
"""Days: a company that has entered nothing but holidays still gets its calls planned."""
_DAY = timedelta(days=1)


class PlanState(StrEnum):
    """How it stands with a planned call; a person has at most one open."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class HandDate(StrEnum):
    """What to do with a date that somebody set by hand when the status would set another."""

    KEEP = "keep"
    MOVE = "move"


class Act(StrEnum):
    """What a change of status does to the planned call."""

    NOTHING = "nothing"
    PLAN = "plan"
    MOVE = "move"
    KEEP = "keep"
    CANCEL = "cancel"
    ASK = "ask"


class Due(StrEnum):
    """How a planned call or a task stands to the present moment."""

    OVERDUE = "overdue"
    NOW = "now"
    TODAY = "today"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Calendar:
    """The company's days: its zone, the days of the week on which it works (Monday is 1), and its holidays."""

    zone: ZoneInfo
    working_days: frozenset[int] = MONDAY_TO_FRIDAY
    holidays: frozenset[date] = frozenset()

    def day_of(self, moment: datetime) -> date:
        """The company's calendar day at a moment."""
        return moment.astimezone(self.zone).date()

    def is_working(self, day: date) -> bool:
        """Whether the company works that day."""
        return day.isoweekday() in self.working_days and day not in self.holidays

    def working_day(self, day: date) -> date:
        """The day itself, or the next on which the company works."""
        for later in range(_LONGEST_HOLIDAYS):
            if self.is_working(day + later * _DAY):
                return day + later * _DAY
        return day


@dataclass(frozen=True, slots=True)
class OpenCall:
    """The call that is planned with a person; `by_hand`: a person chose its day."""

    day: date
    by_hand: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of the planned call; `day` is the one to plan, move to, keep, or ask about."""

    act: Act
    day: date | None = None


def after_status_change(
    rule: StatusRule, planned: OpenCall | None, now: datetime, calendar: Calendar, answer: HandDate | None
) -> Step:
    """Say what a change of status does.

    Args:
        rule: of the new status.
        planned: the open call with the person.
        now: the present moment.
        calendar: the company's.
        answer: what to do with a date set by hand; None if nobody was asked yet.
    """
    if not rule.plans:
        return Step(Act.NOTHING) if planned is None else Step(Act.CANCEL, planned.day)
    day = calendar.working_day(calendar.day_of(now) + rule.days * _DAY)
    if planned is None:
        return Step(Act.PLAN, day)
    if planned.day == day:
        return Step(Act.NOTHING)
    if planned.by_hand and answer is not HandDate.MOVE:
        return Step(Act.ASK, day) if answer is None else Step(Act.KEEP, planned.day)
    return Step(Act.MOVE, day)


def next_day(rule: StatusRule, last_contact: datetime, now: datetime, calendar: Calendar) -> date:
    """The day of the next call: days after the last conversation or change of status, not before today."""
    due = calendar.day_of(last_contact) + rule.days * _DAY
    return calendar.working_day(max(calendar.day_of(now), due))


def due(day: date, at: datetime | None, now: datetime, calendar: Calendar) -> Due:
    """How a planned day, with a moment where one was set, stands to the present moment."""
    today = calendar.day_of(now)
    if day != today:
        return Due.OVERDUE if day < today else Due.LATER
    return Due.NOW if at is not None and at <= now else Due.TODAY


@dataclass(slots=True)
class Workload:
    """How many calls each employee has on each day, so that none gets more than `cap` planned at once."""

    cap: int
    calendar: Calendar
    planned: Counter[tuple[int | None, date]] = field(default_factory=Counter)
    _next: dict[tuple[int | None, date], date] = field(default_factory=dict)
    """From a day that was found full, a later one before which there is no room: else each call would walk them all."""

    @classmethod
    def of(cls, cap: int, calendar: Calendar, planned: Iterable[tuple[int | None, date, int]]) -> "Workload":
        """The load that is there already: employee, day, number of calls."""
        return cls(cap, calendar, Counter({(employee, day): count for employee, day, count in planned}))

    def place(self, employee: int | None, day: date) -> date:
        """The first working day from `day` on with room for one more call of the employee's; it is taken then."""
        full = []
        while self.planned[employee, day] >= self.cap:
            full.append(day)
            day = self._next.get((employee, day)) or self.calendar.working_day(day + _DAY)
        for one in full:
            self._next[employee, one] = day
        self.planned[employee, day] += 1
        return day
