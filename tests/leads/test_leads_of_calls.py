"""The people of calls: one lead for each number, whose it is by who talked first; counterparties; closed leads (L1)."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, update

from leads.domain.calls import CallView, Direction, Phase, Result, Role, Transfer, TransferType
from leads.domain.views import ended_unseen
from leads.store import models, people_of_calls
from leads.store.daily_plans import plan_day
from leads.store.engine import Database
from leads.store.models import Change, Employee, Lead, LeadStatus, PhoneNumber
from leads.store.planning_tables import PlannedCall
from leads.store.task_tables import Note, Task
from tests.leads.views import CALLER, DID, NOW, RINGING, ended, outgoing, talking
from tests.leads.writing import OTHER, Desk


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await Desk(database).open()


async def test_an_unknown_caller_becomes_a_lead_while_it_rings(desk: Desk) -> None:
    await desk.write(RINGING)
    lead = await desk.lead()
    assert (lead.name, lead.named, lead.main_number, lead.responsible_id, lead.responsible_by_hand) == (
        CALLER,
        False,
        CALLER,
        2,
        False,
    )
    assert (lead.created_at, lead.last_call_at, lead.closed_at, lead.version) == (NOW, NOW, None, 1)
    assert CALLER in lead.search_text
    assert lead.sort_name
    assert await desk.numbers() == [(CALLER, True)]
    async with desk.database.read() as session:
        assert (await session.get_one(LeadStatus, lead.status_id)).name == "Hot"
    assert (await desk.call()).lead_id == lead.id


async def test_the_first_conversation_gives_the_lead_to_who_talked_last_in_it(desk: Desk) -> None:
    await desk.write(ended(RINGING, Result.NO_ANSWER))
    assert (await desk.lead()).responsible_id == 2
    second = replace(RINGING, linkedid="2.1", started_at=NOW + timedelta(minutes=5))
    await desk.write(talking(second, "101"))
    assert (await desk.lead()).responsible_id == 1
    handed = Transfer(TransferType.BLIND, "101", "102", Result.ANSWERED, "102")
    await desk.write(ended(talking(second, "101", transfers=(handed,))))
    assert (await desk.lead()).responsible_id == 2
    third = replace(RINGING, linkedid="3.1", started_at=NOW + timedelta(minutes=9))
    await desk.write(ended(talking(third, "101")))
    lead = await desk.lead()
    assert (lead.responsible_id, lead.version, lead.last_call_at) == (2, 1, NOW + timedelta(minutes=9))
    assert {call.lead_id for call in await desk.calls()} == {lead.id}


async def test_a_conversation_that_is_told_late_was_the_first_all_the_same(desk: Desk) -> None:
    later = replace(RINGING, linkedid="2.1", started_at=NOW + timedelta(minutes=5))
    await desk.write(ended(talking(later, "102")))
    await desk.write(ended(talking(RINGING, "101")))
    lead = await desk.lead()
    assert (lead.responsible_id, lead.last_call_at) == (1, NOW + timedelta(minutes=5))


async def test_a_responsible_chosen_by_hand_stays(desk: Desk) -> None:
    await desk.write(RINGING)
    await desk.change(update(Lead).values(responsible_id=2, responsible_by_hand=True))
    await desk.write(ended(talking(RINGING, "101")))
    assert (await desk.lead()).responsible_id == 2


async def test_a_voice_without_an_employee_takes_no_lead(desk: Desk) -> None:
    await desk.write(ended(talking(RINGING, "199")))
    assert (await desk.lead()).responsible_id == 2
    second = replace(RINGING, linkedid="2.1", started_at=NOW + timedelta(minutes=5))
    await desk.write(ended(talking(second, "101")))
    assert (await desk.lead()).responsible_id == 1


@pytest.mark.parametrize("result", [Result.NO_ANSWER, Result.BUSY, Result.CANCELLED, Result.REJECTED])
async def test_an_outgoing_call_makes_a_lead_while_it_rings_and_it_stays_unanswered(desk: Desk, result: Result) -> None:
    await desk.write(outgoing())
    lead = await desk.lead()
    assert (lead.name, lead.responsible_id, lead.source_id) == (CALLER, 1, None)
    await desk.write(ended(outgoing(), result))
    assert (await desk.lead()).id == lead.id
    call = await desk.call()
    assert (call.lead_id, call.employee_id, call.outside_number, call.did) == (lead.id, 1, CALLER, None)


async def test_a_call_that_fails_after_it_rang_takes_its_lead_back(desk: Desk) -> None:
    await desk.write(outgoing())
    assert (await desk.call()).lead_id == (await desk.lead()).id
    await desk.write(ended(outgoing(), Result.FAILED))
    assert (await desk.leads(), await desk.numbers()) == ([], [])
    call = await desk.call()
    assert (call.lead_id, call.result, call.outside_number) == (None, Result.FAILED, CALLER)


async def test_what_asterisk_kept_of_a_failed_call_takes_its_lead_back_and_brings_it(desk: Desk) -> None:
    """A view that is fuller than that by which the lead was made, or taken back, has the last word."""
    unseen = ended_unseen(outgoing(), NOW)
    await desk.write(outgoing(), unseen)
    assert (await desk.call()).lead_id is not None
    kept = ended(outgoing(recovered=True), Result.FAILED)
    await desk.write(kept)
    assert ((await desk.call()).result, await desk.leads()) == (Result.FAILED, [])
    await desk.write(ended(talking(outgoing(progress=9))))
    assert (await desk.call()).lead_id == (await desk.lead()).id


async def test_calls_at_once_to_one_wrong_number_take_the_lead_back_with_the_last(desk: Desk) -> None:
    first, second, third = (outgoing(linkedid=f"{place}.1") for place in (1, 2, 3))
    await desk.write(first, second, third)
    lead = await desk.lead()
    await desk.write(ended(first, Result.FAILED))
    assert [call.lead_id for call in await desk.calls()] == [lead.id] * 3
    await desk.write(ended(second, Result.FAILED), ended(third, Result.FAILED))
    assert await desk.leads() == []
    assert [call.lead_id for call in await desk.calls()] == [None] * 3


@pytest.mark.parametrize(
    "other",
    [
        replace(RINGING, linkedid="2.1"),
        ended(replace(RINGING, linkedid="2.1")),
        ended(outgoing(linkedid="2.1"), Result.BUSY),
        outgoing(linkedid="2.1"),
    ],
    ids=["calls us", "has called us", "was busy", "rings again"],
)
@pytest.mark.parametrize("order", ["before", "between", "with the end"])
async def test_a_failed_call_leaves_a_lead_that_another_call_made_too(desk: Desk, other: CallView, order: str) -> None:
    rings, fails = outgoing(), ended(outgoing(), Result.FAILED)
    batches = {
        "before": [(other,), (rings,), (fails,)],
        "between": [(rings,), (other,), (fails,)],
        "with the end": [(rings,), (other, fails)],
    }
    for batch in batches[order]:
        await desk.write(*batch)
    lead = await desk.lead()
    assert [call.lead_id for call in await desk.calls()] == [lead.id] * 2


_TOUCHES = {
    "saved": update(Lead).values(version=2),
    "named": update(Lead).values(named=True),
    "given": update(Lead).values(responsible_by_hand=True),
    "closed": update(Lead).values(closed_at=NOW),
    "talked": update(Lead).values(first_talk_call="pbx 0.1"),
    "older": update(Lead).values(created_at=NOW - timedelta(days=2)),
    "made by hand": insert(Change).values(at=NOW, lead_id=1, field="created"),
    "planned": insert(PlannedCall).values(lead_id=1, day=NOW.date(), set_at=NOW, made_at=NOW, made_by_id=1),
    "planned and called": insert(PlannedCall).values(
        lead_id=1, day=NOW.date(), set_at=NOW, made_at=NOW, dialled_at=NOW, dialled_by_id=1
    ),
    "to be done": insert(Task).values(lead_id=1, made_at=NOW),
    "noted": insert(Note).values(lead_id=1, at=NOW, text="?"),
}


async def test_what_the_daily_job_planned_while_it_rang_keeps_no_lead(desk: Desk) -> None:
    """The job plans for every lead that there is; nobody has done anything with this one."""
    await desk.write(outgoing())
    assert await plan_day(desk.database, ZoneInfo("UTC"), lambda: NOW) == 1
    await desk.write(ended(outgoing(), Result.FAILED))
    assert ((await desk.call()).lead_id, await desk.leads()) == (None, [])


@pytest.mark.parametrize("touch", _TOUCHES)
async def test_a_failed_call_leaves_a_lead_that_somebody_works_with(desk: Desk, touch: str) -> None:
    await desk.write(outgoing())
    await desk.change(_TOUCHES[touch])
    await desk.write(ended(outgoing(), Result.FAILED))
    assert (await desk.call()).lead_id == (await desk.lead()).id


@pytest.mark.parametrize(
    "view",
    [
        replace(RINGING, caller_hidden=True),
        replace(RINGING, caller="anonymous"),
        replace(RINGING, caller="0800500500"),
        replace(RINGING, caller=DID),
        replace(RINGING, direction=Direction.INTERNAL, caller="101", dialled="102"),
        replace(RINGING, role=Role.CONSULTATION, parent_linkedid="0.1"),
        ended(outgoing(), Result.FAILED),
    ],
)
async def test_some_calls_make_no_lead(desk: Desk, view: CallView) -> None:
    await desk.write(view)
    assert (await desk.call()).lead_id is None
    assert await desk.leads() == []


async def test_a_call_out_that_asterisks_end_cut_before_the_trunk_is_one_to_the_outside(desk: Desk) -> None:
    cut = replace(ended(outgoing(), Result.CANCELLED), direction=Direction.INTERNAL, legs=(), incomplete=True)
    await desk.write(cut)
    await desk.write(replace(cut, recovered=True, progress=9))
    call = await desk.call()
    assert (call.direction, call.result, call.outside_number) == (Direction.OUTBOUND, Result.FAILED, "+380501234567")
    assert call.lead_id is None


async def test_a_number_withheld_is_not_kept(desk: Desk) -> None:
    await desk.write(replace(RINGING, caller_hidden=True))
    call = await desk.call()
    assert (call.caller, call.caller_name, call.outside_number) == (None, None, None)


async def test_a_change_of_the_directory_is_heeded_at_once(desk: Desk) -> None:
    await desk.write(RINGING)
    await desk.change(insert(models.EmployeeMobile).values(number=OTHER, employee_id=1))
    await desk.write(replace(RINGING, linkedid="2.1", caller=OTHER))
    assert (await desk.call("2.1")).lead_id is None


def _counterparty(**columns: Any) -> Any:
    return insert(models.Counterparty).values(name="Romashka", created_at=NOW, updated_at=NOW, **columns)


async def test_a_counterparty_and_its_contact_person_are_known(desk: Desk) -> None:
    await desk.change(
        _counterparty(id=5),
        insert(models.ContactPerson).values(id=8, counterparty_id=5, name="Iryna"),
        insert(PhoneNumber).values(number=CALLER, counterparty_id=5),
        insert(PhoneNumber).values(number=OTHER, contact_person_id=8),
    )
    await desk.write(RINGING, replace(RINGING, linkedid="2.1", caller=OTHER))
    assert [(call.counterparty_id, call.contact_person_id, call.lead_id) for call in await desk.calls()] == [
        (5, None, None),
        (5, 8, None),
    ]
    assert await desk.leads() == []


async def test_a_closed_lead_comes_back_when_only_it_had_the_number(desk: Desk) -> None:
    old = {"status_id": 3, "created_at": NOW, "updated_at": NOW}
    await desk.change(
        _counterparty(id=5),
        insert(Lead).values(id=1, name="older", closed_at=NOW - timedelta(days=9), **old),
        insert(Lead).values(
            id=2, name="newer", named=True, closed_at=NOW - timedelta(days=2), counterparty_id=5, **old
        ),
        insert(Lead).values(id=3, name="other", **old),
        insert(PhoneNumber).values(number=CALLER, lead_id=2),
        insert(PhoneNumber).values(number=CALLER, lead_id=1),
        insert(PhoneNumber).values(number=OTHER, lead_id=2, position=1),
        insert(PhoneNumber).values(number=OTHER, lead_id=3, on_active_lead=True),
        insert(PhoneNumber).values(number="+380441112233", lead_id=2, position=2),
    )
    await desk.write(RINGING)
    assert (await desk.call()).lead_id == 2
    async with desk.database.read() as session:
        lead = await session.get_one(Lead, 2)
        changes = (await session.scalars(select(Change).order_by(Change.id))).all()
    assert (lead.name, lead.closed_at, lead.counterparty_id, lead.status_id, lead.version) == (
        "newer",
        None,
        None,
        1,
        2,
    )
    assert [(change.lead_id, change.field, change.employee_id) for change in changes] == [
        (2, field, None) for field in ("closed", "counterparty", "status")
    ]
    async with desk.database.read() as session:
        active = await session.execute(
            select(PhoneNumber.lead_id, PhoneNumber.number).where(PhoneNumber.on_active_lead).order_by(PhoneNumber.id)
        )
        assert [tuple(row) for row in active] == [(2, CALLER), (3, OTHER), (2, "+380441112233")]


async def test_of_the_leads_that_had_the_number_the_one_closed_last_comes_back(desk: Desk) -> None:
    # A file of old leads was read after the newer one had been closed here.
    old = {"status_id": 3, "created_at": NOW - timedelta(days=900), "updated_at": NOW}
    await desk.change(
        insert(Lead).values(id=1, name="closed here", closed_at=NOW - timedelta(days=2), **old),
        insert(Lead).values(id=2, name="of a file", closed_at=NOW - timedelta(days=800), **old),
        insert(PhoneNumber).values(number=CALLER, lead_id=1),
        insert(PhoneNumber).values(number=CALLER, lead_id=2),
    )
    await desk.write(RINGING)
    assert (await desk.call()).lead_id == 1
    assert [lead.name for lead in await desk.leads() if lead.closed_at is None] == ["closed here"]


async def test_a_closed_lead_stays_closed_where_a_counterparty_has_the_number(desk: Desk) -> None:
    await desk.change(
        _counterparty(id=5),
        insert(Lead).values(
            id=1, name="was", status_id=1, closed_at=NOW, counterparty_id=5, created_at=NOW, updated_at=NOW
        ),
        insert(PhoneNumber).values(number=CALLER, lead_id=1),
        insert(PhoneNumber).values(number=CALLER, counterparty_id=5),
    )
    await desk.write(RINGING)
    call = await desk.call()
    assert (call.lead_id, call.counterparty_id) == (None, 5)
    assert (await desk.lead()).closed_at is not None


async def test_ten_calls_of_one_number_make_one_lead(desk: Desk) -> None:
    calls = [replace(RINGING, linkedid=f"{number}.1") for number in range(10)]
    await desk.write(*calls[:5])
    await desk.write(*calls[5:])
    lead = await desk.lead()
    assert {call.lead_id for call in await desk.calls()} == {lead.id}


async def test_processes_that_write_the_same_calls_make_one_lead(desk: Desk, database_url: str) -> None:
    """Several writers with connections of their own, as two Leadline processes have them."""
    databases = [Database(database_url) for _ in range(4)]
    desks = [Desk(database) for database in databases]
    calls = [replace(RINGING, linkedid=f"{number}.1") for number in range(10)]
    await asyncio.gather(*(one.write(call) for call in calls for one in desks))
    await asyncio.gather(*(one.write(*map(ended, calls)) for one in desks))
    lead = await desk.lead()
    assert [(call.linkedid, call.lead_id, call.phase) for call in await desk.calls()] == [
        (f"{number}.1", lead.id, Phase.ENDED) for number in range(10)
    ]
    for database in databases:
        await database.dispose()


async def test_a_card_that_takes_the_number_without_a_lock_still_makes_one_lead(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the insert somebody takes the number; the unique index lets the first win."""
    looked = people_of_calls._owners
    person = people_of_calls.CallPerson

    def blind(*arguments: Any) -> Any:
        monkeypatch.setattr(people_of_calls, "_owners", looked)
        return people_of_calls.People(), {}

    await desk.change(
        insert(Lead).values(id=7, name="typed", status_id=1, created_at=NOW, updated_at=NOW),
        insert(PhoneNumber).values(number=CALLER, lead_id=7, on_active_lead=True),
    )
    monkeypatch.setattr(people_of_calls, "_owners", blind)
    await desk.write(RINGING)
    assert (await desk.lead()).id == 7
    assert (await desk.call()).lead_id == person(lead_id=7).lead_id


async def test_a_later_call_with_the_first_conversations_linkedid_does_not_take_the_lead(desk: Desk) -> None:
    await desk.write(ended(talking(replace(RINGING, pbx="kyiv"), answered_by="101")))
    later = replace(RINGING, pbx="lviv", started_at=NOW + timedelta(hours=1))
    await desk.write(ended(talking(later, answered_by="102")))
    assert (await desk.lead()).responsible_id == 1


async def test_the_history_tells_to_whom_the_first_conversation_gave_the_lead(desk: Desk) -> None:
    await desk.write(RINGING)
    await desk.write(talking(RINGING, "101"))
    await desk.write(ended(talking(RINGING, "102"), progress=9))
    later = replace(RINGING, linkedid="2.1", started_at=NOW + timedelta(hours=1))
    await desk.write(ended(talking(later, "101")))
    lead = await desk.lead()
    async with desk.database.read() as session:
        names: dict[int, str] = {row[0]: row[1] for row in await session.execute(select(Employee.id, Employee.name))}
        said = await session.execute(
            select(Change.lead_id, Change.field, Change.before, Change.after, Change.employee_id).order_by(Change.id)
        )
        history = [tuple(row) for row in said]
    assert lead.responsible_id == 2
    assert history == [
        (lead.id, "responsible", names[2], names[1], None),
        (lead.id, "responsible", names[1], names[2], None),
    ]
