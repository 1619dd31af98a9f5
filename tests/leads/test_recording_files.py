"""The folder of recordings: what is found in it, true lengths, and no way out of it (C12)."""

import os
import struct
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.domain.recordings import RecordedCalls, RecordingPath, RecordingRule
from leads.store.recording_files import HEADER_BYTES, RecordingFolder, RecordingGoneError

GOOD = "2026-03-02/1772442000.7/1772442000.7.wav"


def write_recording(root: Path, path: str = GOOD, seconds: float = 1.0, *, header: bool = True) -> Path:
    """A recording as Asterisk makes it; without `header` as one whose Asterisk was killed while it wrote."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        audio.writeframes(b"\1\0" * int(8000 * seconds))
    if not header:
        with file.open("r+b") as opened:
            for place in (4, 40):
                opened.seek(place)
                opened.write(struct.pack("<I", 0))
    return file


def read_whole(folder: RecordingFolder, path: str = GOOD) -> bytes:
    with folder.open(path) as audio:
        start, parts = 0, []
        while part := audio.read(start, 1000):
            parts.append(part)
            start += len(part)
        return b"".join(parts)


def test_a_recording_is_read_as_it_is(tmp_path: Path) -> None:
    file = write_recording(tmp_path, seconds=1.5)
    folder = RecordingFolder(tmp_path)
    assert read_whole(folder) == file.read_bytes()
    with folder.open(GOOD) as audio:
        assert audio.seconds == 1.5


def test_a_length_that_was_never_written_is_made_good(tmp_path: Path) -> None:
    whole = write_recording(tmp_path).read_bytes()
    write_recording(tmp_path, header=False)
    assert read_whole(RecordingFolder(tmp_path)) == whole


@pytest.mark.parametrize(
    "path",
    [
        "../secret.wav",
        "/etc/passwd",
        "2026-03-02/../../secret.wav",
        "2026-03-02/../secret.wav",
        "2026-03-02/x/..",
        "2026-03-02/x/.wav",
        "2026-03-02/x/a.wav/",
        "2026-03-02//a.wav",
        "2026-13-02/x/a.wav",
        "2026-03-02/x/a.wav\0",
        "2026-03-02/x/a.mp3",
        "2026-03-02\\x\\a.wav",
        "",
        "a" * 300,
    ],
)
def test_a_path_that_the_dialplan_does_not_write_is_none(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.wav").write_bytes(b"secret")
    root = tmp_path / "recordings"
    write_recording(root)
    folder = RecordingFolder(root)
    with pytest.raises(RecordingGoneError), folder.open(path):
        pass
    with pytest.raises(RecordingGoneError):
        folder.delete(path)
    assert (tmp_path / "secret.wav").exists()


@given(path=st.text(alphabet="./\\a0-:_ \0", max_size=40))
def test_no_text_is_read_as_a_path_that_leads_out(path: str) -> None:
    try:
        read = RecordingPath.read(path)
    except ValueError:
        return
    assert os.path.normpath(f"/root/{read}") == f"/root/{path}"


@pytest.mark.parametrize("linked", ["day", "call", "file"])
def test_no_link_is_followed(tmp_path: Path, linked: str) -> None:
    outside = tmp_path / "outside"
    write_recording(outside)
    root = tmp_path / "recordings"
    part = Path(GOOD) if linked == "file" else list(Path(GOOD).parents)[0 if linked == "call" else 1]
    (root / part).parent.mkdir(parents=True)
    (root / part).symlink_to(outside / part)
    folder = RecordingFolder(root)
    with pytest.raises(RecordingGoneError), folder.open(GOOD):
        pass
    assert folder.changes("2026-03-02") == []
    folder.delete(GOOD)
    assert (outside / GOOD).exists()


def test_a_device_or_a_pipe_is_no_recording(tmp_path: Path) -> None:
    file = tmp_path / GOOD
    file.parent.mkdir(parents=True)
    os.mkfifo(file)
    folder = RecordingFolder(tmp_path)
    with pytest.raises(RecordingGoneError), folder.open(GOOD):
        pass
    assert folder.changes("2026-03-02") == []


def test_changes_are_told_once_but_empty_files_until_they_grow(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path)
    assert folder.days() == []
    write_recording(tmp_path)
    empty = write_recording(tmp_path, "2026-03-02/1772442111.8/1772442111.8.wav", 0)
    (tmp_path / "2026-03-02" / "notes").mkdir()
    (tmp_path / "lost+found").mkdir()
    assert folder.days() == ["2026-03-02"]
    assert sorted((str(found.path), found.is_empty) for found in folder.changes("2026-03-02")) == [
        (GOOD, False),
        ("2026-03-02/1772442111.8/1772442111.8.wav", True),
    ]
    assert [found.size for found in folder.changes("2026-03-02")] == [HEADER_BYTES]
    with empty.open("ab") as file:
        file.write(b"\0" * 320)
    assert [found.is_empty for found in folder.changes("2026-03-02")] == [False]
    assert folder.changes("2026-03-02") == []
    write_recording(tmp_path, "2026-03-02/1772442000.7/1772442099.9.wav")
    assert len(folder.changes("2026-03-02")) == 2


def test_deleting_removes_the_file_and_the_calls_folder_when_it_is_empty(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path)
    first, second = write_recording(tmp_path), write_recording(tmp_path, "2026-03-02/1772442000.7/2.wav")
    folder.delete(GOOD)
    assert (first.exists(), second.exists()) == (False, True)
    folder.delete(GOOD)
    folder.delete("2026-03-02/1772442000.7/2.wav")
    assert not first.parent.exists()
    folder.remove_empty_day("2026-03-02")
    assert list(tmp_path.iterdir()) == []


def test_the_companys_choice() -> None:
    ours, other = "+380441234567", "+380441234568"
    chosen = RecordingRule(RecordedCalls.BY_NUMBER, frozenset({ours}), frozenset({"PJSIP/101"}))
    assert (chosen.records_inbound(ours), chosen.records_inbound(other), chosen.records_inbound(None)) == (
        True,
        False,
        False,
    )
    assert (chosen.records_every_outgoing, chosen.outgoing_phones) == (False, {"PJSIP/101"})
    table = {
        RecordedCalls.NONE: (False, False),
        RecordedCalls.ALL: (True, True),
        RecordedCalls.INBOUND: (True, False),
        RecordedCalls.OUTBOUND: (False, True),
    }
    for calls, (inbound, outgoing) in table.items():
        rule = RecordingRule(calls, frozenset({ours}), frozenset({"PJSIP/101"}))
        assert (rule.records_inbound(None), rule.records_every_outgoing) == (inbound, outgoing)
        assert rule.outgoing_phones == frozenset()
