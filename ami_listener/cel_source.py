"""The places where Asterisk keeps its call records, all read alike: the next rows after a place, never the whole."""

import asyncio
import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Protocol

from ami_listener.cel_file import FilePlace, GrowingFile
from ami_listener.cel_rows import OUR_COLUMNS, CelError, CelRow, csv_columns, read_cells, read_row
from leads.store.cel_table import RecordTable

ROWS = 200
"""In one go, so that a call that comes meanwhile waits for some milliseconds at most."""
Place = Any


@dataclass(frozen=True, slots=True)
class Slice:
    """Some rows, each with its place; where to read on; whether nothing more is there now.

    `unreadable` lines were passed over; `note` says what an operator should know.
    """

    rows: Sequence[tuple[CelRow, Place]]
    next: Place
    at_end: bool
    unreadable: int = 0
    note: str = ""


class CelSource(Protocol):
    """A place where Asterisk keeps CEL. Places are values that can be kept as JSON."""

    name: str

    async def present(self) -> Place:
        """Behind all that is there now."""

    async def read(self, place: Place) -> Slice:
        """The next rows after a place.

        Raises:
            OSError, SQLAlchemyError: it cannot be read now.
        """

    async def newest(self) -> datetime | None:
        """When it was written last.

        Raises:
            OSError, SQLAlchemyError: it cannot be read now.
        """

    async def trouble(self) -> tuple[str, str] | None:
        """What keeps it from being relied on though it can be read, and the mend."""

    async def close(self) -> None:
        """Let go of it."""


def open_source(address: str, zone: tzinfo) -> CelSource:
    """The source of an address: `csv:/path`, `sqlite:/path`, `postgresql+asyncpg://…`, `mysql+aiomysql://…`.

    Args:
        address: where it is.
        zone: of times that name none.

    Raises:
        ValueError: there is no such source; the text says what can be named.
    """
    kind, _, rest = address.partition(":")
    if kind == "csv" and rest.startswith("/"):
        return CsvSource(Path(rest), zone)
    if kind == "sqlite" and rest.startswith("/") and not rest.startswith("//"):
        return TableSource(RecordTable(f"sqlite:///{rest}"), zone)
    if kind in ("postgresql+asyncpg", "mysql+aiomysql"):
        return TableSource(RecordTable(address), zone)
    raise ValueError(
        "must be csv:/path, sqlite:/path, postgresql+asyncpg://user:password@host/database or "
        "mysql+aiomysql://user:password@host/database, the last two with ?table=name where it is not cel"
    )


class CsvSource:
    """The file that asterisk-conf/cel_custom.conf has Asterisk write."""

    def __init__(self, path: Path, zone: tzinfo) -> None:
        self.name = f"csv:{path}"
        self._file = GrowingFile(path)
        self._zone = zone
        self._serial = 0

    async def present(self) -> Place:
        """Behind its last whole line."""
        return asdict(await asyncio.to_thread(self._file.end))

    async def read(self, place: Place) -> Slice:
        """The next lines, out of this file or of one that it was renamed to."""
        found = await asyncio.to_thread(self._file.read, FilePlace(**place))
        rows: list[tuple[CelRow, Place]] = []
        unreadable = 0
        columns = _columns(found.first_line)
        for at, line in found.lines[:ROWS]:
            if at.offset == 0 and columns is not OUR_COLUMNS:
                continue
            self._serial += 1
            try:
                rows.append((read_cells(self._serial, next(csv.reader([line])), columns, self._zone), asdict(at)))
            except (CelError, csv.Error, StopIteration):
                unreadable += bool(line.strip())
        left = found.lines[ROWS:]
        next_place = left[0][0] if left else found.next
        return Slice(rows, asdict(next_place), found.at_end and not left, unreadable, found.note)

    async def newest(self) -> datetime | None:
        """When the file was written last."""
        return datetime.fromtimestamp(await asyncio.to_thread(_last_write, self._file.path), UTC)

    async def trouble(self) -> tuple[str, str] | None:
        """A file can be read beside its writer."""
        return None

    async def close(self) -> None:
        """Nothing is held open."""


def _columns(first_line: str) -> Sequence[str]:
    try:
        return csv_columns(next(csv.reader([first_line])))
    except (CelError, csv.Error, StopIteration):
        return OUR_COLUMNS


def _last_write(path: Path) -> float:
    with path.open("rb"):
        return path.stat().st_mtime


class TableSource:
    """A table in a database."""

    def __init__(self, table: RecordTable, zone: tzinfo) -> None:
        self.name = table.name
        self._table = table
        self._zone = zone

    async def present(self) -> Place:
        """Behind its newest row."""
        return {"id": await self._table.last()}

    async def read(self, place: Place) -> Slice:
        """The next rows by id."""
        found = await self._table.after(place["id"], ROWS)
        rows: list[tuple[CelRow, Place]] = []
        unreadable = 0
        before = place["id"]
        for row_id, values in found:
            try:
                rows.append((read_row(row_id, values, self._zone), {"id": before}))
            except CelError:
                unreadable += 1
            before = row_id
        return Slice(rows, {"id": before}, len(found) < ROWS, unreadable)

    async def newest(self) -> datetime | None:
        """When the newest row happened."""
        last = await self._table.last()
        rows = await self._table.after(last - 1, 1)
        return read_row(last, rows[0][1], self._zone).at if rows else None

    async def trouble(self) -> tuple[str, str] | None:
        """With other journals than WAL, SQLite makes Asterisk lose the rows that it writes while somebody reads."""
        mode = await self._table.journal_mode()
        if mode in (None, "wal"):
            return None
        mend = 'run once, while Asterisk is stopped: sqlite3 FILE "PRAGMA journal_mode=WAL"'
        return f"SQLite's journal is {mode}: a reader costs Asterisk rows", mend

    async def close(self) -> None:
        """Close the connections."""
        await self._table.close()
