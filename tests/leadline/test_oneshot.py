"""The one-shot AGI script as Asterisk starts it: the same decision as the server's, whatever happens around it."""

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dialplan.plan import encode_plan
from leadline.demo.company import seed_company
from leadline.dry_run import open_routing
from leadline.settings import Settings
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


def run(url: str, stdin: bytes, **more: str) -> "subprocess.CompletedProcess[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEADLINE_")}
    return subprocess.run(
        [SCRIPT, DID, "1763726400.7"],
        input=stdin,
        env={**environment, "LEADLINE_DATABASE_URL": url, **more},
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


async def test_it_sets_the_plan_that_the_server_would_set(url: str) -> None:
    caller = known_caller(url)
    settings = Settings(database_url=url)
    async with open_routing(settings) as (service, _):
        expected = encode_plan(await service.route(caller, None, DID))
    answer = await asyncio.to_thread(run, url, question(caller) + b"200 result=1\n")
    assert answer.stdout.decode() == f'SET VARIABLE LEADLINE_PLAN "{expected}"\n'
    assert (answer.returncode, answer.stderr) == (0, b"")


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
    environment = {"PATH": os.environ["PATH"], "LEADLINE_ENV_FILE": str(file)}
    answer = subprocess.run(
        [SCRIPT], input=question("+380501234567"), env=environment, capture_output=True, timeout=30, check=False
    )
    assert answer.stdout.startswith(b"SET VARIABLE LEADLINE_PLAN ")


def test_without_a_database_the_call_goes_on(tmp_path: Path) -> None:
    answer = run(f"sqlite+aiosqlite:///{tmp_path}/none.db", question("+380501234567"))
    assert answer.stdout == b""
    assert answer.returncode == 1
    assert answer.stderr.count(b"\n") == 1


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
