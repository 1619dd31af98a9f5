"""The command line says what is wrong in words, without a traceback."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from leadline.cli import app


@pytest.mark.parametrize("arguments", [["route", "0501234567"], ["defaults"], ["admin", "create", "olena"]])
def test_a_database_without_tables_is_told(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADLINE_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "The database cannot be used" in result.output
    assert "leadline check" in result.output
