"""With Leadline dead, stuck, without its database or out of reach, 200 calls at once reach whom they would (C8, C9).

The bound of 3 s, which the dialplan promises, is between the SIP ends: from INVITE in to INVITE at the phone.
"""

import secrets
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from dialplan.render import AsteriskValues
from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.asterisk_root import ensure_root
from leadline.demo.phones import Calls, Phone
from leadline.demo.scenarios import Behaviour, Dialling
from leadline.demo.sipp import await_value, free_port, free_ports
from tests.lab.conftest import LeadlineServer, Pbx, running_server

pytestmark = [pytest.mark.lab, pytest.mark.alone]

SECONDS = 3.0
MAIN = "0441234567"
OLHA, YURII, NATALIIA = "0672223344", "+380501112233", "00380631234500"
"""A lead of 101's, one of 102's and a contact person of 103's, as trunks may write their numbers."""
EACH = 50
TALK = 6.0
"""Seconds: the first caller is still talking when the last of the 200 comes."""


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pbx]:
    """An Asterisk with ports for 400 channels at once."""
    rtp = free_ports(socket.SOCK_DGRAM, 1000)
    values = AsteriskValues(
        ami_events_secret=secrets.token_hex(12),
        ami_control_secret=secrets.token_hex(12),
        phone_secrets={number: secrets.token_hex(12) for number in ("101", "102", "103")},
        sip_port=free_port(socket.SOCK_DGRAM),
        rtp_start=rtp.start,
        rtp_end=rtp.stop - 1,
        trunk_port=free_port(socket.SOCK_DGRAM),
        ami_port=free_port(socket.SOCK_STREAM),
        fastagi_port=free_port(socket.SOCK_STREAM),
        fallback_plan="L1||P,30,0PJSIP/103,,",
    )
    with AsteriskInstance(tmp_path_factory.mktemp("asterisk"), ensure_root()) as instance:
        instance.configure(values)
        instance.start()
        yield Pbx(instance, values)


@pytest.fixture(scope="module")
def server(pbx: Pbx, filled_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeadlineServer]:
    """The real server; everybody takes a second call, since 200 callers share three phones."""
    with running_server(pbx, filled_database, tmp_path_factory.mktemp("server")) as server:
        server.execute("UPDATE employee SET call_waiting = 1")
        await_value(
            lambda: "1PJSIP/103" in pbx.instance.cli("database show leadline-employee") or None,
            10,
            "the copy to follow",
        )
        yield server


@pytest.fixture(scope="module")
def phones(pbx: Pbx) -> Iterator[dict[str, Phone]]:
    with ExitStack() as stack:
        behaviour = Behaviour(ring_seconds=0.5)
        yield {
            number: stack.enter_context(Phone(pbx.account(number), pbx.sip, behaviour))
            for number in ("101", "102", "103")
        }


@contextmanager
def killed(server: LeadlineServer) -> Iterator[None]:
    server.process.kill()
    try:
        yield
    finally:
        server.process.start()
        server.process.await_health()


@contextmanager
def stuck(server: LeadlineServer) -> Iterator[None]:
    server.process.pause()
    try:
        yield
    finally:
        server.process.resume()
        server.process.await_health()


@contextmanager
def database_locked(server: LeadlineServer) -> Iterator[None]:
    connection = sqlite3.connect(server.database, timeout=10, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def packets_dropped(server: LeadlineServer) -> Iterator[None]:
    """In the server's place a full queue of connections: the kernel drops each further SYN."""
    server.process.kill()
    port = int(server.settings["LEADLINE_FASTAGI_PORT"])
    try:
        with ExitStack() as stack:
            stack.enter_context(socket.create_server(("127.0.0.1", port), backlog=0))
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            yield
    finally:
        server.process.start()
        server.process.await_health()


@pytest.mark.parametrize(
    ("failure", "stranger"),
    [
        (killed, "+380991112231"),
        (stuck, "+380991112232"),
        (database_locked, "0991112233"),
        (packets_dropped, "0991112234"),
    ],
)
def test_every_caller_reaches_whom_he_would_with_the_name(
    pbx: Pbx,
    server: LeadlineServer,
    phones: dict[str, Phone],
    failure: Callable[[LeadlineServer], AbstractContextManager[None]],
    stranger: str,
) -> None:
    before = {number: len(phone.calls()) for number, phone in phones.items()}
    with failure(server):
        placed = {
            caller: Calls(Dialling(caller, MAIN, "Trunk", talk_seconds=TALK), pbx.sip, EACH, per_second=EACH // 2)
            for caller in (OLHA, YURII, NATALIIA, stranger)
        }
        outcomes = {caller: calls.wait() for caller, calls in placed.items()}
        pbx.await_idle()
    every = [outcome for some in outcomes.values() for outcome in some]
    assert {outcome.status for outcome in every} == {200}
    assert max(outcome.started_at for outcome in every) < min(outcome.ended_at for outcome in every if outcome.ended_at)
    rung = {number: phone.calls()[before[number] :] for number, phone in phones.items()}
    shown = {
        caller: {(phone, call.name) for phone, calls in rung.items() for call in calls if call.number == caller}
        for caller in outcomes
    }
    assert shown == {
        OLHA: {("101", "Olha Melnychenko")},
        YURII: {("102", "Юрій Щербань")},
        NATALIIA: {("103", "Nataliia Zghurska")},
        stranger: {("101", "Trunk"), ("102", "Trunk")},
    }
    longest = {}
    for caller, phone in ((OLHA, "101"), (YURII, "102"), (NATALIIA, "103"), (stranger, "101")):
        came = sorted(outcome.started_at for outcome in outcomes[caller])
        invited = sorted(call.invited_at for call in rung[phone] if call.number == caller)
        longest[caller] = max((at - start).total_seconds() for start, at in zip(came, invited, strict=True))
    assert {caller: seconds for caller, seconds in longest.items() if seconds >= SECONDS} == {}
    assert pbx.channels() == []
