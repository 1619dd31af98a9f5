"""On PostgreSQL nobody who writes waits in a circle: calls, people, files and the daily job lock in one order."""

import asyncio
from random import Random

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store import cards
from leads.store.engine import Database
from tests.conftest import PostgresServer
from tests.leads.life import CALLS, NUMBERS, OTHERS, TAKING, Step, World

MANY = tuple(f"+3805011122{place:02}" for place in range(24))
KINDS = tuple(kind for kind in (*TAKING, *OTHERS) if kind not in ("erase counterparty", "erase lead"))
WRITERS = 6
ROUNDS = 60


def _step(chance: Random, kinds: tuple[str, ...]) -> Step:
    numbers = (tuple(chance.sample(MANY, chance.randint(0, 4))) for _ in range(2))
    return Step(chance.choice(kinds), chance.randint(0, 30), chance.randint(0, 30), *numbers)


@pytest.mark.postgres
async def test_no_two_writers_wait_for_each_other(postgres: PostgresServer) -> None:
    url = await postgres.create("lock_order")
    # A circle is seen at once, before somebody in it is lucky.
    await postgres.execute("ALTER DATABASE lock_order SET deadlock_timeout = '5ms'")
    world = await World.open(url)
    world.numbers = MANY
    chance = Random(4)
    for _ in range(40):
        await world.do(_step(chance, (*CALLS, "make lead", "make counterparty", "plan by hand", "give task")))

    failed: list[str] = []

    async def live(kinds: tuple[str, ...], seed: int) -> None:
        own = Random(seed)
        for _ in range(ROUNDS):
            step = _step(own, kinds)
            try:
                await world.do(step)
            except SQLAlchemyError as error:
                failed.append(f"{step.kind}: {error}")

    writers = [live(KINDS, seed) for seed in range(WRITERS)]
    await asyncio.gather(live(("calls at once", "fail"), 99), *writers)
    await world.check()
    await world.close()
    assert failed == []
    assert await _deadlocks(postgres) == 0


@pytest.mark.postgres
@pytest.mark.parametrize("call_first", [True, False])
async def test_a_call_and_a_counterparty_queue_for_the_number_in_either_order(
    postgres: PostgresServer, call_first: bool
) -> None:
    """Both are held up at the number; whoever was first, the counterparty has it and the call, and no lead does."""
    name = f"queue_{'call' if call_first else 'card'}"
    world = await World.open(await postgres.create(name))
    kinds = ("call in", "make counterparty") if call_first else ("make counterparty", "call in")
    async with world.database.write() as holder:
        await cards.lock(holder, NUMBERS)
        works = []
        for place, kind in enumerate(kinds, start=1):
            works.append(asyncio.create_task(world.do(Step(kind, 0, 0, NUMBERS[:1], ()))))
            async with asyncio.timeout(10):
                while await _waiting(holder) < place:
                    pass
    await asyncio.gather(*works)
    await world.check(NUMBERS[0])
    await world.check_call_is_theirs(NUMBERS[0])
    await world.close()


async def _waiting(session: AsyncSession) -> int:
    """How many wait for a number."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return int(await session.scalar(waiting) or 0)


async def _deadlocks(postgres: PostgresServer) -> int:
    """How often PostgreSQL had to break a circle; it counts when a connection ends."""
    asked = Database(postgres.url("postgres"))
    async with asked.read() as session:
        counted = await session.scalar(text("SELECT deadlocks FROM pg_stat_database WHERE datname = 'lock_order'"))
    await asked.dispose()
    return int(counted or 0)
