"""Planned calls: by status and by hand, one open for each person, fulfilled by conversations (P2, P3)."""

import asyncio
from datetime import date, timedelta

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from leads.domain.directory import Role
from leads.domain.planning import Act, HandDate, PlanState, Step
from leads.domain.statuses import StatusSet
from leads.store.cards import LeadClosedError, history
from leads.store.company import SavedMeanwhileError
from leads.store.duty import add_holiday
from leads.store.engine import Database
from leads.store.models import Counterparty, Employee, Lead, LeadStatus
from leads.store.people_of_calls import CallPerson
from leads.store.plan_lists import due_untold, mark_reminded
from leads.store.planning_tables import PlannedCall
from leads.store.plans import HandDateError, PlanEdit, cancel_plan, move_plans, note_dialled, plan_by_hand
from leads.store.statuses import remove_status, status_rows
from tests.leads.handing import hand_all_over
from tests.leads.planning import COLD, HOT, NUMBER, OTHER, TUESDAY, UNPROMISING, WARM, Desk
from tests.leads.views import ended, talking

TODAY = date(2026, 3, 3)


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await Desk(database).open()


async def test_a_status_plans_moves_and_cancels_and_the_history_tells(desk: Desk) -> None:
    lead = await desk.lead()
    assert await desk.set_lead(lead, WARM) == Step(Act.PLAN, date(2026, 3, 10))
    assert await desk.set_lead(lead, HOT) == Step(Act.MOVE, date(2026, 3, 4))
    planned = await desk.plan()
    assert (planned.day, planned.employee_id, planned.by_hand) == (date(2026, 3, 4), 1, False)
    assert await desk.set_lead(lead, UNPROMISING) == Step(Act.CANCEL, date(2026, 3, 4))
    assert (await desk.plan()).state is PlanState.CANCELLED
    async with desk.database.read() as session:
        told = [row for row in await history(session, lead_id=lead) if row.field == "planned_call"]
    assert [(row.before, row.after) for row in reversed(told)] == [
        ("", "2026-03-10"),
        ("2026-03-10", "2026-03-04"),
        ("2026-03-04", ""),
    ]


async def test_a_holiday_moves_the_call_to_the_next_working_day(desk: Desk) -> None:
    lead = await desk.lead()
    async with desk.database.write() as session:
        await add_holiday(session, date(2026, 3, 10), "Свято")
    assert await desk.set_lead(lead, WARM) == Step(Act.PLAN, date(2026, 3, 11))


async def test_a_counterpartys_status_plans_too(desk: Desk) -> None:
    key = await desk.counterparty()
    assert await desk.plans() == []
    assert (await desk.set_counterparty(key, WARM)).step == Step(Act.PLAN, date(2026, 3, 10))
    assert (await desk.plan()).counterparty_id == key
    assert (await desk.set_counterparty(key, UNPROMISING)).step.act is Act.CANCEL


async def test_a_day_set_by_hand_is_asked_about_and_nothing_saved_before_the_answer(desk: Desk) -> None:
    lead = await desk.lead()
    await desk.by_hand(CallPerson(lead_id=lead), 20, "ціна")
    with pytest.raises(HandDateError) as asked:
        await desk.set_lead(lead, WARM)
    assert (asked.value.planned, asked.value.day) == (TODAY + timedelta(days=20), date(2026, 3, 10))
    async with desk.database.read() as session:
        assert (await session.get_one(Lead, lead)).status_id == HOT
    assert (await desk.set_lead(lead, WARM, HandDate.KEEP)).act is Act.KEEP
    assert (await desk.set_lead(lead, COLD, HandDate.MOVE)).act is Act.MOVE
    planned = await desk.plan()
    assert (planned.day, planned.by_hand, planned.note) == (date(2026, 4, 2), False, "ціна")


async def test_the_switch_stops_planning_moving_and_cancelling(desk: Desk) -> None:
    lead = await desk.lead()
    await desk.choose(planning=False)
    assert await desk.set_lead(lead, WARM) == Step(Act.NOTHING)
    assert await desk.plans() == []
    await desk.by_hand(CallPerson(lead_id=lead), 20)
    for status in (HOT, UNPROMISING):
        assert await desk.set_lead(lead, status) == Step(Act.NOTHING)
    assert (await desk.plan()).day == TODAY + timedelta(days=20)


async def test_the_database_keeps_one_open_call_for_each_person(desk: Desk) -> None:
    lead = await desk.lead()
    row = {"lead_id": lead, "day": TODAY, "set_at": TUESDAY, "made_at": TUESDAY}
    async with desk.database.write() as session:
        await session.execute(insert(PlannedCall), [row | {"state": PlanState.DONE}, row])
    with pytest.raises(IntegrityError):
        async with desk.database.write() as session:
            await session.execute(insert(PlannedCall), [row])


async def test_two_who_plan_at_the_same_moment_make_one_and_the_second_is_told(desk: Desk) -> None:
    lead = CallPerson(lead_id=await desk.lead())
    edit = PlanEdit(TODAY, None, "")
    both = await asyncio.gather(
        *(plan_by_hand(desk.database, lead, None, edit, by=by, clock=desk.clock) for by in (1, 2)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in both) == ["NoneType", "SavedMeanwhileError"]
    assert len(await desk.plans()) == 1


async def test_one_is_moved_noted_and_cancelled_by_hand(desk: Desk) -> None:
    lead = CallPerson(lead_id=await desk.lead())
    await desk.by_hand(lead, 1)
    await desk.by_hand(lead, 2, "перепитати")
    planned = await desk.plan()
    assert (planned.day, planned.note, planned.made_by_id) == (TODAY + timedelta(days=2), "перепитати", 1)
    with pytest.raises(SavedMeanwhileError):
        await cancel_plan(desk.database, planned.id, planned.version - 1, by=1, clock=desk.clock)
    await cancel_plan(desk.database, planned.id, planned.version, by=2, clock=desk.clock)
    planned = await desk.plan()
    assert (planned.state, planned.closed_by_id) == (PlanState.CANCELLED, 2)
    with pytest.raises(SavedMeanwhileError):
        await cancel_plan(desk.database, planned.id, planned.version, by=1, clock=desk.clock)


async def test_nobody_plans_with_a_closed_lead(desk: Desk) -> None:
    lead = await desk.lead()
    async with desk.database.write() as session:
        await session.execute(update(Lead).values(closed_at=TUESDAY))
    with pytest.raises(LeadClosedError):
        await desk.by_hand(CallPerson(lead_id=lead), 1)


async def test_the_open_call_follows_the_responsible_whoever_changes_him(desk: Desk) -> None:
    lead = await desk.lead()
    await desk.set_lead(lead, WARM)
    await desk.set_lead(lead, WARM, responsible=2)
    assert (await desk.plan()).employee_id == 2
    async with desk.database.write() as session:
        await session.execute(update(Lead).values(responsible_id=None))
    assert (await desk.plan()).employee_id is None


@pytest.mark.parametrize("out", [False, True])
async def test_any_conversation_fulfils_the_open_call(desk: Desk, out: bool) -> None:
    lead = await desk.lead(NUMBER, OTHER)
    await desk.set_lead(lead, WARM)
    desk.move(hours=1)
    await desk.miss(OTHER, out=out)
    assert (await desk.plan()).state is PlanState.OPEN
    began = desk.now
    talk = await desk.talk(OTHER, out=out)
    planned = await desk.plan()
    assert (planned.state, planned.closed_by_id) == (PlanState.DONE, 1)
    assert planned.closed_at == began + timedelta(seconds=10)
    assert planned.call == f"pbx {talk.linkedid}"
    await desk.set_lead(lead, COLD)
    await desk.write(talk)
    assert [one.state for one in await desk.plans()] == [PlanState.DONE, PlanState.OPEN]


async def test_a_conversation_with_a_counterparty_fulfils_its_call(desk: Desk) -> None:
    key = await desk.counterparty()
    await desk.set_counterparty(key, WARM)
    desk.move(hours=1)
    await desk.talk(OTHER)
    assert (await desk.plan()).state is PlanState.DONE


async def test_what_is_planned_during_a_conversation_is_for_the_next_one(desk: Desk) -> None:
    lead = await desk.lead()
    await desk.by_hand(CallPerson(lead_id=lead), 0)
    desk.move(hours=1)
    talk = talking(desk.view())
    await desk.write(talk)
    desk.move(seconds=30)
    await desk.set_lead(lead, WARM, HandDate.MOVE)
    await desk.write(ended(talk))
    assert (await desk.plan()).state is PlanState.OPEN


async def test_an_old_conversation_that_is_told_late_fulfils_nothing_newer(desk: Desk) -> None:
    lead = await desk.lead()
    old = ended(talking(desk.view()), recovered=True)
    desk.move(hours=3)
    await desk.set_lead(lead, WARM)
    await desk.write(old)
    assert (await desk.plan()).state is PlanState.OPEN


async def test_a_missed_call_that_turns_out_to_be_answered_fulfils(desk: Desk) -> None:
    lead = await desk.lead()
    await desk.set_lead(lead, WARM)
    desk.move(hours=1)
    view = desk.view()
    await desk.write(ended(view, incomplete=True))
    assert (await desk.plan()).state is PlanState.OPEN
    await desk.write(ended(talking(view), recovered=True))
    assert (await desk.plan()).state is PlanState.DONE


async def test_by_setting_only_the_call_button_fulfils(desk: Desk) -> None:
    lead = await desk.lead()
    await desk.set_lead(lead, WARM)
    await desk.choose(any_conversation=False)
    desk.move(hours=1)
    await desk.talk()
    await desk.talk(out=True)
    planned = await desk.plan()
    await note_dialled(desk.database, planned.id, 2, desk.now)
    await desk.talk(out=True)
    await note_dialled(desk.database, planned.id, 1, desk.now)
    desk.move(minutes=5)
    await desk.talk(out=True)
    assert (await desk.plan()).state is PlanState.OPEN
    await note_dialled(desk.database, planned.id, 1, desk.now)
    desk.move(seconds=3)
    await desk.talk(out=True)
    assert (await desk.plan()).state is PlanState.DONE


@pytest.mark.parametrize(("mine", "theirs", "kept"), [(1, 5, 1), (5, 1, 1), (3, None, 3)])
async def test_of_a_lead_that_ends_the_earlier_call_goes_along(
    desk: Desk, mine: int, theirs: int | None, kept: int
) -> None:
    lead, other, key = await desk.lead(), await desk.lead("+380931112233"), await desk.counterparty()
    for goes_to in (CallPerson(counterparty_id=key), CallPerson(lead_id=other)):
        await desk.by_hand(CallPerson(lead_id=lead), mine)
        if theirs is not None:
            await desk.by_hand(goes_to, theirs)
        async with desk.database.write() as session:
            await move_plans(session, lead, goes_to, desk.now)
        states = [one for one in await desk.plans() if one.state is PlanState.OPEN]
        assert [(one.lead_id, one.counterparty_id, one.day) for one in states] == [
            (goes_to.lead_id, goes_to.counterparty_id, TODAY + timedelta(days=kept))
        ]
        await cancel_plan(desk.database, states[0].id, states[0].version, by=None, clock=desk.clock)


async def test_a_call_that_goes_to_a_card_without_a_responsible_is_still_whose_it_was(desk: Desk) -> None:
    lead, key = await desk.lead(), await desk.counterparty()
    await desk.by_hand(CallPerson(lead_id=lead), 1)
    async with desk.database.write() as session:
        await session.execute(update(Counterparty).values(responsible_id=None))
        await move_plans(session, lead, CallPerson(counterparty_id=key), desk.now)
    planned = await desk.plan()
    assert (planned.counterparty_id, planned.employee_id) == (key, 1)


async def test_a_status_that_is_replaced_by_one_that_plans_none_cancels(desk: Desk) -> None:
    lead, key, other = await desk.lead(), await desk.counterparty(), await desk.lead("+380931112233", status=WARM)
    for person in (CallPerson(lead_id=lead), CallPerson(counterparty_id=key), CallPerson(lead_id=other)):
        await desk.by_hand(person, 2)

    async def replace_hot(which: StatusSet, by: int) -> list[PlanState]:
        async with desk.database.read() as session:
            hot = next(row for row in await status_rows(session, which) if row.id == HOT)
        await remove_status(desk.database, which, HOT, hot.version, by, by=1, now=desk.now)
        return [one.state for one in await desk.plans()]

    assert await replace_hot(StatusSet.COUNTERPARTIES, COLD) == [PlanState.OPEN] * 3
    await desk.choose(planning=False)
    async with desk.database.write() as session:
        await session.execute(update(LeadStatus).where(LeadStatus.id == COLD).values(plans=False))
    assert await replace_hot(StatusSet.LEADS, COLD) == [PlanState.OPEN] * 3
    await desk.choose(planning=True)
    async with desk.database.read() as session:
        cold = next(row for row in await status_rows(session, StatusSet.LEADS) if row.id == COLD)
    await remove_status(desk.database, StatusSet.LEADS, COLD, cold.version, UNPROMISING, by=1, now=desk.now)
    assert [one.state for one in await desk.plans()] == [PlanState.CANCELLED, PlanState.OPEN, PlanState.OPEN]
    async with desk.database.read() as session:
        told = [(row.field, row.before, row.after) for row in await history(session, lead_id=lead)]
    assert ("planned_call", (TODAY + timedelta(days=2)).isoformat(), "") in told


async def test_a_leavers_planned_call_with_whom_nobody_is_responsible_for_goes_to_his_successor(desk: Desk) -> None:
    lead, key = await desk.lead(), await desk.counterparty()
    for person in (CallPerson(lead_id=lead), CallPerson(counterparty_id=key)):
        await desk.by_hand(person, 1)
    async with desk.database.write() as session:
        await session.execute(update(Counterparty).values(responsible_id=None))
        can_sign_in = {"role": Role.ADMIN, "login": "e2", "password_hash": "x"}
        await session.execute(update(Employee).where(Employee.id == 2).values(**can_sign_in))
        reminded = update(PlannedCall).where(PlannedCall.counterparty_id == key)
        await session.execute(reminded.values(employee_id=1, reminded_at=desk.now))
    had = await hand_all_over(desk.database, 1, 1, 2, by=None, clock=desk.clock)
    assert (had.leads, had.planned_calls, had.total) == (1, 1, 2)
    plans = await desk.plans()
    assert [(one.employee_id, one.state, one.reminded_at) for one in plans] == [(2, PlanState.OPEN, None)] * 2


async def test_who_gets_a_person_is_reminded_of_the_call_that_his_predecessor_was_reminded_of(desk: Desk) -> None:
    lead = await desk.lead()
    await desk.by_hand(CallPerson(lead_id=lead), 0)
    async with desk.database.write() as session:
        await mark_reminded(session, [(await desk.plan()).id], desk.now)
    async with desk.database.write() as session:
        await session.execute(update(Lead).values(responsible_id=2))
    async with desk.database.read() as session:
        assert [row.lead_id for row in await due_untold(session, 2, desk.now, TODAY)] == [lead]
        assert not await due_untold(session, 1, desk.now, TODAY)


async def test_the_call_button_fulfils_its_own_call_also_where_others_share_the_number(desk: Desk) -> None:
    first, second = await desk.counterparty(OTHER), await desk.counterparty(OTHER)
    await desk.choose(any_conversation=False)
    for key in (first, second):
        await desk.by_hand(CallPerson(counterparty_id=key), 0)
    desk.move(hours=1)
    theirs = {one.counterparty_id: one.id for one in await desk.plans()}
    await note_dialled(desk.database, theirs[second], 1, desk.now)
    desk.move(seconds=3)
    await desk.talk(NUMBER, out=True)
    assert {one.state for one in await desk.plans()} == {PlanState.OPEN}
    await note_dialled(desk.database, theirs[second], 1, desk.now)
    desk.move(seconds=3)
    await desk.talk(OTHER, out=True)
    states = {one.counterparty_id: one.state for one in await desk.plans()}
    assert states == {first: PlanState.OPEN, second: PlanState.DONE}
