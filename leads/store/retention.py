"""For how long things are kept, and the removal of what was kept for long enough (X5)."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, delete, exists, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.calls import Phase
from leads.store.audit_table import AuditEntry, Kept, Retention
from leads.store.company import SavedMeanwhileError
from leads.store.engine import Database, breathe
from leads.store.models import Call, Outage, Recording, RoutingDecision

AT_ONCE = 200
"""Rows removed in one transaction: some milliseconds, for which a call that is being written may have to wait."""
Days = Mapping[Kept, int | None]


async def kept_for(session: AsyncSession) -> tuple[int, Days]:
    """The version of the choice, and for how many days each kind is kept; None for ever."""
    rows = list(await session.scalars(select(Retention)))
    return sum(row.version for row in rows), {row.kind: row.days for row in rows}


async def choose(session: AsyncSession, version: int, days: Days) -> None:
    """Keep the company's choice.

    Raises:
        SavedMeanwhileError: somebody else chose since `version`.
    """
    rows = list(await session.scalars(select(Retention).with_for_update()))
    if sum(row.version for row in rows) != version:
        raise SavedMeanwhileError
    for row in rows:
        row.days = days[row.kind]


async def remove_due(database: Database, now: datetime) -> dict[Kept, int]:
    """Remove what was kept for long enough, a little at a time; tells how much of each kind."""
    async with database.read() as session:
        _version, days = await kept_for(session)
    removed: dict[Kept, int] = {}
    for kind, kept in days.items():
        if kept is not None:
            removed[kind] = await _remove(database, kind, now - timedelta(days=kept))
    return removed


async def _remove(database: Database, kind: Kept, limit: datetime) -> int:
    """Look for what is due without a lock, each row once, however much of it is still kept; hold one only to remove."""
    due, remove = _REMOVALS[kind]
    total, found = 0, AT_ONCE
    last: Row[Any, Any] | None = None
    while found == AT_ONCE:
        async with database.read() as session:
            rows = (await session.execute(_from(due(limit), last))).all()
        found = len(rows)
        if rows:
            last = rows[-1]
            began = time.monotonic()
            async with database.write() as session:
                total += await remove(session, [row.id for row in rows], limit)
            await breathe(began)
    return total


def _from(due: Select[Any, Any], last: Row[Any, Any] | None) -> Select[Any, Any]:
    """The next of those that are due, by time and key, after the last that was looked at."""
    key, at = due.selected_columns
    if last is not None:
        due = due.where(at >= last[1], or_(at > last[1], key > last[0]))
    return due.order_by(at, key).limit(AT_ONCE)


def _due_calls(limit: datetime) -> Select[Any, Any]:
    """Calls that are over; one whose recording is kept still waits for that."""
    recorded = exists().where(
        Recording.pbx == Call.pbx, Recording.linkedid == Call.linkedid, Recording.deleted_at.is_(None)
    )
    return select(Call.id, Call.started_at).where(Call.started_at < limit, Call.phase == Phase.ENDED, ~recorded)


async def _remove_calls(session: AsyncSession, ids: Sequence[int], limit: datetime) -> int:
    """Remove those that are still due, with the reasons of their routes: a recording may have come meanwhile."""
    still = _due_calls(limit).where(Call.id.in_(ids)).with_only_columns(Call.id, Call.pbx, Call.linkedid)
    rows = (await session.execute(still)).all()
    if not rows:
        return 0
    names = [(row.pbx, row.linkedid) for row in rows]
    for table in (RoutingDecision, Recording):
        await session.execute(delete(table).where(tuple_(table.pbx, table.linkedid).in_(names)))
    await session.execute(delete(Call).where(Call.id.in_([row.id for row in rows])))
    return len(rows)


def _due_entries(limit: datetime) -> Select[Any, Any]:
    """The database lets go only what is older than the choice says by its own clock."""
    return select(AuditEntry.id, AuditEntry.at).where(AuditEntry.at < limit)


async def _remove_entries(session: AsyncSession, ids: Sequence[int], _limit: datetime) -> int:
    return len((await session.scalars(delete(AuditEntry).where(AuditEntry.id.in_(ids)).returning(AuditEntry.id))).all())


def _due_outages(limit: datetime) -> Select[Any, Any]:
    return select(Outage.id, Outage.ended_at).where(Outage.ended_at < limit)


async def _remove_outages(session: AsyncSession, ids: Sequence[int], _limit: datetime) -> int:
    return len((await session.scalars(delete(Outage).where(Outage.id.in_(ids)).returning(Outage.id))).all())


_Remove = Callable[[AsyncSession, Sequence[int], datetime], Awaitable[int]]
_REMOVALS: dict[Kept, tuple[Callable[[datetime], Select[Any, Any]], _Remove]] = {
    Kept.CALLS: (_due_calls, _remove_calls),
    Kept.AUDIT: (_due_entries, _remove_entries),
    Kept.OUTAGES: (_due_outages, _remove_outages),
}
"""What is due, as key and time; and what removes some of it."""
