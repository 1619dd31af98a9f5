"""Fills a database with a company's year, always the same: employees, sources, our numbers, leads with a past, calls.

    python -m bench.year sqlite+aiosqlite:////tmp/year.db 200000 1000000

Half of the leads were made within the year; each seventh was closed to a counterparty in it, and each third was
something else before. Of the calls three of ten go out, seven of ten are answered, and one of twenty is with nobody.
"""

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import asyncpg
from sqlalchemy import make_url

from bench.seed import number_of, plain, seed, without_indexes, without_indexes_on_postgres
from leads.store.engine import Database
from leads.store.migrate import upgrade_database
from leads.store.models import Did, Employee, Extension, Source

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 1, tzinfo=UTC)
_SECONDS = int((END - BEGIN).total_seconds())
PEOPLE, SOURCES, DIDS = 20, 8, 10
CHUNK = 20_000
_LEGS = json.dumps([{"endpoint": "PJSIP/101-00000012", "number": "101", "result": "answered", "kind": "rang"}])
_CALL = (
    *("pbx", "linkedid", "role", "phase", "progress", "direction", "caller", "dialled", "outside_number", "did"),
    *("source_id", "result", "answered_by", "employee_id", "lead_id", "started_at", "answered_at", "ended_at"),
    *("ring_seconds", "talk_seconds", "transfers", "legs", "incomplete", "recovered"),
)
_FILLED = ("call", "lead", "lead_past", "phone_number")
_PAST = ("lead_id", "until", "status_id", "responsible_id", "closed")


def call_rows(count: int, leads: int) -> Iterator[tuple[Any, ...]]:
    """Calls in the order in which they began."""
    for index in range(count):
        lead = index * 7919 % leads
        chance = index * 2_654_435_761 % 2**32 >> 6
        out, answered, nobody = chance % 10 < 3, chance // 10 % 10 < 7, chance // 100 % 20 == 7
        began = BEGIN + timedelta(seconds=index * _SECONDS // count)
        number, did = number_of(lead), f"+3804412345{chance // 2000 % DIDS:02}"
        yield (
            *("bench", f"{index}.1", "call", 3, 9, "outbound" if out else "inbound"),
            *("101" if out else number, number if out else did, number, None if out else did),
            *(None if out else chance // 2000 % DIDS % SOURCES + 1, "answered" if answered else "no-answer"),
            *("101" if answered else None, chance // 20_000 % PEOPLE + 1 if answered or out else None),
            *(None if nobody else lead + 1, began, began + timedelta(seconds=9) if answered else None),
            *(began + timedelta(seconds=100), 9.0 + index % 7, 91.0 if answered else 0.0),
            *("[]", _LEGS, False, False),
        )


def past_rows(leads: int) -> Iterator[tuple[Any, ...]]:
    """What each third lead was before."""
    for lead in range(0, leads, 3):
        until = BEGIN + timedelta(seconds=lead * 31 % (_SECONDS * 2))
        yield (lead + 1, until, lead % 4 + 1, lead % PEOPLE + 1, False)


async def seed_year(url: str, leads: int, calls: int) -> None:
    """Fill an empty database."""
    database = Database(url)
    await upgrade_database(database)
    async with database.write() as session:
        for key in range(1, PEOPLE + 1):
            session.add(Employee(id=key, name=f"Employee {key}", created_at=BEGIN))
        session.add_all(Source(id=key, name=f"Source {key}") for key in range(1, SOURCES + 1))
        await session.flush()
        session.add_all(
            Extension(number=f"{100 + key}", endpoint=f"PJSIP/{100 + key}", employee_id=key)
            for key in range(1, PEOPLE + 1)
        )
        session.add_all(
            Did(number=f"+3804412345{key:02}", source_id=key % SOURCES + 1, responsible_id=key + 1)
            for key in range(DIDS)
        )
    await database.dispose()
    await seed(url, leads)
    if make_url(url).get_backend_name() == "postgresql":
        await _fill_postgres(url, leads, calls)
    else:
        await asyncio.to_thread(_fill_sqlite, str(make_url(url).database), leads, calls)


_CLOSE = """
UPDATE lead SET closed_at = {moment}, updated_at = {moment}, counterparty_id = id % {companies} + 1
WHERE id % 7 = 0 AND id > {leads} / 2
"""
_MADE = "UPDATE lead SET created_at = {moment}, source_id = id % {sources} + 1"

_LET_GO = (
    "UPDATE phone_number SET on_active_lead = FALSE WHERE lead_id IN (SELECT id FROM lead WHERE closed_at IS NOT NULL)"
)
_CLOSED_AT = f"CAST(id AS BIGINT) * 101 % {_SECONDS}"


def _made_at(leads: int) -> str:
    """So many seconds after BEGIN: half of them before it."""
    return f"CAST(id AS BIGINT) * {2 * _SECONDS} / {leads} - {_SECONDS}"


def _fill_sqlite(path: str, leads: int, calls: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-200000")
    connection.execute("BEGIN IMMEDIATE")
    moment = f"strftime('%Y-%m-%d %H:%M:%f000', '{BEGIN:%Y-%m-%d}', ({{0}}) || ' seconds')"
    made, closed = (moment.format(seconds) for seconds in (_made_at(leads), _CLOSED_AT))
    with without_indexes(connection, _FILLED):
        connection.execute(_MADE.format(moment=made, sources=SOURCES))
        connection.execute(_CLOSE.format(moment=f"max(created_at, {closed})", companies=leads // 50, leads=leads))
        for table, columns, rows in (("call", _CALL, call_rows(calls, leads)), ("lead_past", _PAST, past_rows(leads))):
            _insert(connection, table, columns, rows)
        connection.execute(_LET_GO)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _insert(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    connection.executemany(statement, (tuple(map(plain, row)) for row in rows))


async def _fill_postgres(url: str, leads: int, calls: int) -> None:
    parts = make_url(url)
    connection = await asyncpg.connect(**parts.translate_connect_args(username="user"), **parts.query)
    await connection.execute(
        "SET synchronous_commit = off; SET session_replication_role = replica; SET maintenance_work_mem = '512MB'"
    )
    moment = f"timestamptz '{BEGIN:%Y-%m-%d} UTC' + interval '1 second' * ({{0}})"
    made, closed = (moment.format(seconds) for seconds in (_made_at(leads), _CLOSED_AT))
    async with connection.transaction(), without_indexes_on_postgres(connection, _FILLED):
        await connection.execute(_MADE.format(moment=made, sources=SOURCES))
        await connection.execute(
            _CLOSE.format(moment=f"greatest(created_at, {closed})", companies=leads // 50, leads=leads)
        )
        for table, columns, rows in (("call", _CALL, call_rows(calls, leads)), ("lead_past", _PAST, past_rows(leads))):
            while chunk := list(islice(rows, CHUNK)):
                await connection.copy_records_to_table(table, columns=columns, records=chunk)
        await connection.execute(_LET_GO)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def main(url: str, leads: int, calls: int) -> None:
    """Fill the database that the command line names."""
    begin = time.monotonic()
    asyncio.run(seed_year(url, leads, calls))
    print(f"{leads} leads and {calls} calls in {time.monotonic() - begin:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
