"""Compares what is on record with what the ends of the calls saw; nothing here comes from Leadline's own code."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from leadline.demo.phones import PhoneCall
from tests.lab.faults.chaos import Chaos, Fault
from tests.lab.faults.traffic import SeenCall

SAME_CALL = timedelta(seconds=4)
"""Between the caller's INVITE and the record's start, at most."""
JUST_BEGUN = timedelta(seconds=2)
"""A call so young when Asterisk died may have left no trace: what Asterisk tells and keeps is in its memory first."""
TALK_SECONDS = 2.0
"""Asterisk itself takes a BYE up to a second late while servers and databases start anew beside it."""
_ASKED_FOR_PASSWORD = 401
"""What a caller has seen last whose own Asterisk did not go on with his call."""
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


def judge(seen: Sequence[SeenCall], rung: Sequence[PhoneCall], rows: Sequence[dict[str, Any]], chaos: Chaos) -> Verdict:
    """Compare call by call.

    Args:
        seen: the calls as their callers saw them.
        rung: the calls as phones and the public network saw them.
        rows: the rows of table `call`.
        chaos: what broke when.
    """
    verdict, deaths = Verdict(len(seen)), chaos.of("asterisk")
    calls: dict[Key, list[SeenCall]] = defaultdict(list)
    for call in seen:
        calls[_key_of_call(call)].append(call)
    by_key: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["role"] == "call":
            by_key[_key_of_row(row, calls)].append(row)
    refused = _refused(rung)
    for key, ours in calls.items():
        left = by_key.pop(key, [])
        for call, row in _pairs(ours, left):
            _judge_one(verdict, call, row, refused, deaths)
            if row is not None:
                left.remove(row)
                _judge_mark(verdict, call, row, chaos)
        verdict.wrong += [f"on record, but nobody called (or twice): {_told(row)}" for row in left]
    for rest in by_key.values():
        verdict.wrong += [f"on record, but nobody called: {_told(row)}" for row in rest]
    return verdict


def _pairs(calls: Sequence[SeenCall], rows: Sequence[dict[str, Any]]) -> list[tuple[SeenCall, dict[str, Any] | None]]:
    """Each call with its row: the two that are closest in time first, because the same two call each other often."""
    near = sorted(
        (abs(_start(row) - call.started_at), i, j) for i, call in enumerate(calls) for j, row in enumerate(rows)
    )
    row_of: dict[int, int] = {}
    for apart, i, j in near:
        if apart < SAME_CALL and i not in row_of and j not in row_of.values():
            row_of[i] = j
    return [(call, rows[row_of[i]] if i in row_of else None) for i, call in enumerate(calls)]


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
        told_before_the_answer = call.answered_at is not None and call.answered_at > death.since - JUST_BEGUN
        if not row["incomplete"] and expected is not None and row["result"] != expected and not told_before_the_answer:
            verdict.wrong.append(f"Asterisk ended in it, yet it is neither marked nor {expected}: {_told(row)}")
    elif row["incomplete"] and call.status != _ASKED_FOR_PASSWORD:
        verdict.wrong.append(f"not seen whole, though Asterisk kept it: {_told(row)} for {call}")
    elif expected is not None and row["result"] != expected:
        verdict.wrong.append(f"{expected}, not {row['result']}: {_told(row)} for {call}")
    elif call.talked is not None and abs((row["talk_seconds"] or 0) - call.talked) > TALK_SECONDS:
        verdict.wrong.append(f"talked {call.talked:.1f} s, not {row['talk_seconds']}: {_told(row)}")


def _judge_mark(verdict: Verdict, call: SeenCall, row: dict[str, Any], chaos: Chaos) -> None:
    """What nobody heard of live is marked as recovered, what was heard from beginning to end is not."""
    if call.ended_at is None:
        return
    if call.ended_at < chaos.quiet_until and row["recovered"]:
        verdict.wrong.append(f"marked as recovered, though nothing broke in it: {_told(row)}")
    unheard = (down for down in chaos.unheard() if down.since < call.started_at and call.ended_at < down.until)
    if any(unheard) and not row["recovered"] and not row["incomplete"]:
        verdict.wrong.append(f"not marked, though nobody was there in it: {_told(row)}")


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


def _key_of_row(row: dict[str, Any], calls: Mapping[Key, Sequence[SeenCall]]) -> Key:
    """Whom a caller dialled may be unknown where Asterisk began to tell and to keep only after the call had begun."""
    direction, caller, dialled = str(row["direction"]), _digits(row["caller"] or ""), _digits(row["dialled"] or "")
    if row["incomplete"] and not dialled:
        near = {
            key[2]: min(abs(_start(row) - call.started_at) for call in ours)
            for key, ours in calls.items()
            if key[:2] == (direction, caller)
        }
        dialled = min(near, key=near.__getitem__, default="")
    return direction, caller, dialled


def _digits(number: str) -> str:
    """A number by its last nine digits: national and international form are one."""
    return number.lstrip("+")[-9:]


def _start(row: dict[str, Any]) -> datetime:
    return _moment(row["started_at"])


def _moment(at: object) -> datetime:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    assert isinstance(moment, datetime)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _told(row: dict[str, Any]) -> str:
    names = ("linkedid", "direction", "caller", "dialled", "phase", "result", "talk_seconds", "incomplete", "recovered")
    return f"{_start(row):%T.%f} " + " ".join(f"{name}={row[name]}" for name in names)


def judge_leads(leads: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> list[str]:
    """What is wrong with the leads: one for each outside number, and each call from outside with its own."""
    by_number: dict[str, list[int]] = defaultdict(list)
    for lead in leads:
        by_number[lead["main_number"]].append(lead["id"])
    wrong = [f"{number} has {len(ids)} leads" for number, ids in by_number.items() if len(ids) > 1]
    for row in rows:
        number = row["outside_number"]
        if number is not None and by_number.get(number) != [row["lead_id"]] and row["result"] != "failed":
            wrong.append(f"a call with the lead {row['lead_id']}, not {by_number.get(number)}: {_told(row)}")
    return wrong


def judge_outages(outages: Sequence[dict[str, Any]], faults: Sequence[Fault]) -> list[str]:
    """The faults that lasted and are not among the outages."""
    times = [(_moment(row["started_at"]), _moment(row["ended_at"])) for row in outages if row["ended_at"] is not None]
    wrong = [f"an outage lasts, though all is well: {row}" for row in outages if row["ended_at"] is None]
    return wrong + [
        f"no outage is on record for {fault}"
        for fault in faults
        if not any(start < fault.until and end > fault.since for start, end in times)
    ]
