"""Moves what belongs to a lead when the lead ends: the one place that knows all that can belong to one (L5, L15).

A new kind of thing that hangs on a lead is added here, and goes along with closings and merges from then on.
"""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.follow_up import answer_missed
from leads.store.models import Call, Change, Lead
from leads.store.people_of_calls import CallPerson
from leads.store.plans import move_plans
from leads.store.tasks import move_tasks


async def move_belongings(session: AsyncSession, lead_id: int, to: CallPerson, now: datetime) -> None:
    """Move what belongs to a lead to the lead that it is merged into, or to the counterparty that it became.

    Calls and history stay with a lead that closes, and show on the counterparty by way of it: so a lead that is opened
    again has them still.

    Args:
        session: one that writes, in the transaction that ends the lead.
        lead_id: the lead that ends.
        to: the surviving lead, or the counterparty with perhaps its contact person.
        now: the moment of it.
    """
    await move_plans(session, lead_id, to, now)
    await move_tasks(session, lead_id, to)
    if to.lead_id is not None:
        await _move_past(session, lead_id, to.lead_id)
    await (await session.connection()).run_sync(answer_missed, to)


async def _move_past(session: AsyncSession, lead_id: int, to: int) -> None:
    """What was with a lead was with the one that it is merged into."""
    for owned in (Call, Change):
        await session.execute(
            update(owned)
            .where(owned.lead_id == lead_id)
            .values(lead_id=to)
            .execution_options(synchronize_session=False)
        )
    # Leads that were merged into this one before: their addresses lead to the survivor at once.
    await session.execute(
        update(Lead)
        .where(Lead.merged_into_id == lead_id)
        .values(merged_into_id=to)
        .execution_options(synchronize_session=False)
    )
