"""Runs the Compose file's Asterisk for the demonstration, where a Docker engine answers."""

import os
import shutil
import subprocess
import time
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from dialplan.render import AsteriskValues
from leadline.demo.state import DemoError

_COMPOSE = Path(__file__).resolve().parents[2] / "docker-compose.yml"
_START_SECONDS = 60.0
_END_SECONDS = 60.0
ASTERISK_UID = 890
"""As in docker/asterisk.Dockerfile."""


def answers() -> bool:
    """Whether there is an engine behind the `docker` command, and Compose with it; the command alone runs nothing."""
    if shutil.which("docker") is None:
        return False
    try:
        asked = (
            subprocess.run(["docker", *words], capture_output=True, timeout=10, check=False)
            for words in (["info"], ["compose", "version"])
        )
        return all(answer.returncode == 0 for answer in asked)
    except subprocess.TimeoutExpired:
        return False


def project_of(folder: Path) -> str:
    """The project's name by its data's place: two demonstrations on one machine do not end each other's containers."""
    return f"leadline-demo-{sha256(str(folder.resolve()).encode()).hexdigest()[:8]}"


class DockerAsterisk:
    """The service `asterisk` of docker-compose.yml, on the host's network, under a project name of its own.

    The engine would run it for ever should this process be killed. So a second process waits for the first one's end,
    whatever its kind, and takes the container down.
    """

    def __init__(self, values: AsteriskValues, folder: Path) -> None:
        """Take what it needs.

        Args:
            values: reach the container as its environment; see container_environment.
            folder: for its logs, call records and recordings, as far as this process may give folders to its account.
        """
        self._environment = os.environ | container_environment(values)
        self._folder = folder.resolve()
        self.project = project_of(folder)
        self._log = folder / "compose.log"

    @property
    def recordings(self) -> Path | None:
        """Where its recordings are; None as `cel_file`."""
        return self._folder / "spool" / "monitor" / "leadline" if os.geteuid() == 0 else None

    @property
    def cel_file(self) -> Path | None:
        """Where its call records are; None where they stay in a volume of Docker's."""
        return self._folder / "log" / "cel-custom" / "leadline.csv" if os.geteuid() == 0 else None

    def __enter__(self) -> "DockerAsterisk":
        print("  building the image, if it is not there (some minutes the first time) …", flush=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self._environment |= self._make_folders()
        # Its input ends with this process; in a session of its own it is spared Ctrl+C.
        self._ender = subprocess.Popen(
            ["sh", "-c", 'cat > /dev/null; exec "$@"', "ender", *self._words("down")],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._compose("up", "--build", "--detach", "asterisk")
            self._await_boot()
            self._waiting = subprocess.Popen(["docker", "wait", _container(self.project)], stdout=subprocess.DEVNULL)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._waiting.kill()
        self._waiting.wait()

    @property
    def running(self) -> bool:
        """Whether the container runs."""
        return self._waiting.poll() is None

    def _end(self) -> None:
        try:
            self._ender.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"Docker has not ended the containers of {self.project} yet; see `docker ps`.", flush=True)

    def _make_folders(self) -> dict[str, str]:
        folders = {"PBX_LOG_FOLDER": self._folder / "log", "PBX_SPOOL_FOLDER": self._folder / "spool"}
        for folder in (*folders.values(), folders["PBX_LOG_FOLDER"] / "cel-custom"):
            folder.mkdir(exist_ok=True)
            os.chown(folder, ASTERISK_UID, ASTERISK_UID)
        return {name: str(folder) for name, folder in folders.items()}

    def _await_boot(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            booted = self._compose("exec", "-T", "asterisk", "asterisk", "-rx", "core waitfullybooted", check=False)
            if booted.returncode == 0:
                return
            time.sleep(0.3)
        logs = self._compose("logs", "--tail", "20", "asterisk", check=False).stdout
        raise DemoError(f"Asterisk's container did not come up:\n{logs}")

    def _words(self, *arguments: str) -> list[str]:
        return ["docker", "compose", "-p", self.project, "-f", str(_COMPOSE), *arguments]

    def _compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self._words(*arguments),
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            self._log.write_text(done.stdout + done.stderr)
            raise DemoError(
                f"docker compose {arguments[0]} failed; all it said is in {self._log}:\n{done.stderr[-1500:]}"
            )
        return done


def _container(project: str) -> str:
    """The id of a demonstration's container, also of one that another process started.

    Raises:
        DemoError: it does not run.
    """
    labels = {"com.docker.compose.project": project, "com.docker.compose.service": "asterisk"}
    filters = [word for name, value in labels.items() for word in ("--filter", f"label={name}={value}")]
    asked = subprocess.run(
        ["docker", "ps", "--quiet", *filters], capture_output=True, text=True, timeout=15, check=False
    )
    container = asked.stdout.strip()
    if not container:
        raise DemoError(f"Asterisk's container does not run. {asked.stderr.strip()}")
    return container


def console(project: str, command: str) -> str:
    """Run one console command in the container of the demonstration `project`.

    Raises:
        DemoError: it does not run.
    """
    asked = subprocess.run(
        ["docker", "exec", _container(project), "asterisk", "-rx", command],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    return asked.stdout


def container_environment(values: AsteriskValues) -> dict[str, str]:
    """`values` as the container's entry point reads them: the field's name in capitals after PBX_."""
    environment = {f"PBX_{item.name.upper()}": str(getattr(values, item.name) or "") for item in fields(values)}
    del environment["PBX_PHONE_SECRETS"]
    return environment | {f"PBX_PHONE_{number}_SECRET": secret for number, secret in values.phone_secrets.items()}
