"""Work changes hands in pieces, each once, whatever happens between two of them (L8, K2)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update

from leads.domain.directory import Role
from leads.domain.follow_up import TaskKind
from leads.domain.visibility import Scope
from leads.store import audit, handing_over, handovers, list_paths, reassigning
from leads.store.audit_table import AuditEntry
from leads.store.cards import WrongFieldError
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.handing_over import HandingOver
from leads.store.handover_tables import Handover, HandoverState, StopReason
from leads.store.leads import NOBODY, LeadFilter, LeadState, count_open
from leads.store.leaving import HandedOverNowError, belongings, let_go
from leads.store.models import (
    Change,
    ContactPerson,
    Counterparty,
    Did,
    Employee,
    Extension,
    GroupMember,
    Lead,
    NumberChange,
    RingGroup,
)
from leads.store.narrowing import Stretch
from leads.store.people_of_calls import CallPerson
from leads.store.reassigning import Giving, give_leads, give_some
from leads.store.task_tables import Task
from leads.store.tasks import give_task
from tests.conftest import PostgresServer
from tests.leads.handing import hand_all_over
from tests.leads.lives import HOME, Life
from tests.leads.views import RINGING, talking

BOSS, OLHA, MARIA, SUPERVISOR = 1, 2, 3, 4
"""An administrator, two employees, and the supervisor of a group with Olha in it."""


class Office(Life):
    """The company, and the servers that share its database."""

    async def open(self) -> None:
        people = ((BOSS, Role.ADMIN), (OLHA, Role.EMPLOYEE), (MARIA, Role.EMPLOYEE), (SUPERVISOR, Role.SUPERVISOR))
        can_sign_in = {"password_hash": "x", "created_at": self.now}
        async with self.database.write() as session:
            for key, role in people:
                session.add(Employee(id=key, name=f"e{key}", role=role, login=f"e{key}", **can_sign_in))
            await session.flush()
            phones = [Extension(number=f"10{key}", endpoint=f"PJSIP/10{key}", employee_id=key) for key in (2, 4)]
            session.add_all(phones)
            await session.flush()
            members = [GroupMember(extension_id=phone.id, position=place) for place, phone in enumerate(phones)]
            session.add(RingGroup(name="Sales", members=members))

    async def leads(self, count: int, of: int | None = OLHA, **fields: Any) -> list[int]:
        fixed = {"status_id": 1, "responsible_id": of, "created_at": self.now, "updated_at": self.now, **fields}
        async with self.database.write() as session:
            made = [Lead(name=f"lead {place}", numbers=[], **fixed) for place in range(count)]
            session.add_all(made)
            await session.flush()
            return [lead.id for lead in made]

    async def begin(self, wanted: LeadFilter, to: int | None, *, by: int = BOSS, scope: Scope = None) -> int:
        async with self.database.read() as session:
            total = await count_open(session, wanted, scope)
        audit.act_as(audit.Actor(by, f"e{by}", self.now))
        async with self.database.write() as session:
            return await handovers.begin_list(session, wanted, to, total, by=by, now=self.clock())

    def server(self, handover_id: int, name: str = "first", database: Database | None = None) -> HandingOver:
        there = database or self.database
        return HandingOver(there, handover_id, name, DirectoryCache(there), lambda: self.now)

    async def standing(self, handover_id: int) -> handovers.Standing:
        async with self.database.read() as session:
            found = await handovers.find(session, handover_id)
        assert found is not None
        return found

    async def held_by(self, leads: Sequence[int]) -> list[int | None]:
        async with self.database.read() as session:
            rows = await session.execute(select(Lead.id, Lead.responsible_id).where(Lead.id.in_(leads)))
            held = {row[0]: row[1] for row in rows}
        return [held[one] for one in leads]

    async def lines(self) -> list[tuple[int | None, str, str, int | None]]:
        """Who got which lead from whom, at whose word, by the leads' histories."""
        async with self.database.read() as session:
            changes = select(Change).where(Change.field == "responsible").order_by(Change.id)
            return [(one.lead_id, one.before, one.after, one.employee_id) for one in await session.scalars(changes)]

    async def set(self, employee: int, **values: Any) -> None:
        async with self.database.write() as session:
            await session.execute(update(Employee).where(Employee.id == employee).values(**values))


@pytest.fixture
async def office(database: Database, monkeypatch: pytest.MonkeyPatch) -> Office:
    """Pieces are of two leads, and five are looked at together."""
    monkeypatch.setattr(handing_over, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(handing_over, "_LOOKED_UP", 3)
    monkeypatch.setattr(list_paths, "_WINDOW", 5)
    made = Office(database)
    await made.open()
    return made


OLHAS = LeadFilter(responsible_id=OLHA)


async def test_a_list_changes_hands_to_its_last_open_lead_each_with_one_line(office: Office) -> None:
    leads, hers = await office.leads(11), await office.leads(3, MARIA)
    closed = await office.leads(2, closed_at=office.now)
    one = await office.begin(LeadFilter(state=LeadState.ALL), MARIA)
    later = await office.leads(2)
    await office.server(one).finish()
    standing = await office.standing(one)
    assert (standing.state, standing.percent, standing.total) == (HandoverState.DONE, 100, 14)
    assert standing.counts == {"given": 11, "theirs": 3}
    assert await office.held_by([*leads, *hers]) == [MARIA] * 14
    assert await office.held_by([*closed, *later]) == [OLHA] * 4, "what is closed, or came after it was asked, stays"
    assert await office.lines() == [(lead, "e2", "e3", BOSS) for lead in leads]
    lead = await office.get(leads[0])
    assert (lead.version, lead.responsible_by_hand) == (2, True)
    async with office.database.read() as session:
        entries = select(AuditEntry).where(AuditEntry.kind == "handover").order_by(AuditEntry.id)
        noted = [(line.who, line.what, line.object_id, line.after) for line in await session.scalars(entries)]
        assert (await session.get_one(Handover, one)).wanted is None
    began, ended = {"responsible_id": MARIA, "total": 14}, {"state": "done", "given": 11, "theirs": 3}
    assert noted == [("e1", "added", one, began), ("e1", "changed", one, ended)]


async def test_a_search_is_given_and_the_copy_in_asterisk_told(office: Office) -> None:
    numbers = [f"+38050555{place:04d}" for place in range(5)]
    for number in (*numbers, HOME):
        await office.lead(number, responsible_id=OLHA)
    async with office.database.write() as session:
        await session.execute(delete(NumberChange))
    seen = frozenset({SUPERVISOR, OLHA})
    one = await office.begin(LeadFilter(search="0555"), SUPERVISOR, by=SUPERVISOR, scope=seen)
    await office.server(one).finish()
    async with office.database.read() as session:
        assert set(await session.scalars(select(NumberChange.number))) == set(numbers)


async def test_every_filter_is_kept_until_it_is_done(office: Office) -> None:
    asked = LeadFilter(
        search="0555",
        state=LeadState.NAMED,
        status_id=1,
        responsible_id=NOBODY,
        source_id=NOBODY,
        name="лід",
        number="555",
        created=Stretch(office.now, None),
        last_call=Stretch(None, office.now + timedelta(days=1)),
    )
    for wanted in (asked, LeadFilter()):
        one = await office.begin(wanted, None)
        async with office.database.read() as session:
            assert handovers.filter_of(await session.get_one(Handover, one)) == wanted
        assert await office.begin(wanted, None) == one, "a second click is no second hand-over"
        assert await office.begin(wanted, OLHA) != one


async def test_who_is_not_there_gets_nothing(office: Office) -> None:
    await office.set(MARIA, active=False)
    for nobody in (99, MARIA):
        with pytest.raises(WrongFieldError):
            await office.begin(LeadFilter(), nobody)


async def test_each_reason_of_a_skip_is_counted_apart(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_paths, "_WINDOW", 100)
    older = await office.lead(HOME, responsible_id=MARIA)
    numbers = [f"+38050555{place:04d}" for place in range(8)]
    leads = [await office.lead(number) for number in numbers]
    one = await office.begin(LeadFilter(responsible_id=NOBODY), SUPERVISOR)
    server = office.server(one)
    assert await server.go_on()
    await office.company(numbers[2])
    await office.company(numbers[3])
    await office.merge(leads[4], older)
    await give_leads(office.database, [leads[5]], MARIA, by=BOSS, clock=office.clock)
    await server.finish()
    counts = {"given": 4, "closed_meanwhile": 2, "merged_meanwhile": 1, "left": 1}
    assert (await office.standing(one)).counts == counts


async def test_what_changed_between_two_pieces_is_looked_at_again(office: Office) -> None:
    """Closed, merged, given by hand, and given by a call's first conversation: none is in the list any more."""
    numbers = [f"+38050555{place:04d}" for place in range(8)]
    leads = [await office.lead(number) for number in numbers]
    older = await office.lead(HOME, responsible_id=MARIA)
    one = await office.begin(LeadFilter(responsible_id=NOBODY), SUPERVISOR)
    server = office.server(one)
    assert await server.go_on()
    await office.company(numbers[2])
    await office.merge(leads[3], older)
    await give_leads(office.database, [leads[4]], MARIA, by=BOSS, clock=office.clock)
    called = talking(replace(RINGING, caller=numbers[5]), "102")
    await (await office.writer()).write([called], [])
    await office.company(numbers[7])
    await server.finish()
    held = await office.held_by(leads)
    assert held[:2] == [SUPERVISOR, SUPERVISOR]
    assert (held[2], held[4], held[5], held[6]) == (None, MARIA, OLHA, SUPERVISOR)
    assert (await office.get(leads[7])).responsible_id is None
    standing = await office.standing(one)
    counts = {"given": 3, "closed_meanwhile": 1, "left": 4}  # Four had gone before they were looked up.
    assert (standing.counts, standing.state) == (counts, HandoverState.DONE)


async def test_a_call_is_written_between_two_pieces_and_goes_to_the_new_responsible(office: Office) -> None:
    first, second, *_others = [await office.lead(f"+38050555{place:04d}", responsible_id=OLHA) for place in range(4)]
    one = await office.begin(OLHAS, MARIA)
    server, writer = office.server(one), await office.writer()
    for place, lead in ((0, first), (1, second)):
        assert await server.go_on() or place
        call = replace(RINGING, caller=f"+38050555{place:04d}", linkedid=f"{place}.1")
        await writer.write([talking(call, "102")], [])
        assert (await office.get(lead)).last_call_at is not None
    await server.finish()
    assert set(await office.held_by([first, second])) == {MARIA}, "what a person gave is not a conversation's to change"


async def test_another_server_goes_on_where_one_ended_and_does_nothing_twice(office: Office) -> None:
    leads = await office.leads(9)
    one = await office.begin(OLHAS, MARIA)
    assert await office.server(one).go_on()
    other = office.server(one, "other")
    assert not await other.go_on(), "the first one is at it"
    async with office.database.read() as session:
        assert await handovers.waiting(session, "other", office.now) == []
        assert await handovers.waiting(session, "other", office.now + handovers.LOST_AFTER * 2) == [one]
    assert len(await office.lines()) == 2
    office.now += handovers.LOST_AFTER
    await other.finish()
    assert [line[0] for line in await office.lines()] == leads
    assert (await office.standing(one)).counts == {"given": 9}


async def test_a_server_that_ends_in_order_leaves_its_work_at_once(office: Office) -> None:
    await office.leads(5)
    one = await office.begin(OLHAS, MARIA)
    assert await office.server(one).go_on()
    async with office.database.write() as session:
        await handovers.leave_to_others(session, "first")
    assert await office.server(one, "other").go_on()


async def test_a_piece_that_breaks_leaves_nothing_half_done(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    leads = await office.leads(6)
    one = await office.begin(OLHAS, MARIA)
    server, given = office.server(one), reassigning.give_some

    async def broken(*given_to: Any) -> Any:
        await given(*given_to)
        raise OSError("the machine went down")

    assert await server.go_on()
    with monkeypatch.context() as patched:
        patched.setattr(handing_over, "give_some", broken)
        with pytest.raises(OSError, match="went down"):
            await server.go_on()
    standing = await office.standing(one)
    assert (await office.held_by(leads), standing.counts) == ([MARIA] * 2 + [OLHA] * 4, {"given": 2})
    await server.finish()
    assert [line[0] for line in await office.lines()] == leads


async def test_two_servers_at_one_list_share_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes the other for lost all the time; still each lead changes hands once."""
    monkeypatch.setattr(handovers, "LOST_AFTER", timedelta(0))
    leads = await office.leads(40)
    one = await office.begin(OLHAS, MARIA)
    beside = Database(office.database.url.render_as_string(hide_password=False))
    servers = office.server(one), office.server(one, "other", beside)
    await asyncio.gather(*(server.finish() for server in servers))
    await beside.dispose()
    assert [line[0] for line in await office.lines()] == leads
    assert (await office.standing(one)).counts == {"given": 40}


async def test_who_stops_it_keeps_what_was_given(office: Office) -> None:
    leads = await office.leads(6)
    one = await office.begin(OLHAS, MARIA)
    server = office.server(one)
    assert await server.go_on()
    async with office.database.write() as session:
        assert await handovers.stop(session, one, StopReason.ASKED, office.now)
        assert not await handovers.stop(session, one, StopReason.TROUBLE, office.now)
    assert not await server.go_on()
    standing = await office.standing(one)
    assert (standing.state, standing.reason, standing.percent) == (HandoverState.STOPPED, StopReason.ASKED, 33)
    assert await office.held_by(leads) == [MARIA] * 2 + [OLHA] * 4


@pytest.mark.parametrize(
    ("who", "change", "reason"),
    [
        (SUPERVISOR, {"role": Role.EMPLOYEE}, StopReason.RIGHTS),
        (SUPERVISOR, {"active": False}, StopReason.RIGHTS),
        (MARIA, {"active": False}, StopReason.RECEIVER),
    ],
)
async def test_who_lost_his_rights_stops(office: Office, who: int, change: dict[str, Any], reason: StopReason) -> None:
    leads = await office.leads(6)
    scope = frozenset({SUPERVISOR, OLHA})
    one = await office.begin(OLHAS, MARIA, by=SUPERVISOR, scope=scope)
    server = office.server(one)
    assert await server.go_on()
    await office.set(who, **change)
    assert not await server.go_on()
    assert await office.held_by(leads) == [MARIA] * 2 + [OLHA] * 4
    assert (await office.standing(one)).reason is reason


async def test_who_no_longer_sees_the_leads_gives_no_more_of_them(office: Office) -> None:
    """Olha leaves the supervisor's group, as another server saves it."""
    leads, own = await office.leads(6), await office.leads(1, SUPERVISOR)
    one = await office.begin(LeadFilter(), MARIA, by=SUPERVISOR, scope=frozenset({SUPERVISOR, OLHA}))
    server = office.server(one)
    assert await server.go_on()
    async with office.database.write() as session:
        member = await session.scalar(select(GroupMember).where(GroupMember.position == 0))
        await session.delete(member)
    await server.finish()
    assert await office.held_by([*leads, *own]) == [MARIA] * 2 + [OLHA] * 4 + [MARIA]
    assert (await office.standing(one)).counts == {"given": 3, "left": 4}


async def _work_of(office: Office, employee: int) -> None:
    """Some of everything that somebody can be in charge of."""
    times: dict[str, Any] = {"created_at": office.now, "updated_at": office.now}
    await office.leads(5, employee)
    async with office.database.write() as session:
        people = [ContactPerson(name=f"p{place}", responsible_id=employee) for place in range(3)]
        session.add_all(Counterparty(name=f"c{place}", responsible_id=employee, **times) for place in range(3))
        other = Counterparty(name="other", contact_persons=people, **times)
        session.add_all([other, Did(number="+380441234567", responsible_id=employee)])
        await session.flush()
        task = {"kind": TaskKind.TYPED, "counterparty_id": other.id, "employee_id": employee, "made_at": office.now}
        await session.execute(insert(Task), [{**task, "text": f"t{place}", "reason": ""} for place in range(3)])


async def _leave(office: Office, employee: int = OLHA, successor: int = MARIA) -> int:
    async with office.database.read() as session:
        version = (await session.get_one(Employee, employee)).version
    left = await let_go(office.database, employee, version, successor, by=BOSS, clock=office.clock)
    assert left.handover_id is not None
    return left.handover_id


async def test_a_leavers_work_goes_on_after_a_restart_until_nothing_is_his(office: Office) -> None:
    await _work_of(office, OLHA)
    one = await _leave(office)
    assert (await office.standing(one)).total == 15
    with pytest.raises(HandedOverNowError):
        await _leave(office, successor=SUPERVISOR)
    for name in "abcdefgh":
        await office.server(one, name).go_on()
        office.now += handovers.LOST_AFTER
    await office.leads(1)  # Somebody made him responsible at this very moment.
    await office.server(one, "last").finish()
    standing = await office.standing(one)
    counts = {"leads": 6, "counterparties": 3, "contact_persons": 3, "our_numbers": 1, "tasks": 3}
    assert (standing.counts, standing.state) == (counts, HandoverState.DONE)
    async with office.database.read() as session:
        for table in (Lead, Counterparty, ContactPerson, Did):
            assert set(await session.scalars(select(table.responsible_id))) - {None} == {MARIA}
        assert set(await session.scalars(select(Task.employee_id))) == {MARIA}


async def test_two_servers_at_one_leavers_work_share_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handovers, "LOST_AFTER", timedelta(0))
    await _work_of(office, OLHA)
    await office.leads(20)
    one = await _leave(office)
    beside = Database(office.database.url.render_as_string(hide_password=False))
    await asyncio.gather(office.server(one).finish(), office.server(one, "other", beside).finish())
    await beside.dispose()
    assert sum((await office.standing(one)).counts.values()) == 35
    assert len(await office.lines()) == 28


@pytest.mark.parametrize(
    ("who", "change", "reason"),
    [
        (OLHA, {"active": True}, StopReason.RETURNED),
        (MARIA, {"active": False}, StopReason.RECEIVER),
        (BOSS, {"role": Role.SUPERVISOR}, StopReason.RIGHTS),
    ],
)
async def test_a_leavers_work_stops_when_it_makes_no_sense_any_more(
    office: Office, who: int, change: dict[str, Any], reason: StopReason
) -> None:
    await office.leads(6)
    one = await _leave(office)
    assert await office.server(one).go_on()
    await office.set(who, **change)
    assert not await office.server(one).go_on()
    assert (await office.standing(one)).reason is reason
    async with office.database.read() as session:
        assert len((await session.scalars(select(Lead.id).where(Lead.responsible_id == OLHA))).all()) == 4


async def test_records_are_kept_for_a_month_unless_they_run(office: Office) -> None:
    await office.leads(3)
    done, running = await office.begin(OLHAS, MARIA), await office.begin(OLHAS, SUPERVISOR)
    await office.server(done).finish()
    office.now += handovers.KEPT_FOR + timedelta(days=1)
    last = await office.begin(LeadFilter(), None)
    async with office.database.read() as session:
        assert [one.id for one in await handovers.begun_by(session, BOSS)] == [last, running]
        assert [one.id for one in await handovers.begun_by(session, BOSS, running=True)] == [last, running]
        assert await handovers.begun_by(session, OLHA) == []


@pytest.mark.postgres
@pytest.mark.parametrize("what", ["task", "lead"])
async def test_who_is_given_something_while_he_leaves_hands_it_on_too(postgres: PostgresServer, what: str) -> None:
    """It is given, but not on record yet, as he goes: his leaving waits for it."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    database = Database(await postgres.create(f"leaves_with_a_{what}"))
    office = Office(database)
    await office.open()
    [lead] = await office.leads(1, of=None)
    async with database.write() as session:
        if what == "task":
            await give_task(session, CallPerson(lead_id=lead), OLHA, "прайс", None, by=BOSS, now=office.now)
        else:
            await give_some(session, [lead], Giving(OLHA, BOSS, office.now))
        await session.flush()
        leaving = asyncio.create_task(hand_all_over(database, OLHA, 1, MARIA, by=BOSS, clock=office.clock))
        async with asyncio.timeout(20), database.read() as looks:
            while not leaving.done() and await looks.scalar(text(waiting)) == 0:
                pass
    await leaving
    async with database.read() as session:
        assert (await belongings(session, OLHA)).total == 0
        assert (await belongings(session, MARIA)).total == 1
    await database.dispose()
