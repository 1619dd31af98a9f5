"""Cells of CSV files: harmless in a spreadsheet, and the same text when they are read back (L10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.domain.csv_cells import original, protected

TEXTS = st.text(st.sampled_from("'=+-@\t\rа1;,\"\n "), max_size=8) | st.text(max_size=20)


@given(TEXTS)
def test_reading_gives_back_what_was_written(text: str) -> None:
    assert original(protected(text)) == text


@given(TEXTS)
def test_no_cell_is_a_formula(text: str) -> None:
    cell = protected(text)
    assert cell[:1] not in {"=", "+", "-", "@", "\t", "\r"} or (cell[0] == "+" and cell[1:].isdigit())


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1*2", "'+1*2"),
        ("+380501234567", "+380501234567"),
        ("+380501234567, +380671112233", "'+380501234567, +380671112233"),
        ("+380501234567\n", "'+380501234567\n"),
        ("-", "'-"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("'=1", "''=1"),
        ("'Їжак'", "'Їжак'"),
        ("Щербань = Юрій", "Щербань = Юрій"),
        ("", ""),
    ],
)
def test_only_what_would_be_calculated_is_changed(text: str, cell: str) -> None:
    assert protected(text) == cell
