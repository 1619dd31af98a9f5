"""Says what Leadline has on record of the call that was just placed."""

import asyncio
from datetime import datetime, timedelta

from leadline.demo.scenarios import Dialling
from leads.admin.reasons import tell_kept
from leads.domain.numbers import read_number
from leads.store.board import BoardCall, decision_of, recent_calls
from leads.store.engine import Database

_WAIT_SECONDS = 5.0
# Asterisk tells the call's start to the microsecond by the same clock as ours; the margin is for rounding.
_MARGIN = timedelta(seconds=0.5)


async def tell(database_url: str, panel: str, dialling: Dialling, started_at: datetime, region: str) -> str:
    """Wait until the call is on record as ended, and put it, its reasons and its lead into words.

    Args:
        panel: the panel's address, ending in a slash.
        started_at: when the caller dialled.
        region: how national numbers are read.
    """
    number = None if dialling.hidden else read_number(dialling.number, region).text
    database = Database(database_url)
    try:
        deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            async with database.read() as session:
                calls = await recent_calls(session)
                call = next(
                    (c for c in calls if c.started_at >= started_at - _MARGIN and c.outside_number == number), None
                )
                if call is not None:
                    decision = await decision_of(session, call)
                    reasons = map(tell_kept, decision.get("reasons", []) if decision else [])
                    return "\n".join([_record(call), *(f"  because {reason}" for reason in reasons), _who(call, panel)])
            await asyncio.sleep(0.1)
    finally:
        await database.dispose()
    return f"The call is not on record after {_WAIT_SECONDS:.0f} s: look at var/leadline.log."


def _record(call: BoardCall) -> str:
    parts = [f"On record: {call.result or 'ended'}"]
    if call.answered_by:
        parts.append(f"by {call.answered_by}" + (f" ({call.employee_name})" if call.employee_name else ""))
    if call.ring_seconds is not None:
        parts.append(f"rang {call.ring_seconds:.1f} s")
    if call.talk_seconds is not None:
        parts.append(f"talked {call.talk_seconds:.1f} s")
    return ", ".join(parts)


def _who(call: BoardCall, panel: str) -> str:
    if call.counterparty_id is not None:
        person = f", {call.contact_name}" if call.contact_name else ""
        return f"Counterparty: {call.counterparty_name}{person}   {panel}counterparties/{call.counterparty_id}"
    if call.lead_id is not None:
        return f"Lead: {call.lead_name}   {panel}leads/{call.lead_id}"
    return "No lead, as for hidden, internal and ignored callers."
