"""Erases a person: his cards and all that hangs on them, and every trace of him in calls and in the audit log (X5).

What is left is that calls took place, who of ours was on them and how long, without whom they were with. Tables that
refer to a card, whoever made them and whenever, are found by their foreign keys, so that none is forgotten.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, islice, product
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    ForeignKey,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    false,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.calls import Phase
from leads.store import audit
from leads.store.audit_table import AuditEntry
from leads.store.engine import lock_key, lock_numbers
from leads.store.import_tables import ImportRefusal
from leads.store.lock_order import lock_persons
from leads.store.models import (
    Base,
    Call,
    Change,
    ContactPerson,
    Counterparty,
    Lead,
    PhoneNumber,
    Recording,
    RoutingDecision,
)

LEAST_DIGITS = 6
"""Fewer digits are a short number of ours, no trace of a person."""
MOST_DIGITS = 9
"""What is before them is a country, or a way out."""
LEAST_LETTERS = 3
"""A shorter name is part of too many words."""
AT_ONCE = 1000
"""Keys in one statement: PostgreSQL takes 32,767 values."""
PARSED_AT_ONCE = 200
_GONE = dict.fromkeys(("caller_name", "lead_id", "counterparty_id", "contact_person_id", "halves"))
T = TypeVar("T")


class CallRunsError(Exception):
    """A call with this person goes on at this moment: what it will write could not be erased before."""


class ChangedMeanwhileError(Exception):
    """Something has come to the person since it was looked for; look for it again."""


@dataclass(frozen=True, slots=True)
class Traces:
    """All that is on record of one person: his cards, numbers, calls (Asterisk and linkedid) and recordings.

    `lead_id` or `counterparty_id` is the card that was asked for; `own_numbers` are those that nobody else has.
    """

    lead_id: int | None
    counterparty_id: int | None
    lead_ids: frozenset[int]
    counterparty_ids: frozenset[int]
    contact_ids: frozenset[int]
    numbers: frozenset[str]
    own_numbers: frozenset[str]
    calls: frozenset[tuple[str, str]]
    recordings: tuple[tuple[int, str, str], ...]
    runs: bool

    def holds(self, now: "Traces") -> bool:
        """Whether there is nothing of the person `now` that is not among these; recordings go before the cards."""
        known, present = (replace(one, recordings=(), runs=False) for one in (self, now))
        return known == present and set(now.recordings) <= set(self.recordings)


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
    calls = frozenset((row.pbx, row.linkedid) for row in rows)
    return Traces(
        lead_id,
        counterparty_id,
        frozenset(key for key in leads if key is not None),
        frozenset(key for key in counterparties if key is not None),
        frozenset(contacts),
        frozenset(numbers),
        frozenset(numbers - shared),
        calls,
        tuple([one async for one in _recordings(session, calls)]),
        runs=any(row.phase is not Phase.ENDED for row in rows),
    )


async def _recordings(session: AsyncSession, calls: Iterable[tuple[str, str]]) -> AsyncIterator[tuple[int, str, str]]:
    for pbx, linkedids in _by_pbx(calls):
        kept = Recording.pbx == pbx, Recording.linkedid.in_(linkedids), Recording.deleted_at.is_(None)
        for row in await session.execute(select(Recording.id, Recording.pbx, Recording.path).where(*kept)):
            yield row[0], row[1], row[2]


@dataclass(frozen=True, slots=True)
class Mentions:
    """Where else he is named, by key: refused rows of imports, and lines of history and of the audit log."""

    refusals: frozenset[int]
    changes: frozenset[int]
    entries: frozenset[int]


async def mentions_of(session: AsyncSession, traces: Traces) -> Mentions:
    """Look through texts for a person's numbers and, in refused rows, his names; it takes long, so do it in a read."""
    endings = {number.lstrip("+")[-MOST_DIGITS:] for number in traces.own_numbers}
    endings = {ending for ending in endings if len(ending) >= LEAST_DIGITS}
    names: set[str] = set()
    for table, keys in ((Lead, traces.lead_ids), (Counterparty, traces.counterparty_ids)):
        names |= {*await session.scalars(select(table.name).where(table.id.in_(keys)))}
    names |= {*await session.scalars(select(ContactPerson.name).where(ContactPerson.id.in_(traces.contact_ids)))}
    names = {name for name in names if len(name) >= LEAST_LETTERS}

    async def found(key: Any, columns: Sequence[Any], words: Collection[str] = ()) -> frozenset[int]:
        hits = [_plain(column).contains(ending) for column in columns for ending in endings]
        hits += [column.contains(word, autoescape=True) for column in columns for word in words]
        return frozenset(await session.scalars(select(key).where(or_(false(), *hits))))

    return Mentions(
        await found(ImportRefusal.id, (ImportRefusal.name, ImportRefusal.reason), names),
        await found(Change.id, (Change.before, Change.after)),
        await found(AuditEntry.id, (cast(AuditEntry.before, Text), cast(AuditEntry.after, Text))),
    )


def _plain(column: Any) -> Any:
    """A text without what people write between the digits of a number."""
    for between in (" ", "\u00a0", "-", "(", ")"):
        column = func.replace(column, between, "", type_=Text)
    return column


async def _merged_into(session: AsyncSession, leads: Collection[int | None]) -> set[int | None]:
    """Leads that became these by merging, and those that became them."""
    found: set[int | None] = set()
    table = Lead.metadata.tables["lead"]
    for key in _references(table, {"lead"}):
        new: set[int | None] = set(leads)
        while new := {*await session.scalars(select(Lead.id).where(key.parent.in_(new)))} - found:
            found |= new
    return found


async def erase(session: AsyncSession, traces: Traces, mentions: Mentions, now: datetime) -> None:
    """Erase a person, and what mentions him; his recordings' files are deleted before.

    Raises:
        CallRunsError: one of his calls runs.
        ChangedMeanwhileError: there is more of him than `traces` has, such as a lead that was closed to him just now.
    """
    connection = await session.connection()
    await connection.run_sync(_hold, traces)
    present = await traces_of(session, lead_id=traces.lead_id, counterparty_id=traces.counterparty_id)
    if traces.runs or present.runs:
        raise CallRunsError
    if not traces.holds(present):
        raise ChangedMeanwhileError
    await connection.run_sync(_erase, traces, now)
    await connection.run_sync(_forget_mentions, mentions, now)
    for kind, keys in (("lead", traces.lead_ids), ("counterparty", traces.counterparty_ids)):
        for key in sorted(keys):
            await audit.note(session, audit.What.ERASED, kind, key)


def _hold(connection: Connection, traces: Traces) -> None:
    """Keep calls and people from his numbers and cards, and others from erasing: two may be named in the same lines."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key("erasing")})
    lock_numbers(connection, traces.numbers)
    lock_persons(connection, traces.lead_ids, traces.counterparty_ids)


def _erase(connection: Connection, traces: Traces, now: datetime) -> None:
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


def _forget_mentions(connection: Connection, mentions: Mentions, now: datetime) -> None:
    for some in _some(mentions.refusals):
        connection.execute(delete(ImportRefusal).where(ImportRefusal.id.in_(some)))
    for some in _some(mentions.changes):
        connection.execute(update(Change).where(Change.id.in_(some)).values(before="", after=""))
    for some in _some(mentions.entries):
        emptied = update(AuditEntry).where(AuditEntry.id.in_(some), AuditEntry.erased_at.is_(None))
        connection.execute(emptied.values(before={}, after={}, erased_at=now))


def _empty_calls(connection: Connection, traces: Traces) -> None:
    """Leave of each call what is ours; and of others that touched him (a consultation) no number of his."""
    call = Call.metadata.tables["call"]
    his: dict[int, str | None] = {}
    around: set[int] = set()
    for pbx, linkedids in _by_pbx(traces.calls):
        connection.execute(
            delete(RoutingDecision).where(RoutingDecision.pbx == pbx, RoutingDecision.linkedid.in_(linkedids))
        )
        whole = select(call.c.id, call.c.outside_number).where(call.c.pbx == pbx, call.c.linkedid.in_(linkedids))
        his |= {row.id: row.outside_number for row in connection.execute(whole)}
        within = call.c.pbx == pbx, call.c.parent_linkedid.in_(linkedids)
        around |= {*connection.scalars(select(call.c.id).where(*within))}
    others = {*connection.scalars(select(call.c.id).where(call.c.outside_number.in_(traces.own_numbers)))}
    _remove_what_refers_to(connection, call, his.keys())  # notes on them
    # He may have called from numbers that his card has no more.
    numbers = traces.numbers | {number for number in his.values() if number}
    _empty(connection, his.keys(), numbers, _GONE)
    _empty(connection, around - his.keys(), numbers, {})
    _empty(connection, others - around - his.keys(), traces.own_numbers, {})


def _empty(connection: Connection, ids: Iterable[int], numbers: Iterable[str], gone: Mapping[str, None]) -> None:
    """Leave the numbers out of calls, and all that is in `gone`; few at a time, since others wait for their parsing."""
    call, endings = Call.metadata.tables["call"], _endings(numbers)
    columns = [call.c[name] for name in ("caller", "dialled", "outside_number", "answered_by", "legs", "transfers")]
    for some in _some(ids, PARSED_AT_ONCE):
        rows = connection.execute(select(call.c.id, *columns).where(call.c.id.in_(some))).mappings().all()
        emptied = [
            {"row": row["id"], **gone} | {column.name: _without(row[column.name], endings) for column in columns}
            for row in rows
        ]
        connection.execute(update(call).where(call.c.id == bindparam("row")), emptied)


def _by_pbx(calls: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """Keys of calls by their Asterisk, no more at a time than a statement takes."""
    for pbx, keys in groupby(sorted(calls), key=lambda key: key[0]):
        for some in _some(linkedid for _pbx, linkedid in keys):
            yield pbx, some


def _some(things: Iterable[T], count: int = AT_ONCE) -> Iterator[list[T]]:
    rest = iter(things)
    while some := list(islice(rest, count)):
        yield some


def _endings(numbers: Iterable[str]) -> frozenset[str]:
    """How the numbers may end in whatever writing, without what is before the national number."""
    return frozenset(number[-length:] for number in numbers for length in range(LEAST_DIGITS, MOST_DIGITS + 1))


def _without(value: Any, endings: frozenset[str]) -> Any:
    """A value of a call's row with the numbers of these endings left out, in whatever writing."""
    if isinstance(value, list):
        return [_without(item, endings) for item in value]
    if isinstance(value, dict):
        return {key: _without(item, endings) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    digits = "".join(letter for letter in value if letter.isdigit()).lstrip("0")
    return None if len(digits) >= LEAST_DIGITS and digits[-MOST_DIGITS:] in endings else value


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
    for key, some in product(_references(table), list(_some(keys))):
        owner = key.parent.table
        chosen = key.parent.in_(some)
        if owner.name in KEPT_TABLES:
            if key.parent.nullable:
                connection.execute(update(owner).where(chosen).values({key.parent.name: None}))
        else:
            primary = list(owner.primary_key.columns)
            rows = [row[0] for row in connection.execute(select(primary[0]).where(chosen))]
            if len(primary) == 1 and rows:
                _remove_what_refers_to(connection, owner, rows)
            connection.execute(delete(owner).where(chosen))
