"""Writes many rows at the least cost, for what every call writes: fixed SQL, and values straight to the driver.

SQLAlchemy's own way costs several times as much for each row; everywhere else it is the better one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from typing import Any

from sqlalchemy import Connection


def write_rows(connection: Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run `sql`, with a question mark for each value, once for each row.

    Values are what both drivers take: text, numbers, None, JSON as text, and times by `time_for`.
    """
    if rows:
        connection.exec_driver_sql(
            _numbered(sql) if connection.dialect.name == "postgresql" else sql, [tuple(row) for row in rows]
        )


def time_for(connection: Connection, time: datetime | None) -> datetime | str | None:
    """A time as the driver takes it; on SQLite the text that SQLAlchemy writes and reads.

    Raises:
        ValueError: the time has no zone; it would silently mean another moment.
    """
    if time is None:
        return None
    if time.tzinfo is None:
        raise ValueError(f"{time!r} has no time zone; store aware times only")
    if connection.dialect.name == "postgresql":
        return time
    return time.astimezone(UTC).isoformat(" ", "microseconds")[:26]


@lru_cache(maxsize=100)
def _numbered(sql: str) -> str:
    numbers = count(1)
    return "".join(f"${next(numbers)}" if letter == "?" else letter for letter in sql)
