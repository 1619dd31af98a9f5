"""The tables of the company: its people, phones, groups and numbers, its words, and who is signed in."""

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    String,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from leads.domain.directory import DisplayMode, Role
from leads.store.base import Base, values_of


class DirectoryVersion(Base):
    """One row that counts changes to what routing knows (employees, phones, groups, our numbers).

    Database triggers count, so that a change by hand is seen as well; see the first migration.
    """

    __tablename__ = "directory_version"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(default=1)


class Employee(Base):
    """A person who works here; with `login` and `password_hash` he may use the panel.

    `may_listen` is the right to recordings of the calls that he may see, `may_export` to take lists away as files.
    """

    __tablename__ = "employee"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    login: Mapped[str | None] = mapped_column(String(100), unique=True)
    password_hash: Mapped[str | None]
    role: Mapped[Role] = mapped_column(values_of(Role), default=Role.EMPLOYEE)
    active: Mapped[bool] = mapped_column(default=True)
    ring_seconds: Mapped[int] = mapped_column(default=20)
    call_waiting: Mapped[bool] = mapped_column(default=False)
    may_listen: Mapped[bool] = mapped_column(default=False, server_default=false())
    may_export: Mapped[bool] = mapped_column(default=False, server_default=false())
    language: Mapped[str | None] = mapped_column(String(8))
    time_zone: Mapped[str | None] = mapped_column(String(64))
    card_key: Mapped[str | None] = mapped_column(String(24))
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    extensions: Mapped[list["Extension"]] = relationship(back_populates="employee", order_by="Extension.number")
    mobiles: Mapped[list["EmployeeMobile"]] = relationship(cascade="all, delete-orphan")

    __table_args__ = (CheckConstraint("ring_seconds BETWEEN 5 AND 300", name="ring_seconds"),)
    __mapper_args__ = {"version_id_col": version}


class EmployeeMobile(Base):
    """An employee's own outside number: never a lead."""

    __tablename__ = "employee_mobile"
    number: Mapped[str] = mapped_column(String(16), primary_key=True)
    employee_id: Mapped[int] = mapped_column(ForeignKey("employee.id", ondelete="CASCADE"), index=True)


class Extension(Base):
    """A phone; `endpoint` is Asterisk's name for it, as in `PJSIP/101`.

    `recorded`: its outgoing calls are, where that is chosen by number.
    """

    __tablename__ = "extension"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(8), unique=True)
    endpoint: Mapped[str] = mapped_column(String(80), unique=True)
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"), index=True)
    display_mode: Mapped[DisplayMode] = mapped_column(values_of(DisplayMode), default=DisplayMode.LATIN)
    display_length: Mapped[int] = mapped_column(default=24)
    recorded: Mapped[bool] = mapped_column(default=False, server_default=false())

    employee: Mapped[Employee | None] = relationship(back_populates="extensions")

    __table_args__ = (CheckConstraint("display_length BETWEEN 4 AND 80", name="display_length"),)


class RingGroup(Base):
    """Phones that ring together."""

    __tablename__ = "ring_group"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    ring_seconds: Mapped[int] = mapped_column(default=25)
    version: Mapped[int] = mapped_column(default=1)

    members: Mapped[list["GroupMember"]] = relationship(cascade="all, delete-orphan", order_by="GroupMember.position")

    __table_args__ = (CheckConstraint("ring_seconds BETWEEN 5 AND 300", name="ring_seconds"),)
    __mapper_args__ = {"version_id_col": version}


class GroupMember(Base):
    """One phone's place in a group."""

    __tablename__ = "group_member"
    group_id: Mapped[int] = mapped_column(ForeignKey("ring_group.id", ondelete="CASCADE"), primary_key=True)
    extension_id: Mapped[int] = mapped_column(ForeignKey("extension.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(default=0)

    extension: Mapped[Extension] = relationship()


class Source(Base):
    """A word of the source directory: what made people call, such as an advertisement.

    It is never removed, because calls and leads keep it; one that is not `active` is offered nowhere any more.
    """

    __tablename__ = "source"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}


class Did(Base):
    """One of our numbers. Its calls go to a queue or a group (never both), then to the default extension.

    `recorded`: its inbound calls are, where that is chosen by number. `channel` (such as an internet advertisement)
    and source are what a call to it, and the lead that the call makes, begin with. `greeting_language` is in which its
    callers hear announcements.
    """

    __tablename__ = "did"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(16), unique=True)
    label: Mapped[str] = mapped_column(default="")
    group_id: Mapped[int | None] = mapped_column(ForeignKey("ring_group.id", ondelete="SET NULL"))
    queue: Mapped[str | None] = mapped_column(String(40))
    queue_seconds: Mapped[int] = mapped_column(default=60)
    default_extension_id: Mapped[int | None] = mapped_column(ForeignKey("extension.id", ondelete="SET NULL"))
    responsible_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    recorded: Mapped[bool] = mapped_column(default=False, server_default=false())
    channel: Mapped[str] = mapped_column(String(100), default="", server_default=text("''"))
    source_id: Mapped[int | None] = mapped_column(ForeignKey("source.id"))
    greeting_language: Mapped[str] = mapped_column(String(20), default="", server_default=text("''"))
    version: Mapped[int] = mapped_column(default=1)

    group: Mapped[RingGroup | None] = relationship()
    default_extension: Mapped[Extension | None] = relationship()
    responsible: Mapped[Employee | None] = relationship()
    source: Mapped[Source | None] = relationship()

    __table_args__ = (
        CheckConstraint("group_id IS NULL OR queue IS NULL", name="group_or_queue"),
        CheckConstraint("queue_seconds BETWEEN 5 AND 3600", name="queue_seconds"),
    )
    __mapper_args__ = {"version_id_col": version}


class IgnoredNumber(Base):
    """An outside number whose calls make no lead."""

    __tablename__ = "ignored_number"
    number: Mapped[str] = mapped_column(String(16), primary_key=True)
    note: Mapped[str] = mapped_column(default="")


class LeadStatus(Base):
    """A word of the status directory; the first by sort order is a new lead's.

    With `plans` the next call with whoever has it is planned, `plan_days` after the last conversation.
    """

    __tablename__ = "lead_status"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    sort_order: Mapped[int]
    plans: Mapped[bool] = mapped_column(default=False, server_default=false())
    plan_days: Mapped[int] = mapped_column(default=7, server_default=text("7"))
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __table_args__ = (CheckConstraint("plan_days BETWEEN 0 AND 365", name="plan_days"),)
    __mapper_args__ = {"version_id_col": version}


class CounterpartyStatus(Base):
    """A status of counterparties, which have a set of their own; else as a lead's."""

    __tablename__ = "counterparty_status"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    sort_order: Mapped[int]
    plans: Mapped[bool] = mapped_column(default=False)
    plan_days: Mapped[int] = mapped_column(default=7)
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (CheckConstraint("plan_days BETWEEN 0 AND 365", name="plan_days"),)
    __mapper_args__ = {"version_id_col": version}


class PanelSession(Base):
    """One signed-in browser; the id is kept as a SHA-256 hash, so that a copy of the database signs nobody in."""

    __tablename__ = "panel_session"
    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    employee_id: Mapped[int] = mapped_column(ForeignKey("employee.id", ondelete="CASCADE"), index=True)
    csrf_token: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    user_agent: Mapped[str] = mapped_column(default="")

    employee: Mapped[Employee] = relationship()
