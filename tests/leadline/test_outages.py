"""Outages are on record with their true beginning, also after a kill, and once with two servers (C3)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadline import outages
from leadline.outages import OutageKeeper
from leads.store.engine import Database
from leads.store.models import OutageKind
from leads.store.recovery import EVERY_PBX, OutageLine, keep_alive
from leads.store.recovery import outages as listed

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


@dataclass
class Link:
    received_at: float = 0.0


@dataclass
class Health:
    connects: int = 0
    since: datetime | None = None


@dataclass
class Connection:
    link: Link | None = None
    health: Health = field(default_factory=Health)


@dataclass
class Listener:
    connection: Connection = field(default_factory=Connection)


@dataclass
class World:
    """The time, one Asterisk, and the database."""

    database: Database
    loop_time: Callable[[], float]
    now: datetime = NOW
    listener: Listener = field(default_factory=Listener)

    def keeper(self) -> OutageKeeper:
        listeners: list[Any] = [("asterisk", self.listener)]
        return OutageKeeper(self.database, listeners, lambda: self.now)

    def just_now(self) -> float:
        """When something was heard, on the loop's clock; however slow this machine is, no time passes since."""
        return self.loop_time() + 3600

    def connect(self) -> None:
        self.listener.connection.link = Link(self.just_now())
        self.listener.connection.health.connects += 1
        self.listener.connection.health.since = self.now

    async def later(self, seconds: float, *keepers: OutageKeeper) -> None:
        self.now += timedelta(seconds=seconds)
        link = self.listener.connection.link
        if link is not None:
            link.received_at = self.just_now()
        for keeper in keepers:
            await keeper.beat()

    async def lines(self) -> list[OutageLine]:
        async with self.database.read() as session:
            return list(await listed(session))


@pytest.fixture
async def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(outages, "BEAT_SECONDS", 0.0)
    return World(database, asyncio.get_running_loop().time)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def near(line: OutageLine, start: float, end: float | None) -> bool:
    ends = (line.ended_at is None) if end is None else bool(line.ended_at and abs(line.ended_at - at(end)) < NEAR)
    return abs(line.started_at - at(start)) < NEAR and ends


NEAR = timedelta(seconds=1)


async def test_after_a_kill_the_outage_begins_with_the_last_beat(world: World) -> None:
    world.connect()
    first = world.keeper()
    await first.beat()
    await world.later(2, first)
    world.now = at(60)
    await world.keeper().beat()
    (line,) = await world.lines()
    assert (line.kind, line.pbx) == (OutageKind.LEADLINE, EVERY_PBX)
    assert near(line, 2, 60)


async def test_there_is_no_outage_while_another_server_beats(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.connect()
    await world.keeper().beat()
    world.now = at(60)

    async def meanwhile(_: float) -> None:
        await keep_alive(world.database, at(61))

    monkeypatch.setattr(outages.asyncio, "sleep", meanwhile)
    await world.keeper().beat()
    assert await world.lines() == []


async def test_an_asterisk_that_goes_away_and_comes_back(world: World) -> None:
    world.connect()
    keeper = world.keeper()
    await keeper.beat()
    await world.later(10, keeper)
    world.listener.connection.link = None
    await world.later(2, keeper)
    await world.later(2, keeper)
    (line,) = await world.lines()
    assert (line.kind, line.pbx) == (OutageKind.AMI, "asterisk")
    assert near(line, 10, None)
    world.now = at(30)
    world.connect()
    await world.later(1, keeper)
    (line,) = await world.lines()
    assert near(line, 10, 30)


async def test_a_loss_between_two_looks_is_seen(world: World) -> None:
    world.connect()
    keeper = world.keeper()
    await keeper.beat()
    world.now = at(1)
    world.connect()
    await world.later(0.5, keeper)
    (line,) = await world.lines()
    assert near(line, 0, 1)


async def test_logging_in_after_the_start_is_no_outage(world: World) -> None:
    keeper = world.keeper()
    await keeper.beat()
    await world.later(2, keeper)
    world.connect()
    await world.later(2, keeper)
    assert await world.lines() == []


async def test_a_database_that_was_away_is_noted_when_it_is_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.connect()
    keeper = world.keeper()
    await keeper.beat()

    async def hangs(database: Database, now: datetime) -> None:
        world.now += timedelta(seconds=10)
        await keep_alive(database, now)

    monkeypatch.setattr(outages, "keep_alive", hangs)
    await world.later(2, keeper)
    (line,) = await world.lines()
    assert (line.kind, line.pbx) == (OutageKind.DATABASE, EVERY_PBX)
    assert near(line, 2, 12)


async def test_what_two_servers_note_of_one_time_is_one_outage(world: World) -> None:
    world.connect()
    one, other = world.keeper(), world.keeper()
    await one.beat()
    await other.beat()
    world.listener.connection.link = None
    await world.later(2, one, other)
    world.connect()
    await world.later(5, one, other)
    assert len(await world.lines()) == 1
