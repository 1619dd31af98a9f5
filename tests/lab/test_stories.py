"""Every telephone story, played now on a real Asterisk: what its ends saw is what we have on record (C1, C2)."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ami_listener.ami_events import WANTED
from ami_listener.wire import Decoder
from leads.domain.calls import Phase
from tests.ami_listener.stories import finals
from tests.ami_listener.stories import play as follow
from tests.ami_listener.test_fixtures import in_order, new_tracker
from tests.ami_listener.told import as_told, differences
from tests.lab.stage.performance import Played, play
from tests.lab.stage.recording import cut
from tests.lab.stage.stage import Stage
from tests.lab.stories import STORIES

pytestmark = pytest.mark.timeout(300)


@dataclass
class Performance:
    """All stories as they were played, and what Asterisk said of each."""

    played: dict[str, Played]
    events: dict[str, list[str]]


@pytest.fixture(scope="module")
def performance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Performance]:
    with Stage(tmp_path_factory.mktemp("stage")) as stage:
        played = play(stage, STORIES)
        yield Performance({one.name: one for one in played}, cut(stage.events.blocks(), [one.scene for one in played]))


@pytest.mark.parametrize("name", STORIES)
def test_the_record_is_what_the_ends_saw(performance: Performance, name: str) -> None:
    one = performance.played[name]
    if one.error is not None:
        raise one.error
    decoder = Decoder(WANTED)
    stream = "".join(f"{block}\r\n\r\n" for block in performance.events[name]).encode()
    tracker = new_tracker()
    views = in_order(finals(follow([dict(message) for message in decoder.feed(stream)], tracker)))
    wrong = differences([call.as_json() for call in one.calls], [as_told(view) for view in views])
    assert not wrong, "\n".join([*wrong, stream.decode()])
    assert all(view.phase is Phase.ENDED and not view.incomplete for view in views)
    assert (tracker.live_calls, tracker.live_channels, tracker.live_bridges) == (0, 0, 0)
