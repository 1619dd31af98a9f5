"""The places where Asterisk keeps its call records, all read alike: the next rows after a place, never the whole."""

import asyncio
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Protocol

from ami_listener.cdr_rows import MASTER_COLUMNS, read_cdr
from ami_listener.cel_file import FilePlace, GrowingFile
from ami_listener.cel_rows import OUR_COLUMNS, CelError, CelRow, cells_by_name, read_row
from leads.store.cel_table import RecordTable

ROWS = 100
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


@dataclass(frozen=True, slots=True)
class Kind:
    """What is kept there: the usual table, the columns of a CSV without a header, and what a row is read into."""

    table: str
    columns: Sequence[str]
    read: Callable[[int, Mapping[str, Any], tzinfo], Sequence[CelRow]]


CEL = Kind("cel", OUR_COLUMNS, lambda serial, values, zone: [read_row(serial, values, zone)])
CDR = Kind("cdr", MASTER_COLUMNS, read_cdr)


def open_source(address: str, zone: tzinfo) -> CelSource:
    """The source of an address: `csv:/path`, `sqlite:/path`, `postgresql+asyncpg://…`, `mysql+aiomysql://…`.

    With `cdr+` before it, call detail records are kept there instead of CEL.

    Args:
        address: where it is.
        zone: of times that name none.

    Raises:
        ValueError: there is no such source; the text says what can be named.
    """
    kept = CDR if address.startswith("cdr+") else CEL
    address = address.removeprefix("cdr+")
    scheme, _, rest = address.partition(":")
    if scheme == "csv" and rest.startswith("/"):
        return CsvSource(Path(rest), zone, kept)
    if scheme == "sqlite" and rest.startswith("/") and not rest.startswith("//"):
        return TableSource(RecordTable(f"sqlite:///{rest}", kept.table), zone, kept)
    if scheme in ("postgresql+asyncpg", "mysql+aiomysql"):
        return TableSource(RecordTable(address, kept.table), zone, kept)
    raise ValueError(
        "must be csv:/path, sqlite:/path, postgresql+asyncpg://user:password@host/database or "
        "mysql+aiomysql://user:password@host/database, the last two with ?table=name where it is not cel"
    )


class CsvSource:
    """The file that asterisk-conf/cel_custom.conf has Asterisk write."""

    def __init__(self, path: Path, zone: tzinfo, kept: Kind = CEL) -> None:
        self.name = f"{'' if kept is CEL else 'cdr+'}csv:{path}"
        self._kept = kept
        self._file = GrowingFile(path)
        self._zone = zone
        self._serial = 0

    async def present(self) -> Place:
        """Behind its last whole line."""
        return _kept(await asyncio.to_thread(self._file.end))

    async def read(self, place: Place) -> Slice:
        """The next lines, out of this file or of one that it was renamed to."""
        found = await asyncio.to_thread(self._file.read, FilePlace(*place))
        rows: list[tuple[CelRow, Place]] = []
        unreadable = 0
        named = _columns(found.first_line)
        columns = named or self._kept.columns
        for at, line in found.lines[:ROWS]:
            if at.offset == 0 and named is not None:
                continue
            self._serial += 1
            kept_place = _kept(at)
            try:
                values = cells_by_name(next(csv.reader([line])), columns)
                rows += [(row, kept_place) for row in self._kept.read(self._serial, values, self._zone)]
            except (CelError, csv.Error, StopIteration):
                unreadable += bool(line.strip())
        left = found.lines[ROWS:]
        next_place = left[0][0] if left else found.next
        return Slice(rows, _kept(next_place), found.at_end and not left, unreadable, found.note)

    async def newest(self) -> datetime | None:
        """When the file was written last; None where Asterisk has yet to make it, with its first event."""
        try:
            return datetime.fromtimestamp(await asyncio.to_thread(_last_write, self._file.path), UTC)
        except FileNotFoundError:
            if await asyncio.to_thread(self._file.path.parent.is_dir):
                return None
            raise

    async def trouble(self) -> tuple[str, str] | None:
        """A file can be read beside its writer."""
        return None

    async def close(self) -> None:
        """Nothing is held open."""


def _kept(place: FilePlace) -> Place:
    return [place.device, place.inode, place.offset, place.beginning]


def _columns(first_line: str) -> Sequence[str] | None:
    """The columns that a first line names, None where it is a row already."""
    try:
        names = [cell.strip().lower() for cell in next(csv.reader([first_line]))]
    except (csv.Error, StopIteration):
        return None
    return names if "uniqueid" in names else None


def _last_write(path: Path) -> float:
    with path.open("rb"):
        return path.stat().st_mtime


class TableSource:
    """A table in a database."""

    def __init__(self, table: RecordTable, zone: tzinfo, kept: Kind = CEL) -> None:
        self.name = table.name
        self._kept = kept
        self._table = table
        self._zone = zone

    async def present(self) -> Place:
        """Behind its newest row."""
        return {"id": await self._table.last()}

    async def read(self, place: Place) -> Slice:
        """The next rows by id; from the beginning of a table that was emptied, where ids begin anew."""
        found = await self._table.after(place["id"], ROWS)
        if not found and await self._table.last() < place["id"]:
            return Slice(
                [], {"id": 0}, False, note=f"{self.name}: the table was emptied; it is read from its beginning"
            )
        rows: list[tuple[CelRow, Place]] = []
        unreadable = 0
        before = place["id"]
        for row_id, values in found:
            try:
                rows += [(row, {"id": before}) for row in self._kept.read(row_id, values, self._zone)]
            except CelError:
                unreadable += 1
            before = row_id
        return Slice(rows, {"id": before}, len(found) < ROWS, unreadable)

    async def newest(self) -> datetime | None:
        """When the newest row happened."""
        last = await self._table.last()
        rows = await self._table.after(last - 1, 1)
        return self._kept.read(last, rows[0][1], self._zone)[-1].at if rows else None

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
