"""The life of leads by random steps, for tests: what people, files and calls do, and what must be true after each.

What must be true (L7) is told here by SQL of its own over the tables that say it, not by the columns that the store
derives from them; those are held against it.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update

from leads.domain.calls import CallView, Direction, Result
from leads.domain.directory import Role
from leads.domain.lead_life import NumbersTo
from leads.domain.planning import HandDate, PlanState
from leads.store import imports
from leads.store.at_stake import Decided
from leads.store.callers import lead_for
from leads.store.calls import CallWriter
from leads.store.cards import CardError, NoSuchCardError
from leads.store.closing import Choice, choose_counterparty
from leads.store.company import CompanyError
from leads.store.counterparty_card import (
    Becoming,
    CounterpartyEdit,
    PersonEdit,
    load_counterparty,
    save_counterparty,
)
from leads.store.counterparty_import import CardsOfFile, CounterpartyRow, PersonRow, import_counterparty
from leads.store.daily_plans import plan_day
from leads.store.directory import DirectoryCache
from leads.store.duty_tables import EmployeeDuty
from leads.store.engine import Database
from leads.store.erasing import CallRunsError, ChangedMeanwhileError, erase, mentions_of, traces_of
from leads.store.handover_tables import Handover
from leads.store.import_tables import ImportBatch, ImportKind, ImportState
from leads.store.import_undo import undo_items
from leads.store.lead_card import LeadEdit, create_lead, save_lead
from leads.store.lead_import import Known, LeadRow, add_leads, update_lead
from leads.store.merging import merge_leads
from leads.store.models import (
    Call,
    Change,
    ContactPerson,
    Counterparty,
    Employee,
    Extension,
    IgnoredNumber,
    Lead,
    PhoneNumber,
)
from leads.store.people_of_calls import CallPerson
from leads.store.pins import pin
from leads.store.planning_tables import PlannedCall, PlanningDay
from leads.store.plans import PlanEdit, Planning, cancel_plan, plan_by_hand
from leads.store.reassigning import give_leads
from leads.store.reopening_by_hand import reopen_by_hand
from leads.store.task_tables import Task
from leads.store.tasks import close_task, give_task
from tests.leads.handing import hand_all_over
from tests.leads.views import NOW, RINGING, ended, outgoing, talking

NUMBERS = ("+380501112233", "+380501112244", "+380501112255", "+380501112266")
IGNORED, MOBILE = "+380671110000", "+380671110001"
NEVER_LEADS = (IGNORED, MOBILE, "anonymous", "", "12")
"""Callers whose calls make no lead (L2)."""
NO_COMPANY = 99_999_999
STAFF = (1, 2, 3)
BOSS = 9
"""The administrator, who lets people go."""
STATUSES = (1, 2, 3, 4)
ZONE = ZoneInfo("Europe/Kyiv")
PLANNING = Planning(ZONE, HandDate.MOVE)


class Step(NamedTuple):
    """One thing that somebody does; the rest says with what, each taken modulo what there is."""

    kind: str
    one: int
    other: int
    numbers: tuple[str, ...]
    more: tuple[str, ...]


CALLS = (
    "call in",
    "call out",
    "talk",
    "ring",
    "ring out",
    "answer",
    "hang up",
    "fail",
    "call of nobody",
    "calls at once",
)
TAKING = ("make counterparty", "become", "save counterparty", "choose", "import counterparty")
"""Steps that can bring a number to a counterparty."""
OTHERS = (
    *("make lead", "save lead", "save and merge", "merge", "reopen", "pin", "open card"),
    *("import leads", "undo import", "give", "let go", "erase lead", "erase counterparty"),
    *("plan", "plan by hand", "cancel plan", "give task", "close task"),
)
FREEING = ("save lead", "save and merge", "save counterparty", "undo import", "erase lead", "erase counterparty")
"""Steps that can leave a number with nobody."""


def steps(kinds: tuple[str, ...]) -> st.SearchStrategy[Step]:
    """Any step of these kinds."""
    some = st.lists(st.sampled_from(NUMBERS), max_size=3, unique=True).map(tuple)
    return st.builds(Step, st.sampled_from(kinds), st.integers(0, 5), st.integers(0, 5), some, some)


@dataclass
class World:
    """A database and the way to do each kind of step; calls come by a connection of their own."""

    database: Database
    writer: CallWriter
    beside: Database
    calls: "count[int]" = field(default_factory=lambda: count(1))
    numbers: tuple[str, ...] = NUMBERS
    ringing: CallView | None = None

    @classmethod
    async def open(cls, url: str) -> "World":
        """A company of three, each with a phone."""
        database, beside = Database(url), Database(url)
        async with database.write() as session:
            await session.execute(insert(Employee), [{"id": k, "name": f"e{k}", "created_at": NOW} for k in STAFF])
            can_sign_in = {"role": Role.ADMIN, "login": "boss", "password_hash": "x", "created_at": NOW}
            session.add(Employee(id=BOSS, name="boss", **can_sign_in))
            session.add_all(Extension(number=f"10{k}", endpoint=f"PJSIP/10{k}", employee_id=k) for k in STAFF)
            await session.execute(text(f"INSERT INTO employee_mobile VALUES ('{MOBILE}', 1)"))
            session.add(IgnoredNumber(number=IGNORED))
        return cls(database, CallWriter(beside, DirectoryCache(beside), "UA", lambda: NOW), beside)

    async def close(self) -> None:
        await self.database.dispose()
        await self.beside.dispose()

    async def clear(self) -> None:
        self.ringing = None
        async with self.database.write() as session:
            for table in (Call, Change, PhoneNumber, ImportBatch, PlanningDay, EmployeeDuty, Handover):
                await session.execute(delete(table))
            await session.execute(
                update(Lead).values(counterparty_id=None, contact_person_id=None, merged_into_id=None)
            )
            for table in (Lead, ContactPerson, Counterparty):
                await session.execute(delete(table))
            await session.execute(update(Employee).values(active=True))
            for key in STAFF:
                await session.execute(update(Extension).where(Extension.number == f"10{key}").values(employee_id=key))

    async def _one(self, which: int, statement: Any) -> Any:
        async with self.database.read() as session:
            found = (await session.execute(statement)).all()
        return found[which % len(found)] if found else None

    async def lead(self, which: int) -> tuple[int, int]:
        return await self._one(which, select(Lead.id, Lead.version).order_by(Lead.id)) or (99, 1)

    async def company(self, which: int) -> int:
        found = await self._one(which, select(Counterparty.id).order_by(Counterparty.id))
        return found[0] if found else NO_COMPANY

    async def do(self, step: Step) -> str | None:
        """Do it, if it is not refused; returns the number of a call that has just been written."""
        act: Callable[[Step], Awaitable[str | None]] = getattr(self, f"_{step.kind.replace(' ', '_')}")
        try:
            return await act(step)
        except (CardError, CompanyError, CallRunsError, ChangedMeanwhileError):
            return None

    async def do_beside(self, some: list[Step], number: str, turns: int) -> None:
        """Do some things at once, and let this number call so many turns of the loop later."""

        async def call() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            await self._write(number, talks=bool(some[0].other % 2))

        await asyncio.gather(*map(self.do, some), call())

    # Calls.

    async def _write(self, number: str, *, out: bool = False, ring: bool = False, talks: bool = False) -> str:
        linkedid = f"{next(self.calls)}.1"
        view = (
            outgoing(linkedid=linkedid, dialled=number) if out else replace(RINGING, linkedid=linkedid, caller=number)
        )
        if ring:
            self.ringing = view
        else:
            view = ended(talking(view)) if talks else ended(view)
        await self.writer.write([view], [])
        return number

    async def _call_in(self, step: Step) -> str:
        return await self._write(self.numbers[step.one % len(self.numbers)])

    async def _call_out(self, step: Step) -> str:
        return await self._write(self.numbers[step.one % len(self.numbers)], out=True)

    async def _talk(self, step: Step) -> str:
        return await self._write(self.numbers[step.one % len(self.numbers)], out=bool(step.other % 2), talks=True)

    async def _ring(self, step: Step) -> str:
        return await self._write(self.numbers[step.one % len(self.numbers)], ring=True)

    async def _answer(self, _step: Step) -> None:
        if self.ringing is not None and self.ringing.result is None:
            self.ringing = talking(self.ringing)
            await self.writer.write([self.ringing], [])

    async def _ring_out(self, step: Step) -> str:
        return await self._write(self.numbers[step.one % len(self.numbers)], out=True, ring=True)

    async def _fail(self, step: Step) -> None:
        """The call out that rings fails; where none does, one is begun first."""
        ringing = self.ringing
        if ringing is None or ringing.result is not None or ringing.direction is not Direction.OUTBOUND:
            await self._ring_out(step)
        view, self.ringing = self.ringing, None
        assert view is not None
        await self.writer.write([ended(view, Result.FAILED)], [])

    async def _hang_up(self, step: Step) -> str | None:
        if self.ringing is None:
            return None
        view, self.ringing = self.ringing, None
        answered_now = view.result is None and step.other % 2
        await self.writer.write([ended(talking(view) if answered_now else view)], [])
        return view.dialled if view.direction is Direction.OUTBOUND else view.caller

    async def _calls_at_once(self, step: Step) -> None:
        """Missed, made in vain and answered, in one batch of the writer; those of the last batch may end in it."""
        views = []
        for place, number in enumerate((*step.numbers, *step.more)):
            linkedid = f"{next(self.calls)}.1"
            view = replace(RINGING, linkedid=linkedid, caller=number)
            if (step.one + place) % 3 == 0:
                view = outgoing(linkedid=linkedid, dialled=number)
            views += [view, ended(talking(view) if (step.other + place) % 2 else view)]
        await self.writer.write(views, [])

    async def _call_of_nobody(self, step: Step) -> None:
        await self._write(NEVER_LEADS[step.one % len(NEVER_LEADS)])

    # Leads.

    def _lead_edit(self, step: Step) -> LeadEdit:
        status, who = STATUSES[step.one % 4], (None, *STAFF)[step.other % 4]
        return LeadEdit(("", "Ім'я")[step.other % 2], step.numbers, "", "", "", None, status, who, None)

    async def _make_lead(self, step: Step) -> None:
        await create_lead(self.database, self._lead_edit(step), by=None, clock=lambda: NOW, region="UA")

    async def _save_lead(self, step: Step, merge_with: int | None = None) -> None:
        lead, version = await self.lead(step.one)
        edit = self._lead_edit(step)
        fixed: dict[str, Any] = {"by": None, "clock": lambda: NOW, "region": "UA", "planning": PLANNING}
        await save_lead(self.database, lead, version, edit, **fixed, merge_with=merge_with)

    async def _save_and_merge(self, step: Step) -> None:
        await self._save_lead(step, (await self.lead(step.other))[0])

    async def _merge(self, step: Step) -> None:
        (lead, version), (other, _version) = await self.lead(step.one), await self.lead(step.other)
        await merge_leads(self.database, lead, version, other, by=None, clock=lambda: NOW)

    async def _reopen(self, step: Step) -> None:
        lead, version = await self.lead(step.one)
        await reopen_by_hand(self.database, lead, version, by=None, clock=lambda: NOW)

    async def _open_card(self, step: Step) -> str:
        number = self.numbers[step.one % len(self.numbers)]
        await lead_for(self.database, number, None, None, NOW)
        return number

    async def _give(self, step: Step) -> None:
        async with self.database.read() as session:
            every = list(await session.scalars(select(Lead.id)))
        await give_leads(self.database, every, (None, *STAFF)[step.one % 4], by=None, clock=lambda: NOW)

    # What is to be done.

    async def _person(self, step: Step) -> CallPerson:
        lead = await self._one(step.one, select(Lead.id).where(Lead.closed_at.is_(None)).order_by(Lead.id))
        company = await self.company(step.one)
        if company != NO_COMPANY and (lead is None or step.other % 2):
            return CallPerson(counterparty_id=company)
        if lead is None:
            raise NoSuchCardError
        return CallPerson(lead_id=lead[0])

    async def _plan(self, step: Step) -> None:
        await plan_day(self.database, ZONE, lambda: NOW + timedelta(days=step.one))

    async def _plan_by_hand(self, step: Step) -> None:
        edit = PlanEdit((NOW + timedelta(days=step.one)).date(), None, "")
        await plan_by_hand(self.database, await self._person(step), None, edit, by=1, clock=lambda: NOW)

    async def _cancel_plan(self, step: Step) -> None:
        open_ones = select(PlannedCall.id, PlannedCall.version).where(PlannedCall.state == PlanState.OPEN)
        found = await self._one(step.one, open_ones.order_by(PlannedCall.id))
        if found:
            await cancel_plan(self.database, *found, by=1, clock=lambda: NOW)

    async def _give_task(self, step: Step) -> None:
        person = await self._person(step)
        async with self.database.write() as session:
            await give_task(session, person, STAFF[step.other % 3], "", None, by=1, now=NOW)

    async def _close_task(self, step: Step) -> None:
        found = await self._one(step.one, select(Task.id).where(Task.done_at.is_(None)).order_by(Task.id))
        async with self.database.write() as session:
            if found:
                await close_task(session, found[0], "?", by=1, now=NOW)

    # Counterparties.

    async def _make_counterparty(self, step: Step, becoming: Becoming | None = None) -> None:
        person = PersonEdit(None, "Ія", "", None, None, step.more)
        edit = CounterpartyEdit("ТОВ", "", "", "", "", None, None, step.numbers, (person,))
        asked = frozenset(range(1000)) if step.other % 2 else None
        decided = None if asked is None else Decided(asked, frozenset({step.one, step.other}))
        fixed: dict[str, Any] = {"by": None, "clock": lambda: NOW, "region": "UA"}
        await save_counterparty(self.database, None, 0, edit, **fixed, decided=decided, becoming=becoming)

    async def _become(self, step: Step) -> None:
        await self._make_counterparty(step, Becoming(*await self.lead(step.one)))

    async def _save_counterparty(self, step: Step) -> None:
        identity = await self.company(step.one)
        async with self.database.read() as session:
            card = await load_counterparty(session, identity, None)
        persons = [PersonEdit(one.id, one.name, "", None, None, step.more) for one in card.persons[: step.other]]
        if step.other == 5:
            persons.append(PersonEdit(None, "Зоя", "", None, None, step.numbers[:1]))
        edit = CounterpartyEdit("ТОВ", "", "", "", "", None, None, step.numbers, tuple(persons))
        await save_counterparty(self.database, identity, card.version, edit, by=None, clock=lambda: NOW, region="UA")

    async def _choose(self, step: Step) -> None:
        lead, version = await self.lead(step.one)
        company = await self.company(step.other)
        async with self.database.read() as session:
            persons = (await load_counterparty(session, company, None)).persons
        person = persons[0].id if persons and step.numbers else None
        choice = Choice(company, person, NumbersTo.CONTACT_PERSON if step.more else None)
        await choose_counterparty(self.database, lead, version, choice, by=None, clock=lambda: NOW)

    async def _pin(self, step: Step) -> None:
        found = await self._one(step.one, select(PhoneNumber.id).order_by(PhoneNumber.id))
        if found:
            await pin(self.database, found[0], bool(step.other % 2), None, by=None, clock=lambda: NOW)

    # Files.

    async def _batch(self, kind: ImportKind) -> int:
        async with self.database.write() as session:
            return await imports.begin(session, kind, "a.csv", 1, update_known=True, by=1, now=NOW)

    async def _import_leads(self, step: Step) -> None:
        batch = await self._batch(ImportKind.LEADS)
        wanted = [numbers for numbers in (step.numbers, step.more, step.numbers[:1]) if numbers]
        rows = [LeadRow(line, f"Рядок {line}", numbers) for line, numbers in enumerate(wanted)]
        added = await self.database.run_write(lambda c: add_leads(c, batch, rows, by=1, now=NOW))
        fixed: dict[str, Any] = {"by": 1, "clock": lambda: NOW, "region": "UA", "planning": PLANNING}
        try:
            for other in added.others:
                if isinstance(other, Known):
                    await update_lead(self.database, batch, other, **fixed)
        finally:
            await self._end(batch, added.made)

    async def _import_counterparty(self, step: Step) -> None:
        batch = await self._batch(ImportKind.COUNTERPARTIES)
        row = CounterpartyRow(2, "ТОВ", numbers=step.numbers, persons=(PersonRow("Ія", step.more),))
        fixed: dict[str, Any] = {"by": 1, "clock": lambda: NOW, "region": "UA", "planning": PLANNING}
        try:
            await import_counterparty(
                self.database, batch, row, CardsOfFile(), update_known=bool(step.other % 2), **fixed
            )
        finally:
            await self._end(batch, 1)

    async def _end(self, batch: int, made: int) -> None:
        counts = imports.Counts(made=made)
        await self.database.run_write(lambda c: imports.advance(c, batch, counts, (), NOW, state=ImportState.DONE))

    async def _undo_import(self, step: Step) -> None:
        found = await self._one(step.one, select(ImportBatch.id).order_by(ImportBatch.id))
        async with self.database.write() as session:
            if found is None or not await imports.claim_for_undo(session, found[0], NOW):
                return
        async with self.database.read() as session:
            items = await imports.next_items(session, found[0], 2**31 - 1, 100)
        fixed: dict[str, Any] = {"by": 1, "clock": lambda: NOW, "region": "UA", "planning": PLANNING}
        counts = await undo_items(self.database, items, **fixed)
        await self.database.run_write(lambda c: imports.advance(c, found[0], counts, (), NOW, state=ImportState.UNDONE))

    # The company.

    async def _let_go(self, step: Step) -> None:
        leaver, successor = STAFF[step.one % 3], STAFF[step.other % 3]
        async with self.database.read() as session:
            version = (await session.scalars(select(Employee.version).where(Employee.id == leaver))).one()
        await hand_all_over(self.database, leaver, version, successor, by=BOSS, clock=lambda: NOW)
        async with self.database.write() as session:  # He comes back, so that somebody is there to go on with.
            await session.execute(update(Employee).where(Employee.id == leaver).values(active=True))
            await session.execute(update(Extension).where(Extension.number == f"10{leaver}").values(employee_id=leaver))

    async def _erase_lead(self, step: Step) -> None:
        await self._erase(lead_id=(await self.lead(step.one))[0])

    async def _erase_counterparty(self, step: Step) -> None:
        await self._erase(counterparty_id=await self.company(step.one))

    async def _erase(self, **card: int) -> None:
        async with self.database.read() as session:
            traces = await traces_of(session, **card)
            mentions = await mentions_of(session, traces)
        async with self.database.write() as session:
            await erase(session, traces, mentions, NOW)

    # What must be true.

    async def check(self, called: str | None = None) -> None:
        """The three invariants; then that what the store derives says the same."""
        async with self.database.read() as session:
            held = (await session.execute(text(_HELD))).all()
            calls = (await session.execute(text(_CALLS))).all()
            stray = (await session.execute(text(_STRAY))).all()
            nobodys = (await session.scalars(text(_NOBODYS), {"number": called})).all()
            vain = (await session.execute(text(_VAIN))).all()
        active = Counter(number for number, lead, open_, _card in held if lead is not None and open_)
        theirs = {number for number, lead, _open, _card in held if lead is None}
        assert set(active.values()) <= {1}, "(1) a number is on at most one active lead"
        assert not active.keys() & theirs, "(2) never on an active lead and on a counterparty or contact person"
        assert called is None or called in active or called in theirs, "(3) after a call its number is on one of them"
        assert not active.keys() & {IGNORED, MOBILE}, "(L2)"
        assert not nobodys, "who talked is in charge of a lead that was nobody's (L1)"
        for number, lead, into, card, failed in calls:
            assert number in (IGNORED, MOBILE) or failed or (lead, card) != (None, None), "a call is with its person"
            assert into is None, "calls of a merged lead are the survivor's"
            assert None in (lead, card), (
                "what a counterparty's employees talked in is found by its calls without a lead"
            )
        assert not vain, "calls that failed make no lead (L1)"
        assert not stray, "what is to be done with a lead goes along when it ends (L5, L15)"
        await self._check_derived()

    async def _check_derived(self) -> None:
        async with self.database.read() as session:
            held = (await session.scalars(select(PhoneNumber))).all()
            leads = {lead.id: lead for lead in await session.scalars(select(Lead))}
        for row in held:
            assert row.on_active_lead == (row.lead_id is not None and leads[row.lead_id].closed_at is None)
        for lead in leads.values():
            own = [row.number for row in held if row.lead_id == lead.id]
            assert len(own) == len(set(own))
            assert bool(own) == (lead.merged_into_id is None)
            assert not own or lead.main_number in own
            assert not own or all(number in lead.search_text for number in own)
            assert (lead.counterparty_id is None) == (lead.closed_at is None or lead.merged_into_id is not None)
            if lead.merged_into_id is not None:
                assert leads[lead.merged_into_id].merged_into_id is None
        assert len({row.number for row in held if row.pinned}) == sum(row.pinned for row in held)

    async def check_call_is_theirs(self, number: str) -> None:
        """If a counterparty has the number that just called, the call is with it, by way of a lead perhaps (L7)."""
        async with self.database.read() as session:
            theirs = (await session.execute(text(_THEIRS), {"number": number})).first()
            call = (await session.execute(text(_LAST_CALL))).one()
        assert theirs is None or call.counterparty_id is not None or call.became is not None


_HELD = """
SELECT p.number, p.lead_id, l.closed_at IS NULL AND l.merged_into_id IS NULL,
       COALESCE(p.counterparty_id, k.counterparty_id)
FROM phone_number p LEFT JOIN lead l ON l.id = p.lead_id LEFT JOIN contact_person k ON k.id = p.contact_person_id
"""
_CALLS = """
SELECT c.outside_number, c.lead_id, l.merged_into_id, c.counterparty_id, c.result IS NOT NULL AND c.result = 'failed'
FROM call c LEFT JOIN lead l ON l.id = c.lead_id WHERE c.outside_number IS NOT NULL
"""
_VAIN = """
SELECT id FROM lead l WHERE version = 1 AND closed_at IS NULL
AND NOT EXISTS (SELECT 1 FROM change c WHERE c.lead_id = l.id)
AND EXISTS (SELECT 1 FROM call c WHERE c.lead_id = l.id)
AND NOT EXISTS (SELECT 1 FROM call c WHERE c.lead_id = l.id AND (c.result IS NULL OR c.result <> 'failed'))
AND NOT EXISTS (SELECT 1 FROM planned_call p WHERE p.lead_id = l.id)
AND NOT EXISTS (SELECT 1 FROM task t WHERE t.lead_id = l.id)
"""
_STRAY = """
SELECT lead_id FROM planned_call p JOIN lead l ON l.id = p.lead_id WHERE p.state = 'open' AND l.closed_at IS NOT NULL
UNION ALL
SELECT lead_id FROM task t JOIN lead l ON l.id = t.lead_id WHERE t.done_at IS NULL AND l.closed_at IS NOT NULL
"""
_NOBODYS = """
SELECT l.id FROM lead l JOIN phone_number p ON p.lead_id = l.id
WHERE p.number = :number AND l.closed_at IS NULL AND l.responsible_id IS NULL AND NOT l.responsible_by_hand
AND 'answered' = (SELECT result FROM call WHERE outside_number = :number ORDER BY id DESC LIMIT 1)
"""
_THEIRS = "SELECT id FROM phone_number WHERE number = :number AND lead_id IS NULL"
_LAST_CALL = """
SELECT c.counterparty_id, l.counterparty_id AS became
FROM call c LEFT JOIN lead l ON l.id = c.lead_id ORDER BY c.id DESC LIMIT 1
"""
