"""While the server's event loop is stuck, its standby answers callers; the loop is stuck here until it has."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator

import pytest

from agi import server as server_module
from agi.server import FastAgiServer
from agi.service import RoutingService
from agi.standby import Standby
from routing.decision import Decision
from tests.agi.company import FakeLookup
from tests.agi.test_server import BLOCK, TAKEN, Records, ask, eventually, serving

GIVE_UP = 20.0


class Asterisk(threading.Thread):
    """Asks in a thread of its own, and tells when it has the answer."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.answered = threading.Event()
        self.command = b""

    def run(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), GIVE_UP) as connection:
            connection.sendall(BLOCK)
            self.command = connection.makefile("rb").readline()
            self.answered.set()
            connection.sendall(TAKEN)
            assert connection.recv(1) == b""


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
async def standby(service: RoutingService, records: Records) -> AsyncIterator[Standby]:
    async with serving(service, records) as running:
        standby = Standby(running)
        standby.start()
        yield standby
        await standby.close()


@pytest.fixture
def server(standby: Standby) -> FastAgiServer:
    return standby.server


def is_for_unknown(command: bytes) -> bool:
    """Whether this is the plan for a caller whom nobody could look up."""
    return b'"L0|' in command and b"Melnychenko" not in command


async def test_a_new_question_is_answered_while_the_loop_is_stuck(server: FastAgiServer, records: Records) -> None:
    asterisk = Asterisk(server.port)
    asterisk.start()
    assert asterisk.answered.wait(GIVE_UP)
    assert is_for_unknown(asterisk.command)
    await eventually(lambda: bool(records.decisions))
    assert records.decisions[0][0] == "1732190000.17"


async def test_a_question_that_waits_is_answered_once_while_the_loop_is_stuck(
    server: FastAgiServer, lookup: FakeLookup, records: Records
) -> None:
    lookup.hanging = True
    asterisk = Asterisk(server.port)
    asterisk.start()
    await lookup.began.wait()
    assert asterisk.answered.wait(GIVE_UP)
    assert is_for_unknown(asterisk.command)
    # The late look-up answers nobody.
    lookup.waiters[0].set_exception(Exception())  # type: ignore[arg-type]
    await asyncio.to_thread(asterisk.join, GIVE_UP)
    assert not asterisk.is_alive()
    assert len(records.decisions) == server.figures.answered == 1


async def test_the_loop_that_goes_on_answers_again(server: FastAgiServer, standby: Standby) -> None:
    asterisk = Asterisk(server.port)
    asterisk.start()
    assert asterisk.answered.wait(GIVE_UP)
    await eventually(lambda: not standby.stands_in)
    for _ in range(20):
        assert b'"L1|Melnychenko Olha|' in await ask(server)


async def test_trouble_with_one_call_does_not_end_the_standby(
    server: FastAgiServer, lookup: FakeLookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()
    encode = server_module.encode_plan

    def fail_once(decision: Decision) -> str:
        if not failed.is_set():
            failed.set()
            raise KeyError("a strange call")
        return encode(decision)

    monkeypatch.setattr(server_module, "encode_plan", fail_once)
    lookup.hanging = True
    Asterisk(server.port).start()
    await lookup.began.wait()
    assert failed.wait(GIVE_UP)
    second = Asterisk(server.port)
    second.start()
    assert second.answered.wait(GIVE_UP)
    assert is_for_unknown(second.command)
