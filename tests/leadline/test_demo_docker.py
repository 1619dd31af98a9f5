"""The container gets every value that the rendering wants, and the Compose file passes each of them on."""

import importlib.util
import re
from pathlib import Path

import pytest

from dialplan.render import AsteriskValues
from leadline.demo import docker
from leadline.demo.docker import container_environment

ROOT = Path(__file__).resolve().parents[2]
VALUES = AsteriskValues(
    ami_events_secret="events-secret",
    ami_control_secret="control-secret",
    phone_secrets={"101": "phone-101-secret", "102": "phone-102-secret", "103": "phone-103-secret"},
    sip_address="192.0.2.10",
    sip_port=15060,
    trunk_port=15080,
)


def test_the_container_renders_the_values_it_was_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    specification = importlib.util.spec_from_file_location("entrypoint", ROOT / "docker/asterisk_entrypoint.py")
    assert specification is not None
    assert specification.loader is not None
    entrypoint = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(entrypoint)
    for name, value in container_environment(VALUES).items():
        monkeypatch.setenv(name, value)
    assert entrypoint.values_from_environment() == VALUES


def test_the_compose_file_passes_on_what_make_run_sets() -> None:
    service = (ROOT / "docker-compose.yml").read_text().split("\n  leadline:\n")[0]
    passed = set(re.findall(r"^      (PBX_\w+):", service, re.MULTILINE))
    default = container_environment(AsteriskValues(ami_events_secret="x", phone_secrets=VALUES.phone_secrets))
    kept = {"PBX_AMI_ADDRESS", "PBX_AMI_PERMIT", "PBX_FASTAGI_ADDRESS", "PBX_FALLBACK_PLAN"}
    assert set(default) - passed == kept, "these keep their defaults in a container; all others can be set"


@pytest.mark.parametrize(("script", "expected"), [("exit 0", True), ("exit 1", False)])
def test_the_docker_command_alone_is_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: bool
) -> None:
    command = tmp_path / "docker"
    command.write_text(f'#!/bin/sh\n[ "$1" = info ] && {script}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert docker.answers() is expected


def test_without_the_docker_command_there_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert docker.answers() is False
