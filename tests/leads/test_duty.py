"""Who is at work at a moment: hours in a zone, over midnight and over the change of clocks, holidays, and away (K2)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leads.domain.directory import Directory, Employee
from leads.domain.duty import Absence, AbsenceKind, Absences, Duty, Shift, absences, absent_in_a_copy

KYIV = ZoneInfo("Europe/Kyiv")
OFFICE = tuple(Shift(day, 9 * 60, 18 * 60) for day in range(5))
NIGHT = (Shift(4, 22 * 60, 6 * 60),)
"""From Friday evening to Saturday morning."""
_MIDNIGHT = datetime(2026, 10, 20, tzinfo=UTC)
XMAS = {date(2026, 12, 25): "Christmas"}


def kyiv(text: str) -> datetime:
    """A moment told by the wall clock in Kyiv."""
    return datetime.fromisoformat(text).replace(tzinfo=KYIV).astimezone(UTC)


def company(duty: Duty, holidays: dict[date, str] | None = None) -> Directory:
    return Directory(1, {1: Employee(1, "Oleh", True, 15, False, (), duty=duty)}, holidays=holidays or {})


def absence(duty: Duty, at: datetime, holidays: dict[date, str] | None = None) -> Absence | None:
    return absences(company(duty, holidays), at, KYIV).of.get(1)


HOURS = [
    # 2 November 2026 is a Monday.
    (OFFICE, "2026-11-02T08:59", (AbsenceKind.OFF_DUTY, "2026-11-02T09:00")),
    (OFFICE, "2026-11-02T09:00", None),
    (OFFICE, "2026-11-02T17:59", None),
    (OFFICE, "2026-11-02T18:00", (AbsenceKind.OFF_DUTY, "2026-11-03T09:00")),
    (OFFICE, "2026-11-06T20:00", (AbsenceKind.OFF_DUTY, "2026-11-09T09:00")),
    (OFFICE, "2026-12-31T18:30", (AbsenceKind.OFF_DUTY, "2027-01-01T09:00")),
    (OFFICE, "2026-12-25T12:00", (AbsenceKind.HOLIDAY, "2026-12-28T09:00")),
    (OFFICE, "2026-12-24T19:00", (AbsenceKind.OFF_DUTY, "2026-12-28T09:00")),
    ((), "2026-11-07T03:00", None),
    ((), "2026-12-25T00:00", (AbsenceKind.HOLIDAY, "2026-12-26T00:00")),
    (NIGHT, "2026-11-06T21:59", (AbsenceKind.OFF_DUTY, "2026-11-06T22:00")),
    (NIGHT, "2026-11-07T05:59", None),
    (NIGHT, "2026-11-07T06:00", (AbsenceKind.OFF_DUTY, "2026-11-13T22:00")),
    (NIGHT, "2026-12-25T23:00", (AbsenceKind.HOLIDAY, "2027-01-01T22:00")),
    # The clocks go back on Sunday 25 October 2026, and forward on 28 March 2027: nine is nine all the same.
    (OFFICE, "2026-10-24T12:00", (AbsenceKind.OFF_DUTY, "2026-10-26T09:00")),
    (OFFICE, "2027-03-27T12:00", (AbsenceKind.OFF_DUTY, "2027-03-29T09:00")),
    ((Shift(6, 3 * 60 + 30, 5 * 60),), "2027-03-28T04:30", None),
    (
        (Shift(2, 9 * 60, 12 * 60), Shift(2, 13 * 60, 18 * 60)),
        "2026-11-04T12:30",
        (AbsenceKind.OFF_DUTY, "2026-11-04T13:00"),
    ),
]


@pytest.mark.parametrize(("shifts", "at", "expected"), HOURS)
def test_hours_are_those_of_the_wall_clock(
    shifts: tuple[Shift, ...], at: str, expected: tuple[AbsenceKind, str] | None
) -> None:
    found = absence(Duty(shifts), kyiv(at), XMAS)
    told = None if found is None else (found.kind, found.until)
    assert told == (None if expected is None else (expected[0], kyiv(expected[1])))


def test_a_holiday_has_its_name() -> None:
    found = absence(Duty(OFFICE), kyiv("2026-12-25T12:00"), XMAS)
    assert found is not None
    assert found.holiday == "Christmas"


def test_his_own_zone_wins_over_the_company_s() -> None:
    duty = Duty(OFFICE, zone="America/New_York")
    assert absence(duty, kyiv("2026-11-02T10:00")) is not None
    assert absence(duty, kyiv("2026-11-02T20:00")) is None


def test_away_lasts_until_its_moment_or_until_he_is_back() -> None:
    at = kyiv("2026-11-02T12:00")
    until = at + timedelta(hours=1)
    for away_until in (None, until):
        assert absence(Duty(OFFICE, away=True, away_until=away_until), at) == Absence(AbsenceKind.AWAY, away_until)
    assert absence(Duty(OFFICE, away=True, away_until=until), until) is None
    assert absence(Duty(OFFICE, away_until=until), at) is None


shifts = st.lists(
    st.builds(Shift, st.integers(0, 6), st.integers(0, 1439), st.integers(0, 1440)), max_size=4, unique=True
).map(tuple)
moments = st.datetimes(datetime(2026, 10, 20), datetime(2026, 11, 5)).map(lambda at: at.replace(tzinfo=UTC))
zones = st.sampled_from([None, "America/New_York", "Pacific/Apia"])
duties = st.builds(Duty, shifts, zones, st.booleans(), st.one_of(st.none(), moments))


@given(st.lists(duties, min_size=1, max_size=3), moments, st.lists(st.dates(date(2026, 10, 20), date(2026, 11, 9))))
@example([Duty(away=True, away_until=_MIDNIGHT + timedelta.resolution)], _MIDNIGHT, [])
def test_nothing_changes_before_the_moment_that_is_told(found: list[Duty], at: datetime, holidays: list[date]) -> None:
    employees = {key: Employee(key, f"e{key}", True, 15, False, (), duty=duty) for key, duty in enumerate(found)}
    directory = Directory(1, employees, holidays=dict.fromkeys(holidays, "day"))
    now = absences(directory, at, KYIV)
    if now.until is None:
        assert now == Absences()
        return
    assert now.until > at
    for part in (0.3, 0.7, 0.999):
        # A part of a microsecond is rounded, perhaps up to the moment itself.
        before = min(at + part * (now.until - at), now.until - timedelta.resolution)
        later = absences(directory, before, KYIV)
        assert {key: one.kind for key, one in later.of.items()} == {key: one.kind for key, one in now.of.items()}


def test_who_left_costs_nothing_and_breaks_nothing() -> None:
    left = replace(company(Duty(OFFICE)).employees[1], active=False)
    assert absences(Directory(1, {1: left}), kyiv("2026-11-02T12:00"), KYIV).of == {}


def test_a_zone_that_this_machine_does_not_know_stops_nobody() -> None:
    assert absence(Duty(OFFICE, zone="Europe/Atlantis"), kyiv("2026-11-02T08:59")) == Absence(
        AbsenceKind.OFF_DUTY, kyiv("2026-11-02T09:00")
    )


def test_a_copy_keeps_no_night() -> None:
    """Whoever would ring by day rings, if the copy is all that is left; one who is away among others stays away."""
    two = Directory(1, {key: Employee(key, "Oleh", True, 15, False, ()) for key in (1, 2)})
    night = Absence(AbsenceKind.OFF_DUTY)
    assert absent_in_a_copy(two, {1: night, 2: night}) == {}
    assert absent_in_a_copy(two, {1: night}) == {1: night}
