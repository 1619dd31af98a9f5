"""Fills a database with as many leads as a bench needs, always the same ones, in about a minute for a million.

    python -m bench.seed sqlite+aiosqlite:////tmp/bench.db 1000000

Lead number `index` (from 0) has the outside number `number_of(index)`. Every employee that is there already is
responsible for his share. Indexes and the search index are taken away first and built again in one go.
"""

import argparse
import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any

import asyncpg
from sqlalchemy import make_url

from leads.store.engine import Database
from leads.store.migrate import upgrade_database
from leads.store.models import Counterparty, Lead, PhoneNumber
from leads.store.search import search_text, sort_key

SURNAMES = """
    Щербань Шевченко Коваленко Бондаренко Ткаченко Кравченко Олійник Ковальчук Коваль Поліщук Бойко Мельник Лисенко
    Марченко Савченко Руденко Петренко Клименко Павленко Кравчук Левченко Кузьменко Харченко Гончаренко Мороз
    Сидоренко Гаврилюк Мазур Щербак Яценко Юрченко Згурський Горбатюк Дячук Ємельяненко Їжакевич Журавель Зінченко
    Ґалаґан Ребрик
""".split()  # noqa: SIM905 - so it can be read
NAMES = """
    Ольга Тарас Ірина Олександр Наталія Андрій Оксана Сергій Юлія Володимир Тетяна Микола Світлана Іван Людмила Юрій
    Катерина Віктор Марія Василь Анна Петро Галина Олег Надія Богдан Любов Роман Віра Ярослав Єва Євген Зоя Ігор Дар'я
""".split()  # noqa: SIM905 - so it can be read
FIRMS = ("Ромашка", "Горизонт", "Дніпро", "Карпати", "Світанок", "Енергія", "Альянс", "Фортуна", "Меридіан")
OPERATORS = ("50", "66", "95", "99", "67", "68", "96", "97", "98", "63", "73", "93")
BEGIN = datetime(2023, 1, 1, tzinfo=UTC)
CHUNK = 20_000
_MANY = 10_000_000
_BITS = 27
"""The count of numbers is below two to so many."""
_SECOND = 60_000_000
"""Where second numbers begin; leads are fewer."""


def number_of(index: int) -> str:
    """The main number of lead `index`."""
    place = _scattered(index)
    while place >= _MANY * len(OPERATORS):
        place = _scattered(place)
    return f"+380{OPERATORS[place // _MANY]}{place % _MANY:07}"


def _scattered(place: int) -> int:
    """Another place for each: neighbours by number are strangers by age, and in all that goes by the index."""
    every = (1 << _BITS) - 1
    for factor in (0x2C1B3C6D, 0x297A2D39):
        place = place * factor & every
        place ^= place >> 14
    return place


def lead_rows(count: int, employees: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Leads by column; three of ten are unnamed."""
    for index in range(count):
        number = number_of(index)
        named = index % 10 < 7
        name = _name(index) if named else number
        created = BEGIN + timedelta(seconds=index * 97 % 100_000_000)
        yield {
            "id": index + 1,
            "name": name,
            "named": named,
            "language": None,
            "email": f"lead{index}@example.com" if index % 5 == 0 else "",
            "address": "Київ, вул. Хрещатик, 22" if index % 3 == 0 else "",
            "comment": "",
            "status_id": index % 4 + 1,
            "responsible_id": employees[index % len(employees)] if employees else None,
            "responsible_by_hand": False,
            "created_at": created,
            "updated_at": created,
            "last_call_at": created + timedelta(days=index % 30) if index % 5 else None,
            "main_number": number,
            "sort_name": _sort_key(name) if named else sort_key(name),
            "search_text": f"{_search_text(name) if named else ''}  {number}",
            "version": 1,
        }


def counterparty_rows(count: int, employees: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Counterparties by column."""
    for index in range(count):
        name = f"ТОВ «{FIRMS[index % len(FIRMS)]} {index}»"
        yield {
            "id": index + 1,
            "name": name,
            "folder": "",
            "email": "",
            "address": "",
            "comment": "",
            "language": None,
            "responsible_id": employees[index % len(employees)] if employees else None,
            "created_at": BEGIN,
            "updated_at": BEGIN,
            "sort_name": sort_key(name),
            "search_text": search_text(name, numbers=[number_of(_SECOND * 3 // 2 + index)]),
            "version": 1,
        }


def number_rows(leads: int, counterparties: int) -> Iterator[dict[str, Any]]:
    """Numbers by column: one for each lead, a second for each tenth, one for each counterparty."""

    def row(number: str, position: int, lead: int | None, counterparty: int | None) -> dict[str, Any]:
        return {
            "number": number,
            "position": position,
            "lead_id": lead,
            "counterparty_id": counterparty,
            "contact_person_id": None,
            "on_active_lead": lead is not None,
        }

    for index in range(leads):
        yield row(number_of(index), 0, index + 1, None)
        if index % 10 == 0:
            yield row(number_of(_SECOND + index), 1, index + 1, None)
    for index in range(counterparties):
        yield row(number_of(_SECOND * 3 // 2 + index), 0, None, index + 1)


async def seed(url: str, count: int) -> None:
    """Create the tables if need be, and fill them, which must be empty, with `count` leads."""
    database = Database(url)
    await upgrade_database(database)
    await database.dispose()
    if make_url(url).get_backend_name() == "postgresql":
        await _seed_postgres(url, count)
    else:
        await asyncio.to_thread(_seed_sqlite, str(make_url(url).database), count)


def _tables(count: int, employees: Sequence[int]) -> list[tuple[str, Iterator[dict[str, Any]]]]:
    counterparties = count // 50
    return [
        (Counterparty.__tablename__, counterparty_rows(counterparties, employees)),
        (Lead.__tablename__, lead_rows(count, employees)),
        (PhoneNumber.__tablename__, number_rows(count, counterparties)),
    ]


def _seed_sqlite(path: str, count: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-200000")
    connection.execute("PRAGMA threads=2")
    employees = [row[0] for row in connection.execute("SELECT id FROM employee WHERE active ORDER BY id")]
    connection.execute("BEGIN IMMEDIATE")
    with without_indexes(connection, [name for name, _ in _tables(0, [])]):
        for table, rows in _tables(count, employees):
            while chunk := list(islice(rows, CHUNK)):
                columns = list(chunk[0])
                values = [[plain(value) for value in row.values()] for row in chunk]
                statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
                connection.executemany(statement, values)
    for table in ("lead", "counterparty"):
        connection.execute(f"INSERT INTO {table}_search({table}_search) VALUES ('rebuild')")
    connection.execute("COMMIT")
    # No ANALYZE: no SQLite database of a Leadline has statistics.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


@contextmanager
def without_indexes(connection: sqlite3.Connection, tables: Sequence[str]) -> Iterator[None]:
    """Take the indexes and triggers of these tables away for the block, and build them again in one go."""
    kept = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL "
        f"AND tbl_name IN ({', '.join('?' * len(tables))})",
        tables,
    ).fetchall()
    for kind, name, _ in kept:
        connection.execute(f"DROP {kind} {name}")
    yield
    for _, _, sql in kept:
        connection.execute(sql)


@asynccontextmanager
async def without_indexes_on_postgres(connection: Any, tables: Sequence[str]) -> AsyncIterator[None]:
    """As `without_indexes`; those stay that constraints are made of, and triggers."""
    kept = await connection.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS sql FROM pg_index i "
        "WHERE indrelid::regclass::text = ANY($1) "
        "AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)",
        tables,
    )
    for index in kept:
        await connection.execute(f"DROP INDEX {index['name']}")
    yield
    for index in kept:
        await connection.execute(index["sql"])


def plain(value: Any) -> Any:
    """A time as SQLAlchemy writes it."""
    return value.isoformat(" ", "microseconds")[:26] if isinstance(value, datetime) else value


async def _seed_postgres(url: str, count: int) -> None:
    parts = make_url(url)
    connection = await asyncpg.connect(**parts.translate_connect_args(username="user"), **parts.query)
    await connection.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
    employees = [row[0] for row in await connection.fetch("SELECT id FROM employee WHERE active ORDER BY id")]
    async with connection.transaction(), without_indexes_on_postgres(connection, [name for name, _ in _tables(0, [])]):
        for table, rows in _tables(count, employees):
            while chunk := list(islice(rows, CHUNK)):
                await connection.copy_records_to_table(
                    table, columns=list(chunk[0]), records=[tuple(row.values()) for row in chunk]
                )
            sequence = f"pg_get_serial_sequence('{table}', 'id')"
            await connection.execute(f"SELECT setval({sequence}, (SELECT max(id) FROM {table}) + 1)")
    await connection.execute("ANALYZE")
    await connection.close()


def _name(index: int) -> str:
    return f"{SURNAMES[index // 7 % len(SURNAMES)]} {NAMES[index // 11 % len(NAMES)]}"


_sort_key = lru_cache(maxsize=None)(sort_key)
_search_text = lru_cache(maxsize=None)(search_text)


def main() -> None:
    """Fill the database that the command line names."""
    parser = argparse.ArgumentParser(description="fill an empty database with leads")
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    arguments = parser.parse_args()
    begin = time.monotonic()
    asyncio.run(seed(arguments.url, arguments.count))
    print(f"{arguments.count} leads in {time.monotonic() - begin:.1f} s")


if __name__ == "__main__":
    main()
