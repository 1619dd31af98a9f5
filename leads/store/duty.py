"""Reads and saves who is at work when: employees' working times, substitutes and absences, and the holidays."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.duty import Shift
from leads.store import audit
from leads.store.company import CompanyError, GoneError
from leads.store.duty_tables import EmployeeDuty, Holiday, WorkingTime
from leads.store.lock_order import locked_in_order
from leads.store.models import Employee


class SubstituteError(CompanyError):
    """Who was to stand in for somebody does not work here any more, or is he himself."""


async def working_times(session: AsyncSession, employee_id: int) -> tuple[Shift, ...]:
    """An employee's hours in the order of the week; none: he works at any time."""
    times = await session.scalars(
        select(WorkingTime)
        .where(WorkingTime.employee_id == employee_id)
        .order_by(WorkingTime.weekday, WorkingTime.begins)
    )
    return tuple(Shift(time.weekday, time.begins, time.ends) for time in times)


async def substitute_of(session: AsyncSession, employee_id: int) -> int | None:
    """Who stands in for an employee."""
    return await session.scalar(select(EmployeeDuty.substitute_id).where(EmployeeDuty.employee_id == employee_id))


async def save_working_times(
    session: AsyncSession, employee_id: int, shifts: Sequence[Shift], substitute_id: int | None
) -> None:
    """Save an employee's hours and substitute, with his card's other fields in one transaction.

    Raises:
        GoneError: there is no such employee.
        SubstituteError: as said there.
    """
    duty = await _duty(session, employee_id)
    if substitute_id is not None and substitute_id != duty.substitute_id:
        substitute = await session.get(Employee, substitute_id)
        if substitute is None or not substitute.active or substitute_id == employee_id:
            raise SubstituteError
    duty.substitute_id = substitute_id
    hours = [[_said(shift) for shift in times] for times in (await working_times(session, employee_id), shifts)]
    await audit.note_list(session, "employee", employee_id, "working_times", (hours[0], hours[1]))
    await session.execute(delete(WorkingTime).where(WorkingTime.employee_id == employee_id))
    session.add_all(
        WorkingTime(employee_id=employee_id, weekday=shift.weekday, begins=shift.begins, ends=shift.ends)
        for shift in shifts
    )
    await session.flush()


def _said(shift: Shift) -> str:
    """A working time in the audit log: 1 09:00–18:00 is Monday's."""
    clock = [f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (shift.begins, shift.ends)]
    return f"{shift.weekday + 1} {clock[0]}–{clock[1]}"


async def set_away(session: AsyncSession, employee_id: int, away: bool, until: datetime | None) -> None:
    """Say that an employee is away, perhaps until a moment, or back.

    This counts as no save of his card: an administrator who edits it meanwhile shall not be told of a conflict.

    Raises:
        GoneError: there is no such employee.
    """
    duty = await _duty(session, employee_id)
    duty.away, duty.away_until = away, until if away else None
    await session.flush()


async def _duty(session: AsyncSession, employee_id: int) -> EmployeeDuty:
    """The row of an employee, made when it is needed; two who need it at once take turns."""
    if await session.scalar(locked_in_order(Employee, Employee.id == employee_id)) is None:
        raise GoneError
    duty = await session.get(EmployeeDuty, employee_id)
    if duty is None:
        # All of it said, so that the audit log knows what there was before a change in the same transaction.
        duty = EmployeeDuty(employee_id=employee_id, away=False, away_until=None, substitute_id=None)
        session.add(duty)
    return duty


async def holidays(session: AsyncSession) -> Sequence[Holiday]:
    """All days on which nobody is on duty, the latest first."""
    return (await session.scalars(select(Holiday).order_by(Holiday.day.desc()))).all()


async def add_holiday(session: AsyncSession, day: date, name: str) -> None:
    """Add a day, or name it anew."""
    await session.merge(Holiday(day=day, name=name))
    await session.flush()


async def remove_holiday(session: AsyncSession, day: date) -> None:
    """Make a day an ordinary one again."""
    holiday = await session.get(Holiday, day)
    if holiday is not None:
        await session.delete(holiday)
        await session.flush()
