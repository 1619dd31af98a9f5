"""Starts and ends sipp, the program that plays both ends of a call, and reads what it saw."""

import random
import socket
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from leadline.demo.sip_messages import SipMessage, read_log

_POLL_SECONDS = 0.02
# Below the ports that the kernel lends to outgoing connections, so that none is taken between asking and using.
_PORTS = range(20000, 26000)
_PORTS_FOR_ROWS = range(26000, 32000)
"""Apart from single ports: an Asterisk takes ports of its row for each call anew, whoever was promised one of them."""
_in_turn = deque(random.SystemRandom().sample(_PORTS, len(_PORTS)))
"""Single ports in the order in which they are handed out: none soon again, because nobody may listen there yet."""

Found = TypeVar("Found")


class PhoneError(Exception):
    """A simulated phone or caller did not do what its script says; the text carries sipp's report."""


class Sipp:
    """One sipp process with one scenario; it ends at the latest with the thread that started it."""

    def __init__(
        self,
        scenario: str,
        *,
        pbx: tuple[str, int],
        local: tuple[str, int],
        arguments: tuple[str, ...],
        incoming: str | None = None,
    ) -> None:
        """Start at once. `pbx` is where it sends, `local` its own address and UDP port.

        `incoming` is a second scenario, for calls that others make to it meanwhile.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="leadline-sipp-")
        folder = Path(self._folder.name)
        self._log = folder / "messages.log"
        self._errors = folder / "errors.log"
        (folder / "scenario.xml").write_text(scenario, encoding="utf-8")
        if incoming is not None:
            (folder / "incoming.xml").write_text(incoming, encoding="utf-8")
            arguments = (*arguments, "-oocsf", str(folder / "incoming.xml"))
        self._process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "sipp", f"{pbx[0]}:{pbx[1]}"),
                *("-sf", str(folder / "scenario.xml"), "-i", local[0], "-p", str(local[1])),
                # Its control port would listen on all addresses.
                *("-ci", "127.0.0.1", "-nostdin"),
                *("-trace_msg", "-message_file", str(self._log), "-trace_err", "-error_file", str(self._errors)),
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "stderr.txt").open("wb"),
            cwd=folder,
            start_new_session=True,
        )

    def messages(self) -> list[SipMessage]:
        """What it sent and received so far."""
        return read_log(self._log)

    def wait(self, seconds: float) -> int:
        """Wait for its end and return the exit status (0: all calls went by the script).

        Raises:
            PhoneError: still running after `seconds`; it is ended then.
        """
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            report = self.report()
            self.stop()
            raise PhoneError(f"sipp was not done after {seconds} s\n{report}") from None

    def stop(self) -> None:
        """End it now; does nothing when it has ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(5)

    def discard(self) -> None:
        """End it and forget its logs."""
        self.stop()
        self._folder.cleanup()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def report(self) -> str:
        """What sipp complained about, and the messages that it exchanged, a line each."""
        folder = Path(self._folder.name)
        texts = [
            path.read_text(errors="replace")[-2000:] for path in (self._errors, folder / "stderr.txt") if path.is_file()
        ]
        lines = [f"{m.at:%H:%M:%S.%f} {'→' if m.sent else '←'} {m.start_line}" for m in self.messages()]
        return "\n".join(texts + lines)


def await_value(look: Callable[[], Found | None], seconds: float, what: str) -> Found:
    """Look until there is something; the wait for things that other processes do.

    Raises:
        PhoneError: nothing after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise PhoneError(f"waited {seconds} s in vain for {what}")
        time.sleep(_POLL_SECONDS)


def free_port(kind: socket.SocketKind, address: str = "127.0.0.1") -> int:
    """A port on `address` that nobody uses now, TCP (SOCK_STREAM) or UDP (SOCK_DGRAM); another one each time."""
    for _attempt in range(len(_in_turn)):
        port = _in_turn[0]
        _in_turn.rotate(-1)
        if port_is_free(kind, address, port):
            return port
    raise PhoneError(f"found no free port on {address}")


def keep_to_ports(part: int, parts: int) -> None:
    """Take single ports from one of `parts` equal parts only, so that processes at once never take the same one.

    Between asking for a port and listening there whole seconds pass, and a server that was killed is away for as long.
    """
    ours = _PORTS[part::parts]
    _in_turn.clear()
    _in_turn.extend(random.SystemRandom().sample(ours, len(ours)))


def free_ports(kind: socket.SocketKind, count: int, address: str = "127.0.0.1") -> range:
    """`count` ports in a row that nobody uses now, the first one even, as RTP wants them."""
    for _attempt in range(50):
        first = random.SystemRandom().randrange(_PORTS_FOR_ROWS.start, _PORTS_FOR_ROWS.stop - count, 2)
        if all(port_is_free(kind, address, port) for port in range(first, first + count)):
            return range(first, first + count)
    raise PhoneError(f"found no {count} free ports in a row on {address}")


def port_is_free(kind: socket.SocketKind, address: str, port: int) -> bool:
    """Whether a program could listen there now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
