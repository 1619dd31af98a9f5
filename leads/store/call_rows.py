"""Turns views of calls into rows of table `call` and back; what came from the network is made storable here, once."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from leads.domain.calls import CallView, Direction, Leg, LegKind, Phase, Result, Role, Transfer, TransferType
from leads.domain.views import Halves

_TEXTS = {
    "pbx": 64,
    "linkedid": 150,
    "caller": 200,
    "caller_name": 200,
    "dialled": 200,
    "answered_by": 80,
    "parent_linkedid": 150,
}
_PARTY = 80
_MOST_LEGS = 200
_TIMES = ("started_at", "answered_at", "ended_at")


def one_line(text: str, longest: int) -> str:
    """Text that every database keeps: no control characters (PostgreSQL refuses NUL), no broken letters, cut."""
    if not text.isprintable():
        text = "".join(letter for letter in text if letter.isprintable())
    return text[:longest]


def cleaned(view: CallView) -> CallView:
    """The view as it can be stored, and without the number of a caller who withheld it."""
    changes: dict[str, Any] = {}
    for name, longest in _TEXTS.items():
        text = getattr(view, name)
        if text is not None and (len(text) > longest or not text.isprintable()):
            changes[name] = one_line(text, longest)
    if view.caller_hidden and view.direction is not Direction.OUTBOUND:
        changes["caller"] = changes["caller_name"] = None
    if _is_clean(view):
        return replace(view, **changes) if changes else view
    legs = tuple(
        replace(leg, endpoint=_party(leg.endpoint), number=_party(leg.number)) for leg in view.legs[-_MOST_LEGS:]
    )
    if legs != view.legs:
        changes["legs"] = legs
    transfers = tuple(
        Transfer(t.type, _party(t.by), _party(t.to), t.result, _party(t.answered_by))
        for t in view.transfers[-_MOST_LEGS:]
    )
    if transfers != view.transfers:
        changes["transfers"] = transfers
    return replace(view, **changes) if changes else view


def _is_clean(view: CallView) -> bool:
    """Whether legs and transfers can be stored as they are, as nearly always."""
    if view.transfers or len(view.legs) > _MOST_LEGS:
        return False
    texts = [text for leg in view.legs for text in (leg.endpoint, leg.number) if text is not None]
    return "".join(texts).isprintable() and all(len(text) <= _PARTY for text in texts)


def _party(text: Any) -> Any:
    return None if text is None else one_line(text, _PARTY)


def columns_of(halves: Halves, started_at: datetime) -> dict[str, Any]:
    """The columns that a call's views fill; `started_at` where no view tells it."""
    view = halves.sum()
    return {
        "role": view.role,
        "parent_linkedid": view.parent_linkedid,
        "phase": view.phase,
        "progress": view.progress,
        "direction": view.direction,
        "caller": view.caller,
        "caller_name": view.caller_name,
        "dialled": view.dialled,
        "result": view.result,
        "answered_by": view.answered_by,
        "started_at": view.started_at or started_at,
        "answered_at": view.answered_at,
        "ended_at": view.ended_at,
        "ring_seconds": view.ring_seconds,
        "talk_seconds": view.talk_seconds,
        "transfers": [asdict(transfer) for transfer in view.transfers],
        "legs": [_leg_as_json(leg) for leg in view.legs],
        "incomplete": view.incomplete,
        "recovered": view.recovered,
        "halves": [_as_json(half) for half in halves.all] if _needs_all(halves) else None,
    }


def _leg_as_json(leg: Leg) -> dict[str, Any]:
    """A leg; its kind only where it did not simply ring, because nearly all do."""
    kept: dict[str, Any] = {"endpoint": leg.endpoint, "number": leg.number, "result": leg.result}
    return kept if leg.kind is LegKind.RANG else kept | {"kind": leg.kind}


def halves_of(row: Mapping[Any, Any]) -> Halves:
    """The views that a row was made of."""
    halves = Halves()
    for half in row["halves"] or ():
        halves = halves.with_view(_from_json(half))
    if halves.all:
        return halves
    return halves.with_view(_view(row, hidden=row["caller"] is None and row["direction"] is Direction.INBOUND))


def _needs_all(halves: Halves) -> bool:
    """An end that was seen from the beginning needs nothing beside it."""
    return len(halves.all) > 1 and not (halves.whole is not None and halves.whole.phase is Phase.ENDED)


def _as_json(view: CallView) -> dict[str, Any]:
    times = {name: time.isoformat() if (time := getattr(view, name)) else None for name in _TIMES}
    return asdict(view) | times


def _from_json(kept: dict[str, Any]) -> CallView:
    times = {name: datetime.fromisoformat(kept[name]) if kept[name] else None for name in _TIMES}
    return _view(kept | times, hidden=kept["caller_hidden"])


def _view(row: Mapping[Any, Any], hidden: bool) -> CallView:
    def result(text: str | None) -> Result | None:
        return None if text is None else Result(text)

    return CallView(
        pbx=row["pbx"],
        linkedid=row["linkedid"],
        role=Role(row["role"]),
        phase=Phase(row["phase"]),
        progress=row["progress"],
        direction=None if row["direction"] is None else Direction(row["direction"]),
        caller=row["caller"],
        caller_name=row["caller_name"],
        caller_hidden=hidden,
        dialled=row["dialled"],
        result=result(row["result"]),
        answered_by=row["answered_by"],
        started_at=row["started_at"],
        answered_at=row["answered_at"],
        ended_at=row["ended_at"],
        ring_seconds=row["ring_seconds"],
        talk_seconds=row["talk_seconds"],
        transfers=tuple(
            Transfer(TransferType(t["type"]), t["by"], t["to"], result(t["result"]), t["answered_by"])
            for t in row["transfers"]
        ),
        legs=tuple(
            Leg(leg["endpoint"], leg["number"], result(leg["result"]), LegKind(leg.get("kind", LegKind.RANG)))
            for leg in row["legs"]
        ),
        parent_linkedid=row["parent_linkedid"],
        incomplete=row["incomplete"],
        recovered=row.get("recovered", False),
    )
