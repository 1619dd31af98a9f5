"""The lab's own recordings: each story's record against what its ends saw (C1, C2)."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ami_listener.ami_events import WANTED
from ami_listener.tracker import Tracker
from ami_listener.trunks import trunk_matcher
from ami_listener.wire import Decoder
from leads.domain.calls import CallView, Phase
from tests.ami_listener.stories import Event, finals, play
from tests.ami_listener.test_tracker_properties import check_sane
from tests.ami_listener.told import as_told, differences

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures").glob("*/events.ami.txt"))
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def events_of(path: Path) -> list[Event]:
    decoder = Decoder(WANTED)
    return [dict(message) for message in decoder.feed(path.read_bytes())]


def new_tracker() -> Tracker:
    return Tracker("lab", trunk_matcher(("PJSIP/trunk*",)))


def in_order(views: dict[str, CallView]) -> list[CallView]:
    return sorted(views.values(), key=lambda view: view.started_at or EPOCH)


@cache
def story(path: Path) -> tuple[Event, ...]:
    return tuple(events_of(path))


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.parent.name)
def test_the_record_is_what_took_place(path: Path) -> None:
    expected = json.loads((path.parent / "expected.json").read_text())["calls"]
    tracker = new_tracker()
    views = in_order(finals(play(events_of(path), tracker)))
    assert differences(expected, [as_told(view) for view in views]) == []
    assert all(view.phase is Phase.ENDED and not view.incomplete for view in views)
    assert (tracker.live_calls, tracker.live_channels, tracker.live_bridges) == (0, 0, 0)


def test_who_is_sent_into_a_conference_may_be_there_before_asterisk_tells_that_he_was_sent() -> None:
    path = next(path for path in FIXTURES if path.parent.name == "feature_conference")
    events = events_of(path)
    sent = next(n for n, event in enumerate(events) if event["Event"] == "BlindTransfer")
    arrived = next(
        n
        for n, event in enumerate(events)
        if event["Event"] == "BridgeEnter" and event["Uniqueid"] == events[sent]["TransfereeUniqueid"] and n > sent
    )
    events.insert(sent, events.pop(arrived))
    told = [as_told(view) for view in in_order(finals(play(events, new_tracker())))]
    assert differences(json.loads((path.parent / "expected.json").read_text())["calls"], told) == []


STORY = st.sampled_from(FIXTURES)
EXAMPLES = settings(max_examples=150, deadline=None)
LAST_LISTING: Event = {"Event": "CoreShowChannelsComplete"}


def alone(path: Path) -> dict[str, CallView]:
    return finals(play(story(path), new_tracker()))


@EXAMPLES
@given(st.lists(STORY, min_size=2, max_size=5, unique=True), st.randoms(use_true_random=False))
def test_any_interleaving_gives_the_union_of_the_calls(paths: list[Path], random: object) -> None:
    streams = [iter(_apart(story(path), number)) for number, path in enumerate(paths)]
    order = [number for number, path in enumerate(paths) for _ in story(path)]
    random.shuffle(order)  # type: ignore[attr-defined]
    tracker = new_tracker()
    views = play([next(streams[number]) for number in order], tracker)
    check_sane(views, tracker)
    apart = [finals(play(_apart(story(path), number), new_tracker())) for number, path in enumerate(paths)]
    assert finals(views) == {linkedid: view for calls in apart for linkedid, view in calls.items()}


def _apart(events: tuple[Event, ...], number: int) -> list[Event]:
    """A story with ids of its own, because two recordings may use the same."""
    ids = ("Uniqueid", "Linkedid")
    return [
        {
            key: f"{value}{number}" if key.endswith(ids) and "Bridge" not in key else value
            for key, value in event.items()
        }
        for event in events
    ]


@EXAMPLES
@given(STORY, st.data())
def test_a_stream_that_begins_late_or_breaks_off_leaves_nothing_behind(path: Path, data: st.DataObject) -> None:
    events = story(path)
    start = data.draw(st.integers(0, len(events)))
    end = data.draw(st.integers(start, len(events)))
    tracker = new_tracker()
    views = play(events[start:end], tracker)
    tracker.begin_resync()
    views += tracker.feed(LAST_LISTING, None)
    check_sane(views, tracker)


@EXAMPLES
@given(STORY, st.data())
def test_repeated_events_change_no_call(path: Path, data: st.DataObject) -> None:
    events = story(path)
    twice = data.draw(st.sets(st.integers(0, len(events) - 1)))
    tracker = new_tracker()
    views = play([copy for n, event in enumerate(events) for copy in [event] * (1 + (n in twice))], tracker)
    check_sane(views, tracker)
    assert finals(views).keys() == alone(path).keys()


HANDED_ON_IN_VAIN = [path for path in FIXTURES if path.parent.name.startswith("transfer_semi_attended_by_refer_")]


@pytest.mark.parametrize("path", HANDED_ON_IN_VAIN, ids=lambda path: path.parent.name)
def test_the_last_phone_may_end_after_the_caller(path: Path) -> None:
    """Two threads of Asterisk end the caller and the phone that he was handed on to: either may be first."""
    events = list(story(path))
    (transfer,) = (event for event in events if event["Event"] == "AttendedTransfer")
    asking = transfer["SecondTransfererUniqueid"]
    rung = {e["DestUniqueid"] for e in events if e["Event"] == "DialBegin" and e.get("Uniqueid") == asking}
    last = [event for event in events if event["Event"] == "Hangup" and event["Uniqueid"] in rung]
    assert last
    events = [event for event in events if event not in last] + last
    expected = json.loads((path.parent / "expected.json").read_text())["calls"]
    views = in_order(finals(play(events, new_tracker())))
    assert differences(expected, [as_told(view) for view in views]) == []


PARKING = [path for path in FIXTURES if b"\nParkeeUniqueid: " in path.read_bytes()]


@EXAMPLES
@given(st.sampled_from(PARKING), st.data())
def test_what_asterisk_says_of_parking_may_come_late(path: Path, data: st.DataObject) -> None:
    """It goes to AMI by a way of its own, and is overtaken by what happens to the channels, never by its like."""
    events = list(story(path))
    limit = len(events)
    for place in reversed([place for place, event in enumerate(events) if "ParkeeUniqueid" in event]):
        soon = float(events[place]["Timestamp"]) + 0.1
        overtaking = sum(float(event["Timestamp"]) < soon for event in events[place + 1 : limit])
        limit = data.draw(st.integers(place, place + overtaking))
        events.insert(limit, events.pop(place))
    expected = json.loads((path.parent / "expected.json").read_text())["calls"]
    views = in_order(finals(play(events, new_tracker())))
    assert differences(expected, [as_told(view) for view in views]) == []


@EXAMPLES
@given(STORY, st.data())
def test_neighbours_that_change_places_do_no_harm(path: Path, data: st.DataObject) -> None:
    events = list(story(path))
    place = data.draw(st.integers(0, len(events) - 2))
    events[place], events[place + 1] = events[place + 1], events[place]
    tracker = new_tracker()
    check_sane(play(events, tracker), tracker)
