"""Long readings: beside the loop, unable to write, and given up at their deadline."""

import asyncio

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from leads.store.engine import Database
from leads.store.long_reads import LongReads, TooLongError, TooManyError

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
}


def _endless(connection: Connection) -> None:
    connection.execute(text(ENDLESS[connection.dialect.name]))


async def test_reads_and_cannot_write(database: Database) -> None:
    reads = LongReads(database)
    assert await reads.run(lambda connection: connection.scalar(text("SELECT count(*) FROM lead_status"))) > 0
    with pytest.raises(DBAPIError):
        await reads.run(lambda connection: connection.execute(text("DELETE FROM lead_status")))
    reads.close()


async def test_is_given_up_at_its_deadline_while_the_loop_goes_on(database: Database) -> None:
    reads = LongReads(database, seconds=0.5)
    reading = asyncio.create_task(reads.run(_endless))
    beats = 0
    while not reading.done():
        await asyncio.sleep(0.01)
        beats += 1
    assert beats > 2, "two are all where the reading holds the loop up"
    with pytest.raises(TooLongError):
        await reading
    reads.close()


async def test_who_comes_when_all_turns_are_taken_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leads.store.long_reads.WAIT_SECONDS", 0.05)
    reads = LongReads(database, seconds=1.0, at_once=1)
    first = asyncio.create_task(reads.run(_endless))
    await asyncio.sleep(0)
    with pytest.raises(TooManyError):
        await reads.run(_endless)
    with pytest.raises(TooLongError):
        await first
    reads.close()
