"""Where processes listen, as the kernel tells it: nothing of ours may hear a network that it was not told to hear."""

import ipaddress
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TCP_LISTEN, _UDP_UNCONNECTED = "0A", "07"


def heard_beyond_loopback(pids: Iterable[int]) -> set[str]:
    """The addresses with ports, as 0.0.0.0:5060, at which these processes hear others than this machine."""
    inodes = {inode for pid in pids for inode in sockets_of(pid)}
    heard = set()
    for table, state in (
        ("tcp", _TCP_LISTEN),
        ("tcp6", _TCP_LISTEN),
        ("udp", _UDP_UNCONNECTED),
        ("udp6", _UDP_UNCONNECTED),
    ):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address, port = _address(fields[1])
            if fields[3] == state and fields[9] in inodes and not address.is_loopback:
                heard.add(f"{address}:{port}")
    return heard


def sockets_of(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    links = []
    with suppress(OSError):  # the process may have ended, as what it has open may be closed meanwhile
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                links.append(os.readlink(entry))
    return {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}


def _address(written: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """The kernel writes addresses as words of 32 bits, each the wrong way round."""
    words, _, port = written.partition(":")
    raw = b"".join(bytes.fromhex(words[i : i + 8])[::-1] for i in range(0, len(words), 8))
    return ipaddress.ip_address(raw), int(port, 16)
