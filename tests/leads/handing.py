"""Lets somebody go with all that he has, as a server does that is at nothing else."""

from collections.abc import Callable
from datetime import datetime

from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.handing_over import HandingOver
from leads.store.leaving import Belongings, let_go


async def hand_all_over(
    database: Database,
    employee_id: int,
    version: int,
    successor_id: int | None,
    *,
    by: int | None,
    clock: Callable[[], datetime],
) -> Belongings:
    """Let him go, and hand everything over; tells what he had. The arguments are as for let_go."""
    left = await let_go(database, employee_id, version, successor_id, by=by, clock=clock)
    if left.handover_id is not None:
        await HandingOver(database, left.handover_id, "", DirectoryCache(database), clock).finish()
    return left.had
