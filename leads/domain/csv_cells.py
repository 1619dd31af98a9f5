"""Writes cells of CSV files so that no spreadsheet takes them for formulas, and reads them back as they were.

A name that begins with `=` would be calculated by whoever opens the file; an apostrophe before it keeps it a text.
"""

import re
from datetime import UTC, datetime
from zlib import crc32

_RISKY = re.compile(r"'*[=+\-@\t\r]")
_MARK = re.compile(r"[1-9][0-9]{0,9}-[0-9a-f]{8}")
_E164 = re.compile(r"\+[0-9]{3,15}")


def protected(text: str) -> str:
    """The cell for `text`: what a spreadsheet would calculate gets an apostrophe; a telephone number stays a number."""
    return f"'{text}" if _RISKY.match(text) and not _E164.fullmatch(text) else text


def original(cell: str) -> str:
    """The text that `protected` made `cell` of; a cell that it would not have changed stays as it is."""
    return cell[1:] if cell.startswith("'") and _RISKY.match(cell) else cell


def card_mark(identity: int, created_at: datetime) -> str:
    """What tells one card of one database from its namesakes, here and in every other database.

    The key alone would not: another database has a card of its own under it.
    """
    return f"{identity}-{crc32(created_at.astimezone(UTC).isoformat().encode()):08x}"


def is_card_mark(text: str) -> bool:
    """Whether a cell holds a mark that an export of ours wrote."""
    return _MARK.fullmatch(text) is not None
