"""Compares what a story's ends saw, as its expected.json has it, with what we have on record of it."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from leads.domain.calls import CallView

SECONDS = 1.0
"""By how much ring and talk time may differ."""
Told = Mapping[str, Any]


def as_told(view: CallView) -> dict[str, Any]:
    """A view in the words of expected.json."""
    return {
        "linkedid": view.linkedid,
        "role": view.role,
        "parent_linkedid": view.parent_linkedid,
        "direction": view.direction,
        "caller": party(view.caller),
        "dialled": party(view.dialled),
        "result": view.result,
        "answered_by": party(view.answered_by),
        "ring_seconds": view.ring_seconds,
        "talk_seconds": view.talk_seconds,
        "legs": [
            {"who": party(leg.endpoint), "number": leg.number, "result": leg.result, "kind": leg.kind}
            for leg in view.legs
            if not leg.kind.is_station
        ],
        "stations": [
            {"kind": leg.kind, "name": leg.endpoint, "result": leg.result} for leg in view.legs if leg.kind.is_station
        ],
        "transfers": [
            {
                "type": one.type,
                "by": party(one.by),
                "to": party(one.to),
                "result": one.result,
                "answered_by": party(one.answered_by),
            }
            for one in view.transfers
        ],
    }


def party(text: str | None) -> str | None:
    """A number, or an endpoint's plain name."""
    return text.rpartition("/")[2] if text else text


def differences(expected: Sequence[Told], found: Sequence[Told]) -> list[str]:
    """What is not as expected, a line each; both in the order in which the calls began."""
    if len(expected) != len(found):
        return [f"{len(found)} calls, expected {len(expected)}: {[dict(call) for call in found]}"]
    found = _matched(expected, found)
    return [
        f"call {place}: {line}"
        for place, (want, got) in enumerate(zip(expected, found, strict=True))
        for line in _call(want, got, found)
    ]


def _matched(expected: Sequence[Told], found: Sequence[Told]) -> list[Told]:
    """`found` in the order of `expected`: calls that begin together may be told in either order."""
    rest, matched = list(found), []
    for want in expected:
        same = (call for call in rest if all(call[key] == want[key] for key in ("role", "caller", "dialled")))
        matched.append(next(same, rest[0]))
        rest.remove(matched[-1])
    return matched


def _call(want: Told, got: Told, found: Sequence[Told]) -> list[str]:
    lines = [
        f"{key} {got[key]}, expected {want[key]}"
        for key in ("role", "direction", "caller", "dialled", "result", "answered_by", "transfers", "stations")
        if got[key] != want[key]
    ]
    lines += [
        f"{key} {got[key]}, expected {want[key]}"
        for key in ("ring_seconds", "talk_seconds")
        if got[key] is None or abs(got[key] - want[key]) > SECONDS
    ]
    parent = None if want["parent"] is None else found[want["parent"]]["linkedid"]
    if got["parent_linkedid"] != parent:
        lines.append(f"parent {got['parent_linkedid']}, expected {parent}")
    legs = [_leg(leg) for leg in got["legs"]]
    wanted = [(leg["who"], leg["result"], leg["kind"]) for leg in want["legs"]]
    if sorted(legs) != sorted(wanted) or not _in_order(legs, want["legs"]):
        lines.append(f"legs {legs}, expected {wanted}")
    if "lead" in got and got["lead"] != want["lead"]:
        lines.append(f"lead {got['lead']}, expected {want['lead']}")
    return lines


def _in_order(legs: Sequence[tuple[str | None, ...]], wanted: Sequence[Told]) -> bool:
    """Whether legs that were one after the other are on record so; those that rang together have no order."""
    began = {(leg["who"], leg["result"], leg["kind"]): leg["at"] for leg in reversed(wanted)}
    times = [time for leg in legs if (time := began[leg]) is not None]
    return all(before < after + SECONDS / 4 for before, after in pairwise(times)) or len(began) < len(wanted)


def _leg(leg: Told) -> tuple[str | None, ...]:
    who = leg["number"] if leg["who"] == "trunk" else leg["who"]
    return who, leg["result"], leg["kind"]
