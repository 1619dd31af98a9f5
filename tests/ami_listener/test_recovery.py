"""Calls that live events missed are completed from what Asterisk kept, once, behind the live ones (C3)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from ami_listener.cel_calls import calls_of_rows
from ami_listener.cel_rows import csv_rows
from ami_listener.cel_source import open_source
from ami_listener.recorder import Recorder
from ami_listener.recovery import Recovery
from ami_listener.trunks import trunk_matcher
from leadline.figures import recovery_health
from leads.domain.calls import CallView, Phase
from leads.store.calls import CallWriter, RecordedDecision
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.models import Call, Lead
from tests.ami_listener.test_cel import ANSWERED

PBX = "asterisk"
LINES = ANSWERED.read_text().splitlines(keepends=True)
IS_TRUNK = trunk_matcher(("PJSIP/trunk*",))
BEGAN = datetime.fromtimestamp(float(LINES[0].split('"')[3]), UTC)
(TOLD,) = calls_of_rows(csv_rows(LINES), PBX, IS_TRUNK)
AFTER = BEGAN + timedelta(minutes=1)


@dataclass
class Live:
    """What live events say."""

    is_current: bool = True
    channels: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)

    def knows(self, uniqueid: str) -> bool:
        return uniqueid in self.channels

    def sees_whole(self, linkedid: str) -> bool:
        return linkedid in self.whole


@dataclass
class Bench:
    """A recovery that reads a file which a test writes, into a real database."""

    database: Database
    recorder: Recorder
    file: Path
    live: Live = field(default_factory=Live)
    now: datetime = AFTER

    def recovery(self) -> Recovery:
        return Recovery(
            PBX,
            open_source(f"csv:{self.file}", UTC),
            is_trunk=IS_TRUNK,
            live=self.live,
            recorder=self.recorder,
            database=self.database,
            clock=lambda: self.now,
        )

    async def started(self) -> Recovery:
        """One that has begun, at the present."""
        recovery = self.recovery()
        await recovery.catch_up()
        return recovery

    def write(self, lines: Sequence[str]) -> None:
        with self.file.open("a") as file:
            file.writelines(lines)

    async def calls(self) -> list[Any]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Call).order_by(Call.id)))

    async def leads(self) -> int:
        async with self.database.read() as session:
            return len(list(await session.scalars(select(Lead.id))))


@asynccontextmanager
async def running(part: Recorder | Recovery) -> AsyncIterator[None]:
    task = asyncio.create_task(part.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def bench(database: Database, tmp_path: Path) -> AsyncIterator[Bench]:
    directory = DirectoryCache(database)
    await directory.refresh()
    recorder = Recorder(CallWriter(database, directory, "UA", lambda: AFTER))
    async with running(recorder):
        yield Bench(database, recorder, tmp_path / "leadline.csv")


async def test_a_call_that_nobody_saw_is_recorded_once_and_marked(bench: Bench) -> None:
    recovery = await bench.started()
    bench.write(LINES)
    await recovery.catch_up()
    await bench.recovery().catch_up()
    (call,) = await bench.calls()
    assert (call.recovered, call.incomplete, call.phase, call.result) == (True, False, Phase.ENDED, TOLD.result)
    assert (call.talk_seconds, call.answered_by, call.started_at) == (TOLD.talk_seconds, TOLD.answered_by, BEGAN)
    assert await bench.leads() == 1


async def test_the_first_time_it_begins_at_the_present(bench: Bench) -> None:
    bench.write(LINES)
    recovery = await bench.started()
    assert (await bench.calls(), recovery.health.rows) == ([], 0)


async def test_the_server_is_starting_until_it_is_kept_from_where_to_recover(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench.recovery()

    async def kill(*_: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr("ami_listener.recovery.keep_stand", kill)
        with pytest.raises(asyncio.CancelledError):
            await first.catch_up()
    killed = recovery_health(first)
    assert (killed.healthy, killed.essential) == (False, True)

    started = recovery_health(await bench.started())
    assert (started.healthy, started.essential) == (True, False)
    bench.write(LINES)
    await bench.recovery().catch_up()
    assert len(await bench.calls()) == 1


async def test_records_that_cannot_be_read_do_not_keep_the_server_from_being_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.file.mkdir()
    recovery = bench.recovery()
    failed = asyncio.Event()
    monkeypatch.setattr("ami_listener.recovery.logger.warning", lambda *_: failed.set())
    async with running(recovery), asyncio.timeout(10):
        await failed.wait()
    part = recovery_health(recovery)
    assert (part.healthy, part.essential) == (False, False)


async def test_a_call_seen_live_from_beginning_to_end_stays_as_it_is(bench: Bench) -> None:
    recovery = await bench.started()
    seen = replace(TOLD, recovered=False, talk_seconds=99.0, progress=3)
    bench.recorder.submit([seen])
    await bench.recorder.drain()
    bench.write(LINES)
    await recovery.catch_up()
    (call,) = await bench.calls()
    assert (call.recovered, call.talk_seconds, recovery.health.recovered) == (False, 99.0, 0)


async def test_live_events_have_time_to_tell_a_call_first(bench: Bench) -> None:
    recovery = await bench.started()
    bench.write(LINES)
    assert TOLD.ended_at is not None
    bench.now = TOLD.ended_at + timedelta(seconds=2)
    await recovery.catch_up()
    assert await bench.calls() == []
    bench.now = TOLD.ended_at + timedelta(seconds=6)
    await recovery.catch_up()
    assert len(await bench.calls()) == 1


async def test_a_call_seen_live_in_part_is_completed_in_either_order(bench: Bench) -> None:
    part = replace(TOLD, recovered=False, incomplete=True, talk_seconds=1.0, progress=3)
    recovery = await bench.started()
    bench.recorder.submit([part])
    await bench.recorder.drain()
    bench.write(LINES)
    await recovery.catch_up()
    bench.recorder.submit([replace(part, progress=4)])
    await bench.recorder.drain()
    (call,) = await bench.calls()
    assert (call.recovered, call.incomplete, call.talk_seconds) == (True, False, TOLD.talk_seconds)
    assert await bench.leads() == 1


async def test_what_is_kept_of_the_place_does_not_pass_a_call_that_runs(bench: Bench) -> None:
    bench.live = Live(channels={TOLD.linkedid}, whole={TOLD.linkedid})
    first = await bench.started()
    middle = len(LINES) // 2
    bench.write(LINES[:middle])
    await first.catch_up()
    assert await bench.calls() == []

    bench.live = Live()
    after_restart = bench.recovery()
    bench.write(LINES[middle:])
    await after_restart.catch_up()
    (call,) = await bench.calls()
    assert (call.recovered, call.incomplete, call.talk_seconds) == (True, False, TOLD.talk_seconds)


async def test_a_call_that_began_unseen_shows_while_it_runs(bench: Bench) -> None:
    recovery = await bench.started()
    bench.live.channels = {TOLD.linkedid}
    end = next(place for place, line in enumerate(LINES) if "BRIDGE_EXIT" in line)
    bench.write(LINES[:end])
    await recovery.catch_up()
    (call,) = await bench.calls()
    assert (call.recovered, call.phase, call.caller) == (True, Phase.TALKING, TOLD.caller)
    bench.write(LINES[end:])
    await recovery.catch_up()
    (call,) = await bench.calls()
    assert (call.phase, call.talk_seconds) == (Phase.ENDED, TOLD.talk_seconds)


async def test_a_call_whose_end_nobody_wrote_ends_with_its_last_event(bench: Bench) -> None:
    bench.live.is_current = False
    recovery = await bench.started()
    end = next(place for place, line in enumerate(LINES) if "BRIDGE_EXIT" in line)
    bench.write(LINES[:end])
    await recovery.catch_up()
    assert [call.phase for call in await bench.calls()] == [Phase.TALKING]
    bench.live.is_current = True
    await recovery.catch_up()
    (call,) = await bench.calls()
    last = datetime.fromtimestamp(float(LINES[end - 1].split('"')[3]), UTC)
    assert (call.phase, call.incomplete, call.recovered, call.ended_at) == (Phase.ENDED, True, True, last)


async def test_while_the_database_is_away_nothing_is_passed_over(bench: Bench) -> None:
    recovery = await bench.started()
    bench.write(LINES)
    async with bench.database.write() as session:
        await session.execute(text("ALTER TABLE call RENAME TO away"))
    with pytest.raises(Exception, match="call"):
        await recovery.catch_up()
    async with bench.database.write() as session:
        await session.execute(text("ALTER TABLE away RENAME TO call"))
    await bench.recovery().catch_up()
    assert len(await bench.calls()) == 1


class SlowWriter:
    """Notes what is written, and lets a test hold it."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.may_write = asyncio.Event()

    async def write(self, views: Sequence[CallView], decisions: Sequence[RecordedDecision]) -> None:
        await self.may_write.wait()
        self.batches.append([view.linkedid for view in views])


async def test_live_calls_go_before_those_of_the_past() -> None:
    writer = SlowWriter()
    recorder = Recorder(writer)
    past = [asyncio.create_task(recorder.store_past([replace(TOLD, linkedid=f"past {n}")])) for n in range(2)]
    await asyncio.sleep(0)
    recorder.submit([replace(TOLD, linkedid="live")])
    async with running(recorder):
        writer.may_write.set()
        await asyncio.gather(*past)
    assert writer.batches == [["live"], ["past 0"], ["past 1"]]
