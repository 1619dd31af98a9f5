"""Telephone stories for the stage; each plays itself and returns what should then be on record."""

from collections.abc import Callable

from tests.lab.stage.expected import ExpectedCall
from tests.lab.stage.stage import Scene
from tests.lab.stories import plain

Story = Callable[[Scene], list[ExpectedCall]]

STORIES: dict[str, Story] = {
    f"{module.__name__.rpartition('.')[2]}_{story.__name__}": story for module in (plain,) for story in module.STORIES
}
