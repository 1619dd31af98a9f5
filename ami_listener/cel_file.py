"""Reads on in a file to which Asterisk appends a row an event: whole rows only, through rotation by renaming.

A row is a line, but for line breaks within its quotes: those are a caller's, who put them into his number.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CHUNK = 64 * 1024
_FIRST_LINE = 1024
_BEGINS = re.compile(rb'"[^",;\t\r\n]')
"""How a quoted row begins, and no line within a value: there Asterisk writes each quote twice."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A byte in a file, which is known by device, inode and the beginning of it: inodes are used again."""

    device: int = 0
    inode: int = 0
    offset: int = 0
    beginning: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole rows with the place of each, where to read on, and whether nothing more is there now.

    `first_line` names the file's columns, if it does; `note` says what an operator should know.
    """

    lines: list[tuple[FilePlace, str]]
    next: FilePlace
    at_end: bool
    first_line: str = ""
    note: str = ""


class GrowingFile:
    """A file by its path, and those it was renamed to, in the same folder and with names that begin with its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def end(self) -> FilePlace:
        """Behind the last whole line; the beginning of a file that is not there yet.

        Raises:
            OSError: it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return _place(file, _last_line_end(file))
        except FileNotFoundError:
            return FilePlace()

    def read(self, place: FilePlace) -> Lines:
        """The next rows after a place.

        Raises:
            OSError: it cannot be read.
        """
        try:
            present = self.path.stat()
        except FileNotFoundError:
            present = None
        if place.inode == 0:
            return Lines([], place, True) if present is None else self._read(self.path, place, True)
        if present is not None and (present.st_dev, present.st_ino) == (place.device, place.inode):
            return self._read(self.path, place, True)
        old = self._renamed(place)
        if old is not None:
            return self._read(old, place, False)
        if present is None:
            return Lines([], place, True)
        note = f"{self.path}: the file that was read last is gone; what was written to it after that is lost"
        return Lines([], FilePlace(), False, note=note)

    def _read(self, path: Path, place: FilePlace, is_present: bool) -> Lines:
        with path.open("rb") as file:
            found = _place(file, place.offset)
            if place.inode and (found.device, found.inode) != (place.device, place.inode):
                return Lines([], place, False)  # renamed just now
            first_line = _first_line(file)
            size = os.fstat(file.fileno()).st_size
            if place.beginning not in ("", found.beginning) or place.offset > size:
                note = f"{path}: the file was cut or written anew; it is read from its beginning"
                return Lines([], FilePlace(found.device, found.inode, 0, found.beginning), False, note=note)
            file.seek(place.offset)
            data = file.read(CHUNK)
        rows, length = _rows(found, data[: data.rfind(b"\n") + 1])
        if not length and len(data) == CHUNK:
            length = len(data)  # no event has such a row; it is passed over
        at_end = len(data) < CHUNK
        if at_end and not length and not is_present:
            return Lines([], self._after(path), False)
        end = FilePlace(found.device, found.inode, place.offset + length, found.beginning)
        return Lines(rows, end, at_end and is_present, first_line)

    def _renamed(self, place: FilePlace) -> Path | None:
        for path, status in self._others():
            if (status.st_dev, status.st_ino) == (place.device, place.inode):
                return path
        return None

    def _after(self, path: Path) -> FilePlace:
        """The beginning of the file that was begun when this one was renamed."""
        age = path.stat().st_mtime_ns
        later = [(other, status) for other, status in self._others() if status.st_mtime_ns > age and other != path]
        for other, _ in sorted(later, key=lambda one: one[1].st_mtime_ns):
            with other.open("rb") as file:
                return _place(file, 0)
        return FilePlace()

    def _others(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.path.parent.glob(f"{self.path.name}?*"):
            if path.is_file() and path.suffix not in (".gz", ".xz", ".bz2", ".zst"):
                yield path, path.stat()


def _place(file: BinaryIO, offset: int) -> FilePlace:
    status = os.fstat(file.fileno())
    line = _first_line(file)
    beginning = hashlib.blake2b(line.encode(), digest_size=8).hexdigest() if line else ""
    return FilePlace(status.st_dev, status.st_ino, offset, beginning)


def _first_line(file: BinaryIO) -> str:
    """The first line, empty while it is not whole."""
    file.seek(0)
    line = file.readline(_FIRST_LINE)
    return line.decode(errors="replace") if line.endswith(b"\n") or len(line) == _FIRST_LINE else ""


def _last_line_end(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - CHUNK)
    file.seek(start)
    end = file.read(size - start).rfind(b"\n")
    return start + end + 1 if end >= 0 else 0


def _rows(found: FilePlace, lines: bytes) -> tuple[list[tuple[FilePlace, str]], int]:
    """The rows of whole lines, and how many bytes they are; the last one may still be open.

    A row that was cut, as when Asterisk is killed, ends where the next one begins.
    """
    rows: list[tuple[FilePlace, str]] = []
    row, begins = b"", 0
    for line in lines.splitlines(keepends=True):
        if row and _BEGINS.match(line):
            rows.append((_at(found, begins), row.decode(errors="replace")))
            row, begins = b"", begins + len(row)
        row += line
        if row.count(b'"') % 2 == 0:
            rows.append((_at(found, begins), row.decode(errors="replace")))
            row, begins = b"", begins + len(row)
    return rows, begins


def _at(found: FilePlace, offset: int) -> FilePlace:
    return FilePlace(found.device, found.inode, found.offset + offset, found.beginning)
