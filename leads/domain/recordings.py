"""Which calls are recorded, and how the files of a recording are named: the rules that Asterisk and we share (C12)."""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

LONGEST_PATH = 255
_PART = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]{0,149}")
_FILE = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]{0,149}\.wav")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class RecordedCalls(StrEnum):
    """Which calls with the outside are recorded; calls between colleagues never are."""

    NONE = "none"
    ALL = "all"
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    BY_NUMBER = "by-number"


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """The company's choice.

    By number, `dids` are our numbers (E.164) whose inbound calls are recorded, and `phones` the endpoints whose
    outgoing calls are.
    """

    calls: RecordedCalls = RecordedCalls.NONE
    dids: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()

    def records_inbound(self, did: str | None) -> bool:
        """Whether a call to `did` is recorded; None where it is not one of our numbers."""
        if self.calls is RecordedCalls.BY_NUMBER:
            return did in self.dids
        return self.calls in (RecordedCalls.ALL, RecordedCalls.INBOUND)

    @property
    def records_every_outgoing(self) -> bool:
        """Whether outgoing calls are recorded, whoever makes them."""
        return self.calls in (RecordedCalls.ALL, RecordedCalls.OUTBOUND)

    @property
    def outgoing_phones(self) -> frozenset[str]:
        """The endpoints whose outgoing calls are recorded where not everybody's are."""
        return self.phones if self.calls is RecordedCalls.BY_NUMBER else frozenset()


@dataclass(frozen=True, slots=True)
class RecordingPath:
    """A recording's place below the folder of recordings: day (UTC), the call's linkedid, the outside channel's id.

    It holds nothing that came from outside, and each of its parts is a plain name, so that no path of it leads out of
    the folder.
    """

    day: str
    linkedid: str
    file: str

    def __str__(self) -> str:
        return f"{self.day}/{self.linkedid}/{self.file}"

    @classmethod
    def read(cls, text: str) -> "RecordingPath":
        """Take a path apart.

        Raises:
            ValueError: it is none that the dialplan writes.
        """
        parts = text.split("/")
        if len(text) > LONGEST_PATH or len(parts) != 3:
            raise ValueError("no path of a recording")
        path = cls(*parts)
        if not (is_day(path.day) and is_call_folder(path.linkedid) and is_recording_file(path.file)):
            raise ValueError("no path of a recording")
        return path


def is_day(name: str) -> bool:
    """Whether a folder is one of the dated ones."""
    if not _DAY.fullmatch(name):
        return False
    try:
        date.fromisoformat(name)
    except ValueError:
        return False
    return True


def is_call_folder(name: str) -> bool:
    """Whether a folder may be that of a call's recordings."""
    return _PART.fullmatch(name) is not None


def is_recording_file(name: str) -> bool:
    """Whether a file may be a recording."""
    return _FILE.fullmatch(name) is not None
