"""Which numbers changed, whoever changed them, and whose every number is; on both databases (C9)."""

from typing import Any

import pytest
from sqlalchemy import text

from leads.domain.people import Person, PersonKind
from leads.store.engine import Database
from leads.store.number_owners import (
    ChangesRead,
    forget_changes,
    next_owners,
    owners_of,
    read_changes,
    read_from_now,
)
from tests.leads.test_lookup import LEAD_NUMBER, NOW, add_people

ROMASHKA = ("+380504445566",)
SHARED = "+380441112233"


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.write() as session:
        add_people(session)
    return database


async def _begin(database: Database) -> ChangesRead:
    async with database.read() as session:
        return await read_from_now(session)


async def _changes(database: Database, read: ChangesRead) -> list[str]:
    async with database.read() as session:
        return sorted(await read_changes(session, read))


async def _execute(database: Database, statement: str, **values: Any) -> None:
    async with database.write() as session:
        await session.execute(text(statement), values)


@pytest.mark.parametrize(
    ("statement", "numbers"),
    [
        ("UPDATE lead SET name = 'X' WHERE id = 1", {LEAD_NUMBER}),
        ("UPDATE lead SET responsible_id = 3 WHERE id = 1", {LEAD_NUMBER}),
        ("UPDATE lead SET named = true WHERE id = 2", {"+380501112233"}),
        ("UPDATE lead SET comment = 'X', name = name WHERE id = 1", set()),
        ("UPDATE lead SET name = 'X' WHERE id = 3", set()),  # closed
        ("UPDATE counterparty SET responsible_id = 1 WHERE id = 5", {*ROMASHKA, SHARED}),
        ("UPDATE counterparty SET comment = 'X' WHERE id = 5", set()),
        ("UPDATE contact_person SET name = 'X' WHERE id = 8", {SHARED}),
        ("UPDATE phone_number SET on_active_lead = false WHERE lead_id = 1", {LEAD_NUMBER}),
        ("UPDATE phone_number SET number = '+380500000000' WHERE lead_id = 1", {LEAD_NUMBER, "+380500000000"}),
        ("UPDATE phone_number SET position = 3", set()),
        ("DELETE FROM phone_number WHERE counterparty_id = 5", set(ROMASHKA)),
        ("DELETE FROM counterparty WHERE id = 6", {SHARED}),
        ("DELETE FROM employee WHERE id = 1", {LEAD_NUMBER}),
    ],
)
async def test_each_change_that_calls_notice_is_noted(filled: Database, statement: str, numbers: set[str]) -> None:
    read = await _begin(filled)
    await _execute(filled, statement)
    assert set(await _changes(filled, read)) == numbers
    assert await _changes(filled, read) == []


async def test_a_change_is_read_when_its_transaction_ends_also_after_later_ones(filled: Database) -> None:
    if filled.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    read = await _begin(filled)
    async with filled.write() as slow:
        await slow.execute(text("UPDATE lead SET name = 'slow' WHERE id = 1"))
        await _execute(filled, "UPDATE lead SET name = 'quick' WHERE id = 2")
        assert await _changes(filled, read) == ["+380501112233"]
        assert await _changes(filled, read) == []
    assert await _changes(filled, read) == [LEAD_NUMBER]
    assert await _changes(filled, read) == []
    await _execute(filled, "UPDATE lead SET name = 'again' WHERE id = 1")
    assert await _changes(filled, read) == [LEAD_NUMBER]
    assert read.seen == set() or len(read.seen) < 3


async def test_many_changes_come_piece_by_piece_and_old_ones_go(filled: Database) -> None:
    read = await _begin(filled)
    async with filled.write() as session:
        for number in range(450):
            await session.execute(
                text(
                    "INSERT INTO phone_number (number, position, counterparty_id, on_active_lead) "
                    "VALUES (:n, 0, 5, false)"
                ),
                {"n": f"+38067{number:07}"},
            )
    pieces = []
    while piece := await _changes(filled, read):
        pieces.append(len(piece))
    assert pieces == [200, 200, 50]
    async with filled.write() as session:
        await forget_changes(session, NOW.replace(year=2100))
    assert await _changes(filled, await _begin(filled)) == []
    await _execute(filled, "UPDATE lead SET name = 'X' WHERE id = 1")
    assert await _changes(filled, read) == [LEAD_NUMBER]


async def test_every_number_is_told_once_with_all_its_owners(filled: Database) -> None:
    seen: dict[str, tuple[Person, ...]] = {}
    after = ""
    async with filled.read() as session:
        while page := await next_owners(session, after, 2):
            assert len(page) <= 2
            seen |= page
            after = max(page)
        given = await owners_of(session, [*seen, "+380990000000"])
    assert given == {**seen, "+380990000000": ()}
    assert seen[LEAD_NUMBER] == (Person(PersonKind.LEAD, 1, None, "Щербань", "uk", 1),)
    assert [person.id for person in seen[SHARED]] == [6, 8, 9]
    assert set(seen) >= {LEAD_NUMBER, "+380501112233", SHARED, *ROMASHKA}
    assert "+380503334455" not in seen  # only closed leads had it
    assert [person.id for person in seen[ROMASHKA[0]]] == [5]
