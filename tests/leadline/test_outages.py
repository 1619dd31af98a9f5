"""Outages are on record from their beginning to their end, whoever noted the one and whoever the other (C3)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import select

from ami_listener.connection import ConnectionHealth
from ami_listener.listener import CallListener
from leadline import outages
from leadline.outages import OutageKeeper
from leads.store.engine import Database
from leads.store.models import Outage, OutageKind

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a new Leadline watches whether another one is alive."""
    monkeypatch.setattr(outages, "BEAT_SECONDS", 0.01)


@dataclass
class Link:
    received_at: float


@dataclass
class Connection:
    link: Link | None = None
    health: ConnectionHealth = field(default_factory=ConnectionHealth)


@dataclass
class Listener:
    """As much of a CallListener as is looked at."""

    connection: Connection = field(default_factory=Connection)

    def connect(self, at: datetime) -> None:
        self.connection.link = Link(asyncio.get_running_loop().time())
        self.connection.health.connects += 1
        self.connection.health.since = at

    def lose(self) -> None:
        self.connection.link = None


class Watch:
    """A Leadline whose clock is ours."""

    def __init__(self, database: Database, now: datetime) -> None:
        self.now = now
        self.listener = Listener()
        self.keeper = OutageKeeper(database, [("asterisk", cast(CallListener, self.listener))], clock=lambda: self.now)

    async def beat(self, at: datetime) -> None:
        self.now = at
        await self.keeper.beat()


async def known(database: Database) -> Sequence[Any]:
    async with database.read() as session:
        rows = await session.execute(select(Outage.kind, Outage.started_at, Outage.ended_at).order_by(Outage.id))
        return [tuple(row) for row in rows]


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


async def test_an_asterisk_that_goes_and_comes_back_makes_one_outage(database: Database) -> None:
    watch = Watch(database, NOW)
    watch.listener.connect(NOW)
    await watch.beat(later(2))
    watch.listener.lose()
    await watch.beat(later(4))
    ((kind, started_at, ended_at),) = await known(database)
    assert (kind, started_at, ended_at) == (OutageKind.AMI, pytest.approx(later(2), abs=timedelta(seconds=1)), None)
    watch.listener.connect(later(9))
    await watch.beat(later(10))
    assert [ended for _, _, ended in await known(database)] == [later(9)]


async def test_an_outage_that_a_killed_leadline_noted_ends_when_the_next_one_is_connected(database: Database) -> None:
    killed = Watch(database, NOW)
    killed.listener.connect(NOW)
    await killed.beat(later(2))
    killed.listener.lose()
    await killed.beat(later(4))
    keeper = Watch(database, later(4))
    keeper.listener.connect(later(5))
    await keeper.beat(later(6))
    assert [(kind, ended) for kind, _, ended in await known(database)] == [(OutageKind.AMI, later(5))]
