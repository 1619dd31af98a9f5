"""CEL tells the stories of the lab as live events do, also where columns, rows or whole kinds of rows are missing."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ami_listener.cel_calls import calls_of_rows
from ami_listener.cel_rows import OUR_COLUMNS, CelError, csv_rows, read_time
from ami_listener.replay import PBX, calls_of_stream
from ami_listener.trunks import trunk_matcher
from leads.domain.calls import CallView, LegKind, Phase, Result

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures").glob("*/cel.csv"))
ANSWERED = next(path for path in FIXTURES if path.parent.name == "plain_answered")
IS_TRUNK = trunk_matcher(("PJSIP/trunk*", "SIP/trunk*"))
CLOCKS_DIFFER = 0.3
"""Seconds between an event and its row, on a loaded machine."""
Rows = list[dict[str, str]]


def rows_of(path: Path) -> Rows:
    with path.open(newline="") as file:
        return [dict(zip(OUR_COLUMNS, cells, strict=True)) for cells in csv.reader(file)]


def as_csv(rows: Sequence[dict[str, str]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def calls(rows: Sequence[dict[str, str]]) -> list[CallView]:
    return calls_of_rows(csv_rows(io.StringIO(as_csv(rows), newline="")), "pbx", IS_TRUNK)


def told(view: CallView) -> CallView:
    """A view without what only says how and when exactly it was seen."""
    exact = dict.fromkeys(("started_at", "answered_at", "ended_at", "ring_seconds", "talk_seconds", "caller_name"))
    # CEL does not say on which parking space a caller waited whom nobody took back.
    legs = tuple(replace(leg, endpoint="") if leg.kind is LegKind.PARKED else leg for leg in view.legs)
    return replace(view, progress=0, recovered=False, legs=legs, **exact)


def _in_any_order(view: CallView) -> CallView:
    return told(replace(view, legs=tuple(sorted(view.legs, key=lambda leg: leg.endpoint))))


def by_linkedid(views: list[CallView]) -> list[CallView]:
    return sorted(views, key=lambda view: view.linkedid)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.parent.name)
def test_what_was_kept_tells_what_live_events_told(path: Path) -> None:
    live = calls_of_stream(path.with_name("events.ami.txt"), IS_TRUNK)
    with path.open(newline="") as file:
        kept = calls_of_rows(csv_rows(file), PBX, IS_TRUNK)
    # Local channels run side by side: which of them rings its phone first is told otherwise by the one and the other.
    as_told = _in_any_order if "Local/" in path.read_text() else told
    assert [as_told(view) for view in by_linkedid(kept)] == [as_told(view) for view in by_linkedid(live)]
    assert all(view.phase is Phase.ENDED and view.recovered and not view.incomplete for view in kept)
    for one, other in zip(by_linkedid(kept), by_linkedid(live), strict=True):
        for name in ("ring_seconds", "talk_seconds"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=CLOCKS_DIFFER)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.parent.name)
def test_tables_of_whole_seconds_are_read_in_the_order_of_their_ids(path: Path) -> None:
    whole = [
        row | {"id": str(place), "eventtime": row["eventtime"].partition(".")[0]}
        for place, row in enumerate(rows_of(path), 1)
    ]
    exact, coarse = by_linkedid(calls(rows_of(path))), by_linkedid(calls(whole[::-1]))
    assert [(view.linkedid, view.direction, view.result, view.answered_by) for view in coarse] == [
        (view.linkedid, view.direction, view.result, view.answered_by) for view in exact
    ]
    for one, other in zip(exact, coarse, strict=True):
        assert (other.talk_seconds or 0) == pytest.approx(one.talk_seconds or 0, abs=2.1)


@pytest.mark.parametrize("missing", sorted(set(OUR_COLUMNS) - {"eventtype", "eventtime"}))
def test_any_column_may_be_missing_or_empty(missing: str) -> None:
    (whole,) = calls(rows_of(ANSWERED))
    for rows in (
        [{name: value for name, value in row.items() if name != missing} for row in rows_of(ANSWERED)],
        [row | {missing: ""} for row in rows_of(ANSWERED)],
    ):
        view = max(calls(rows), key=lambda one: one.talk_seconds or 0)
        assert (view.result, view.talk_seconds) == (Result.ANSWERED, whole.talk_seconds)
        assert (view.started_at, view.ended_at) == (whole.started_at, whole.ended_at)


def at(seconds: float) -> str:
    return f"{1416000000 + seconds:.6f}"


def test_asterisk_11_tells_only_one_end_of_a_bridge() -> None:
    trunk = {"channame": "SIP/trunk-00000001", "uniqueid": "1416000000.1", "linkedid": "1416000000.1"}
    phone = {"channame": "SIP/101-00000002", "uniqueid": "1416000000.2", "linkedid": "1416000000.1"}
    (view,) = calls(
        [
            {"eventtype": "CHAN_START", "eventtime": at(0), "exten": "0441234567", "cid_num": "0501234567"} | trunk,
            {"eventtype": "APP_START", "eventtime": at(0.1), "appname": "Dial", "appdata": "SIP/101,20"} | trunk,
            {"eventtype": "CHAN_START", "eventtime": at(0.2)} | phone,
            {"eventtype": "ANSWER", "eventtime": at(4), "appname": "AppDial", "cid_num": "101"} | phone,
            {"eventtype": "ANSWER", "eventtime": at(4), "appname": "Dial"} | trunk,
            {"eventtype": "BRIDGE_START", "eventtime": at(4.1), "peer": "SIP/101-00000002"} | trunk,
            {"eventtype": "CONF_START", "eventtime": at(5)} | trunk,
            {"eventtype": "BRIDGE_END", "eventtime": at(14.1), "peer": "SIP/101-00000002"} | trunk,
            {"eventtype": "HANGUP", "eventtime": at(14.2)} | phone,
            {"eventtype": "CHAN_END", "eventtime": at(14.2)} | phone,
            {"eventtype": "HANGUP", "eventtime": at(14.3)} | trunk,
            {"eventtype": "CHAN_END", "eventtime": at(14.3)} | trunk,
            {"eventtype": "LINKEDID_END", "eventtime": at(14.3)} | trunk,
        ]
    )
    assert (view.direction, view.caller, view.dialled, view.result) == (
        "inbound",
        "0501234567",
        "0441234567",
        "answered",
    )
    assert (view.answered_by, view.ring_seconds, view.talk_seconds) == ("101", 4.1, 10.0)


@pytest.mark.parametrize(
    ("extra", "result"),
    [
        ("17,SIP/101-00000002,BUSY", Result.BUSY),
        ("21,SIP/101-00000002,CHANUNAVAIL", Result.REJECTED),
        ("16,SIP/trunk-00000001,CANCEL", Result.CANCELLED),
        ("16,,NOANSWER", Result.NO_ANSWER),
    ],
)
def test_asterisk_11_tells_in_plain_text_why_a_channel_ended(extra: str, result: Result) -> None:
    rows = _rung_by("Dial", "SIP/101,20")
    (view,) = calls([row | ({"extra": extra} if row["eventtype"] == "HANGUP" else {}) for row in rows])
    assert view.result is result


@pytest.mark.parametrize(("seconds", "result"), [(5, Result.NO_ANSWER), (60, Result.CANCELLED)])
def test_how_long_a_queue_was_to_ring_tells_who_ended_it_where_nothing_else_does(seconds: int, result: Result) -> None:
    (view,) = calls(_rung_by("Queue", f"sales,t,,,{seconds}"))
    assert view.result is result


def test_a_queue_that_is_logged_twice_is_one() -> None:
    rows = rows_of(next(path for path in FIXTURES if path.parent.name == "queue_ringall_answered"))
    kinds = [(row["eventtype"], row["appname"]) for row in rows]
    place, start = kinds.index(("ANSWER", "AppQueue")), rows[kinds.index(("APP_START", "Queue"))]
    again = [start | {"eventtype": event, "eventtime": rows[place]["eventtime"]} for event in ("APP_END", "APP_START")]
    twice = rows[: place + 1] + again + rows[place + 1 :]
    assert [told(view) for view in calls(twice)] == [told(view) for view in calls(rows)]


def test_an_outgoing_call_without_extension_dialled_what_dial_was_told() -> None:
    outgoing = next(path for path in FIXTURES if path.parent.name == "outgoing_busy")
    (whole,) = calls(rows_of(outgoing))
    (view,) = calls([row | {"exten": "", "cid_dnid": ""} for row in rows_of(outgoing)])
    assert view.dialled == whole.dialled == "0671065000"


def _rung_by(app: str, data: str) -> Rows:
    """A phone that rings for five seconds, then all is over."""
    trunk = {"channame": "SIP/trunk-00000001", "uniqueid": "1416000000.1", "linkedid": "1416000000.1"}
    phone = {"channame": "SIP/101-00000002", "uniqueid": "1416000000.2", "linkedid": "1416000000.1"}
    return [
        {"eventtype": "CHAN_START", "eventtime": at(0), "exten": "0441234567", "cid_num": "0501234567"} | trunk,
        {"eventtype": "APP_START", "eventtime": at(0.1), "appname": app, "appdata": data} | trunk,
        {"eventtype": "CHAN_START", "eventtime": at(0.2), "cid_num": "101"} | phone,
        {"eventtype": "HANGUP", "eventtime": at(5.2)} | phone,
        {"eventtype": "CHAN_END", "eventtime": at(5.2)} | phone,
        {"eventtype": "APP_END", "eventtime": at(5.2), "appname": app, "appdata": data} | trunk,
        {"eventtype": "HANGUP", "eventtime": at(5.3)} | trunk,
        {"eventtype": "CHAN_END", "eventtime": at(5.3)} | trunk,
    ]


def test_calls_are_told_without_any_row_of_bridges() -> None:
    rows = [row for row in rows_of(ANSWERED) if not row["eventtype"].startswith("BRIDGE")]
    (exact,), (view,) = calls(rows_of(ANSWERED)), calls(rows)
    assert (view.result, view.answered_by) == (exact.result, exact.answered_by)
    assert view.talk_seconds == pytest.approx(exact.talk_seconds, abs=0.2)


def test_a_call_without_end_rows_ends_with_its_last_event() -> None:
    rows = rows_of(ANSWERED)
    last = next(place for place, row in enumerate(rows) if row["eventtype"] == "BRIDGE_EXIT")
    (view,) = calls(rows[:last])
    assert (view.phase, view.result, view.incomplete) == (Phase.ENDED, Result.ANSWERED, True)
    assert view.ended_at == read_time(rows[last - 1]["eventtime"])


def test_events_of_the_dialplans_own_and_rows_without_a_time_do_no_harm() -> None:
    rows = rows_of(ANSWERED)
    mixed = [
        *rows[:3],
        rows[3] | {"eventtype": "our own: word"},
        rows[3] | {"eventtype": "", "eventtime": ""},
        *rows[3:],
    ]
    assert [told(view) for view in calls(mixed)] == [told(view) for view in calls(rows)]


def test_rows_that_name_no_channel_say_nothing() -> None:
    rows = rows_of(ANSWERED)
    nameless = rows[3] | {"uniqueid": "", "linkedid": "", "channame": ""}
    assert calls([nameless, *rows[:5], nameless, *rows[5:]]) == calls(rows)


def test_who_gave_up_where_an_earlier_attempt_was_answered_is_told_by_who_hung_up() -> None:
    story = next(path for path in FIXTURES if path.parent.name == "handover_given_up_meanwhile")
    (view,) = calls(rows_of(story))
    assert [(transfer.result, transfer.answered_by) for transfer in view.transfers] == [(Result.CANCELLED, None)]
    assert [leg.result for leg in view.legs] == [Result.ANSWERED, Result.CANCELLED]


def test_numbers_stand_for_event_types() -> None:
    kinds = "CHAN_START CHAN_END HANGUP ANSWER APP_START APP_END BRIDGE_ENTER BRIDGE_EXIT"
    numbers = {name: number for number, name in enumerate(kinds.split(), 1)}
    rows = [row | {"eventtype": str(numbers.get(row["eventtype"], 14))} for row in rows_of(ANSWERED)]
    assert calls(rows) == calls(rows_of(ANSWERED))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21 10:00:00.25",
        "2026-11-21T10:00:00.250000Z",
        "2026-11-21 12:00:00.25+02",
        "2026-11-21 12:00:00.250000+02:00",
        "1795255200.25",
        datetime(2026, 11, 21, 10, 0, 0, 250000),
        datetime(2026, 11, 21, 12, 0, 0, 250000, tzinfo=ZoneInfo("Europe/Kyiv")),
    ],
)
def test_times(text: Any) -> None:
    assert read_time(text) == datetime(2026, 11, 21, 10, 0, 0, 250000, tzinfo=UTC)


def test_a_time_without_a_zone_is_of_the_zone_that_is_meant() -> None:
    assert read_time("2026-11-21 12:00:00", ZoneInfo("Europe/Kyiv")) == datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("a,b\n1,2\n", "line 1: this is no header"),
        ("eventtype,eventtime\nANSWER,1\n", "line 1: the header names no column uniqueid"),
        ("eventtime,uniqueid\n1,2\n", "no column eventtype"),
        ("eventtype,eventtime,uniqueid\n\nANSWER,yesterday,1.1\n", "line 3: the time 'yesterday'"),
        ("eventtype,eventtime,uniqueid\nANSWER,,1.1\n", "line 2: the time ''"),
        ("eventtype,eventtime,uniqueid\nANSWER,1416000000,1.1,2\n", "line 2: 4 values for 3 columns"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(text: str, says: str) -> None:
    with pytest.raises(CelError) as error:
        list(csv_rows(io.StringIO(text)))
    assert says in str(error.value)


stories = st.sampled_from(FIXTURES).map(rows_of)


@settings(max_examples=30)
@given(stories, st.data())
def test_rows_that_are_lost_or_moved_make_no_second_record(rows: Rows, data: st.DataObject) -> None:
    kept = [row for row in rows if data.draw(st.booleans())] or rows[:1]
    moved = data.draw(st.permutations(kept))
    emptied = [
        row | {data.draw(st.sampled_from(OUR_COLUMNS[2:-5])): "" for _ in range(data.draw(st.integers(0, 2)))}
        for row in moved
    ]
    views = calls(emptied)
    assert len({view.linkedid for view in views}) == len(views)
    assert all(view.phase is Phase.ENDED for view in views)


@settings(max_examples=20)
@given(st.lists(stories, min_size=2, max_size=3), st.randoms())
def test_stories_at_once_are_told_as_alone(several: list[Rows], random: Any) -> None:
    alone = [list(calls(rows)) for rows in several]
    told_of = [{row["uniqueid"] for row in rows} for rows in several]
    assume(all(one.isdisjoint(other) for one, other in combinations(told_of, 2)))
    together = [row for rows in several for row in rows]
    random.shuffle(together)
    numbered = {id(row): str(place) for rows in several for place, row in enumerate(rows)}
    together = [row | {"id": numbered[id(row)]} for row in together]
    told = {view.linkedid: view for view in calls(together)}
    assert told == {view.linkedid: view for views in alone for view in views}


def test_a_name_from_outside_is_without_the_backslashes_of_sip() -> None:
    rows = rows_of(ANSWERED)
    asterisk = r"O\'Neil \"x\""
    told = [row | ({"cid_name": asterisk} if row["channame"].startswith("PJSIP/trunk") else {}) for row in rows]
    (call,) = calls_of_rows(csv_rows(io.StringIO(as_csv(told))), PBX, IS_TRUNK)
    assert call.caller_name == 'O\'Neil "x"'
