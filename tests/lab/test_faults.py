"""Every call exactly once, whatever happens (C1, C3): hundreds of calls while all that Leadline needs breaks."""

import os
import random
import shutil
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from leadline.demo.phones import Calls, PhoneCall
from leadline.demo.scenarios import Dialling
from leadline.demo.sipp import await_value, port_is_free
from tests.conftest import PostgresServer, run_apart
from tests.lab.faults.chaos import Chaos
from tests.lab.faults.company import KNOWN, LEADS_TO, MAIN
from tests.lab.faults.proxy import LOCAL
from tests.lab.faults.traffic import Callers, SeenCall, Stream, await_all, from_outside, from_phone
from tests.lab.faults.verdict import Verdict, judge, judge_leads, judge_outages
from tests.lab.faults.world import World

BUSY, DECLINES, DOES_NOT_ANSWER, RINGS_ON = LEADS_TO
pytestmark = pytest.mark.faults

OUTAGE = timedelta(seconds=4)
"""What is away for longer is on record as an outage."""
SEED_VARIABLE = "LEADLINE_TEST_SEED"
"""Set it to play a run again."""


def strangers(kind: int, count: int) -> tuple[str, ...]:
    return tuple(f"+3805010{kind}{place:04}" for place in range(count))


def traffic(world: World) -> list[Stream]:
    """Some 370 calls in some 75 seconds, a dozen at once."""
    outside = tuple(f"067300{place:04}" for place in range(40))
    same = tuple(number for place in range(6) for number in [f"+38050300{place:04}"] * 4)
    return [
        from_outside(MAIN, strangers(1, 90), 0.85, talk_seconds=1.0, patience_seconds=20),
        from_outside(MAIN, tuple(KNOWN[:70]), 1.05, talk_seconds=1.5, patience_seconds=20),
        from_outside(BUSY, strangers(2, 30), 2.4, patience_seconds=20),
        from_outside(DECLINES, strangers(3, 30), 2.4, patience_seconds=20),
        from_outside(DOES_NOT_ANSWER, strangers(4, 25), 2.6, patience_seconds=20),
        from_outside(RINGS_ON, strangers(5, 30), 2.3, patience_seconds=1.5),
        from_phone(world.account("102"), outside, 1.7, talk_seconds=1.0, patience_seconds=20),
        from_phone(world.account("101"), ("103",) * 30, 2.4, talk_seconds=0.7, patience_seconds=20),
        from_outside(MAIN, same, 2.9, talk_seconds=3.0, patience_seconds=20),
    ]


def play(world: World, seed: int, postgres: PostgresServer | None) -> tuple[Verdict, Chaos]:
    """Let people call while things break; then compare."""
    chaos = Chaos(world, seed, postgres)
    callers = [Callers(stream, world.pbx, world.folder) for stream in traffic(world)]
    try:
        chaos.run(lambda: any(one.running for one in callers))
        await_all(callers, 60)
        seen = [call for one in callers for call in one.seen()]
    finally:
        for one in callers:
            one.close()
    for server in world.servers:
        server.process.await_health()
    rung = [call for end in world.ends.values() for call in end.calls()]
    verdict = settle(lambda: judge_all(world, seen, rung, chaos))
    return verdict, chaos


def judge_all(world: World, seen: list[SeenCall], rung: list[PhoneCall], chaos: Chaos) -> Verdict:
    rows = world.rows("SELECT * FROM call")
    verdict = judge(seen, rung, rows, chaos)
    verdict.wrong += judge_leads(world.rows("SELECT * FROM lead"), rows)
    verdict.wrong += judge_outages(world.rows("SELECT * FROM outage"), chaos.lasting(OUTAGE))
    return verdict


def settle(look: Callable[[], Verdict]) -> Verdict:
    """The judgement, once nothing comes any more that would better it."""
    deadline = time.monotonic() + 45
    while True:
        verdict = look()
        if not verdict.wrong or time.monotonic() > deadline:
            return verdict
        time.sleep(1)


def the_next_call_does_not_wait(world: World) -> None:
    """A call that comes while a backlog is recovered is routed by us, with its name, and on record while it rings."""
    (server,) = world.servers
    server.process.kill()
    backlog = Callers(from_outside(BUSY, strangers(6, 40), 0.05, patience_seconds=20), world.pbx, world.folder)
    await_all([backlog], 30)
    backlog.close()
    server.process.start()
    await_value(lambda: not port_is_free(socket.SOCK_STREAM, LOCAL, server.fastagi_port) or None, 30, "FastAGI")
    caller, phone = KNOWN[-1], world.ends["103"]
    call = Calls(Dialling(caller, MAIN.removeprefix("+38"), talk_seconds=4.0), world.pbx)
    try:
        rung = await_value(
            lambda: next((one for one in phone.calls() if one.number == caller), None), 10, "the phone to ring"
        )
        assert rung.name == f"Known {len(KNOWN) - 1}"
        world.await_rows("SELECT id FROM call WHERE outside_number = :caller AND phase < 3", caller=caller, seconds=4)
        assert call.outcomes()[0].ended_at is None, "it was on record only when it was over"
    finally:
        call.wait()
    world.await_rows("SELECT id FROM call WHERE outside_number LIKE '+38050106%' AND recovered", count=40)
    assert world.rows("SELECT count(*) AS n FROM call WHERE outside_number LIKE '+38050106%'") == [{"n": 40}]


def the_panel_lists_the_outages(world: World) -> None:
    """All of them, once no more come on record while one looks."""

    def listed() -> bool:
        (known,) = world.rows("SELECT count(*) AS n FROM outage")
        return world.servers[0].page("/outages").count('<td class="title">') == known["n"] > 0

    await_value(lambda: listed() or None, 15, "the panel to list every outage on record")


@pytest.fixture
def seed() -> int:
    given = os.environ.get(SEED_VARIABLE)
    return int(given) if given else random.SystemRandom().randrange(10**6)


@pytest.mark.timeout(300)
def test_every_call_is_on_record_once_on_sqlite(sqlite_template: Path, tmp_path: Path, seed: int) -> None:
    print(f"seed: {SEED_VARIABLE}={seed}")
    database = tmp_path / "leadline.db"
    shutil.copy(sqlite_template, database)
    with World(tmp_path, f"sqlite+aiosqlite:///{database}", servers=1) as world:
        verdict, chaos = play(world, seed, None)
        if not verdict.wrong:
            the_panel_lists_the_outages(world)
            the_next_call_does_not_wait(world)
    report(verdict, chaos)
    assert verdict.wrong == []
    assert verdict.calls >= 300


@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_every_call_is_on_record_once_on_postgresql_by_two_servers(
    own_server: PostgresServer, tmp_path: Path, seed: int
) -> None:
    print(f"seed: {SEED_VARIABLE}={seed}")
    url = run_apart(_fresh(own_server))
    with World(tmp_path, url, servers=2) as world:
        verdict, chaos = play(world, seed, own_server)
        the_panel_lists_the_outages(world)
    report(verdict, chaos)
    assert verdict.wrong == []
    assert verdict.calls >= 300


async def _fresh(server: PostgresServer) -> str:
    from leads.store.migrate import upgrade

    url = await server.create("faults", "template0")
    await upgrade(url)
    return url


def report(verdict: Verdict, chaos: Chaos) -> None:
    for fault in chaos.faults:
        print(f"{fault.since:%T.%f} to {fault.until:%T.%f}: {fault.kind} {fault.server}")
    print(
        f"{verdict.calls} calls, {verdict.recovered} recovered, {verdict.incomplete} not seen whole, "
        f"{verdict.absent} lost with Asterisk itself, {len(verdict.wrong)} wrong"
    )
    for line in verdict.wrong[:60]:
        print(line)
