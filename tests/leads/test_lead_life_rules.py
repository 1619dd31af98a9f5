"""What stays of two leads that become one, and when a lead is somebody's (L1, L13, L15)."""

from datetime import UTC, datetime, timedelta

import pytest

from leads.domain.lead_life import (
    Age,
    earlier,
    has_an_owner,
    later,
    merged_comment,
    merged_name,
    merged_numbers,
    merged_text,
    older_first,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=1)


def test_the_older_lead_survives_and_of_two_made_at_once_the_first() -> None:
    assert older_first(Age(SOON, 1), Age(NOW, 2)) == (Age(NOW, 2), Age(SOON, 1))
    assert older_first(Age(NOW, 2), Age(NOW, 1)) == (Age(NOW, 1), Age(NOW, 2))


def test_the_survivor_keeps_what_it_has_and_takes_what_it_lacks() -> None:
    assert (merged_text("mine", "theirs"), merged_text("", "theirs")) == ("mine", "theirs")
    assert merged_name("+380", False, "Ольга", True) == ("Ольга", True)
    assert merged_name("Ія", True, "Ольга", True) == ("Ія", True)
    assert merged_name("+380", False, "+381", False) == ("+380", False)
    assert merged_numbers(("1", "2"), ("2", "3")) == ("1", "2", "3")


def test_no_comment_is_lost_and_none_is_said_twice() -> None:
    assert merged_comment("one", "two") == "one\ntwo"
    assert merged_comment("one\ntwo", "two") == "one\ntwo"
    assert (merged_comment("", "two"), merged_comment("one", "")) == ("two", "one")


def test_a_moment_that_never_was_is_neither_first_nor_last() -> None:
    assert (earlier(SOON, NOW), earlier(None, SOON), earlier(None, None)) == (NOW, SOON, None)
    assert (later(SOON, NOW), later(NOW, None), later(None, None)) == (SOON, NOW, None)


@pytest.mark.parametrize("what", ["named", "chosen", "talked", "saves"])
def test_one_sign_of_work_makes_a_lead_somebodys(what: str) -> None:
    nothing = {"named": False, "chosen": False, "talked": False, "saves": 0}
    assert not has_an_owner(**nothing)  # type: ignore[arg-type]
    assert has_an_owner(**{**nothing, what: 1})  # type: ignore[arg-type]
