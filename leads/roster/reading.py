"""Reads leads for the roster: all of them piece by piece, and those of which triggers noted that they changed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from leads.roster.snapshot import MERGED, NEVER, ListedLead
from leads.store.models import LeadChange

_NOBODY: frozenset[int] = frozenset()
MOST_CHANGES = 20_000
"""Who has missed more of them reads all leads anew."""

Position = int | str
"""How far notes are read: on SQLite the last one's id, on PostgreSQL which transactions had ended (a pg_snapshot)."""

_ENDED = text("SELECT CAST(pg_current_snapshot() AS text)")
_ENDED_SINCE = text(
    "SELECT DISTINCT lead_id FROM lead_change, CAST(CAST(:position AS text) AS pg_snapshot) AS seen "
    "WHERE xid >= CAST(CAST(pg_snapshot_xmin(seen) AS text) AS bigint) "
    "AND NOT pg_visible_in_snapshot(CAST(CAST(xid AS text) AS xid8), seen) LIMIT :most"
)
_MICROSECONDS = {
    # Seconds alone: of more SQLite makes thousandths, which it rounds.
    "sqlite": "CAST(strftime('%s', substr({0}, 1, 19)) AS INTEGER) * 1000000 + CAST(substr({0}, 21, 6) AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM {0}) * 1000000 AS bigint)",
}
_LEADS = (
    "SELECT id, CASE WHEN merged_into_id IS NULL THEN list_state ELSE {merged} END, status_id, "
    "coalesce(responsible_id, 0), coalesce(source_id, 0), coalesce(counterparty_id, 0), {created}, {last_call}, "
    "sort_name, main_number, search_text "
    "FROM lead WHERE {which} ORDER BY id"
)
_OTHER_NUMBERS = "SELECT lead_id, number FROM phone_number WHERE position > 0 AND {which} ORDER BY lead_id, id"
_WORKERS = (
    "SELECT lead_id, employee_id FROM call WHERE lead_id IN :ids AND employee_id IS NOT NULL "
    "UNION SELECT lead_id, employee_id FROM task WHERE lead_id IN :ids AND employee_id IS NOT NULL AND done_at IS NULL"
)
_WORKED_ON = text(
    "SELECT lead_id FROM call WHERE employee_id = :who AND lead_id > :after "
    "UNION SELECT lead_id FROM task WHERE employee_id = :who AND lead_id > :after AND done_at IS NULL "
    "ORDER BY lead_id LIMIT :most"
)
_END_OF_PIECE = text("SELECT max(id) FROM (SELECT id FROM lead WHERE id > :after ORDER BY id LIMIT :most) AS piece")
_AMONG = ("id IN :ids", "lead_id IN :ids")
_AFTER = ("id > :after AND id <= :until", "lead_id > :after AND lead_id <= :until")


async def end_of_piece(session: AsyncSession, after: int, most: int) -> int | None:
    """The last id of the next `most` leads after one, however far apart their ids are; None after the last lead."""
    last: int | None = await session.scalar(_END_OF_PIECE, {"after": after, "most": most})
    return last


async def read_piece(session: AsyncSession, after: int, until: int) -> Sequence[ListedLead]:
    """The leads whose ids are greater than `after` and at most `until`, by id, without those who worked on them."""
    return await _read(session, _AFTER, {"after": after, "until": until})


async def read_some(session: AsyncSession, ids: Collection[int]) -> Mapping[int, ListedLead | None]:
    """Some leads as they are now, None for those that have gone."""
    wanted = sorted(ids)
    found: dict[int, ListedLead | None] = dict.fromkeys(wanted)
    for begin in range(0, len(wanted), 500):
        values = {"ids": wanted[begin : begin + 500]}
        workers: dict[int, set[int]] = {}
        for lead, who in await session.execute(_with(_WORKERS, values), values):
            workers.setdefault(lead, set()).add(who)
        for one in await _read(session, _AMONG, values):
            found[one.id] = one._replace(workers=frozenset(workers.get(one.id, ())))
    return found


async def read_worked_on(session: AsyncSession, who: int, after: int, most: int) -> Sequence[int]:
    """The next `most` leads after one that an employee talked with, or has something to do about, by id."""
    return (await session.scalars(_WORKED_ON, {"who": who, "after": after, "most": most})).all()


async def _read(session: AsyncSession, which: tuple[str, str], values: Mapping[str, Any]) -> list[ListedLead]:
    moment = _MICROSECONDS[session.get_bind().dialect.name]
    columns = {"created": moment.format("created_at"), "last_call": moment.format("last_call_at")}
    leads = await session.execute(_with(_LEADS.format(which=which[0], merged=MERGED, **columns), values), values)
    others: dict[int, list[str]] = {}
    for owner, number in await session.execute(_with(_OTHER_NUMBERS.format(which=which[1]), values), values):
        others.setdefault(owner, []).append(number)
    found: list[ListedLead] = []
    for row in leads:
        last_call = NEVER if row[7] is None else row[7]
        numbers = "\n".join(others.get(row[0], ()))
        found.append(ListedLead._make((*row[:7], last_call, *row[8:], numbers, _NOBODY)))
    return found


def _with(statement: str, values: Mapping[str, Any]) -> TextClause:
    return text(statement).bindparams(*(bindparam(name, expanding=name == "ids") for name in values))


async def position_now(session: AsyncSession) -> Position:
    """How far changes are noted now: what is noted later is read by `changed_since`."""
    if session.get_bind().dialect.name == "postgresql":
        return await session.scalar(_ENDED) or ""
    return await session.scalar(select(LeadChange.id).order_by(LeadChange.id.desc()).limit(1)) or 0


async def changed_since(session: AsyncSession, position: Position) -> tuple[set[int], Position]:
    """The leads that changed since, more than MOST_CHANGES of them perhaps not all, and the position to go on from.

    On PostgreSQL a note can appear after a later one, as its transaction ends later. So it is asked which transactions
    have ended since, however long another one stays open.
    """
    if session.get_bind().dialect.name == "postgresql":
        following = await position_now(session)
        values = {"position": position, "most": MOST_CHANGES + 1}
        return set(await session.scalars(_ENDED_SINCE, values)), following
    rows = (
        await session.execute(
            select(LeadChange.lead_id, func.max(LeadChange.id))
            .where(LeadChange.id > position)
            .group_by(LeadChange.lead_id)
            .limit(MOST_CHANGES + 1)
        )
    ).all()
    return {row[0] for row in rows}, max((row[1] for row in rows), default=position)
