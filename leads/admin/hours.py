"""Reads and writes working hours as people do: for each day of the week 9:00–13:00, 14:00–18:00."""

import re
from collections.abc import Sequence

from leads.admin.forms import Form
from leads.admin.i18n import N_, _
from leads.domain.duty import DAY_MINUTES, Shift

WEEKDAYS = (
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)
_TIME = r"([01]?[0-9]|2[0-4])(?:[:.]([0-5][0-9]))?"
_SHIFT = re.compile(rf"{_TIME}\s*[-–—]\s*{_TIME}")
_MOST_SHIFTS = 4


def field_of(weekday: int) -> str:
    """The name of a day's field."""
    return f"hours_{weekday}"


def written(shifts: Sequence[Shift]) -> dict[str, str]:
    """The days' fields with their hours; a day without any is empty."""
    return {
        field_of(weekday): ", ".join(
            f"{_clock(shift.begins)}–{_clock(shift.ends)}" for shift in shifts if shift.weekday == weekday
        )
        for weekday in range(7)
    }


def read(form: Form) -> tuple[Shift, ...]:
    """The hours of all days as typed; a day that cannot be read gets a message."""
    return tuple(shift for weekday in range(7) for shift in _read_day(form, weekday))


def _read_day(form: Form, weekday: int) -> list[Shift]:
    name = field_of(weekday)
    shifts: list[Shift] = []
    for typed in filter(None, (part.strip() for part in form.text(name, longest=60).split(","))):
        found = _SHIFT.fullmatch(typed)
        begins, ends = (_minutes(found[1], found[2]), _minutes(found[3], found[4])) if found else (-1, -1)
        if not 0 <= begins < DAY_MINUTES or not 0 <= ends <= DAY_MINUTES or begins == ends:
            form.fail(name, _("Write hours like 9:00–13:00, 14:00–18:00."))
            return []
        shifts.append(Shift(weekday, begins, ends))
    shifts.sort(key=lambda shift: shift.begins)
    ends_before = 0
    for shift in shifts:
        if shift.begins < ends_before:
            form.fail(name, _("These hours overlap."))
        ends_before = shift.ends if shift.ends > shift.begins else DAY_MINUTES
    if len(shifts) > _MOST_SHIFTS:
        form.fail(name, _("These are too many times for one day."))
    return shifts


def _minutes(hours: str, minutes: str | None) -> int:
    return int(hours) * 60 + int(minutes or 0)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
