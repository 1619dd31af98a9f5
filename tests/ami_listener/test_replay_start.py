"""A recording that begins in the midst of calls tells them all the same, as far as it saw them."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami_listener.replay_start import missing_listing
from leads.domain.calls import CallView, Direction, Phase, Result
from tests.ami_listener.stories import Event, finals, play
from tests.ami_listener.test_fixtures import EXAMPLES, FIXTURES, STORY, Path, new_tracker, story
from tests.ami_listener.test_tracker_properties import check_sane

ANSWERED = next(path for path in FIXTURES if path.parent.name == "plain_answered")
LOCAL_KEPT = next(path for path in FIXTURES if path.parent.name == "feature_local_kept")


def from_the_midst(events: list[Event]) -> list[CallView]:
    tracker = new_tracker()
    views = play(chain(missing_listing(events), events), tracker)
    check_sane(views, tracker)
    return views


def after(path: Path, name: str, count: int) -> list[Event]:
    """The recording from behind the `count`th event of this name."""
    events = list(story(path))
    places = [place for place, event in enumerate(events) if event["Event"] == name]
    return events[places[count - 1] + 1 :]


def test_a_recording_from_the_beginning_lacks_nothing() -> None:
    assert all(missing_listing(story(path)) == [] for path in FIXTURES)


def test_one_that_holds_the_list_lacks_nothing() -> None:
    assert missing_listing([{"Event": "CoreShowChannelsComplete"}, *after(ANSWERED, "BridgeEnter", 2)]) == []


def test_a_conversation_that_goes_on_is_one() -> None:
    (view,) = finals(from_the_midst(after(ANSWERED, "BridgeEnter", 2))).values()
    assert (view.direction, view.caller, view.answered_by) == (Direction.INBOUND, "+380501001000", "200")
    assert (view.phase, view.result, view.talk_seconds, view.incomplete) == (Phase.ENDED, Result.ANSWERED, None, True)
    assert view.ended_at is not None


def test_a_phone_that_rings_already_is_answered() -> None:
    (view,) = finals(from_the_midst(after(ANSWERED, "DialBegin", 1))).values()
    assert (view.direction, view.answered_by, view.result) == (Direction.INBOUND, "200", Result.ANSWERED)
    assert (view.started_at, view.answered_at is None, view.incomplete) == (None, False, True)


@pytest.mark.parametrize("parted", [1, 2])
def test_people_who_are_up_and_part_have_talked(parted: int) -> None:
    (view,) = finals(from_the_midst(after(ANSWERED, "BridgeLeave", parted))).values()
    assert (view.result, view.answered_by, view.talk_seconds) == (Result.ANSWERED, "200", None)


def test_people_at_the_ends_of_local_channels_hear_each_other() -> None:
    (view,) = finals(from_the_midst(after(LOCAL_KEPT, "BridgeEnter", 4))).values()
    assert (view.result, view.answered_by) == (Result.ANSWERED, "304")


@EXAMPLES
@given(STORY, st.data())
def test_wherever_it_begins_each_call_is_told_once(path: Path, data: st.DataObject) -> None:
    events = list(story(path))
    events = events[data.draw(st.integers(0, len(events))) :]
    views = from_the_midst(events)
    whole = {event["Uniqueid"] for event in events if event["Event"] == "Newchannel"}
    people = [event for event in events if event["Event"] == "Hangup" and not event["Channel"].startswith("Local/")]
    ended = {event["Linkedid"] for event in people if event["Uniqueid"] not in whole}
    assert all(view.phase is Phase.ENDED for view in finals(views).values())
    assert finals(views) or not ended
