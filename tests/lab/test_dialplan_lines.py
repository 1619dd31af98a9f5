"""Calls between phones, out to the network, by click, and the check of an installation (O4, C11)."""

import socket
from collections.abc import Iterator

import pytest

from dialplan.words import CHECK, CHECK_DID, CHECKED, NUMBER_FAMILY, ORIGINATE, PHONE_FAMILY
from leadline.demo import scenarios
from leadline.demo.phones import Outcome
from leadline.demo.scenarios import Behaviour
from leadline.demo.sip_messages import SipMessage, read_address
from leadline.demo.sipp import Sipp, await_value
from tests.lab.dialplan_lab import DialplanLab
from tests.lab.scripted_agi import CLOSES, SILENT

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialplanLab]:
    with DialplanLab(tmp_path_factory.mktemp("lines")) as lab:
        yield lab
        lab.await_quiet()


@pytest.fixture(scope="module")
def network(lab: DialplanLab) -> Iterator[Sipp]:
    """The public network: it answers whatever our trunk sends it."""
    sipp = Sipp(
        scenarios.phone("network", Behaviour()),
        pbx=lab.pbx,
        local=("127.0.0.1", lab.values.trunk_port),
        arguments=("-aa",),
    )
    yield sipp
    sipp.discard()


def invites(network: Sipp) -> list[SipMessage]:
    return [message for message in network.messages() if message.method == "INVITE"]


def test_phones_call_each_other(lab: DialplanLab) -> None:
    with lab.phone("102") as called:
        assert lab.call_between("101", "102", talk_seconds=0.2).wait_one().status == 200
        assert called.await_end().number == "101"


def test_a_phone_that_does_not_exist(lab: DialplanLab) -> None:
    outcome = lab.call_between("101", "155", patience_seconds=5).wait_one()
    assert outcome.status is not None
    assert outcome.status >= 400


@pytest.mark.parametrize(
    ("dialled", "sent"),
    [
        ("0501234567", "0501234567"),
        ("+380501234567", "+380501234567"),
        ("112", "112"),
        ("05012%26PJSIP%2F102", "05012102"),
    ],
)
def test_outgoing_calls_show_the_company_and_nothing_else(
    lab: DialplanLab, network: Sipp, dialled: str, sent: str
) -> None:
    before = len(invites(network))
    with lab.phone("102") as other:
        assert lab.call_between("101", dialled, display_name="Secret", talk_seconds=0.2).wait_one().status == 200
        assert other.calls() == []
    invite = invites(network)[before]
    assert invite.start_line.startswith(f"INVITE sip:{sent}@127.0.0.1:")
    shown = read_address(invite.header("From"))
    assert shown is not None
    assert (shown.name, shown.number) == (None, "0441234567")
    assert invite.header("P-Asserted-Identity") is None
    assert invite.header("Remote-Party-ID") is None


def displays(outcome: Outcome) -> list[tuple[str | None, str]]:
    """What the display of the phone that calls is told, without what it shows already."""
    addresses = (read_address(m.header("P-Asserted-Identity")) for m in outcome.messages if not m.sent)
    return list(dict.fromkeys((address.name, address.number) for address in addresses if address is not None))


NAMES = "Shcherban Olha~u24~Щербань Ольга"


def test_a_phone_shows_whom_it_calls(lab: DialplanLab, network: Sipp) -> None:
    lab.agi.answers["to:0501234567"] = f"L1|{NAMES}|u24"
    before = len(invites(network))
    outcome = lab.call_between("101", "0501234567", talk_seconds=0.2).wait_one()
    assert outcome.ringing
    assert displays(outcome) == [("Щербань Ольга", "0501234567")]
    assert "Shcherban" not in "\n".join(value for _, value in invites(network)[before].headers)


@pytest.mark.parametrize("answer", [SILENT, CLOSES, "L0||", None])
def test_without_leadline_the_copy_tells_whom_a_phone_calls(
    lab: DialplanLab, network: Sipp, answer: str | None
) -> None:
    lab.asterisk.cli(f'database put {NUMBER_FAMILY} 0501234568 "7|{NAMES}"')
    lab.asterisk.cli(f'database put {PHONE_FAMILY} 101 "u24~"')
    if answer is None:
        lab.asterisk.cli("database put leadline bypass 1")
    else:
        lab.agi.answers["to:0501234568"] = answer
    try:
        outcome = lab.call_between("101", "0501234568", talk_seconds=0.2).wait_one()
    finally:
        lab.asterisk.cli("database del leadline bypass")
        lab.asterisk.cli(f"database del {PHONE_FAMILY} 101")
    assert outcome.status == 200
    assert displays(outcome) == [("Щербань Ольга", "0501234568")]


def test_an_emergency_call_waits_for_nothing(lab: DialplanLab, network: Sipp) -> None:
    asked = len(lab.agi.questions)
    lab.agi.answers["to:112"] = SILENT
    assert lab.call_between("101", "112", talk_seconds=0.2).wait_one().status == 200
    assert len(lab.agi.questions) == asked


def test_without_a_number_of_the_company_no_phones_number_goes_out(lab: DialplanLab, network: Sipp) -> None:
    before = len(invites(network))
    lab.set_global("LEADLINE_COMPANY_NUMBER", '""')
    try:
        assert lab.call_between("101", "0501234567", talk_seconds=0.2).wait_one().status == 200
    finally:
        lab.set_global("LEADLINE_COMPANY_NUMBER", lab.values.company_number)
    assert "101" not in (invites(network)[before].header("From") or "").partition("@")[0]


def test_strangers_cannot_call_out_through_us(lab: DialplanLab, network: Sipp) -> None:
    before = len(invites(network))
    lab.agi.answers["0501234567"] = CLOSES
    assert lab.call("0501234567", patience_seconds=5).wait_one().status == 480
    assert len(invites(network)) == before


def test_click_to_call_reaches_the_number_without_its_signs(lab: DialplanLab, network: Sipp) -> None:
    before = len(invites(network))
    with lab.phone("101") as phone:
        answer = originate(lab, "PJSIP/101", ORIGINATE, "050/123&45,67")
        assert "Success" in answer
        await_value(lambda: invites(network)[before:] or None, 20, "the call to the network")
        assert phone.calls()[0].answered_at is not None
        lab.asterisk.cli("channel request hangup all")
        phone.await_end()
    assert invites(network)[before].start_line.startswith("INVITE sip:0501234567@")
    lab.await_quiet()


@pytest.mark.parametrize(
    ("answer", "result"), [("L1||", "42 SUCCESS plan"), (CLOSES, "42 SUCCESS nothing"), (SILENT, None)]
)
def test_the_check_leaves_its_result_in_the_database(lab: DialplanLab, answer: str, result: str | None) -> None:
    lab.agi.answers[CHECK_DID] = answer
    lab.asterisk.cli(f"database del {CHECKED[0]} {CHECKED[1]}")
    originate(lab, f"Local/42@{CHECK}/n", CHECK, "42")

    def checked() -> str | None:
        text = lab.asterisk.cli(f"database get {CHECKED[0]} {CHECKED[1]}")
        return text.removeprefix("Value: ") if text.startswith("Value: ") else None

    found = await_value(checked, 20, "the result of the check")
    assert found.startswith("42 ")
    assert found.endswith(" plan") is (answer == "L1||")
    assert result is None or found == result
    lab.await_quiet()


def originate(lab: DialplanLab, channel: str, context: str, exten: str) -> str:
    """Start a call by the control account and return AMI's answer."""
    with socket.create_connection(("127.0.0.1", lab.values.ami_port)) as ami, ami.makefile("rb") as lines:
        ami.sendall(
            f"Action: Login\r\nUsername: leadline-control\r\nSecret: {lab.values.ami_control_secret}\r\n\r\n"
            f"Action: Originate\r\nActionID: 1\r\nChannel: {channel}\r\nContext: {context}\r\nExten: {exten}\r\n"
            "Priority: 1\r\nAsync: true\r\n\r\n".encode()
        )
        answer = []
        for line in lines:
            answer.append(line.decode())
            if line.startswith(b"Message: Originate") or line.startswith(b"Message: Authentication failed"):
                break
        return "".join(answer)
