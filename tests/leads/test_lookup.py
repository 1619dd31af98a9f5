"""The caller look-up: whom it finds, and that no trouble of the database makes a call wait."""

import asyncio
import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.people import LookupAnswer, Person, PersonKind
from leads.store.engine import Database
from leads.store.lookup import MOST_WAITING, Batch, CallerLookup, LookupUnavailable
from leads.store.lookup_sqlite import SqliteBackend
from leads.store.migrate import upgrade_database
from leads.store.models import ContactPerson, Counterparty, DirectoryVersion, Employee, Lead, PhoneNumber
from tests.conftest import PostgresServer

_names = count(1)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
LEAD_NUMBER = "+380501234567"


def add_people(session: AsyncSession) -> None:
    """Leads open and closed, a counterparty and two contact persons, and numbers that some of them share."""
    times = {"created_at": NOW, "updated_at": NOW}

    def number(text: str, active: bool = False, **owner: int) -> PhoneNumber:
        return PhoneNumber(number=text, on_active_lead=active, **owner)

    session.add_all([Employee(id=number, name=f"e{number}", created_at=NOW) for number in (1, 2, 3)])
    session.add_all(
        [
            Counterparty(id=5, name="ТОВ Ромашка", language="uk", responsible_id=2, **times),
            Counterparty(id=6, name="+380441112233", **times),
            ContactPerson(id=8, counterparty_id=5, name="Ірина", responsible_id=3),
            ContactPerson(id=9, counterparty_id=5, name="Oleh", language="en"),
            Lead(id=1, name="Щербань", named=True, language="uk", status_id=1, responsible_id=1, **times),
            Lead(id=2, name="+380501112233", status_id=1, **times),
            Lead(id=3, name="Closed", named=True, status_id=1, counterparty_id=5, closed_at=NOW, **times),
            Lead(id=4, name="Closed later", named=True, status_id=1, responsible_id=2, closed_at=NOW, **times),
        ]
    )
    session.add_all(
        [
            number(LEAD_NUMBER, True, lead_id=1),
            number("+380501112233", True, lead_id=2),
            number("+380503334455", lead_id=4),
            number("+380503334455", lead_id=3),
            number("+380504445566", lead_id=3),
            number("+380504445566", counterparty_id=5),
            number("+380441112233", counterparty_id=6),
            number("+380441112233", contact_person_id=9),
            number("+380441112233", contact_person_id=8),
        ]
    )


@pytest.fixture
async def people(database: Database) -> Database:
    async with database.write() as session:
        add_people(session)
    return database


@pytest.fixture
async def lookup(people: Database, database_url: str) -> AsyncIterator[CallerLookup]:
    # A generous deadline: these tests are about whom it finds.
    opened = await CallerLookup.open(database_url, deadline=20)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("number", "found"),
    [
        (LEAD_NUMBER, [Person(PersonKind.LEAD, 1, None, "Щербань", "uk", 1)]),
        ("+380501112233", [Person(PersonKind.LEAD, 2, None, None, None, None)]),
        ("+380503334455", [Person(PersonKind.LEAD, 4, None, "Closed later", None, 2, closed=True)]),
        ("+380504445566", [Person(PersonKind.COUNTERPARTY, 5, 5, "ТОВ Ромашка", "uk", 2)]),
        (
            "+380441112233",
            [
                Person(PersonKind.COUNTERPARTY, 6, 6, None, None, None),
                Person(PersonKind.CONTACT_PERSON, 8, 5, "Ірина", "uk", 3),
                Person(PersonKind.CONTACT_PERSON, 9, 5, "Oleh", "en", 2),
            ],
        ),
        ("+380509999999", []),
        (None, []),
    ],
)
async def test_finds_the_owners(
    people: Database, lookup: CallerLookup, number: str | None, found: list[Person]
) -> None:
    async with people.read() as session:
        version = (await session.get_one(DirectoryVersion, 1)).version
    assert await lookup.find(number) == LookupAnswer(version, tuple(found))


async def test_the_lead_that_was_closed_last_comes_back_whenever_it_was_entered(
    people: Database, lookup: CallerLookup
) -> None:
    # Leads of a file are entered late, and were closed long ago.
    async with people.write() as session:
        await session.execute(update(Lead).where(Lead.id == 4).values(closed_at=NOW - timedelta(days=400)))
    answer = await lookup.find("+380503334455")
    assert [(person.name, person.closed) for person in answer.people] == [("Closed", True)]


async def test_many_at_once_get_each_their_own(lookup: CallerLookup) -> None:
    answers = await asyncio.gather(*(lookup.find(number) for number in [LEAD_NUMBER, None, "+380501112233"] * 50))
    assert [[person.id for person in answer.people] for answer in answers] == [[1], [], [2]] * 50


async def test_sees_what_was_committed_just_now(people: Database, lookup: CallerLookup) -> None:
    before = await lookup.find(LEAD_NUMBER)
    async with people.write() as session:
        await session.execute(update(Lead).where(Lead.id == 1).values(responsible_id=2))
        await session.execute(update(Employee).where(Employee.id == 2).values(name="other"))
    after = await lookup.find(LEAD_NUMBER)
    assert after.people[0].responsible_id == 2
    assert after.directory_version > before.directory_version


async def test_a_caller_who_left_disturbs_nobody(lookup: CallerLookup) -> None:
    left, stays = lookup.find(LEAD_NUMBER), lookup.find(LEAD_NUMBER)
    left.cancel()
    assert (await stays).people[0].id == 1


async def test_closed_lookup_says_so(people: Database, database_url: str) -> None:
    lookup = await CallerLookup.open(database_url)
    await lookup.close()
    with pytest.raises(LookupUnavailable, match="closed"):
        await lookup.find(LEAD_NUMBER)


class WatchedLookup(CallerLookup):
    """Lets a test await that the look-up notices trouble, and its end."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.in_trouble, self.is_well = asyncio.Event(), asyncio.Event()

    def suspended(self, reason: str) -> None:
        super().suspended(reason)
        self.in_trouble.set()
        self.is_well.clear()

    def recovered(self) -> None:
        super().recovered()
        self.in_trouble.clear()
        self.is_well.set()


class HangingBackend(SqliteBackend):
    """A disk that hangs until it is let go."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.released = threading.Event()
        self.hangs = True

    def _query(self, numbers: list[str]):  # type: ignore[no-untyped-def]
        if self.hangs:
            assert self.released.wait(30)
        return super()._query(numbers)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "own.db")
    return f"sqlite+aiosqlite:///{tmp_path}/own.db"


async def test_a_hung_disk_costs_one_deadline_then_nothing(sqlite_url: str) -> None:
    backend = HangingBackend(sqlite_url)
    lookup = WatchedLookup(backend, deadline=0.05)
    await backend.open(lookup)
    for _ in range(3):
        with pytest.raises(LookupUnavailable, match="within"):
            await lookup.find(LEAD_NUMBER)
    assert lookup.find(LEAD_NUMBER).done(), "nobody waits while the disk is known to hang"
    assert backend._batches.empty(), "nothing piles up behind it"
    backend.hangs = False
    backend.released.set()
    await lookup.is_well.wait()
    lookup._deadline = 20
    assert (await lookup.find(LEAD_NUMBER)).people == ()
    await lookup.close()


async def test_what_comes_while_the_disk_is_busy_goes_together(sqlite_url: str) -> None:
    backend = HangingBackend(sqlite_url)
    lookup = WatchedLookup(backend, deadline=20)
    await backend.open(lookup)
    waiting = []
    for number in (LEAD_NUMBER, None, "+380501112233"):
        waiting.append(lookup.find(number))
        await asyncio.sleep(0)
    backend.hangs = False
    backend.released.set()
    assert [answer.people for answer in await asyncio.gather(*waiting)] == [(), (), ()]
    await lookup.close()


async def test_closing_tells_those_who_wait_behind_a_busy_disk(sqlite_url: str) -> None:
    backend = HangingBackend(sqlite_url)
    lookup = WatchedLookup(backend, deadline=20)
    await backend.open(lookup)
    first = lookup.find(LEAD_NUMBER)
    await asyncio.sleep(0)
    second = lookup.find(LEAD_NUMBER)
    await asyncio.sleep(0)
    backend.released.set()
    await lookup.close()
    with pytest.raises(LookupUnavailable, match="closed"):
        await second
    first.cancel()


async def test_a_locked_database_is_an_answer(sqlite_url: str) -> None:
    lookup = await CallerLookup.open(sqlite_url, deadline=20)
    await lookup.find(None)
    await lookup.close()
    path = sqlite_url.removeprefix("sqlite+aiosqlite:///")
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("PRAGMA locking_mode=EXCLUSIVE")
    locker.execute("BEGIN EXCLUSIVE")
    locker.execute("UPDATE directory_version SET version = 77")
    locker.execute("COMMIT")
    lookup = await CallerLookup.open(sqlite_url, deadline=20)
    with pytest.raises(LookupUnavailable, match="locked"):
        await lookup.find(LEAD_NUMBER)
    locker.close()
    assert (await lookup.find(LEAD_NUMBER)).directory_version == 77
    await lookup.close()


async def test_a_writer_does_not_disturb(sqlite_url: str) -> None:
    writer = sqlite3.connect(sqlite_url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE directory_version SET version = 78")
    lookup = await CallerLookup.open(sqlite_url, deadline=20)
    assert (await lookup.find(None)).directory_version == 1
    writer.execute("COMMIT")
    assert (await lookup.find(None)).directory_version == 78
    writer.close()
    await lookup.close()


async def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    lookup = await CallerLookup.open(f"sqlite+aiosqlite:///{tmp_path}/missing.db", deadline=20)
    with pytest.raises(LookupUnavailable, match="unable to open"):
        await lookup.find(None)
    assert os.listdir(tmp_path) == []
    await lookup.close()


class SilentBackend:
    """A database that never says anything."""

    async def open(self, lookup: CallerLookup) -> None: ...

    def is_free(self) -> bool:
        return True

    def ask(self, batch: Batch) -> None: ...
    def give_up(self) -> None: ...
    async def close(self) -> None: ...


async def test_only_so_many_wait() -> None:
    lookup = CallerLookup(SilentBackend(), deadline=20)
    waiting = [lookup.find(LEAD_NUMBER) for _ in range(MOST_WAITING)]
    with pytest.raises(LookupUnavailable, match="too many"):
        await lookup.find(LEAD_NUMBER)
    assert not any(future.done() for future in waiting)


@pytest.fixture
async def own_url(own_server: PostgresServer) -> str:
    url = await own_server.create(f"leadline_{next(_names)}", "template0")
    database = Database(url)
    await upgrade_database(database)
    async with database.write() as session:
        add_people(session)
    await database.dispose()
    return url


async def _ask_until_refused(lookup: CallerLookup) -> None:
    while True:
        await lookup.find(LEAD_NUMBER)


@pytest.mark.postgres
async def test_a_postgresql_that_stops_and_dies_costs_one_deadline(own_server: PostgresServer, own_url: str) -> None:
    lookup = await WatchedLookup.open(own_url, deadline=2)
    assert (await lookup.find(LEAD_NUMBER)).people[0].id == 1

    own_server.signal(signal.SIGSTOP)
    try:
        calls = [lookup.find(LEAD_NUMBER) for _ in range(20)]
        assert all(isinstance(e, LookupUnavailable) for e in await asyncio.gather(*calls, return_exceptions=True))
        assert lookup.find(LEAD_NUMBER).done(), "nobody waits while the server is known to hang"
    finally:
        own_server.signal(signal.SIGCONT)
    await lookup.is_well.wait()
    assert (await lookup.find(LEAD_NUMBER)).people[0].id == 1

    os.kill(own_server.pid, signal.SIGQUIT)
    with pytest.raises(LookupUnavailable):
        await _ask_until_refused(lookup)
    with pytest.raises(LookupUnavailable):
        await lookup.find(LEAD_NUMBER)
    own_server.start()
    await lookup.is_well.wait()
    assert (await lookup.find(LEAD_NUMBER)).people[0].id == 1
    await lookup.close()


@pytest.mark.postgres
async def test_a_postgresql_that_starts_later_is_found(own_server: PostgresServer, own_url: str) -> None:
    own_server.control("stop", "-m", "immediate")
    lookup = await WatchedLookup.open(own_url, deadline=2)
    with pytest.raises(LookupUnavailable):
        await lookup.find(LEAD_NUMBER)
    own_server.start()
    await lookup.is_well.wait()
    assert (await lookup.find(LEAD_NUMBER)).people[0].id == 1
    await lookup.close()
