"""Two real Asterisks feed one Leadline: nothing of one mixes with the other, and one may die alone (C13)."""

import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from dialplan.render import PHONES, AsteriskValues
from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.asterisk_root import ensure_root
from leadline.demo.phones import Calls, Outcome
from leadline.demo.scenarios import Behaviour, Dialling
from leadline.demo.server_process import ServerProcess, environment
from leadline.demo.sipp import await_value, free_port, free_ports
from tests.lab.conftest import LeadlineServer, Pbx, Phones

NAMES = ("kyiv", "lviv")
MAIN = "0441234567"
MELNYCHENKO = "+380672223344"


@dataclass
class Company:
    """Two Asterisks and the one Leadline of both."""

    pbxes: dict[str, Pbx]
    server: LeadlineServer
    folder: Path

    def health(self) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.panel_port}/healthz", timeout=20) as answer:
                return answer.status, json.load(answer)["parts"]
        except HTTPError as error:
            return error.code, json.load(error)["parts"]

    def figures(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.panel_port}/metrics", timeout=20) as answer:
            return str(answer.read().decode())

    def check(self, **changed: str) -> dict[str, str]:
        run = subprocess.run(
            [sys.executable, "-m", "leadline", "check", "--json"],
            env=environment({**self.server.settings, **changed}),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        return {row["name"]: row["level"] for row in map(json.loads, run.stdout.splitlines())}

    def call(self, pbx: str, number: str, **how: Any) -> Calls:
        return Calls(Dialling(number, MAIN, **how), self.pbxes[pbx].sip)


def _pbx(name: str, folder: Path, fastagi_port: int, stack: ExitStack) -> Pbx:
    rtp = free_ports(socket.SOCK_DGRAM, 100)
    values = AsteriskValues(
        ami_events_secret=secrets.token_hex(12),
        ami_control_secret=secrets.token_hex(12),
        phone_secrets={number: secrets.token_hex(12) for number in PHONES},
        sip_port=free_port(socket.SOCK_DGRAM),
        rtp_start=rtp.start,
        rtp_end=rtp.stop - 1,
        trunk_port=free_port(socket.SOCK_DGRAM),
        ami_port=free_port(socket.SOCK_STREAM),
        fastagi_port=fastagi_port,
    )
    instance = stack.enter_context(AsteriskInstance(folder / name, ensure_root()))
    instance.configure(values)
    settings = instance.etc / "leadline-globals.conf"
    settings.write_text(settings.read_text().replace(f":{fastagi_port}/route", f":{fastagi_port}/route/{name}"))
    instance.start()
    return Pbx(instance, values)


@pytest.fixture(scope="module")
def company(filled_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder = tmp_path_factory.mktemp("two")
    fastagi_port, panel_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
    database = folder / "leadline.db"
    database.write_bytes(filled_database.read_bytes())
    with ExitStack() as stack:
        pbxes = {name: _pbx(name, folder, fastagi_port, stack) for name in NAMES}
        settings = {
            "LEADLINE_DATABASE_URL": f"sqlite+aiosqlite:///{database}",
            "LEADLINE_PBX_NAMES": ",".join(NAMES),
            "LEADLINE_FASTAGI_PORT": str(fastagi_port),
            "LEADLINE_PANEL_PORT": str(panel_port),
            "LEADLINE_DEFAULT_EXTENSION": "103",
        }
        for name, pbx in pbxes.items():
            prefix = f"LEADLINE_PBX_{name.upper()}_AMI"
            settings[f"{prefix}_PORT"] = str(pbx.values.ami_port)
            settings[f"{prefix}_SECRET"] = pbx.values.ami_events_secret
            settings[f"{prefix}_CONTROL_SECRET"] = pbx.values.ami_control_secret or ""
            source = pbx.instance.log / "cel-custom" / "leadline.csv"
            settings[f"LEADLINE_PBX_{name.upper()}_CEL_SOURCE"] = f"csv:{source}"
        health = f"http://127.0.0.1:{panel_port}/healthz"
        with ServerProcess(settings, log=folder / "server.log", health_url=health) as process:
            process.await_health()
            yield Company(pbxes, LeadlineServer(process, database, panel_port, settings), folder)


@pytest.fixture
def phones(company: Company) -> Iterator[dict[str, Phones]]:
    made = {name: Phones(pbx) for name, pbx in company.pbxes.items()}
    yield made
    for each in made.values():
        each.sign_out()


def _placed_within_one_second(company: Company) -> tuple[Calls, Calls]:
    """Asterisk makes a linkedid of the second and a counter: two that have had as many channels make the same one."""
    time.sleep(1.02 - time.time() % 1)
    one, two = (company.call(name, MELNYCHENKO, talk_seconds=0.5 + at) for at, name in enumerate(NAMES))
    return one, two


def talked(outcome: Outcome) -> float:
    """How long a caller talked: half a second, or one and a half, and what a busy machine adds."""
    assert outcome.answered_at is not None
    assert outcome.ended_at is not None
    return (outcome.ended_at - outcome.answered_at).total_seconds()


def test_calls_of_one_linkedid_at_once_have_their_own_records_and_decisions(
    company: Company, phones: dict[str, Phones]
) -> None:
    for name in NAMES:
        phones[name]("101", Behaviour(ring_seconds=0.3))
    for count in range(1, 11):
        outcomes = [calls.wait_one() for calls in _placed_within_one_second(company)]
        assert [outcome.status for outcome in outcomes] == [200, 200]
        company.server.await_ended_calls(2 * count)
        ids = company.server.rows("SELECT linkedid FROM call GROUP BY linkedid HAVING count(*) = 2")
        if ids:
            break
    ((linkedid,),) = (row.values() for row in ids)
    rows = {row["pbx"]: row for row in company.server.rows("SELECT * FROM call WHERE linkedid = ?", linkedid)}
    assert set(rows) == set(NAMES)
    for name, outcome in zip(NAMES, outcomes, strict=True):
        row = rows[name]
        assert (row["result"], row["outside_number"], row["incomplete"]) == ("answered", MELNYCHENKO, 0)
        assert row["talk_seconds"] == pytest.approx(talked(outcome), abs=0.45)
        statement = "SELECT * FROM routing_decision WHERE pbx = ? AND linkedid = ?"
        assert len(company.server.rows(statement, name, linkedid)) == 1
    assert len({row["lead_id"] for row in rows.values()}) == 1


def test_health_figures_and_check_tell_of_each(company: Company) -> None:
    status, parts = company.health()
    assert status == 200
    assert {f"ami {name}" for name in NAMES} <= set(parts)
    assert [parts[f"ami {name}"]["pbx"] for name in NAMES] == list(NAMES)
    figures = company.figures()
    assert all(f'leadline_ami_connected{{pbx="{name}"}} 1.0' in figures for name in NAMES)
    found = company.check()
    assert {level for level in found.values() if level == "trouble"} == set()
    assert all(found[f"{name}: from the dialplan"] == "good" for name in NAMES)
    wrong = company.check(LEADLINE_PBX_LVIV_AMI_SECRET="not-the-secret")
    assert wrong["lviv: AMI events account"] == "trouble"
    assert wrong["kyiv: AMI events account"] == "good"


def test_a_dialplan_that_asks_in_the_other_ones_name_is_found(company: Company) -> None:
    lviv = company.pbxes["lviv"]
    address = f"agi://127.0.0.1:{lviv.values.fastagi_port}/route"
    lviv.instance.cli(f"dialplan set global LEADLINE_AGI {address}/kyiv")
    try:
        found = company.check()
    finally:
        lviv.instance.cli(f"dialplan set global LEADLINE_AGI {address}/lviv")
    assert (found["lviv: from the dialplan"], found["kyiv: from the dialplan"]) == ("trouble", "good")


def test_what_each_kept_is_recovered_as_its_own(company: Company, phones: dict[str, Phones]) -> None:
    for name in NAMES:
        phones[name]("101", Behaviour(ring_seconds=0.3))
    company.server.process.kill()
    began = datetime.now(UTC)
    outcomes = [calls.wait_one() for calls in _placed_within_one_second(company)]
    assert [outcome.status for outcome in outcomes] == [200, 200]
    company.server.process.start()
    rows = company.server.await_rows(
        "SELECT * FROM call WHERE recovered AND started_at >= ? ORDER BY pbx", f"{began:%F %T.%f}", count=2, seconds=60
    )
    company.server.process.await_health()
    assert [(row["pbx"], row["result"], row["incomplete"]) for row in rows] == [
        ("kyiv", "answered", 0),
        ("lviv", "answered", 0),
    ]
    assert [row["talk_seconds"] for row in rows] == [pytest.approx(talked(outcome), abs=0.45) for outcome in outcomes]


def test_when_one_dies_the_other_goes_on_and_health_tells_which(company: Company, phones: dict[str, Phones]) -> None:
    phones["kyiv"]("101", Behaviour(ring_seconds=0.3))
    before = len(company.server.rows("SELECT id FROM call WHERE ended_at IS NOT NULL"))
    company.pbxes["lviv"].instance.kill()
    try:
        _, parts = await_value(
            lambda: told if not (told := company.health())[1]["ami lviv"]["healthy"] else None, 10, "health to notice"
        )
        assert parts["ami kyiv"]["healthy"]
        assert company.call("kyiv", MELNYCHENKO, talk_seconds=0.3).wait_one().status == 200
        rows = company.server.await_ended_calls(before + 1)
        assert (rows[-1]["pbx"], rows[-1]["result"], rows[-1]["incomplete"]) == ("kyiv", "answered", 0)
        assert 'leadline_ami_connected{pbx="lviv"} 0.0' in company.figures()
    finally:
        company.pbxes["lviv"].instance.start()
    await_value(lambda: company.health()[0] == 200 or None, 40, "both to be followed again")
