"""`leadline check` and `leadline route` as an operator runs them, against a real Asterisk and the real server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.lab.conftest import LeadlineServer, Pbx, running_server


@pytest.fixture(scope="module")
def leadline_server(
    asterisk: Pbx, filled_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LeadlineServer]:
    """One server for all of these: they only look."""
    with running_server(asterisk, filled_database, tmp_path_factory.mktemp("server")) as server:
        yield server


def leadline(settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEADLINE_")}
    return subprocess.run(
        [sys.executable, "-m", "leadline", *arguments],
        env={**environment, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def findings(settings: Mapping[str, str]) -> tuple[int, dict[str, dict[str, str]]]:
    run = leadline(settings, "check", "--json")
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    return run.returncode, {f"{row['name']}/{row['level']}": row for row in rows}


def test_a_whole_installation_is_found_whole(leadline_server: LeadlineServer, asterisk: Pbx) -> None:
    cel = asterisk.instance.log / "cel-custom" / "leadline.csv"
    status, found = findings({**leadline_server.settings, "LEADLINE_CEL_SOURCE": f"csv:{cel}"})
    assert {name for name in found if not name.endswith("/good")} == set()
    assert {
        "copy in Asterisk/good",
        "from the dialplan/good",
        "call events/good",
        "CEL/good",
        "call records/good",
        "clock/good",
    } <= set(found)
    assert status == 0


def test_without_the_control_account_the_rest_is_still_looked_at(leadline_server: LeadlineServer) -> None:
    status, found = findings({**leadline_server.settings, "LEADLINE_AMI_CONTROL_SECRET": ""})
    assert {"from the dialplan/note", "copy in Asterisk/note"} <= set(found)
    assert status == 0


def test_a_copy_that_differs_is_found(leadline_server: LeadlineServer, asterisk: Pbx) -> None:
    asterisk.instance.cli('database put leadline-number +380990000000 "1|Nobody"')
    try:
        status, found = findings(leadline_server.settings)
    finally:
        asterisk.instance.cli("database del leadline-number +380990000000")
    assert "1 are there that nobody has" in found["copy in Asterisk/trouble"]["detail"]
    assert status != 0


@pytest.mark.parametrize(
    ("wrong", "finding", "mend"),
    [
        ({"LEADLINE_AMI_SECRET": "not-the-secret"}, "AMI events account/trouble", "manager.conf"),
        ({"LEADLINE_AMI_PORT": "1"}, "AMI events account/trouble", "LEADLINE_AMI"),
        ({"LEADLINE_FASTAGI_PORT": "1"}, "FastAGI/trouble", "leadline serve"),
        ({"LEADLINE_DEFAULT_EXTENSION": "777"}, "default phone/trouble", "LEADLINE_DEFAULT_EXTENSION"),
        ({"LEADLINE_CEL_SOURCE": "csv:/nowhere/cel.csv"}, "call records/trouble", "LEADLINE_CEL_SOURCE"),
        ({"LEADLINE_TRUNKS": "PJSIP/othertrunk*"}, "trunks/trouble", "LEADLINE_TRUNKS"),
        ({"LEADLINE_DATABASE_URL": "sqlite+aiosqlite:///:memory:"}, "database/trouble", "leadline migrate"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_is_wrong_is_named_with_its_mend(
    leadline_server: LeadlineServer, wrong: dict[str, str], finding: str, mend: str
) -> None:
    status, found = findings({**leadline_server.settings, **wrong})
    assert mend in found[finding]["mend"]
    assert status == 1


def test_that_calls_are_led_past_us_is_told(leadline_server: LeadlineServer, asterisk: Pbx) -> None:
    asterisk.instance.cli("database put leadline bypass 1")
    try:
        status, found = findings(leadline_server.settings)
    finally:
        asterisk.instance.cli("database del leadline bypass")
    assert "database del leadline bypass" in found["bypass/note"]["mend"]
    assert status == 0


def test_too_many_rights_are_found(leadline_server: LeadlineServer, asterisk: Pbx) -> None:
    account = {
        "LEADLINE_AMI_USERNAME": "leadline-control",
        "LEADLINE_AMI_SECRET": asterisk.values.ami_control_secret or "",
    }
    status, found = findings({**leadline_server.settings, **account})
    assert "more rights" in found["AMI rights/trouble"]["detail"]
    assert "call events/trouble" in found
    assert status == 1


def test_the_dry_run_shows_chain_name_and_reasons(leadline_server: LeadlineServer) -> None:
    [lead] = leadline_server.rows(
        "SELECT p.number, l.name FROM lead l JOIN phone_number p ON p.lead_id = l.id WHERE l.responsible_id IS NOT NULL"
        " ORDER BY l.id LIMIT 1"
    )
    run = leadline(leadline_server.settings, "route", lead["number"], "--to", "0441234567", "--json")
    decision = json.loads(run.stdout)
    assert decision["name"] == lead["name"]
    assert decision["did"] == "+380441234567"
    assert len(decision["steps"]) > 1
    assert decision["reasons"]
    assert all(ring["number"] for step in decision["steps"] for ring in step["phones"])
    hidden = leadline(leadline_server.settings, "route", "anonymous", "--to", "0441234567")
    assert "hidden" in hidden.stdout
    assert hidden.returncode == 0
