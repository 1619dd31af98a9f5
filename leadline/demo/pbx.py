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
    """A started Asterisk: what it is, whether it still runs, and what of it is within reach."""

    description: str
    alive: Callable[[], bool]
    console: Path | None = None
    container: str = ""
    cel_file: Path | None = None
    recordings: Path | None = None


def start(folder: Path, values: AsteriskValues, parts: ExitStack) -> Pbx:
    """Start an Asterisk with our configuration; `parts` ends it.

    Args:
        folder: its data and logs go into `asterisk` below it.
    """
    if docker.answers():
        container = docker.DockerAsterisk(values, folder / "asterisk")
        parts.enter_context(container)
        return Pbx(
            "Asterisk in a container",
            lambda: container.running,
            container=container.project,
            cel_file=container.cel_file,
            recordings=container.recordings,
        )
    root = ensure_root()
    instance = AsteriskInstance(folder / "asterisk", root)
    instance.configure(values)
    parts.enter_context(instance)
    instance.start()
    cel_file = instance.log / "cel-custom" / "leadline.csv"
    return Pbx(
        asterisk_version(root),
        lambda: instance.running,
        console=instance.control,
        cel_file=cel_file,
        recordings=instance.recordings,
    )
