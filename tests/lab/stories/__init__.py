"""Telephone stories for the stage; each plays itself and returns what should then be on record."""

from collections.abc import Callable

from tests.lab.stage.expected import ExpectedCall
from tests.lab.stage.stage import Scene
from tests.lab.stories import features, groups, handovers, outgoing, plain, queues, through_local, transfers

Story = Callable[[Scene], list[ExpectedCall]]

STORIES: dict[str, Story] = {
    **{f"plain_{name}": story for name, story in plain.STORIES.items()},
    **{f"transfer_{name}": story for name, story in transfers.STORIES.items()},
    **{f"queue_{name}": story for name, story in queues.STORIES.items()},
    **{f"feature_{name}": story for name, story in features.STORIES.items()},
    **{f"group_{name}": story for name, story in groups.STORIES.items()},
    **{f"local_{name}": story for name, story in through_local.STORIES.items()},
    **{f"handover_{name}": story for name, story in handovers.STORIES.items()},
    **{f"outgoing_{name}": story for name, story in outgoing.STORIES.items()},
}
