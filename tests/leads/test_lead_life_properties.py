"""Whatever is done with leads, counterparties and calls in whatever order: a number has one kind of owner (L7)."""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from leads.store.migrate import upgrade
from tests.leads.life import CALLS, FREEING, NUMBERS, OTHERS, TAKING, Step, World, steps

ANY = steps((*CALLS, *TAKING, *OTHERS))
BESIDE_A_CALL = st.tuples(
    st.lists(steps((*TAKING, *OTHERS)), min_size=1, max_size=2), st.sampled_from(NUMBERS), st.integers(0, 30)
)


CALLER = NUMBERS[:1]
LENT_TO_A_COUNTERPARTY = [
    Step("ring", 0, 0, (), ()),
    Step("make counterparty", 0, 0, CALLER, ()),
    Step("save counterparty", 0, 0, NUMBERS[1:2], ()),
    Step("answer", 0, 0, (), ()),
    Step("hang up", 0, 0, (), ()),
]
"""A number that is a counterparty's for a while as it rings."""


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One loop and one database for all examples: hypothesis runs outside of a test's loop."""
    loop = asyncio.new_event_loop()
    if request.param == "sqlite":
        folder: Path = tmp_path_factory.mktemp("life")
        url = f"sqlite+aiosqlite:///{folder}/leadline.db"
        loop.run_until_complete(upgrade(url))
    else:
        url = loop.run_until_complete(request.getfixturevalue("postgres").create("lead_life"))
    here = loop.run_until_complete(World.open(url))

    def run(work: Coroutine[Any, Any, None]) -> None:
        loop.run_until_complete(work)

    yield run, here
    loop.run_until_complete(here.close())
    loop.close()


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(ANY, max_size=14))
@example(LENT_TO_A_COUNTERPARTY)
def test_a_number_has_one_kind_of_owner_after_every_step(world: Any, steps: list[Step]) -> None:
    run, here = world

    async def live() -> None:
        await here.clear()
        for step in steps:
            await here.check(await here.do(step))

    run(live())


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(ANY, max_size=5), st.lists(BESIDE_A_CALL, min_size=1, max_size=5))
def test_a_number_has_one_kind_of_owner_whatever_is_done_while_it_calls(
    world: Any, before: list[Step], rounds: list[tuple[list[Step], str, int]]
) -> None:
    """One or two steps and a call come by connections of their own, and nobody says which is first."""
    run, here = world

    async def live() -> None:
        await here.clear()
        for step in before:
            await here.do(step)
        for beside, number, turns in rounds:
            await here.do_beside(beside, number, turns)
            kinds = {step.kind for step in beside}
            # Whoever takes a number off its card just after the call leaves it with nobody, rightly.
            await here.check(None if kinds.intersection(FREEING) else number)
            if kinds.issubset(TAKING):
                await here.check_call_is_theirs(number)

    run(live())
