"""Who is at work at a moment: working hours, holidays, and the away switch (K2).

Hours are those of the wall clock where the employee is, so they keep their meaning when summer time begins or ends.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from leads.domain.directory import Directory, Employee

DAY_MINUTES = 24 * 60
_DAY = timedelta(days=1)
MOST_SUBSTITUTES = 5
"""How far substitutes of substitutes are looked for."""
_LOOKS_AHEAD = 8
"""Days: whoever works at all begins again within a week; only holidays can make it longer."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Working time that begins on a day of the week (0 is Monday), in minutes after midnight.

    One whose end is not after its begin ends on the next day; 0 to 1440 is the whole day.
    """

    weekday: int
    begins: int
    ends: int


ALWAYS = tuple(Shift(weekday, 0, DAY_MINUTES) for weekday in range(7))


@dataclass(frozen=True, slots=True)
class Duty:
    """When an employee takes calls, and who does in his place.

    Without `shifts` he works at any time but on holidays. `zone` is his own, None the company's. `away_until` is the
    moment (UTC) at which he is back by himself; None: when he says so.
    """

    shifts: tuple[Shift, ...] = ()
    zone: str | None = None
    away: bool = False
    away_until: datetime | None = None
    substitute_id: int | None = None


class AbsenceKind(StrEnum):
    """Why somebody takes no calls."""

    AWAY = "away"
    OFF_DUTY = "off-duty"
    HOLIDAY = "holiday"


@dataclass(frozen=True, slots=True)
class Absence:
    """Why somebody takes no calls at a moment, and until when, where that is known; `holiday` is its name."""

    kind: AbsenceKind
    until: datetime | None = None
    holiday: str = ""

    def as_args(self) -> dict[str, str]:
        """Write it as arguments of a reason, see leads.domain.reasons."""
        until = {"until": self.until.isoformat()} if self.until else {}
        return {"why": self.kind.value, "holiday": self.holiday, **until}


@dataclass(frozen=True, slots=True)
class Absences:
    """All who take no calls at a moment, by their keys; so it stays until `until`, or a change to the company."""

    of: Mapping[int, Absence] = field(default_factory=dict)
    until: datetime | None = None


NOBODY_ABSENT = Absences()


def absences(directory: "Directory", at: datetime, zone: ZoneInfo) -> Absences:
    """Tell who takes no calls at a moment.

    Args:
        directory: the company.
        at: the moment, UTC.
        zone: the company's, for those who have none of their own.
    """
    found: dict[int, Absence] = {}
    changes: list[datetime] = []
    calendars: dict[tuple[tuple[Shift, ...], str | None], _Calendar] = {}
    for employee in directory.employees.values():
        duty = employee.duty
        key = duty.shifts, duty.zone
        if key not in calendars:
            calendars[key] = _Calendar(duty.shifts or ALWAYS, _zone(duty.zone, zone), directory.holidays, at)
        calendar = calendars[key]
        absence = _away(duty, at) or calendar.absence
        if absence is not None:
            found[employee.id] = absence
        changes += [change for change in (calendar.until, duty.away_until) if change is not None and change > at]
    return Absences(found, min(changes, default=None))


def absent_in_a_copy(directory: "Directory", absent: Mapping[int, Absence]) -> Mapping[int, Absence]:
    """Say who is absent in a copy that nobody may bring up to date for long: where all are, nobody.

    Else what the copy keeps of a night would send each call of the days that follow to the one phone of last resort.
    """
    return absent if any(one.active and one.id not in absent for one in directory.employees.values()) else {}


def substitutes(directory: "Directory", employee_id: int) -> Iterator[int]:
    """Who stands in for an employee, and who for that one, and so on; nobody comes twice."""
    seen, whose = {employee_id}, directory.employees.get(employee_id)
    while whose is not None and len(seen) <= MOST_SUBSTITUTES:
        following = whose.duty.substitute_id
        if following is None or following in seen:
            return
        yield following
        seen.add(following)
        whose = directory.employees.get(following)


def stand_in(directory: "Directory", employee_id: int, absent: Mapping[int, Absence]) -> "Employee | None":
    """The first of an employee's substitutes who takes calls now."""
    known = (directory.employees.get(one) for one in substitutes(directory, employee_id) if one not in absent)
    return next((one for one in known if one is not None and one.active and one.extensions), None)


def _zone(name: str | None, company: ZoneInfo) -> ZoneInfo:
    """An employee's own zone; one that this machine's tables do not know stops no call."""
    try:
        return company if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return company


def _away(duty: Duty, at: datetime) -> Absence | None:
    if not duty.away or (duty.away_until is not None and duty.away_until <= at):
        return None
    return Absence(AbsenceKind.AWAY, duty.away_until)


class _Calendar:
    """What some hours mean at a moment: `absence` None is at work; `until` is when that changes at the earliest."""

    def __init__(self, shifts: Iterable[Shift], zone: ZoneInfo, holidays: Mapping[date, str], at: datetime) -> None:
        today = at.astimezone(zone).date()
        times = sorted(_times(tuple(shifts), zone, holidays, today))
        working = any(begin <= at < end for begin, end in times)
        self.until = min((moment for time in times for moment in time if moment > at), default=None)
        self.absence: Absence | None = None
        if not working:
            back = next((begin for begin, _end in times if begin > at), None)
            kind = AbsenceKind.HOLIDAY if today in holidays else AbsenceKind.OFF_DUTY
            self.absence = Absence(kind, back, holidays.get(today, ""))
            # Midnight decides whether it is for a holiday, and how far is looked ahead.
            midnight = _moment(today + _DAY, 0, zone)
            self.until = midnight if self.until is None else min(self.until, midnight)


def _times(
    shifts: tuple[Shift, ...], zone: ZoneInfo, holidays: Mapping[date, str], today: date
) -> Iterator[tuple[datetime, datetime]]:
    """The times of work that may last now or begin soon; a shift that begins on a holiday is not worked."""
    for days in range(-1, _LOOKS_AHEAD):
        day = today + days * _DAY
        if day in holidays:
            continue
        for shift in shifts:
            if shift.weekday == day.weekday():
                ends = shift.ends if shift.ends > shift.begins else shift.ends + DAY_MINUTES
                yield _moment(day, shift.begins, zone), _moment(day, ends, zone)


def _moment(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """The moment (UTC) of a wall clock; one that is skipped in spring is the moment of the leap, or soon after."""
    days, rest = divmod(minutes, DAY_MINUTES)
    local = datetime(day.year, day.month, day.day, rest // 60, rest % 60, tzinfo=zone) + days * _DAY
    return local.astimezone(UTC)
