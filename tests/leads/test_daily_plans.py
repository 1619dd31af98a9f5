"""The daily job: each day once, whatever runs, by the last contact, within the cap; nobody has two open calls (P4)."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from leads.domain.planning import HandDate, PlanState
from leads.store import daily_plans
from leads.store.cards import LeadClosedError
from leads.store.daily_plans import plan_day
from leads.store.engine import SHORTEST_PAUSE, Database
from leads.store.models import Lead
from leads.store.people_of_calls import CallPerson
from leads.store.planning_tables import PlannedCall, PlanningDay
from leads.store.plans import cancel_plan
from tests.leads.holding import watch
from tests.leads.planning import HOT, NUMBER, OTHER, UNPROMISING, WARM, ZONE, Desk

TODAY = date(2026, 3, 3)
PAUSES = daily_plans.PAUSES  # As it is before tests are made quick.


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await Desk(database).open()


async def _run(desk: Desk) -> int:
    return await plan_day(desk.database, ZONE, desk.clock)


async def test_everybody_whose_status_plans_gets_a_call_once_a_day(desk: Desk) -> None:
    lead, _cold, key = (
        await desk.lead(),
        await desk.lead("+380931112233", status=UNPROMISING),
        await desk.counterparty(),
    )
    assert await _run(desk) == 2
    plans = [(one.lead_id, one.counterparty_id, one.day, one.employee_id) for one in await desk.plans()]
    assert plans == [(lead, None, date(2026, 3, 4), 1), (None, key, date(2026, 3, 4), 1)]
    planned = (await desk.plans())[0]
    await cancel_plan(desk.database, planned.id, planned.version, by=1, clock=desk.clock)
    assert await _run(desk) == 0
    desk.move(days=1)
    assert await _run(desk) == 1


async def test_contact_is_a_loop_from_the_last_conversation_on(desk: Desk) -> None:
    lead = await desk.lead()
    await desk.set_lead(lead, WARM)
    desk.move(days=2)
    await desk.talk()
    assert await _run(desk) == 1
    # Thursday, 5 March, and seven days.
    assert (await desk.plans())[-1].day == date(2026, 3, 12)


async def test_a_change_of_status_counts_and_what_is_long_past_is_due_today(desk: Desk) -> None:
    lead, _other = await desk.lead(), await desk.lead(OTHER)
    desk.move(days=30)
    await desk.set_lead(lead, WARM)
    planned = await desk.plan()
    await cancel_plan(desk.database, planned.id, planned.version, by=1, clock=desk.clock)
    await _run(desk)
    days = {one.lead_id: one.day for one in await desk.plans() if one.state is PlanState.OPEN}
    assert days[lead] == date(2026, 4, 9)
    assert days[lead + 1] == date(2026, 4, 2)


async def test_overdue_stays_the_one_open_call(desk: Desk) -> None:
    lead = await desk.lead()
    await desk.by_hand(CallPerson(lead_id=lead), 0)
    for _day in range(3):
        desk.move(days=1)
        assert await _run(desk) == 0
    assert (await desk.plan()).day == TODAY


async def test_a_counterpartys_last_conversation_may_have_been_the_leads(desk: Desk) -> None:
    await desk.lead(NUMBER)
    desk.move(days=2)
    await desk.talk()
    key = await desk.counterparty()
    await desk.set_counterparty(key, WARM, NUMBER)
    planned = await desk.plan()
    await cancel_plan(desk.database, planned.id, planned.version, by=1, clock=desk.clock)
    desk.move(days=1)
    await desk.talk(NUMBER)
    await _run(desk)
    assert (await desk.plans())[-1].day == date(2026, 3, 13)


async def test_an_import_is_spread_by_employee(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_plans, "AT_ONCE", 7)
    await desk.choose(daily_cap=10)
    old = desk.now - timedelta(days=300)
    card = {"name": "x", "status_id": HOT, "created_at": old, "updated_at": old}
    async with desk.database.write() as session:
        await session.execute(insert(Lead), [card | {"responsible_id": 1 + place % 2} for place in range(50)])
    assert await _run(desk) == 50
    load = Counter((one.employee_id, one.day) for one in await desk.plans())
    assert load == {
        (who, day): count
        for who in (1, 2)
        for day, count in ((TODAY, 10), (date(2026, 3, 4), 10), (date(2026, 3, 5), 5))
    }


async def test_the_load_is_not_counted_while_others_wait(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_plans, "AT_ONCE", 7)
    card = {"name": "x", "status_id": HOT, "created_at": desk.now, "updated_at": desk.now}
    async with desk.database.write() as session:
        await session.execute(insert(Lead), [card] * 20)
    seen = watch(desk.database, monkeypatch)
    assert await _run(desk) == 20
    assert [one for one in seen.statements if "count(" in one] == []
    assert min(seen.pauses) >= SHORTEST_PAUSE


async def test_others_have_nine_times_as_long_as_the_job(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_plans, "AT_ONCE", 7)
    card = {"name": "x", "status_id": HOT, "created_at": desk.now, "updated_at": desk.now}
    async with desk.database.write() as session:
        await session.execute(insert(Lead), [card] * 20)
    pauses: list[int] = []

    async def breathe(_began: float, times: int) -> None:
        pauses.append(times)

    monkeypatch.setattr(daily_plans, "breathe", breathe)
    monkeypatch.setattr(daily_plans, "PAUSES", PAUSES)
    assert await _run(desk) == 20
    assert pauses == [9] * 3


async def test_two_servers_and_one_that_died_midway_do_each_day_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_plans, "AT_ONCE", 3)
    card = {"name": "x", "status_id": HOT, "created_at": desk.now, "updated_at": desk.now}
    async with desk.database.write() as session:
        await session.execute(insert(Lead), [card] * 20)

    real, calls = daily_plans._plan_some, 0

    async def dies(*args: Any, **named: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError("gone")
        return await real(*args, **named)

    monkeypatch.setattr(daily_plans, "_plan_some", dies)
    with pytest.raises(OSError, match="gone"):
        await _run(desk)
    assert len(await desk.plans()) == 6
    counts = await asyncio.gather(_run(desk), _run(desk))
    assert sum(counts) == 14
    assert len(await desk.plans()) == 20
    async with desk.database.read() as session:
        (day,) = (await session.scalars(select(PlanningDay))).all()
    assert (day.day, day.planned, day.finished) == (TODAY, 20, True)


async def test_the_day_begins_at_the_companys_midnight(desk: Desk) -> None:
    desk.now = datetime(2026, 3, 3, 21, 59, tzinfo=UTC)
    await _run(desk)
    await desk.lead()
    assert await _run(desk) == 0
    desk.move(minutes=1)
    assert await _run(desk) == 1


async def test_the_switch_stops_the_job_until_it_is_on_again(desk: Desk) -> None:
    await desk.lead()
    await desk.choose(planning=False)
    assert await _run(desk) == 0
    await desk.choose(planning=True)
    assert await _run(desk) == 1


STEPS = st.one_of(
    st.tuples(st.just("lead status"), st.integers(1, 4), st.sampled_from([None, *HandDate])),
    st.tuples(st.just("counterparty status"), st.integers(1, 4), st.sampled_from([None, *HandDate])),
    st.tuples(st.just("talk"), st.booleans(), st.booleans()),
    st.tuples(st.just("miss"), st.booleans(), st.booleans()),
    st.tuples(st.just("by hand"), st.booleans(), st.integers(0, 9)),
    st.tuples(st.just("cancel"), st.booleans(), st.none()),
    st.tuples(st.just("close"), st.none(), st.none()),
    st.tuples(st.just("daily"), st.booleans(), st.integers(0, 3)),
    st.tuples(st.just("switch"), st.booleans(), st.none()),
)


async def _step(desk: Desk, lead: int, party: int, numbers: tuple[str, str], step: tuple[Any, Any, Any]) -> None:
    what, one, two = step
    whose = CallPerson(lead_id=lead) if one else CallPerson(counterparty_id=party)
    match what:
        case "lead status":
            await desk.set_lead(lead, one, two or HandDate.KEEP)
        case "counterparty status":
            await desk.set_counterparty(party, one, answer=two or HandDate.MOVE)
        case "talk":
            await desk.talk(numbers[one], out=two)
        case "miss":
            await desk.miss(numbers[one], out=two)
        case "by hand":
            await desk.by_hand(whose, two)
        case "cancel":
            for plan in await desk.plans():
                if plan.state is PlanState.OPEN and (plan.lead_id is not None) is one:
                    await cancel_plan(desk.database, plan.id, plan.version, by=1, clock=desk.clock)
        case "close":
            await desk.set_counterparty(party, HOT, numbers[0], answer=HandDate.KEEP)
        case "switch":
            await desk.choose(planning=one)
        case _:
            desk.move(days=two)
            await asyncio.gather(_run(desk), _run(desk)) if one else await _run(desk)


async def _story(desk: Desk, place: int, steps: list[tuple[Any, Any, Any]]) -> None:
    numbers = (f"+38050{place:07}", f"+38067{place:07}")
    lead, party = await desk.lead(numbers[0]), await desk.counterparty(numbers[1])
    for step in [*steps, ("switch", True, None), ("daily", False, 1)]:
        try:
            await _step(desk, lead, party, numbers, step)
        except LeadClosedError:
            continue
        async with desk.database.read() as session:
            is_open = PlannedCall.state == PlanState.OPEN
            opened = (
                await session.execute(select(PlannedCall.lead_id, PlannedCall.counterparty_id).where(is_open))
            ).all()
            closed = set(await session.scalars(select(Lead.id).where(Lead.closed_at.is_not(None))))
        assert [count for count in Counter(tuple(row) for row in opened).values() if count > 1] == []
        assert closed.isdisjoint(row[0] for row in opened)
    async with desk.database.read() as session:
        now_lead = await session.get_one(Lead, lead)
    planned = {row[0] for row in opened if row[0] is not None}
    assert (lead in planned) is (now_lead.closed_at is None and now_lead.status_id != UNPROMISING) or any(
        step[0] == "by hand" for step in steps
    )


@pytest.fixture
def loop_desk(database_url: str) -> Iterator[tuple[asyncio.AbstractEventLoop, Desk, Any]]:
    """A desk on a loop of its own, because hypothesis calls a function many times."""
    loop = asyncio.new_event_loop()
    desk = loop.run_until_complete(Desk(Database(database_url)).open())
    yield loop, desk, iter(range(1, 10**6))
    loop.run_until_complete(desk.database.dispose())
    loop.close()


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=st.lists(STEPS, min_size=3, max_size=12))
def test_whatever_happens_nobody_has_two_open_calls(loop_desk: Any, steps: list[tuple[Any, Any, Any]]) -> None:
    loop, desk, places = loop_desk
    loop.run_until_complete(_story(desk, next(places), steps))
