"""On PostgreSQL nobody who writes waits in a circle: calls, people, files and the daily job lock in one order."""

import asyncio
from random import Random

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store import cards
from leads.store.engine import Database, lock_key
from leads.store.erasing import Mentions, Traces, erase, traces_of
from leads.store.import_tables import ImportKind
from leads.store.imported_leads import LeadRow
from leads.store.lead_import import add_leads
from leads.store.models import Lead, PhoneNumber
from tests.conftest import PostgresServer
from tests.leads.life import CALLS, NUMBERS, OTHERS, TAKING, Step, World
from tests.leads.views import NOW

MANY = tuple(f"+3805011122{place:02}" for place in range(24))
KINDS = (*TAKING, *OTHERS)
NOBODY_ELSE = Mentions(frozenset(), frozenset(), frozenset())
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


@pytest.mark.postgres
async def test_a_call_that_waited_for_a_number_has_all_of_the_closed_lead_that_a_file_brought_meanwhile(
    postgres: PostgresServer,
) -> None:
    """The file waits for the number, the call behind it, and somebody else for the lead's other number."""
    world = await World.open(await postgres.create("brought"))
    other, number = sorted(NUMBERS[:2], key=lambda one: lock_key(f"number {one}"))
    batch = await world._batch(ImportKind.LEADS)
    rows = [LeadRow(2, "Ім'я", (number, other), closed_at=NOW)]
    steps = (
        lambda: world.database.run_write(lambda c: add_leads(c, batch, rows, by=1, now=NOW)),
        lambda: world.do(Step("call in", NUMBERS.index(number), 0, (), ())),
        lambda: world.do(Step("make lead", 0, 0, (other, number), ())),
    )
    async with world.database.write() as holder:
        await cards.lock(holder, [number])
        works = []
        for place, step in enumerate(steps, start=1):
            works.append(asyncio.create_task(step()))
            async with asyncio.timeout(10):
                while await _waiting(holder) < place:
                    pass
    await asyncio.gather(*works)
    async with world.database.read() as session:
        active = await session.scalars(select(PhoneNumber.number).where(PhoneNumber.on_active_lead))
        assert sorted(active) == sorted(NUMBERS[:2])
    await world.close()


@pytest.mark.postgres
async def test_two_who_are_erased_and_name_each_other_are_erased_in_turn(postgres: PostgresServer) -> None:
    world = await World.open(await postgres.create("erased"))
    for number in NUMBERS[:2]:
        await world.do(Step("make lead", 0, 1, (number,), ()))
    async with world.database.read() as session:
        first, second = [await traces_of(session, lead_id=lead) for lead in await session.scalars(select(Lead.id))]
    async with world.database.write() as holder:
        await erase(holder, first, NOBODY_ELSE, NOW)
        work = asyncio.create_task(_erase(world, second))
        async with asyncio.timeout(10):
            while not work.done() and await _waiting(holder) == 0:
                pass
        assert not work.done()
    await work
    await world.close()


async def _erase(world: World, traces: Traces) -> None:
    async with world.database.write() as session:
        await erase(session, traces, NOBODY_ELSE, NOW)


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
