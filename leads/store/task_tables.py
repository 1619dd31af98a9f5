"""The tables of tasks and of dated notes, as typed models."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from leads.domain.follow_up import TaskKind
from leads.store.base import Base, partial_index, values_of

OPEN_MISSED = text("task.kind = 'missed' AND task.done_at IS NULL")
"""Written out as in the partial indexes: behind a parameter the databases would not see that they fit."""
_MISSED = "kind = 'missed' AND done_at IS NULL"


class Task(Base):
    """Something that an employee is to do about a person: typed by somebody, or to call back after a missed call.

    `employee_id` is whose it is; `told_at` when he was told of one that somebody else gave him. Of a missed call
    `missed` counts the calls, `missed_at` is when the last began, and `attempts` counts calls back in vain; closed by
    hand it has a `reason`.
    """

    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[TaskKind] = mapped_column(values_of(TaskKind), default=TaskKind.TYPED)
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    counterparty_id: Mapped[int | None] = mapped_column(ForeignKey("counterparty.id", ondelete="CASCADE"))
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    text: Mapped[str] = mapped_column(Text, default="")
    due_on: Mapped[date | None]
    made_at: Mapped[datetime]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    told_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    done_by_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    reason: Mapped[str] = mapped_column(Text, default="")
    missed: Mapped[int] = mapped_column(default=0)
    missed_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        CheckConstraint("(lead_id IS NULL) <> (counterparty_id IS NULL)", name="one_person"),
        partial_index("uq_task_lead_missed", "lead_id", where=_MISSED, unique=True),
        partial_index("uq_task_counterparty_missed", "counterparty_id", where=_MISSED, unique=True),
        partial_index("ix_task_employee_id_open", "employee_id", "due_on", "id", where="done_at IS NULL"),
        Index("ix_task_lead_id", "lead_id"),
        Index("ix_task_counterparty_id", "counterparty_id"),
    )


class Note(Base):
    """What somebody noted about a person, and when; `call_id` is the call during or after which."""

    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    counterparty_id: Mapped[int | None] = mapped_column(ForeignKey("counterparty.id", ondelete="CASCADE"))
    call_id: Mapped[int | None] = mapped_column(ForeignKey("call.id", ondelete="SET NULL"))
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("(lead_id IS NULL) <> (counterparty_id IS NULL)", name="one_person"),
        Index("ix_note_lead_id_at", "lead_id", "at"),
        Index("ix_note_counterparty_id_at", "counterparty_id", "at"),
        Index("ix_note_call_id", "call_id"),
    )
