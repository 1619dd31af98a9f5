"""Listening to a real Asterisk: logging in, being refused, its death, its freezing, and what ran before us."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from ami_listener import connection as connection_module
from ami_listener.connection import AmiAccount, ConnectionState
from ami_listener.control import ControlConnection
from ami_listener.database_copy import DatabaseFamily
from ami_listener.listener import CallListener
from ami_listener.tracker import Tracker
from ami_listener.trunks import trunk_matcher
from dialplan.words import DID_FAMILY
from leadline.demo.scenarios import Behaviour
from leads.domain.calls import CallView, Direction, Phase, Result
from tests.lab.dialplan_lab import CALLER, RINGS_ON, DialplanLab, phones, plan, ring

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialplanLab]:
    with DialplanLab(tmp_path_factory.mktemp("ami")) as lab:
        lab.agi.answers["0441"] = plan(phones(ring("101")))
        yield lab


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "FIRST_DELAY", 0.1)


class Ear:
    """A listener to the lab's Asterisk, and what it heard."""

    def __init__(self, lab: DialplanLab, secret: str = "events-secret", silence: float = 15.0) -> None:
        self.calls: dict[str, CallView] = {}
        self.listener = CallListener(
            Tracker("lab", trunk_matcher(("PJSIP/trunk*",))),
            lambda views: self.calls.update({view.linkedid: view for view in views}),
            AmiAccount("127.0.0.1", lab.values.ami_port, "leadline-events", secret),
            silence=timedelta(seconds=silence),
        )

    @property
    def state(self) -> ConnectionState:
        return self.listener.connection.health.state

    @property
    def error(self) -> str:
        return self.listener.connection.health.last_error or ""

    def phase(self) -> Phase | None:
        return next((call.phase for call in self.calls.values()), None)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - health has no event to wait for
                await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(ear: Ear) -> AsyncIterator[Ear]:
    task = asyncio.create_task(ear.listener.run())
    try:
        yield ear
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_call_is_on_record_with_what_its_ends_saw(lab: DialplanLab) -> None:
    with lab.phone("101", Behaviour(ring_seconds=1.0)) as phone:
        async with listening(Ear(lab)) as ear:
            await ear.until(lambda: ear.state is ConnectionState.CONNECTED)
            outcome = await asyncio.to_thread(lab.call("0441", talk_seconds=2.0, display_name="KYIV").wait_one)
            await ear.until(lambda: ear.phase() is Phase.ENDED)
            assert ear.listener.health.listings == 1
        assert phone.await_end().end == "ended"
        assert len(phone.calls()) == 1
    (call,) = ear.calls.values()
    assert outcome.answered_at is not None
    assert (call.direction, call.caller, call.caller_name, call.dialled) == (Direction.INBOUND, CALLER, "KYIV", "0441")
    assert (call.result, call.answered_by, call.legs[0].endpoint) == (Result.ANSWERED, "101", "PJSIP/101")
    assert call.ring_seconds == pytest.approx((outcome.answered_at - outcome.started_at).total_seconds(), abs=1)
    assert call.talk_seconds == pytest.approx(2.0, abs=1)
    assert not call.incomplete
    assert (ear.listener.tracker.live_calls, ear.listener.tracker.live_channels) == (0, 0)


@pytest.mark.parametrize(
    ("behaviour", "result"),
    [
        (Behaviour(status=486), Result.BUSY),
        (Behaviour(status=600), Result.BUSY),
        (Behaviour(status=603), Result.REJECTED),
        (Behaviour(status=480), Result.NO_ANSWER),
        (Behaviour(status=404), Result.FAILED),
        (Behaviour(status=488), Result.FAILED),
        (Behaviour(status=503), Result.FAILED),
        (RINGS_ON, Result.NO_ANSWER),
    ],
)
async def test_results_of_an_unanswered_leg(lab: DialplanLab, behaviour: Behaviour, result: Result) -> None:
    lab.agi.answers["0442"] = plan(phones(ring("102"), seconds=1))
    with lab.phone("102", behaviour):
        async with listening(Ear(lab)) as ear:
            await ear.until(lambda: ear.state is ConnectionState.CONNECTED)
            await asyncio.to_thread(lab.call("0442").wait_one)
            await ear.until(lambda: ear.phase() is Phase.ENDED)
    (call,) = ear.calls.values()
    assert (call.result, call.legs[0].result, call.answered_by) == (result, result, None)


async def test_wrong_secret_is_refused_with_a_clear_word(lab: DialplanLab) -> None:
    async with listening(Ear(lab, secret="wrong")) as ear:
        await ear.until(lambda: ear.state is ConnectionState.REFUSED)
        assert "wrong account or secret" in ear.error


async def test_frozen_asterisk_is_found_out_and_followed_again(lab: DialplanLab) -> None:
    async with listening(Ear(lab, silence=1.0)) as ear:
        await ear.until(lambda: ear.state is ConnectionState.CONNECTED)
        health = ear.listener.connection.health
        lab.asterisk.pause()
        try:
            await ear.until(lambda: "silent" in ear.error and ear.state is not ConnectionState.CONNECTED)
            before = health.connects
        finally:
            lab.asterisk.resume()
        await ear.until(lambda: health.connects > before)


async def test_call_that_ran_before_us_is_known_and_its_end_is_heard(lab: DialplanLab) -> None:
    with lab.phone("101"):
        calls = lab.call("0441", talk_seconds=4.0)
        await asyncio.to_thread(calls.await_answer)
        async with listening(Ear(lab)) as ear:
            await ear.until(lambda: ear.phase() is Phase.TALKING)
            await asyncio.to_thread(calls.wait_one)
            await ear.until(lambda: ear.phase() is Phase.ENDED)
    (call,) = ear.calls.values()
    assert (call.caller, call.answered_by, call.result) == (CALLER, "101", Result.ANSWERED)
    assert call.incomplete


async def test_call_that_ended_while_asterisk_was_killed_is_closed_as_incomplete(lab: DialplanLab) -> None:
    with lab.phone("101") as phone:
        async with listening(Ear(lab)) as ear:
            await ear.until(lambda: ear.state is ConnectionState.CONNECTED)
            calls = lab.call("0441", talk_seconds=None)
            await ear.until(lambda: ear.phase() is Phase.TALKING)
            lab.asterisk.kill()
            await ear.until(lambda: ear.state is not ConnectionState.CONNECTED)
            assert ear.phase() is Phase.TALKING
            lab.asterisk.start()
            await ear.until(lambda: ear.phase() is Phase.ENDED)
            assert ear.listener.connection.health.connects == 2
        calls.break_off()
        phone.vanish()
    (call,) = ear.calls.values()
    assert (call.incomplete, call.result, call.answered_by) == (True, Result.ANSWERED, "101")


async def test_a_family_of_asterisks_database_is_made_equal(lab: DialplanLab) -> None:
    control = ControlConnection(AmiAccount("127.0.0.1", lab.values.ami_port, "leadline-control", "control-secret"))
    connected = asyncio.Event()
    control.on_connected(connected.set)
    task = asyncio.create_task(control.run())
    try:
        await asyncio.wait_for(connected.wait(), 20)
        family = DatabaseFamily(control, DID_FAMILY)
        for entries in ({"0441234567": "a plan: 1", "0442": "Олена"}, {"0442": "c"}, {}):
            await family.make_equal(entries)
            shown = await asyncio.to_thread(lab.asterisk.cli, f"database show {DID_FAMILY}")
            rows = [line.split(":", 1) for line in shown.splitlines() if line.startswith("/")]
            assert {key.strip().rpartition("/")[2]: value.strip() for key, value in rows} == entries
        assert (family.puts, family.deletes) == (3, 2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
