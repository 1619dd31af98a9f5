"""The tables of planning, as typed models: planned calls, the company's choices, and the days that were done."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from leads.domain.planning import PlanState
from leads.store.base import Base, partial_index, values_of

OPEN = text("planned_call.state = 'open'")
"""Written out as in the partial indexes: behind a parameter the databases would not see that they fit."""
_OPEN = "state = 'open'"
_ONE_PERSON = "(lead_id IS NULL) <> (counterparty_id IS NULL)"


class PlannedCall(Base):
    """A call that is to be made with a lead or a counterparty; each has at most one open.

    `day` is the company's calendar day, `at` the moment where somebody set one. `employee_id` of an open one is the
    person's responsible: the database itself keeps it so, whoever changes that. `set_at` is when the day was last
    chosen: only a conversation that began later fulfils the call. `call` (Asterisk and linkedid) is what fulfilled it.
    `dialled_at` and `dialled_by_id` tell who pressed its Call button last.
    """

    __tablename__ = "planned_call"
    id: Mapped[int] = mapped_column(primary_key=True)
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    counterparty_id: Mapped[int | None] = mapped_column(ForeignKey("counterparty.id", ondelete="CASCADE"))
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    state: Mapped[PlanState] = mapped_column(values_of(PlanState), default=PlanState.OPEN)
    day: Mapped[date]
    at: Mapped[datetime | None]
    by_hand: Mapped[bool] = mapped_column(default=False)
    note: Mapped[str] = mapped_column(Text, default="")
    set_at: Mapped[datetime]
    made_at: Mapped[datetime]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    closed_at: Mapped[datetime | None]
    closed_by_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    call: Mapped[str | None] = mapped_column(String(150))
    dialled_at: Mapped[datetime | None]
    dialled_by_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    reminded_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        CheckConstraint(_ONE_PERSON, name="one_person"),
        partial_index("uq_planned_call_lead_open", "lead_id", where=_OPEN, unique=True),
        partial_index("uq_planned_call_counterparty_open", "counterparty_id", where=_OPEN, unique=True),
        partial_index("ix_planned_call_employee_id_day_open", "employee_id", "day", "id", where=_OPEN),
        Index("ix_planned_call_lead_id_day", "lead_id", "day"),
        Index("ix_planned_call_counterparty_id_day", "counterparty_id", "day"),
        Index("ix_planned_call_employee_id_state_day", "employee_id", "state", "day", "id"),
        Index("ix_planned_call_state_day", "state", "day", "id", "employee_id"),
    )
    __mapper_args__ = {"version_id_col": version}


class PlanningSetting(Base):
    """One row: whether calls are planned at all, and how. `working_days` are digits, Monday is 1."""

    __tablename__ = "planning_setting"
    id: Mapped[int] = mapped_column(primary_key=True)
    planning: Mapped[bool] = mapped_column(default=True, server_default=true())
    any_conversation: Mapped[bool] = mapped_column(default=True, server_default=true())
    daily_cap: Mapped[int] = mapped_column(default=50, server_default=text("50"))
    working_days: Mapped[str] = mapped_column(String(7), default="12345", server_default="12345")
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __table_args__ = (CheckConstraint("daily_cap BETWEEN 1 AND 1000", name="daily_cap"),)
    __mapper_args__ = {"version_id_col": version}


class PlanningDay(Base):
    """How far the daily job of one calendar day has come; the row decides, whichever server works on it.

    Leads and counterparties up to these keys are done.
    """

    __tablename__ = "planning_day"
    day: Mapped[date] = mapped_column(primary_key=True)
    leads_done: Mapped[int] = mapped_column(default=0)
    counterparties_done: Mapped[int] = mapped_column(default=0)
    planned: Mapped[int] = mapped_column(default=0)
    finished: Mapped[bool] = mapped_column(default=False, server_default=false())
