"""Makes the value that the store and the panel see from what the tracker knows of a call."""

from datetime import datetime
from typing import Any

from ami_listener.model import LINE_DIGITS, Call, Channel, Kind, LegState, StationState, TransferState
from ami_listener.results import result_without_legs, says_why, unanswered_result
from leads.domain.calls import CallView, Direction, Leg, LegKind, Phase, Result, Role, Transfer


def new_view(call: Call, pbx: str) -> CallView | None:
    """Show a call as it is now, None when that is as it was last shown.

    Everything is made anew from what is known of the call, so a later event can still correct all of it.
    """
    facts = _facts(call)
    if facts == call.last_facts:
        return None
    call.last_facts = facts
    call.progress += 1
    return CallView(pbx=pbx, linkedid=call.linkedid, progress=call.progress, **facts)


def _facts(call: Call) -> dict[str, Any]:
    caller = call.caller
    shared = _shared_numbers(call)
    return {
        "role": call.role,
        "phase": Phase.ENDED if call.ended else Phase.TALKING if call.answered else Phase.RINGING,
        "direction": direction_of(call),
        "caller": caller_of(caller, call, shared) if caller else None,
        "caller_name": caller.caller_name if caller else None,
        "caller_hidden": caller.hidden if caller else False,
        "dialled": _dialled(call, shared),
        "result": _result(call),
        "answered_by": number_of(call.answerer, call, shared) if call.answerer else None,
        "started_at": call.started_at,
        "answered_at": call.answered_at,
        "ended_at": call.ended_at,
        "ring_seconds": _seconds(call.started_at, _stopped_ringing_at(call)),
        "talk_seconds": _talk_seconds(call),
        "transfers": tuple(_transfer(transfer, call, shared) for transfer in call.transfers),
        "legs": _legs(call, shared),
        "parent_linkedid": call.parent,
        "incomplete": call.incomplete,
    }


def _stopped_ringing_at(call: Call) -> datetime | None:
    return call.answered_at if call.answered else call.handed_on_at or call.ended_at


def direction_of(call: Call) -> Direction | None:
    """Where a call goes: by who came first, and for our own calls by whom they reach first; None while unknown."""
    if not call.originated and call.caller is not None and call.caller.kind is Kind.TRUNK:
        return Direction.INBOUND
    ends = [leg.channel.kind for leg in call.legs if not leg.forwarded]
    if call.originated and Kind.TRUNK in ends:
        return Direction.OUTBOUND
    if ends:
        return Direction.OUTBOUND if ends[0] is Kind.TRUNK else Direction.INTERNAL
    return Direction.INTERNAL if call.ended else None


def number_of(channel: Channel, call: Call, shared: frozenset[str] | None = None) -> str:
    """The number of the line at a channel's end, or its endpoint where its caller id is not its own.

    A phone of a group or queue carries the number that was dialled, not its own: an outside number that the caller
    dialled, or one that several phones of the call share, tells nothing about the phone.
    """
    leg = channel.leg
    if channel.kind is Kind.TRUNK:
        return (leg.dialled if leg else None) or channel.number or channel.endpoint
    if leg is None:
        return channel.number or channel.endpoint
    return _own_number(channel, call, _shared_numbers(call) if shared is None else shared) or channel.endpoint


def caller_of(channel: Channel, call: Call, shared: frozenset[str] | None = None) -> str | None:
    """The number of who calls; None where the trunk tells none, whose own name would be nobody's number."""
    if channel.kind is Kind.TRUNK and channel.leg is None and channel.number is None:
        return None
    return number_of(channel, call, shared)


def _own_number(channel: Channel, call: Call, shared: frozenset[str]) -> str | None:
    number = channel.number
    if number is None or number in shared or _is_line(number, _dialled_by_caller(call)):
        return None
    return number


def _shared_numbers(call: Call) -> frozenset[str]:
    """Caller-id numbers that phones of different endpoints carry in this call."""
    owners: dict[str, str] = {}
    shared = set()
    for leg in call.legs:
        number = leg.channel.number
        if (
            number
            and leg.channel.kind is Kind.PHONE
            and owners.setdefault(number, leg.channel.endpoint) != (leg.channel.endpoint)
        ):
            shared.add(number)
    return frozenset(shared)


def _is_line(number: str, dialled: str | None) -> bool:
    """Whether two spellings name one outside line: +31150010004 and 0150010004 do."""
    if dialled is None or len(number) < LINE_DIGITS:
        return False
    return number[-LINE_DIGITS:] == dialled[-LINE_DIGITS:]


def _leg_number(leg: LegState, call: Call, shared: frozenset[str]) -> str | None:
    if leg.channel.kind is Kind.TRUNK:
        return leg.dialled or leg.channel.number
    return _own_number(leg.channel, call, shared)


def _dialled_by_caller(call: Call) -> str | None:
    if call.caller is None or call.caller.dialled or call.caller.exten in (None, "s"):
        return None
    return call.caller.exten


def _dialled(call: Call, shared: frozenset[str]) -> str | None:
    """What the caller dialled; of a call that Asterisk originated, the first end that it then reached."""
    if not call.originated:
        return _dialled_by_caller(call) or _first_line(call)
    return number_of(call.legs[0].channel, call, shared) if call.legs else None


def _first_line(call: Call) -> str | None:
    """The outside number that was called for one of our phones, where it is not told what the phone dialled."""
    is_ours = call.caller is not None and call.caller.kind is Kind.PHONE and call.caller.leg is None
    first = call.legs[0] if call.legs and is_ours else None
    return first.dialled if first is not None and first.channel.kind is Kind.TRUNK else None


def _result(call: Call) -> Result | None:
    if call.answered:
        return Result.ANSWERED
    if not call.ended:
        return None
    if call.role is Role.CONSULTATION or _gave_up(call):
        return Result.CANCELLED  # handed over while it rang, or the caller did not wait
    met = unanswered_result([leg.result for leg in call.ended_legs if leg.counts and leg.result])
    return met or _result_without_legs(call)


def _legs(call: Call, shared: frozenset[str]) -> tuple[Leg, ...]:
    """The attempts in order, and between them the stations where the caller waited."""
    legs = [
        Leg(leg.channel.endpoint, _leg_number(leg, call, shared), _result_of(leg, call), _kind(leg, call))
        for leg in call.legs
    ]
    for station in reversed(call.stations):
        legs.insert(station.after, Leg(station.name, None, _station_result(station, call), station.kind))
    return tuple(legs)


def _result_of(leg: LegState, call: Call) -> Result | None:
    """How a leg ended. Asterisk stops ringing the target itself before it rings back who handed over in vain."""
    if leg.result is not Result.CANCELLED:
        return leg.result
    in_vain = any(leg in one.legs and not one.pending and not one.target for one in call.transfers)
    return Result.NO_ANSWER if in_vain else Result.CANCELLED


def _kind(leg: LegState, call: Call) -> LegKind:
    for transfer in call.transfers:
        if leg.kind is LegKind.RANG and leg in transfer.legs:
            came_back = leg.channel.endpoint == transfer.by.endpoint
            return LegKind.TAKEN_BACK if came_back else LegKind.TRANSFERRED
    return leg.kind


def _station_result(station: StationState, call: Call) -> Result | None:
    """How the wait ended. A queue does not say whether somebody took the caller: the legs from there on do."""
    if station.left is not None or station.kind is LegKind.VOICEMAIL:
        return station.left
    if any(leg.talked for leg in call.legs[station.after : station.until]):
        return Result.ANSWERED
    if station.until is None:
        if not call.ended:
            return None
        if station.kind is LegKind.PARKED:
            return Result.CANCELLED  # he hung up there: Asterisk says so on a way of its own, perhaps too late
    return Result.CANCELLED if station is call.stations[-1] and _gave_up(call) else Result.NO_ANSWER


def _gave_up(call: Call) -> bool:
    return call.in_queue or (call.gave_up and not _was_refused(call))


def _was_refused(call: Call) -> bool:
    """Whether we ended the call: a queue calls a caller whose time is over one who gave up, too."""
    return call.caller is not None and says_why(call.caller.cause)


def _result_without_legs(call: Call) -> Result:
    caller = call.caller
    if caller is None:
        return Result.FAILED
    if caller.leg is not None and not caller.leg.talked and not caller.up:
        return caller.leg.result or Result.NO_ANSWER  # click-to-call: the employee's own phone was not answered
    if any(station.kind is LegKind.VOICEMAIL for station in call.stations):
        return Result.NO_ANSWER  # he waited for the machine, and nobody took the call
    return result_without_legs(caller.cause, caller.up, direction_of(call) is Direction.INBOUND, call.waited_in_queue)


def _transfer(transfer: TransferState, call: Call, shared: frozenset[str]) -> Transfer:
    result: Result | None = None
    tried = [leg for leg in transfer.legs if leg.channel.endpoint != transfer.by.endpoint]
    if transfer.target is not None or transfer.conferred:
        result = Result.ANSWERED
    elif transfer.parked and not tried:
        result = Result.NO_ANSWER if not transfer.pending else Result.CANCELLED if call.ended else None
    elif call.ended or not transfer.pending or (tried and all(leg.ended for leg in tried)):
        met = [_result_of(leg, call) for leg in tried if leg.counts]
        result = unanswered_result([one for one in met if one]) or Result.FAILED
    return Transfer(
        type=transfer.type,
        by=number_of(transfer.by, call, shared),
        to=transfer.to,
        result=result,
        answered_by=number_of(transfer.target, call, shared) if transfer.target else None,
    )


def _talk_seconds(call: Call) -> float | None:
    if not call.ended or call.started_at is None or (call.answered and call.answered_at is None):
        return None
    return round(call.talk.total_seconds(), 3) if call.answered else 0.0


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return max(0.0, round((end - start).total_seconds(), 3)) if start and end else None
