"""Plays the stories on a real Asterisk and keeps them in tests/fixtures.

`python -m tests.lab.record_stories [NAME...]`
"""

import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.lab.stage.performance import play
from tests.lab.stage.recording import cel_of, cut, keep
from tests.lab.stage.stage import Stage
from tests.lab.stories import STORIES


def main() -> int:
    """Record the stories that are named, or all; says which could not be played."""
    names = sys.argv[1:] or list(STORIES)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="leadline-stage-") as folder, Stage(Path(folder)) as stage:
        played = play(stage, {name: STORIES[name] for name in names})
        time.sleep(1)  # CEL is written by another thread of Asterisk
        events = cut(stage.events.blocks(), [one.scene for one in played])
        rows = stage.cel_rows()
        for one in played:
            if one.error is not None:
                failed += 1
                print(f"{one.name}: ", end="")
                traceback.print_exception(one.error, limit=-3, file=sys.stdout)
                continue
            mine = events.get(one.name, [])
            keep(one.name, (STORIES[one.name].__doc__ or "").strip(), mine, cel_of(mine, rows), one.calls)
    print(f"{len(played) - failed} stories recorded, {failed} not")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
