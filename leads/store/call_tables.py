"""The tables of calls, of why they went where they went, and of when nobody followed them."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Dialect,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    TypeDecorator,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from leads.domain.calls import Direction, Phase, Result
from leads.domain.calls import Role as CallRole
from leads.store.base import Base, partial_index, values_of
from leads.store.card_tables import ContactPerson, Counterparty, Lead
from leads.store.company_tables import Employee


class PhaseNumber(TypeDecorator[Phase]):
    """A call's phase by its number, so that the database can tell the further of two."""

    impl = SmallInteger
    cache_ok = True

    def process_bind_param(self, value: Phase | None, dialect: Dialect) -> int | None:
        """Give the database the bare number."""
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Phase | None:
        """Give back the phase by its name."""
        return None if value is None else Phase(value)


class Call(Base):
    """One call, exactly once: by Asterisk server and linkedid; `phase` and `progress` tell the fuller of two views.

    `channel` and source are those that the dialled number had when the call came; they stay as they were. It is with a
    lead or with a counterparty, never with both.
    `halves` is empty but for a call of which nobody saw all: then it holds the views of those who saw something of it,
    of which the row is the sum; see leads.domain.views. `recovered` calls are told by what Asterisk kept of them.
    """

    __tablename__ = "call"
    id: Mapped[int] = mapped_column(primary_key=True)
    pbx: Mapped[str] = mapped_column(String(64))
    linkedid: Mapped[str] = mapped_column(String(150))
    role: Mapped[CallRole] = mapped_column(values_of(CallRole))
    parent_linkedid: Mapped[str | None] = mapped_column(String(150))
    phase: Mapped[Phase] = mapped_column(PhaseNumber)
    progress: Mapped[int]
    direction: Mapped[Direction | None] = mapped_column(values_of(Direction))
    caller: Mapped[str | None]
    caller_name: Mapped[str | None]
    dialled: Mapped[str | None]
    outside_number: Mapped[str | None] = mapped_column(String(16))
    did: Mapped[str | None] = mapped_column(String(16))
    channel: Mapped[str | None] = mapped_column(String(100))
    source_id: Mapped[int | None] = mapped_column(ForeignKey("source.id"))
    result: Mapped[Result | None] = mapped_column(values_of(Result))
    answered_by: Mapped[str | None] = mapped_column(String(80))
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("lead.id", ondelete="SET NULL"))
    counterparty_id: Mapped[int | None] = mapped_column(ForeignKey("counterparty.id", ondelete="SET NULL"))
    contact_person_id: Mapped[int | None] = mapped_column(ForeignKey("contact_person.id", ondelete="SET NULL"))
    started_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ring_seconds: Mapped[float | None]
    talk_seconds: Mapped[float | None]
    transfers: Mapped[list[Any]] = mapped_column(default=list)
    legs: Mapped[list[Any]] = mapped_column(default=list)
    incomplete: Mapped[bool] = mapped_column(default=False)
    recovered: Mapped[bool] = mapped_column(default=False, server_default=false())
    halves: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))

    lead: Mapped[Lead | None] = relationship()
    counterparty: Mapped[Counterparty | None] = relationship()
    contact_person: Mapped[ContactPerson | None] = relationship()
    employee: Mapped[Employee | None] = relationship()

    __table_args__ = (
        UniqueConstraint("pbx", "linkedid"),
        Index("ix_call_started_at_id", "started_at", "id"),
        Index("ix_call_lead_id_started_at", "lead_id", "started_at"),
        Index("ix_call_counterparty_id_started_at", "counterparty_id", "started_at"),
        Index("ix_call_employee_id", "employee_id", "lead_id", "counterparty_id"),
        Index("ix_call_outside_number_started_at", "outside_number", "started_at"),
        Index("ix_call_did_started_at", "did", "started_at"),
        partial_index("ix_call_pbx_parent_linkedid", "pbx", "parent_linkedid", where="parent_linkedid IS NOT NULL"),
        partial_index("ix_call_live", "started_at", where="phase < 3"),
        partial_index("ix_call_recovered", "ended_at", where="recovered"),
        CheckConstraint("phase BETWEEN 1 AND 3", name="phase"),
    )


class RoutingDecision(Base):
    """Why a call went where it went; a table of its own, because it may be known before the call is."""

    __tablename__ = "routing_decision"
    pbx: Mapped[str] = mapped_column(String(64), primary_key=True)
    linkedid: Mapped[str] = mapped_column(String(150), primary_key=True)
    decided_at: Mapped[datetime]
    decision: Mapped[dict[str, Any]]


class Recovery(Base):
    """How far Asterisk's own records (CEL, CDR) of one Asterisk have been read, and when Leadline was last alive.

    `place` is where to read on, in the terms of `source`, which is what is read, without its password.
    """

    __tablename__ = "recovery"
    pbx: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str | None] = mapped_column(String(500))
    place: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    read_to: Mapped[datetime | None]
    alive_at: Mapped[datetime | None]


class OutageKind(StrEnum):
    """What was away: Leadline itself, the connection to an Asterisk, or the database."""

    LEADLINE = "leadline"
    AMI = "ami"
    DATABASE = "database"


class Outage(Base):
    """A time in which calls could not be followed or recorded; without an end it still lasts."""

    __tablename__ = "outage"
    id: Mapped[int] = mapped_column(primary_key=True)
    pbx: Mapped[str] = mapped_column(String(64))
    kind: Mapped[OutageKind] = mapped_column(values_of(OutageKind))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("pbx", "kind", "started_at"),
        Index("ix_outage_started_at_id", "started_at", "id"),
    )
