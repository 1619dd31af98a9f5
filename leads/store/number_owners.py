"""Reads whose every number is, piece by piece, and which have changed since: for copies elsewhere (C9).

The statement is the call path's own, so that a copy cannot tell another owner than a call would find; only closed leads
are left out, which a call may reopen.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.people import Person
from leads.store.base import UtcDateTime
from leads.store.lookup import STATEMENT, owners_by_number
from leads.store.models import LeadChange, NumberChange, PhoneNumber

MOST_CHANGES = 200
"""How many changes are read at once."""

Owners = Mapping[str, tuple[Person, ...]]

_KNOWN = (
    "(SELECT DISTINCT number AS value FROM phone_number WHERE number > :after AND (on_active_lead OR lead_id IS NULL) "
    "ORDER BY number LIMIT :most) AS asked"
)
_GIVEN = {
    "sqlite": "json_each(:numbers) AS asked",
    "postgresql": "json_array_elements_text(CAST(:numbers AS json)) AS asked(value)",
}
_OLDEST_OPEN = text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)")


async def next_owners(session: AsyncSession, after: str, most: int) -> Owners:
    """The owners of the next `most` numbers (E.164) that anybody has, in the database's own order; empty at the end."""
    return await _owners(session, text(STATEMENT.format(asked=_KNOWN)), {"after": after, "most": most})


async def known_numbers(session: AsyncSession) -> set[str]:
    """All numbers that somebody has, and which a copy holds therefore."""
    known = PhoneNumber.on_active_lead | PhoneNumber.lead_id.is_(None)
    return set(await session.scalars(select(PhoneNumber.number).where(known).distinct()))


async def owners_of(session: AsyncSession, numbers: Collection[str]) -> Owners:
    """The owners of each of these numbers; () for one that nobody has."""
    given = _GIVEN[session.get_bind().dialect.name]
    return await _owners(session, text(STATEMENT.format(asked=given)), {"numbers": json.dumps(list(numbers))})


async def _owners(session: AsyncSession, statement: TextClause, values: Mapping[str, Any]) -> Owners:
    """Read the owners; closed leads have no place in a copy."""
    owners = owners_by_number((await session.execute(statement, values)).all())
    return {number: tuple(one for one in people if not one.closed) for number, people in owners.items()}


@dataclass(slots=True)
class ChangesRead:
    """How far somebody has read the changes; `seen` are those read already that would be read again."""

    position: int = 0
    seen: set[int] = field(default_factory=set)


async def read_from_now(session: AsyncSession) -> ChangesRead:
    """Begin to read changes: all that are not in the database yet."""
    if session.get_bind().dialect.name == "postgresql":
        return ChangesRead(await session.scalar(_OLDEST_OPEN) or 0)
    return ChangesRead(await session.scalar(select(NumberChange.id).order_by(NumberChange.id.desc()).limit(1)) or 0)


async def read_changes(session: AsyncSession, read: ChangesRead) -> Sequence[str]:
    """The numbers changed since, at most MOST_CHANGES changes; `read` moves on.

    On PostgreSQL a change can appear after one with a higher id, as its transaction ends later: so all notes of
    transactions that may have been open at the last reading are read again.
    """
    change = NumberChange
    if session.get_bind().dialect.name != "postgresql":
        rows = (
            await session.execute(
                select(change.id, change.number)
                .where(change.id > read.position)
                .order_by(change.id)
                .limit(MOST_CHANGES)
            )
        ).all()
        read.position = rows[-1].id if rows else read.position
        return list(dict.fromkeys(row.number for row in rows))
    oldest_open = await session.scalar(_OLDEST_OPEN) or 0
    found = (
        await session.execute(
            select(change.id, change.number)
            .where(change.xid >= read.position, change.id.not_in(read.seen))
            .order_by(change.xid, change.id)
            .limit(MOST_CHANGES)
        )
    ).all()
    if len(found) < MOST_CHANGES:
        await _move_on(session, read, oldest_open)
    read.seen.update(row.id for row in found)
    return list(dict.fromkeys(row.number for row in found))


async def _move_on(session: AsyncSession, read: ChangesRead, oldest_open: int) -> None:
    """Nothing more to read below the oldest open transaction: remember only what is above."""
    if oldest_open <= read.position:
        return
    read.position = oldest_open
    above = select(NumberChange.id).where(NumberChange.xid >= oldest_open)
    read.seen = set(await session.scalars(above)) & read.seen


async def clock_of_notes(session: AsyncSession) -> datetime:
    """What the clock says now by which changes are noted; on PostgreSQL it may be another machine's, and differ."""
    return (await session.execute(select(func.now(type_=UtcDateTime)))).scalar_one()


async def forget_changes(session: AsyncSession, before: datetime) -> None:
    """Remove what every reader has read long ago, of numbers and of leads; see `clock_of_notes`."""
    for note in (NumberChange, LeadChange):
        await session.execute(delete(note).where(note.at < before))
