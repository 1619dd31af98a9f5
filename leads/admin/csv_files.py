"""Receives CSV files as they come and reads them again row by row, in memory that does not grow with the file.

The letters (UTF-8, else windows-1251) and the separator are found out, not asked for. A file is kept in the server's
temporary folder, readable by nobody else, until it is imported, replaced by the next one or an hour old.
"""

import asyncio
import codecs
import csv
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from leads.admin.i18n import _, ngettext

LARGEST_FILE = 50 * 1024 * 1024
LONGEST_LINE = 200_000
"""Bytes between two line breaks; no table of people has more."""
MOST_COLUMNS = 100
LONGEST_ROW = 1_000_000
MOST_LINES_OF_A_ROW = 10_001
"""Quoted cells hold line breaks, so that one row could be a whole file. The longest comment is 10,000 characters."""
BEGINNING = 1000
"""Lines of a file at most that are read for its first rows; a file may hold nothing but blank ones."""
SEPARATORS = (",", ";", "\t")
_TOLD_SEPARATOR = re.compile(r'"?sep=([^\w\s"]|\t)"?', re.IGNORECASE)
_NO_CSV = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\xff\xfe", b"\xfe\xff")
"""How workbooks, and texts in UTF-16, begin."""
Row = list[str]


class CsvError(Exception):
    """A file that cannot be imported; the text says why, in the language of whoever sent it."""


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A file that was received: where it is, and how it is to be read."""

    path: Path
    name: str
    size: int
    encoding: str
    separator: str
    header: tuple[str, ...]
    header_line: int = 1

    def remove(self) -> None:
        """Remove it from the disk."""
        self.path.unlink(missing_ok=True)


class _Lines:
    """The lines of a text for one row after another; a row longer than any table's is an error of the file.

    `asked_beyond`: a row was not at its end when the text was, as with a quotation mark that nothing closes.
    """

    def __init__(self, text: Iterable[str]) -> None:
        self._text = iter(text)
        self.asked_beyond = False
        self.begin_row()

    def begin_row(self) -> None:
        self._lines = self._letters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._text, None)
        if line is None:
            self.asked_beyond = self._lines > 0
            raise StopIteration
        self._lines += 1
        self._letters += len(line)
        if self._lines > MOST_LINES_OF_A_ROW or self._letters > LONGEST_ROW:
            raise csv.Error("a row is too long")
        return line


class CsvRows:
    """The rows of a file below its header, each with the line it begins in; use it once, on one thread at a time.

    `line` is where the last row began. With `beginning` they end early, as is enough to show what a file is like.
    """

    def __init__(self, file: CsvFile, *, beginning: bool = False) -> None:
        self._beginning = beginning
        self._bytes: BinaryIO = file.path.open("rb")
        text = TextIOWrapper(self._bytes, encoding=file.encoding, newline="")
        self._lines = _Lines(text)
        self._rows = csv.reader(self._lines, delimiter=file.separator)
        self.line = 1
        self.broken: str | None = None
        for _line in range(file.header_line):
            next(self._rows, None)

    @property
    def position(self) -> int:
        """How many bytes were taken from the file so far."""
        return self._bytes.tell()

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        """Go on where the last loop ended; where the file cannot be read on, `broken` says why afterwards."""
        while True:
            begin = self._rows.line_num + 1
            self._lines.begin_row()
            try:
                row = next(self._rows, None)
                if self._lines.asked_beyond:
                    raise csv.Error("a quotation mark is not closed")
            except (csv.Error, UnicodeError):
                self.line = begin
                self.broken = _("From here on the file is no CSV: perhaps a quotation mark is missing.")
                return
            if row is None or (self._beginning and (begin > BEGINNING or self.position > LONGEST_ROW)):
                return
            self.line = begin
            if any(cell.strip() for cell in row):
                yield begin, row

    def close(self) -> None:
        """Close the file."""
        self._bytes.close()


async def receive(name: str, chunks: AsyncIterator[bytes]) -> CsvFile:
    """Keep a file that a browser sends.

    Raises:
        CsvError: it is too large, or no table of text.
    """
    handle, path = tempfile.mkstemp(prefix="leadline-import-", suffix=".csv")
    try:
        with os.fdopen(handle, "wb") as target:
            check = _Check()
            async for chunk in chunks:
                check.feed(chunk)
                target.write(chunk)
        encoding = check.encoding()
        header_line, separator, header = await asyncio.to_thread(_header, Path(path), encoding)
    except BaseException:
        os.unlink(path)
        raise
    return CsvFile(Path(path), _plain_name(name), check.size, encoding, separator, header, header_line)


class _Check:
    """Looks at a file as it passes by: its size, its letters, and that it is text."""

    def __init__(self) -> None:
        self.size = 0
        self._line = 0
        self._utf8: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()

    def feed(self, chunk: bytes) -> None:
        if (self.size == 0 and chunk.startswith(_NO_CSV)) or b"\0" in chunk:
            raise CsvError(_("This is no CSV file. In a spreadsheet, save it as “CSV UTF-8”."))
        self.size += len(chunk)
        if self.size > LARGEST_FILE:
            most = LARGEST_FILE // (1024 * 1024)
            raise CsvError(ngettext("A file has at most %(count)s MB.", "A file has at most %(count)s MB.", most))
        lines = chunk.replace(b"\r", b"\n")  # which ends a line as Excel for Macintosh writes it
        head, ended, _rest = lines.partition(b"\n")
        self._line += len(head)
        if self._line > LONGEST_LINE:
            raise CsvError(_("A line of this file is longer than any table's. Is it a CSV file?"))
        if ended:
            self._line = len(lines) - lines.rfind(b"\n") - 1
        if self._utf8 is not None:
            try:
                self._utf8.decode(chunk)
            except UnicodeDecodeError:
                self._utf8 = None

    def encoding(self) -> str:
        if self._utf8 is not None:
            with suppress(UnicodeDecodeError):
                self._utf8.decode(b"", final=True)
                return "utf-8-sig"
        return "cp1251"


def _header(path: Path, encoding: str) -> tuple[int, str, tuple[str, ...]]:
    """The line of the first row, the separator by which it has the most cells, and that row.

    A line before it may name the separator, for Excel, which shows it to nobody.
    """
    with path.open(encoding=encoding, newline="") as text:
        told = _TOLD_SEPARATOR.fullmatch(text.readline(LONGEST_LINE).rstrip("\r\n"))
    found: dict[str, tuple[str, ...]] = {}
    for separator in (told[1],) if told else SEPARATORS:
        with path.open(encoding=encoding, newline="") as text, suppress(csv.Error, UnicodeError):
            if told:
                text.readline()
            found[separator] = tuple(cell.strip() for cell in next(csv.reader(_Lines(text), delimiter=separator), []))
    best = max(found, key=lambda separator: len(found[separator]), default=",")
    header = found.get(best, ())
    if not any(header):
        raise CsvError(_("The first line must name the columns, such as Name and Number; this file has none."))
    if len(header) > MOST_COLUMNS:
        raise CsvError(
            ngettext("A file has at most %(count)s column.", "A file has at most %(count)s columns.", MOST_COLUMNS)
        )
    return 2 if told else 1, best, header


def _plain_name(name: str) -> str:
    """What a browser calls the file, without folders and anything that cannot be shown."""
    plain = "".join(letter for letter in name.replace("\\", "/").rpartition("/")[2] if letter.isprintable())
    return plain[:200] or "file.csv"
