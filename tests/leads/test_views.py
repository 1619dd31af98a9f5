"""Sums of views: a call comes out the same however its views arrive, and a restart costs only what nobody saw."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from leads.domain.calls import CallView, Leg, Phase, Result, Transfer, TransferType
from leads.domain.views import Halves, ended_unseen
from tests.leads.views import NOW, RINGING, ended, talking

TALKING = talking(RINGING)
ENDED = ended(TALKING)
AFTER = replace(
    ended(TALKING, progress=1),
    incomplete=True,
    caller="0501234567",
    started_at=NOW + timedelta(seconds=30),
    answered_at=None,
    ring_seconds=None,
    legs=(Leg("PJSIP/102", "102", Result.ANSWERED),),
)
"""The end of the call as a tracker tells it that was started in its midst."""


def _sum(*views: CallView) -> CallView:
    halves = Halves()
    for view in views:
        halves = halves.with_view(view)
    return halves.sum()


def test_the_further_view_stays() -> None:
    assert _sum(RINGING, TALKING, ENDED, RINGING, TALKING) == ENDED


def test_of_one_phase_the_later_view_stays() -> None:
    later = replace(TALKING, progress=9)
    assert _sum(later, TALKING) == later


def test_a_view_that_tells_nothing_new_is_told_by_identity() -> None:
    halves = Halves().with_view(TALKING)
    assert halves.with_view(RINGING) is halves
    assert halves.with_view(TALKING) is halves


def test_after_a_restart_the_beginning_is_kept_and_the_end_is_new() -> None:
    both = _sum(TALKING, AFTER)
    assert (both.phase, both.result, both.ended_at) == (Phase.ENDED, Result.ANSWERED, AFTER.ended_at)
    assert (both.caller, both.started_at, both.answered_at) == (RINGING.caller, NOW, TALKING.answered_at)
    assert [leg.endpoint for leg in both.legs] == ["PJSIP/101", "PJSIP/102"]
    assert both.incomplete


def test_how_long_people_talked_is_known_after_a_restart_unless_nobody_saw_the_end() -> None:
    assert _sum(TALKING, replace(AFTER, talk_seconds=None)).talk_seconds == 50.0
    assert _sum(TALKING, ended_unseen(TALKING, NOW + timedelta(hours=1))).talk_seconds is None


def test_a_hand_over_whose_end_came_after_a_restart_is_told_once() -> None:
    first = Transfer(TransferType.ATTENDED, "101", "103", Result.ANSWERED, "103")
    open_ = Transfer(TransferType.BLIND, "103", "102", None, None)
    taken = replace(open_, result=Result.ANSWERED, answered_by="102")
    both = _sum(replace(TALKING, transfers=(first, open_)), replace(AFTER, transfers=(taken,)))
    assert both.transfers == (first, taken)


def test_an_end_seen_from_the_beginning_needs_no_other() -> None:
    assert _sum(AFTER, ENDED) == ENDED
    assert _sum(ENDED, AFTER) == ENDED


KEPT = replace(ENDED, recovered=True, progress=20, answered_by="102")
"""The whole call as CEL tells it."""


def test_who_saw_all_of_it_live_knows_it_best() -> None:
    assert _sum(KEPT, ENDED) == ENDED


def test_what_asterisk_kept_completes_a_call_that_nobody_saw_whole() -> None:
    assert _sum(KEPT) == _sum(TALKING, KEPT) == _sum(AFTER, KEPT) == _sum(TALKING, AFTER, KEPT) == KEPT
    assert _sum(ended_unseen(TALKING, NOW), KEPT) == KEPT


def test_a_caller_who_withheld_his_number_is_hidden_in_what_asterisk_kept() -> None:
    assert _sum(replace(TALKING, caller_hidden=True), KEPT).caller_hidden


def test_what_asterisk_kept_of_a_part_does_not_replace_what_was_seen_of_the_end() -> None:
    part = replace(KEPT, incomplete=True)
    assert _sum(TALKING, AFTER, part) == _sum(TALKING, AFTER)
    assert _sum(ended_unseen(RINGING, NOW), part) == part
    assert _sum(replace(AFTER, talk_seconds=None), part) == part


def test_a_call_that_began_unseen_and_goes_on_live_has_its_beginning() -> None:
    running = replace(TALKING, recovered=True, progress=7)
    both = _sum(replace(AFTER, phase=Phase.TALKING, ended_at=None, result=None), running)
    assert (both.phase, both.caller, both.started_at, both.recovered) == (Phase.TALKING, RINGING.caller, NOW, True)


VIEWS = st.builds(
    lambda phase, progress, incomplete, recovered, caller: replace(
        RINGING,
        phase=phase,
        progress=progress,
        incomplete=incomplete,
        recovered=recovered,
        caller=f"{caller}{phase}{progress}{incomplete}{recovered}",
    ),
    st.sampled_from(Phase),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
    st.just("0"),
)


@given(st.lists(VIEWS, min_size=1), st.randoms())
def test_order_and_repetition_do_not_matter(views: list[CallView], random: object) -> None:
    again = [*views, *views[: len(views) // 2]]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert _sum(*again) == _sum(*views)


def test_a_call_whose_beginning_asterisk_kept_ends_when_it_is_gone_after_a_restart() -> None:
    listed = replace(TALKING, incomplete=True, dialled=None)
    kept = replace(TALKING, recovered=True)
    shown = _sum(listed, kept)
    assert (shown.recovered, shown.dialled) == (True, RINGING.dialled)
    over = _sum(listed, kept, ended_unseen(shown, NOW + timedelta(seconds=60)))
    assert (over.phase, over.incomplete, over.dialled) == (Phase.ENDED, True, RINGING.dialled)
