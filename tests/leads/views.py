"""Builds views of calls for tests, with only what a test is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from leads.domain.calls import CallView, Direction, Leg, Phase, Result, Role

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
CALLER = "+380501234567"
DID = "+380441234567"

RINGING = CallView(
    pbx="pbx",
    linkedid="1.1",
    role=Role.CALL,
    phase=Phase.RINGING,
    progress=1,
    direction=Direction.INBOUND,
    caller=CALLER,
    caller_name="TRUNK NAME",
    caller_hidden=False,
    dialled="0441234567",
    result=None,
    answered_by=None,
    started_at=NOW,
    answered_at=None,
    ended_at=None,
    ring_seconds=None,
    talk_seconds=None,
    transfers=(),
    legs=(Leg("PJSIP/101", "101", None),),
)
"""A call from an unknown number to one of ours; phone 101 rings."""


def talking(view: CallView, answered_by: str = "101", **changes: Any) -> CallView:
    """The same call, answered ten seconds after it began."""
    changed = replace(
        view,
        phase=Phase.TALKING,
        progress=view.progress + 1,
        result=Result.ANSWERED,
        answered_by=answered_by,
        answered_at=(view.started_at or NOW) + timedelta(seconds=10),
        ring_seconds=10.0,
        legs=(Leg(f"PJSIP/{answered_by}", answered_by, Result.ANSWERED),),
    )
    return replace(changed, **changes)


def ended(view: CallView, result: Result | None = None, **changes: Any) -> CallView:
    """The same call a minute after it began, with the result it had, or a given one."""
    changed = replace(
        view,
        phase=Phase.ENDED,
        progress=view.progress + 1,
        result=result or view.result or Result.NO_ANSWER,
        ended_at=(view.started_at or NOW) + timedelta(seconds=60),
        talk_seconds=50.0 if view.answered_at else 0.0,
    )
    return replace(changed, **changes)


def outgoing(view: CallView = RINGING, **changes: Any) -> CallView:
    """Phone 101 calls the outside number."""
    changed = replace(
        view,
        direction=Direction.OUTBOUND,
        caller="101",
        caller_name="Olha",
        dialled="0501234567",
        legs=(Leg("PJSIP/trunk", "0501234567", None),),
    )
    return replace(changed, **changes)
