"""Replaying recordings: through tracker, intake and store to what is printed."""

import json
from pathlib import Path

import pytest

from ami_listener.replay import ReplayError, replay, replay_json_lines, replay_table
from ami_listener.trunks import trunk_matcher
from tests.ami_listener.stories import Pbx

TRUNKS = ("PJSIP/trunk*",)
BANNER = b"Asterisk Call Manager/11.0.0\n"
EVENTS = b"Event: VarSet\nVariable: A\nValue: b\n\nEvent: FullyBooted\nStatus: Fully Booted\n\n"


def write(path: Path, pbx: Pbx) -> Path:
    blocks = ("".join(f"{name}: {value}\r\n" for name, value in event.items()) for event in pbx.events)
    path.write_bytes(("Asterisk Call Manager/11.0.0\r\n" + "\r\n".join(blocks)).encode())
    return path


def recording(path: Path) -> Path:
    pbx = Pbx()
    a = pbx.inbound("0501234567", "0441234567")
    pbx.wait(5)
    b = pbx.ring(a, "101")
    pbx.answer(a, b)
    pbx.wait(60)
    pbx.part("b1", a, b)
    c = pbx.inbound("anonymous", "0441234567")
    pbx.hangup(c, 0)
    d = pbx.channel("101", "101", "102", state="4")
    pbx.refuse(d, pbx.ring(d, "102"), "BUSY", 17)
    pbx.hangup(d, 17)
    return write(path / "stream.txt", pbx)


async def test_json_lines_hold_every_call_with_its_lead(tmp_path: Path) -> None:
    inbound, hidden, internal = [
        json.loads(line) for line in await replay_json_lines(recording(tmp_path), TRUNKS, "UA")
    ]
    assert inbound == {
        "linkedid": "1763726400.1",
        "role": "call",
        "direction": "inbound",
        "caller": "0501234567",
        "dialled": "0441234567",
        "result": "answered",
        "answered_by": "101",
        "started_at": "2026-11-21T12:00:00+00:00",
        "answered_at": "2026-11-21T12:00:05+00:00",
        "ended_at": "2026-11-21T12:01:05+00:00",
        "ring_seconds": 5.0,
        "talk_seconds": 60.0,
        "transfers": [],
        "legs": [{"endpoint": "101", "number": "101", "result": "answered", "kind": "rang"}],
        "stations": [],
        "lead": {"number": "+380501234567", "name": "+380501234567", "responsible": "101"},
    }
    assert (hidden["result"], hidden["lead"]) == ("cancelled", None)
    assert (internal["direction"], internal["result"], internal["lead"]) == ("internal", "busy", None)


async def test_region_completes_national_numbers(tmp_path: Path) -> None:
    first, *_ = await replay(recording(tmp_path), TRUNKS, "PL")
    assert first.lead is not None
    assert first.lead.number.startswith("+48")


async def test_table_is_for_people(tmp_path: Path) -> None:
    lines = await replay_table(recording(tmp_path), TRUNKS, "UA")
    text = "\n".join(lines)
    assert lines[0].split()[:3] == ["Call", "Started", "Direction"]
    assert "0501234567" in text
    assert "101 (101): answered" in text
    assert "lead +380501234567, responsible: 101" in text
    assert "hidden" in text
    assert "1:00" in text


async def test_stream_that_stops_in_the_midst_of_a_call(tmp_path: Path) -> None:
    pbx = Pbx()
    pbx.ring(pbx.inbound(), "101")
    (line,) = await replay_json_lines(write(tmp_path / "cut.txt", pbx), TRUNKS, "UA")
    call = json.loads(line)
    assert (call["result"], call["ended_at"], call["lead"]["number"]) == (None, None, "+380501234567")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no AMI events"),
        (b"\x7fELF\x00\x01" * 1000, "no AMI events"),
        (b"x" * 3_000_000, "no AMI stream"),
        (b"hello: world\n\n", "no AMI events"),
        (EVENTS.replace(b"\n", b"\r"), "no AMI events in it; its lines end with CR alone. .* ended by CR LF or LF"),
        (BANNER + EVENTS.replace(b"\n", b"\r"), "its lines end with CR alone"),
        ((BANNER + EVENTS).replace(b"\n", b"\r"), "its lines end with CR alone"),
        (b"Response: Success\rMessage: ok\r\r" + EVENTS.replace(b"\n", b"\r"), "its lines end with CR alone"),
        (BANNER + b"hello: world\n\n", "no AMI events"),
    ],
    ids=[
        *("empty", "binary", "one endless line", "something else"),
        *("events ended by CR", "the same after a banner", "with a banner ended by CR", "with an answer before"),
        "something else after a banner",
    ],
)
async def test_what_is_no_recording_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ReplayError, match=reason) as refused:
        await replay(path, TRUNKS, "UA")
    assert str(path) in str(refused.value)


async def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="No such file"):
        await replay(tmp_path / "nothing", TRUNKS, "UA")
    with pytest.raises(ReplayError, match="directory"):
        await replay(tmp_path, TRUNKS, "UA")


@pytest.mark.parametrize(
    "content",
    [
        b"Event: FullyBooted\r\n\r\n",
        b"Event: VarSet\nVariable: A\nValue: b\rc\n\n",
        BANNER,
        BANNER + b"Response: Success\nMessage: Authentication accepted\n\n",
    ],
    ids=["a start", "an event that tells nothing", "a banner", "a login"],
)
async def test_recording_without_calls(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "quiet.txt"
    path.write_bytes(content)
    assert await replay(path, TRUNKS, "UA") == []
    assert await replay_table(path, TRUNKS, "UA") == ["No calls in this recording."]


def test_trunk_patterns_fit_channels_with_and_without_their_number() -> None:
    is_trunk = trunk_matcher(("PJSIP/trunk", "SIP/line-*"))
    assert is_trunk("PJSIP/trunk-0000002a")
    assert is_trunk("SIP/line-b-0000002a")
    assert not is_trunk("PJSIP/trunk2-0000002a")
    assert not is_trunk("PJSIP/101-0000002a")
