"""Reads what a simulated phone sent and received, from sipp's message log, into values that a test can compare."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

# The marks that sipp writes between messages; it spells the two directions differently.
_MARK = re.compile(
    rb"-{20,} (?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6})\n\w+ message (?P<way>sent|received) [^\n]*bytes[^\n]*\n\n"
)
_ADDRESS = re.compile(r'^\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^<"]*?))\s*<(?P<uri>[^>]*)>')
_USER = re.compile(r"^sips?:(?:(?P<user>[^@;]*)@)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SipMessage:
    """One SIP message on the wire; `at` is this machine's local time, as sipp writes it."""

    at: datetime
    sent: bool
    start_line: str
    headers: tuple[tuple[str, str], ...]
    body: str = ""

    @property
    def method(self) -> str | None:
        """The request's method; None for a response."""
        word = self.start_line.split(" ", 1)[0]
        return None if word.startswith("SIP/") else word

    @property
    def status(self) -> int | None:
        """The response's status code; None for a request."""
        words = self.start_line.split(" ", 2)
        return int(words[1]) if words[0].startswith("SIP/") else None

    def header(self, name: str) -> str | None:
        """The first header of that name, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def call_id(self) -> str:
        """Which dialog the message belongs to."""
        return self.header("Call-ID") or ""

    @property
    def answers(self) -> str:
        """The method that a response answers, or the request's own."""
        return (self.header("CSeq") or " ").split()[-1]


@dataclass(frozen=True, slots=True)
class SipAddress:
    """Who a From or P-Asserted-Identity header names."""

    name: str | None
    number: str


def read_log(path: Path) -> list[SipMessage]:
    """All complete messages in sipp's log so far, in order; an absent log is an empty one."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    marks = list(_MARK.finditer(data))
    ends = [mark.start() for mark in marks[1:]] + [len(data)] * bool(marks)
    messages = []
    for mark, end in zip(marks, ends, strict=True):
        head, separator, body = data[mark.end() : end].replace(b"\r\n", b"\n").partition(b"\n\n")
        if separator:  # else sipp is still writing it
            messages.append(_message(mark, *(part.decode("utf-8", errors="replace") for part in (head, body))))
    return messages


def read_address(value: str | None) -> SipAddress | None:
    """Take a From header apart as a telephone does before it shows it."""
    found = _ADDRESS.match(value or "")
    if found is None:
        return None
    quoted = found["quoted"]
    name = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else (found["token"] or None)
    user = _USER.match(found["uri"])
    return SipAddress(name, (user["user"] or "") if user else "")


def _message(mark: re.Match[bytes], head: str, body: str) -> SipMessage:
    start_line, *lines = head.split("\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip(), value.strip()))
    at = datetime.strptime(mark["at"].decode(), "%Y-%m-%d %H:%M:%S.%f").astimezone()
    return SipMessage(at, mark["way"] == b"sent", start_line, tuple(headers), body)
