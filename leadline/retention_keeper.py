"""Removes what was kept for long enough, once an hour; several servers may do so at once (X5)."""

import asyncio
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from leads.domain.clock import Clock
from leads.store.engine import Database
from leads.store.retention import remove_due

PAUSE_SECONDS = 3600.0
_log = structlog.get_logger(__name__)


async def keep_retention(
    database: Database, clock: Clock = lambda: datetime.now(UTC), pause: float = PAUSE_SECONDS
) -> None:
    """Remove what is due, again and again; ends only by cancellation."""
    while True:
        try:
            removed = await remove_due(database, clock())
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            _log.error("what is due stays; trying again", why=str(error), seconds=pause)
        else:
            if any(removed.values()):
                _log.info("removed by age", **{kind.value: count for kind, count in removed.items()})
        await asyncio.sleep(pause)
