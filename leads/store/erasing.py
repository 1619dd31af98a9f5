"""Erases a person: his cards and all that hangs on them, and every trace of him in calls and in the audit log (X5).

What is left is that calls took place, who of ours was on them and how long, without whom they were with. Tables that
refer to a card, whoever made them and whenever, are found by their foreign keys, so that none is forgotten.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, ForeignKey, Table, and_, delete, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.calls import Phase
from leads.store import audit
from leads.store.audit_table import AuditEntry
from leads.store.engine import lock_numbers
from leads.store.models import (
    Base,
    Call,
    ContactPerson,
    Counterparty,
    Lead,
    PhoneNumber,
    Recording,
    RoutingDecision,
)

LEAST_DIGITS = 6
"""Fewer digits are a short number of ours, no trace of a person."""


class CallRunsError(Exception):
    """A call with this person goes on at this moment: what it will write could not be erased before."""


@dataclass(frozen=True, slots=True)
class Traces:
    """All that is on record of one person: his cards, numbers, calls (Asterisk and linkedid) and recordings.

    `own_numbers` are those that nobody else has.
    """

    lead_ids: frozenset[int]
    counterparty_ids: frozenset[int]
    contact_ids: frozenset[int]
    numbers: frozenset[str]
    own_numbers: frozenset[str]
    calls: tuple[tuple[str, str], ...]
    recordings: tuple[tuple[int, str, str], ...]
    runs: bool


async def traces_of(session: AsyncSession, *, lead_id: int | None = None, counterparty_id: int | None = None) -> Traces:
    """Find what is on record of the person behind a card: a counterparty is also the leads that were closed to it."""
    counterparties = {counterparty_id} - {None}
    leads = {lead_id} - {None} | set(
        await session.scalars(select(Lead.id).where(Lead.counterparty_id.in_(counterparties)))
    )
    leads |= await _merged_into(session, leads)
    contacts = set(
        await session.scalars(select(ContactPerson.id).where(ContactPerson.counterparty_id.in_(counterparties)))
    )
    his = or_(
        PhoneNumber.lead_id.in_(leads),
        PhoneNumber.counterparty_id.in_(counterparties),
        PhoneNumber.contact_person_id.in_(contacts),
    )
    numbers = {*await session.scalars(select(PhoneNumber.number).where(his))}
    numbers |= {*await session.scalars(select(Lead.main_number).where(Lead.id.in_(leads)))} - {""}
    shared = set(await session.scalars(select(PhoneNumber.number).where(PhoneNumber.number.in_(numbers), ~his)))
    with_him = or_(
        Call.lead_id.in_(leads),
        Call.counterparty_id.in_(counterparties),
        and_(Call.outside_number.in_(numbers - shared), Call.lead_id.is_(None), Call.counterparty_id.is_(None)),
    )
    rows = (await session.execute(select(Call.pbx, Call.linkedid, Call.phase).where(with_him))).all()
    calls = tuple((row.pbx, row.linkedid) for row in rows)
    files = select(Recording.id, Recording.pbx, Recording.path).where(
        tuple_(Recording.pbx, Recording.linkedid).in_(calls), Recording.deleted_at.is_(None)
    )
    return Traces(
        frozenset(key for key in leads if key is not None),
        frozenset(key for key in counterparties if key is not None),
        frozenset(contacts),
        frozenset(numbers),
        frozenset(numbers - shared),
        calls,
        tuple((row[0], row[1], row[2]) for row in await session.execute(files)),
        runs=any(row.phase is not Phase.ENDED for row in rows),
    )


async def _merged_into(session: AsyncSession, leads: Collection[int | None]) -> set[int | None]:
    """Leads that became these by merging, and those that became them."""
    found: set[int | None] = set()
    table = Lead.metadata.tables["lead"]
    for key in _references(table, {"lead"}):
        new: set[int | None] = set(leads)
        while new := {*await session.scalars(select(Lead.id).where(key.parent.in_(new)))} - found:
            found |= new
    return found


async def erase(session: AsyncSession, traces: Traces, now: datetime) -> None:
    """Erase a person; his recordings' files are deleted before.

    Raises:
        CallRunsError: one of his calls runs.
    """
    if traces.runs:
        raise CallRunsError
    connection = await session.connection()
    await connection.run_sync(_erase, traces, now)
    for kind, keys in (("lead", traces.lead_ids), ("counterparty", traces.counterparty_ids)):
        for key in sorted(keys):
            await audit.note(session, audit.What.ERASED, kind, key)


def _erase(connection: Connection, traces: Traces, now: datetime) -> None:
    lock_numbers(connection, traces.numbers)
    _empty_calls(connection, traces)
    cards = (
        (Lead.metadata.tables["lead"], traces.lead_ids),
        (ContactPerson.metadata.tables["contact_person"], traces.contact_ids),
        (Counterparty.metadata.tables["counterparty"], traces.counterparty_ids),
    )
    for table, keys in cards:
        _remove_what_refers_to(connection, table, keys)
    for table, keys in cards:
        connection.execute(delete(table).where(table.c.id.in_(keys)))
    connection.execute(
        update(AuditEntry)
        .where(
            or_(
                AuditEntry.lead_id.in_(traces.lead_ids),
                AuditEntry.counterparty_id.in_(traces.counterparty_ids),
            ),
            AuditEntry.erased_at.is_(None),
        )
        .values(before={}, after={}, erased_at=now)
    )


def _empty_calls(connection: Connection, traces: Traces) -> None:
    """Leave of each call what is ours; and of others that touched him (a consultation) no number of his."""
    connection.execute(
        delete(RoutingDecision).where(tuple_(RoutingDecision.pbx, RoutingDecision.linkedid).in_(traces.calls))
    )
    call = Call.metadata.tables["call"]
    whole = tuple_(call.c.pbx, call.c.linkedid).in_(traces.calls)
    part = or_(
        tuple_(call.c.pbx, call.c.parent_linkedid).in_(traces.calls), call.c.outside_number.in_(traces.own_numbers)
    )
    rows = connection.execute(select(call).where(or_(whole, part))).mappings().all()
    his_ids = [row["id"] for row in rows if (row["pbx"], row["linkedid"]) in traces.calls]
    _remove_what_refers_to(connection, call, his_ids)  # notes on them
    # He may have called from numbers that his card has no more.
    numbers = traces.numbers | {
        row["outside_number"] for row in rows if (row["pbx"], row["linkedid"]) in traces.calls and row["outside_number"]
    }
    for row in rows:
        his = (row["pbx"], row["linkedid"]) in traces.calls
        around = his or (row["pbx"], row["parent_linkedid"]) in traces.calls
        emptied: dict[str, Any] = {
            name: _without(row[name], numbers if around else traces.own_numbers)
            for name in ("caller", "dialled", "outside_number", "legs", "transfers")
        }
        if his:
            emptied |= {"caller_name": None, "lead_id": None, "counterparty_id": None, "contact_person_id": None}
            emptied["halves"] = None
        connection.execute(update(call).where(call.c.id == row["id"]).values(**emptied))


def _without(value: Any, numbers: Iterable[str]) -> Any:
    """A value of a call's row with the person's numbers left out, in whatever writing."""
    if isinstance(value, list):
        return [_without(item, numbers) for item in value]
    if isinstance(value, dict):
        return {key: _without(item, numbers) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    digits = "".join(letter for letter in value if letter.isdigit()).lstrip("0")
    if len(digits) < LEAST_DIGITS:
        return value
    return None if any(number.endswith(digits[-9:]) for number in numbers) else value


def _references(target: Table, within: Collection[str] | None = None) -> list[ForeignKey]:
    """The foreign keys that lead to a table."""
    tables: Sequence[Table] = Base.metadata.sorted_tables
    return [
        key
        for table in tables
        if within is None or table.name in within
        for key in table.foreign_keys
        if key.column.table is target
    ]


KEPT_TABLES = {"call", "lead", "counterparty", "contact_person"}
"""Calls stay, emptied; cards are removed by themselves, after all that refers to them."""


def _remove_what_refers_to(connection: Connection, table: Table, keys: Collection[int]) -> None:
    for key in _references(table):
        owner = key.parent.table
        chosen = key.parent.in_(keys)
        if owner.name in KEPT_TABLES:
            if key.parent.nullable:
                connection.execute(update(owner).where(chosen).values({key.parent.name: None}))
        else:
            primary = list(owner.primary_key.columns)
            rows = [row[0] for row in connection.execute(select(primary[0]).where(chosen))]
            if len(primary) == 1 and rows:
                _remove_what_refers_to(connection, owner, rows)
            connection.execute(delete(owner).where(chosen))
