"""Compares what is on record with what the ends of the calls saw; nothing here comes from Leadline's own code."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from leadline.demo.phones import PhoneCall
from tests.lab.faults.chaos import Fault
from tests.lab.faults.traffic import SeenCall

SAME_CALL = timedelta(seconds=4)
"""Between the caller's INVITE and the record's start; two calls between the same two are further apart."""
JUST_BEGUN = timedelta(seconds=2)
"""A call so young when Asterisk died may have left no trace: what Asterisk tells and keeps is in its memory first."""
TALK_SECONDS = 1.0
_BY_STATUS = {200: "answered", 486: "busy", 487: "cancelled"}

Key = tuple[str, str, str]


@dataclass
class Verdict:
    """How many calls were judged, and everything that is wrong."""

    calls: int = 0
    recovered: int = 0
    incomplete: int = 0
    absent: int = 0
    wrong: list[str] = field(default_factory=list)


def judge(
    seen: Sequence[SeenCall], rung: Sequence[PhoneCall], rows: Sequence[dict[str, Any]], deaths: Sequence[Fault]
) -> Verdict:
    """Compare call by call.

    Args:
        seen: the calls as their callers saw them.
        rung: the calls as phones and the public network saw them.
        rows: the rows of table `call`.
        deaths: when Asterisk was away.
    """
    verdict = Verdict(len(seen))
    by_key: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["role"] == "call":
            by_key[_key_of_row(row)].append(row)
    calls: dict[Key, list[SeenCall]] = defaultdict(list)
    for call in seen:
        calls[_key_of_call(call)].append(call)
    refused = _refused(rung)
    for key, ours in calls.items():
        left = sorted(by_key.pop(key, []), key=_start)
        for call in sorted(ours, key=lambda one: one.started_at):
            row = next((one for one in left if abs(_start(one) - call.started_at) < SAME_CALL), None)
            if row is not None:
                left.remove(row)
            _judge_one(verdict, call, row, refused, deaths)
        verdict.wrong += [f"on record, but nobody called (or twice): {_told(row)}" for row in left]
    for rest in by_key.values():
        verdict.wrong += [f"on record, but nobody called: {_told(row)}" for row in rest]
    return verdict


def _judge_one(
    verdict: Verdict,
    call: SeenCall,
    row: dict[str, Any] | None,
    refused: dict[str, set[int]],
    deaths: Sequence[Fault],
) -> None:
    death = next((one for one in deaths if _died_in(call, one)), None)
    if row is None:
        if death is not None and call.started_at > death.since - JUST_BEGUN:
            verdict.absent += 1
        else:
            verdict.wrong.append(f"not on record: {call}{f' (Asterisk ended {death.since:%T.%f})' if death else ''}")
        return
    verdict.recovered += bool(row["recovered"])
    verdict.incomplete += bool(row["incomplete"])
    expected = _expected(call, refused)
    if row["phase"] != 3:
        verdict.wrong.append(f"still running: {_told(row)}")
    elif death is not None:
        if not row["incomplete"] and row["result"] != expected:
            verdict.wrong.append(f"Asterisk ended in it, yet it is neither marked nor {expected}: {_told(row)}")
    elif row["incomplete"]:
        verdict.wrong.append(f"not seen whole, though Asterisk kept it: {_told(row)} for {call}")
    elif expected is not None and row["result"] != expected:
        verdict.wrong.append(f"{expected}, not {row['result']}: {_told(row)} for {call}")
    elif call.talked is not None and abs((row["talk_seconds"] or 0) - call.talked) > TALK_SECONDS:
        verdict.wrong.append(f"talked {call.talked:.1f} s, not {row['talk_seconds']}: {_told(row)}")


def _died_in(call: SeenCall, death: Fault) -> bool:
    """Whether Asterisk ended while the call went on, as far as its caller knows."""
    margin = timedelta(seconds=0.5)
    return call.started_at < death.until and (call.ended_at is None or call.ended_at > death.since - margin)


def _expected(call: SeenCall, refused: dict[str, set[int]]) -> str | None:
    """The result, by what the caller heard, and where that is only «unavailable», by what the phones said."""
    if call.status in _BY_STATUS:
        return _BY_STATUS[call.status]
    said = refused.get(_digits(call.caller), set())
    if 480 in said:
        return "no-answer"
    return "rejected" if 603 in said else None


def _refused(rung: Sequence[PhoneCall]) -> dict[str, set[int]]:
    """By the caller's number, how phones refused his calls."""
    answers: dict[str, set[int]] = defaultdict(set)
    for one in rung:
        answers[_digits(one.number)] |= {m.status or 0 for m in one.messages if m.sent and m.answers == "INVITE"}
    return answers


def _key_of_call(call: SeenCall) -> Key:
    caller, dialled = _digits(call.caller), _digits(call.dialled)
    if len(caller) > 3:
        return "inbound", caller, dialled
    return ("outbound", caller, dialled) if len(dialled) > 3 else ("internal", caller, dialled)


def _key_of_row(row: dict[str, Any]) -> Key:
    return str(row["direction"]), _digits(row["caller"] or ""), _digits(row["dialled"] or "")


def _digits(number: str) -> str:
    """A number by its last nine digits: national and international form are one."""
    return number.lstrip("+")[-9:]


def _start(row: dict[str, Any]) -> datetime:
    at = row["started_at"]
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    assert isinstance(moment, datetime)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _told(row: dict[str, Any]) -> str:
    names = ("linkedid", "direction", "caller", "dialled", "phase", "result", "talk_seconds", "incomplete", "recovered")
    return f"{_start(row):%T.%f} " + " ".join(f"{name}={row[name]}" for name in names)
