"""Opens the database, so that everybody meets it with the same guarantees on SQLite and on PostgreSQL.

SQLite waits for a writer instead of failing, reads beside it (WAL) and checks foreign keys. PostgreSQL is given up on
after a bounded time, so that a hung server costs an error and not a frozen process.
"""

import asyncio
import hashlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import TimeoutError as TurnTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long a writer waits for one of another process."""
TURN_SECONDS = 20.0
"""How long a writer waits for those of its own process who came before it."""
CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 20.0
"""How long one statement may take on PostgreSQL before it is given up."""
IDLE_TRANSACTION = "30s"
"""How long a process that stopped in the midst of a transaction may hold its locks on PostgreSQL."""

SHORTEST_PAUSE = 0.03
"""SQLite's waiting writers look again after at most so long."""

MAPPED_BYTES = 2**31 - 2**16
"""The file is read through memory, because SQLite empties its own cache whenever somebody else has written. (So the
file must not be cut short under a running server; a restore over it would destroy it anyway.)"""

_LOG_ATTEMPTS = 10

_IMMEDIATE = "leadline_begin_immediate"


class Database:
    """One database, by its URL: `sqlite+aiosqlite:///path`, `sqlite+aiosqlite://` (in memory) or `postgresql+asyncpg://…`.

    In memory there is one connection, so readers and writers take turns there; do not nest them.
    """

    def __init__(self, url: str) -> None:
        self.url: URL = make_url(url)
        self.dialect: str = self.url.get_backend_name()
        self._file = self.file_of(url)
        self.in_memory: bool = self.dialect == "sqlite" and self._file is None
        self.engine: AsyncEngine = self._open()
        # SQLite lets one write at a time, and whoever waits for it looks again now and then: under many writers some
        # never find it free. Within a process they queue instead.
        self._write_turn = asyncio.Lock() if self.dialect == "sqlite" else None
        self._read_turn = self._write_turn if self.in_memory else None
        self._thread_engine: Engine | None = None

    @staticmethod
    def file_of(url: str) -> Path | None:
        """The file of a SQLite database, whether it is there or not; None for others."""
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
            return None
        return Path(str(parsed.database))

    def _open(self) -> AsyncEngine:
        if self.dialect == "postgresql":
            return create_async_engine(
                self.url,
                pool_pre_ping=True,
                pool_size=5,
                max_overflow=10,
                pool_timeout=CONNECT_SECONDS,
                connect_args={
                    "timeout": CONNECT_SECONDS,
                    "command_timeout": COMMAND_SECONDS,
                    "server_settings": {
                        "application_name": "leadline",
                        "idle_in_transaction_session_timeout": IDLE_TRANSACTION,
                        "timezone": "UTC",
                    },
                },
            )
        if self._file is None:
            engine = create_async_engine(self.url)
        else:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # Who reads next gets the connection that was used last, which has its statements and the file at hand.
            engine = create_async_engine(self.url, pool_use_lifo=True)
        _prepare_sqlite(engine.sync_engine)
        return engine

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session that sees one consistent state and changes nothing."""
        async with _in_turn(self._read_turn), AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A session that commits when the block ends well; on SQLite it holds the write lock from the beginning.

        Writers of one process have it in the order in which they came; within a block never wait for another writer.
        """
        engine = self.engine.execution_options(**{_IMMEDIATE: True})
        async with (
            _in_turn(self._write_turn),
            AsyncSession(engine, expire_on_commit=False) as session,
            _committing(session),
        ):
            yield session

    async def run_write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one write transaction, at the least cost a batch of many statements can have.

        On a SQLite file that is a thread with a connection of its own: a hop for the batch, not for each statement.
        Whoever is cancelled meanwhile goes at once; the thread writes on, and its turn lasts as long as it does.
        """
        if self.dialect == "sqlite" and not self.in_memory:
            if self._thread_engine is None:
                engine = create_engine(self.url.set(drivername="sqlite"))
                _prepare_sqlite(engine)
                self._thread_engine = engine.execution_options(**{_IMMEDIATE: True})
            return await _in_thread(self._write_turn, partial(_write_on, self._thread_engine, work))
        immediate = self.engine.execution_options(**{_IMMEDIATE: True})
        async with _in_turn(self._write_turn), immediate.begin() as connection:
            return await connection.run_sync(work)

    async def empty_log(self) -> bool:
        """Leave nothing of old rows in SQLite's log beside its file, for who erases; tells whether that succeeded.

        It does not while somebody reads for long; PostgreSQL clears its own log away by itself.
        """
        if self._file is None:
            return True
        for attempt in range(_LOG_ATTEMPTS):
            if attempt:
                await asyncio.sleep(SHORTEST_PAUSE * 10)
            if await asyncio.to_thread(_empty_log, self._file):
                return True
        return False

    async def dispose(self) -> None:
        """Close all connections."""
        await self.engine.dispose()
        if self._thread_engine is not None:
            await asyncio.to_thread(self._thread_engine.dispose)
            self._thread_engine = None


@asynccontextmanager
async def _in_turn(turn: asyncio.Lock | None) -> AsyncIterator[None]:
    """Have one's turn for the block; those who wait have theirs in the order in which they came.

    Raises:
        TurnTimeoutError: others had theirs for too long.
    """
    if turn is None:
        yield
        return
    await _take(turn)
    try:
        yield
    finally:
        turn.release()


async def _take(turn: asyncio.Lock) -> None:
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await turn.acquire()
    except TimeoutError:
        raise TurnTimeoutError(f"others wrote to the database for {TURN_SECONDS:.0f} s") from None


async def _in_thread(turn: asyncio.Lock | None, work: Callable[[], T]) -> T:
    """Run `work` in a thread, which has the turn until it ends: a task that is cancelled does not stop its thread."""
    if turn is not None:
        await _take(turn)
    running = asyncio.get_running_loop().run_in_executor(None, copy_context().run, work)
    if turn is not None:
        running.add_done_callback(lambda _done: turn.release())
    return await asyncio.shield(running)


def _empty_log(file: Path) -> bool:
    # By itself, and hardly waiting: calls are written by others, who wait meanwhile.
    with closing(sqlite3.connect(file, timeout=SHORTEST_PAUSE)) as connection:
        return bool(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)


def _write_on(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)


@asynccontextmanager
async def _committing(session: AsyncSession) -> AsyncIterator[AsyncSession]:
    async with session.begin():
        # Connecting now takes the lock now: what the block reads cannot change under it.
        await session.connection()
        yield session


def _prepare_sqlite(engine: Engine) -> None:
    """Give each connection its guarantees, and begin transactions ourselves: the driver would do it too late."""

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={int(BUSY_SECONDS * 1000)}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "secure_delete=ON",  # What is erased is overwritten, however this machine's SQLite was built.
            f"mmap_size={MAPPED_BYTES}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        immediate = connection.get_execution_options().get(_IMMEDIATE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


async def breathe(began: float, times: int = 1) -> None:
    """Between the batches of a long work: leave the database to others for as long as it was ours since `began`.

    Args:
        began: by time.monotonic().
        times: as often as that, for work that nobody waits for.
    """
    await asyncio.sleep(max((time.monotonic() - began) * times, SHORTEST_PAUSE))


def lock_key(word: str) -> int:
    """A 64-bit key for PostgreSQL's advisory locks, the same in every process."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), signed=True)


def lock_calls(connection: Connection) -> None:
    """Make whoever writes calls wait until this transaction ends; on SQLite the write transaction is lock enough."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"keys": [lock_key("calls")]})


def lock_numbers(connection: Connection, numbers: Iterable[str]) -> None:
    """Make other writers of these numbers wait until this transaction ends; call it before you look who has them.

    Calls and cards both write owners of numbers. On SQLite the write transaction is lock enough. From an
    AsyncSession: `await (await session.connection()).run_sync(lock_numbers, numbers)`.
    """
    if connection.dialect.name != "postgresql":
        return
    keys = sorted({lock_key(f"number {number}") for number in numbers})
    if keys:
        # One statement; unnest keeps the order of the sorted keys, so that two writers cannot wait for each other.
        connection.execute(_LOCK, {"keys": keys})


_LOCK = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")
