"""The demonstration's Asterisk, wherever it runs: in a container where Docker answers, else out of the Debian tree."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from dialplan.render import AsteriskValues
from leadline.demo import docker
from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.asterisk_root import asterisk_version, ensure_root


@dataclass(frozen=True, slots=True)
class Pbx:
    """A started Asterisk: what it is, whether it still runs, and its console's socket where there is one."""

    description: str
    alive: Callable[[], bool]
    console: Path | None


def start(folder: Path, values: AsteriskValues, parts: ExitStack) -> Pbx:
    """Start an Asterisk with our configuration; `parts` ends it.

    Args:
        folder: its data and logs go into `asterisk` below it.
    """
    if docker.answers():
        container = docker.DockerAsterisk(values, log=folder / "asterisk.log")
        parts.enter_context(container)
        return Pbx("Asterisk in a container", lambda: container.running, None)
    root = ensure_root()
    instance = AsteriskInstance(folder / "asterisk", root)
    instance.configure(values)
    parts.enter_context(instance)
    instance.start()
    return Pbx(asterisk_version(root), lambda: instance.running, instance.control)


def cel_file(folder: Path) -> Path:
    """Where Asterisk out of the Debian tree keeps its call event log."""
    return folder / "asterisk" / "log" / "cel-custom" / "leadline.csv"
