"""Cuts the record of a whole performance into its stories, and keeps each as a fixture.

A story's events are all that hang together with its phones and numbers by the ids of channels and calls.
"""

import csv
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.lab.stage.expected import ExpectedCall
from tests.lab.stage.stage import Scene

FIXTURES = Path(__file__).parents[2] / "fixtures"
_ID = re.compile(r"^\w*(?:Uniqueid|Linkedid): (\d+\.\d+)\r?$", re.MULTILINE)
_PARTY = re.compile(r"^(?:\w*Channel: (?:PJSIP/|Local/)|\w*CallerIDNum: |\w*Exten: )(\+?\d+)", re.MULTILINE)
_UNIQUEID, _LINKEDID = 14, 15
_EXTEN, _NUMBER, _CHANNEL = 7, 3, 9


class _Groups:
    """Which ids hang together."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def root(self, one: str) -> str:
        while (above := self._above.setdefault(one, one)) != one:
            one = above
        return one

    def join(self, ids: Sequence[str]) -> None:
        for other in ids[1:]:
            self._above[self.root(other)] = self.root(ids[0])


def cut(blocks: Iterable[str], scenes: Iterable[Scene]) -> dict[str, list[str]]:
    """The events of each scene, in their order."""
    blocks = [block for block in blocks if _ID.search(block)]
    groups = _Groups()
    owner = {number: scene.name for scene in scenes for number in scene.numbers}
    for block in blocks:
        groups.join(_ID.findall(block))
    stories: dict[str, str] = {}
    for block in blocks:
        for number in _PARTY.findall(block):
            if number in owner:
                stories.setdefault(groups.root(_ID.findall(block)[0]), owner[number])
    events: dict[str, list[str]] = {}
    for block in blocks:
        story = stories.get(groups.root(_ID.findall(block)[0]))
        if story:
            events.setdefault(story, []).append(block)
    return events


def cel_of(events: Iterable[str], rows: Iterable[str]) -> list[str]:
    """The CEL rows of the channels that these events are about."""
    ids = {one for block in events for one in _ID.findall(block)}
    return [row for row in rows if ids & set(next(csv.reader([row]))[_UNIQUEID : _LINKEDID + 1])]


def keep(story: str, tells: str, events: Sequence[str], cel: Sequence[str], calls: Sequence[ExpectedCall]) -> Path:
    """Write a story's fixture: what Asterisk said, what it wrote on disk, and what took place."""
    folder = FIXTURES / story
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.ami.txt").write_bytes("".join(f"{block}\r\n\r\n" for block in events).encode())
    (folder / "cel.csv").write_bytes("".join(cel).encode())
    expected = {"tells": tells, "calls": [call.as_json() for call in calls]}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n")
    return folder
