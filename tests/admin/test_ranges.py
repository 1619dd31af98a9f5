"""HTTP ranges: whatever a browser asks for, it gets the right bytes of the file, or is told that there are none."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.admin.ranges import UnsatisfiableRangeError, http_date, requested, still_fits

CHANGED = datetime(2026, 3, 2, 9, 0, 0, 500_000, tzinfo=UTC)


@given(size=st.integers(0, 10**9), first=st.integers(0, 10**9), last=st.integers(0, 10**9) | st.none())
def test_a_range_gives_exactly_the_bytes_that_are_there(size: int, first: int, last: int | None) -> None:
    header = f"bytes={first}-{'' if last is None else last}"
    wanted = range(first, size if last is None else min(last + 1, size))
    if last is not None and last < first:
        assert requested(header, size) is None
    elif not wanted:
        with pytest.raises(UnsatisfiableRangeError):
            requested(header, size)
    else:
        assert requested(header, size) == (wanted.start, len(wanted))


@given(size=st.integers(0, 10**9), count=st.integers(0, 10**9))
def test_the_last_bytes(size: int, count: int) -> None:
    if min(size, count) == 0:
        with pytest.raises(UnsatisfiableRangeError):
            requested(f"bytes=-{count}", size)
    else:
        assert requested(f"bytes=-{count}", size) == (max(0, size - count), min(size, count))


@given(header=st.text(max_size=40) | st.from_regex(r"bytes=[-0-9, ]{0,60}", fullmatch=True), size=st.integers(0, 10**6))
def test_whatever_is_asked_never_leaves_the_file(header: str, size: int) -> None:
    try:
        part = requested(header, size)
    except UnsatisfiableRangeError:
        return
    if part is not None:
        start, count = part
        assert 0 <= start < start + count <= size


@pytest.mark.parametrize("header", [None, "", "bytes", "bytes=", "bytes=-", "items=0-1", "bytes=0-1,4-5", "bytes=a-b"])
def test_what_cannot_be_read_asks_for_the_whole_file(header: str | None) -> None:
    assert requested(header, 100) is None


def test_if_range_fits_only_the_same_file() -> None:
    assert still_fits(None, '"1-a"', CHANGED)
    assert still_fits('"1-a"', '"1-a"', CHANGED)
    assert still_fits(http_date(CHANGED), '"1-a"', CHANGED)
    for other in ('"1-b"', 'W/"1-a"', "", "yesterday", "Mon, 02 Mar 2026 08:59:59 GMT"):
        assert not still_fits(other, '"1-a"', CHANGED)
