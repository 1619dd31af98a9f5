"""Slowing down guesses, in bounded memory."""

from datetime import timedelta

from leads.admin.throttle import FIRST_WAIT, FORGET_AFTER, LONGEST_WAIT, MOST_KEYS, Throttle
from tests.admin.conftest import Clock


def test_waits_grow_and_end(clock: Clock) -> None:
    throttle = Throttle(clock)
    for _attempt in range(5):
        assert throttle.wait("a", "1") == timedelta(0)
        throttle.count("a", "1")
    waits = []
    for _attempt in range(8):
        waits.append(throttle.wait("a", "1"))
        clock.now += waits[-1]
        throttle.count("a", "1")
    assert waits[:3] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]
    assert max(waits) == LONGEST_WAIT
    clock.now += FORGET_AFTER
    assert throttle.wait("a", "1") == timedelta(0)


def test_others_do_not_wait_for_one_login(clock: Clock) -> None:
    throttle = Throttle(clock)
    for _attempt in range(10):
        throttle.count("a", "1")
    assert throttle.wait("a", "2")
    assert not throttle.wait("b", "2")


def test_a_right_password_forgets_the_login_and_takes_back_one_of_the_address(clock: Clock) -> None:
    throttle = Throttle(clock)
    for attempt in range(20):
        throttle.count(f"login{attempt}", "1")
    assert throttle.wait("a", "1")
    throttle.succeeded("login3", "1")
    assert not throttle.wait("login3", "1")
    throttle.count("x", "1")
    assert throttle.wait("a", "1")


def test_memory_is_bounded_whatever_is_invented(clock: Clock) -> None:
    throttle = Throttle(clock, most_keys=100)
    for attempt in range(5000):
        throttle.count(f"login{attempt}", f"address{attempt % 7}")
    assert len(throttle) == 100
    assert MOST_KEYS >= 1000
