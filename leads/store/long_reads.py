"""Reads for long without being in anybody's way: on threads and connections of its own, read-only, with a deadline.

The event loop goes on, the pool of the panel's connections stays free, and a reader never holds a lock that a call's
writer waits for.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from leads.store.engine import BUSY_SECONDS, CONNECT_SECONDS, Database

T = TypeVar("T")

SECONDS = 30.0
AT_ONCE = 2
WAIT_SECONDS = 20.0
"""How long one waits for its turn."""
_STEPS = 20_000
"""Of SQLite's machine between two looks at the clock: about a millisecond."""
_CANCELLED = "57014"


class TooLongError(Exception):
    """The reading was given up at its deadline; ask for less."""


class TooManyError(Exception):
    """Others read at this moment; ask again later."""


class LongReads:
    """Runs long readings of one database, some at once."""

    def __init__(self, database: Database, seconds: float = SECONDS, at_once: int = AT_ONCE) -> None:
        self._database = database
        self._seconds = seconds
        self._turns = asyncio.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="long-read")

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a connection that cannot write and sees one consistent state.

        Raises:
            TooLongError, TooManyError: as said there.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise TooManyError from None
        try:
            return await self._run(work)
        finally:
            self._turns.release()

    async def _run(self, work: Callable[[Connection], T]) -> T:
        if self._database.in_memory:
            async with self._database.read() as session:
                return await (await session.connection()).run_sync(work)
        given_up = threading.Event()
        read = self._read_postgres if self._database.dialect == "postgresql" else self._read_sqlite
        reading = asyncio.get_running_loop().run_in_executor(self._threads, read, work, given_up)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            # Who asked is gone; the turn is kept until the thread is free again.
            given_up.set()
            await asyncio.wait([reading])
            reading.exception()
            raise
        except (DBAPIError, TimeoutError) as error:
            if _is_deadline(error):
                raise TooLongError from error
            raise

    def _read_sqlite(self, work: Callable[[Connection], T], given_up: threading.Event) -> T:
        deadline = time.monotonic() + self._seconds
        engine = create_engine(self._database.url.set(drivername="sqlite"), poolclass=NullPool)

        @event.listens_for(engine, "connect")
        def _connected(connection: Any, record: object) -> None:
            connection.isolation_level = None
            connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
            connection.execute("PRAGMA query_only=ON")
            connection.set_progress_handler(lambda: given_up.is_set() or time.monotonic() > deadline, _STEPS)

        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            return work(connection)

    def _read_postgres(self, work: Callable[[Connection], T], given_up: threading.Event) -> T:
        return asyncio.run(self._on_own_loop(work))

    async def _on_own_loop(self, work: Callable[[Connection], T]) -> T:
        settings = {
            "application_name": "leadline reports",
            "default_transaction_read_only": "on",
            "default_transaction_isolation": "repeatable read",
            "statement_timeout": str(int(self._seconds * 1000)),
            "timezone": "UTC",
        }
        engine = create_async_engine(
            self._database.url,
            poolclass=NullPool,
            connect_args={"timeout": CONNECT_SECONDS, "command_timeout": self._seconds, "server_settings": settings},
        )
        async with engine.connect() as connection:
            return await connection.run_sync(work)

    def close(self) -> None:
        """Take no more; what runs is waited for by nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _is_deadline(error: Exception) -> bool:
    if isinstance(error, TimeoutError):
        return True
    original = getattr(error, "orig", None)
    return getattr(original, "sqlstate", None) == _CANCELLED or str(original) == "interrupted"
