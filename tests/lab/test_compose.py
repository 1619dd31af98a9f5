"""docker-compose.yml as README.md has it: the images build, the parts find each other, what they keep outlives them."""

import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dialplan.render import PHONES
from leadline.demo import docker
from leadline.demo.sipp import await_value, free_port, free_ports

ROOT = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 1200
"""For both images where they were never built."""
pytestmark = pytest.mark.timeout(BUILD_SECONDS)


class Containers:
    """The Compose file's containers, on free ports and under a name of their own."""

    def __init__(self, name: str) -> None:
        tcp = [free_port(socket.SOCK_STREAM) for _ in range(3)]
        rtp = free_ports(socket.SOCK_DGRAM, 100)
        secrets = {f"PBX_PHONE_{number}_SECRET": f"phone-{number}-secret" for number in PHONES}
        self._words = ["docker", "compose", "-p", name]
        self._environment = (
            os.environ
            | secrets
            | {
                "PBX_AMI_EVENTS_SECRET": "events-secret",
                "PBX_AMI_CONTROL_SECRET": "control-secret",
                "PBX_SIP_PORT": str(free_port(socket.SOCK_DGRAM)),
                "PBX_TRUNK_PORT": str(free_port(socket.SOCK_DGRAM)),
                "PBX_RTP_START": str(rtp[0]),
                "PBX_RTP_END": str(rtp[-1]),
                "PBX_AMI_PORT": str(tcp[0]),
                "PBX_FASTAGI_PORT": str(tcp[1]),
                "LEADLINE_PANEL_PORT": str(tcp[2]),
            }
        )
        self._health = f"http://127.0.0.1:{tcp[2]}/healthz"

    def compose(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._words, *words], cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False
        )

    def start(self) -> None:
        done = self.compose("up", "--build", "--detach")
        assert done.returncode == 0, done.stderr
        await_value(self._is_well, 60, "Leadline in its container to hear Asterisk in his")

    def run(self, service: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.compose("exec", "-T", service, *words)

    def _is_well(self) -> bool | None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with suppress(OSError), opener.open(self._health, timeout=5) as answer:
            told: dict[str, Any] = json.load(answer)
            return told["status"] == "ok" or None
        return None


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    if not docker.answers():
        pytest.skip("no Docker engine answers here")
    containers = Containers(f"leadline-test-{os.getpid()}")
    try:
        yield containers
    finally:
        containers.compose("down", "--volumes", "--rmi", "local")


def test_the_containers_work_together_and_keep_what_they_are_told(containers: Containers) -> None:
    containers.start()
    made = containers.run("leadline", "leadline", "admin", "create", "admin")
    assert "Password: " in made.stdout, made.stderr

    found = containers.run("leadline", "leadline", "check").stdout
    wrong = [line for line in found.splitlines() if line.startswith("FAIL")]
    assert [line.split(":")[0] for line in wrong] == ["FAIL  default phone"], found
    for part in ("AMI events account", "from the dialplan", "call events", "CEL", "call records", "copy in Asterisk"):
        assert f"ok    {part}: " in found, found

    recording = "/var/spool/asterisk/monitor/leadline.wav"
    assert containers.run("asterisk", "sh", "-c", f"echo heard > {recording}").returncode == 0
    assert containers.run("leadline", "cat", recording).stdout == "heard\n"
    assert containers.run("leadline", "rm", recording).returncode == 0, "recordings are deleted by Leadline"
    assert {containers.run(one, "id", "-u").stdout for one in ("asterisk", "leadline")} == {f"{docker.ASTERISK_UID}\n"}

    assert containers.compose("down").returncode == 0
    containers.start()
    again = containers.run("leadline", "leadline", "admin", "create", "admin")
    assert again.returncode != 0, "the accounts are still there"
