"""Plays stories at once on one stage."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.stage.expected import ExpectedCall
from tests.lab.stage.stage import Scene, Stage

if TYPE_CHECKING:
    from tests.lab.stories import Story

AT_ONCE = 12


@dataclass
class Played:
    """One story that was played: its scene and what should be on record, or why it could not be played."""

    name: str
    scene: Scene
    calls: list[ExpectedCall]
    error: Exception | None = None


def play(stage: Stage, stories: "Mapping[str, Story]") -> list[Played]:
    """Play all stories, some at a time, and wait until no channel is left.

    Each sipp ends at the latest with the thread that started it, which lives until all is played.
    """
    played: list[Played] = []
    queue = list(stories.items())[::-1]
    lock = threading.Lock()

    def perform() -> None:
        while True:
            with lock:
                if not queue:
                    break
                name, story = queue.pop()
            scene = stage.scene(name)
            one = Played(name, scene, [])
            try:
                one.calls = story(scene)
            except Exception as error:  # one story's fault is told with it, after the others
                one.error = error
                import traceback

                traceback.print_exception(error, limit=-2)
            with lock:
                played.append(one)
            scene.close()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for future in [threads.submit(perform) for _ in range(AT_ONCE)]:
            future.result()
    if any(one.error for one in played):
        stage.asterisk.cli("channel request hangup all")  # broken off in the middle
    stage.await_quiet()
    return played
