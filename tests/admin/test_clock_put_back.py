"""The clock is put right while people work: nobody waits until it is as late again, and no session lasts longer."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from leads.admin.dialling import Dialling
from leads.admin.phone_books import CutBooks, Pace
from leads.admin.throttle import Throttle
from leads.domain.directory import DisplayMode, Role
from leads.store.phone_book import BookPhone
from tests.admin.conftest import Clock, Visitor

ONLY_SQLITE = pytest.mark.parametrize("dialect", ["sqlite"])


def test_nobody_waits_for_an_hour_to_call_to_sign_in_or_to_read_a_book(clock: Clock) -> None:
    dialling, throttle, pace = Dialling(clock), Throttle(clock), Pace(clock)
    assert dialling.allow(1)
    assert not dialling.allow(1)
    for _attempt in range(10):
        throttle.count("a", "1")
    assert throttle.wait("a", "1")
    while not pace.wait("key"):
        pass
    clock.move(hours=-1)
    assert dialling.allow(1)
    assert not throttle.wait("a", "1")
    assert not pace.wait("key")


def test_a_book_is_cut_anew(clock: Clock) -> None:
    books, phone = CutBooks(clock), BookPhone(1, 1, Role.EMPLOYEE, DisplayMode.LATIN, 24, None)
    books.remember(phone, None, [])
    assert books.recall(phone, None) == []
    clock.move(hours=-1)
    assert books.recall(phone, None) is None


@ONLY_SQLITE
@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=30)])
async def test_a_session_lasts_as_long_as_the_right_clock_says(
    visitor: Callable[[], Visitor], clock: Clock, ahead: timedelta
) -> None:
    one = visitor()
    clock.now += ahead
    await one.sign_in("yurii")
    clock.now -= ahead
    status = (await one.get("/live")).status
    assert status == (200 if ahead < timedelta(hours=8) else 303)
    clock.move(hours=8, minutes=1)
    assert (await one.get("/live")).status == 303
