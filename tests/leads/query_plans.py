"""What statements a piece of work executes, and how the database finds their rows (EXPLAIN)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from leads.store.engine import Database


@contextmanager
def statements() -> Iterator[dict[str, Any]]:
    """Every statement that is executed, with parameters of it."""
    seen: dict[str, Any] = {}

    def executed(_1: object, _2: object, statement: str, parameters: Any, _4: object, many: bool) -> None:
        seen[statement] = parameters[0] if many else parameters

    event.listen(Engine, "before_cursor_execute", executed)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", executed)


async def plans(database: Database, seen: Mapping[str, Any]) -> dict[str, list[str]]:
    """The steps of each statement that reads; https://www.sqlite.org/eqp.html."""
    found = {}
    on_postgres = database.dialect == "postgresql"
    async with database.read() as session:
        connection = await session.connection()
        for statement, parameters in seen.items():
            if on_postgres and statement.startswith("SELECT"):
                rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
                found[statement] = [row[0] for row in rows]
            elif not on_postgres and not statement.startswith(("BEGIN", "PRAGMA")):
                rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                found[statement] = [row[3] for row in rows]
    return found
