"""The audit log's table and the table of how long things are kept (X5)."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from leads.store.base import Base, references, values_of


class AuditEntry(Base):
    """One thing that somebody did: who, what, and the values before and after, by field.

    Triggers of the database refuse every change but the two that the law and the company's own rule ask for: that a
    person's values are emptied when he is erased (`erased_at`), and that entries go which were kept for long enough.
    There are no foreign keys, since what an entry is about may go while the entry stays; `who` is the name of then.
    `lead_id` and `counterparty_id` say whose values `before` and `after` hold.
    """

    __tablename__ = "audit_entry"
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[datetime]
    employee_id: Mapped[int | None]
    who: Mapped[str] = mapped_column(default="")
    what: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[int | None] = mapped_column(BigInteger)
    lead_id: Mapped[int | None]
    counterparty_id: Mapped[int | None]
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    erased_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_audit_entry_at", "at"),
        Index("ix_audit_entry_employee_id", "employee_id", "id"),
        *references("audit_entry", "lead_id", "counterparty_id"),
    )


class Kept(StrEnum):
    """What is kept for a time that the company chooses; recordings have their own page."""

    CALLS = "calls"
    AUDIT = "audit"
    OUTAGES = "outages"


class Retention(Base):
    """For how many days one kind is kept; None keeps it for ever."""

    __tablename__ = "retention"
    kind: Mapped[Kept] = mapped_column(values_of(Kept), primary_key=True)
    days: Mapped[int | None]
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __table_args__ = (CheckConstraint("days BETWEEN 1 AND 36500", name="days"),)
    __mapper_args__ = {"version_id_col": version}
