"""Tells which channel and which call a row of CEL is of, where a table lacks the columns that would say so.

Only for a table that is there as a whole: who was dialled is told by who was dialling then, and in a table that grows
that may not be written yet.
"""

from collections.abc import Sequence
from dataclasses import replace

from ami_listener.cel_rows import CelRow, in_order

_DIALLING = frozenset({"dial", "queue"})
_NO_NUMBERS = frozenset({None, "s"})


def with_ids(rows: Sequence[CelRow]) -> list[CelRow]:
    """The rows in their order, each with a channel and a call, as far as the others tell them."""
    rows = in_order(rows)
    if any(row.is_unnamed for row in rows):
        rows = _with_channels(rows)
    if any(row.is_alone for row in rows):
        rows = _with_calls(rows)
    return rows


def _with_channels(rows: list[CelRow]) -> list[CelRow]:
    """A channel has its name's id; one without has its call's where it is the first of that, else its name for it."""
    known = {row.channel: row.uniqueid for row in rows if not row.is_unnamed}
    taken = {row.uniqueid for row in rows}
    for row in rows:
        if row.channel not in known:
            is_first = not row.is_alone and row.linkedid not in taken
            known[row.channel] = row.linkedid if is_first else row.channel
            taken.add(known[row.channel])
    return [_of(row, known[row.channel], row.linkedid) if row.is_unnamed else row for row in rows]


def _with_calls(rows: list[CelRow]) -> list[CelRow]:
    """A channel is of the call that its other rows tell, or its other half, or whoever was dialling when it began."""
    told = [row for row in reversed(rows) if not row.is_alone]
    calls = {row.uniqueid: row.linkedid for row in told}
    halves = {row.channel.rpartition(";")[0]: row.linkedid for row in told if ";" in row.channel}
    dialling: dict[str, str] = {}
    complete = []
    for row in rows:
        if row.is_alone:
            other_half = halves.get(row.channel.rpartition(";")[0])
            call = calls.get(row.uniqueid) or other_half or _dialler(row, dialling) or row.uniqueid
            row = _of(row, row.uniqueid, call)  # noqa: PLW2901 - the same row, told whole
        elif calls.get(row.linkedid, row.linkedid) != row.linkedid:
            row = _of(row, row.uniqueid, calls[row.linkedid])  # noqa: PLW2901
        calls[row.uniqueid] = row.linkedid
        if ";" in row.channel:
            halves.setdefault(row.channel.rpartition(";")[0], row.linkedid)
        complete.append(row)
        _note_dialling(row, dialling)
    return complete


def _of(row: CelRow, uniqueid: str, linkedid: str) -> CelRow:
    linkedid = uniqueid if linkedid == row.uniqueid else linkedid
    return replace(row, uniqueid=uniqueid, linkedid=linkedid, is_unnamed=False, is_alone=False)


def _note_dialling(row: CelRow, dialling: dict[str, str]) -> None:
    """Who has begun a call and has not been answered may be dialling, as may who runs Dial or a queue."""
    if row.event in ("HANGUP", "CHAN_END", "LINKEDID_END") or (row.event == "APP_END" and row.app in _DIALLING):
        dialling.pop(row.uniqueid, None)
    elif row.app in _DIALLING or (row.event == "CHAN_START" and row.exten not in _NO_NUMBERS):
        dialling.pop(row.uniqueid, None)
        dialling[row.uniqueid] = row.linkedid


def _dialler(row: CelRow, dialling: dict[str, str]) -> str | None:
    """The call of who began to dial last; a line that begins with a number is dialled by nobody."""
    begins = row.exten not in _NO_NUMBERS or row.app in _DIALLING
    if begins and not row.channel.startswith("Local/"):
        return None
    return next(reversed(dialling.values()), None)
