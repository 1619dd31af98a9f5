"""Asks the running server over FastAGI for a one-shot script: it knows the company already, and answers at once.

Imports only sockets and the pure protocol: Asterisk starts the script for each call, and a caller waits for imports.
"""

import re
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from agi.protocol import MAX_LINE
from dialplan.words import PLAN, ROUTE_PATH

SERVER_SECONDS = 0.45
"""From the connection to the answer at the latest: the server itself gives one within 0.4 s, or is not well."""


class Address(NamedTuple):
    """Where a server listens, and by which path to ask there; the path may name this Asterisk (see agi.askers)."""

    host: str
    port: int
    path: str = ROUTE_PATH


_ASKED = ("callerid", "calleridname", "callingpres", "arg_1", "arg_2")
_MOST_SIGNS = 500
"""Of a value; no number or name is longer, and the server refuses lines that no Asterisk writes."""
_COMMAND = re.compile(rf'SET VARIABLE {PLAN} "L1\|[^"\\\x00-\x1f\x7f]*"')


class ServerAnswer:
    """What the server decided; it waits to hear what became of that, so `conclude` has to be called."""

    def __init__(self, command: str, connection: socket.socket) -> None:
        self.command = command
        """The AGI command that sets the plan, without its line break."""
        self._connection = connection

    def conclude(self, taken: bool) -> None:
        """Tell the server whether Asterisk took the command."""
        # A server that is gone meanwhile has recorded its decision; only its counts are one short.
        with self._connection, suppress(OSError):
            self._connection.sendall(b"200 result=1\n" if taken else b"HANGUP\n")


def ask_server(address: Address, variables: Mapping[str, str]) -> ServerAnswer | None:
    """Have the FastAGI server at `address` decide; None where it gives no plan in time.

    Args:
        address: where it listens, and in which Asterisk's name to ask.
        variables: what Asterisk said of the call, named without `agi_`; any text without line breaks.
    """
    give_up = time.monotonic() + SERVER_SECONDS
    try:
        connection = socket.create_connection(address[:2], timeout=SERVER_SECONDS)
    except (OSError, UnicodeError):
        # Nobody there, or a host name that cannot be one.
        return None
    try:
        connection.sendall(_question(address.path, variables))
        command = _read_command(connection, give_up)
    except OSError:
        command = None
    if command is None:
        connection.close()
        return None
    return ServerAnswer(command, connection)


def _question(path: str, variables: Mapping[str, str]) -> bytes:
    lines = [f"agi_network_script: {path}"]
    lines += [f"agi_{name}: {variables[name][:_MOST_SIGNS]}" for name in _ASKED if name in variables]
    return ("\n".join(lines) + "\n\n").encode()


def _read_command(connection: socket.socket, give_up: float) -> str | None:
    """Read one line until `give_up` (monotonic); what is not exactly a plan goes nowhere near Asterisk."""
    line = b""
    while not line.endswith(b"\n"):
        left = give_up - time.monotonic()
        if left <= 0 or len(line) > MAX_LINE:
            return None
        connection.settimeout(left)
        received = connection.recv(MAX_LINE)
        if not received:
            return None
        line += received
    command = line[:-1].decode(errors="replace")
    return command if len(line) <= MAX_LINE and _COMMAND.fullmatch(command) else None
