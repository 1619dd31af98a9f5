"""`make run` and `make call` from the first start to the last trace, as a person lives through them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from leadline.demo import docker
from leadline.demo.server_process import environment
from leadline.demo.sipp import await_value
from leadline.demo.state import find_running, keep_secrets
from tests.lab.test_asterisk_instance import processes_with
from tests.listening import heard_beyond_loopback

LEADLINE = (sys.executable, "-m", "leadline")
READY_SECONDS = 60
BUILD_SECONDS = 900
"""For the container's image where it was never built."""
pytestmark = pytest.mark.timeout(BUILD_SECONDS + READY_SECONDS)
PASSWORD = re.compile(r"login admin, password (\S{12,})")


@pytest.fixture(autouse=True, params=["Debian tree", "container"])
def asterisk_in(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where Asterisk runs: each way where a Docker engine answers, the Debian tree alone elsewhere."""
    if request.param == "container" and not docker.answers():
        pytest.skip("no Docker engine answers here")
    if request.param == "Debian tree":
        command = tmp_path / "no-engine" / "docker"
        command.parent.mkdir()
        command.write_text("#!/bin/sh\nexit 1\n")
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    yield
    if request.param == "container":
        project = docker.project_of(tmp_path / "var" / "asterisk")
        subprocess.run(["docker", "rmi", f"{project}-asterisk"], capture_output=True, check=False)
        subprocess.run(["docker", "volume", "rm", f"{project}_asterisk-data"], capture_output=True, check=False)


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demonstration in `folder`, with what it printed until it was ready."""
    output = folder / "output.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            [*LEADLINE, "demo", "run"],
            cwd=folder,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment({}),
        )
    try:
        seconds = BUILD_SECONDS if docker.answers() else READY_SECONDS
        yield process, await_value(lambda: _ready(process, output), seconds, "the demonstration to be ready")
    finally:
        process.kill()
        process.wait()


def _ready(process: subprocess.Popen[str], output: Path) -> str | None:
    text = output.read_text()
    assert process.poll() is None, text
    return text if "Ctrl+C ends all of it." in text else None


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return leadline(folder, "demo", *arguments)


def leadline(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LEADLINE, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment({}),
    )


def children_of(pid: int) -> set[int]:
    """All processes below one, however deep."""
    children: set[int] = set()
    # Processes and their threads may end while they are looked at.
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                children |= {int(child) for child in Path(f"/proc/{pid}/task/{thread}/children").read_text().split()}
    return children.union(*(children_of(child) for child in children))


def assert_nothing_is_left(folder: Path, started: set[int]) -> None:
    await_value(lambda: not any(_lives(pid) for pid in started) or None, 10, "everything that was started to end")
    assert processes_with(folder) == []
    assert not (folder / "var/running.json").exists()


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def test_the_first_run_a_call_ctrl_c_and_the_second_run(tmp_path: Path) -> None:
    with running(tmp_path) as (process, printed):
        started = children_of(process.pid)
        password = PASSWORD.search(printed)
        assert password, printed
        kept = keep_secrets(tmp_path / "var")
        for number, secret in kept.phones.items():
            assert f"{number}   password {secret}" in printed
        assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700
        for path in (tmp_path / "var").glob("leadline.db*"):
            assert password[1].encode() not in path.read_bytes()

        assert heard_beyond_loopback({process.pid, *started}) == set()
        second = demo(tmp_path, "run")
        assert second.returncode == 1
        assert f"running already (process {process.pid})" in second.stderr

        told = demo(tmp_path, "call", "--from", "+380672223344", "--to", "0441234567", "--name", "Somebody").stdout
        for part in (
            "phone 101 rings, its display shows: Olha Melnychenko <+380672223344>",
            "phone 101 answers",
            "On record: answered",
            "Lead: Ольга Мельниченко",
            find_running(tmp_path / "var").panel,
        ):
            assert part in told, told
        looked = leadline(tmp_path, "check")
        assert looked.returncode == 0, looked.stdout
        assert "ok    from the dialplan" in looked.stdout

        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert_nothing_is_left(tmp_path, started)
    assert "Everything that was started has ended." in (tmp_path / "output.txt").read_text()

    with running(tmp_path) as (process, printed):
        started = children_of(process.pid)
        assert not PASSWORD.search(printed)
        assert "reset-password admin" in printed
        assert keep_secrets(tmp_path / "var") == kept
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert_nothing_is_left(tmp_path, started)


def test_a_killed_run_takes_everything_with_it(tmp_path: Path) -> None:
    with running(tmp_path) as (process, _printed):
        started = children_of(process.pid)
        assert len(started) >= 3
        process.kill()
    await_value(lambda: not any(_lives(pid) for pid in started) or None, 10, "everything that was started to end")
    assert processes_with(tmp_path) == []


def test_when_a_part_ends_by_itself_all_ends_and_its_name_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as (process, _printed):
        started = children_of(process.pid)
        (server,) = (pid for pid in started if b"serve" in _command(pid))
        os.kill(server, signal.SIGKILL)
        assert process.wait(30) == 1
    assert "leadline serve has ended by itself" in (tmp_path / "output.txt").read_text()
    assert_nothing_is_left(tmp_path, started)


def test_a_bad_address_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = demo(tmp_path, "run", "--listen", "example.org")
    assert done.returncode == 1
    assert "LISTEN='example.org' is no IP address" in done.stderr
    assert not (tmp_path / "var/secrets.json").exists()


def test_a_call_without_a_running_demonstration_says_what_to_start(tmp_path: Path) -> None:
    done = demo(tmp_path, "call", "--from", "+380501234567", "--to", "0441234567")
    assert done.returncode == 1
    assert "start `make run`" in done.stderr
