"""Tells which calls a recorded AMI stream or a table of CEL stands for, by the code that follows live ones: tracker,
intake, store.

The database is in memory and ends with the replay.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from ami_listener.ami_events import WANTED
from ami_listener.cel_calls import calls_of_rows
from ami_listener.cel_rows import CelError, csv_rows
from ami_listener.replay_start import missing_listing
from ami_listener.tracker import Tracker
from ami_listener.trunks import trunk_matcher
from ami_listener.wire import Decoder, HeaderLines, WireError
from leads.domain.calls import CallView, Role, Transfer
from leads.domain.intake import Intake
from leads.store.calls import CallWriter
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.migrate import upgrade_database
from leads.store.replayed import ReplayedLead, add_phones, leads_of_calls

PBX = "replay"
CHUNK = 256 * 1024
END = b"\n\n"
"""Ends the last message of a recording that was cut off."""
BATCH = 1000
_WORD = re.compile(r"[\w.]+")


IsTrunk = Callable[[str], bool]
ReadCalls = Callable[[Path, IsTrunk], list[CallView]]


class ReplayError(Exception):
    """The file is no recording that can be replayed; the text says why."""


@dataclass(frozen=True, slots=True)
class ReplayedCall:
    """One call of a recording, with the lead that the intake gave it."""

    view: CallView
    lead: ReplayedLead | None


def calls_of_stream(path: Path, is_trunk: IsTrunk) -> list[CallView]:
    """The calls of a recorded AMI stream, in the order in which they began.

    Raises:
        ReplayError: the file cannot be read, or holds no AMI events.
    """
    tracker = Tracker(PBX, is_trunk)
    calls: dict[str, CallView] = {}
    for event in chain(missing_listing(_events(path)), _events(path)):
        for view in tracker.feed(event, None):
            calls[view.linkedid] = view
    return list(calls.values())


def calls_of_cel(path: Path, is_trunk: IsTrunk) -> list[CallView]:
    """The calls of a table of CEL as CSV, in the order in which they began; times without a zone are UTC.

    Raises:
        ReplayError: the file cannot be read, or one of its lines; the text names the line and the mend.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            return calls_of_rows(csv_rows(file), PBX, is_trunk)
    except OSError as error:
        raise ReplayError(f"{path}: {error.strerror or error}") from None
    except CelError as error:
        raise ReplayError(f"{path}: {error}") from None


async def replay(
    path: Path, trunks: Sequence[str], region: str, read: ReadCalls = calls_of_stream
) -> list[ReplayedCall]:
    """Replay a recording and give its calls in the order in which they began.

    Args:
        path: the recording.
        trunks: patterns of the channels that are trunks.
        region: ISO 3166 alpha-2 code of the country whose national numbers these are.
        read: reads it, as AMI events in wire form or as CEL.

    Raises:
        ReplayError: as `read`.
    """
    is_trunk = trunk_matcher(trunks)
    return await _take_in(read(path, is_trunk), is_trunk, region)


async def replay_json_lines(
    path: Path, trunks: Sequence[str], region: str, read: ReadCalls = calls_of_stream
) -> list[str]:
    """One JSON object for each call; arguments and errors as `replay`."""
    return [json.dumps(call_as_json(call), ensure_ascii=False) for call in await replay(path, trunks, region, read)]


async def replay_table(path: Path, trunks: Sequence[str], region: str, read: ReadCalls = calls_of_stream) -> list[str]:
    """The calls as a table for people; arguments and errors as `replay`."""
    calls = await replay(path, trunks, region, read)
    if not calls:
        return ["No calls in this recording."]
    rows = [_HEADINGS, *(_row(call) for call in calls)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = []
    for number, row in enumerate(rows):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number:
            lines.extend(f"    {detail}" for detail in _details(calls[number - 1]))
    return lines


def call_as_json(call: ReplayedCall) -> dict[str, Any]:
    """A call in the words of `leadline replay --json`."""
    view = call.view
    return {
        "linkedid": view.linkedid,
        "role": view.role,
        "direction": view.direction,
        "caller": _party(view.caller),
        "dialled": _party(view.dialled),
        "result": view.result,
        "answered_by": _party(view.answered_by),
        "started_at": _time(view.started_at),
        "answered_at": _time(view.answered_at),
        "ended_at": _time(view.ended_at),
        "ring_seconds": view.ring_seconds,
        "talk_seconds": view.talk_seconds,
        "transfers": [_transfer(transfer) for transfer in view.transfers],
        "legs": [
            {"endpoint": _party(leg.endpoint), "number": leg.number, "result": leg.result, "kind": leg.kind}
            for leg in view.legs
            if not leg.kind.is_station
        ],
        "stations": [
            {"kind": leg.kind, "name": leg.endpoint, "result": leg.result} for leg in view.legs if leg.kind.is_station
        ],
        "lead": _lead(call.lead),
    }


def _transfer(transfer: Transfer) -> dict[str, Any]:
    return {
        "type": transfer.type,
        "by": _party(transfer.by),
        "to": _party(transfer.to),
        "result": transfer.result,
        "answered_by": _party(transfer.answered_by),
    }


def _lead(lead: ReplayedLead | None) -> dict[str, Any] | None:
    if lead is None:
        return None
    return {"number": lead.number, "name": lead.name, "responsible": _party(lead.responsible)}


def _party(party: str | None) -> str | None:
    """A number, or an endpoint's plain name: `101` of `PJSIP/101`."""
    return party.rpartition("/")[2] if party else party


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _events(path: Path) -> Iterator[HeaderLines]:
    """The events of a recording that mean something to calls, read piece by piece."""
    decoder = Decoder(WANTED)
    found = strange = False
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK) or END:
                for block in decoder.frames(chunk):
                    event = HeaderLines(block)
                    found = found or _is_word(event.get("Event") or event.get("Response"))
                    strange = strange or not found
                    yield event
                if chunk is END:
                    break
            silent = _is_word(decoder.version) and not strange and not decoder.skipped
            if not found and not silent:
                _refuse_without_events(path, file)
    except OSError as error:
        raise ReplayError(f"{path}: {error.strerror or error}") from None
    except WireError as error:
        raise ReplayError(f"{path}: this is no AMI stream: {error}") from None


def _is_word(told: str | None) -> bool:
    """Whether this is one word, as the names of events and the version of a banner are."""
    return _WORD.fullmatch(told or "") is not None


def _refuse_without_events(path: Path, file: BinaryIO) -> None:
    """Raise ReplayError unless a line names an event; those that mean nothing to calls were skipped unread."""
    file.seek(0)
    returns = False
    for line in file:
        name, _colon, told = line.rstrip(b"\r\n").decode("utf-8", "replace").partition(":")
        if name == "Event" and _is_word(told.strip()):
            return
        returns = returns or b"\r" in line.rstrip(b"\r\n")
    ended = "; its lines end with CR alone" if returns else ""
    raise ReplayError(
        f"{path}: no AMI events in it{ended}. A recording holds what Asterisk sends: lines such as `Event: Newchannel`,"
        " each ended by CR LF or LF, and an empty line after each event"
    )


async def _take_in(views: list[CallView], is_trunk: IsTrunk, region: str) -> list[ReplayedCall]:
    database = Database("sqlite+aiosqlite://")
    try:
        await upgrade_database(database)
        async with database.write() as session:
            add_phones(session, _phones(views, is_trunk), datetime.now(UTC))
        directory = DirectoryCache(database)
        await directory.refresh()
        writer = CallWriter(database, directory, region, lambda: datetime.now(UTC))
        for start in range(0, len(views), BATCH):
            await writer.write(views[start : start + BATCH], [])
        async with database.read() as session:
            leads = await leads_of_calls(session, PBX)
        intake = Intake(directory.current, region)
        return [ReplayedCall(intake.as_meant(view), leads.get(view.linkedid)) for view in views]
    finally:
        await database.dispose()


def _phones(views: list[CallView], is_trunk: IsTrunk) -> list[tuple[str, str | None]]:
    """The phones of a recording, each with the number that it was called by where one tells it."""
    numbers: dict[str, str | None] = {}
    for view in views:
        for leg in view.legs:
            if not leg.kind.is_station and not is_trunk(f"{leg.endpoint}-0"):
                numbers[leg.endpoint] = numbers.get(leg.endpoint) or leg.number
    return list(numbers.items())


_HEADINGS = ("Call", "Started", "Direction", "Caller", "Dialled", "Result", "Answered by", "Ring", "Talk", "Lead")


def _row(call: ReplayedCall) -> tuple[str, ...]:
    view = call.view
    return (
        view.linkedid,
        view.started_at.strftime("%Y-%m-%d %H:%M:%S") if view.started_at else "-",
        "consultation" if view.role is Role.CONSULTATION else view.direction or "-",
        "hidden" if view.caller_hidden else _party(view.caller) or "-",
        _party(view.dialled) or "-",
        view.result or "running",
        _party(view.answered_by) or "-",
        _duration(view.ring_seconds),
        _duration(view.talk_seconds),
        call.lead.number if call.lead else "-",
    )


def _duration(seconds: float | None) -> str:
    return "-" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _details(call: ReplayedCall) -> Iterator[str]:
    for leg in call.view.legs:
        if leg.kind.is_station:
            yield f"{leg.kind} {leg.endpoint}: {leg.result or '-'}"
            continue
        yield f"{_party(leg.endpoint)} ({leg.number or 'number unknown'}): {leg.result or 'ringing'}"
    for transfer in call.view.transfers:
        by, to = _party(transfer.by), _party(transfer.to)
        yield f"{transfer.type} transfer by {by} to {to}: {transfer.result or 'ringing'}"
    if call.lead is not None:
        yield f"lead {call.lead.name}, responsible: {_party(call.lead.responsible) or 'nobody yet'}"
