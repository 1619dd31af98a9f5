"""Reads a table into which Asterisk writes its call records: SQLite, PostgreSQL, MariaDB or MySQL; never changes it."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "sqlite": {},
    "postgresql": {"server_settings": {"default_transaction_read_only": "on", "application_name": "leadline cel"}},
    "mysql": {"init_command": "SET SESSION TRANSACTION READ ONLY", "connect_timeout": 5, "charset": "utf8mb4"},
}
"""What makes each driver's connections unable to write, and sure to answer."""


class RecordTable:
    """A table of call records by its address, as `mysql+aiomysql://user:password@host/asteriskcdrdb?table=cel`."""

    def __init__(self, address: str, table: str = "cel") -> None:
        """Open nothing yet; `table` is its name where the address tells none.

        Raises:
            ValueError: the address cannot be read.
        """
        try:
            url = make_url(address)
        except ArgumentError:
            raise ValueError("cannot be read as an address of a database") from None
        named = url.query.get("table", table)
        if not isinstance(named, str) or not _NAME.fullmatch(named):
            raise ValueError("names a table by other signs than letters, digits and underscore")
        self.dialect = url.get_backend_name()
        if self.dialect not in _ARGUMENTS or not url.database:
            raise ValueError("is no database of SQLite, PostgreSQL or MariaDB, as in mysql+aiomysql://…/asteriskcdrdb")
        self.name = url.set(password=None).render_as_string()
        self._engine = _open(url.difference_update_query(["table"]))
        row_id = "rowid" if self.dialect == "sqlite" else "id"
        self._last = text(f"SELECT max({row_id}) FROM {named}")  # noqa: S608 - both are checked names
        self._next = text(
            f"SELECT {row_id} AS leadline_id, {named}.* FROM {named} "  # noqa: S608
            f"WHERE {row_id} > :after ORDER BY {row_id} LIMIT :most"
        )

    async def last(self) -> int:
        """The id of the newest row; 0 when there is none."""
        async with self._engine.connect() as connection:
            return int(await connection.scalar(self._last) or 0)

    async def after(self, row_id: int, most: int) -> list[tuple[int, dict[str, Any]]]:
        """The next rows after one, at most `most`, each with its id; columns are named in lower case."""
        async with self._engine.connect() as connection:
            found = await connection.execute(self._next, {"after": row_id, "most": most})
            names = [name.lower() for name in found.keys()]  # noqa: SIM118 - no mapping
            return [(int(row[0]), dict(zip(names[1:], row[1:], strict=True))) for row in found]

    async def journal_mode(self) -> str | None:
        """How SQLite keeps what is being written: `wal`, or one with which a reader costs rows. None elsewhere."""
        if self.dialect != "sqlite":
            return None
        async with self._engine.connect() as connection:
            return str(await connection.scalar(text("PRAGMA journal_mode"))).lower()

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()


def _open(url: URL) -> AsyncEngine:
    backend = url.get_backend_name()
    if backend == "sqlite":
        url = make_url(f"sqlite+aiosqlite:///file:{url.database}?mode=ro&uri=true")
    return create_async_engine(
        url, pool_size=1, max_overflow=0, pool_pre_ping=True, connect_args=dict(_ARGUMENTS[backend])
    )
