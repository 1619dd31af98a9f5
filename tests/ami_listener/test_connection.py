"""The connection against servers that refuse, freeze, flood and lie."""

import asyncio
import logging
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ami_listener import connection as connection_module
from ami_listener import listener as listener_module
from ami_listener import tracker as tracker_module
from ami_listener import views
from ami_listener.connection import AmiAccount, ConnectionState, tls_context
from ami_listener.link import AmiLink, AmiLostError, AmiRefusedError, LoginRefusedError
from ami_listener.listener import CallListener
from ami_listener.model import Call
from leads.domain.calls import CallView, Phase
from tests.ami_listener.fake_ami import FakeAmi, Peer
from tests.ami_listener.stories import Event, Pbx, new_tracker

SECRET = "very-secret-word"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "FIRST_DELAY", 0.01)


class Followed:
    """A listener at work, with the views it gave."""

    def __init__(self, port: int, silence: float = 5.0) -> None:
        self.views: list[CallView] = []
        self.ended = 0
        self.listener = CallListener(
            new_tracker(),
            self._take,
            AmiAccount("127.0.0.1", port, "leadline-events", SECRET),
            silence=timedelta(seconds=silence),
        )

    def _take(self, views: Sequence[CallView]) -> None:
        for view in views:
            self.views.append(view)
            self.ended += view.phase is Phase.ENDED

    @property
    def state(self) -> ConnectionState:
        return self.listener.connection.health.state

    async def until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - health has no event to wait for
                await asyncio.sleep(0.005)


@asynccontextmanager
async def following(port: int, silence: float = 5.0) -> AsyncIterator[Followed]:
    followed = Followed(port, silence)
    task = asyncio.create_task(followed.listener.run())
    try:
        yield followed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def wire(events: list[Event]) -> str:
    return "".join("".join(f"{k}: {v}\n" for k, v in event.items()) + "\n" for event in events)


async def healthy(peer: Peer) -> None:
    await peer.log_in()
    await peer.list_channels()


async def until_gone(peer: Peer) -> None:
    while await peer.reader.read(1000):
        pass


def a_call() -> list[Event]:
    pbx = Pbx()
    a = pbx.inbound()
    b = pbx.ring(a, "101")
    pbx.answer(a, b)
    pbx.part("b1", a, b)
    return pbx.events


async def test_calls_are_followed_over_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await healthy(peer)
        peer.send(wire(a_call()))
        await until_gone(peer)

    async with FakeAmi(script) as server, following(server.port) as followed:
        await followed.until(lambda: bool(followed.views) and followed.views[-1].phase is Phase.ENDED)
        assert followed.state is ConnectionState.CONNECTED
        assert followed.listener.connection.health.last_error is None


async def test_wrong_secret_is_said_clearly_and_not_hammered(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        peer.send("Asterisk Call Manager/11.0.0\n")
        peer.answer(await peer.action(), "Error", "Authentication failed")
        await until_gone(peer)

    async with FakeAmi(script) as server, following(server.port) as followed:
        await followed.until(lambda: followed.state is ConnectionState.REFUSED)
        for _ in range(50):
            await asyncio.sleep(0)
        assert server.connections == 1
        error = followed.listener.connection.health.last_error or ""
        assert "'leadline-events'" in error
        assert "wrong account or secret" in error
        assert "Authentication failed" in error


async def test_secret_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen = asyncio.Event()

    async def script(peer: Peer) -> None:
        action = await peer.log_in()
        assert action["Secret"] == SECRET
        seen.set()

    async with FakeAmi(script) as server, following(server.port):
        await asyncio.wait_for(seen.wait(), 10)
    assert SECRET not in caplog.text
    assert SECRET not in repr(AmiAccount("h", 1, "u", SECRET))


async def test_half_open_connection_is_dropped_and_made_anew() -> None:
    async def script(peer: Peer) -> None:
        await healthy(peer)
        await asyncio.Event().wait()  # never a byte again, not even an answer to a ping

    async with FakeAmi(script) as server, following(server.port, silence=0.3) as followed:
        await followed.until(lambda: server.connections >= 2)
        assert "silent for 0.3 s" in (followed.listener.connection.health.last_error or "")


async def test_pings_keep_a_quiet_connection() -> None:
    pings = asyncio.Semaphore(0)

    async def script(peer: Peer) -> None:
        await healthy(peer)
        while True:
            action = await peer.action()
            assert action["Action"] == "Ping"
            peer.send("Response: Success\nPing: Pong\n\n")
            pings.release()

    # Each ping may be answered late by two thirds of the silence; four of them last longer than it.
    async with FakeAmi(script) as server, following(server.port, silence=1.5) as followed:
        for _ in range(4):
            await asyncio.wait_for(pings.acquire(), 10)
        assert server.connections == 1
        assert followed.state is ConnectionState.CONNECTED


async def test_nobody_listens() -> None:
    async with FakeAmi(healthy) as server:
        port = server.port
    async with following(port) as followed:
        await followed.until(lambda: followed.listener.connection.health.losses >= 3)
        assert "no connection" in (followed.listener.connection.health.last_error or "")


@pytest.mark.parametrize("garbage", ["\x00\xff" * 1000, "A: b\n" * 400_000, "HTTP/1.1 400 Bad Request\n\n"])
async def test_garbage_instead_of_ami(garbage: str) -> None:
    async def script(peer: Peer) -> None:
        peer.send(garbage)
        await peer.writer.drain()

    async with FakeAmi(script) as server, following(server.port) as followed:
        await followed.until(lambda: server.connections >= 2)
        assert followed.listener.health.failures == 0


async def test_broken_events_cost_neither_connection_nor_neighbours() -> None:
    async def script(peer: Peer) -> None:
        await healthy(peer)
        peer.send("Event: Newchannel\nEvent: again\nUniqueid: 1\n\nEvent: Hangup\n\nnonsense\n\n")
        peer.writer.write(b"Event: NewCallerid\r\nUniqueid: \xff\r\nLinkedid: \xff\r\n\r\n")
        peer.send(wire(a_call()))
        await until_gone(peer)

    async with FakeAmi(script) as server, following(server.port) as followed:
        await followed.until(lambda: bool(followed.views) and followed.views[-1].phase is Phase.ENDED)
        assert server.connections == 1


async def test_failing_tracker_does_not_end_the_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(peer: Peer) -> None:
        await healthy(peer)
        peer.send(wire(a_call()))
        await until_gone(peer)

    async with FakeAmi(script) as server, following(server.port) as followed:
        monkeypatch.setattr(followed.listener.tracker, "follow", lambda *_: 1 / 0)
        await followed.until(lambda: followed.listener.health.failures > 3)
        assert followed.state is ConnectionState.CONNECTED


async def test_one_call_that_cannot_be_shown_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    pbx = Pbx()
    bad, good = pbx.inbound(), pbx.inbound("+380671112233")
    pbx.state(bad, "6")
    pbx.state(good, "6")

    def new_view(call: Call, pbx: str) -> CallView | None:
        if call.linkedid == bad:
            raise ValueError("no view")
        return views.new_view(call, pbx)

    async def script(peer: Peer) -> None:
        await healthy(peer)
        peer.send(wire(pbx.events))
        await until_gone(peer)

    monkeypatch.setattr(tracker_module, "new_view", new_view)
    async with FakeAmi(script) as server, following(server.port) as followed:
        await followed.until(lambda: [view.linkedid for view in followed.views] == [good])
        assert followed.listener.health.failures == 1


async def test_what_changed_is_given_before_the_listening_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "GIVE_SECONDS", 1000)

    async def script(peer: Peer) -> None:
        await healthy(peer)
        peer.send(wire(a_call()))
        await until_gone(peer)

    async with FakeAmi(script) as server, following(server.port) as followed:
        await followed.until(lambda: followed.listener.health.events > len(a_call()))
        assert not followed.views
    assert [view.phase for view in followed.views] == [Phase.ENDED]


async def test_calls_that_ended_meanwhile_are_closed_as_incomplete_and_running_ones_go_on() -> None:
    pbx = Pbx()
    a, c = pbx.inbound(), pbx.inbound("+380671112233")
    b = pbx.ring(c, "101")
    pbx.answer(c, b)
    before = len(pbx.events)
    pbx.part("b1", c, b)
    rows = [
        f"Channel: PJSIP/trunk-2\nUniqueid: {c}\nLinkedid: {c}\nChannelState: 6\nBridgeId: b1",
        f"Channel: PJSIP/101-3\nUniqueid: {b}\nLinkedid: {c}\nChannelState: 6\nBridgeId: b1\nApplication: AppDial",
    ]
    asterisks: list[int] = []

    async def script(peer: Peer) -> None:
        asterisks.append(1)
        await peer.log_in()
        if len(asterisks) == 1:
            await peer.list_channels()
            peer.send(wire(pbx.events[:before]))
            return
        await peer.list_channels(*rows)
        peer.send(wire(pbx.events[before:]))
        await until_gone(peer)

    async with FakeAmi(script) as server, following(server.port) as followed:
        ended = {}

        def both_ended() -> bool:
            ended.update({v.linkedid: v for v in followed.views if v.phase is Phase.ENDED})
            return len(ended) == 2

        await followed.until(both_ended)
        assert ended[a].incomplete
        assert not ended[c].incomplete
        assert (ended[c].answered_by, followed.listener.health.listings) == ("101", 2)


async def test_call_that_ran_before_us_is_known_from_the_listing() -> None:
    rows = [
        "Channel: PJSIP/trunk-2\nUniqueid: 5.1\nLinkedid: 5.1\nChannelState: 6\nBridgeId: b\nCallerIDNum: +380501234567"
        "\nExten: 0441234567\nDuration: 00:01:30",
        "Channel: PJSIP/101-3\nUniqueid: 5.2\nLinkedid: 5.1\nChannelState: 6\nBridgeId: b\nCallerIDNum: 101"
        "\nApplication: AppDial\nDuration: 00:01:20",
    ]

    async def script(peer: Peer) -> None:
        await peer.log_in()
        await peer.list_channels(*rows)
        await until_gone(peer)

    async with FakeAmi(script) as server, following(server.port) as followed:
        await followed.until(lambda: bool(followed.views) and followed.views[-1].phase is Phase.TALKING)
        view = followed.views[-1]
        assert (view.caller, view.answered_by, view.incomplete) == ("+380501234567", "101", True)
        assert view.answered_at is None


async def test_account_without_the_right_to_list_still_follows_calls() -> None:
    async def script(peer: Peer) -> None:
        await peer.log_in()
        peer.answer(await peer.action(), "Error", "Permission denied")
        peer.send(wire(a_call()))
        await until_gone(peer)

    async with FakeAmi(script) as server, following(server.port) as followed:
        await followed.until(lambda: bool(followed.views) and followed.views[-1].phase is Phase.ENDED)
        assert followed.listener.health.listing_refused


async def test_burst_of_100_000_events_is_worked_off_whole() -> None:
    calls = 100_000 // len(a_call()) + 1

    async def script(peer: Peer) -> None:
        await healthy(peer)
        for number in range(calls):
            pbx = Pbx(first=1 + 10 * number)
            a = pbx.inbound()
            b = pbx.ring(a, "101")
            pbx.answer(a, b, f"b{number}")
            pbx.part(f"b{number}", a, b)
            peer.send(wire(pbx.events))
            if number % 500 == 0:
                await peer.writer.drain()
        await until_gone(peer)

    async with FakeAmi(script) as server, following(server.port, silence=60) as followed:
        await followed.until(lambda: followed.ended == calls, seconds=100)
        assert followed.listener.health.events >= 100_000
        assert followed.listener.health.dropped == 0
        assert (followed.listener.tracker.live_calls, followed.listener.queued) == (0, 0)


async def test_overflow_is_said_and_the_running_channels_are_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "MAX_QUEUED_BYTES", 5_000)

    async def script(peer: Peer) -> None:
        await healthy(peer)
        pbx = Pbx()
        pbx.inbound()
        for _ in range(2000):
            pbx.state("1763726400.1", "6")
        peer.send(wire(pbx.events))
        await peer.list_channels()
        await until_gone(peer)

    async with FakeAmi(script) as server, following(server.port) as followed:
        await followed.until(lambda: bool(followed.views) and followed.views[-1].phase is Phase.ENDED)
        assert followed.listener.health.dropped > 0
        assert followed.views[-1].incomplete


@asynccontextmanager
async def linked(script: Callable[[Peer], object]) -> AsyncIterator[AmiLink]:
    async with FakeAmi(script) as server:  # type: ignore[arg-type]
        link = await AmiLink.open("127.0.0.1", server.port, lambda _: None, frozenset())
        try:
            yield link
        finally:
            link.drop("the test is over")


@pytest.mark.parametrize("value", ["a\r\nAction: Originate", "a\nb", "a\0b"])
async def test_line_break_in_a_value_is_refused(value: str) -> None:
    async with linked(until_gone) as link:
        with pytest.raises(ValueError, match="line break"):
            await link.ask("DBPut", {"Val": value})


async def test_answer_that_never_comes_times_out_and_is_forgotten() -> None:
    async with linked(until_gone) as link:
        with pytest.raises(AmiLostError, match="no answer"):
            await link.ask("Ping", seconds=0.05)
        assert link.responses == {}


async def test_waiting_action_fails_when_the_connection_breaks() -> None:
    async def script(peer: Peer) -> None:
        await peer.action()

    async with linked(script) as link:
        with pytest.raises(AmiLostError, match="closed the connection"):
            await link.ask("Ping")
        with pytest.raises(AmiLostError):
            await link.ask("Ping")


async def test_list_action_that_is_refused_does_not_hang() -> None:
    async def script(peer: Peer) -> None:
        peer.answer(await peer.action(), "Error", "Database entry not found")
        await until_gone(peer)

    async with linked(script) as link:
        with pytest.raises(AmiRefusedError, match="not found"):
            await link.ask_list("DBGetTree", {"Family": "x"})


async def test_list_action_gives_its_rows() -> None:
    async def script(peer: Peer) -> None:
        action = await peer.action()
        peer.answer(action)
        for key in ("a", "b"):
            peer.send(f"Event: DBGetTreeResponse\nActionID: {action['ActionID']}\nKey: {key}\nVal: 1\n\n")
        peer.send(f"Event: DBGetTreeComplete\nActionID: {action['ActionID']}\n\n")
        await until_gone(peer)

    async with linked(script) as link:
        assert [row["Key"] for row in await link.ask_list("DBGetTree", {"Family": "x"})] == ["a", "b"]


async def test_login_refused_is_an_error_of_its_own() -> None:
    async def script(peer: Peer) -> None:
        peer.answer(await peer.action(), "Error", "Authentication failed")
        await until_gone(peer)

    async with linked(script) as link:
        with pytest.raises(LoginRefusedError):
            await link.login("u", "s")


async def test_a_login_refused_by_an_asterisk_on_its_way_down_is_a_lost_connection() -> None:
    async def script(peer: Peer) -> None:
        peer.answer(await peer.action(), "Error", "Asterisk is shutting down")
        await until_gone(peer)

    async with linked(script) as link:
        with pytest.raises(AmiLostError, match="shutting down"):
            await link.login("u", "s")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    made, key = folder / "cert.pem", folder / "key.pem"
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=asterisk -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        ["openssl", *command.split(), "-keyout", str(key), "-out", str(made)], check=True, capture_output=True
    )
    return made, key


async def test_tls_needs_a_certificate_that_fits_the_ca(tmp_path: Path) -> None:
    made, key = certificate(tmp_path)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(made, key)

    async with FakeAmi(healthy, tls=server_side) as server:
        address = ("127.0.0.1", server.port, lambda _: None, frozenset[bytes]())
        link = await AmiLink.open(*address, tls=tls_context(made))
        await link.login("u", "s")
        link.drop("the test is over")
        with pytest.raises(AmiLostError, match="certificate"):
            await AmiLink.open(*address, tls=tls_context(None))
    with pytest.raises(OSError, match=f"{tmp_path}/nothing cannot be used: No such file"):
        tls_context(tmp_path / "nothing")
