"""Periods of days in the company's zone, also where clocks are changed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.domain.periods import Period, Shift

KYIV = ZoneInfo("Europe/Kyiv")


def test_a_period_is_whole_days_of_the_zone() -> None:
    period = Period(date(2026, 3, 28), date(2026, 3, 29), KYIV)
    assert period.begin == datetime(2026, 3, 27, 22, tzinfo=UTC)
    assert period.end == datetime(2026, 3, 29, 21, tzinfo=UTC)
    assert list(period.days()) == [date(2026, 3, 28), date(2026, 3, 29)]
    assert period.shifts() == (Shift(datetime(2026, 3, 29, 1, tzinfo=UTC), 7200), Shift(None, 10_800))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Kyiv", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"])
@given(
    first=st.dates(date(2024, 1, 1), date(2027, 12, 31)),
    length=st.integers(0, 400),
    place=st.floats(0, 1, exclude_max=True),
)
def test_shifts_tell_local_time_as_the_zone_does(zone: str, first: date, length: int, place: float) -> None:
    period = Period(first, first + timedelta(days=length), ZoneInfo(zone))
    moment = period.begin + timedelta(seconds=int((period.end - period.begin).total_seconds() * place))
    shift = next(one for one in period.shifts() if one.until is None or moment < one.until)
    local = moment.astimezone(period.zone).replace(tzinfo=None)
    assert moment.replace(tzinfo=None) + timedelta(seconds=shift.seconds) == local
    assert first <= local.date() <= period.last
