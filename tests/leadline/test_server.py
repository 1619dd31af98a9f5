"""What keeps the server from starting is told with its mend; what waiting mends is waited for."""

import gc
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from leadline.demo.sipp import free_port
from leadline.server import SPARE_FILES, _allow_open_files, panel_share, set_lasting_objects_aside
from leads.store.migrate import upgrade


def serve(**settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEADLINE_")}
    return subprocess.run(
        [sys.executable, "-m", "leadline", "serve"],
        env={**environment, "LEADLINE_AMI_ENABLED": "false", **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
async def url(tmp_path: Path) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path}/leadline.db"
    await upgrade(url)
    return url


def test_a_database_without_tables_is_refused_with_the_mend(tmp_path: Path) -> None:
    run = serve(LEADLINE_DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/new.db")
    assert run.returncode == 2
    assert "leadline migrate" in run.stderr


@pytest.mark.parametrize("name", ["LEADLINE_PANEL_PORT", "LEADLINE_FASTAGI_PORT"])
def test_a_port_in_use_is_named(url: str, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = str(free_port(socket.SOCK_STREAM))
        ports = {"LEADLINE_PANEL_PORT": other, "LEADLINE_FASTAGI_PORT": other}
        run = serve(LEADLINE_DATABASE_URL=url, **{**ports, name: str(taken.getsockname()[1])})
    assert run.returncode == 2
    assert name in run.stderr
    assert "Traceback" not in run.stderr


def test_a_missing_certificate_is_named(url: str, tmp_path: Path) -> None:
    key = str(tmp_path / "none.pem")
    run = serve(
        LEADLINE_DATABASE_URL=url,
        LEADLINE_PANEL_TLS_CERTIFICATE=key,
        LEADLINE_PANEL_TLS_KEY=key,
        LEADLINE_PANEL_PORT="18999",
    )
    assert run.returncode == 2
    assert "LEADLINE_PANEL_TLS_CERTIFICATE" in run.stderr


def test_the_limit_of_open_files_is_raised_as_far_as_it_goes() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
        _allow_open_files(min(3000, hard))
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(3000, hard)
        _allow_open_files(100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(3000, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(("files", "left"), [(1_000_000, 2000 + SPARE_FILES), (4000, 3000), (1024, 768), (64, 48)])
def test_whoever_opens_the_panel_thousands_of_times_leaves_calls_their_files(files: int, left: int) -> None:
    assert files - panel_share(files, sessions=2000) >= left
    assert panel_share(files, sessions=2000) >= 16


def test_a_folder_that_cannot_be_made_is_told_with_the_settings_name() -> None:
    run = serve(LEADLINE_DATABASE_URL="sqlite+aiosqlite:////dev/null/leadline.db")
    assert run.returncode == 2
    assert "LEADLINE_DATABASE_URL" in run.stderr
    assert "Traceback" not in run.stderr


def test_what_lasts_is_no_work_for_the_garbage_collector() -> None:
    lasting = [[number] for number in range(1000)]
    try:
        set_lasting_objects_aside()
        looked_at = {id(one) for one in gc.get_objects()}
        assert not any(id(one) in looked_at for one in lasting)
    finally:
        gc.unfreeze()
