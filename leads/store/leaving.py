"""Lets an employee go: what is his becomes his successor's, what he had done stays his (K2).

Whatever new kind of thing somebody can be in charge of gets a line in `_KINDS`, and goes along from then on. An open
planned call needs none: the database itself gives it to whoever is responsible for its person.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store import access, audit, company
from leads.store.company import CompanyError, GoneError, NoAdminLeftError, SavedMeanwhileError
from leads.store.duty_tables import EmployeeDuty
from leads.store.engine import Database, breathe
from leads.store.lock_order import hold_persons, locked_in_order
from leads.store.models import Change, ContactPerson, Counterparty, Did, Employee, Extension, GroupMember, Lead
from leads.store.phone_book_tables import PhoneBookKey
from leads.store.task_tables import Task

Clock = Callable[[], datetime]
MOST_AT_ONCE = 100
"""Things that change hands in one transaction: calls must not wait for it."""


class SuccessorError(CompanyError):
    """Nobody takes over what the employee has, or somebody who does not work here, or he himself."""


@dataclass(frozen=True, slots=True)
class Belongings:
    """What an employee is in charge of now, and his phones, by their numbers."""

    leads: int
    counterparties: int
    contact_persons: int
    our_numbers: int
    phones: tuple[str, ...]
    tasks: int = 0

    @property
    def need_a_successor(self) -> bool:
        """Whether somebody has to take something over."""
        return any((self.leads, self.counterparties, self.contact_persons, self.our_numbers, self.tasks))


@dataclass(frozen=True, slots=True)
class _Handing:
    """From whom to whom, at whose word and when."""

    of: Employee
    to: Employee
    by: int | None
    now: datetime


async def belongings(session: AsyncSession, employee_id: int) -> Belongings:
    """Count what an employee is in charge of."""

    async def count(condition: ColumnElement[bool], *more: ColumnElement[bool]) -> int:
        return await session.scalar(select(func.count()).where(condition, *more)) or 0

    phones = select(Extension.number).where(Extension.employee_id == employee_id).order_by(Extension.number)
    return Belongings(
        leads=await count(Lead.responsible_id == employee_id, Lead.closed_at.is_(None)),
        counterparties=await count(Counterparty.responsible_id == employee_id),
        contact_persons=await count(ContactPerson.responsible_id == employee_id),
        our_numbers=await count(Did.responsible_id == employee_id),
        phones=tuple(await session.scalars(phones)),
        tasks=await count(Task.employee_id == employee_id, Task.done_at.is_(None)),
    )


async def let_go(
    database: Database, employee_id: int, version: int, successor_id: int | None, *, by: int | None, clock: Clock
) -> Belongings:
    """Let an employee go, and give what is his to a successor; tells what changed hands.

    First he is signed out everywhere, his phones are nobody's, and routing skips him, all at once; then his things
    change hands, some at a time. Broken off half-way, it is finished by doing it again.

    Args:
        database: where he is.
        employee_id: who leaves, or has left already.
        version: of his card when it was opened.
        successor_id: who takes over; None only where there is nothing to take over.
        by: the administrator.
        clock: tells the present moment, UTC.

    Raises:
        GoneError, SavedMeanwhileError, NoAdminLeftError: as said there, and nothing has changed.
        SuccessorError: as said there, and nothing has changed.
    """
    async with database.write() as session:
        had = await belongings(session, employee_id)
        employee = await _opened(session, employee_id, version)
        successor = await _successor(session, employee_id, successor_id)
        if successor is None and had.need_a_successor:
            raise SuccessorError
        await _leave(session, employee, successor)
        if not await access.has_admin(session):
            raise NoAdminLeftError
    if successor is not None:
        await _hand_over(database, _Handing(employee, successor, by, clock()))
    return had


async def _opened(session: AsyncSession, employee_id: int, version: int) -> Employee:
    employee = await company.find_employee(session, employee_id)
    if employee is None:
        raise GoneError
    await session.refresh(employee, ["version"], with_for_update={"key_share": True})
    if employee.version != version:
        raise SavedMeanwhileError
    return employee


async def _successor(session: AsyncSession, employee_id: int, successor_id: int | None) -> Employee | None:
    if successor_id is None:
        return None
    successor = await session.get(Employee, successor_id)
    if successor is None or not successor.active or successor_id == employee_id:
        raise SuccessorError
    return successor


async def _leave(session: AsyncSession, employee: Employee, successor: Employee | None) -> None:
    """End his access and free his phones; who calls for him because they talked last reaches his successor."""
    employee.active = False
    own = select(Extension.id).where(Extension.employee_id == employee.id)
    phones = sorted(await session.scalars(select(Extension.number).where(Extension.employee_id == employee.id)))
    await audit.note_list(session, "employee", employee.id, "phones", (phones, ()))
    # Before they are nobody's: whoever gets a phone next shall not find a key that the leaver knows.
    for held in (GroupMember, PhoneBookKey):
        await session.execute(delete(held).where(held.extension_id.in_(own)))
    await session.execute(update(Extension).where(Extension.employee_id == employee.id).values(employee_id=None))
    duty = await session.get(EmployeeDuty, employee.id) or EmployeeDuty(employee_id=employee.id)
    duty.away, duty.away_until, duty.substitute_id = False, None, successor.id if successor else None
    session.add(duty)
    await access.end_sessions_of(session, employee.id)
    await session.flush()


async def _hand_over(database: Database, handing: _Handing) -> None:
    for move in _KINDS:
        moved = MOST_AT_ONCE
        while moved == MOST_AT_ONCE:
            began = time.monotonic()
            async with database.write() as session:
                moved = await move(session, handing)
            if moved == MOST_AT_ONCE:
                await breathe(began)


async def _move_leads(session: AsyncSession, handing: _Handing) -> int:
    """Open leads; closed ones are read-only, and count for him."""
    ids = await _some(session, Lead, Lead.responsible_id == handing.of.id, Lead.closed_at.is_(None))
    values = {"responsible_id": handing.to.id, "responsible_by_hand": True, "updated_at": handing.now}
    await _update(session, Lead, ids, {**values, "version": Lead.version + 1})
    await _note(session, handing, [{"lead_id": one} for one in ids])
    return len(ids)


async def _move_counterparties(session: AsyncSession, handing: _Handing) -> int:
    ids = await _some(session, Counterparty, Counterparty.responsible_id == handing.of.id)
    values = {"responsible_id": handing.to.id, "updated_at": handing.now, "version": Counterparty.version + 1}
    await _update(session, Counterparty, ids, values)
    await _note(session, handing, [{"counterparty_id": one} for one in ids])
    return len(ids)


async def _move_contact_persons(session: AsyncSession, handing: _Handing) -> int:
    """A contact person is a part of its counterparty's card, so its history is there."""
    his = (ContactPerson.responsible_id == handing.of.id,)
    cards = select(ContactPerson.counterparty_id).where(*his).order_by(ContactPerson.id).limit(MOST_AT_ONCE)
    await hold_persons(session, (), await session.scalars(cards))
    ids = await _some(session, ContactPerson, *his)
    columns = ContactPerson.counterparty_id, ContactPerson.name
    people = (await session.execute(select(*columns).where(ContactPerson.id.in_(ids)))).all()
    await _update(session, ContactPerson, ids, {"responsible_id": handing.to.id})
    changed = list({card for card, _name in people})
    await _update(session, Counterparty, changed, {"version": Counterparty.version + 1, "updated_at": handing.now})
    await _note(session, handing, [{"counterparty_id": card, "of": name} for card, name in people])
    return len(ids)


async def _move_our_numbers(session: AsyncSession, handing: _Handing) -> int:
    ids = await _some(session, Did, Did.responsible_id == handing.of.id)
    await _update(session, Did, ids, {"responsible_id": handing.to.id, "version": Did.version + 1})
    before, after = {"responsible_id": handing.of.id}, {"responsible_id": handing.to.id}
    for did_id in ids:
        await audit.note(session, audit.What.CHANGED, "did", did_id, before=before, after=after)
    return len(ids)


async def _move_tasks(session: AsyncSession, handing: _Handing) -> int:
    """Open tasks; of a missed call, those of cards that are nobody's too. The successor is told of them anew."""
    his = (Task.employee_id == handing.of.id, Task.done_at.is_(None))
    whose = select(Task.lead_id, Task.counterparty_id).where(*his).order_by(Task.id).limit(MOST_AT_ONCE)
    people = (await session.execute(whose)).all()
    await hold_persons(session, [one.lead_id for one in people], [one.counterparty_id for one in people])
    ids = await _some(session, Task, *his)
    await _update(session, Task, ids, {"employee_id": handing.to.id, "told_at": None})
    return len(ids)


_KINDS: tuple[Callable[[AsyncSession, _Handing], Awaitable[int]], ...] = (
    _move_leads,
    _move_counterparties,
    _move_contact_persons,
    _move_our_numbers,
    _move_tasks,
)
"""Each gives at most MOST_AT_ONCE things to the successor, and tells how many; fewer are the last."""


async def _some(session: AsyncSession, table: type[Any], *conditions: ColumnElement[bool]) -> Sequence[int]:
    return (await session.scalars(locked_in_order(table, *conditions).limit(MOST_AT_ONCE))).all()


async def _update(session: AsyncSession, table: type[Any], ids: Sequence[int], values: dict[str, Any]) -> None:
    statement = update(table).where(table.id.in_(ids)).values(values)
    await session.execute(statement.execution_options(synchronize_session=False))


async def _note(session: AsyncSession, handing: _Handing, cards: list[dict[str, Any]]) -> None:
    """Write the change into the history of each card; `of` names the contact person that it is about."""
    fixed = {"at": handing.now, "employee_id": handing.by, "lead_id": None, "counterparty_id": None}
    rows = []
    for card in cards:
        person = card.pop("of", None)
        field, before, after = "responsible", handing.of.name, handing.to.name
        if person is not None:
            field, before, after = "contact_person", f"{person}; {before}", f"{person}; {after}"
        rows.append(fixed | card | {"field": field, "before": before, "after": after})
    if rows:
        await session.execute(insert(Change), rows)
