"""The demonstration refuses an address that cannot work, and steps aside where a port is taken."""

import socket

import pytest

from leadline.demo import listen
from leadline.demo.listen import Listening, check_address, choose
from leadline.demo.state import DemoError


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "no IP address"),
        ("localhost", "no IP address"),
        ("127.0.0.1:5060", "no IP address"),
        ("1.2.3", "no IP address"),
        ("$(reboot)", "no IP address"),
        ("::1", "IPv4 only"),
        ("203.0.113.7", "not an address of this machine"),
        ("224.0.0.1", "not an address of this machine"),
        ("255.255.255.255", "not an address of this machine"),
    ],
)
def test_refuses_bad_addresses_with_the_reason(address: str, reason: str) -> None:
    with pytest.raises(DemoError, match=reason):
        check_address(address)


def test_takes_this_machines_addresses() -> None:
    for address in ("127.0.0.1", "127.0.0.2", "0.0.0.0"):
        check_address(address)


def test_names_each_port_that_is_taken_and_takes_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "port_is_free", lambda _kind, _where, port: port not in {5060, 8088})
    monkeypatch.setattr(listen, "free_port", lambda kind, _where: 21000 if kind == socket.SOCK_DGRAM else 22000)
    monkeypatch.setattr(listen, "check_address", lambda _address: None)
    chosen, notes = choose("127.0.0.1")
    assert chosen == Listening(sip=21000, panel=22000)
    assert notes == [
        "Port 5060 is in use by another program, so SIP is on 21000 this time.",
        "Port 8088 is in use by another program, so the panel is on 22000 this time.",
    ]


def test_only_the_loopback_is_closed_to_the_network() -> None:
    assert not Listening("127.0.0.1").open_to_network
    assert Listening("192.0.2.10").open_to_network
    assert Listening("0.0.0.0").open_to_network
    assert Listening("0.0.0.0").shown_address == "127.0.0.1"
