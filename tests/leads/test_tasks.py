"""Tasks and notes: a missed call is one task until a conversation, others are given and done (P6 to P8)."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select, update

from leads.domain.calls import Result
from leads.domain.directory import Role
from leads.domain.follow_up import TaskKind
from leads.store.belongings import move_belongings
from leads.store.callers import find_caller
from leads.store.closing import Choice, choose_counterparty
from leads.store.company import GoneError, SavedMeanwhileError
from leads.store.counterparties import CounterpartyFilter, CounterpartyOrder, list_counterparties
from leads.store.counterparty_card import CounterpartyEdit, PersonEdit, save_counterparty
from leads.store.day_lists import open_tasks_for, ownerless_missed
from leads.store.engine import Database
from leads.store.leads import LeadFilter, LeadOrder, list_leads
from leads.store.listing import Request
from leads.store.merging import merge_leads
from leads.store.models import Call, ContactPerson, Counterparty, Did, Employee, IgnoredNumber, Lead
from leads.store.people_of_calls import CallPerson
from leads.store.task_tables import Note, Task
from leads.store.tasks import (
    NeedsReasonError,
    add_note,
    close_task,
    give_task,
    mark_told,
    notes_of,
    tasks_of,
    untold_tasks,
)
from leads.store.visibility import counterparty_is_visible, lead_is_visible
from tests.leads.handing import hand_all_over
from tests.leads.planning import HOT, NUMBER, OTHER, Desk
from tests.leads.views import ended, talking


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await Desk(database).open()


async def _tasks(desk: Desk) -> list[Task]:
    async with desk.database.read() as session:
        return list(await session.scalars(select(Task).order_by(Task.id)))


async def _task(desk: Desk) -> Task:
    (only,) = await _tasks(desk)
    return only


async def test_a_missed_call_is_one_task_of_the_responsible_until_a_conversation(desk: Desk) -> None:
    lead = await desk.lead(NUMBER, OTHER)
    first = desk.now
    view = await desk.miss()
    await desk.write(view)
    task = await _task(desk)
    assert (task.kind, task.lead_id, task.employee_id, task.missed, task.missed_at) == (
        *(TaskKind.MISSED, lead, 1, 1, first),
    )
    await desk.miss(OTHER, result=Result.BUSY)
    await desk.miss(out=True)
    await desk.miss(OTHER, out=True)
    await desk.miss(out=True, result=Result.FAILED)
    task = await _task(desk)
    assert (task.missed, task.attempts, task.done_at) == (2, 2, None)
    began = desk.now
    await desk.talk(OTHER, out=True)
    task = await _task(desk)
    assert task.done_at is not None
    assert (task.done_at > began, task.done_by_id) == (True, 1)
    await desk.miss()
    assert [one.done_at is None for one in await _tasks(desk)] == [False, True]


async def test_an_unknown_callers_missed_call_is_the_numbers_owners(desk: Desk) -> None:
    await desk.miss()
    assert (await _task(desk)).employee_id == 2


async def test_a_counterpartys_missed_call(desk: Desk) -> None:
    key = await desk.counterparty()
    await desk.miss(OTHER)
    task = await _task(desk)
    assert (task.counterparty_id, task.lead_id, task.employee_id) == (key, None, 1)
    await desk.talk(OTHER)
    assert (await _task(desk)).done_at is not None


async def test_a_contact_persons_missed_call_is_his_own_responsibles(desk: Desk) -> None:
    async with desk.database.write() as session:
        session.add(Employee(id=3, name="e3", created_at=desk.now))
    person = PersonEdit(None, "Ганна", "", None, 2, (NUMBER,))
    edit = CounterpartyEdit("ТОВ", "", "", "", "", None, 1, (OTHER,), (person,))
    await save_counterparty(desk.database, None, 0, edit, by=1, clock=desk.clock, region="UA")
    await desk.miss()
    task = await _task(desk)
    assert (task.employee_id, task.missed) == (2, 1)
    await desk.miss(OTHER)
    task = await _task(desk)
    assert (task.employee_id, task.missed) == (2, 2)
    for own, owner in ((2, 2), (None, 3)):
        async with desk.database.write() as session:
            await session.execute(update(ContactPerson).values(responsible_id=own))
            await session.execute(update(Counterparty).values(responsible_id=1))
        async with desk.database.write() as session:
            await session.execute(update(Counterparty).values(responsible_id=3))
        assert (await _task(desk)).employee_id == owner


async def test_a_missed_call_without_owner_is_shown_to_those_who_may_see_its_card(desk: Desk) -> None:
    async with desk.database.write() as session:
        await session.execute(update(Did).values(responsible_id=None))
    await desk.miss()
    task = await _task(desk)
    assert task.employee_id is None
    async with desk.database.read() as session:
        assert [row.id for row in (await ownerless_missed(session, None)).rows] == [task.id]
        assert (await ownerless_missed(session, frozenset({1, 2}))).rows == []
    async with desk.database.write() as session:
        await session.execute(update(Call).values(employee_id=1))
    async with desk.database.read() as session:
        assert [row.id for row in (await ownerless_missed(session, frozenset({1}))).rows] == [task.id]
        assert (await ownerless_missed(session, frozenset({2}))).rows == []
    async with desk.database.write() as session:
        await session.execute(update(Did).values(responsible_id=2))
    await desk.miss()
    task = await _task(desk)
    assert (task.employee_id, task.missed) == (2, 2)
    async with desk.database.read() as session:
        assert (await ownerless_missed(session, None)).rows == []


async def test_hidden_and_ignored_callers_ask_for_nothing(desk: Desk) -> None:
    await desk.counterparty(OTHER)
    async with desk.database.write() as session:
        session.add(IgnoredNumber(number=OTHER))
    await desk.write(ended(replace(desk.view(), caller=None, caller_hidden=True)))
    await desk.miss(OTHER)
    assert await _tasks(desk) == []


async def test_calls_that_are_told_late_count_by_their_own_time(desk: Desk) -> None:
    await desk.lead()
    missed, desk.now = ended(desk.view(), recovered=True), desk.now
    desk.move(minutes=5)
    old_talk = ended(talking(desk.view()), recovered=True)
    desk.move(minutes=5)
    await desk.talk()
    await desk.write(missed)
    assert await _tasks(desk) == []
    await desk.miss()
    await desk.write(old_talk)
    assert (await _task(desk)).done_at is None


@pytest.mark.parametrize("answered_after", [10, 90], ids=["talking already", "still waiting"])
@pytest.mark.parametrize("missed_is_told", ["first", "last"])
async def test_a_conversation_that_goes_on_after_a_missed_call_began_answers_it(
    desk: Desk, answered_after: int, missed_is_told: str
) -> None:
    await desk.lead(NUMBER, OTHER)
    begun = desk.now
    talk = talking(desk.view(), answered_at=begun + timedelta(seconds=answered_after))
    talk = ended(talk, ended_at=begun + timedelta(minutes=5))
    desk.move(minutes=1)
    missed = ended(desk.view(OTHER))
    desk.move(minutes=4)
    for view in (missed, talk) if missed_is_told == "first" else (talk, missed):
        await desk.write(view)
    assert [task.done_at is None for task in await _tasks(desk)] in ([], [False])
    await desk.miss(OTHER)
    assert sum(task.done_at is None for task in await _tasks(desk)) == 1


async def test_a_missed_call_that_is_told_late_is_answered_by_the_conversation_with_the_lead_that_he_was(
    desk: Desk,
) -> None:
    lead = await desk.lead()
    missed = ended(desk.view(), recovered=True)
    desk.move(minutes=5)
    await desk.talk()
    await choose_counterparty(desk.database, lead, 1, Choice(await desk.counterparty(OTHER)), by=1, clock=desk.clock)
    await desk.write(missed)
    assert await _tasks(desk) == []
    await desk.miss()
    assert [task.done_at for task in await _tasks(desk)] == [None]


async def test_a_call_that_was_thought_missed_but_was_answered(desk: Desk) -> None:
    await desk.lead()
    view = desk.view()
    await desk.write(ended(view, incomplete=True))
    await desk.write(ended(talking(view), recovered=True))
    task = await _task(desk)
    assert (task.missed, task.done_at is None) == (1, False)


async def test_a_new_responsible_gets_what_is_to_be_called_back(desk: Desk) -> None:
    lead = await desk.lead()
    await desk.miss()
    await desk.set_lead(lead, HOT, responsible=2)
    assert (await _task(desk)).employee_id == 2
    async with desk.database.write() as session:
        await session.execute(update(Lead).values(responsible_id=None))
    assert (await _task(desk)).employee_id == 2


async def test_a_missed_call_is_closed_by_hand_with_a_reason_only(desk: Desk) -> None:
    await desk.lead()
    await desk.miss()
    task = await _task(desk)
    with pytest.raises(NeedsReasonError):
        async with desk.database.write() as session:
            await close_task(session, task.id, "", by=1, now=desk.now)
    async with desk.database.write() as session:
        await close_task(session, task.id, "спам", by=1, now=desk.now)
    assert (await _task(desk)).reason == "спам"
    with pytest.raises(SavedMeanwhileError):
        async with desk.database.write() as session:
            await close_task(session, task.id, "ще раз", by=1, now=desk.now)


async def test_a_task_is_given_told_once_and_done(desk: Desk) -> None:
    person = CallPerson(lead_id=await desk.lead())
    async with desk.database.write() as session:
        await give_task(session, person, 2, "надіслати прайс", date(2026, 3, 5), by=1, now=desk.now)
        await give_task(session, person, 1, "собі", None, by=1, now=desk.now)
    async with desk.database.read() as session:
        assert await untold_tasks(session, 1) == []
        (told,) = await untold_tasks(session, 2)
    assert (told.text, told.made_by, told.name) == ("надіслати прайс", "e1", "Лід")
    for expected in ({told.id}, set()):
        async with desk.database.write() as session:
            assert await mark_told(session, [told.id], desk.now) == expected
    async with desk.database.write() as session:
        await close_task(session, told.id, "", by=2, now=desk.now)
    async with desk.database.read() as session:
        assert (await open_tasks_for(session, 2, TaskKind.TYPED)).rows == []
        assert [row.text for row in await tasks_of(session, person)] == ["собі", "надіслати прайс"]
    async with desk.database.write() as session:
        await session.execute(update(Employee).where(Employee.id == 2).values(active=False))
    with pytest.raises(GoneError):
        async with desk.database.write() as session:
            await give_task(session, person, 2, "ні", None, by=1, now=desk.now)


async def test_a_card_is_open_to_whoever_has_a_task_about_it_until_it_is_done(desk: Desk) -> None:
    lead, key = await desk.lead(), await desk.counterparty()
    await desk.lead("+380931112233")
    async with desk.database.write() as session:
        for person in (CallPerson(lead_id=lead), CallPerson(counterparty_id=key)):
            await give_task(session, person, 2, "надіслати прайс", None, by=1, now=desk.now)
    assert await _sees(desk, 2, lead, key) == (True, True, [lead], [lead], [key])
    async with desk.database.write() as session:
        for task in (await open_tasks_for(session, 2, TaskKind.TYPED)).rows:
            await close_task(session, task.id, "", by=2, now=desk.now)
    assert await _sees(desk, 2, lead, key) == (False, False, [], [], [])


async def _sees(desk: Desk, employee: int, lead: int, key: int) -> tuple[object, ...]:
    """What an employee sees: the cards, the leads in both ways in which a list finds them, the counterparties."""
    scope, page = frozenset({employee}), Request(9)
    # A great many colleagues make a list look for cards in another way than it does for one person.
    many = scope | set(range(1000, 1101))
    async with desk.database.read() as session:
        leads = [await list_leads(session, LeadFilter(), LeadOrder.NAME, page, whose) for whose in (scope, many)]
        companies = await list_counterparties(session, CounterpartyFilter(), CounterpartyOrder.NAME, page, scope)
        cards = (await lead_is_visible(session, lead, scope), await counterparty_is_visible(session, key, scope))
    return (*cards, *([row.id for row in found.rows] for found in (*leads, companies)))


async def test_a_leavers_tasks_go_to_his_successor_who_is_told(desk: Desk) -> None:
    person = CallPerson(lead_id=await desk.lead())
    async with desk.database.write() as session:
        await give_task(session, person, 1, "a", None, by=1, now=desk.now)
        can_sign_in = {"role": Role.ADMIN, "login": "e2", "password_hash": "x"}
        await session.execute(update(Employee).where(Employee.id == 2).values(**can_sign_in))
    assert (await hand_all_over(desk.database, 1, 1, 2, by=None, clock=desk.clock)).tasks == 1
    async with desk.database.read() as session:
        assert [row.text for row in await untold_tasks(session, 2)] == ["a"]


async def test_the_question_on_the_screen_shows_the_latest_note(desk: Desk) -> None:
    lead = CallPerson(lead_id=await desk.lead())
    for text in ("перша", "остання"):
        desk.move(minutes=1)
        async with desk.database.write() as session:
            await add_note(session, lead, text, by=1, now=desk.now)
    async with desk.database.read() as session:
        caller = await find_caller(session, NUMBER)
        assert [note.text for note in await notes_of(session, lead)] == ["остання", "перша"]
    async with desk.database.write() as session:
        session.add_all(Note(lead_id=lead.lead_id, employee_id=1, at=desk.now, text="ще") for _ in range(58))
    async with desk.database.read() as session:
        assert len(await notes_of(session, lead)) == 60, "none is left out"
    assert caller is not None
    assert caller.note == "остання"


@pytest.mark.parametrize("merged", [True, False])
async def test_what_is_to_be_done_goes_along_with_a_lead_that_ends(desk: Desk, merged: bool) -> None:
    lead, other, key = await desk.lead(), await desk.lead("+380931112233"), await desk.counterparty()
    goes_to = CallPerson(lead_id=other) if merged else CallPerson(counterparty_id=key)
    await desk.miss()
    await desk.miss(out=True)
    desk.move(hours=1)
    last = desk.now
    await desk.miss("+380931112233" if merged else OTHER)
    async with desk.database.write() as session:
        await give_task(session, CallPerson(lead_id=lead), 1, "a", None, by=1, now=desk.now)
        await add_note(session, CallPerson(lead_id=lead), "n", by=1, now=desk.now)
    async with desk.database.write() as session:
        await move_belongings(session, lead, goes_to, desk.now)
        if not merged:
            await session.execute(update(Lead).where(Lead.id == lead).values(counterparty_id=key, closed_at=desk.now))
    tasks = await _tasks(desk)
    assert {(one.lead_id, one.counterparty_id) for one in tasks} == {(goes_to.lead_id, goes_to.counterparty_id)}
    (missed,) = [one for one in tasks if one.kind is TaskKind.MISSED]
    assert (missed.missed, missed.attempts, missed.missed_at) == (2, 1, last)
    async with desk.database.read() as session:
        assert [note.text for note in await notes_of(session, goes_to)] == ["n"]
        assert await session.scalar(select(Note.lead_id)) == (other if merged else lead)


@pytest.mark.parametrize("merged", [True, False])
async def test_what_was_typed_while_a_lead_ended_goes_where_it_went(desk: Desk, merged: bool) -> None:
    lead, other, key = await desk.lead(), await desk.lead("+380931112233"), await desk.counterparty()
    went = {"merged_into_id": other} if merged else {"counterparty_id": key}
    goes_to = CallPerson(lead_id=other) if merged else CallPerson(counterparty_id=key)
    async with desk.database.write() as session:
        await session.execute(update(Lead).where(Lead.id == lead).values(closed_at=desk.now, **went))
    async with desk.database.write() as session:
        person = CallPerson(lead_id=lead)
        assert await give_task(session, person, 1, "a", None, by=1, now=desk.now) == goes_to
        assert await add_note(session, person, "n", by=1, now=desk.now) == goes_to
    async with desk.database.read() as session:
        assert [task.text for task in await tasks_of(session, goes_to)] == ["a"]
        assert await session.scalar(select(Note.lead_id)) == goes_to.lead_id


@pytest.mark.parametrize("merged", [True, False])
async def test_a_missed_call_of_a_lead_that_ends_is_whose_the_person_is_then(desk: Desk, merged: bool) -> None:
    lead = await desk.lead(responsible=2)
    await desk.miss()
    assert (await _task(desk)).employee_id == 2
    if merged:
        goes_to = CallPerson(lead_id=await desk.lead("+380931112233"))
    else:
        goes_to = CallPerson(counterparty_id=await desk.counterparty())
    async with desk.database.write() as session:
        await move_belongings(session, lead, goes_to, desk.now)
    assert (await _task(desk)).employee_id == 1


@pytest.mark.parametrize("goes_to", ["older lead", "younger lead", "counterparty"])
@pytest.mark.parametrize("missed_first", [True, False])
async def test_who_was_talked_with_since_by_what_was_another_card_waits_no_more(
    desk: Desk, goes_to: str, missed_first: bool
) -> None:
    missed_by, talked_by = (NUMBER, OTHER) if missed_first else (OTHER, NUMBER)
    lead = await desk.lead(NUMBER)
    desk.move(hours=1)
    other = await (desk.counterparty(OTHER) if goes_to == "counterparty" else desk.lead(OTHER))
    before = await desk.talk(talked_by)
    desk.move(hours=1)
    await desk.miss(missed_by)
    assert (await _task(desk)).done_at is None
    desk.move(hours=1)
    first = await desk.talk(talked_by)
    desk.move(hours=1)
    await desk.talk(talked_by)
    if goes_to == "counterparty":
        await choose_counterparty(desk.database, lead, 1, Choice(other), by=2, clock=desk.clock)
    else:
        one, two = (lead, other) if goes_to == "older lead" else (other, lead)
        await merge_leads(desk.database, one, 1, two, by=2, clock=desk.clock)
    task = await _task(desk)
    assert before.ended_at is not None
    assert (task.done_at, task.done_by_id, task.reason) == (first.ended_at, 1, "")


@pytest.mark.parametrize("goes_to", ["lead", "counterparty"])
async def test_a_missed_call_waits_on_where_the_other_card_was_talked_with_before_it(desk: Desk, goes_to: str) -> None:
    lead = await desk.lead(NUMBER)
    other = await (desk.counterparty(OTHER) if goes_to == "counterparty" else desk.lead(OTHER))
    await desk.miss(OTHER)
    await desk.talk(OTHER)
    await desk.talk(OTHER)
    desk.move(hours=1)
    await desk.miss(NUMBER)
    if goes_to == "counterparty":
        await choose_counterparty(desk.database, lead, 1, Choice(other), by=2, clock=desk.clock)
    else:
        await merge_leads(desk.database, lead, 1, other, by=2, clock=desk.clock)
    assert [task.done_at is None for task in await _tasks(desk)] == [False, True]
