"""The one-shot AGI script as Asterisk starts it: the same decision as the server's, whatever happens around it."""

import asyncio
import os
import re
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agi.relay import Address
from dialplan.plan import encode_plan
from leadline.agi_script import find_server
from leadline.demo.company import seed_company
from leadline.demo.server_process import ServerProcess
from leadline.demo.sipp import free_port
from leadline.dry_run import open_routing
from leadline.settings import Settings, load_settings
from leads.store.engine import Database
from leads.store.migrate import upgrade

SCRIPT = Path(__file__).parents[2] / "agi" / "leadline-agi"
DID = "0441234567"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('oneshot')}/leadline.db"

    async def prepare() -> None:
        await upgrade(url)
        database = Database(url)
        await seed_company(database, datetime.now(UTC))
        await database.dispose()

    asyncio.run(prepare())
    return url


def question(caller: str, linkedid: str = "1763726400.7") -> bytes:
    variables = {
        "request": "leadline-agi",
        "channel": "PJSIP/trunk-00000001",
        "language": "en",
        "uniqueid": linkedid,
        "callerid": caller,
        "calleridname": "unknown",
        "callingpres": "0",
        "extension": DID,
        "arg_1": DID,
        "arg_2": linkedid,
    }
    return "".join(f"agi_{name}: {value}\n" for name, value in variables.items()).encode() + b"\n"


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """A port that is taken, and nobody listens at it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield str(taken.getsockname()[1])


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, nobody: str) -> None:
    for name in [name for name in os.environ if name.startswith("LEADLINE_")]:
        monkeypatch.delenv(name)
    # Another Leadline on this machine has to stay out of the tests.
    monkeypatch.setenv("LEADLINE_FASTAGI_PORT", nobody)


@pytest.fixture(scope="module")
def server(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    """The server on the same database, and the port of its FastAGI."""
    agi, panel = (str(port) for port in (free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)))
    settings = {
        "LEADLINE_DATABASE_URL": url,
        "LEADLINE_AMI_ENABLED": "false",
        "LEADLINE_FASTAGI_PORT": agi,
        "LEADLINE_PANEL_PORT": panel,
    }
    log = tmp_path_factory.mktemp("server") / "log"
    with ServerProcess(settings, log=log, health_url=f"http://127.0.0.1:{panel}/healthz") as process:
        process.await_health()
        yield process, agi


def run(url: str, stdin: bytes, **more: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [SCRIPT, DID, "1763726400.7"],
        input=stdin,
        env={**os.environ, "LEADLINE_DATABASE_URL": url, **more},
        capture_output=True,
        timeout=30,
        check=False,
    )


def known_caller(url: str) -> str:
    with sqlite3.connect(url.partition(":///")[2]) as connection:
        [number] = connection.execute(
            "SELECT main_number FROM lead WHERE named AND responsible_id IS NOT NULL"
        ).fetchone()
    return str(number)


def planned(url: str, caller: str) -> bytes:
    """The command that sets the plan of a call, decided here."""

    async def decide() -> str:
        async with open_routing(Settings(database_url=url)) as (service, _):
            return encode_plan(await service.route(caller, None, DID))

    return f'SET VARIABLE LEADLINE_PLAN "{asyncio.run(decide())}"\n'.encode()


def test_without_a_server_it_sets_the_plan_that_the_server_would_set(url: str) -> None:
    caller = known_caller(url)
    answer = run(url, question(caller) + b"200 result=1\n")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, planned(url, caller), b"")


@pytest.mark.parametrize("where", ["environment", "file"])
def test_where_a_server_runs_the_database_is_not_opened(
    url: str, server: tuple[ServerProcess, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    caller = known_caller(url)
    none = f"sqlite+aiosqlite:///{tmp_path}/none.db"
    if where == "environment":
        more = {"LEADLINE_FASTAGI_PORT": server[1]}
    else:
        monkeypatch.delenv("LEADLINE_FASTAGI_PORT")
        file = tmp_path / "leadline.env"
        file.write_text(
            f'# LEADLINE_FASTAGI_PORT=1\nLEADLINE_REGION=UA\nexport LEADLINE_FASTAGI_PORT = "{server[1]}" # x\n'
        )
        more = {"LEADLINE_ENV_FILE": str(file)}
    answer = run(none, question(caller) + b"200 result=1\n", **more)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, planned(url, caller), b"")
    assert not (tmp_path / "none.db").exists()


def test_a_frozen_server_is_done_without(url: str, server: tuple[ServerProcess, str]) -> None:
    caller = known_caller(url)
    process, port = server
    process.pause()
    try:
        answer = run(url, question(caller) + b"200 result=1\n", LEADLINE_FASTAGI_PORT=port)
    finally:
        process.resume()
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, planned(url, caller), b"")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", ("127.0.0.1", 4573)),
        ("LEADLINE_FASTAGI_HOST=::1\nLEADLINE_FASTAGI_PORT='4600'\n", ("::1", 4600)),
        ("leadline_fastagi_port=4600\n#LEADLINE_FASTAGI_PORT=4700\n", ("127.0.0.1", 4600)),
        ("LEADLINE_FASTAGI_PORT=4600\nLEADLINE_FASTAGI_PORT=4601\n", ("127.0.0.1", 4601)),
        ("LEADLINE_FASTAGI_PORT=${PORT}\n", None),
        ("LEADLINE_FASTAGI_PORT=70000\n", None),
        ("LEADLINE_FASTAGI_HOST=\n", None),
        ("LEADLINE_PBX_NAMES=a,b\nLEADLINE_PBX_NAME=b\nLEADLINE_PBX_B_AMI_PORT=5039\n", ("127.0.0.1", 4573, "route/b")),
    ],
)
def test_the_server_is_looked_for_where_the_settings_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, address: tuple[Any, ...] | None
) -> None:
    file = tmp_path / "leadline.env"
    file.write_text(text)
    monkeypatch.delenv("LEADLINE_FASTAGI_PORT")
    monkeypatch.setenv("LEADLINE_ENV_FILE", str(file))
    found = find_server()
    assert found == (address and Address(*address))
    if found is not None:
        settings = load_settings()
        assert found[:2] == (settings.fastagi_host, settings.fastagi_port)


def test_the_decision_is_kept_on_the_call(url: str) -> None:
    run(url, question("+380679998877", "1763726400.8") + b"200 result=1\n")
    with sqlite3.connect(url.partition(":///")[2]) as connection:
        rows = connection.execute("SELECT decision FROM routing_decision WHERE linkedid = '1763726400.8'").fetchall()
    assert len(rows) == 1
    assert "+380679998877" in rows[0][0]


@pytest.mark.parametrize(
    "stdin", [b"", b"agi_callerid: 1", b"\xff\xfe\0\n\n", b"agi_callerid: +380501234567\n\nHANGUP\n"], ids=repr
)
def test_a_broken_question_ends_it_quietly(url: str, stdin: bytes) -> None:
    answer = run(url, stdin)
    assert b"Traceback" not in answer.stderr
    assert re.fullmatch(rb'(SET VARIABLE LEADLINE_PLAN "[^"\r\n]*"\n)?', answer.stdout)


def test_settings_come_from_the_file_that_is_named(url: str, tmp_path: Path) -> None:
    file = tmp_path / "leadline.env"
    file.write_text(f"LEADLINE_DATABASE_URL={url}\n")
    environment = {name: os.environ[name] for name in ("PATH", "LEADLINE_FASTAGI_PORT")}
    answer = subprocess.run(
        [SCRIPT],
        input=question("+380501234567"),
        env={**environment, "LEADLINE_ENV_FILE": str(file)},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert answer.stdout.startswith(b"SET VARIABLE LEADLINE_PLAN ")


def test_without_a_database_the_call_goes_on(tmp_path: Path) -> None:
    answer = run(f"sqlite+aiosqlite:///{tmp_path}/none.db", question("+380501234567"))
    assert answer.stdout == b""
    assert answer.returncode == 1
    assert answer.stderr.count(b"\n") == 1
    assert not (tmp_path / "none.db").exists()


def test_wrong_settings_are_told_in_one_line(url: str) -> None:
    answer = run(url, question("+380501234567"), LEADLINE_REGION="XX")
    assert answer.stdout == b""
    assert answer.returncode != 0
    assert b"LEADLINE_REGION" in answer.stderr
    assert b"Traceback" not in answer.stderr


def test_the_script_finds_its_environment_through_a_link(url: str, tmp_path: Path) -> None:
    link = tmp_path / "route"
    link.symlink_to(SCRIPT)
    assert shutil.which(str(link))
    environment = {**os.environ, "LEADLINE_DATABASE_URL": url}
    answer = subprocess.run(
        [link], input=question("+380501234567"), env=environment, capture_output=True, timeout=30, check=False
    )
    assert answer.stdout.startswith(b"SET VARIABLE LEADLINE_PLAN ")
