"""What a person meets first: `make` explains itself, and where it cannot go on it says what to do."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = ("LEADLINE_", "MAKE", "MFLAGS", "PYTHON")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, timeout=60, check=False
    )


def fake_command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a fresh clone as the setup reads, and a folder `bin` that goes before all commands."""
    for name in ("tools/setup", "requirements/dev.txt", "pyproject.toml"):
        target = tmp_path / "clone" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    (tmp_path / "clone" / "bin").mkdir()
    return tmp_path / "clone"


def finished_venv(checkout: Path) -> None:
    """A .venv that the setup takes for what it made itself."""
    (checkout / ".venv/bin").mkdir(parents=True)
    fake_command(checkout / ".venv/bin", "python", "echo Python 3.11")
    fake_command(checkout / ".venv/bin", "leadline", "exit 0")
    made_of = "{ cat requirements/dev.txt pyproject.toml tools/setup; pwd; .venv/bin/python --version; } | sha256sum"
    (checkout / ".venv/.leadline-setup").write_text(run("sh", "-c", made_of, cwd=checkout).stdout)


def first(checkout: Path) -> str:
    return f"{checkout / 'bin'}:{os.environ['PATH']}"


def test_make_alone_lists_every_target_for_people() -> None:
    shown = run("make").stdout
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets
    for target in targets:
        assert re.search(rf"^  make {target} +\S", shown, re.MULTILINE), f"make help does not explain {target}"


def test_ci_runs_the_tests() -> None:
    assert "make test" in (ROOT / ".ci/run").read_text()
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_without_root_and_docker_a_person_is_told_the_ways_that_are_left(checkout: Path) -> None:
    fake_command(checkout / "bin", "id", "echo 1000")
    fake_command(checkout / "bin", "docker", "exit 1")
    done = run("tools/setup", "run", cwd=checkout, PATH=first(checkout))
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 5
    for way in ("Docker", "as root", "Your own Asterisk"):
        assert way in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("named", ["LEADLINE_AMI_SECRET", "LEADLINE_ENV_FILE"])
def test_an_asterisk_of_ones_own_needs_neither_root_nor_packages(checkout: Path, named: str) -> None:
    fake_command(checkout / "bin", "id", "echo 1000")
    fake_command(checkout / "bin", "docker", "exit 1")
    # Stands for one that fits and a finished .venv, so that nothing is installed; without sipp and debootstrap in PATH.
    fake_command(checkout / "bin", "python3.11", "exit 0")
    for name in ("bash", "cat", "dirname", "env", "flock", "mkdir", "sha256sum"):
        (checkout / "bin" / name).symlink_to(shutil.which(name) or name)
    finished_venv(checkout)
    done = run(checkout / "tools/setup", "run", cwd=checkout, PATH=str(checkout / "bin"), **{named: "x"})
    assert (done.returncode, done.stderr) == (0, "")


def test_what_drives_the_browser_needs_a_library_that_a_bare_debian_lacks(checkout: Path) -> None:
    fake_command(checkout / "bin", "id", "echo 1000")
    fake_command(checkout / "bin", "python3.11", 'case "$*" in *libatomic*) exit 1;; esac; exit 0')
    done = run("tools/setup", "test", cwd=checkout, PATH=first(checkout))
    assert done.returncode != 0
    assert re.search(r"apt-get install .*\blibatomic1\b", done.stderr)


def test_where_pip_cannot_fetch_packages_the_ways_around_are_named(checkout: Path) -> None:
    (checkout / ".venv/bin").mkdir(parents=True)
    fake_command(checkout / ".venv/bin", "python", 'case "$*" in *install*) exit 1;; esac; exit 0')
    done = run("tools/setup", "venv", cwd=checkout)
    assert done.returncode != 0
    assert "PIP_CERT" in done.stderr


def test_a_path_that_setuptools_cannot_take_is_named_before_anything_is_done(checkout: Path) -> None:
    elsewhere = checkout.rename(checkout.with_name("le$ad"))
    done = run("tools/setup", "venv", cwd=elsewhere)
    assert done.returncode != 0
    assert f"path holds a $: {elsewhere}" in done.stderr
    assert not (elsewhere / "var").exists()


def test_a_missing_package_without_root_is_named_with_the_command_that_installs_it(checkout: Path) -> None:
    fake_command(checkout / "bin", "id", "echo 1000")
    fake_command(checkout / "bin", "python3.11", 'case "$*" in *ensurepip*) exit 1;; esac; exit 0')
    done = run("tools/setup", "venv", cwd=checkout, PATH=first(checkout))
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr


def test_without_a_python_that_fits_the_versions_are_named(checkout: Path) -> None:
    for name in ("python3.11", "python3.12", "python3.13", "python3"):
        fake_command(checkout / "bin", name, "exit 1")
    done = run("tools/setup", "venv", cwd=checkout, PATH=first(checkout))
    assert done.returncode != 0
    assert "No Python 3.11, 3.12 or 3.13" in done.stderr


def test_a_call_needs_a_running_demonstration_and_values_reach_it_unharmed(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    done = run(
        "make", "call", "FROM=+380501234567", f"TO='; touch {marker}; '", f"NAME=`touch {marker}`$$(touch {marker})"
    )
    assert done.returncode != 0
    assert not marker.exists()


def test_make_passes_values_on_as_they_were_typed(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    typed = f"$(shell touch {marker}) $HOME $$ it's"
    shown = run("make", "--dry-run", "call", f"FROM={typed}", f"TO={typed}", f"NAME={typed}").stdout
    assert shown.count(typed.replace("'", "'\\''")) == 3
    shown = run("make", "--dry-run", "run", f"LISTEN={typed}").stdout
    assert shown.count(typed.replace("'", "'\\''")) == 1
    assert not marker.exists()


def test_what_only_root_needs_is_found_after_su_too() -> None:
    shown = run("make", "--eval", "shown: ; @command -v chroot", "shown", PATH="/usr/bin:/bin")
    assert shown.stdout == "/usr/sbin/chroot\n"


def test_no_file_of_the_project_names_a_package_registry_or_a_path_of_one_machine() -> None:
    files = run("git", "ls-files", "-z").stdout.split("\0")
    wrong = re.compile("|".join(("pypi\\.", "pythonhosted", "deb\\.debian\\.", "/wor" + "k/", "/root/\\.")))
    named = []
    for name in filter(None, files):
        path = ROOT / name
        if path.suffix in {".png", ".ico", ".woff2"} or name == "tests/test_makefile.py" or not path.is_file():
            continue
        named += [f"{name}: {line}" for line in path.read_text(errors="replace").splitlines() if wrong.search(line)]
    assert named == []
