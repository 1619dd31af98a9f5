"""Watches what is done while the database is locked for others, and whether they get their turn in between."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.engine import Database


@dataclass
class Holding:
    """The statements of write transactions, and the seconds between one's end and the next one's beginning."""

    statements: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    ended: float | None = None
    now: bool = False


def watch(database: Database, monkeypatch: pytest.MonkeyPatch) -> Holding:
    """Note what each `database.write()` does from now on."""
    seen, write = Holding(), database.write

    @asynccontextmanager
    async def noted() -> AsyncIterator[AsyncSession]:
        if seen.ended is not None:
            seen.pauses.append(time.monotonic() - seen.ended)
        async with write() as session:
            seen.now = True
            yield session
            seen.now = False
        seen.ended = time.monotonic()

    def executed(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if seen.now:
            seen.statements.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", executed)
    monkeypatch.setattr(database, "write", noted)
    return seen
