"""The FastAGI conversation as a core without I/O: bytes from Asterisk in, what they mean out; it bounds all it takes.

Asterisk opens with a block of `name: value` lines and an empty line, then carries out one command at a time and
answers each with a line such as `200 result=1`. A caller who hangs up shows as a line `HANGUP`.
"""

import re
from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

MAX_BLOCK = 16_384
"""Bytes of the opening block; Asterisk's has about 600."""
MAX_LINE = 2_048
"""Bytes of one line, in either direction: Asterisk's own buffer for a command."""
MAX_LINES = 200

_WANTED = re.compile(r"\nagi_(network_script|callerid|calleridname|callingpres|arg_1|arg_2): ([^\n]*)")
_LINES = """network *network_script request channel language type uniqueid version *callerid *calleridname *callingpres
callingani2 callington callingtns dnid rdnis context extension priority enhanced accountcode threadid *arg_1 *arg_2"""
_USUAL = re.compile(
    "".join(
        f"agi_{name[1:]}: ([^\n]*)\n" if name[0] == "*" else f"agi_{name}: [^\n]*\n" for name in _LINES.split()
    ).removesuffix("\n")
)
"""A block just as Asterisk writes it, in which so nothing can stand twice; to find its values in one go is quicker."""
_LINKEDID = re.compile(r"[A-Za-z0-9._:-]{1,150}")
_NO_NAME = "unknown"
"""What Asterisk writes where the trunk delivered no name."""
_WITHHELD = 0x60
"""The bits of a Q.931 presentation that say «restricted» or «not available»."""


class ProtocolError(Exception):
    """The peer does not speak FastAGI, or says more than any Asterisk does; the connection is to be closed."""


class Request(NamedTuple):
    """The question of one call. `caller` is None where the caller withheld the number; texts are still untrusted."""

    script: str
    caller: str | None
    caller_name: str | None
    did: str | None
    linkedid: str | None


class Outcome(Enum):
    """How Asterisk took our answer."""

    SET = auto()
    REFUSED = auto()
    HUNG_UP = auto()


class Session:
    """One connection: first the question, then what became of the answer."""

    __slots__ = ("_asked", "_buffer")

    def __init__(self) -> None:
        self._buffer = b""
        self._asked = False

    def receive(self, data: bytes) -> Request | Outcome | None:
        """Take what arrived; give the question, once, or the outcome, or None while either is incomplete.

        Raises:
            ProtocolError: a limit was exceeded or the bytes are not FastAGI.
        """
        self._buffer = self._buffer + data if self._buffer else data
        return self._outcome() if self._asked else self._request()

    def _request(self) -> Request | None:
        end = self._buffer.find(b"\n\n", 0, MAX_BLOCK)
        if end < 0:
            if len(self._buffer) >= MAX_BLOCK:
                raise ProtocolError(f"no end of the opening block within {MAX_BLOCK} bytes")
            return None
        block, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        self._asked = True
        return _read_block(block)

    def _outcome(self) -> Outcome | None:
        line, end, rest = self._buffer.partition(b"\n")
        if len(line) > MAX_LINE:
            raise ProtocolError(f"a reply of more than {MAX_LINE} bytes")
        if not end:
            return None
        self._buffer = rest
        if line.startswith(b"200 "):
            return Outcome.SET
        if line.startswith(b"HANGUP"):
            return Outcome.HUNG_UP
        if line.startswith(b"5"):
            return Outcome.REFUSED
        raise ProtocolError("a reply that is none of AGI's")


def _read_block(block: bytes) -> Request:
    # A block shorter than the longest line holds none that is too long.
    if len(block) > MAX_LINE:
        lines = block.split(b"\n")
        if len(lines) > MAX_LINES or max(map(len, lines)) > MAX_LINE:
            raise ProtocolError("the opening block has too many or too long lines")
    text = block.decode("utf-8", "replace")
    if usual := _USUAL.fullmatch(text):
        return _request(usual.groups())
    found = _WANTED.findall("\n" + text)
    values: dict[str, str] = dict(found)
    if len(values) != len(found):
        # Asterisk says nothing twice, so one of the two came in a caller's name or another value with a line break.
        raise ProtocolError("a variable is given twice")
    return read_variables(values)


def read_variables(values: dict[str, str]) -> Request:
    """Read the question from AGI variables, named without their `agi_`."""
    get = values.get
    return _request(
        (
            get("network_script", ""),
            get("callerid", ""),
            get("calleridname", ""),
            get("callingpres", "0"),
            get("arg_1", ""),
            get("arg_2", ""),
        )
    )


def _request(values: Sequence[str]) -> Request:
    script, number, name, presentation, did, linkedid = values
    return Request(
        script,
        None if presentation != "0" and _is_withheld(presentation) else number or None,
        None if name == _NO_NAME else name or None,
        did or None,
        linkedid if _LINKEDID.fullmatch(linkedid) else None,
    )


def _is_withheld(presentation: str) -> bool:
    return presentation.isdecimal() and len(presentation) < 4 and bool(int(presentation) & _WITHHELD)


def set_variable(name: str, value: str) -> bytes:
    """Build the command that sets a channel variable.

    Raises:
        ValueError: the value has a line break or NUL, or the command is longer than Asterisk takes: then sending it
            would set something else.
    """
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError("an AGI value may hold neither line breaks nor NUL")
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    command = f'SET VARIABLE {name} "{quoted}"\n'.encode()
    if len(command) >= MAX_LINE:
        raise ValueError(f"an AGI command may have no more than {MAX_LINE - 1} bytes, not {len(command)}")
    return command
