"""Turns the bytes of an AMI connection, or of a recording of one, into messages; it knows no sockets and no calls.

Only complete messages come out, so a letter split over two chunks survives; events that nobody asked for are dropped
by their first line, before their headers cost anything.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_MESSAGE = 1024 * 1024
MAX_HEADERS = 2000
BANNER = b"Asterisk Call Manager/"
EVENT = b"Event: "
ACTION_ID = b"\nActionID:"
_BLANK_LINE = b"\n\n"


class WireError(Exception):
    """The peer does not speak AMI: a message is longer than any that Asterisk sends. Drop the connection."""


class Message(dict[str, str]):
    """The headers of one event or response. A repeated header shows its first value; `all` gives every one."""

    __slots__ = ("repeated",)

    def __init__(self) -> None:
        super().__init__()
        self.repeated: dict[str, list[str]] | None = None

    def all(self, name: str) -> tuple[str, ...]:
        """Give every value of a header that may come several times, such as ChanVariable or Output."""
        if self.repeated and name in self.repeated:
            return (self[name], *self.repeated[name])
        return (self[name],) if name in self else ()


@dataclass(slots=True)
class Decoder:
    """Collects bytes and gives out the messages that are complete.

    Args:
        wanted: names of the events to hand out (others are skipped unparsed); None hands out all. Responses, and
            events that answer an action of ours (they carry an ActionID), always come out.
    """

    wanted: Collection[bytes] | None = None
    skipped: int = 0
    version: str | None = None
    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """Take the next bytes, whatever their boundaries, and yield the messages that they complete.

        Raises:
            WireError: a message grew beyond MAX_MESSAGE; nothing after it can be read.
        """
        for block in self.frames(chunk):
            message = read_headers(block)
            if message:
                yield message

    def frames(self, chunk: bytes) -> Iterator[bytes]:
        """As `feed`, but the messages stay unparsed: small enough to queue a hundred thousand of them."""
        chunk = chunk.translate(None, b"\r")  # recordings may have lost them; within a value they mean nothing
        joint = self._rest[-1:] + chunk
        self._rest += chunk
        if _BLANK_LINE in joint:
            *blocks, rest = bytes(self._rest).split(_BLANK_LINE)
            self._rest = bytearray(rest)
        else:  # a long message in many small chunks must not cost its square
            blocks = []
        for block in blocks:
            if len(block) > MAX_MESSAGE:
                raise WireError(f"a message of {len(block)} bytes; the limit is {MAX_MESSAGE}")
            message = block if block.startswith(EVENT) else self._without_banner(block)
            if not message:
                continue
            if self._is_wanted(message):
                yield message
            else:
                self.skipped += 1
        if len(self._rest) > MAX_MESSAGE:
            raise WireError(f"more than {MAX_MESSAGE} bytes without the end of a message")

    def _is_wanted(self, message: bytes) -> bool:
        if self.wanted is None or not message.startswith(EVENT):
            return True
        return message.partition(b"\n")[0][len(EVENT) :] in self.wanted or ACTION_ID in message

    def _without_banner(self, block: bytes) -> bytes:
        block = block.lstrip(b"\n")
        if block.startswith(BANNER):
            banner, _, block = block.partition(b"\n")
            self.version = banner[len(BANNER) :].decode("ascii", "replace").strip()[:40]
        return block


class HeaderLines(Mapping[str, str]):
    """The headers of one unparsed message, each looked up when asked for: of twenty, the tracker needs about five."""

    __slots__ = ("_text",)

    def __init__(self, block: bytes) -> None:
        self._text = "\n" + block.decode("utf-8", "replace")

    def get(self, name: str, default: Any = None, /) -> Any:
        """The value of a header, the first where it is repeated."""
        _, found, rest = self._text.partition(f"\n{name}:")
        return rest.partition("\n")[0].removeprefix(" ") if found else default

    def __getitem__(self, name: str) -> str:
        value: str | None = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(read_headers(self._text.encode()))

    def __len__(self) -> int:
        return len(read_headers(self._text.encode()))


def read_headers(block: bytes) -> Message:
    """Read the lines `Name: value` of one message; lines without a colon are ignored, bad UTF-8 becomes U+FFFD."""
    message = Message()
    for line in block.decode("utf-8", "replace").split("\n", MAX_HEADERS)[:MAX_HEADERS]:
        name, colon, value = line.partition(":")
        if not colon:
            continue
        if value[:1] == " ":
            value = value[1:]
        if name not in message:
            message[name] = value
        elif message.repeated is None:
            message.repeated = {name: [value]}
        else:
            message.repeated.setdefault(name, []).append(value)
    return message
