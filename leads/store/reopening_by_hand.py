"""Opens a closed lead again by a supervisor's hand (L12), with its next call planned (P2)."""

from functools import partial

from sqlalchemy import select

from leads.domain.clock import Clock
from leads.domain.planning import Act, Step
from leads.domain.visibility import Scope
from leads.store.cards import CardError, ConflictError, NoSuchCardError, lock
from leads.store.engine import Database
from leads.store.models import Lead, PhoneNumber
from leads.store.plans import Planning, plan_after_status
from leads.store.reopening import default_status, reopen
from leads.store.visibility import lead_is_visible


class NoNumberFreeError(CardError):
    """Every number that the lead had is somebody else's now, so it cannot be opened again."""


async def reopen_by_hand(
    database: Database,
    lead_id: int,
    version: int,
    *,
    by: int | None,
    clock: Clock,
    scope: Scope = None,
    planning: Planning | None = None,
) -> Step:
    """Open a closed lead again because a person says so, and plan its next call as a change of status does (P2).

    Its last one went along to the counterparty that it was. Without `planning` none is planned.

    Raises:
        NoSuchCardError: there is none, or he may not see it.
        ConflictError: somebody else changed it since he looked, or it is open.
        NoNumberFreeError: others have all of its numbers.
    """
    async with database.write() as session:
        await lock(session, await session.scalars(select(PhoneNumber.number).where(PhoneNumber.lead_id == lead_id)))
        lead = await session.scalar(select(Lead).where(Lead.id == lead_id).with_for_update(key_share=True))
        if lead is None or not await lead_is_visible(session, lead_id, scope):
            raise NoSuchCardError(lead_id)
        if lead.closed_at is None or lead.version != version or lead.merged_into_id is not None:
            raise ConflictError(None, None)
        connection = await session.connection()
        status = await connection.run_sync(default_status)
        now = clock()
        if not await connection.run_sync(partial(reopen, by=by, instead=by), lead_id, status, now):
            raise NoNumberFreeError(lead_id)
        if planning is None:
            return Step(Act.NOTHING)
        await session.refresh(lead)
        return await plan_after_status(session, lead, planning, now, by)
