"""Parts of a file as browsers ask for them to seek: HTTP's Range and If-Range (RFC 9110, 13.1.5 and 14)."""

import re
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime

_ONE = re.compile(r"bytes=[ \t]*([0-9]{0,15})-([0-9]{0,15})[ \t]*", re.IGNORECASE)


class UnsatisfiableRangeError(Exception):
    """None of what is asked for is in the file."""


def requested(header: str | None, size: int) -> tuple[int, int] | None:
    """The part that is asked for: its first byte and how many; None for the whole file.

    A header that cannot be read is as none, as the standard says; so are several parts at once, which no player needs.

    Raises:
        UnsatisfiableRangeError: the part begins behind the end.
    """
    found = _ONE.fullmatch(header or "")
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:
        count = min(int(found[2]), size)
        start, end = size - count, size - 1
    else:
        start = int(found[1])
        end = min(int(found[2]), size - 1) if found[2] else size - 1
        if found[2] and int(found[2]) < start:
            return None
    if start >= size or end < start:
        raise UnsatisfiableRangeError
    return start, end - start + 1


def still_fits(if_range: str | None, etag: str, changed: datetime) -> bool:
    """Whether the file is the one that If-Range means, so that a part of it may be sent."""
    if if_range is None:
        return True
    wanted = if_range.strip()
    if wanted.startswith('"'):
        return wanted == etag
    try:
        return parsedate_to_datetime(wanted) == changed.replace(microsecond=0)
    except (TypeError, ValueError):
        return False


def http_date(at: datetime) -> str:
    """A time (UTC) as headers write it."""
    return format_datetime(at.replace(microsecond=0), usegmt=True)
