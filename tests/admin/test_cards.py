"""What the lists' search field is read as, and how the history speaks."""

from datetime import UTC, datetime

import pytest

from leads.admin.cards import searched, spoken_history
from leads.store.cards import HistoryRow


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


@pytest.mark.parametrize(
    ("field", "kept", "spoken"),
    [
        ("language", "uk", "Ukrainian"),
        ("contact_person", "Олена; +380501234567; uk; Юрій", "Олена; +380 50 123 4567; Ukrainian; Юрій"),
        ("contact_person", "other; ru", "other; Russian"),
        ("name", "Олена; uk", "Олена; uk"),
    ],
)
def test_the_history_has_words_for_what_is_kept_as_codes(field: str, kept: str, spoken: str) -> None:
    row = HistoryRow(datetime(2026, 11, 21, tzinfo=UTC), None, field, "", kept)
    assert spoken_history([row])[0]["after"] == spoken
