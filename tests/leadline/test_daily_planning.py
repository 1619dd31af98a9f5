"""The server plans by itself, and leaves nothing on days that became days off (P4)."""

import asyncio
from datetime import date

import pytest

from leadline import daily_planning
from leads.store.duty import add_holiday
from leads.store.engine import Database
from tests.leads.planning import WARM, ZONE, Desk


async def test_the_server_clears_days_off_before_it_plans(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, looked = await Desk(database).open(), asyncio.Event()
    await desk.set_lead(await desk.lead(status=1), WARM)
    async with database.write() as session:
        await add_holiday(session, date(2026, 3, 10), "Свято")

    async def plan_day(*_args: object) -> int:
        looked.set()
        return 0

    monkeypatch.setattr(daily_planning, "plan_day", plan_day)
    async with asyncio.TaskGroup() as tasks:
        job = tasks.create_task(daily_planning.plan_every_day(database, ZONE, desk.clock))
        await looked.wait()
        job.cancel()
    assert (await desk.plan()).day == date(2026, 3, 11)
