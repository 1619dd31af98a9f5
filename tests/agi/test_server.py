"""The FastAGI server over real sockets: answers, and peers that do everything but what Asterisk does."""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from agi import server as server_module
from agi.askers import Askers
from agi.server import FastAgiServer
from agi.service import RoutingService
from leads.domain.reasons import ReasonCode
from leads.store.lookup import LookupUnavailable
from routing.decision import Decision
from tests.dialplan.as_asterisk import decode_plan

from .company import FakeDirectories, FakeLookup

BLOCK = (
    b"agi_network: yes\nagi_network_script: route\nagi_request: agi://127.0.0.1/route\nagi_callerid: +380501234567\n"
    b"agi_calleridname: Kyivstar\nagi_callingpres: 0\nagi_arg_1: 0441234567\nagi_arg_2: 1732190000.17\n\n"
)
TAKEN = b"200 result=1\n"
ONE_ASTERISK = Askers({"kyiv": ("127.0.0.0/8",)})
TWO_ASTERISKS = Askers({"kyiv": ("127.0.0.0/8",), "lviv": ("127.0.0.1/32", "::1/128")})


@dataclass
class Records:
    """What was handed on to be recorded."""

    decisions: list[tuple[str, Decision, datetime]] = field(default_factory=list)
    asterisks: list[str] = field(default_factory=list)
    trouble: Exception | None = None

    def note(self, pbx: str, linkedid: str, decision: Decision, decided_at: datetime) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.asterisks.append(pbx)
        self.decisions.append((linkedid, decision, decided_at))


@pytest.fixture
def records() -> Records:
    return Records()


@asynccontextmanager
async def serving(service: RoutingService, records: Records, **settings: object) -> AsyncIterator[FastAgiServer]:
    options: dict[str, object] = {"askers": ONE_ASTERISK, "max_sessions": 50} | settings
    server = FastAgiServer(service, host="127.0.0.1", port=0, on_decision=records.note, **options)  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.close()


@pytest.fixture
async def server(service: RoutingService, records: Records) -> AsyncIterator[FastAgiServer]:
    async with serving(service, records) as running:
        yield running


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let deadlines come soon."""
    monkeypatch.setattr(server_module, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(server_module, "REPLY_SECONDS", 0.05)


class Peer:
    """Something that has connected to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, server: FastAgiServer) -> "Peer":
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    def send(self, data: bytes) -> "Peer":
        self.writer.write(data)
        return self

    async def command(self) -> bytes:
        return await asyncio.wait_for(self.reader.readline(), 10)

    async def rest(self) -> bytes:
        """Whatever still comes until the server ends the connection."""
        with suppress(ConnectionResetError, BrokenPipeError):
            return await asyncio.wait_for(self.reader.read(), 10)
        return b""

    async def leave(self) -> None:
        self.writer.close()
        with suppress(ConnectionResetError, BrokenPipeError):
            await self.writer.wait_closed()


async def ask(server: FastAgiServer, block: bytes = BLOCK, reply: bytes = TAKEN) -> bytes:
    """Go through a session as Asterisk does; give the command that came."""
    peer = await Peer.connect(server)
    command = await peer.send(block).command()
    peer.send(reply)
    assert await peer.rest() == b""
    await peer.leave()
    return command


async def eventually(condition: Callable[[], bool]) -> None:
    """Let the loop run until it has noticed what peers did; there is no other sign of that."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


def rung(command: bytes) -> list[str]:
    """Read the phones of each step out of the command."""
    plan = re.fullmatch(r'SET VARIABLE LEADLINE_PLAN "([^"]*)"\n', command.decode())
    assert plan, command
    return ["+".join(phone.endpoint for phone in step.phones) for step in decode_plan(plan[1])]


RESPONSIBLE_FIRST = ["PJSIP/101", "PJSIP/101+PJSIP/102", "PJSIP/103"]
DEFAULT_ROUTE = RESPONSIBLE_FIRST[1:]


async def test_a_call_gets_its_plan_and_is_recorded(server: FastAgiServer, records: Records) -> None:
    command = await ask(server)
    assert rung(command) == RESPONSIBLE_FIRST
    assert b"Melnychenko Olha" in command
    [(linkedid, decision, decided_at)] = records.decisions
    assert (linkedid, decision.caller) == ("1732190000.17", "+380501234567")
    assert decided_at.utcoffset() is not None
    assert (server.figures.sessions, server.figures.answered, sum(server.figures.latency)) == (1, 1, 1)


async def test_a_phone_hears_whom_it_calls_and_that_is_no_decision(server: FastAgiServer, records: Records) -> None:
    block = BLOCK.replace(b"callerid: +380501234567", b"callerid: 101").replace(b"0441234567", b"to:0501234567")
    assert await ask(server, block) == b'SET VARIABLE LEADLINE_PLAN "L1|Melnychenko Olha|l24"\n'
    assert records.decisions == []
    assert server.figures.answered == 1


async def test_many_at_once_each_get_their_own(server: FastAgiServer, records: Records) -> None:
    def block(i: int) -> bytes:
        caller = b"+380501234567" if i % 2 else b"+380509999999"
        return BLOCK.replace(b"+380501234567", caller).replace(b"1732190000.17", b"1732190000.%d" % i)

    commands = await asyncio.gather(*(ask(server, block(i)) for i in range(40)))
    assert [rung(command) for command in commands] == [DEFAULT_ROUTE, RESPONSIBLE_FIRST] * 20
    assert {linkedid for linkedid, *_ in records.decisions} == {f"1732190000.{i}" for i in range(40)}


async def test_the_question_may_come_byte_by_byte(server: FastAgiServer) -> None:
    peer = await Peer.connect(server)
    for i in range(len(BLOCK)):
        peer.send(BLOCK[i : i + 1])
        await peer.writer.drain()
    assert rung(await peer.command()) == RESPONSIBLE_FIRST
    await peer.leave()


@pytest.mark.parametrize("name", [b"\xff\xfe\xd0", b"\xd0\x9e\xd0", b"\0", b'"; DROP', b"<script>"])
async def test_whatever_the_caller_s_name_the_call_is_answered(server: FastAgiServer, name: bytes) -> None:
    assert rung(await ask(server, BLOCK.replace(b"Kyivstar", name))) == RESPONSIBLE_FIRST


async def test_a_withheld_number_is_not_looked_up(server: FastAgiServer, lookup: FakeLookup) -> None:
    assert rung(await ask(server, BLOCK.replace(b"callingpres: 0", b"callingpres: 32"))) == DEFAULT_ROUTE
    assert lookup.asked == [None]


async def test_a_check_is_answered_and_not_recorded(server: FastAgiServer, records: Records) -> None:
    assert rung(await ask(server, BLOCK.replace(b"0441234567", b"check"))) == ["PJSIP/101", "PJSIP/102"]
    assert records.decisions == []


async def test_another_script_gets_no_answer(server: FastAgiServer) -> None:
    peer = await Peer.connect(server)
    assert await peer.send(BLOCK.replace(b"script: route", b"script: ../etc/passwd")).rest() == b""
    assert server.figures.bad_questions == 1


async def test_a_peer_that_is_not_allowed_is_not_read(service: RoutingService, records: Records) -> None:
    async with serving(service, records, askers=Askers({"kyiv": ("10.0.0.0/8", "::1/128")})) as server:
        for _ in range(3):
            peer = await Peer.connect(server)
            assert await peer.send(BLOCK).rest() == b""
            await peer.leave()
        assert (server.figures.sessions, server.figures.refused_peers) == (0, 3)
    assert records.decisions == []


@pytest.mark.parametrize("asterisk", ["kyiv", "lviv"])
async def test_each_of_two_asterisks_gets_its_own_decisions(
    service: RoutingService, records: Records, asterisk: str
) -> None:
    async with serving(service, records, askers=TWO_ASTERISKS) as server:
        answer = await ask(server, BLOCK.replace(b"script: route", f"script: route/{asterisk}".encode()))
    assert rung(answer) == RESPONSIBLE_FIRST
    assert records.asterisks == [asterisk]


@pytest.mark.parametrize("script", ["route", "route/", "route/odesa", "route/kyiv/lviv", "route/Kyiv"])
async def test_a_question_of_an_asterisk_that_is_not_plain_gets_no_answer(
    service: RoutingService, records: Records, script: str
) -> None:
    async with serving(service, records, askers=TWO_ASTERISKS) as server:
        peer = await Peer.connect(server)
        assert await peer.send(BLOCK.replace(b"script: route", f"script: {script}".encode())).rest() == b""
        assert server.figures.bad_questions == 1
    assert records.decisions == []


def test_an_asterisk_that_does_not_name_itself_is_known_by_its_address() -> None:
    askers = Askers({"kyiv": ("192.0.2.10/32",), "lviv": ("192.0.2.20/32", "2001:db8::/64")})
    assert askers.who_asks("route", "192.0.2.10") == "kyiv"
    assert askers.who_asks("route", "::ffff:192.0.2.20") == "lviv"
    assert askers.who_asks("route/lviv", "2001:db8::7%eth0") == "lviv"
    assert askers.who_asks("route/lviv", "192.0.2.10") is None, "kyiv may not speak for lviv"
    assert askers.who_asks("other", "192.0.2.10") is None


async def test_sessions_beyond_the_bound_are_closed_at_once(service: RoutingService, records: Records) -> None:
    async with serving(service, records, max_sessions=2) as server:
        silent = [await Peer.connect(server) for _ in range(2)]
        assert await (await Peer.connect(server)).send(BLOCK).rest() == b""
        assert server.figures.refused_full == 1
        for peer in silent:
            await peer.leave()
        await eventually(lambda: not server.open_sessions)
        assert rung(await ask(server)) == RESPONSIBLE_FIRST


@pytest.mark.usefixtures("hasty")
async def test_when_the_database_hangs_the_dialled_number_decides(
    server: FastAgiServer, lookup: FakeLookup, records: Records
) -> None:
    lookup.hanging = True
    assert rung(await ask(server)) == DEFAULT_ROUTE
    assert server.figures.defaulted == 1
    assert lookup.waiters[0].done()
    assert records.decisions[0][1].reasons[0].code is ReasonCode.CALLER_NOT_TOLD
    lookup.hanging = False
    assert rung(await ask(server)) == RESPONSIBLE_FIRST


async def test_when_the_database_fails_the_dialled_number_decides(server: FastAgiServer, lookup: FakeLookup) -> None:
    lookup.trouble = LookupUnavailable("locked")
    assert rung(await ask(server)) == DEFAULT_ROUTE
    assert server.figures.defaulted == 1


async def test_a_changed_company_is_read_before_the_answer(server: FastAgiServer, lookup: FakeLookup) -> None:
    lookup.version = 2
    assert rung(await ask(server)) == ["PJSIP/101", "PJSIP/102"]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("way", ["hangs", "fails"])
async def test_when_the_company_cannot_be_read_the_one_that_is_known_serves(
    server: FastAgiServer, lookup: FakeLookup, directories: FakeDirectories, way: str
) -> None:
    lookup.version = 2
    directories.hanging = way == "hangs"
    directories.trouble = RuntimeError("a bug") if way == "fails" else None
    assert rung(await ask(server)) == RESPONSIBLE_FIRST
    assert server.figures.defaulted == 0


@pytest.mark.parametrize("goodbye", [b"HANGUP\n", b"200 result=1\n", b"x" * 5000])
async def test_a_caller_who_hangs_up_while_waiting_leaves_nothing_behind(
    server: FastAgiServer, lookup: FakeLookup, records: Records, goodbye: bytes
) -> None:
    lookup.hanging = True
    peer = await Peer.connect(server)
    peer.send(BLOCK)
    await lookup.began.wait()
    assert await peer.send(goodbye).rest() == b""
    assert lookup.waiters[0].done()
    assert records.decisions == []


async def test_a_bug_in_one_call_costs_no_other(
    server: FastAgiServer, service: RoutingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(service, "decide", lambda *_: 1 / 0)
        peer = await Peer.connect(server)
        assert await peer.send(BLOCK).rest() == b""
    assert rung(await ask(server)) == RESPONSIBLE_FIRST


async def test_a_refused_command_is_counted(server: FastAgiServer) -> None:
    await ask(server, reply=b"511 Command Not Permitted on a dead channel\n")
    assert server.figures.not_taken == 1


async def test_a_record_that_fails_costs_no_call(server: FastAgiServer, records: Records) -> None:
    records.trouble = RuntimeError("full")
    assert rung(await ask(server)) == RESPONSIBLE_FIRST
    assert rung(await ask(server)) == RESPONSIBLE_FIRST


@pytest.mark.parametrize("sent", [b"", BLOCK[:100], BLOCK], ids=["nothing", "half a block", "no reply"])
@pytest.mark.usefixtures("hasty")
async def test_a_silent_peer_is_dropped(server: FastAgiServer, sent: bytes) -> None:
    peer = await Peer.connect(server)
    await peer.send(sent).rest()
    assert server.open_sessions == 0
    assert server.figures.abandoned == 1


@pytest.mark.usefixtures("hasty")
async def test_a_peer_that_never_reads_is_dropped(server: FastAgiServer) -> None:
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        peer.setblocking(False)
        await asyncio.get_running_loop().sock_connect(peer, ("127.0.0.1", server.port))
        await asyncio.get_running_loop().sock_sendall(peer, BLOCK)
        await eventually(lambda: server.figures.abandoned == 1)
    assert server.open_sessions == 0


async def flood(server: FastAgiServer, piece: bytes, first: bytes = b"") -> None:
    """Send 10 MB, or as much of it as the server suffers."""
    peer = await Peer.connect(server)
    peer.send(first)
    with suppress(ConnectionResetError, BrokenPipeError):
        for _ in range(10_000_000 // len(piece)):
            peer.send(piece)
            await peer.writer.drain()
    await peer.rest()
    await peer.leave()


@pytest.mark.parametrize("piece", [b"x" * 65536, b"agi_x: y\n" * 7000, b"\0" * 65536], ids=["line", "lines", "NUL"])
async def test_ten_megabytes_end_the_session(server: FastAgiServer, piece: bytes) -> None:
    await flood(server, piece)
    assert server.figures.bad_questions == 1
    assert rung(await ask(server)) == RESPONSIBLE_FIRST


async def test_a_flood_after_the_question_ends_the_session(server: FastAgiServer, lookup: FakeLookup) -> None:
    lookup.hanging = True
    await flood(server, b"x" * 65536, first=BLOCK)
    await eventually(lambda: not server.open_sessions)
    assert lookup.waiters[0].done()


@pytest.mark.usefixtures("hasty")
async def test_no_peer_leaves_a_task_or_a_descriptor_behind(server: FastAgiServer, lookup: FakeLookup) -> None:
    async def misbehave(i: int) -> None:
        peer = await Peer.connect(server)
        peer.send([b"", BLOCK[:50], BLOCK, b"\xff" * 20000, BLOCK + b"HANGUP\n", BLOCK + TAKEN][i % 6])
        if i % 2:
            await peer.rest()
        await peer.leave()

    await ask(server)
    await asyncio.sleep(0)
    tasks, descriptors = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))
    for i in range(240):
        lookup.hanging = i % 5 == 0
        await misbehave(i)
    await eventually(lambda: not server.open_sessions)
    lookup.hanging = False
    assert rung(await ask(server)) == RESPONSIBLE_FIRST
    await eventually(lambda: len(asyncio.all_tasks()) <= tasks and len(os.listdir("/proc/self/fd")) <= descriptors)


async def test_closing_drops_whoever_is_connected(server: FastAgiServer, lookup: FakeLookup) -> None:
    lookup.hanging = True
    peer = await Peer.connect(server)
    peer.send(BLOCK)
    await lookup.began.wait()
    await server.close()
    assert await peer.rest() == b""
    assert server.open_sessions == 0
    with pytest.raises(OSError, match=r"(?i)connect"):
        await Peer.connect(server)
