"""What strangers write into numbers and names reaches no Dial and no database key, and no line of AMI or AGI (O4)."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from dialplan.words import DID_FAMILY
from leadline.demo.phones import Phone
from leadline.demo.sipp import await_value
from tests.lab.dialplan_lab import DialplanLab, phones, plan, ring

pytestmark = pytest.mark.lab

FORGED = "\r\n\r\nEvent: Hangup\r\nPrivilege: call,all\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\n\r\nEvent: Forged\r\nX: y"
SECOND_IDENTITY = "\r\nUniqueid:1.1\r\nLinkedid: 1.1\r\nX: y"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialplanLab]:
    with DialplanLab(tmp_path_factory.mktemp("hostile")) as lab:
        yield lab
        lab.await_quiet()
        assert lab.complaints() == []


class Listener:
    """Reads AMI as the events account does."""

    def __init__(self, lab: DialplanLab) -> None:
        self._socket = socket.create_connection(("127.0.0.1", lab.values.ami_port))
        self._socket.settimeout(0.01)
        self._bytes = bytearray()
        login = f"Action: Login\r\nUsername: leadline-events\r\nSecret: {lab.values.ami_events_secret}\r\n\r\n"
        self._socket.sendall(login.encode())
        await_value(lambda: self.events("FullyBooted") or None, 20, "the login at AMI")

    def events(self, kind: str | None = None) -> list[dict[str, str]]:
        try:
            while chunk := self._socket.recv(65536):
                self._bytes += chunk
        except TimeoutError:
            pass
        messages = self._bytes.decode().partition("\r\n")[2].split("\r\n\r\n")[:-1]
        parsed = [dict(line.partition(": ")[::2] for line in message.split("\r\n")) for message in messages]
        return [message for message in parsed if kind in (None, message.get("Event"))]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def target(lab: DialplanLab) -> Iterator[Phone]:
    """The phone that a plan rings."""
    with lab.phone("101") as phone:
        yield phone


@pytest.fixture(scope="module")
def other(lab: DialplanLab) -> Iterator[Phone]:
    """The phone that nobody means."""
    with lab.phone("102") as phone:
        yield phone


@contextmanager
def listening(lab: DialplanLab) -> Iterator[Listener]:
    listener = Listener(lab)
    try:
        yield listener
    finally:
        listener.close()


@pytest.mark.parametrize(
    ("dialled", "did"),
    [
        ("101&PJSIP/102", "101102"),
        ("044/1", "0441"),
        ("044,1", "0441"),
        ("044\x001", "044"),  # Asterisk's strings end at a NUL
        ("044${EXTEN:0:2}", "04402"),  # had it been evaluated: 04404
        ("044$[1+1]", "0441+1"),
        ('04"4\\1', "0441"),
        ("044)1;x", "0441"),
        ("044|1~2!3^4", "0441234"),
        ("0441;rn=+380501112233;npdi=yes", "0441"),
        ("044" + FORGED, "04411" + "11"),
        ("044" + SECOND_IDENTITY, "0441111"),
    ],
)
def test_hostile_dialled_numbers(lab: DialplanLab, target: Phone, other: Phone, dialled: str, did: str) -> None:
    lab.agi.answers[did] = plan(phones(ring("101")))
    before = len(target.calls())
    with listening(lab) as ami:
        assert lab.call(quote(dialled, safe="")).wait_one().status == 200
        assert len(target.calls()) == before + 1
        assert other.calls() == []
        assert lab.agi.asked(did)[-1].env["agi_dnid"] == did
        _nothing_forged(lab, ami)


@pytest.mark.parametrize(
    ("number", "cleaned"),
    [
        ("a&PJSIP/102", "aPJSIP102"),
        ("050,2/3", "05023"),
        ("050\x001", "050"),
        ("050${EXTEN}", "050EXTEN"),
        ('050"\\', "050"),
        ("050-12.3_&4", "050-12.3_4"),
        ("050" + FORGED, None),
        ("050" + SECOND_IDENTITY, None),
    ],
)
def test_hostile_callers_numbers(
    lab: DialplanLab, target: Phone, other: Phone, number: str, cleaned: str | None
) -> None:
    lab.agi.answers["0449"] = plan(phones(ring("101")))
    before = len(target.calls())
    with listening(lab) as ami:
        call = lab.call("0449", quote(number, safe=""), display_name='x"${EXTEN}\\,&|~<script>')
        assert call.wait_one().status == 200
        shown = target.await_end(before + 1)
        assert other.calls() == []
        env = lab.agi.asked("0449")[-1].env
        assert shown.number == env["agi_callerid"]
        assert cleaned is None or shown.number == cleaned
        assert env["agi_arg_1"] == "0449"
        assert "${EXTEN}" in env["agi_calleridname"]
        _nothing_forged(lab, ami)


def test_a_hostile_number_reads_no_other_key_of_the_database(lab: DialplanLab, target: Phone) -> None:
    lab.asterisk.cli(f'database put {DID_FAMILY} 0448 "{plan(phones(ring("101")))}"')
    before = len(target.calls())
    assert lab.call(quote("0448/../x", safe="")).wait_one().status == 200
    assert len(target.calls()) == before + 1


def _nothing_forged(lab: DialplanLab, ami: Listener) -> None:
    lab.await_quiet()
    await_value(lambda: ami.events("Hangup") or None, 20, "the end of the call in AMI")
    for event in ami.events():
        assert event.get("Event") != "Forged"
        assert event.get("Uniqueid") != "1.1"
        assert "X" not in event
