"""What the simulated phones say they saw is what was on the wire, whatever callers put into their names."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.demo.outside_line import NO_WAY_OUT, OutsideLine
from leadline.demo.phones import Calls
from leadline.demo.scenarios import Account, Behaviour, Dialling, caller, literal, phone, quoted, register
from leadline.demo.sip_messages import SipAddress, SipMessage, read_address, read_log
from leadline.demo.sipp import await_value, free_port, free_ports, port_is_free
from leadline.demo.voice import Voice
from tests.listening import heard_beyond_loopback, sockets_of

LOG = b"""----------------------------------------------- 2026-11-21 19:29:35.675800
UDP message received [996] bytes :

INVITE sip:101@127.0.0.1:17001 SIP/2.0\r
From: "\xd0\xa9" <sip:+380501234567@127.0.0.1>;tag=2e20fdfd\r
Call-ID: 7ccce6ec\r
CSeq: 5190 INVITE\r
\r
v=0\r
----------------------------------------------- 2026-11-21 19:29:36.409936
UDP message sent (497 bytes):

SIP/2.0 200 OK
call-id: 7ccce6ec
CSeq: 5190 INVITE

----------------------------------------------- 2026-11-21 19:29:36.500000
UDP message received [408] bytes :

ACK sip:101@127"""


def children() -> set[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread that ended meanwhile
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def udp_sockets(pid: int) -> set[tuple[str, str]]:
    """A process's UDP addresses and ports, as the kernel writes them: 0100007F is 127.0.0.1."""
    inodes = sockets_of(pid)
    rows = [line.split() for line in Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]]
    bound = [row[1].split(":") for row in rows if row[9] in inodes]
    return {(address, port) for address, port in bound}


def test_ports_are_handed_out_once_and_to_one_process() -> None:
    def ask(part: str) -> set[int]:
        """What another process gets that keeps to `part` of the ports."""
        program = "from leadline.demo.sipp import *; import socket; "
        program += f"keep_to_ports({part}); print(*(free_port(socket.SOCK_STREAM) for _ in range(2000)))"
        answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
        return {int(port) for port in answer.stdout.split()}

    one, other = ask("0, 2"), ask("1, 2")
    assert (len(one), len(other), one & other) == (2000, 2000, set())


def test_a_row_of_ports_holds_none_that_is_handed_out_alone() -> None:
    """An Asterisk takes ports of its row for voice at any time, also where a phone is about to listen."""
    rows = [free_ports(socket.SOCK_DGRAM, 100) for _ in range(20)]
    single = {free_port(socket.SOCK_DGRAM) for _ in range(2000)}
    assert [port for row in rows for port in row if port in single] == []


def test_a_simulated_phone_listens_on_the_loopback_alone() -> None:
    before = children()
    port = free_port(socket.SOCK_DGRAM)
    with OutsideLine(port):
        [sipp] = children() - before
        await_value(lambda: None if port_is_free(socket.SOCK_DGRAM, "127.0.0.1", port) else True, 10, "sipp")
        await_value(lambda: len(udp_sockets(sipp)) > 2 or None, 10, "its media and control ports")
        assert {address for address, _port in udp_sockets(sipp)} == {"0100007F"}


def test_a_network_that_leads_nowhere_says_so_at_once() -> None:
    port = free_port(socket.SOCK_DGRAM)
    with OutsideLine(port, NO_WAY_OUT):
        assert Calls(Dialling("101", "0501234567"), ("127.0.0.1", port)).wait_one().status == 503


def test_a_voice_hears_the_loopback_alone() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(5)
        body = f"c=IN IP4 127.0.0.1\nm=audio {heard.getsockname()[1]} RTP/AVP 8\n"
        answer = SipMessage(datetime.now(UTC), False, "SIP/2.0 200 OK", (), body)
        before = heard_beyond_loopback([os.getpid()])
        with Voice([answer]):
            assert len(heard.recv(1000)) == 172
            assert heard_beyond_loopback([os.getpid()]) == before


def test_reads_both_directions_and_waits_for_a_message_that_is_still_being_written(tmp_path: Path) -> None:
    path = tmp_path / "messages.log"
    path.write_bytes(LOG)
    invite, answer = read_log(path)
    assert (invite.sent, invite.method, invite.call_id, invite.answers) == (False, "INVITE", "7ccce6ec", "INVITE")
    assert (answer.sent, answer.status, answer.call_id, answer.method) == (True, 200, "7ccce6ec", None)
    assert read_address(invite.header("from")) == SipAddress("Щ", "+380501234567")
    assert (answer.at - invite.at).total_seconds() == pytest.approx(0.734136)


def test_a_log_that_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    assert read_log(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('"Ivan \\"Vanya\\" \\\\ Shchus" <sip:101@h>;tag=1', SipAddress('Ivan "Vanya" \\ Shchus', "101")),
        ("Ivan Shchus <sip:101@h>", SipAddress("Ivan Shchus", "101")),
        ("<sips:+3805@h:5060;user=phone>", SipAddress(None, "+3805")),
        ('"<b>" <sip:h>', SipAddress("<b>", "")),
        ("sip:101@h", None),
        (None, None),
    ],
)
def test_reads_names_as_a_telephone_does(header: str | None, expected: SipAddress | None) -> None:
    assert read_address(header) == expected


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=40))
def test_a_name_of_any_letters_survives_quoting_and_is_inert_to_sipp_and_xml(name: str) -> None:
    written = quoted(name)
    assert not set(written) & set('"[]&\n\r')
    sent = bytes(written, "ascii").decode("unicode_escape").encode("latin-1").decode()
    shown = read_address(f"{sent} <sip:1@h>")
    expected = name.translate(str.maketrans("\r\n\0", "   "))
    assert shown == SipAddress(expected, "1")


def test_scenarios_carry_no_value_in_a_form_that_could_end_their_xml() -> None:
    texts = [
        caller(Dialling("+380501234567", "101&PJSIP/102${X}]]>", 'a"]]><b>', account=Account("101", "secret"))),
        phone("101", Behaviour(302, forward_to="1]]>2")),
        register(Account("101", "secret"), 60),
    ]
    for text in texts:
        assert text.count("<![CDATA[") == text.count("]]>") == text.count("</send>")
    assert literal("${X}") == "\\x24\\x7bX\\x7d"
