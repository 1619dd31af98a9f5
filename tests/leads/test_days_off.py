"""Calls that were planned for a day before it became a holiday, or a day on which nobody works, move on (P4)."""

from collections import Counter
from datetime import date, timedelta

import pytest
from sqlalchemy import insert, select, update

from leads.domain.planning import PlanState
from leads.store import days_off
from leads.store.cards import history
from leads.store.days_off import clear_days_off
from leads.store.duty import add_holiday
from leads.store.engine import Database
from leads.store.models import Lead
from leads.store.people_of_calls import CallPerson
from leads.store.planning_tables import PlannedCall
from tests.leads.planning import COLD, HOT, NUMBER, OTHER, WARM, ZONE, Desk

TODAY, FRIDAY = date(2026, 3, 3), date(2026, 3, 6)
NEXT_TUESDAY = date(2026, 3, 10)


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await Desk(database).open()


async def _holiday(desk: Desk, *days: date) -> None:
    async with desk.database.write() as session:
        for day in days:
            await add_holiday(session, day, "Свято")


async def _clear(desk: Desk, by: int | None = None) -> int:
    return await clear_days_off(desk.database, ZONE, desk.clock, by=by)


async def test_calls_go_from_a_new_holiday_to_the_next_working_day_and_the_card_tells(desk: Desk) -> None:
    lead, key = await desk.lead(), await desk.counterparty()
    await desk.set_lead(lead, WARM)
    await desk.set_counterparty(key, WARM)
    async with desk.database.write() as session:
        await session.execute(update(PlannedCall).values(reminded_at=desk.now))
    set_at = [one.set_at for one in await desk.plans()]
    await _holiday(desk, NEXT_TUESDAY, NEXT_TUESDAY + timedelta(days=1))
    desk.move(hours=1)
    assert await _clear(desk, by=2) == 2
    plans = await desk.plans()
    assert [(one.day, one.by_hand, one.reminded_at) for one in plans] == [(date(2026, 3, 12), False, None)] * 2
    assert [one.set_at for one in plans] == set_at, "a conversation that goes on meanwhile fulfils it"
    assert await _clear(desk) == 0
    async with desk.database.read() as session:
        for card in ({"lead_id": lead}, {"counterparty_id": key}):
            told = next(row for row in await history(session, **card) if row.field == "planned_call")
            assert (told.before, told.after, told.by) == ("2026-03-10", "2026-03-12", "e2")


async def test_what_a_person_chose_and_what_is_over_stays(desk: Desk) -> None:
    by_hand, overdue, done = [await desk.lead(number, status=COLD) for number in (NUMBER, OTHER, "+380931112233")]
    await desk.by_hand(CallPerson(lead_id=by_hand), 7)
    await desk.set_lead(overdue, HOT)
    await desk.set_lead(done, WARM)
    await desk.talk("+380931112233")
    desk.move(days=2)
    days = [one.day for one in await desk.plans()]
    assert len(days) == 3
    await _holiday(desk, *days)
    assert await _clear(desk) == 0
    assert [one.day for one in await desk.plans()] == days


async def test_todays_calls_move_too_where_today_is_a_holiday_all_of_a_sudden(desk: Desk) -> None:
    lead = await desk.lead(status=WARM)
    await desk.set_lead(lead, HOT)
    desk.move(days=1)
    await _holiday(desk, date(2026, 3, 4))
    assert await _clear(desk) == 1
    assert (await desk.plan()).day == date(2026, 3, 5)


async def test_a_day_of_the_week_on_which_nobody_works_any_more(desk: Desk) -> None:
    lead = await desk.lead()
    desk.move(days=-4)
    await desk.set_lead(lead, WARM)
    assert (await desk.plan()).day == FRIDAY
    await desk.choose(working_days="1234")
    assert await _clear(desk) == 1
    assert (await desk.plan()).day == FRIDAY + timedelta(days=3)


async def test_with_the_switch_off_nothing_moves(desk: Desk) -> None:
    await desk.set_lead(await desk.lead(), WARM)
    await desk.choose(planning=False)
    await _holiday(desk, NEXT_TUESDAY)
    assert await _clear(desk) == 0
    assert (await desk.plan()).day == NEXT_TUESDAY


async def test_many_are_spread_within_the_daily_cap_some_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days_off, "AT_ONCE", 7)
    await desk.choose(daily_cap=10)
    card = {"name": "x", "status_id": HOT, "created_at": desk.now, "updated_at": desk.now, "responsible_id": 1}
    async with desk.database.write() as session:
        leads = (await session.scalars(insert(Lead).returning(Lead.id), [card] * 24)).all()
        plan = {"employee_id": 1, "set_at": desk.now, "made_at": desk.now}
        days = [FRIDAY] * 20 + [date(2026, 3, 9)] * 4
        await session.execute(
            insert(PlannedCall), [plan | {"lead_id": key, "day": day} for key, day in zip(leads, days, strict=True)]
        )
    await _holiday(desk, FRIDAY)
    assert await clear_days_off(desk.database, ZONE, desk.clock, most=1) == 7
    assert await _clear(desk) == 13
    async with desk.database.read() as session:
        found = (await session.scalars(select(PlannedCall.day).where(PlannedCall.state == PlanState.OPEN))).all()
    assert Counter(found) == {date(2026, 3, 9): 10, date(2026, 3, 10): 10, date(2026, 3, 11): 4}


async def test_where_there_is_no_working_day_left_calls_stay(desk: Desk) -> None:
    await desk.set_lead(await desk.lead(), WARM)
    await _holiday(desk, *(TODAY + timedelta(days=ahead) for ahead in range(500)))
    assert await _clear(desk) == 0
    assert (await desk.plan()).day == NEXT_TUESDAY
