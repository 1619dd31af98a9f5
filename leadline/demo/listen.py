"""Decides on which address and ports the demonstration listens, and refuses what cannot work before anything starts."""

import ipaddress
import socket
from dataclasses import dataclass

from leadline.demo.sipp import free_port, port_is_free
from leadline.demo.state import DemoError

LOOPBACK = "127.0.0.1"
_RTP_PORTS = 1000


@dataclass(frozen=True, slots=True)
class Listening:
    """Addresses and ports of one run: SIP, RTP and the panel on `address`, all the rest on the loopback."""

    address: str = LOOPBACK
    sip: int = 5060
    panel: int = 8088
    ami: int = 5038
    fastagi: int = 4573
    trunk: int = 5080
    rtp_start: int = 10000

    @property
    def rtp_end(self) -> int:
        """The last port of conversations."""
        return self.rtp_start + _RTP_PORTS - 1

    @property
    def open_to_network(self) -> bool:
        """Whether anybody but this machine can reach it."""
        return not ipaddress.ip_address(self.address).is_loopback

    @property
    def shown_address(self) -> str:
        """The address to type into a browser or a telephone on this machine."""
        return reachable(self.address)


def reachable(address: str) -> str:
    """Where this machine reaches a program that listens on `address`."""
    return LOOPBACK if address == "0.0.0.0" else address  # noqa: S104 - compared, not bound


def choose(address: str) -> tuple[Listening, list[str]]:
    """Take the usual ports, or free ones for those that another program uses.

    Returns:
        What to listen on, and a sentence for each port that is not the usual one.

    Raises:
        DemoError: `address` is not an IPv4 address of this machine.
    """
    check_address(address)
    usual = Listening(address=address)
    notes: list[str] = []

    def port(number: int, what: str, kind: socket.SocketKind, where: str = LOOPBACK) -> int:
        if port_is_free(kind, where, number):
            return number
        other = free_port(kind, where)
        notes.append(f"Port {number} is in use by another program, so {what} is on {other} this time.")
        return other

    chosen = Listening(
        address=address,
        sip=port(usual.sip, "SIP", socket.SOCK_DGRAM, address),
        panel=port(usual.panel, "the panel", socket.SOCK_STREAM, address),
        ami=port(usual.ami, "AMI", socket.SOCK_STREAM),
        fastagi=port(usual.fastagi, "FastAGI", socket.SOCK_STREAM),
        trunk=port(usual.trunk, "the outside line", socket.SOCK_DGRAM),
    )
    return chosen, notes


def check_address(address: str) -> None:
    """Refuse an address that nothing can listen on.

    Raises:
        DemoError: it is no IPv4 address, or not one of this machine's.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        raise DemoError(
            f"LISTEN={address!r} is no IP address; give one of this machine's, as in LISTEN=192.0.2.10 (`ip address`)"
        ) from None
    if parsed.version != 4:
        raise DemoError(f"LISTEN={address}: the demonstration speaks IPv4 only; give an IPv4 address of this machine")
    if parsed.is_multicast or address == "255.255.255.255" or not port_is_free(socket.SOCK_DGRAM, address, 0):
        raise DemoError(f"LISTEN={address} is not an address of this machine; `ip address` lists those that are")
