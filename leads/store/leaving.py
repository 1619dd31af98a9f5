"""Lets an employee go: what is his becomes his successor's, what he had done stays his (K2).

His work is put on record in the transaction in which he goes, and changes hands in pieces (leads.store.handing_over).
"""

from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.clock import Clock
from leads.store import access, audit, company, handovers
from leads.store.company import CompanyError, NoAdminLeftError
from leads.store.duty_tables import EmployeeDuty
from leads.store.engine import Database
from leads.store.leavers_work import KINDS
from leads.store.models import Employee, Extension, GroupMember
from leads.store.phone_book_tables import PhoneBookKey


class HandedOverNowError(CompanyError):
    """What the employee has is being handed over at this moment."""


class SuccessorError(CompanyError):
    """Nobody takes over what the employee has, or somebody who does not work here, or he himself."""


@dataclass(frozen=True, slots=True)
class Belongings:
    """What an employee is in charge of now, and his phones, by their numbers.

    `planned_calls` are those with people who are not his; the others go with their cards.
    """

    leads: int
    counterparties: int
    contact_persons: int
    our_numbers: int
    phones: tuple[str, ...]
    tasks: int = 0
    planned_calls: int = 0

    @property
    def total(self) -> int:
        """How many things somebody has to take over."""
        cards = self.leads + self.counterparties + self.contact_persons
        return cards + self.our_numbers + self.tasks + self.planned_calls


@dataclass(frozen=True, slots=True)
class Left:
    """What an employee had when he left, and the hand-over of it, where there was anything to take over."""

    had: Belongings
    handover_id: int | None


async def belongings(session: AsyncSession, employee_id: int) -> Belongings:
    """Count what an employee is in charge of."""
    counts = {
        kind.name: await session.scalar(select(func.count()).select_from(kind.table).where(*kind.of(employee_id))) or 0
        for kind in KINDS
    }
    phones = select(Extension.number).where(Extension.employee_id == employee_id).order_by(Extension.number)
    return Belongings(phones=tuple(await session.scalars(phones)), **counts)


async def let_go(
    database: Database,
    employee_id: int,
    version: int,
    successor_id: int | None,
    *,
    by: int | None,
    clock: Clock,
    runner: str = "",
) -> Left:
    """Let an employee go, and put on record that what is his goes to a successor.

    At once he is signed out everywhere, his phones are nobody's, and routing skips him; his things change hands after
    that, some at a time.

    Args:
        database: where he is.
        employee_id: who leaves, or has left already.
        version: of his card when it was opened.
        successor_id: who takes over; None only where there is nothing to take over.
        by: the administrator.
        clock: tells the present moment, UTC.
        runner: who hands his things over if they are a few; see leads.store.handovers.

    Raises:
        GoneError, SavedMeanwhileError, NoAdminLeftError: as said there, and nothing has changed.
        SuccessorError, HandedOverNowError: as said there, and nothing has changed.
    """
    async with database.write() as session:
        employee = await company.opened(session, await company.find_employee(session, employee_id), version)
        if await handovers.of_leaver(session, employee_id) is not None:
            raise HandedOverNowError
        had = await belongings(session, employee_id)
        successor = await _successor(session, employee_id, successor_id)
        if successor is None and had.total:
            raise SuccessorError
        await _leave(session, employee, successor)
        if not await access.has_admin(session):
            raise NoAdminLeftError
        if successor is None or not had.total:
            return Left(had, None)
        handover_id = await handovers.begin_leaver(
            session, employee_id, successor.id, had.total, by=by, now=clock(), runner=runner
        )
    return Left(had, handover_id)


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
