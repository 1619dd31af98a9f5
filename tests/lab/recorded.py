"""Which recordings there are, and when one may be measured: its last two seconds come when Asterisk closes the file."""

import os
from contextlib import suppress
from pathlib import Path

from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.sipp import await_value


def recordings_in(folder: Path) -> set[Path]:
    """All of them; folders may go meanwhile, at which Path.rglob would fail."""
    return {Path(below, name) for below, _folders, names in os.walk(folder) for name in names if name.endswith(".wav")}


def await_written(asterisk: AsteriskInstance) -> None:
    """Wait until Asterisk holds no recording open."""
    await_value(lambda: not _open_recordings(asterisk) or None, 20, "the end of writing")


def _open_recordings(asterisk: AsteriskInstance) -> set[str]:
    opened = set()
    for file in Path(f"/proc/{asterisk.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            opened.add(os.readlink(file))
    return {path for path in opened if path.endswith(".wav")}
