"""The recorder keeps what it was told through a database that is away, in bounded memory, the fullest view of each."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from ami_listener.recorder import Recorder
from leads.domain.calls import CallView, Direction, Phase, Role
from leads.store.calls import RecordedDecision

RINGING = CallView(
    pbx="asterisk",
    linkedid="1.1",
    role=Role.CALL,
    phase=Phase.RINGING,
    progress=1,
    direction=Direction.INBOUND,
    caller="+380501234567",
    caller_name=None,
    caller_hidden=False,
    dialled="0441234567",
    result=None,
    answered_by=None,
    started_at=None,
    answered_at=None,
    ended_at=None,
    ring_seconds=None,
    talk_seconds=None,
    transfers=(),
    legs=(),
)
ENDED = replace(RINGING, phase=Phase.ENDED, progress=9)


class Writer:
    """Keeps what is written; `away` makes it fail, `gate` makes it wait."""

    def __init__(self) -> None:
        self.batches: list[list[CallView]] = []
        self.decisions: list[RecordedDecision] = []
        self.away = False
        self.tried = asyncio.Event()
        self.failed = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def write(self, views: Sequence[CallView], decisions: Sequence[RecordedDecision]) -> None:
        self.tried.set()
        await self.gate.wait()
        if self.away:
            self.failed.set()
            raise OSError("the database is away")
        self.batches.append(list(views))
        self.decisions += decisions

    @property
    def written(self) -> list[CallView]:
        return [view for batch in self.batches for view in batch]


@pytest.fixture
async def writer() -> Writer:
    return Writer()


@pytest.fixture
async def recorder(writer: Writer) -> AsyncIterator[Recorder]:
    rung: list[int] = []
    recorder = Recorder(writer, lambda: rung.append(1), capacity=3)
    yield recorder
    await recorder.stop(0.1)


async def test_a_burst_about_one_call_is_one_write_of_its_fullest_view(recorder: Recorder, writer: Writer) -> None:
    recorder.submit([RINGING, replace(RINGING, progress=2)])
    recorder.submit([ENDED])
    recorder.start()
    await recorder.stop()
    assert writer.written == [ENDED]


async def test_the_bell_rings_after_the_write(writer: Writer) -> None:
    seen: list[int] = []
    recorder = Recorder(writer, lambda: seen.append(len(writer.written)))
    recorder.submit([RINGING])
    recorder.start()
    await recorder.stop()
    assert seen == [1]


async def test_nothing_is_lost_while_the_database_is_away(recorder: Recorder, writer: Writer) -> None:
    writer.away = True
    recorder.submit([RINGING])
    recorder.start()
    await writer.tried.wait()
    recorder.submit([replace(ENDED, linkedid="2.2")])
    writer.away = False
    await recorder.stop()
    assert {view.linkedid for view in writer.written} == {"1.1", "2.2"}
    assert recorder.figures.trouble is None
    assert recorder.figures.failures == 1


async def test_a_failed_batch_does_not_undo_what_came_meanwhile(recorder: Recorder, writer: Writer) -> None:
    writer.away = True
    writer.gate.clear()
    recorder.submit([RINGING])
    recorder.start()
    await writer.tried.wait()
    recorder.submit([ENDED])
    writer.gate.set()
    await writer.failed.wait()
    writer.away = False
    await recorder.stop()
    assert writer.written == [ENDED]


async def test_memory_is_bounded_and_ended_calls_are_kept_longest(recorder: Recorder, writer: Writer) -> None:
    recorder.submit([ENDED])
    recorder.submit(replace(RINGING, linkedid=f"{number}.0") for number in range(2, 6))
    assert recorder.pending == 3
    assert recorder.figures.dropped == 2
    recorder.start()
    await recorder.stop()
    assert [view.linkedid for view in writer.written] == ["1.1", "4.0", "5.0"]


async def test_the_end_gives_up_in_time_and_says_so(writer: Writer) -> None:
    writer.away = True
    recorder = Recorder(writer, lambda: None)
    recorder.submit([RINGING])
    recorder.start()
    await recorder.stop(0.2)
    assert recorder.pending == 1
    assert "away" in (recorder.figures.trouble or "")
