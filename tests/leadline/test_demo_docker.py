"""The container gets every value that the rendering wants, and the Compose file passes each of them on."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dialplan.render import AsteriskValues
from leadline.demo import docker
from leadline.demo.docker import container_environment
from leadline.demo.sipp import await_value
from leadline.demo.state import DemoError
from leadline.settings import describe_settings

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


def test_the_compose_file_sets_only_settings_that_there_are() -> None:
    service = (ROOT / "docker-compose.yml").read_text().split("\n  leadline:\n")[1]
    passed = set(re.findall(r"^      (LEADLINE_\w+):", service, re.MULTILINE))
    assert passed <= {name for name, _default, _meaning in describe_settings()}
    assert "LEADLINE_AMI_SECRET" in passed


def fake_docker(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Put a `docker` on the path that notes what it is asked, and does as `script` says; give where it notes."""
    notes = folder / "asked"
    command = folder / "docker"
    command.write_text(f'#!/bin/sh\necho "$*" >> {notes}\n{script}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return notes


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 0", True),
        ("exit 1", False),
        ('[ "$1" != info ]', False),
        ('[ "$1" != compose ]', False),
    ],
    ids=["engine and Compose", "neither", "no engine", "no Compose"],
)
def test_an_engine_and_compose_are_both_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: bool
) -> None:
    fake_docker(tmp_path, monkeypatch, script)
    assert docker.answers() is expected
    # tools/setup has to come to the same, or it installs too little.
    shell = f"{shell_function('docker_answers')}\ndocker_answers"
    assert (subprocess.run(["bash", "-c", shell], check=False).returncode == 0) is expected


def shell_function(name: str) -> str:
    found = re.search(rf"^{name}\(\) {{\n.*?\n}}$", (ROOT / "tools/setup").read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def test_without_the_docker_command_there_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert docker.answers() is False


ENGINE = """case "$*" in
    *" ps "* | "ps "*) echo 0123456789ab ;;
    wait*) exec sleep 60 ;;
    *"down"*) kill $(cat $0.waiting 2> /dev/null) 2> /dev/null; exit 0 ;;
esac"""


def told_pid(file: Path) -> str | None:
    """What is in it, once it is there."""
    return file.read_text().strip() or None if file.exists() else None


def test_the_container_is_started_looked_for_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = fake_docker(tmp_path, monkeypatch, ENGINE.replace("exec sleep", "echo $$ > $0.waiting; exec sleep"))
    # `make run` names its folder as seen from the checkout; the server and the engine get whole paths.
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "var" / "asterisk"
    with docker.DockerAsterisk(VALUES, Path("var/asterisk")) as asterisk:
        await_value(lambda: told_pid(tmp_path / "docker.waiting"), 10, "docker wait")
        assert asterisk.running
        docker.console(asterisk.project, "core show channels")
    assert not asterisk.running
    asked = notes.read_text().splitlines()
    assert [words for words in asked if " up " in words] == [asked[0]]
    assert asked[0].endswith("up --build --detach asterisk")
    assert "exec 0123456789ab asterisk -rx core show channels" in asked
    assert asked[-1].endswith(" down")
    if os.geteuid() == 0:
        assert asterisk.cel_file == folder / "log" / "cel-custom" / "leadline.csv"
        assert asterisk.cel_file.parent.stat().st_uid == (folder / "spool").stat().st_uid == 890


def test_a_killed_demonstration_takes_its_container_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = fake_docker(tmp_path, monkeypatch, ENGINE.replace("exec sleep", "echo $$ > $0.waiting; exec sleep"))
    program = """
import sys
from pathlib import Path
from dialplan.render import AsteriskValues
from leadline.demo.docker import DockerAsterisk
with DockerAsterisk(AsteriskValues(ami_events_secret="x", phone_secrets={}), Path(sys.argv[1])):
    print("up", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "var")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as demonstration:
        assert demonstration.stdout is not None
        while demonstration.stdout.readline() not in ("up\n", ""):
            pass
        await_value(lambda: told_pid(tmp_path / "docker.waiting"), 10, "docker wait")
        assert " down\n" not in notes.read_text()
        demonstration.kill()
    await_value(lambda: " down\n" in notes.read_text() or None, 10, "the container to be taken down")


def test_both_images_give_their_programs_one_account_number() -> None:
    """Leadline deletes what Asterisk records."""
    for image in ("asterisk", "leadline"):
        text = (ROOT / f"docker/{image}.Dockerfile").read_text()
        assert f"--uid {docker.ASTERISK_UID} --gid {image}" in text


def test_what_the_image_is_given_of_the_repository_is_all_that_its_entry_point_needs(tmp_path: Path) -> None:
    for name in re.findall(r"^COPY (\S+) \S+$", (ROOT / "docker/asterisk.Dockerfile").read_text(), re.MULTILINE):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / Path(name).name)
    program = "import asterisk_entrypoint as e; e.render_asterisk_conf(e.Path('etc'), e.values_from_environment())"
    (tmp_path / "etc").mkdir()
    subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=tmp_path,
        env={**container_environment(VALUES), "PATH": os.environ["PATH"]},
        check=True,
    )
    assert "events-secret" in (tmp_path / "etc" / "manager.conf").read_text()


def test_a_container_that_does_not_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_docker(tmp_path, monkeypatch, "exit 0")
    with pytest.raises(DemoError, match="does not run"):
        docker.console("leadline-demo", "core show channels")
