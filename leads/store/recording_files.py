"""The folder in which one Asterisk puts its recordings: what is in it, reading and deleting, and never a step outside.

Every path is opened name by name from the folder on, and no link is followed, so that neither a path in the database
nor a link that somebody put there leads out of it.
"""

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from leads.domain.recordings import RecordingPath, is_call_folder, is_day, is_recording_file

HEADER_BYTES = 44
"""Of the WAV files that Asterisk writes."""
BYTES_A_SECOND = 16000
"""Linear samples of 16 bits, 8,000 a second, both sides mixed into one channel."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LINKS_STAY = os.O_NOFOLLOW
_HEADER = struct.Struct("<4sI8sIHHIIHH4sI")


class RecordingGoneError(Exception):
    """There is no such recording, or no path of one."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A recording in the folder; `at` is when something was last written to it."""

    path: RecordingPath
    size: int
    at: datetime

    @property
    def is_empty(self) -> bool:
        """Whether nobody was heard: the file of a call that was not answered, or not yet."""
        return self.size <= HEADER_BYTES


@dataclass(frozen=True, slots=True)
class AudioFile:
    """An open recording: `head` stands for its first bytes, since Asterisk writes the length there only at the end."""

    descriptor: int
    size: int
    changed_ns: int
    head: bytes

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(0, self.size - HEADER_BYTES) / BYTES_A_SECOND

    def read(self, start: int, count: int) -> bytes:
        """Some of its bytes, as a player is to get them."""
        if start < len(self.head):
            return self.head[start : start + count]
        return os.pread(self.descriptor, count, start)


class RecordingFolder:
    """One Asterisk's folder of recordings, as this machine sees it."""

    def __init__(self, root: Path) -> None:
        """It need not exist yet."""
        self.root = root
        self._listed: dict[tuple[str, str], int] = {}

    def is_usable(self) -> bool:
        """Whether we may read and delete there."""
        return os.access(self.root, os.R_OK | os.W_OK | os.X_OK)

    def days(self) -> list[str]:
        """The dated folders, the oldest first."""
        try:
            with self._opened() as root:
                return sorted(name for name in os.listdir(root) if is_day(name))
        except RecordingGoneError:
            return []

    def changes(self, day: str) -> list[FoundFile]:
        """The recordings of calls of one day that came or may have grown since they were last looked at."""
        found: list[FoundFile] = []
        with suppress(RecordingGoneError), self._opened(day) as folder:
            for call in os.listdir(folder):
                if is_call_folder(call):
                    found.extend(self._changes_of_call(folder, day, call))
        return found

    def _changes_of_call(self, folder: int, day: str, call: str) -> Iterator[FoundFile]:
        with suppress(OSError), ExitStack() as opened:
            changed = os.stat(call, dir_fd=folder, follow_symlinks=False).st_mtime_ns
            if self._listed.get((day, call)) == changed:
                return
            inner = os.open(call, _FOLDER | _LINKS_STAY, dir_fd=folder)
            opened.callback(os.close, inner)
            found = [file for name in os.listdir(inner) if (file := _found(inner, day, call, name))]
            # An empty one may grow at any time without a trace in the folder.
            if not any(file.is_empty for file in found):
                self._listed[day, call] = changed
            yield from found

    def forget(self, day: str) -> None:
        """Stop remembering what was seen of a day that is over."""
        for key in [key for key in self._listed if key[0] <= day]:
            del self._listed[key]

    @contextmanager
    def open(self, path: str) -> Iterator[AudioFile]:
        """A recording to read.

        Raises:
            RecordingGoneError: it is not there, or `path` is none of a recording.
        """
        place = _read(path)
        with self._opened(place.day, place.linkedid) as folder, ExitStack() as opened:
            try:
                flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | _LINKS_STAY
                descriptor = os.open(place.file, flags, dir_fd=folder)
            except OSError as error:
                raise RecordingGoneError(str(error)) from None
            opened.callback(os.close, descriptor)
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise RecordingGoneError("no file")
            head = _true_head(os.pread(descriptor, HEADER_BYTES, 0), status.st_size)
            yield AudioFile(descriptor, status.st_size, status.st_mtime_ns, head)

    def delete(self, path: str) -> None:
        """Delete a recording, and its folders when they are empty then; nothing happens when it is gone already.

        Raises:
            OSError: it cannot be deleted.
            RecordingGoneError: `path` is none of a recording.
        """
        place = _read(path)
        try:
            with self._opened(place.day, place.linkedid) as folder:
                os.unlink(place.file, dir_fd=folder)
        except (RecordingGoneError, FileNotFoundError):
            return
        with suppress(OSError, RecordingGoneError), self._opened(place.day) as folder:
            os.rmdir(place.linkedid, dir_fd=folder)

    def remove_empty_day(self, day: str) -> None:
        """Remove a dated folder of which nothing is left."""
        if is_day(day):
            with suppress(OSError, RecordingGoneError), self._opened() as root:
                os.rmdir(day, dir_fd=root)

    @contextmanager
    def _opened(self, *names: str) -> Iterator[int]:
        """A folder below the root, by its descriptor.

        Raises:
            RecordingGoneError: it is not there, or a link stands in its place.
        """
        with ExitStack() as opened:
            try:
                folder = os.open(self.root, _FOLDER)
                opened.callback(os.close, folder)
                for name in names:
                    folder = os.open(name, _FOLDER | _LINKS_STAY, dir_fd=folder)
                    opened.callback(os.close, folder)
            except OSError as error:
                raise RecordingGoneError(str(error)) from None
            yield folder


def _read(path: str) -> RecordingPath:
    try:
        return RecordingPath.read(path)
    except ValueError as error:
        raise RecordingGoneError(str(error)) from None


def _found(folder: int, day: str, call: str, name: str) -> FoundFile | None:
    if not is_recording_file(name):
        return None
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return FoundFile(RecordingPath(day, call, name), status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _true_head(head: bytes, size: int) -> bytes:
    """The head with the length that the file has: Asterisk may have been killed before it wrote that."""
    if len(head) < HEADER_BYTES:
        return head
    fields = list(_HEADER.unpack(head))
    if (fields[0], fields[2], fields[10]) != (b"RIFF", b"WAVEfmt ", b"data"):
        return head
    fields[1], fields[11] = size - 8, size - HEADER_BYTES
    return _HEADER.pack(*fields)
