"""Whatever happens to a stream on its way, the tracker neither fails, nor doubles a call, nor keeps what is over."""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami_listener.ami_events import WANTED
from ami_listener.tracker import Tracker
from ami_listener.wire import Decoder
from leads.domain.calls import CallView, Phase
from tests.ami_listener.stories import Event, Pbx, finals, new_tracker, play
from tests.ami_listener.test_tracker_handed_on import answered, attended, blind, through_local_that_goes

TRACES = Path(__file__).parents[3] / "shared" / "ami-traces"


def tell_answered(pbx: Pbx) -> None:
    a, b = answered(pbx)
    pbx.part("b1", a, b)


def tell_busy(pbx: Pbx) -> None:
    a = pbx.inbound()
    pbx.refuse(a, pbx.ring(a, "101"), "BUSY", 17)
    pbx.hangup(a, 17)


def tell_local(pbx: Pbx) -> None:
    a = pbx.inbound()
    b = through_local_that_goes(pbx, a, "101")
    pbx.part("outer", a, b)


def tell_blind(pbx: Pbx) -> None:
    a, b = answered(pbx)
    blind(pbx, a, b, "102")
    c = pbx.ring(a, "102")
    pbx.answer(a, c, "b2")
    pbx.part("b2", a, c)


def tell_attended(pbx: Pbx) -> None:
    a, b = answered(pbx)
    b2 = pbx.channel("101", "101", "102", state="4")
    c = pbx.ring(b2, "102")
    pbx.answer(b2, c, "b2")
    pbx.leave("b1", a)
    pbx.leave("b2", b2)
    pbx.enter("b2", a)
    attended(pbx, b, b2)
    pbx.part("b1", b)
    pbx.hangup(b2)
    pbx.join_call(c, a)
    pbx.part("b2", a, c)


def tell_pickup(pbx: Pbx) -> None:
    a = pbx.inbound()
    b = pbx.ring(a, "101")
    c = pbx.channel("103", "103", "*8", state="4")
    pbx.dial_end(a, b, "CANCEL")
    pbx.dial(a, c)
    pbx.hangup(b, 26)
    pbx.enter("b1", c, a)
    pbx.join_call(c, a)
    pbx.part("b1", a, c)


TELLERS = (tell_answered, tell_busy, tell_local, tell_blind, tell_attended, tell_pickup)


def story(teller: int, number: int) -> list[Event]:
    """One story with ids and bridges of its own."""
    pbx = Pbx(first=1 + number * 1000)
    TELLERS[teller % len(TELLERS)](pbx)
    return [
        event | {"BridgeUniqueid": f"{number}-{event['BridgeUniqueid']}"} if "BridgeUniqueid" in event else event
        for event in pbx.events
    ]


def check_sane(views: list[CallView], tracker: Tracker) -> None:
    ends = Counter(view.linkedid for view in views if view.phase is Phase.ENDED)
    assert all(count == 1 for count in ends.values()), ends
    for linkedid in {view.linkedid for view in views}:
        mine = [view for view in views if view.linkedid == linkedid]
        assert [view.progress for view in mine] == list(range(1, len(mine) + 1))
        assert [view.phase for view in mine] == sorted(view.phase for view in mine)
    assert (tracker.live_calls, tracker.live_channels, tracker.live_bridges) == (0, 0, 0)


def check(events: list[Event]) -> list[CallView]:
    tracker = new_tracker()
    views = play(events, tracker)
    check_sane(views, tracker)
    return views


TELLER = st.integers(0, len(TELLERS) - 1)


@given(TELLER)
def test_all_stories_leave_nothing_behind(teller: int) -> None:
    assert check(story(teller, 0))


@given(TELLER, st.data())
def test_stream_without_its_beginning(teller: int, data: st.DataObject) -> None:
    events = story(teller, 0)
    check(events[data.draw(st.integers(0, len(events))) :])


@given(TELLER, st.data())
def test_stream_without_its_end_is_closed_by_the_next_listing(teller: int, data: st.DataObject) -> None:
    events = story(teller, 0)
    tracker = new_tracker()
    views = play(events[: data.draw(st.integers(0, len(events)))], tracker)
    tracker.begin_resync()
    views += tracker.feed({"Event": "CoreShowChannelsComplete"}, None)
    check_sane(views, tracker)


@given(TELLER, st.data())
def test_stream_with_holes(teller: int, data: st.DataObject) -> None:
    events = story(teller, 0)
    gaps = data.draw(st.sets(st.integers(0, len(events) - 1)))
    check([event for n, event in enumerate(events) if n not in gaps or event["Event"] == "Hangup"])


@given(TELLER, st.data())
def test_repeated_events(teller: int, data: st.DataObject) -> None:
    events = story(teller, 0)
    twice = data.draw(st.sets(st.integers(0, len(events) - 1)))
    repeated = [copy for n, event in enumerate(events) for copy in ([event] * (2 if n in twice else 1))]
    views = check(repeated)
    assert finals(views).keys() == finals(check(events)).keys()


@given(TELLER)
def test_whole_stream_repeated_gives_nothing_new(teller: int) -> None:
    events = story(teller, 0)
    tracker = new_tracker()
    first = play(events, tracker)
    assert play(events, tracker) == []
    check_sane(first, tracker)


@given(TELLER, st.data())
def test_neighbours_change_places(teller: int, data: st.DataObject) -> None:
    events = story(teller, 0)
    place = data.draw(st.integers(0, len(events) - 2))
    events[place], events[place + 1] = events[place + 1], events[place]
    check(events)


@given(st.lists(TELLER, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_interleaved_streams_give_the_union_of_their_calls(tellers: list[int], random: object) -> None:
    streams = [story(teller, number) for number, teller in enumerate(tellers)]
    apart = {linkedid: view for stream in streams for linkedid, view in finals(check(stream)).items()}
    order = [number for number, stream in enumerate(streams) for _ in stream]
    random.shuffle(order)  # type: ignore[attr-defined]
    rests = [iter(stream) for stream in streams]
    assert finals(check([next(rests[number]) for number in order])) == apart


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["Event", "Uniqueid", "Linkedid", "Channel", "DestUniqueid", "DestLinkedid", "Timestamp"]),
            st.one_of(st.sampled_from([w.decode() for w in WANTED]), st.sampled_from(["1", "2", "3"]), st.text()),
        )
    )
)
def test_garbage_never_raises(events: list[Event]) -> None:
    play(events)


def recorded(path: Path) -> list[Event]:
    decoder = Decoder(WANTED)
    return [dict(message) for message in decoder.feed(path.read_bytes() + b"\n\n")]


def trace_paths() -> list[Path]:
    return sorted(TRACES.rglob("events.ami.txt"))


def trace_tracker() -> Tracker:
    return Tracker("pbx", lambda name: name.startswith("SIP/voipgrid-siproute-"))


@pytest.mark.skipif(not TRACES.is_dir(), reason="the recorded traces are not here")
@pytest.mark.parametrize("path", trace_paths(), ids=lambda path: path.parent.name)
def test_recorded_streams(path: Path) -> None:
    events = recorded(path)
    tracker = trace_tracker()
    views = play(events, tracker)
    check_sane(views, tracker)
    calls = finals(views)
    expected = json.loads((path.parent / "expected.json").read_text())["calls"]
    assert calls.keys() == {call["linkedid"] for call in expected}
    for call in expected:
        ours = calls[call["linkedid"]]
        assert ours.dialled == call["dialled"]
        assert ours.role == call.get("role", "call")
        assert ours.result in call.get("acceptable_results", [call["result"]])
        assert [(t.type, t.to, t.result) for t in ours.transfers] == [
            (t["type"], t["to"], t["result"]) for t in call["transfers"]
        ]


@pytest.mark.skipif(not TRACES.is_dir(), reason="the recorded traces are not here")
@given(st.data())
def test_recorded_streams_survive_damage(data: st.DataObject) -> None:
    events = recorded(data.draw(st.sampled_from(trace_paths())))
    start = data.draw(st.integers(0, len(events) - 1))
    place = data.draw(st.integers(0, len(events) - 2))
    events[place], events[place + 1] = events[place + 1], events[place]
    events = events[start:] + (events if data.draw(st.booleans()) else [])
    tracker = trace_tracker()
    check_sane(play(events, tracker), tracker)


def test_a_view_that_did_not_change_is_not_given_again() -> None:
    pbx = Pbx()
    tell_answered(pbx)
    views = play(pbx.events)
    assert all(replace(a, progress=0) != replace(b, progress=0) for a, b in pairwise(views))


@given(st.lists(TELLER, min_size=1, max_size=3), st.integers(1, 40))
def test_views_made_after_several_events_end_as_those_made_after_each(tellers: list[int], at_once: int) -> None:
    events = [event for number, teller in enumerate(tellers) for event in story(teller, number)]
    tracker = new_tracker()
    views = []
    for place, event in enumerate(events, 1):
        tracker.follow(event, None)
        if place % at_once == 0 or place == len(events):
            views += tracker.changed()
    assert not list(tracker.changed())
    seldom, often = finals(views), finals(play(events))
    assert {key: replace(view, progress=0) for key, view in seldom.items()} == {
        key: replace(view, progress=0) for key, view in often.items()
    }
