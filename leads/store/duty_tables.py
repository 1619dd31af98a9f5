"""Tables of who is at work when: working times, away and substitute of each employee, and the company's holidays."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, SmallInteger, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from leads.store.base import Base


class WorkingTime(Base):
    """A time of the week at which an employee works, in minutes after midnight; see leads.domain.duty.Shift."""

    __tablename__ = "working_time"
    id: Mapped[int] = mapped_column(primary_key=True)
    employee_id: Mapped[int] = mapped_column(ForeignKey("employee.id", ondelete="CASCADE"))
    weekday: Mapped[int] = mapped_column(SmallInteger)
    begins: Mapped[int] = mapped_column(SmallInteger)
    ends: Mapped[int] = mapped_column(SmallInteger)

    __table_args__ = (
        UniqueConstraint("employee_id", "weekday", "begins"),
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint("begins BETWEEN 0 AND 1439 AND ends BETWEEN 0 AND 1440", name="minutes"),
    )


class EmployeeDuty(Base):
    """Whether an employee is away now, until when, and who stands in for him; without a row: here, and nobody."""

    __tablename__ = "employee_duty"
    employee_id: Mapped[int] = mapped_column(ForeignKey("employee.id", ondelete="CASCADE"), primary_key=True)
    away: Mapped[bool] = mapped_column(default=False, server_default=false())
    away_until: Mapped[datetime | None]
    substitute_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))

    __table_args__ = (CheckConstraint("substitute_id <> employee_id", name="another"),)


class Holiday(Base):
    """A day on which nobody is on duty."""

    __tablename__ = "holiday"
    day: Mapped[date] = mapped_column(primary_key=True)
    name: Mapped[str]
