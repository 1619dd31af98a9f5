"""The rules of planning by a clock: days of the company's zone, holidays, year's end, daylight saving (P2, P4)."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.domain.planning import (
    Act,
    Calendar,
    Due,
    HandDate,
    OpenCall,
    Step,
    Workload,
    after_status_change,
    due,
    next_day,
)
from leads.domain.statuses import StatusRule

KYIV = Calendar(ZoneInfo("Europe/Kyiv"))
EVERY_DAY = Calendar(ZoneInfo("Europe/Kyiv"), frozenset(range(1, 8)))
THREE = StatusRule(True, 3)
NEVER = StatusRule(False, 3)
TUESDAY = datetime(2026, 3, 3, 9, tzinfo=UTC)
FRIDAY = date(2026, 3, 6)
KEEP, MOVE = HandDate.KEEP, HandDate.MOVE


@pytest.mark.parametrize(
    ("rule", "planned", "answer", "step"),
    [
        (THREE, None, None, Step(Act.PLAN, FRIDAY)),
        (THREE, OpenCall(date(2026, 4, 1), False), None, Step(Act.MOVE, FRIDAY)),
        (THREE, OpenCall(FRIDAY, False), None, Step(Act.NOTHING)),
        (THREE, OpenCall(FRIDAY, True), None, Step(Act.NOTHING)),
        (THREE, OpenCall(date(2026, 4, 1), True), None, Step(Act.ASK, FRIDAY)),
        (THREE, OpenCall(date(2026, 4, 1), True), KEEP, Step(Act.KEEP, date(2026, 4, 1))),
        (THREE, OpenCall(date(2026, 4, 1), True), MOVE, Step(Act.MOVE, FRIDAY)),
        (THREE, OpenCall(date(2026, 4, 1), False), KEEP, Step(Act.MOVE, FRIDAY)),
        (NEVER, None, None, Step(Act.NOTHING)),
        (NEVER, OpenCall(date(2026, 4, 1), True), None, Step(Act.CANCEL, date(2026, 4, 1))),
    ],
)
def test_a_change_of_status(rule: StatusRule, planned: OpenCall | None, answer: HandDate | None, step: Step) -> None:
    assert after_status_change(rule, planned, TUESDAY, KYIV, answer) == step


@pytest.mark.parametrize(
    ("now", "days", "calendar", "day"),
    [
        # 23:30 in UTC is the next day in Kyiv, in winter by two hours and in summer by three.
        (datetime(2026, 3, 2, 22, 30, tzinfo=UTC), 0, EVERY_DAY, date(2026, 3, 3)),
        (datetime(2026, 7, 1, 21, 30, tzinfo=UTC), 0, EVERY_DAY, date(2026, 7, 2)),
        (datetime(2026, 1, 1, 21, 30, tzinfo=UTC), 0, EVERY_DAY, date(2026, 1, 1)),
        # The night in which the clock goes forward has 23 hours, the one back 25: days are counted, not hours.
        (datetime(2026, 3, 28, 22, 30, tzinfo=UTC), 1, EVERY_DAY, date(2026, 3, 30)),
        (datetime(2026, 10, 24, 20, 59, tzinfo=UTC), 1, EVERY_DAY, date(2026, 10, 25)),
        (datetime(2026, 12, 31, 12, tzinfo=UTC), 1, EVERY_DAY, date(2027, 1, 1)),
        (datetime(2028, 2, 28, 12, tzinfo=UTC), 1, EVERY_DAY, date(2028, 2, 29)),
        (datetime(2026, 3, 6, 12, tzinfo=UTC), 1, KYIV, date(2026, 3, 9)),
        (
            datetime(2026, 12, 30, 12, tzinfo=UTC),
            1,
            Calendar(KYIV.zone, holidays=frozenset({date(2026, 12, 31), date(2027, 1, 1)})),
            date(2027, 1, 4),
        ),
    ],
)
def test_days_are_the_companys_calendar_days(now: datetime, days: int, calendar: Calendar, day: date) -> None:
    assert after_status_change(StatusRule(True, days), None, now, calendar, None) == Step(Act.PLAN, day)


@pytest.mark.parametrize(
    ("last", "day"),
    [
        (datetime(2026, 3, 2, 12, tzinfo=UTC), date(2026, 3, 5)),
        (datetime(2026, 1, 2, 12, tzinfo=UTC), date(2026, 3, 3)),
        (datetime(2026, 3, 3, 8, tzinfo=UTC), FRIDAY),
        (datetime(2026, 3, 4, 8, tzinfo=UTC), date(2026, 3, 9)),
    ],
)
def test_the_next_call_is_due_days_after_the_last_contact_and_not_before_today(last: datetime, day: date) -> None:
    assert next_day(THREE, last, TUESDAY, KYIV) == day


def test_a_company_that_never_works_still_plans() -> None:
    assert Calendar(KYIV.zone, frozenset()).working_day(FRIDAY) == FRIDAY


def test_work_is_spread_over_working_days() -> None:
    load = Workload.of(2, KYIV, [(1, FRIDAY, 1)])
    assert [load.place(1, FRIDAY) for _ in range(4)] == [
        FRIDAY,
        date(2026, 3, 9),
        date(2026, 3, 9),
        date(2026, 3, 10),
    ]
    assert load.place(2, FRIDAY) == FRIDAY


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(0, 9)), max_size=60), st.integers(1, 3))
def test_the_spread_is_that_of_looking_at_each_day(calls: list[tuple[int, int]], cap: int) -> None:
    load, taken = Workload.of(cap, KYIV, []), Counter[tuple[int, date]]()
    for employee, later in calls:
        day = KYIV.working_day(FRIDAY + timedelta(days=later))
        placed = load.place(employee, day)
        while taken[employee, day] >= cap:
            day = KYIV.working_day(day + timedelta(days=1))
        taken[employee, day] += 1
        assert placed == day


def test_a_full_year_is_walked_once() -> None:
    """An import of many leads for one employee fills years of days; to walk them for each would stop the server."""
    walked = 0

    class Walked(Calendar):
        def working_day(self, day: date) -> date:
            nonlocal walked
            walked += 1
            return super().working_day(day)

    load = Workload.of(1, Walked(ZoneInfo("Europe/Kyiv")), [])
    for _ in range(500):
        load.place(1, FRIDAY)
    assert walked < 1000


@pytest.mark.parametrize(
    ("day", "at", "state"),
    [
        (date(2026, 3, 2), None, Due.OVERDUE),
        (date(2026, 3, 3), None, Due.TODAY),
        (date(2026, 3, 3), datetime(2026, 3, 3, 9, tzinfo=UTC), Due.NOW),
        (date(2026, 3, 3), datetime(2026, 3, 3, 9, 1, tzinfo=UTC), Due.TODAY),
        (date(2026, 3, 4), None, Due.LATER),
    ],
)
def test_what_is_due(day: date, at: datetime | None, state: Due) -> None:
    assert due(day, at, TUESDAY, KYIV) is state
