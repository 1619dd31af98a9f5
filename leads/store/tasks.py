"""Tasks of employees: typed ones, and calls that were missed; and dated notes (P6 to P8)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from leads.domain.follow_up import TaskKind
from leads.store.cards import NoSuchCardError, is_at_work
from leads.store.company import GoneError, SavedMeanwhileError
from leads.store.former_leads import of_person
from leads.store.lock_order import hold_persons
from leads.store.models import ContactPerson, Counterparty, Employee, Lead
from leads.store.people_of_calls import CallPerson
from leads.store.plan_lists import FIRST_NUMBER
from leads.store.task_tables import Note, Task

MOST_SHOWN = 200
MOST_TASKS = 50
MOST_NOTES = 500
"""More than anybody writes about one person in years; they stand on one page."""


class NeedsReasonError(Exception):
    """A missed call that nobody called back is closed with a reason only."""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task; `number` is the person's first."""

    id: int
    kind: TaskKind
    lead_id: int | None
    counterparty_id: int | None
    name: str
    named: bool
    number: str | None
    employee_id: int | None
    employee: str | None
    text: str
    due_on: date | None
    made_at: datetime
    made_by: str | None
    done_at: datetime | None
    done_by: str | None
    reason: str
    missed: int
    missed_at: datetime | None
    attempts: int

    @property
    def card(self) -> str:
        """The address of the person's card."""
        return CallPerson(self.lead_id, self.counterparty_id).card


@dataclass(frozen=True, slots=True)
class NoteRow:
    """One dated note."""

    at: datetime
    by: str | None
    text: str


_MADE_BY, _DONE_BY = aliased(Employee), aliased(Employee)
_COLUMNS: tuple[Any, ...] = (
    Task.id,
    Task.kind,
    Task.lead_id,
    Task.counterparty_id,
    func.coalesce(Lead.name, Counterparty.name),
    func.coalesce(Lead.named, True),
    FIRST_NUMBER,
    Task.employee_id,
    Employee.name,
    Task.text,
    Task.due_on,
    Task.made_at,
    _MADE_BY.name,
    Task.done_at,
    _DONE_BY.name,
    Task.reason,
    Task.missed,
    Task.missed_at,
    Task.attempts,
)
"""In the order of TaskRow's fields."""


def task_rows() -> Select[Any]:
    """Tasks with the names that belong to them."""
    statement: Select[Any] = select(*_COLUMNS)
    return (
        statement.select_from(Task)
        .outerjoin(Lead, Lead.id == Task.lead_id)
        .outerjoin(Counterparty, Counterparty.id == Task.counterparty_id)
        .outerjoin(Employee, Employee.id == Task.employee_id)
        .outerjoin(_MADE_BY, _MADE_BY.id == Task.made_by_id)
        .outerjoin(_DONE_BY, _DONE_BY.id == Task.done_by_id)
    )


async def tasks_of(
    session: AsyncSession, person: CallPerson, most: int = MOST_TASKS, skip: int = 0
) -> Sequence[TaskRow]:
    """The tasks about one person: open ones first, the soonest due before others; with those of his former leads.

    At most so many after the first `skip`.
    """
    order = (Task.done_at.is_not(None), Task.done_at.desc(), Task.due_on.is_(None), Task.due_on, Task.id)
    statement = task_rows().where(of_person(Task, person)).order_by(*order).limit(most).offset(skip)
    return [TaskRow(*row) for row in await session.execute(statement)]


async def find_task(session: AsyncSession, task_id: int) -> TaskRow | None:
    """One task by its key."""
    row = (await session.execute(task_rows().where(Task.id == task_id))).first()
    return TaskRow(*row) if row else None


async def give_task(
    session: AsyncSession,
    person: CallPerson,
    employee_id: int,
    text: str,
    due_on: date | None,
    *,
    by: int,
    now: datetime,
) -> CallPerson:
    """Give an employee, who may be oneself, a task about a person; returns on whose card it is.

    Raises:
        GoneError: there is no such employee at work.
        NoSuchCardError: the person was erased.
    """
    if not await is_at_work(session, employee_id):
        raise GoneError
    person = await _present_card(session, person)
    session.add(
        Task(
            kind=TaskKind.TYPED,
            lead_id=person.lead_id,
            counterparty_id=person.counterparty_id if person.lead_id is None else None,
            employee_id=employee_id,
            text=text,
            due_on=due_on,
            made_at=now,
            made_by_id=by,
            told_at=now if employee_id == by else None,
        )
    )
    return person


async def close_task(session: AsyncSession, task_id: int, reason: str, *, by: int, now: datetime) -> None:
    """Say that a task is done; of a missed call, why it needs no calling back.

    Raises:
        SavedMeanwhileError: it is done already.
        NeedsReasonError: as said there.
    """
    task = await session.get(Task, task_id, with_for_update={"key_share": True})
    if task is None or task.done_at is not None:
        raise SavedMeanwhileError
    if task.kind is TaskKind.MISSED and not reason:
        raise NeedsReasonError
    task.done_at, task.done_by_id, task.reason = now, by, reason


async def add_note(
    session: AsyncSession, person: CallPerson, text: str, *, by: int, now: datetime, call_id: int | None = None
) -> CallPerson:
    """Note something about a person, perhaps during a call; returns on whose card it is.

    Raises:
        NoSuchCardError: the person was erased.
    """
    person = await _present_card(session, person)
    session.add(
        Note(
            lead_id=person.lead_id,
            counterparty_id=person.counterparty_id if person.lead_id is None else None,
            call_id=call_id,
            employee_id=by,
            at=now,
            text=text,
        )
    )
    return person


async def _present_card(session: AsyncSession, person: CallPerson) -> CallPerson:
    """Where a person is now: a lead that ended while somebody typed is read-only, what was typed goes where it went.

    Raises:
        NoSuchCardError: he was erased meanwhile.
    """
    # A lead that ends at this moment is waited for.
    await hold_persons(session, [person.lead_id], [person.counterparty_id if person.lead_id is None else None])
    if person.lead_id is None:
        if await session.scalar(select(Counterparty.id).where(Counterparty.id == person.counterparty_id)) is None:
            raise NoSuchCardError(person)
        return person
    columns = (Lead.closed_at, Lead.merged_into_id, Lead.counterparty_id)
    row = (await session.execute(select(*columns).where(Lead.id == person.lead_id))).first()
    if row is None:
        raise NoSuchCardError(person)
    if row.closed_at is None:
        return person
    if row.merged_into_id is not None:
        return await _present_card(session, CallPerson(lead_id=row.merged_into_id))
    return CallPerson(counterparty_id=row.counterparty_id) if row.counterparty_id is not None else person


async def notes_of(session: AsyncSession, person: CallPerson) -> Sequence[NoteRow]:
    """The notes about a person, the newest first; a counterparty's are also those of the leads that it was."""
    return await _notes(session, of_person(Note, person))


async def latest_note(session: AsyncSession, person: CallPerson) -> str | None:
    """What was noted last about a person, for whoever he calls now."""
    rows = await _notes(session, of_person(Note, person), most=1)
    return rows[0].text if rows else None


async def notes_of_call(session: AsyncSession, call_id: int) -> Sequence[NoteRow]:
    """The notes of one call, the newest first."""
    return await _notes(session, Note.call_id == call_id)


async def move_tasks(session: AsyncSession, lead_id: int, to: CallPerson) -> None:
    """Let the tasks of a lead that ends go along; notes only to a lead, as a closed one keeps its past.

    Two missed calls become one, with all that was missed and tried; one alone is whose the person is now (P7).
    """
    is_open = Task.done_at.is_(None)
    is_missed = (Task.kind == TaskKind.MISSED, is_open)
    goes_to = {"lead_id": to.lead_id, "counterparty_id": to.counterparty_id if to.lead_id is None else None}
    mine = await session.scalar(select(Task).where(Task.lead_id == lead_id, *is_missed).with_for_update(key_share=True))
    theirs = await session.scalar(select(Task).where(_about(Task, to), *is_missed).with_for_update(key_share=True))
    if mine is not None and theirs is not None:
        theirs.missed += mine.missed
        theirs.attempts += mine.attempts
        theirs.missed_at = max(filter(None, (mine.missed_at, theirs.missed_at)), default=None)
        await session.execute(delete(Task).where(Task.id == mine.id))
        await session.flush()
    elif mine is not None:
        mine.employee_id = await _in_charge(session, to) or mine.employee_id
        await session.flush()
    moved = update(Task).where(Task.lead_id == lead_id).execution_options(synchronize_session=False)
    await session.execute((moved.where(is_open) if to.lead_id is None else moved).values(**goes_to))
    if to.lead_id is not None:
        notes = update(Note).where(Note.lead_id == lead_id).values(lead_id=to.lead_id)
        await session.execute(notes.execution_options(synchronize_session=False))


async def _in_charge(session: AsyncSession, person: CallPerson) -> int | None:
    """Who is responsible for a person; a contact person's own before the counterparty's (K1)."""
    if person.lead_id is not None:
        return await session.scalar(select(Lead.responsible_id).where(Lead.id == person.lead_id))
    own = select(ContactPerson.responsible_id).where(ContactPerson.id == person.contact_person_id)
    company = select(Counterparty.responsible_id).where(Counterparty.id == person.counterparty_id)
    return await session.scalar(own) or await session.scalar(company)


async def untold_tasks(session: AsyncSession, employee_id: int) -> Sequence[TaskRow]:
    """The tasks that others gave an employee and that he was not told of yet."""
    fresh = (Task.done_at.is_(None), Task.told_at.is_(None), Task.kind == TaskKind.TYPED)
    statement = task_rows().where(Task.employee_id == employee_id, *fresh).order_by(Task.id).limit(MOST_SHOWN)
    return [TaskRow(*row) for row in await session.execute(statement)]


async def mark_told(session: AsyncSession, tasks: Collection[int], now: datetime) -> set[int]:
    """Count the employee as told; returns of which tasks he was not yet: one of his windows tells him."""
    # Whoever holds some of them at this moment is not waited for: they are told at the next look.
    fresh = select(Task.id).where(Task.id.in_(tasks), Task.told_at.is_(None)).with_for_update(skip_locked=True)
    marked = update(Task).where(Task.id.in_(fresh)).values(told_at=now).returning(Task.id)
    return set(await session.scalars(marked.execution_options(synchronize_session=False)))


async def _notes(session: AsyncSession, about: ColumnElement[bool], most: int = MOST_NOTES) -> Sequence[NoteRow]:
    statement = (
        select(Note.at, Employee.name, Note.text)
        .outerjoin(Employee, Employee.id == Note.employee_id)
        .where(about)
        .order_by(Note.at.desc(), Note.id.desc())
        .limit(most)
    )
    return [NoteRow(*row) for row in await session.execute(statement)]


def _about(table: type[Task], person: CallPerson) -> ColumnElement[bool]:
    if person.lead_id is not None:
        return table.lead_id == person.lead_id
    return table.counterparty_id == person.counterparty_id
