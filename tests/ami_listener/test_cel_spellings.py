"""The same calls come out of CEL however it is spelled; and who talked, and how long, where a part of it is missing."""

import contextlib
import io
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ami_listener.cel_calls import calls_of_rows
from ami_listener.cel_rows import OUR_COLUMNS, CelError, csv_rows
from leads.domain.calls import CallView, Phase, Result
from tests.ami_listener.cel_spellings import COARSE, SAME, Rows, as_text, without_columns
from tests.ami_listener.test_cel import FIXTURES, IS_TRUNK, by_linkedid, rows_of
from tests.ami_listener.told import party

SECONDS = 1.7
"""Whole seconds, twice rounded down, and a little for each of a conversation's parts."""
SEMI_ATTENDED = {f"transfer_semi_attended_by_keys_{end}" for end in ("busy", "declined", "not_answered")}
JOINED_WHILE_IT_RANG = {f"transfer_semi_attended_by_refer_{end}" for end in ("busy", "declined", "not_answered")}
NOT_TOLD: dict[str, set[str]] = {
    "no extra": JOINED_WHILE_IT_RANG,
    "no extra, no peer": JOINED_WHILE_IT_RANG | {"transfer_attended_by_keys_not_answered"},
    "no bridges": SEMI_ATTENDED
    | {"transfer_attended_by_keys_not_answered", "feature_conference"}
    | {f"feature_parked{how}" for how in ("", "_and_forgotten", "_and_gone", "_by_key")},
    "no linkedid": SEMI_ATTENDED,
    "no application": SEMI_ATTENDED | {"feature_conference"},
    "the events of Asterisk's sample": JOINED_WHILE_IT_RANG,
    "no extension": {"feature_picked_up_in_group"},
    "no channel": {"feature_menu_given_up"}
    | {f"transfer_{kind}_by_keys_not_answered" for kind in ("attended", "semi_attended")},
    "the least": SEMI_ATTENDED
    | JOINED_WHILE_IT_RANG
    | {"feature_parked", "feature_picked_up", "feature_picked_up_in_group"}
    | {"handover_joined_twice", "transfer_attended_by_keys_not_answered"},
}
"""What nobody could tell from what is left there: mostly which calls met."""


def told_by(text: str) -> list[CallView]:
    return by_linkedid(calls_of_rows(csv_rows(io.StringIO(text, newline="")), "pbx", IS_TRUNK))


def told_unless_refused(text: str) -> list[CallView]:
    """The calls; none of a table that is refused with a word of why."""
    with contextlib.suppress(CelError):
        return told_by(text)
    return []


@cache
def exact(path: Path) -> list[CallView]:
    return told_by(as_text(rows_of(path)))


@pytest.mark.parametrize("name", SAME)
def test_the_spelling_changes_nothing(name: str) -> None:
    for path in FIXTURES:
        views = told_by(SAME[name](rows_of(path)))
        assert [_exactly(view) for view in views] == [_exactly(view) for view in exact(path)], path.parent.name


def _exactly(view: CallView) -> list[object]:
    names = (name for name in CallView.__slots__ if name not in ("progress", "incomplete"))
    return [getattr(view, name) for name in names]


@pytest.mark.parametrize("name", COARSE)
def test_what_is_missing_hides_no_conversation(name: str) -> None:
    for path in FIXTURES:
        if path.parent.name in NOT_TOLD.get(name, ()):
            continue
        views = told_by(COARSE[name](rows_of(path)))
        found = [_coarsely(view, name != "no channel") for view in views]
        assert found == [_coarsely(view, name != "no channel") for view in exact(path)], path.parent.name
        for view, whole in zip(views, exact(path), strict=True):
            assert view.talk_seconds == pytest.approx(whole.talk_seconds, abs=SECONDS), path.parent.name


def _coarsely(view: CallView, knows_lines: bool) -> list[object]:
    told = [view.linkedid, view.role, view.result is Result.ANSWERED]
    return [*told, view.direction, party(view.answered_by)] if knows_lines else told


@pytest.mark.parametrize(("missing", "name"), [("exten", "dialled"), ("cid_num", "caller")])
def test_a_number_is_told_by_another_column(missing: str, name: str) -> None:
    """Who called from outside is in cid_ani too, and what he dialled in cid_dnid."""
    for path in FIXTURES:
        if path.parent.name not in NOT_TOLD["no extension"]:
            views = told_by(without_columns(missing)(rows_of(path)))
            assert [_number(view, name) for view in views] == [_number(view, name) for view in exact(path)], path


def _number(view: CallView, name: str) -> str | None:
    return getattr(view, name) if view.direction == "inbound" else None


def test_a_table_without_times_still_tells_the_calls() -> None:
    """They all are of the moment in which they began, as their ids have it."""
    for path in FIXTURES[:20]:
        views = told_by(as_text([row | {"eventtime": ""} for row in rows_of(path)]))
        assert [view.linkedid for view in views] == [view.linkedid for view in exact(path)], path.parent.name


COLUMNS = st.permutations(OUR_COLUMNS).flatmap(
    lambda names: st.sets(st.sampled_from(OUR_COLUMNS)).map(lambda missing: [n for n in names if n not in missing])
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FIXTURES).map(rows_of), COLUMNS, st.data())
def test_whatever_columns_and_rows_are_there_no_call_comes_twice(
    rows: Rows, columns: list[str], data: st.DataObject
) -> None:
    lost = data.draw(st.sets(st.integers(0, len(rows) - 1)))
    rows = [row for place, row in enumerate(rows) if place not in lost]
    views = told_unless_refused(as_text(rows, columns))
    assert len({view.linkedid for view in views}) == len(views)
    assert all(view.phase is Phase.ENDED for view in views)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({}, optional={name: st.text(max_size=20) for name in OUR_COLUMNS}), max_size=6),
    st.sampled_from(FIXTURES).map(rows_of),
)
def test_nonsense_between_the_rows_is_passed_over_or_named(nonsense: list[dict[str, str]], rows: Rows) -> None:
    whole = as_text(rows, OUR_COLUMNS)
    views = told_unless_refused(whole + as_text(nonsense, OUR_COLUMNS).partition("\n")[2])
    assert not views or {view.linkedid for view in told_by(whole)} <= {view.linkedid for view in views}
