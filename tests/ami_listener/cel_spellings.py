"""One table of CEL in the many spellings in which Asterisk's back ends and exports write it."""

import csv
import io
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from ami_listener.cel_rows import OUR_COLUMNS

Rows = list[dict[str, str]]
Spelling = Callable[[Rows], str]
EVENTS = (
    *("CHAN_START", "CHAN_END", "HANGUP", "ANSWER", "APP_START", "APP_END", "BRIDGE_ENTER", "BRIDGE_EXIT"),
    *("PARK_START", "PARK_END", "BLINDTRANSFER", "ATTENDEDTRANSFER", "USER_DEFINED", "LINKEDID_END", "PICKUP"),
    *("FORWARD", "LOCAL_OPTIMIZE", "LOCAL_OPTIMIZE_BEGIN"),
)
"""As include/asterisk/cel.h of Asterisk 22 numbers them, from 1 on."""
EAST = timezone(timedelta(hours=2))
BRIEF = (
    *("eventtype", "eventtime", "cid_name", "cid_num", "exten", "context", "channame"),
    *("appname", "appdata", "uniqueid", "linkedid", "peer", "extra"),
)


def as_text(rows: Rows, columns: Sequence[str] = (), header: Callable[[str], str] = str, delimiter: str = ",") -> str:
    """The rows as CSV with a header line."""
    columns = columns or list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow([header(name) for name in columns])
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return text.getvalue()


def written(pattern: str, zone: tzinfo = UTC, after: str = "") -> Spelling:
    """With times like this."""

    def spell(rows: Rows) -> str:
        return as_text([row | {"eventtime": _moment(row, zone).strftime(pattern) + after} for row in rows])

    return spell


def _moment(row: Mapping[str, str], zone: tzinfo) -> datetime:
    seconds, _, fraction = row["eventtime"].partition(".")
    return datetime.fromtimestamp(int(seconds), zone).replace(microsecond=int(fraction.ljust(6, "0")))


def _numbered(rows: Rows, pattern: str = "{}") -> str:
    return as_text([row | {"eventtype": pattern.format(EVENTS.index(row["eventtype"]) + 1)} for row in rows])


def _with_ids(rows: Rows) -> Rows:
    return [{"id": str(place)} | row for place, row in enumerate(rows, 1)]


def _shuffled(rows: Rows) -> Rows:
    return random.Random(3).sample(rows, len(rows))


def _whole_seconds(rows: Rows) -> Rows:
    return [row | {"eventtime": _moment(row, UTC).strftime("%Y-%m-%d %H:%M:%S")} for row in rows]


def _with_other_rows(rows: Rows) -> Rows:
    """What dialplans and later versions write beside ours."""
    mixed: Rows = []
    for row in rows:
        says_nothing = row | {"appname": "", "appdata": "", "peer": "", "extra": ""}
        mixed += [row, *(says_nothing | {"eventtype": name} for name in ("STREAM_BEGIN", "DTMF", "their_own", "99"))]
    return mixed


def without_columns(*names: str) -> Spelling:
    """Without these columns."""
    return lambda rows: as_text(rows, [name for name in OUR_COLUMNS if name not in names])


def without_events(*names: str) -> Spelling:
    """Without rows of these kinds."""
    return lambda rows: as_text([row for row in rows if row["eventtype"] not in names])


SAME: dict[str, Spelling] = {
    "numbers": _numbered,
    "numbers as a float column has them": lambda rows: _numbered(rows, "{}.000000"),
    "small letters": lambda rows: as_text([row | {"eventtype": row["eventtype"].lower()} for row in rows]),
    "zone +02": written("%Y-%m-%d %H:%M:%S.%f", EAST, "+02"),
    "zone +02:00": written("%Y-%m-%dT%H:%M:%S.%f", EAST, "+02:00"),
    "zone apart": written("%Y-%m-%d %H:%M:%S.%f", EAST, " +0200"),
    "zone Z": written("%Y-%m-%dT%H:%M:%S.%f", after="Z"),
    "zone by name": written("%Y-%m-%d %H:%M:%S.%f", after=" UTC"),
    "no zone": written("%Y-%m-%d %H:%M:%S.%f"),
    "capital letters": lambda rows: as_text(rows, header=str.upper),
    "extra as cel_odbc has it": lambda rows: as_text(
        rows, header=lambda name: "eventextra" if name == "extra" else name
    ),
    "spaces in the header": lambda rows: as_text(rows, header=lambda name: f" {name} "),
    "byte order mark, CRLF": lambda rows: "\ufeff" + as_text(rows).replace("\n", "\r\n"),
    "semicolons": lambda rows: as_text(rows, delimiter=";"),
    "tabs": lambda rows: as_text(rows, delimiter="\t"),
    "line breaks in values": lambda rows: as_text([row | {"userfield": 'a\r\n"b",\nc'} for row in rows]),
    "the columns that matter": lambda rows: as_text(rows, BRIEF),
    "columns backwards": lambda rows: as_text(rows, OUR_COLUMNS[::-1]),
    "rows in any order": lambda rows: as_text(_shuffled(_with_ids(rows))),
    "rows of other kinds between": lambda rows: as_text(_with_other_rows(rows)),
    "no LINKEDID_END": without_events("LINKEDID_END"),
    "no CHAN_END": without_events("CHAN_END"),
    "no peer": without_columns("peer"),
    "no uniqueid": without_columns("uniqueid"),
}
"""Nothing is lost in these."""

COARSE: dict[str, Spelling] = {
    "whole seconds": lambda rows: as_text(_whole_seconds(rows)),
    "whole seconds by id": lambda rows: as_text(_shuffled(_with_ids(_whole_seconds(rows)))),
    "whole seconds since 1970": lambda rows: as_text(
        [row | {"eventtime": row["eventtime"].partition(".")[0]} for row in rows]
    ),
    "as FreePBX has it": lambda rows: without_events("APP_START", "APP_END")(_with_ids(_whole_seconds(rows))),
    "no extra": without_columns("extra"),
    "no extra, no peer": without_columns("extra", "peer"),
    "no linkedid": without_columns("linkedid"),
    "no application": without_columns("appname", "appdata"),
    "no start or end of applications": without_events("APP_START", "APP_END"),
    "the events of Asterisk's sample": without_events(
        *("APP_END", "PARK_START", "PARK_END", "BLINDTRANSFER", "ATTENDEDTRANSFER", "LINKEDID_END"),
        *("PICKUP", "FORWARD", "LOCAL_OPTIMIZE", "LOCAL_OPTIMIZE_BEGIN"),
    ),
    "no bridges": without_events("BRIDGE_ENTER", "BRIDGE_EXIT"),
    "no HANGUP": without_events("HANGUP"),
    "no caller id": without_columns("cid_num", "cid_name", "cid_ani", "cid_dnid", "cid_rdnis"),
    "no extension": without_columns("exten"),
    "no channel": without_columns("channame"),
    "the least": lambda rows: as_text(
        rows, ("eventtype", "eventtime", "cid_num", "exten", "channame", "uniqueid", "linkedid")
    ),
}
"""In these the calls are told, who talked, and how long; not each leg's and transfer's end."""
