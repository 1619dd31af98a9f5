"""Writing calls: each once, whole, with its person; leads once for each number, owned by whoever talked first."""

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import OperationalError

from leads.domain.calls import CallView, Direction, Leg, Phase, Result, Role, Transfer, TransferType
from leads.domain.views import ended_unseen
from leads.store import engine, models, people_of_calls
from leads.store.board import calls_left_running
from leads.store.calls import MOST_AT_ONCE, CallWriter, RecordedDecision
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.migrate import upgrade_database
from leads.store.models import Call, Change, Employee, Lead, LeadStatus, PhoneNumber, RoutingDecision
from leads.store.planning_tables import PlannedCall
from leads.store.task_tables import Note, Task
from tests.conftest import PostgresServer
from tests.leads.views import CALLER, DID, NOW, RINGING, ended, outgoing, talking

OTHER = "+380671234567"


class Desk:
    """A company with phones 101 and 102 (employees 1 and 2), our number in the charge of 2, and the writer."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.writer = CallWriter(database, DirectoryCache(database), "UA", lambda: NOW)

    async def open(self) -> "Desk":
        async with self.database.write() as session:
            session.add_all([models.Employee(id=key, name=f"e{key}", created_at=NOW) for key in (1, 2)])
            await session.flush()
            session.add_all(
                [
                    models.Extension(number="101", endpoint="PJSIP/101", employee_id=1),
                    models.Extension(number="102", endpoint="PJSIP/102", employee_id=2),
                    models.Did(number=DID, responsible_id=2),
                    models.IgnoredNumber(number="+380800500500"),
                ]
            )
        return self

    async def write(self, *views: CallView, decisions: Sequence[RecordedDecision] = ()) -> None:
        await self.writer.write(views, decisions)

    async def calls(self) -> list[Call]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Call).order_by(Call.linkedid)))

    async def call(self, linkedid: str = "1.1") -> Call:
        return next(call for call in await self.calls() if call.linkedid == linkedid)

    async def leads(self) -> list[Lead]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Lead).order_by(Lead.main_number)))

    async def lead(self) -> Lead:
        (lead,) = await self.leads()
        return lead

    async def change(self, *statements: Any) -> None:
        async with self.database.write() as session:
            for statement in statements:
                await session.execute(statement)

    async def numbers(self) -> list[tuple[str, bool]]:
        async with self.database.read() as session:
            rows = await session.execute(
                select(PhoneNumber.number, PhoneNumber.on_active_lead).order_by(PhoneNumber.number, PhoneNumber.id)
            )
            return [(number, active) for number, active in rows]


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await Desk(database).open()


async def test_a_call_is_there_while_it_rings_and_whole_when_it_ends(desk: Desk) -> None:
    await desk.write(RINGING)
    call = await desk.call()
    assert (call.phase, call.direction, call.caller, call.caller_name) == (
        Phase.RINGING,
        Direction.INBOUND,
        CALLER,
        "TRUNK NAME",
    )
    assert (call.outside_number, call.did, call.employee_id, call.started_at) == (CALLER, DID, None, NOW)
    transfer = Transfer(TransferType.BLIND, "101", "102", Result.ANSWERED, "102")
    await desk.write(ended(talking(RINGING, transfers=(transfer,))))
    (call,) = await desk.calls()
    assert (call.phase, call.result, call.answered_by, call.employee_id) == (Phase.ENDED, Result.ANSWERED, "101", 2)
    assert (call.answered_at, call.ended_at) == (NOW + timedelta(seconds=10), NOW + timedelta(seconds=60))
    assert (call.ring_seconds, call.talk_seconds) == (10.0, 50.0)
    assert call.legs == [{"endpoint": "PJSIP/101", "number": "101", "result": "answered"}]
    assert call.transfers == [{"type": "blind", "by": "101", "to": "102", "result": "answered", "answered_by": "102"}]


async def test_a_poorer_view_changes_nothing(desk: Desk) -> None:
    whole = ended(talking(RINGING))
    await desk.write(whole)
    await desk.write(RINGING, talking(RINGING), replace(whole, progress=2, caller_name="late", result=Result.BUSY))
    await desk.write(replace(talking(RINGING), progress=99, incomplete=True, caller_name="after a restart"))
    call = await desk.call()
    assert (call.phase, call.result, call.caller_name, call.incomplete) == (
        Phase.ENDED,
        Result.ANSWERED,
        "TRUNK NAME",
        False,
    )


async def test_a_restart_during_the_call_keeps_its_beginning(desk: Desk) -> None:
    await desk.write(replace(talking(RINGING), progress=20))
    after = replace(
        ended(talking(RINGING), progress=2),
        incomplete=True,
        caller=None,
        caller_name=None,
        started_at=None,
        answered_at=None,
        ring_seconds=None,
        legs=(Leg("PJSIP/102", "102", Result.ANSWERED),),
    )
    await desk.write(after)
    await desk.write(replace(talking(RINGING), progress=21))
    call = await desk.call()
    assert (call.phase, call.result, call.incomplete, call.caller, call.started_at, call.ring_seconds) == (
        Phase.ENDED,
        Result.ANSWERED,
        True,
        CALLER,
        NOW,
        10.0,
    )
    assert [leg["endpoint"] for leg in call.legs] == ["PJSIP/101", "PJSIP/102"]
    await desk.write(ended(talking(RINGING)))
    call = await desk.call()
    assert (call.incomplete, call.halves, len(call.legs)) == (False, None, 1)


async def test_a_call_left_running_by_a_former_process_can_be_ended(desk: Desk) -> None:
    over = replace(ended(RINGING), linkedid="1.2")
    await desk.write(RINGING, over, replace(RINGING, linkedid="1.3", pbx="other"))
    async with desk.database.read() as session:
        (left,) = await calls_left_running(session, "pbx")
    assert (left.linkedid, left.phase, left.caller, left.legs) == ("1.1", Phase.RINGING, CALLER, RINGING.legs)
    await desk.write(ended_unseen(left, NOW + timedelta(hours=1)))
    call = await desk.call()
    assert (call.phase, call.result, call.incomplete, call.ended_at, call.caller, call.talk_seconds) == (
        Phase.ENDED,
        Result.NO_ANSWER,
        True,
        NOW + timedelta(hours=1),
        CALLER,
        None,
    )
    assert [(leg["endpoint"], leg["result"]) for leg in call.legs] == [("PJSIP/101", "no-answer")]
    async with desk.database.read() as session:
        assert await calls_left_running(session, "pbx") == []


async def test_calls_of_two_servers_may_share_a_linkedid(desk: Desk) -> None:
    await desk.write(RINGING, replace(RINGING, pbx="other"))
    assert [call.pbx for call in await desk.calls()] == ["pbx", "other"]


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
    "planned": insert(PlannedCall).values(lead_id=1, day=NOW.date(), set_at=NOW, made_at=NOW),
    "to be done": insert(Task).values(lead_id=1, made_at=NOW),
    "noted": insert(Note).values(lead_id=1, at=NOW, text="?"),
}


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


async def test_hostile_values_are_stored_harmlessly(desk: Desk) -> None:
    await desk.write(
        replace(
            RINGING,
            caller_name="<script>\x00\r\n" + "х" * 500,
            caller="+38050\x001234567",
            dialled="1" * 500,
            legs=(Leg("PJSIP/\x00" + "9" * 200, "\ud800101", None),) * 1000,
        )
    )
    call = await desk.call()
    assert call.caller_name == ("<script>" + "х" * 500)[:200]
    assert (call.caller, len(call.dialled or ""), len(call.legs)) == ("+380501234567", 200, 200)
    assert call.legs[0] == {"endpoint": ("PJSIP/" + "9" * 200)[:80], "number": "101", "result": None}


async def test_a_bad_row_does_not_lose_the_others(desk: Desk) -> None:
    bad = replace(RINGING, linkedid="2.1", progress=2**80)
    naive = replace(RINGING, linkedid="3.1", started_at=datetime(2026, 1, 1))
    good = replace(RINGING, linkedid="4.1", caller=OTHER)
    decision = RecordedDecision("pbx", "4.1", NOW, {"steps": []})
    await desk.write(RINGING, bad, naive, good, decisions=[decision])
    assert [call.linkedid for call in await desk.calls()] == ["1.1", "4.1"]
    async with desk.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(RoutingDecision)) == 1


async def test_a_database_without_tables_is_told_and_loses_nothing(desk: Desk) -> None:
    await desk.change(text("ALTER TABLE call RENAME TO hidden"))
    with pytest.raises(Exception, match="call"):
        await desk.write(RINGING)
    await desk.change(text("ALTER TABLE hidden RENAME TO call"))
    await desk.write(RINGING)
    assert len(await desk.calls()) == 1


async def test_a_locked_database_is_told(sqlite_template: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.05)
    (tmp_path / "own.db").write_bytes(sqlite_template.read_bytes())
    database, other = (Database(f"sqlite+aiosqlite:///{tmp_path}/own.db") for _process in range(2))
    desk = await Desk(database).open()
    async with other.write():
        with pytest.raises(OperationalError, match="locked"):
            await desk.write(RINGING)
    await desk.write(RINGING)
    assert len(await desk.calls()) == 1
    await database.dispose()
    await other.dispose()


@pytest.mark.postgres
async def test_a_postgresql_that_hangs_is_told_and_loses_nothing(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "COMMAND_SECONDS", 0.5)
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 0.5)
    database = Database(await own_server.create("calls", "template0"))
    await upgrade_database(database)
    desk = await Desk(database).open()
    await desk.write(RINGING)
    own_server.signal(signal.SIGSTOP)
    try:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await desk.write(ended(RINGING))
    finally:
        own_server.signal(signal.SIGCONT)
    await desk.write(ended(RINGING))
    assert (await desk.call()).phase is Phase.ENDED
    await database.dispose()


async def test_more_than_one_batch(desk: Desk) -> None:
    count = MOST_AT_ONCE + 5
    await desk.write(*(replace(RINGING, linkedid=f"{number}.1") for number in range(count)))
    assert len(await desk.calls()) == count


async def test_the_last_decision_of_a_call_is_kept(desk: Desk) -> None:
    later = RecordedDecision("pbx", "1.1", NOW + timedelta(seconds=1), {"reasons": ["later"]})
    await desk.write(decisions=[later])
    await desk.write(decisions=[RecordedDecision("pbx", "1.1", NOW, {"reasons": ["first"]})])
    async with desk.database.read() as session:
        kept = await session.get_one(RoutingDecision, ("pbx", "1.1"))
    assert kept.decision == {"reasons": ["later"]}


STORY = st.sampled_from(
    [
        (RINGING, talking(RINGING), ended(talking(RINGING))),
        (RINGING, ended(RINGING, Result.BUSY)),
        (outgoing(), talking(outgoing(), "0501234567"), ended(talking(outgoing(), "0501234567"))),
        (
            RINGING,
            talking(RINGING, "102"),
            replace(ended(talking(RINGING, "102"), progress=1), incomplete=True, started_at=None, caller_name=None),
        ),
    ]
)


@pytest.fixture(scope="module")
def rounds() -> Any:
    """One loop and one in-memory database for all examples: hypothesis runs outside of the test's loop."""
    loop = asyncio.new_event_loop()
    database = Database("sqlite+aiosqlite://")
    loop.run_until_complete(upgrade_database(database))
    desk = loop.run_until_complete(Desk(database).open())
    yield loop, desk
    loop.run_until_complete(database.dispose())
    loop.close()


async def _rows(desk: Desk, batches: Sequence[Sequence[CallView]]) -> list[tuple[Any, ...]]:
    await desk.change(delete(Call), delete(PhoneNumber), delete(Lead))
    for batch in batches:
        await desk.write(*batch)
    # `halves` is how the row is made, not what it says.
    columns = [column for column in Call.__table__.c if column.name not in {"id", "lead_id", "halves"}]
    async with desk.database.read() as session:
        calls = await session.execute(select(*columns).order_by(Call.linkedid))
        leads = await session.execute(
            select(Lead.name, Lead.responsible_id, Lead.last_call_at, Lead.first_talk_call).order_by(Lead.main_number)
        )
        return [*map(tuple, calls), *map(tuple, leads)]


async def test_calls_of_two_asterisks_with_one_linkedid_are_two(desk: Desk) -> None:
    """C13: neither views, nor halves, nor decisions, nor consultations of one go to the other."""
    ringing = replace(RINGING, pbx="kyiv")
    other = replace(ringing, pbx="lviv", caller=OTHER, started_at=NOW + timedelta(seconds=1))
    lost = replace(other, incomplete=True, progress=9)
    decisions = [RecordedDecision(pbx, "1.1", NOW, {"reasons": [pbx]}) for pbx in ("kyiv", "lviv")]
    await desk.write(ringing, other, decisions=decisions)
    await desk.write(talking(ringing), lost)
    await desk.write(ended(talking(ringing)))
    kyiv, lviv = sorted(await desk.calls(), key=lambda call: call.pbx)
    assert (kyiv.pbx, kyiv.phase, kyiv.outside_number, kyiv.result) == ("kyiv", Phase.ENDED, CALLER, Result.ANSWERED)
    assert (lviv.pbx, lviv.phase, lviv.outside_number, lviv.result) == ("lviv", Phase.RINGING, OTHER, None)
    assert kyiv.halves is None
    async with desk.database.read() as session:
        assert [left.caller for left in await calls_left_running(session, "lviv")] == [OTHER]
        kept = await session.execute(select(RoutingDecision.pbx, RoutingDecision.decision))
        assert {pbx: decision["reasons"] for pbx, decision in kept} == {"kyiv": ["kyiv"], "lviv": ["lviv"]}


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


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(STORY, min_size=1, max_size=4), st.data())
def test_order_and_repetition_do_not_matter(rounds: Any, stories: list[tuple[CallView, ...]], data: Any) -> None:
    loop, desk = rounds

    def moved(view: CallView, place: int) -> CallView:
        later = timedelta(minutes=place)

        def shift(time: datetime | None) -> datetime | None:
            return time + later if time else None

        return replace(
            view,
            linkedid=f"{place}.1",
            started_at=shift(view.started_at),
            answered_at=shift(view.answered_at),
            ended_at=shift(view.ended_at),
        )

    views = [moved(view, place) for place, story in enumerate(stories) for view in story]
    shuffled = data.draw(st.permutations([*views, *views[:3]]))
    cut = data.draw(st.integers(0, len(shuffled)))
    expected = loop.run_until_complete(_rows(desk, [[view] for view in views]))
    assert loop.run_until_complete(_rows(desk, [shuffled[:cut], shuffled[cut:]])) == expected


async def test_a_connection_that_breaks_past_sqlalchemy_loses_no_call(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_write = desk.database.run_write

    async def broken(work: Any) -> Any:
        raise asyncpg.InterfaceError("connection is closed")

    monkeypatch.setattr(desk.database, "run_write", broken)
    with pytest.raises(asyncpg.InterfaceError):
        await desk.writer.write([RINGING], [])
    monkeypatch.setattr(desk.database, "run_write", run_write)
    await desk.writer.write([RINGING], [])
    async with desk.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Call)) == 1


async def test_a_row_is_given_up_only_by_a_database_that_is_well(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    run_write, refusals = desk.database.run_write, 0

    async def refuses_then_is_gone(work: Any) -> Any:
        nonlocal refusals
        refusals += 1
        if refusals == 1:
            raise KeyError("a strange row")
        raise OSError("gone")

    monkeypatch.setattr(desk.database, "run_write", refuses_then_is_gone)
    with pytest.raises(OSError, match="gone"):
        await desk.writer.write([RINGING], [])
    monkeypatch.setattr(desk.database, "run_write", run_write)
