"""For how long things are kept, and the removal of what was kept for long enough (X5)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.calls import Phase
from leads.store.audit_table import AuditEntry, Kept, Retention
from leads.store.company import SavedMeanwhileError
from leads.store.engine import Database
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
    total = 0
    while True:
        async with database.write() as session:
            count = await _REMOVALS[kind](session, limit)
        total += count
        if count < AT_ONCE:
            return total


async def _remove_calls(session: AsyncSession, limit: datetime) -> int:
    """Calls that are over, with the reasons of their routes; one whose recording is kept still waits for that."""
    recorded = exists().where(
        Recording.pbx == Call.pbx, Recording.linkedid == Call.linkedid, Recording.deleted_at.is_(None)
    )
    due = (
        select(Call.id, Call.pbx, Call.linkedid)
        .where(Call.started_at < limit, Call.phase == Phase.ENDED, ~recorded)
        .order_by(Call.started_at, Call.id)
        .limit(AT_ONCE)
    )
    rows = (await session.execute(due)).all()
    names = [(row.pbx, row.linkedid) for row in rows]
    if rows:
        for table in (RoutingDecision, Recording):
            await session.execute(delete(table).where(tuple_(table.pbx, table.linkedid).in_(names)))
        await session.execute(delete(Call).where(Call.id.in_([row.id for row in rows])))
    return len(rows)


async def _remove_entries(session: AsyncSession, limit: datetime) -> int:
    """The database lets go only what is older than the choice says by its own clock."""
    due = select(AuditEntry.id).where(AuditEntry.at < limit).order_by(AuditEntry.at).limit(AT_ONCE)
    ids = list(await session.scalars(due))
    await session.execute(delete(AuditEntry).where(AuditEntry.id.in_(ids)))
    return len(ids)


async def _remove_outages(session: AsyncSession, limit: datetime) -> int:
    due = select(Outage.id).where(Outage.ended_at < limit).limit(AT_ONCE)
    ids = list(await session.scalars(due))
    await session.execute(delete(Outage).where(Outage.id.in_(ids)))
    return len(ids)


_REMOVALS = {Kept.CALLS: _remove_calls, Kept.AUDIT: _remove_entries, Kept.OUTAGES: _remove_outages}
