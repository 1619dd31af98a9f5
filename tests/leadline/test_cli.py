"""The command line says what is wrong in words, without a traceback."""

import os
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from leadline.cli import app
from leadline.demo.state import Running, announce, only_run

ARGUMENTS = [["route", "0501234567"], ["defaults"], ["admin", "create", "olena"]]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_a_database_without_tables_is_told(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.db").touch()
    monkeypatch.setenv("LEADLINE_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "The database cannot be used" in result.output
    assert "leadline check" in result.output


@pytest.mark.parametrize("arguments", [*ARGUMENTS, ["check"]])
def test_a_missing_database_is_told_and_not_made(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADLINE_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/folder/none.db")
    monkeypatch.setenv("LEADLINE_AMI_PORT", "1")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code != 0
    assert f"there is no {tmp_path}/folder/none.db" in result.output
    assert "leadline migrate" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["serve"], ["check"], ["migrate"]])
def test_a_database_of_a_newer_leadline_is_told_and_left_alone(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(tmp_path / "newer.db") as newer:
        newer.execute("CREATE TABLE alembic_version (version_num TEXT)")
        newer.execute("INSERT INTO alembic_version VALUES ('9999')")
    monkeypatch.setenv("LEADLINE_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/newer.db")
    monkeypatch.setenv("LEADLINE_AMI_PORT", "1")
    monkeypatch.setenv("LEADLINE_FASTAGI_PORT", "1")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code != 0
    told = result.output.partition("FastAGI")[0]
    assert "is newer than this Leadline: it is at revision 9999" in told
    assert "install the newer Leadline again, or restore the back-up" in told
    assert "leadline migrate" not in told


@pytest.mark.parametrize("arguments", [["route", "0501234567"], ["defaults"], ["check"]])
def test_who_sets_nothing_asks_about_the_demonstration_that_runs_here(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("LEADLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    settings = {"LEADLINE_DATABASE_URL": "sqlite+aiosqlite:///its.db", "LEADLINE_AMI_PORT": "1"}
    with only_run(Path("var")):
        announce(Path("var"), Running("127.0.0.1", 5060, "", "", "UA", "", "demo"), settings)
        assert f"there is no {tmp_path}/its.db" in CliRunner().invoke(app, arguments).output
        monkeypatch.setenv("LEADLINE_DATABASE_URL", "sqlite+aiosqlite:///mine.db")
        assert f"there is no {tmp_path}/mine.db" in CliRunner().invoke(app, arguments).output


def test_a_country_that_is_none_is_refused_by_the_replay(tmp_path: Path) -> None:
    stream = tmp_path / "events.ami.txt"
    stream.write_text("Event: FullyBooted\r\n\r\n")
    result = CliRunner().invoke(app, ["replay", "--region", "XX", str(stream)])
    assert result.exit_code == 2
    assert "--region XX: must be a two-letter country code such as UA" in result.output
    assert CliRunner().invoke(app, ["replay", "--region", "nl", str(stream)]).exit_code == 0
