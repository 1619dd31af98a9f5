"""Runs the Compose file's Asterisk for the demonstration, where a Docker engine answers."""

import os
import shutil
import subprocess
import time
from dataclasses import fields
from pathlib import Path
from types import TracebackType

from dialplan.render import AsteriskValues
from leadline.demo.state import DemoError

_COMPOSE = Path(__file__).resolve().parents[2] / "docker-compose.yml"
_PROJECT = "leadline-demo"
_CONTAINER = f"{_PROJECT}-asterisk-1"
_START_SECONDS = 60.0


def answers() -> bool:
    """Whether there is an engine behind the `docker` command; the command alone runs nothing."""
    if shutil.which("docker") is None:
        return False
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


class DockerAsterisk:
    """The service `asterisk` of docker-compose.yml, on the host's network, under a project name of its own."""

    def __init__(self, values: AsteriskValues, *, log: Path) -> None:
        """`values` reach the container as its environment; see container_environment."""
        self._environment = os.environ | container_environment(values)
        self._log = log

    def __enter__(self) -> "DockerAsterisk":
        print("  building the image, if it is not there (some minutes the first time) …", flush=True)
        try:
            self._compose("up", "--build", "--detach", "asterisk")
            self._await_boot()
            self._waiting = subprocess.Popen(["docker", "wait", _CONTAINER], stdout=subprocess.DEVNULL)
        except BaseException:
            self._compose("down", check=False)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._compose("down", check=False)
        self._waiting.wait()

    @property
    def running(self) -> bool:
        """Whether the container runs."""
        return self._waiting.poll() is None

    def _await_boot(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            booted = self._compose("exec", "-T", "asterisk", "asterisk", "-rx", "core waitfullybooted", check=False)
            if booted.returncode == 0:
                return
            time.sleep(0.3)
        logs = self._compose("logs", "--tail", "20", "asterisk", check=False).stdout
        raise DemoError(f"Asterisk's container did not come up:\n{logs}")

    def _compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["docker", "compose", "-p", _PROJECT, "-f", str(_COMPOSE), *arguments],
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


def console(command: str) -> str:
    """Run one console command in the demonstration's container, also one that another process started."""
    asked = subprocess.run(
        ["docker", "exec", _CONTAINER, "asterisk", "-rx", command],
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
