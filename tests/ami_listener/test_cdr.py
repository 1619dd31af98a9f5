"""Call detail records tell the calls of the lab's stories as far as they can: once, who talked, how long (C3)."""

import csv
import io
from collections.abc import Callable, Mapping
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ami_listener.cdr_rows import MASTER_COLUMNS, read_cdr
from ami_listener.cel_calls import calls_of_rows
from ami_listener.cel_rows import CelError
from ami_listener.trunks import trunk_matcher
from leads.domain.calls import CallView, LegKind, Phase
from tests.ami_listener.told import party

FOLDER = Path(__file__).parents[1] / "fixtures" / "cdr"
SECONDS = 1.7
Record = dict[str, str]

STORIES = [
    ("plain_answered", "inbound", "+380501001000", "answered", "200", 1.53),
    ("plain_busy", "inbound", "+380501002000", "busy", None, 0.0),
    ("plain_no_answer", "inbound", "+380501006000", "no-answer", None, 0.0),
    ("queue_linear_answered", "inbound", "+380501045000", "answered", "286", 1.22),
    ("queue_queue_not_answered", "inbound", "+380501036000", "no-answer", None, 0.0),
    ("queue_group_answered", "inbound", "+380501032000", "answered", "252", 1.23),
    ("queue_chain", "inbound", "+380501035000", "answered", "265", 1.22),
    ("feature_forwarded_by_phone", "inbound", "+380501047000", "answered", "289", 1.21),
    ("feature_forwarded_to_busy", "inbound", "+380501048000", "busy", None, 0.0),
    ("feature_local_kept", "inbound", "+380501060000", "answered", "305", 1.23),
    ("feature_voicemail", "inbound", "+380501061000", "no-answer", None, 0.0),
    ("outgoing_answered", "outbound", "309", "answered", "0671065000", 1.28),
    ("outgoing_busy", "outbound", "310", "busy", None, 0.0),
    ("outgoing_internal", "internal", "317", "answered", "318", 1.23),
    ("transfer_blind_by_refer_answered", "inbound", "+380501007000", "answered", "206", 2.55),
    ("handover_to_outside_answered", "inbound", "+380501011000", "answered", "210", 2.54),
]
"""Direction, caller, result, who answered, and how long they talked, as the ends of each story saw it."""


def records(story: str) -> list[Record]:
    cells = csv.reader(io.StringIO((FOLDER / f"{story}.csv").read_text(), newline=""))
    return [dict(zip(MASTER_COLUMNS, row, strict=True)) for row in cells]


def calls(found: list[Record]) -> list[CallView]:
    rows = [row for serial, record in enumerate(found) for row in read_cdr(serial, record, UTC)]
    return calls_of_rows(rows, "pbx", trunk_matcher(("PJSIP/trunk*",)))


def _as_a_table(record: Record) -> Record:
    """The columns of a database's table, as FreePBX has it: no times of answer and end."""
    record = record | {"calldate": record["start"], "cnum": record["src"], "cnam": "", "did": ""}
    return {name: value for name, value in record.items() if name not in ("start", "answer", "end")}


def _without_linkedid(record: Mapping[str, str]) -> Record:
    return {name: value for name, value in record.items() if name not in ("linkedid", "sequence", "peeraccount")}


SPELLINGS: dict[str, Callable[[Record], Record]] = {
    "as CSV": lambda record: record,
    "as a table": _as_a_table,
    "as CSV without linkedid": _without_linkedid,
    "as a table without linkedid": lambda record: _without_linkedid(_as_a_table(record)),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("told", STORIES, ids=lambda told: told[0])
def test_each_call_is_told_once(spelling: str, told: tuple[str, str, str, str, str | None, float]) -> None:
    story, direction, caller, result, answered_by, talked = told
    (view,) = calls([SPELLINGS[spelling](record) for record in records(story)])
    assert (view.direction, view.caller, view.result) == (direction, caller, result)
    assert (view.phase, party(view.answered_by)) == (Phase.ENDED, answered_by)
    assert view.talk_seconds == pytest.approx(talked, abs=SECONDS)


def test_the_name_that_came_with_the_call_is_in_clid() -> None:
    (view,) = calls(records("plain_answered"))
    assert view.caller_name == "KYIVSTAR"


def test_a_queue_that_ran_out_of_time_is_no_answer() -> None:
    (view,) = calls(records("queue_queue_not_answered"))
    assert [(leg.kind, leg.result) for leg in view.legs if leg.kind is LegKind.QUEUE] == [("queue", "no-answer")]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([story for story, *_ in STORIES]).map(records), st.data())
def test_whatever_records_and_columns_are_there_no_call_comes_twice(found: list[Record], data: st.DataObject) -> None:
    columns = data.draw(st.sets(st.sampled_from(MASTER_COLUMNS)))
    kept = data.draw(st.permutations(found))[: data.draw(st.integers(1, len(found)))]
    try:
        views = calls([{name: record[name] for name in columns} for record in kept])
    except CelError:
        return  # it says neither when the call began nor of which channel it is
    assert len({view.linkedid for view in views}) == len(views)
    assert all(view.phase is Phase.ENDED for view in views)
