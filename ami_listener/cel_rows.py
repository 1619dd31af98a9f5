"""Reads rows of Asterisk's channel event logging (CEL), as CSV or from a table: here, once, what is told becomes typed.

Which columns there are differs from one installation to the next, so any may be missing or empty but for the kind of
event, its time, and the channel.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import chain
from typing import Any

OUR_COLUMNS = [
    "eventtype",
    "eventtime",
    "cid_name",
    "cid_num",
    "cid_ani",
    "cid_rdnis",
    "cid_dnid",
    "exten",
    "context",
    "channame",
    "appname",
    "appdata",
    "amaflags",
    "accountcode",
    "uniqueid",
    "linkedid",
    "peer",
    "peeraccount",
    "userfield",
    "userdeftype",
    "extra",
]
"""What asterisk-conf/cel_custom.conf writes, in that order, without a header line."""
_MAX_ID = 150
_MAX_TEXT = 80
_MAX_DATA = 1000
_NOTHING = frozenset({"", "\\N", "NULL", "<unknown>", "<none>"})
_NUMBERED = dict(
    enumerate(
        [
            "CHAN_START",
            "CHAN_END",
            "HANGUP",
            "ANSWER",
            "APP_START",
            "APP_END",
            "BRIDGE_ENTER",
            "BRIDGE_EXIT",
            "PARK_START",
            "PARK_END",
            "BLINDTRANSFER",
            "ATTENDEDTRANSFER",
            "USER_DEFINED",
            "LINKEDID_END",
            "PICKUP",
            "FORWARD",
            "LOCAL_OPTIMIZE",
            "LOCAL_OPTIMIZE_BEGIN",
        ],
        start=1,
    )
)
"""Numbers of event types since Asterisk 12 (include/asterisk/cel.h)."""
OTHER = "OTHER"
"""An event that says nothing of a call."""
_WORD = re.compile(r"[A-Z0-9_]{3,40}")
_OLD_HANGUP = re.compile(r"(\d{1,3}),([^,]*),([A-Z]*)")
"""What `extra` held before Asterisk 12."""
_PAIR = re.compile(r'"([a-z0-9_]+)" *: *"?([^",}]*)')
_EPOCH = re.compile(r"\d{9,10}(\.\d{1,9})?")
_BEGUN = re.compile(r"(?:^|-)(\d{9,10})\.\d+$")
"""When a channel or call began, at the end of its id."""
_ZONE = re.compile(r" +(?:UTC|GMT|(?=[+-]\d))")


class CelError(Exception):
    """CEL that cannot be read; the text says where and how to mend it."""


@dataclass(frozen=True, slots=True)
class CelRow:
    """One event of one channel. `serial` orders rows of one time; `extra` is what CEL adds for this kind of event.

    Where the row names no channel by its id, its name stands for that (`is_unnamed`); where it names no call, that is
    the channel's own (`is_alone`).
    """

    serial: int
    at: datetime
    event: str
    uniqueid: str
    linkedid: str
    channel: str
    number: str | None
    name: str | None
    exten: str | None
    app: str
    appdata: str
    peer: str
    extra: Mapping[str, str]
    is_unnamed: bool = False
    is_alone: bool = False

    @property
    def order(self) -> tuple[datetime, int]:
        """By time, and within one time, as in tables of whole seconds, as they were written."""
        return self.at, self.serial


def read_row(serial: int, values: Mapping[str, Any], zone: tzinfo = UTC) -> CelRow:
    """Make a row of its columns.

    Args:
        serial: its place among the others.
        values: by the column names of Asterisk's cel_pgsql, in any case.
        zone: of times that name none.

    Raises:
        CelError: it does not say when it happened, or to which channel.
    """
    channel = _text(values.get("channame"), _MAX_ID) or ""
    linkedid = _identity(values.get("linkedid"))
    named = _identity(values.get("uniqueid"))
    uniqueid = named or channel or linkedid
    if not channel and uniqueid:
        channel = f"Channel/{uniqueid}"
    if not uniqueid:
        raise CelError("names no channel; the columns uniqueid, channame and linkedid are all empty")
    event = _event(values.get("eventtype"))
    return CelRow(
        serial,
        read_time(values.get("eventtime"), zone),
        event,
        uniqueid,
        linkedid or uniqueid,
        channel,
        _text(values.get("cid_num" if "cid_num" in values else "cid_ani")),
        _text(values.get("cid_name")),
        _text(values.get("exten")) or _text(values.get("cid_dnid")),
        (_text(values.get("appname")) or "").lower(),
        _text(values.get("appdata"), _MAX_DATA) or "",
        _text(values.get("peer"), _MAX_DATA) or "",
        _extra(values.get("extra") or values.get("eventextra"), event),
        not named,
        not linkedid,
    )


def read_time(value: Any, zone: tzinfo = UTC) -> datetime:
    """Read a time: seconds since 1970, or date and time with or without a fraction and a zone.

    Raises:
        CelError: it is none of them.
    """
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    text = str(value or "").strip()
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        if len(text) < 19:
            raise ValueError
        at = datetime.fromisoformat(_ZONE.sub(lambda zone: "" if zone[0].isspace() else "Z", text))
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CelError(
            f"the time {text[:40]!r} cannot be read; write it as 2026-11-21 10:00:00.123456 or as seconds since 1970"
        ) from None


def _event(value: Any) -> str:
    """The kind of event by its name; what a dialplan's own words say is none of ours."""
    text = str(value if value is not None else "").strip().upper().removesuffix(".000000").removesuffix(".0")
    if text.isdecimal() and len(text) < 4:
        return _NUMBERED.get(int(text), OTHER)
    return text if _WORD.fullmatch(text) else OTHER


def _text(value: Any, limit: int = _MAX_TEXT) -> str | None:
    """A value that people may see: one line of bounded length; None where CEL knew none."""
    text = str(value) if value is not None else ""
    if text in _NOTHING:
        return None
    if not text.isprintable():
        text = "".join(letter for letter in text if letter.isprintable())
    return text[:limit].strip() or None


def _identity(value: Any) -> str:
    text = _text(value, _MAX_ID + 1) or ""
    return text if len(text) <= _MAX_ID else ""


def _extra(value: Any, event: str) -> Mapping[str, str]:
    """The column `extra`: JSON since Asterisk 12, also one that a short column has cut; plain text before."""
    text = str(value) if value is not None else ""
    if text in _NOTHING:
        return {}
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        read = None
    if isinstance(read, dict):
        pairs = [(str(name), str(told)) for name, told in read.items() if told is not None]
    elif text.lstrip().startswith("{"):
        pairs = _PAIR.findall(text)
    elif event == "HANGUP" and (told := _OLD_HANGUP.fullmatch(text)):
        pairs = list(zip(("hangupcause", "hangupsource", "dialstatus"), told.groups(), strict=True))
    else:
        pairs = [("extension", text)]
    return {name: clean for name, told in pairs if (clean := _text(told, _MAX_ID)) and clean != "N/A"}


def csv_rows(lines: Iterable[str], zone: tzinfo = UTC) -> Iterator[CelRow]:
    """Read CSV: with a header line of column names, or without one in the order of OUR_COLUMNS.

    A row without a time has that of the row before, the first that of its channel's id; one that names no channel says
    nothing. Instead of commas there may be semicolons or tabs.

    Raises:
        CelError: it holds no CEL, or a line cannot be read; the text names the line and the mend.
    """
    rest = iter(lines)
    first = next(rest, "")
    reader = csv.reader(chain([first], rest), delimiter=_delimiter(first))
    columns: Sequence[str] | None = None
    last: CelRow | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise CelError(f"line {reader.line_num}: {error}; quote values that hold a quote or a comma") from None
        if not any(cells):
            continue
        if columns is None:
            columns = csv_columns(cells)
            if columns is not OUR_COLUMNS:
                continue
        try:
            row = read_cells(reader.line_num, cells, columns, zone, last.at if last else None)
        except CelError as error:
            raise CelError(f"line {reader.line_num}: {error}") from None
        if row is not None:
            last = row
            yield row
    if columns is None:
        raise CelError("it is empty; the first line names the columns: eventtype,eventtime,uniqueid,linkedid,…")


def _delimiter(first: str) -> str:
    """What stands between a line's values."""
    return next((mark for mark in ",;\t" if mark in first), ",")


def csv_columns(first: Sequence[str]) -> Sequence[str]:
    """The columns that a CSV's first line names, or OUR_COLUMNS where it is an event already.

    Raises:
        CelError: neither.
    """
    names = [cell.strip().lstrip("\ufeff").lower() for cell in first]
    if "eventtype" in names or "eventtime" in names:
        missing = [] if "eventtype" in names else ["eventtype"]
        if not {"uniqueid", "linkedid", "channame"}.intersection(names):
            missing.append("uniqueid")
        if missing:
            raise CelError(f"line 1: the header names no column {' and no '.join(missing)}; add it to the export")
        return names
    if len(first) == len(OUR_COLUMNS) and _WORD.fullmatch(first[0].strip() or "-"):
        return OUR_COLUMNS
    raise CelError(
        "line 1: this is no header of CEL; it names columns as Asterisk's cel_pgsql does: "
        "eventtype,eventtime,cid_name,cid_num,exten,context,channame,appname,appdata,uniqueid,linkedid,peer,extra"
    )


def read_cells(
    serial: int, cells: Sequence[str], columns: Sequence[str], zone: tzinfo, before: datetime | None
) -> CelRow | None:
    """Make a row of a CSV line's values, None where they name no channel.

    A column `id` orders rows better than their place does.

    Args:
        serial: its place.
        cells: the values.
        columns: what they are.
        zone: of times that name none.
        before: when it happened, where it does not tell.

    Raises:
        CelError: there are more values than columns, or `read_row` cannot use them.
    """
    values = cells_by_name(cells, columns)
    if all(values.get(name, "") in _NOTHING for name in ("uniqueid", "channame", "linkedid")):
        return None
    if values.get("eventtime", "") in _NOTHING:
        values = values | {"eventtime": before.isoformat() if before is not None else _begun(values)}
    number = values.get("id", "")
    return read_row(int(number) if number.isdecimal() and len(number) < 19 else serial, values, zone)


def _begun(values: Mapping[str, str]) -> str:
    """The second in which the channel or the call began, by its id."""
    found = (_BEGUN.search(values.get(name, "")) for name in ("uniqueid", "linkedid"))
    return next((match[1] for match in found if match), "")


def cells_by_name(cells: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """A CSV line's values by their columns; the last ones may be missing.

    Raises:
        CelError: there are more values than columns.
    """
    if len(cells) > len(columns):
        raise CelError(f"{len(cells)} values for {len(columns)} columns; quote values that hold a comma")
    return dict(zip(columns, cells, strict=False))


def in_order(rows: Iterable[CelRow]) -> list[CelRow]:
    """Rows as they happened."""
    return sorted(rows, key=lambda row: row.order)
