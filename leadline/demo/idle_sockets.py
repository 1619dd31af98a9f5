"""Keeps Asterisk from hearing the network where nobody has asked it to, since none of its settings does.

PJSIP opens a socket of IPv4 and one of IPv6 for a name resolver of its own, which Asterisk makes and never asks. They
are bound to all addresses. Connected to a port of this machine where nobody is, they hear nobody any more.
"""

import contextlib
import ctypes
import os
import socket
from pathlib import Path

_PIDFD_GETFD = 438
"""Its number, the same for all kinds of machines; Python has no name for it."""
_NOBODY = {"0.0.0.0": ("127.0.0.1", 9), "::": ("::1", 9)}  # noqa: S104 - compared, not bound


def close_to_network(pid: int, *, but_port: int) -> None:
    """Connect a process's UDP sockets that are bound to all addresses to nobody.

    Where the kernel does not let us, they stay as they are: what comes there is no answer that anybody waits for.

    Args:
        pid: the process, which is ours.
        but_port: of the one socket that may hear all addresses, as it was told to.
    """
    process = os.pidfd_open(pid)
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile, or not ours to take
                if os.readlink(entry).startswith("socket:"):
                    _close_to_network(_borrow(process, int(entry.name)), but_port)
    finally:
        os.close(process)


def _close_to_network(descriptor: int, but_port: int) -> None:
    with socket.socket(fileno=descriptor) as borrowed:
        if borrowed.type != socket.SOCK_DGRAM or borrowed.family not in (socket.AF_INET, socket.AF_INET6):
            return
        address, port = borrowed.getsockname()[:2]
        if address in _NOBODY and port != but_port:
            borrowed.connect(_NOBODY[address])


def _borrow(process: int, descriptor: int) -> int:
    """A descriptor of ours for a process's socket: the socket itself, no copy."""
    borrowed = int(ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, descriptor, 0))
    if borrowed < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return borrowed
