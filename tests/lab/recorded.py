"""When a recording may be measured: its last two seconds stay with Asterisk's C library until the file is closed."""

import os
from contextlib import suppress
from pathlib import Path

from leadline.demo.asterisk import AsteriskError
from leadline.demo.sipp import await_value


def await_written(asterisk: AsteriskError) -> None:
    """Wait until Asterisk holds no recording open."""
    await_value(lambda: not _open_recordings(asterisk) or None, 5, "the end of writing")


def _open_recordings(asterisk: AsteriskError) -> set[str]:
    opened = set()
    for file in Path(f"/proc/{asterisk.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            opened.add(os.readlink(file))
    return {path for path in opened if path.endswith(".wav")}
