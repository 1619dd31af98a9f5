"""`leadline check` tells call records that have yet to begin from those that cannot be read (C3)."""

from pathlib import Path

import pytest

from leadline.check_cel import look_at_call_records
from leadline.findings import Finding, Level
from leadline.settings import load_settings


async def look(monkeypatch: pytest.MonkeyPatch, folder: Path, *, control: str = "") -> Finding:
    monkeypatch.setenv("LEADLINE_DATABASE_URL", f"sqlite+aiosqlite:///{folder}/none.db")
    monkeypatch.setenv("LEADLINE_CEL_SOURCE", f"csv:{folder}/cel/leadline.csv")
    monkeypatch.setenv("LEADLINE_AMI_CONTROL_SECRET", control)
    settings = load_settings()
    (found,) = await look_at_call_records(settings, settings)
    return found


async def test_a_file_that_no_call_has_made_yet_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cel").mkdir()
    found = await look(monkeypatch, tmp_path)
    assert (found.level, found.mend) == (Level.NOTE, "make a call, and check again")
    (tmp_path / "cel/leadline.csv").touch()
    assert (await look(monkeypatch, tmp_path)).level is Level.GOOD


async def test_a_file_that_the_check_s_own_call_did_not_make_is_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cel").mkdir()
    found = await look(monkeypatch, tmp_path, control="secret")
    assert found.is_trouble
    assert "module load cel_custom.so" in found.mend


async def test_a_folder_that_is_not_there_is_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await look(monkeypatch, tmp_path)
    assert found.is_trouble
    assert "LEADLINE_CEL_SOURCE" in found.mend
