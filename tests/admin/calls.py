"""Calls in the database, as the recorder would have written them."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from leads.domain.calls import Direction, Phase, Result, Role
from leads.store.engine import Database
from leads.store.models import Call
from tests.admin.conftest import Clock

CALLER = "+380501234567"


async def add_call(database: Database, clock: Clock, linkedid: str, **changed: Any) -> int:
    """Write a call from outside that rings at phone 101, but for what is `changed`; returns its key."""
    values: dict[str, Any] = {
        "pbx": "asterisk",
        "linkedid": linkedid,
        "role": Role.CALL,
        "phase": Phase.RINGING,
        "progress": 1,
        "direction": Direction.INBOUND,
        "caller": CALLER,
        "dialled": "0441234567",
        "outside_number": CALLER,
        "did": "+380441234567",
        "started_at": clock(),
        "legs": [{"endpoint": "PJSIP/101", "number": "101", "result": None}],
        "transfers": [],
    }
    async with database.write() as session:
        call = Call(**(values | changed))
        session.add(call)
        await session.flush()
        return call.id


async def end_call(database: Database, clock: Clock, call_id: int, result: Result = Result.NO_ANSWER) -> None:
    """Let a call end without an answer."""
    ended = {"phase": Phase.ENDED, "result": result, "ended_at": clock() + timedelta(seconds=9), "progress": 9}
    async with database.write() as session:
        await session.execute(update(Call).where(Call.id == call_id).values(**ended))
