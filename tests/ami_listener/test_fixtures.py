"""The lab's own recordings: each story's record against what its ends saw (C1, C2)."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ami_listener.ami_events import WANTED
from ami_listener.tracker import Tracker
from ami_listener.trunks import trunk_matcher
from ami_listener.wire import Decoder
from leads.domain.calls import CallView, Phase
from tests.ami_listener.stories import Event, finals, play
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


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.parent.name)
def test_the_record_is_what_took_place(path: Path) -> None:
    expected = json.loads((path.parent / "expected.json").read_text())["calls"]
    tracker = new_tracker()
    views = in_order(finals(play(events_of(path), tracker)))
    assert differences(expected, [as_told(view) for view in views]) == []
    assert all(view.phase is Phase.ENDED and not view.incomplete for view in views)
    assert (tracker.live_calls, tracker.live_channels, tracker.live_bridges) == (0, 0, 0)
