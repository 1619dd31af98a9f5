"""Opens the database of an installation for one job of the command line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from leads.store.engine import Database


class NoDatabaseError(OSError):
    """There is no database yet where the settings say; the text names the file and the mend."""

    def __init__(self, file: Path) -> None:
        self.file = file.absolute()
        super().__init__(f"there is no {self.file}; make it with `leadline migrate`, or correct LEADLINE_DATABASE_URL")


@asynccontextmanager
async def existing_database(url: str) -> AsyncIterator[Database]:
    """Open the database that `migrate` made, and close it; SQLite alone would leave an empty file in its place.

    Raises:
        NoDatabaseError: there is none.
    """
    refuse_missing(url)
    database = Database(url)
    try:
        yield database
    finally:
        await database.dispose()


def refuse_missing(url: str) -> None:
    """Make sure that a SQLite database is there; whether a PostgreSQL one is, only its server knows.

    Raises:
        NoDatabaseError: its file is not.
    """
    file = Database.file_of(url)
    if file is not None and not file.exists():
        raise NoDatabaseError(file)
