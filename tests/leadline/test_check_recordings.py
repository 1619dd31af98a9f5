"""`leadline check` finds recordings that nobody can hear or delete (C12)."""

from pathlib import Path

import pytest

from leadline.check_recordings import look_at_recordings
from leadline.settings import load_settings
from leads.domain.directory import Directory
from leads.domain.recordings import RecordedCalls, RecordingRule

RECORDS = Directory(version=1, recording=RecordingRule(RecordedCalls.ALL))


def look(monkeypatch: pytest.MonkeyPatch, folder: str, directory: Directory = RECORDS) -> list[tuple[bool, str]]:
    if folder:
        monkeypatch.setenv("LEADLINE_RECORDINGS_FOLDER", folder)
    return [(one.is_trouble, one.detail) for one in look_at_recordings(load_settings(), directory)]


def test_where_nothing_is_recorded_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(monkeypatch, "", Directory(version=1)) == []


def test_recordings_without_a_folder_are_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(monkeypatch, "") == [(True, "calls are recorded, and nobody can hear or delete them")]


def test_the_folder_must_be_usable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert look(monkeypatch, str(tmp_path)) == [(False, f"{tmp_path} can be read and written")]
    ((is_trouble, _detail),) = look(monkeypatch, str(tmp_path / "absent"))
    assert is_trouble
