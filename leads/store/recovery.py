"""How far Asterisk's own call records were read, when Leadline was last alive, and the outages on record (C3)."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, text, union_all, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.calls import Phase
from leads.store.engine import Database
from leads.store.models import Call, Outage, OutageKind, Recovery

EVERY_PBX = ""
"""Stands for all Asterisk servers, where Leadline itself or its database was away."""
MOST_OUTAGES = 200


@dataclass(frozen=True, slots=True)
class Stand:
    """How far a source was read: all calls before `place` are recorded."""

    source: str
    place: Any


@dataclass(frozen=True, slots=True)
class OutageLine:
    """One outage as the panel lists it; `recovered` calls touched it and are told by what Asterisk kept."""

    pbx: str
    kind: OutageKind
    started_at: datetime
    ended_at: datetime | None
    recovered: int


async def stand_of(session: AsyncSession, pbx: str) -> Stand | None:
    """How far the records of an Asterisk were read; None when never."""
    row = await session.get(Recovery, pbx)
    return Stand(row.source, row.place) if row is not None and row.source is not None else None


async def keep_stand(database: Database, pbx: str, stand: Stand, now: datetime) -> None:
    """Remember how far the records were read; only when what they tell has been stored."""
    await _keep(database, pbx, source=stand.source[:500], place=stand.place, read_to=now)


async def last_alive(session: AsyncSession) -> datetime | None:
    """When any Leadline on this database was alive last."""
    alive: datetime | None = await session.scalar(select(Recovery.alive_at).where(Recovery.pbx == EVERY_PBX))
    return alive


async def keep_alive(database: Database, now: datetime) -> None:
    """Note that Leadline is alive."""
    await _keep(database, EVERY_PBX, alive_at=now)


async def _keep(database: Database, pbx: str, **values: Any) -> None:
    insert = postgresql.insert if database.dialect == "postgresql" else sqlite.insert
    statement = insert(Recovery).values(pbx=pbx, **values)
    async with database.write() as session:
        await session.execute(statement.on_conflict_do_update(index_elements=[Recovery.pbx], set_=values))


async def recorded_whole(session: AsyncSession, pbx: str, linkedids: Collection[str]) -> set[str]:
    """Those of the calls that are on record from their beginning to their end."""
    return set(
        await session.scalars(
            select(Call.linkedid).where(
                Call.pbx == pbx, Call.linkedid.in_(linkedids), Call.phase == Phase.ENDED, Call.incomplete.is_(False)
            )
        )
    )


async def last_heard_call(session: AsyncSession, pbx: str) -> datetime | None:
    """When the last call ended that live events told."""
    heard: datetime | None = await session.scalar(
        select(Call.ended_at)
        .where(Call.pbx == pbx, Call.phase == Phase.ENDED, Call.recovered.is_(False), Call.incomplete.is_(False))
        .order_by(Call.started_at.desc())
        .limit(1)
    )
    return heard


async def begin_outage(database: Database, pbx: str, kind: OutageKind, at: datetime) -> None:
    """Note that something is away; nothing when that is noted and lasts."""
    async with database.write() as session:
        if await session.scalar(_lasting(pbx, kind).limit(1)) is None:
            session.add(Outage(pbx=pbx, kind=kind, started_at=at))


async def end_outage(database: Database, pbx: str, kind: OutageKind, at: datetime) -> None:
    """Note that it is back."""
    async with database.write() as session:
        await session.execute(update(Outage).where(Outage.id.in_(_lasting(pbx, kind))).values(ended_at=at))


async def add_outage(database: Database, pbx: str, kind: OutageKind, start: datetime, end: datetime) -> None:
    """Note an outage that is over; one that is noted for the same time grows instead."""
    async with database.write() as session:
        known = await session.scalar(
            select(Outage)
            .where(Outage.pbx == pbx, Outage.kind == kind, Outage.started_at <= end)
            .where(or_(Outage.ended_at.is_(None), Outage.ended_at >= start))
            .order_by(Outage.started_at)
            .limit(1)
        )
        if known is None:
            session.add(Outage(pbx=pbx, kind=kind, started_at=start, ended_at=end))
        else:
            known.started_at = min(known.started_at, start)
            known.ended_at = max(known.ended_at or end, end)


def _lasting(pbx: str, kind: OutageKind) -> Any:
    return select(Outage.id).where(Outage.pbx == pbx, Outage.kind == kind, Outage.ended_at.is_(None))


_Times = tuple[list[datetime], list[datetime]]
"""When calls began, and when they ended, each in order."""


async def outages(session: AsyncSession) -> Sequence[OutageLine]:
    """The outages, the last first, each with the calls of its time that were recovered."""
    newest = select(Outage).order_by(Outage.started_at.desc(), Outage.id.desc()).limit(MOST_OUTAGES)
    rows = (await session.scalars(newest)).all()
    recovered = await _recovered_since(session, min(row.started_at for row in rows)) if rows else {}
    return [
        OutageLine(row.pbx, row.kind, row.started_at, row.ended_at, _touching(recovered.get(row.pbx, ([], [])), row))
        for row in rows
    ]


async def _recovered_since(session: AsyncSession, first: datetime) -> dict[str, _Times]:
    """The times of the recovered calls that had not ended before `first`, by Asterisk.

    They are read once for all outages, from the index of recovered calls. SQLite takes that only where the condition
    is written as the index has it, and not for two ranges at once.
    """
    times = select(Call.pbx, Call.started_at, func.coalesce(Call.ended_at, Call.started_at)).where(
        text("call.recovered")
    )
    ended = times.where(Call.ended_at >= first)
    lasting = times.where(Call.ended_at.is_(None), Call.started_at >= first)
    found: dict[str, _Times] = {}
    for pbx, begin, end in await session.execute(union_all(ended, lasting)):
        for key in (pbx, EVERY_PBX):
            begins, ends = found.setdefault(key, ([], []))
            begins.append(begin)
            ends.append(end)
    for begins, ends in found.values():
        begins.sort()
        ends.sort()
    return found


def _touching(calls: _Times, outage: Outage) -> int:
    """How many of these calls there were while it lasted: those begun by its end without those that ended before it."""
    begins, ends = calls
    begun = len(begins) if outage.ended_at is None else bisect_right(begins, outage.ended_at)
    # Less than none: of an outage in which the clock was set back.
    return max(0, begun - bisect_left(ends, outage.started_at))
