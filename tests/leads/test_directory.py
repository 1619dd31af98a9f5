"""The directory in memory: read as it is in the tables, and again when, and only when, it changed."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.directory import Did, Directory, DisplayMode, Employee, Extension, Group
from leads.store import directory as store
from leads.store import models
from leads.store.directory import DirectoryCache, load_directory
from leads.store.engine import Database


def add_company(session: AsyncSession) -> None:
    """Two employees with three phones, a group, and two numbers of ours."""
    now = datetime(2026, 11, 21, tzinfo=UTC)
    session.add_all(
        [
            models.Employee(id=1, name="Olha", created_at=now, ring_seconds=15, call_waiting=True),
            models.Employee(id=2, name="Taras", created_at=now, active=False),
            models.EmployeeMobile(number="+380671112233", employee_id=1),
            models.Extension(id=1, number="101", endpoint="PJSIP/101", employee_id=1),
            models.Extension(id=2, number="102", endpoint="PJSIP/102", employee_id=1, display_mode=DisplayMode.UTF8),
            models.Extension(id=3, number="103", endpoint="PJSIP/103", display_length=12),
            models.RingGroup(id=7, name="Sales"),
            models.GroupMember(group_id=7, extension_id=3, position=1),
            models.GroupMember(group_id=7, extension_id=1, position=2),
            models.Did(number="+380441234567", label="Main", group_id=7, default_extension_id=3, responsible_id=1),
            models.Did(number="+380442223344", queue="support", queue_seconds=30),
            models.IgnoredNumber(number="+380800500500"),
        ]
    )


async def test_reads_the_tables(database: Database) -> None:
    async with database.write() as session:
        add_company(session)
    first = Extension("101", "PJSIP/101", DisplayMode.LATIN, 24, 1)
    second = Extension("102", "PJSIP/102", DisplayMode.UTF8, 24, 1)
    third = Extension("103", "PJSIP/103", DisplayMode.LATIN, 12, None)
    async with database.read() as session:
        directory = await load_directory(session)
    assert directory == Directory(
        version=directory.version,
        employees={
            1: Employee(1, "Olha", True, 15, True, (first, second), ("+380671112233",)),
            2: Employee(2, "Taras", False, 20, False, ()),
        },
        extensions={"101": first, "102": second, "103": third},
        groups={7: Group(7, "Sales", 25, (third, first))},
        dids={
            "+380441234567": Did("+380441234567", "Main", 7, None, 60, "103", 1),
            "+380442223344": Did("+380442223344", "", None, "support", 30, None, None),
        },
        ignored=frozenset({"+380800500500"}),
    )
    assert directory.version > 1


async def test_is_read_again_only_when_the_version_differs(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DirectoryCache(database)
    first = await cache.refresh()
    assert await cache.at_least(first.version) is first
    async with database.write() as session:
        add_company(session)
    second = await cache.at_least(first.version + 1)
    assert cache.current is second
    assert second.employees[1].name == "Olha"
    async with database.write() as session:
        await session.execute(update(models.DirectoryVersion).values(version=1))
    assert (await cache.at_least(1)).version == 1


async def test_callers_share_one_reading(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = 0

    async def counted(session: AsyncSession) -> Directory:
        nonlocal readings
        readings += 1
        return await load_directory(session)

    monkeypatch.setattr(store, "load_directory", counted)
    cache = DirectoryCache(database)
    await asyncio.gather(*(cache.at_least(1) for _ in range(20)))
    assert readings == 1


async def test_a_database_in_trouble_leaves_the_last_directory(database: Database) -> None:
    cache = DirectoryCache(database)
    known = await cache.refresh()
    async with database.write() as session:
        await session.execute(text("DROP TABLE directory_version"))
    assert await cache.at_least(known.version + 1) is known


async def test_a_slow_database_leaves_the_last_directory(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DirectoryCache(database)
    known = await cache.refresh()
    answered = asyncio.Event()

    async def slow(session: AsyncSession) -> Directory:
        await answered.wait()
        return Directory(version=known.version + 1)

    monkeypatch.setattr(store, "load_directory", slow)
    monkeypatch.setattr(store, "REFRESH_SECONDS", 0.01)
    assert await cache.at_least(known.version + 1) is known
    answered.set()
    assert (await cache.refresh()).version == known.version + 1
