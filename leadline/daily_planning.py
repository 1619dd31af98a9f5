"""Runs the daily job of planning: soon after the company's midnight, and at once after a time without it (P4)."""

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import SQLAlchemyError

from leads.domain.clock import Clock
from leads.store.daily_plans import plan_day
from leads.store.days_off import clear_days_off
from leads.store.engine import Database

LOOK_SECONDS = 60.0
"""How often the day is looked at; one that is done costs one row read."""
_log = structlog.get_logger(__name__)


async def plan_every_day(database: Database, zone: ZoneInfo, clock: Clock = lambda: datetime.now(UTC)) -> None:
    """Do each day's job once, whatever other servers do, and clear days off; ends only by cancellation."""
    while True:
        try:
            moved = await clear_days_off(database, zone, clock)
            if moved:
                _log.info("planned calls moved from days off", count=moved)
            planned = await plan_day(database, zone, clock)
            if planned:
                _log.info("calls planned for the day", count=planned)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            _log.error("daily planning: trying again", why=str(error)[:300])
        await asyncio.sleep(LOOK_SECONDS)
