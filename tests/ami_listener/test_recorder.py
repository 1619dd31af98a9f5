"""The recorder against a database that is slow, away, or back again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import structlog

from ami_listener import recorder as recorder_module
from ami_listener.recorder import Recorder
from leads.domain.calls import CallView, Phase
from leads.store.calls import RecordedDecision
from tests.ami_listener.stories import Pbx, play


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "FIRST_RETRY", 0.001)


def call_views(first: int = 1) -> list[CallView]:
    pbx = Pbx(first=first)
    a = pbx.inbound()
    b = pbx.ring(a, "101")
    pbx.answer(a, b)
    pbx.part("b1", a, b)
    return play(pbx.events)


def a_decision(linkedid: str = "1.1", name: str = "x") -> RecordedDecision:
    return RecordedDecision("pbx", linkedid, datetime(2026, 1, 1, tzinfo=UTC), {"name": name})


class FakeWriter:
    """Keeps what it is given; fails as often as told, waits when held."""

    def __init__(self) -> None:
        self.batches: list[tuple[list[CallView], list[RecordedDecision]]] = []
        self.failures = 0
        self.attempts = 0
        self.free = asyncio.Event()
        self.free.set()
        self.entered = asyncio.Event()

    async def write(self, views: Sequence[CallView], decisions: Sequence[RecordedDecision]) -> None:
        self.attempts += 1
        self.entered.set()
        await self.free.wait()
        if self.failures:
            self.failures -= 1
            raise OSError("database is away")
        self.batches.append((list(views), list(decisions)))

    @property
    def views(self) -> list[CallView]:
        return [view for views, _ in self.batches for view in views]


@asynccontextmanager
async def recording(writer: FakeWriter, most_waiting: int = 1000) -> AsyncIterator[Recorder]:
    recorder = Recorder(writer, most_waiting=most_waiting)
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_only_the_fullest_view_of_a_call_is_written() -> None:
    views = call_views()
    writer = FakeWriter()
    async with recording(writer) as recorder:
        recorder.submit(views)
        recorder.submit(views[:1])
        assert await recorder.drain() == 0
    assert writer.views == [views[-1]]
    assert recorder.health.written == 1


async def test_a_view_that_missed_a_part_stands_beside_one_that_did_not() -> None:
    whole = call_views()[1]
    later = replace(call_views()[-1], incomplete=True)
    writer = FakeWriter()
    async with recording(writer) as recorder:
        recorder.submit([whole, later])
        await recorder.drain()
    assert set(writer.views) == {whole, later}


async def test_decisions_are_written_and_the_live_page_is_told() -> None:
    told = []
    writer = FakeWriter()
    recorder = Recorder(writer, on_written=lambda: told.append(len(writer.batches)))
    task = asyncio.create_task(recorder.run())
    recorder.submit_decision(a_decision())
    await recorder.drain()
    task.cancel()
    assert writer.batches == [([], [a_decision()])]
    assert told == [1]


async def test_what_could_not_be_written_is_written_later_and_newer_views_win() -> None:
    views = call_views()
    writer = FakeWriter()
    writer.failures = 3
    writer.free.clear()
    async with recording(writer) as recorder:
        recorder.submit(views[:1])
        recorder.submit_decision(a_decision(name="old"))
        await asyncio.wait_for(writer.entered.wait(), 10)
        recorder.submit(views[1:])
        recorder.submit_decision(a_decision(name="new"))
        writer.free.set()
        assert await recorder.drain() == 0
    assert writer.views == [views[-1]]
    assert writer.batches[0][1] == [a_decision(name="new")]
    assert writer.attempts == 4
    assert recorder.health.failing_since is None
    assert "database is away" in (recorder.health.last_error or "")


async def test_while_the_database_is_away_memory_is_bounded_and_ended_calls_are_given_up_last() -> None:
    writer = FakeWriter()
    writer.free.clear()
    ended = [call_views(first=10 * n)[-1] for n in range(1, 6)]
    ringing = [call_views(first=1000 + 10 * n)[0] for n in range(20)]
    async with recording(writer, most_waiting=8) as recorder:
        recorder.submit(ended)
        recorder.submit(ringing)
        assert recorder.waiting == 8
        assert recorder.health.spilled == 17
        writer.free.set()
        await recorder.drain()
    assert [view for view in writer.views if view.phase is Phase.ENDED] == ended
    assert [view for view in writer.views if view.phase is not Phase.ENDED] == ringing[-3:]


async def test_drain_says_what_is_left_when_the_database_stays_away() -> None:
    writer = FakeWriter()
    writer.failures = 10**9
    async with recording(writer) as recorder:
        recorder.submit(call_views())
        assert await recorder.drain(0.1) == 1
        assert recorder.health.failing_since is not None


async def test_many_calls_go_in_batches() -> None:
    writer = FakeWriter()
    async with recording(writer, most_waiting=10_000) as recorder:
        recorder.submit([call_views(first=10 * n)[-1] for n in range(1, 2501)])
        await recorder.drain()
    assert [len(views) for views, _ in writer.batches] == [1000, 1000, 500]


async def test_each_call_can_be_followed_in_the_log_by_its_linkedid_for_who_asks_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, recorder_module.__name__)
    call = call_views()[-1]
    with structlog.testing.capture_logs() as logs:
        async with recording(FakeWriter()) as recorder:
            recorder.submit_decision(a_decision(call.linkedid))
            recorder.submit([call])
            await recorder.drain()
    assert [(line["event"], line["linkedid"]) for line in logs] == [
        ("call routed", call.linkedid),
        ("call stored", call.linkedid),
    ]
    assert call.caller is not None
    assert call.caller not in str(logs)
