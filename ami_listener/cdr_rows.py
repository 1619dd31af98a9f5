"""Tells Asterisk's call detail records (CDR) as rows of CEL, where there is no CEL, as far as they tell a call.

A record says who called whom, when it began, was answered and ended. It does not say who hung up, and nothing of
transfers but a record more.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any

from ami_listener.cel_rows import CelError, CelRow, read_row, read_time

MASTER_COLUMNS = [
    *("accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata"),
    *("start", "answer", "end", "duration", "billsec", "disposition", "amaflags", "uniqueid", "userfield"),
    *("peeraccount", "linkedid", "sequence"),
]
"""What cdr_csv writes into Master.csv, with loguniqueid, loguserfield and newcdrcolumns set to yes in cdr.conf."""
_NAMED = re.compile(r'"(.+)" *<')
_CAUSES = {"BUSY": 17, "FAILED": 38, "CONGESTION": 34}
_FIRST = 1 << 48
_STATUSES = {"BUSY": "BUSY", "FAILED": "CHANUNAVAIL", "CONGESTION": "CONGESTION", "NO ANSWER": "NOANSWER"}


def read_cdr(serial: int, values: Mapping[str, Any], zone: tzinfo) -> list[CelRow]:
    """The rows of CEL that one record stands for.

    Args:
        serial: its place among the others.
        values: by the column names of cdr_csv or of a database's table.
        zone: of times that name none.

    Raises:
        CelError: it does not say when it began, or of which channel it is.
    """
    start = read_time(values.get("start") or values.get("calldate"), zone)
    end = read_time(values["end"], zone) if values.get("end") else start + _seconds(values.get("duration"))
    told = str(values.get("disposition") or "").upper()
    answer = _answer(values, end, zone) if told == "ANSWERED" else None
    uniqueid = values.get("uniqueid")
    if not uniqueid:
        raise CelError("names no channel; set loguniqueid=yes in cdr.conf")
    caller = {
        "uniqueid": uniqueid,
        "linkedid": values.get("linkedid"),
        "channame": values.get("channel"),
        "cid_num": values.get("src") or values.get("cnum"),
        "cid_name": values.get("cnam") or _name(values.get("clid")),
        "exten": values.get("did") or values.get("dst"),
        "appname": values.get("lastapp"),
        "appdata": values.get("lastdata"),
    }
    line = _line(caller, values)
    rows: list[tuple[datetime, str, dict[str, Any]]] = [(start, "CHAN_START", caller)]
    if str(values.get("lastapp") or "").lower() in ("dial", "queue"):
        rows.append((start, "APP_START", caller))
    if line is not None:
        rows.append((start, "CHAN_START", line))
    if answer is not None:
        rows += [(answer, "ANSWER", one) for one in (line, caller) if one is not None]
    if line is not None:
        rows.append((end, "HANGUP", line | {"extra": f'{{"hangupcause":{_CAUSES.get(told, 0)}}}'}))
    status = _STATUSES.get(told, "ANSWER")
    rows.append((end, "HANGUP", caller | {"extra": f'{{"dialstatus":"{status}","hangupsource":"cdr"}}'}))
    return [
        # Who calls is there before all else of that second: records are written when they end, his often the last.
        read_row(serial - _FIRST * (place == 0), one | {"eventtime": at, "eventtype": event}, zone)
        for place, (at, event, one) in enumerate(rows)
    ]


def _line(caller: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any] | None:
    """The channel that was dialled, which has no id of its own here."""
    name = values.get("dstchannel")
    if not name:
        return None
    return {
        "uniqueid": f"{caller['uniqueid']} {name}",
        "linkedid": caller["linkedid"] or caller["uniqueid"],
        "channame": name,
        "appname": "AppDial",
    }


def _answer(values: Mapping[str, Any], end: datetime, zone: tzinfo) -> datetime | None:
    if values.get("answer"):
        return read_time(values["answer"], zone)
    return end - _seconds(values.get("billsec"))


def _name(clid: Any) -> str | None:
    """The name in `"Name" <number>`."""
    found = _NAMED.match(str(clid or ""))
    return found[1] if found else None


def _seconds(value: Any) -> timedelta:
    text = str(value if value is not None else "").strip()
    return timedelta(seconds=int(text)) if text.isdecimal() and len(text) < 8 else timedelta()
