"""The database's own guarantees: transactions, triggers that count, search tables that follow."""

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, literal_column, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as TurnTimeoutError

from leads.store.engine import Database, lock_numbers
from leads.store.migrate import upgrade_database
from leads.store.models import (
    Did,
    DirectoryVersion,
    Employee,
    EmployeeMobile,
    Extension,
    GroupMember,
    IgnoredNumber,
    Lead,
    PhoneNumber,
    RingGroup,
)

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LEAD = {"name": "Щербань", "status_id": 1, "created_at": NOW, "updated_at": NOW, "search_text": "щербань +380501234567"}


async def _version(database: Database) -> int:
    async with database.read() as session:
        return await session.scalar(select(DirectoryVersion.version)) or 0


async def test_each_change_to_the_directory_counts(database: Database) -> None:
    changes = [
        insert(Employee).values(id=1, name="Olha", created_at=NOW),
        insert(Extension).values(id=1, number="101", endpoint="PJSIP/101", employee_id=1),
        insert(EmployeeMobile).values(number="+380671112233", employee_id=1),
        insert(RingGroup).values(id=1, name="Sales"),
        insert(GroupMember).values(group_id=1, extension_id=1),
        insert(Did).values(id=1, number="+380441234567", group_id=1),
        insert(IgnoredNumber).values(number="+380800500500"),
        update(Employee).values(call_waiting=True),
        update(Extension).values(display_length=12),
        update(RingGroup).values(ring_seconds=30),
        update(GroupMember).values(position=2),
        update(Did).values(label="Main"),
        update(EmployeeMobile).values(number="+380671112234"),
        update(IgnoredNumber).values(note="tax office"),
        delete(IgnoredNumber),
        delete(Did),
        delete(GroupMember),
        delete(RingGroup),
        delete(EmployeeMobile),
        delete(Extension),
        delete(Employee),
    ]
    for change in changes:
        before = await _version(database)
        async with database.write() as session:
            await session.execute(change)
        assert await _version(database) > before, str(change)


async def test_a_lead_does_not_count(database: Database) -> None:
    before = await _version(database)
    async with database.write() as session:
        await session.execute(insert(Lead).values(**LEAD))
    assert await _version(database) == before


async def test_a_failed_block_leaves_nothing(database: Database) -> None:
    async def fail() -> None:
        async with database.write() as session:
            await session.execute(insert(Lead).values(**LEAD))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Lead)) == 0


async def test_foreign_keys_are_checked(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.write() as session:
            await session.execute(insert(Lead).values(**(LEAD | {"status_id": 99})))


async def test_a_number_has_exactly_one_owner(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.write() as session:
            await session.execute(insert(PhoneNumber).values(number="+380501234567"))


async def test_writers_of_one_number_take_turns(database: Database) -> None:
    """Each reads what the other wrote, whoever comes first: no update is lost."""

    async def add_letter(letter: str) -> None:
        async with database.write() as session:
            await (await session.connection()).run_sync(lock_numbers, ["+380501234567"])
            name = await session.scalar(select(Lead.name))
            await session.execute(update(Lead).values(name=f"{name}{letter}"))

    async with database.write() as session:
        await session.execute(insert(Lead).values(**(LEAD | {"name": ""})))
    await asyncio.gather(*(add_letter(letter) for letter in "abcdefgh"))
    async with database.read() as session:
        assert sorted(await session.scalar(select(Lead.name)) or "") == list("abcdefgh")


async def test_batches_and_sessions_take_turns(database: Database) -> None:
    def add_a(connection: Connection) -> None:
        connection.execute(update(Lead).values(name=Lead.name.concat("a")))

    async def add_b() -> None:
        async with database.write() as session:
            await session.execute(update(Lead).values(name=Lead.name.concat("b")))

    async with database.write() as session:
        await session.execute(insert(Lead).values(**(LEAD | {"name": ""})))
    await asyncio.gather(*(job for _ in range(5) for job in (database.run_write(add_a), add_b())))
    async with database.read() as session:
        assert sorted(await session.scalar(select(Lead.name)) or "") == list("aaaaabbbbb")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_writers_of_one_process_come_in_their_order(database: Database) -> None:
    """SQLite itself promises none: who looks again at the wrong moments never finds it free."""
    came: list[int] = []

    async def write(place: int) -> None:
        if place % 2:
            await database.run_write(lambda _connection: came.append(place))
        else:
            async with database.write():
                came.append(place)

    async with database.write():
        writers = [asyncio.create_task(write(place)) for place in range(40)]
        async with database.read() as session:
            await session.execute(select(Lead.id))
        assert came == []
    await asyncio.gather(*writers)
    assert came == list(range(40))


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_who_waits_too_long_for_his_turn_is_told_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leads.store.engine.TURN_SECONDS", 0.01)
    async with database.write():
        with pytest.raises(TurnTimeoutError):
            await database.run_write(lambda _connection: None)
    await database.run_write(lambda _connection: None)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_cancelled_writers_turn_lasts_as_long_as_its_thread(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, goes_on, came = threading.Event(), threading.Event(), list[str]()

    def write(_connection: Connection) -> None:
        began.set()
        goes_on.wait(30)
        came.append("cancelled")

    writer = asyncio.create_task(database.run_write(write))
    await asyncio.to_thread(began.wait, 30)
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer
    with monkeypatch.context() as soon:
        soon.setattr("leads.store.engine.TURN_SECONDS", 0.01)
        with pytest.raises(TurnTimeoutError):
            await database.run_write(lambda _connection: came.append("too soon"))
    goes_on.set()
    await database.run_write(lambda _connection: came.append("next"))
    assert came == ["cancelled", "next"]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_readers_one_after_another_have_one_connection(database: Database) -> None:
    """One that has not read for long looks up the file's pages, and reads its statements, anew."""

    async def used() -> Any:
        async with database.read() as session:
            return (await (await session.connection()).get_raw_connection()).driver_connection

    async with database.read() as one, database.read() as other:
        assert await one.scalar(text("SELECT 1")) == await other.scalar(text("SELECT 1"))
    assert len({id(await used()) for _ in range(3)}) == 1


async def test_memory_is_one_database_for_all() -> None:
    database = Database("sqlite+aiosqlite://")
    await upgrade_database(database)

    async def add() -> None:
        async with database.write() as session:
            await session.execute(insert(Lead).values(**LEAD))

    await asyncio.gather(*(add() for _ in range(5)))
    assert await database.run_write(lambda connection: connection.scalar(select(func.count()).select_from(Lead))) == 5
    await database.dispose()


@pytest.mark.parametrize("table", ["lead", "counterparty"])
async def test_search_tables_of_sqlite_follow(table: str) -> None:
    database = Database("sqlite+aiosqlite://")
    await upgrade_database(database)
    columns = "id, name, folder, email, address, comment, sort_name, search_text, created_at, updated_at, version"
    values = "1, 'x', '', '', '', '', '', 'щербань', 0, 0, 1"
    if table == "lead":
        columns = columns.replace("folder", "status_id, named, responsible_by_hand, main_number")
        values = values.replace("'x', ''", "'x', 1, 0, 0, ''")

    async def found(word: str) -> list[int]:
        statement = (
            select(literal_column("rowid")).select_from(text(f"{table}_search")).where(text("search_text MATCH :w"))
        )
        async with database.read() as session:
            return list(await session.scalars(statement, {"w": f'"{word}"'}))

    async with database.write() as session:
        await session.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"))
    assert await found("рба") == [1]
    async with database.write() as session:
        await session.execute(text(f"UPDATE {table} SET search_text = 'ольга', updated_at = 1"))
    assert await found("рба") == []
    assert await found("льг") == [1]
    async with database.write() as session:
        await session.execute(text(f"DELETE FROM {table}"))
    assert await found("льг") == []
    await database.dispose()
