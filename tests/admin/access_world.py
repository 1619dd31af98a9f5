"""Things of one kind for each of several owners, and how each route is asked for them; see test_access_matrix."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import select

from leads.admin.context import Panel
from leads.domain.calls import Phase
from leads.store import recordings
from leads.store.engine import Database
from leads.store.handovers import begin_list
from leads.store.import_tables import ImportKind
from leads.store.imports import begin
from leads.store.leads import LeadFilter
from leads.store.models import ContactPerson, Counterparty, Did, Extension, Lead, PhoneNumber, Recording, Source
from leads.store.people_of_calls import CallPerson
from leads.store.planning_tables import PlannedCall
from leads.store.plans import PlanEdit, plan_by_hand
from leads.store.search import search_text, sort_key
from leads.store.task_tables import Task
from leads.store.tasks import give_task
from tests.admin.calls import add_call
from tests.admin.conftest import Clock, Company
from tests.admin.test_questions import RING
from tests.leads.test_recording_files import write_recording


@dataclass(frozen=True)
class Owned:
    """What one employee has: in charge of the first lead and counterparty, the others are his by a person or a call.

    `word` is in every name, and in nobody else's; `number` is the first lead's, who rings his phone at this moment.
    """

    word: str
    number: str
    leads: tuple[int, ...]
    counterparties: tuple[int, ...]
    call: int
    recording: int
    ring: str
    employee_id: int
    plan: int
    phone: int
    task: int


async def add_things(
    database: Database, clock: Clock, panel: Panel, root: Path, *, owner: int, phone: str, word: str
) -> Owned:
    """Put one of everything on record for an employee: things that he is in charge of, and that he talked with."""
    digits = phone * 2
    async with database.write() as session:
        leads = [_lead(clock, f"{word} {place}", f"+38050{digits}{place}") for place in "123"]
        parties = [_counterparty(clock, f"{word} {place}", f"+38067{digits}{place}") for place in "123"]
        leads[0].responsible_id = parties[0].responsible_id = owner
        parties[1].contact_persons = [ContactPerson(name=f"{word} Жук", responsible_id=owner)]
        session.add_all([*leads[:2], *parties])
        await session.flush()
    talk = {"phase": Phase.TALKING, "employee_id": owner, "legs": [], "answered_at": clock()}
    call = await add_call(database, clock, f"{phone}.1", lead_id=leads[1].id, caller_name=word, **talk)
    path = f"2026-03-02/{phone}.1/{phone}.1.wav"
    write_recording(root, path)
    ended = talk | {"phase": Phase.ENDED, "ended_at": clock()}
    await add_call(database, clock, f"{phone}.2", counterparty_id=parties[2].id, **ended)
    async with database.write() as session:
        await recordings.note_found(session, "asterisk", [(f"{phone}.1", path, clock())])
    await plan_by_hand(
        database, CallPerson(lead_id=leads[0].id), None, PlanEdit(clock().date(), None, ""), by=owner, clock=clock
    )
    async with database.write() as session:
        about = CallPerson(lead_id=leads[0].id)
        await give_task(session, about, owner, f"{word} task", None, by=owner, now=clock())
    async with database.read() as session:
        recording = await session.scalar(select(Recording.id).where(Recording.path == path))
        extension = await session.scalar(select(Extension.id).where(Extension.number == phone))
        task = await session.scalar(select(Task.id).where(Task.lead_id == leads[0].id))
        plan = await session.scalar(select(PlannedCall.id).where(PlannedCall.lead_id == leads[0].id))
    ring = replace(RING, uniqueid=f"{phone}.3", endpoint=f"PJSIP/{phone}", party=leads[0].main_number)
    panel.questions.take([ring])
    return Owned(
        word,
        leads[0].main_number,
        tuple(lead.id for lead in leads[:2]),
        tuple(party.id for party in parties),
        call,
        recording or 0,
        ring.id,
        owner,
        plan or 0,
        extension or 0,
        task or 0,
    )


def _lead(clock: Clock, name: str, number: str) -> Lead:
    return Lead(
        name=name,
        named=True,
        status_id=1,
        main_number=number,
        created_at=clock(),
        updated_at=clock(),
        sort_name=sort_key(name),
        search_text=search_text(name, numbers=[number]),
        numbers=[PhoneNumber(number=number, on_active_lead=True)],
    )


def _counterparty(clock: Clock, name: str, number: str) -> Counterparty:
    return Counterparty(
        name=name,
        created_at=clock(),
        updated_at=clock(),
        sort_name=sort_key(name),
        search_text=search_text(name, numbers=[number]),
        numbers=[PhoneNumber(number=number)],
    )


async def add_number(database: Database) -> int:
    """One of our numbers and the first source, for the administrator's pages."""
    async with database.write() as session:
        session.add(Source(id=1, name="Radio"))
        did = Did(number="+380441234567", label="Main")
        session.add(did)
        await session.flush()
        return did.id


async def add_import(database: Database, clock: Clock, by: int) -> int:
    """A file that somebody imported."""
    async with database.write() as session:
        return await begin(session, ImportKind.LEADS, "list.csv", 1, update_known=False, by=by, now=clock())


async def add_handover(database: Database, clock: Clock, by: int) -> int:
    """A list that somebody gave away; there is nothing in it."""
    async with database.write() as session:
        return await begin_list(session, LeadFilter(status_id=99), None, 0, by=by, now=clock())


Fields = Mapping[str, object]
KEYS: dict[str, Callable[[Owned], tuple[int, ...]]] = {
    "/leads/": lambda owned: owned.leads,
    "/counterparties/": lambda owned: owned.counterparties,
    "/calls/": lambda owned: (owned.call,),
    "/recordings/": lambda owned: (owned.recording,),
    "/plans/": lambda owned: (owned.plan,),
    "/phone-book/": lambda owned: (owned.phone,),
    "/tasks/": lambda owned: (owned.task,),
}
"""The keys that stand for {id} in routes that begin so, for what somebody owns."""


def company_keys(company: Company, did: int, imported: int, handed_over: int) -> dict[str, int]:
    """The keys of the company's own things, and of the administrator's, by how their routes begin."""
    return {
        "/company/employees/": company.yurii,
        "/company/groups/": company.sales,
        "/company/numbers/": did,
        "/company/sources/": 1,
        "/company/phones/": company.phone_101,
        "/company/statuses/leads/": 1,
        "/company/statuses/counterparties/": 1,
        "/imports/": imported,
        "/handovers/": handed_over,
    }


LISTS: dict[str, Callable[[Owned], tuple[str, ...]]] = {
    "GET /live": lambda owned: ("/live",),
    "GET /day": lambda owned: (f"/day?employee={owned.employee_id}",),
    "GET /plans": lambda owned: ("/plans", f"/plans?employee={owned.employee_id}"),
    "GET /leads": lambda owned: _searches("/leads", owned),
    "GET /counterparties": lambda owned: _searches("/counterparties", owned),
    "GET /leads/export.csv": lambda owned: _searches("/leads/export.csv", owned),
    "GET /counterparties/export.csv": lambda owned: _searches("/counterparties/export.csv", owned),
}
"""Pages that list: the addresses at which what somebody owns would show, by its word."""


def _searches(path: str, owned: Owned) -> tuple[str, ...]:
    return tuple(
        f"{path}?{query}"
        for query in (
            "",
            f"q={quote(owned.word)}",
            f"responsible={owned.employee_id}",
            f"sort=responsible&order=desc&responsible={owned.employee_id}",
        )
    )


FORMS: dict[str, Callable[[Owned], Fields]] = {
    "POST /leads/{id}": lambda owned: {"version": 1, "name": "Taken", "number": owned.number, "status_id": 1},
    "POST /counterparties/{id}": lambda owned: {"version": 1, "name": "Taken"},
    "POST /leads/{id}/close": lambda owned: {"version": 99, "counterparty_id": owned.counterparties[0]},
    "POST /leads/{id}/reopen": lambda owned: {"version": 99},
    "POST /leads/{id}/merge": lambda owned: {"version": 99, "other": owned.leads[1]},
    "POST /leads/{id}/call": lambda owned: {"number": owned.number},
    "POST /counterparties/{id}/call": lambda owned: {"number": f"+38067{owned.number[6:]}"},
    "POST /leads/{id}/erase": lambda owned: {"sure": 1},
    "POST /counterparties/{id}/erase": lambda owned: {"sure": 1},
    "POST /questions/accept": lambda owned: {"ring": owned.ring},
    "POST /questions/reject": lambda owned: {"ring": owned.ring},
    "POST /questions/card": lambda owned: {"ring": owned.ring},
}
"""What is sent for what somebody owns, where an empty form would not get as far as to whose it is."""
HARMLESS: dict[str, Fields] = {
    "POST /leads/{id}": {},
    "POST /counterparties/{id}": {},
    "POST /leads/{id}/erase": {},
    "POST /counterparties/{id}/erase": {},
}
"""What is sent instead where it would be taken: it gets the card back, with what is wrong with it."""
LAST = ("/delete", "/remove", "/sign-out", "/end-all")
"""Routes that end so are asked last, because they take away what others need, and each under a new session."""
