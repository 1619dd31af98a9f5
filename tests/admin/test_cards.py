"""What the lists' search field is read as."""

import pytest

from leads.admin.cards import searched


@pytest.mark.parametrize(
    ("region", "typed", "expected"),
    [
        ("NL", "06 1234 5678", "+31612345678"),
        ("NL", "020-794 0123", "+31207940123"),
        ("GB", "020 7946 0123", "+442079460123"),
        ("RU", "8 (916) 123-45-67", "+79161234567"),
        ("UA", "8 10 44 20 7946 0123", "+442079460123"),
    ],
)
def test_a_whole_number_in_the_countrys_writing_is_looked_for_as_stored(region: str, typed: str, expected: str) -> None:
    assert searched(typed, region) == expected


@pytest.mark.parametrize(
    "typed", ["", "050 123 45 67", "123", "+380501234567", "Щербань 2", "0", "%", "²³²", "612345678"]
)
def test_all_else_is_a_piece_of_something(typed: str) -> None:
    assert searched(typed, "UA") == typed
