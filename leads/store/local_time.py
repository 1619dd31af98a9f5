"""Local hours and days of stored moments, as SQL; the shifts come from Python's zones, so both databases agree."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, case, cast, func, literal, literal_column
from sqlalchemy.orm import InstrumentedAttribute

from leads.domain.periods import Shift


def local_day(dialect: str, moment: InstrumentedAttribute[Any], shifts: Sequence[Shift]) -> ColumnElement[str]:
    """The calendar day as 2026-03-02."""
    return _formatted(dialect, moment, shifts, "%Y-%m-%d", "YYYY-MM-DD")


def local_hour(dialect: str, moment: InstrumentedAttribute[Any], shifts: Sequence[Shift]) -> ColumnElement[int]:
    """The hour of the day, from 0 to 23."""
    return cast(_formatted(dialect, moment, shifts, "%H", "HH24"), Integer)


def _formatted(
    dialect: str, moment: InstrumentedAttribute[Any], shifts: Sequence[Shift], sqlite: str, postgresql: str
) -> ColumnElement[str]:
    def shifted(seconds: int) -> ColumnElement[str]:
        # Written out, not bound: PostgreSQL must see the same expression where it groups by it.
        if dialect == "postgresql":
            utc = func.timezone("UTC", moment) + literal_column(f"INTERVAL '{seconds:d} seconds'")
            return func.to_char(utc, literal_column(f"'{postgresql}'"))
        return func.strftime(literal_column(f"'{sqlite}'"), moment, literal_column(f"'{seconds:+d} seconds'"))

    *changes, last = shifts
    if not changes:
        return shifted(last.seconds)
    return case(
        *((moment < literal(change.until, moment.type), shifted(change.seconds)) for change in changes),
        else_=shifted(last.seconds),
    )
