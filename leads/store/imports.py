"""Keeps the record of imports: how far each has come, what it refused, and for how long it can be undone (L10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.import_tables import ImportBatch, ImportItem, ImportKind, ImportRefusal, ImportState
from leads.store.models import Employee

KEPT_FOR = timedelta(days=30)
"""So long an import can be undone; then its record is forgotten."""
LOST_AFTER = timedelta(minutes=1)
"""An import that has not got on for so long has lost its server."""
MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not imported: its line in the file, the name in it, and why."""

    line: int
    name: str
    reason: str


@dataclass(slots=True)
class Counts:
    """What became of some rows."""

    made: int = 0
    updated: int = 0
    skipped: int = 0
    refused: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """One import as it stands; `runs` says whether a server is at it, `by` who started it."""

    id: int
    kind: ImportKind
    employee_id: int | None
    by: str | None
    file_name: str
    state: ImportState
    runs: bool
    size: int
    read: int
    counts: Counts
    started_at: datetime

    @property
    def percent(self) -> int:
        """How much of the file is read."""
        return min(100, self.read * 100 // self.size) if self.size else 100

    @property
    def can_be_undone(self) -> bool:
        """Whether there is something to undo, and nobody is at it."""
        return not self.runs and self.state is not ImportState.UNDONE and bool(self.counts.made or self.counts.updated)


async def begin(
    session: AsyncSession, kind: ImportKind, file_name: str, size: int, *, update_known: bool, by: int, now: datetime
) -> int:
    """Put a new import on record and forget those that are too old to be undone; returns its id."""
    await session.execute(delete(ImportBatch).where(ImportBatch.started_at < now - KEPT_FOR))
    batch = ImportBatch(
        kind=kind,
        employee_id=by,
        file_name=file_name,
        size=size,
        update_known=update_known,
        started_at=now,
        moved_at=now,
    )
    session.add(batch)
    await session.flush()
    return batch.id


def advance(
    connection: Connection,
    batch_id: int,
    counts: Counts,
    refusals: Sequence[Refusal],
    now: datetime,
    *,
    read: int | None = None,
    state: ImportState | None = None,
) -> None:
    """Add what became of some more rows; `read` is how far the file was read, `state` is given when it changes."""
    values: dict[str, Any] = {
        "made": ImportBatch.made + counts.made,
        "updated": ImportBatch.updated + counts.updated,
        "skipped": ImportBatch.skipped + counts.skipped,
        "refused": ImportBatch.refused + len(refusals),
        "kept": ImportBatch.kept + counts.kept,
        "moved_at": now,
    }
    if read is not None:
        values["read"] = read
    if state is not None:
        values["state"] = state
    connection.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(values))
    if refusals:
        rows = [
            {"batch_id": batch_id, "line": one.line, "name": one.name[:200], "reason": one.reason} for one in refusals
        ]
        connection.execute(insert(ImportRefusal), rows)


async def batches(session: AsyncSession, now: datetime) -> list[Batch]:
    """The imports that can be looked at, the newest first."""
    statement = _BATCHES.order_by(ImportBatch.started_at.desc(), ImportBatch.id.desc()).limit(MOST_SHOWN)
    return [_batch(row, now) for row in await session.execute(statement)]


async def find_batch(session: AsyncSession, batch_id: int, now: datetime) -> Batch | None:
    """One import."""
    row = (await session.execute(_BATCHES.where(ImportBatch.id == batch_id))).first()
    return _batch(row, now) if row else None


async def refusals(session: AsyncSession, batch_id: int, *, after: int = 0, most: int = MOST_SHOWN) -> list[Any]:
    """Refused rows in the order of the file: (id, line, name, reason), those with an id above `after`."""
    statement = (
        select(ImportRefusal.id, ImportRefusal.line, ImportRefusal.name, ImportRefusal.reason)
        .where(ImportRefusal.batch_id == batch_id, ImportRefusal.id > after)
        .order_by(ImportRefusal.id)
        .limit(most)
    )
    return list(await session.execute(statement))


async def claim_for_undo(session: AsyncSession, batch_id: int, now: datetime) -> bool:
    """Take an import for undoing; False when there is nothing to undo, or somebody is at it."""
    await session.execute(select(ImportBatch.id).where(ImportBatch.id == batch_id).with_for_update())
    batch = await find_batch(session, batch_id, now)
    if batch is None or not batch.can_be_undone:
        return False
    await session.execute(
        update(ImportBatch).where(ImportBatch.id == batch_id).values(state=ImportState.UNDOING, moved_at=now, kept=0)
    )
    return True


async def next_items(session: AsyncSession, batch_id: int, before: int, most: int) -> list[ImportItem]:
    """What an import did, the last first: items with an id below `before`."""
    statement = (
        select(ImportItem)
        .where(ImportItem.batch_id == batch_id, ImportItem.id < before)
        .order_by(ImportItem.id.desc())
        .limit(most)
    )
    return list(await session.scalars(statement))


_COLUMNS: tuple[Any, ...] = (
    ImportBatch.id,
    ImportBatch.kind,
    ImportBatch.employee_id,
    Employee.name,
    ImportBatch.file_name,
    ImportBatch.state,
    ImportBatch.moved_at,
    ImportBatch.size,
    ImportBatch.read,
    ImportBatch.made,
    ImportBatch.updated,
    ImportBatch.skipped,
    ImportBatch.refused,
    ImportBatch.kept,
    ImportBatch.started_at,
)
_BATCHES = select(*_COLUMNS).outerjoin(Employee, Employee.id == ImportBatch.employee_id)


def _batch(row: Any, now: datetime) -> Batch:
    busy = row.state in (ImportState.RUNNING, ImportState.UNDOING)
    runs = busy and now - row.moved_at < LOST_AFTER
    return Batch(
        id=row.id,
        kind=row.kind,
        employee_id=row.employee_id,
        by=row.name,
        file_name=row.file_name,
        state=ImportState.STOPPED if busy and not runs else row.state,
        runs=runs,
        size=row.size,
        read=row.read,
        counts=Counts(row.made, row.updated, row.skipped, row.refused, row.kept),
        started_at=row.started_at,
    )
