"""Brings a database to the tables this version needs, also when several processes start at the same moment.

All missing revisions run in one transaction, so a failed upgrade leaves the database as it was. A new revision is a
file in migrations/versions/ with the next number; tests compare the outcome with leads.store.models.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from leads.store.engine import Database, lock_key

MIGRATIONS = Path(__file__).parent / "migrations"
WAIT_SECONDS = 60
"""How long a process waits while another one upgrades the same database."""


class MigrationError(Exception):
    """The database cannot be brought to this version; the text says why and what to do."""


class WrongRevision(NamedTuple):
    """Why this program cannot work with a database, as what is said of it, and what to do."""

    what: str
    mend: str


def wrong_revision(current: str | None) -> WrongRevision | None:
    """What is wrong with a database at this revision, None where there is none yet; None where nothing is."""
    if current == _head():
        return None
    older = f"is at revision {current}" if current else "has no tables yet"
    mend = "run `leadline migrate`"
    return _newer(current) or WrongRevision(f"{older}, and this Leadline needs {_head()}", mend)


def _newer(current: str | None) -> WrongRevision | None:
    """The same where a newer Leadline made the database what it is: to migrate again would change nothing."""
    if current is None or current in {script.revision for script in _scripts().walk_revisions()}:
        return None
    return WrongRevision(
        f"is newer than this Leadline: it is at revision {current}, and this Leadline knows none after {_head()}",
        "install the newer Leadline again, or restore the back-up made before the update (see docs/operation.md)",
    )


async def upgrade(url: str) -> None:
    """Bring the database at `url` to the newest revision.

    Raises:
        MigrationError: it is newer than this program, or lacks something that an administrator must add.
    """
    database = Database(url)
    try:
        await upgrade_database(database)
    finally:
        await database.dispose()


async def upgrade_database(database: Database, revision: str = "head") -> None:
    """Bring an open database to `revision`; this is the way for one in memory, which no second connection can reach."""

    async def work() -> None:
        await database.run_write(lambda connection: _upgrade(connection, revision))

    if database.dialect == "sqlite" and not database.in_memory:
        # The very first switch of a file to WAL does not wait for another process doing it too.
        await _until_unlocked(lambda: _connect(database))
        # A writer waits for another for some seconds, but all revisions take a slow machine longer.
        await _until_unlocked(work)
    else:
        await work()


async def revisions(url: str) -> tuple[str | None, str]:
    """The revision of the database at `url`, None where there is none yet, and the one this program needs."""
    database = Database(url)
    try:
        async with database.read() as session:
            connection = await session.connection()
            return await connection.run_sync(_current), _head()
    finally:
        await database.dispose()


async def _connect(database: Database) -> None:
    async with database.read() as session:
        await session.connection()


async def _until_unlocked(work: Callable[[], Awaitable[None]]) -> None:
    """Do `work`, which begins by taking the lock, as soon as no other process holds it."""
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while True:
        try:
            await work()
        except OperationalError as error:
            locked = isinstance(error.orig, sqlite3.OperationalError) and "locked" in str(error.orig)
            if not locked or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            return


def _upgrade(connection: Connection, revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key("migration")})
    newer = _newer(_current(connection))
    if newer is not None:
        raise MigrationError(f"the database {newer.what}; {newer.mend}")
    if connection.dialect.name == "postgresql":
        _need_trigrams(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _need_trigrams(connection: Connection) -> None:
    try:
        with connection.begin_nested():
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except DBAPIError as error:
        reason = str(error.orig).splitlines()[0]
        raise MigrationError(
            f"PostgreSQL has no extension pg_trgm here, which search needs ({reason}); install PostgreSQL's contrib "
            "package and run CREATE EXTENSION pg_trgm in this database as its owner or as a superuser"
        ) from error


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _head() -> str:
    head = _scripts().get_current_head()
    assert head is not None, "the package holds no migrations"
    return head


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    # ConfigParser reads % as interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
