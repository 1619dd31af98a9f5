"""The tables, as typed SQLAlchemy models; what must always be true stands here as a constraint, not in code.

Times are UTC. Numbers are E.164 with `+`. `version` columns count saves by people, so that two people who save one
card cannot overwrite each other; a call that arrives does not count.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from leads.domain.calls import Direction, Phase, Result
from leads.domain.calls import Role as CallRole
from leads.domain.directory import DisplayMode, Role
from leads.domain.recordings import RecordedCalls

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time, on a database that keeps zones (PostgreSQL) and on one that does not (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone: it would silently mean another moment."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; store aware times only")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back an aware time whatever the database kept."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


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


def _values(kind: type[StrEnum]) -> Enum:
    """Store an enum by its value, as text that any SQL client can read, checked by the database."""
    return Enum(
        kind,
        name=kind.__name__.lower(),
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


SortKey = String(200).with_variant(String(200, collation="C"), "postgresql")
"""Text in the order of its code points, on every installation of PostgreSQL: see leads.store.search."""


NumberKey = String(16).with_variant(String(16, collation="C"), "postgresql")
LIST_STATE = "CASE WHEN closed_at IS NOT NULL THEN 2 WHEN named THEN 1 ELSE 0 END"


def _lists(*keys: str) -> list[Index]:
    """The orders that the list of leads offers, each within one state and status, and within one responsible's too.

    A list is merged from a few of these (leads.store.listing), so that every filter in every order reads only the
    rows that it shows.
    """
    prefixes = (("list_state", "status_id"), ("responsible_id", "list_state", "status_id"))
    return [
        Index(f"ix_lead_{'responsible' if len(prefix) == 3 else 'status'}_{key}", *prefix, key, "id")
        for prefix in prefixes
        for key in keys
    ]


def _covering() -> list[Index]:
    """For each column that narrows the list an index that holds all else that it sorts and filters by.

    Where a filter leaves some ten thousand rows, they are sorted without a look at the table. That by source is also
    an order of the list.
    """
    own = ("list_state", "status_id", "responsible_id", "merged_into_id", "source_id")
    keys = ("created_at", "last_call_at", "main_number", "sort_name")
    source = ("source_id", "list_state", "status_id", "sort_name", "id")
    return [
        Index("ix_lead_created_at", "created_at", "id", *own, *keys[1:]),
        Index("ix_lead_last_call_at", "last_call_at", "id", *own, "created_at", *keys[2:]),
        Index("ix_lead_source_sort_name", *source, "responsible_id", "merged_into_id", *keys[:3]),
        Index("ix_lead_responsible_source_sort_name", "responsible_id", *source),
    ]


def _references(table: str, *columns: str) -> list[Index]:
    """Indexes of columns that are empty in most rows, without those rows.

    In a whole index, statistics of SQLite count the empty rows as one value of many rows, and its planner then reads
    the table instead.
    """
    indexes = []
    for column in columns:
        given = text(f"{column} IS NOT NULL")
        indexes.append(Index(f"ix_{table}_{column}", column, sqlite_where=given, postgresql_where=given))
    return indexes


def _trigrams(name: str) -> Index:
    """PostgreSQL's index for search inside words; on SQLite the tables lead_search and counterparty_search do it."""
    return Index(name, "search_text", postgresql_using="gin", postgresql_ops={"search_text": "gin_trgm_ops"}).ddl_if(
        dialect="postgresql"
    )


class Base(DeclarativeBase):
    """The root of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UtcDateTime, str: String(200), dict[str, Any]: JSON, list[Any]: JSON}


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
    role: Mapped[Role] = mapped_column(_values(Role), default=Role.EMPLOYEE)
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
    display_mode: Mapped[DisplayMode] = mapped_column(_values(DisplayMode), default=DisplayMode.LATIN)
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


_FIRST_STATUS = (
    select(CounterpartyStatus.id)
    .order_by(CounterpartyStatus.sort_order, CounterpartyStatus.id)
    .limit(1)
    .scalar_subquery()
)


class Counterparty(Base):
    """A company or person we do business with.

    Made without a status it has its set's first; only the column's history on SQLite lets it be empty. `main_number`
    (the first that its line in the list shows) and the sort keys of the first contact person and of all are derived.
    `mark` is what files call it, where it came with one; see leads.domain.csv_cells.
    """

    __tablename__ = "counterparty"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    folder: Mapped[str] = mapped_column(default="")
    email: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(String(500), default="")
    comment: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str | None] = mapped_column(String(8))
    status_id: Mapped[int | None] = mapped_column(ForeignKey("counterparty_status.id"), default=_FIRST_STATUS)
    responsible_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    source_id: Mapped[int | None] = mapped_column(ForeignKey("source.id"))
    sort_name: Mapped[str] = mapped_column(SortKey, default="")
    search_text: Mapped[str] = mapped_column(Text, default="")
    main_number: Mapped[str] = mapped_column(NumberKey, default="", server_default=text("''"))
    sort_person: Mapped[str] = mapped_column(SortKey, default="", server_default=text("''"))
    people_keys: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    mark: Mapped[str | None] = mapped_column(String(20))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    responsible: Mapped[Employee | None] = relationship()
    contact_persons: Mapped[list["ContactPerson"]] = relationship(
        back_populates="counterparty", cascade="all, delete-orphan", order_by="ContactPerson.id"
    )
    numbers: Mapped[list["PhoneNumber"]] = relationship(cascade="all, delete-orphan", order_by="PhoneNumber.position")

    __table_args__ = (
        Index("ix_counterparty_sort_name_id", "sort_name", "id"),
        Index("ix_counterparty_main_number_id", "main_number", "id"),
        Index("ix_counterparty_sort_person_id", "sort_person", "id"),
        Index("ix_counterparty_created_at_id", "created_at", "id"),
        Index("ix_counterparty_folder_sort_name_id", "folder", "sort_name", "id"),
        Index("ix_counterparty_status_id_sort_name_id", "status_id", "sort_name", "id"),
        Index("ix_counterparty_responsible_id_sort_name_id", "responsible_id", "sort_name", "id"),
        _trigrams("ix_counterparty_search_text"),
    )
    __mapper_args__ = {"version_id_col": version}


class ContactPerson(Base):
    """A person at a counterparty; a responsible of his own wins over the counterparty's."""

    __tablename__ = "contact_person"
    id: Mapped[int] = mapped_column(primary_key=True)
    counterparty_id: Mapped[int] = mapped_column(ForeignKey("counterparty.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(default="")
    language: Mapped[str | None] = mapped_column(String(8))
    responsible_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))

    counterparty: Mapped[Counterparty] = relationship(back_populates="contact_persons")
    numbers: Mapped[list["PhoneNumber"]] = relationship(cascade="all, delete-orphan", order_by="PhoneNumber.position")


class Lead(Base):
    """A caller whom we do not do business with yet.

    `named` turns true when a person types a name with a letter in it; until then the name is the number.
    `responsible_by_hand` keeps the first conversation from changing what a person chose.
    `sort_name` and `search_text` are derived from the other columns for lists; see leads.store.search. The database
    derives `list_state`: 0 open and unnamed, 1 open and named, 2 closed.
    `first_talk_at` and `first_talk_call` (Asterisk and linkedid) name its first conversation, the only one that may
    choose the responsible; what is said while it is closed is none. `merged_into_id` is the older lead that all of
    this one went to: such a lead is closed, has no numbers, and stands in no list; its address leads to the other.
    """

    __tablename__ = "lead"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    named: Mapped[bool] = mapped_column(default=False)
    language: Mapped[str | None] = mapped_column(String(8))
    email: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(String(500), default="")
    comment: Mapped[str] = mapped_column(Text, default="")
    status_id: Mapped[int] = mapped_column(ForeignKey("lead_status.id"))
    responsible_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    responsible_by_hand: Mapped[bool] = mapped_column(default=False)
    source_id: Mapped[int | None] = mapped_column(ForeignKey("source.id"))
    counterparty_id: Mapped[int | None] = mapped_column(ForeignKey("counterparty.id"))
    contact_person_id: Mapped[int | None] = mapped_column(ForeignKey("contact_person.id"))
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("lead.id"))
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    last_call_at: Mapped[datetime | None]
    first_talk_at: Mapped[datetime | None]
    first_talk_call: Mapped[str | None] = mapped_column(String(150))
    main_number: Mapped[str] = mapped_column(NumberKey, default="")
    list_state: Mapped[int] = mapped_column(SmallInteger, Computed(LIST_STATE, persisted=True))
    sort_name: Mapped[str] = mapped_column(SortKey, default="")
    search_text: Mapped[str] = mapped_column(Text, default="")
    version: Mapped[int] = mapped_column(default=1)

    status: Mapped[LeadStatus] = relationship()
    responsible: Mapped[Employee | None] = relationship()
    counterparty: Mapped[Counterparty | None] = relationship()
    numbers: Mapped[list["PhoneNumber"]] = relationship(cascade="all, delete-orphan", order_by="PhoneNumber.position")

    # SQLite searches with a table of its own.
    __table_args__ = (
        *_lists("sort_name", "main_number", "created_at", "last_call_at"),
        *_covering(),
        *_references("lead", "counterparty_id", "contact_person_id", "merged_into_id"),
        _trigrams("ix_lead_search_text"),
    )
    __mapper_args__ = {"version_id_col": version}


class PhoneNumber(Base):
    """A number of exactly one owner; `on_active_lead` lets the database keep one active lead for each number.

    Several counterparties and contact persons may have a number; at most one is `pinned`: then its calls are his.
    `last_talker_id` is the employee of the last conversation with it (C4), `last_talk_at` when that ended.
    """

    __tablename__ = "phone_number"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(16))
    position: Mapped[int] = mapped_column(default=0)
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"), index=True)
    counterparty_id: Mapped[int | None] = mapped_column(ForeignKey("counterparty.id", ondelete="CASCADE"))
    contact_person_id: Mapped[int | None] = mapped_column(ForeignKey("contact_person.id", ondelete="CASCADE"))
    on_active_lead: Mapped[bool] = mapped_column(default=False)
    pinned: Mapped[bool] = mapped_column(default=False, server_default=false())
    last_talker_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id"))
    last_talk_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(
            "(lead_id IS NOT NULL) + (counterparty_id IS NOT NULL) + (contact_person_id IS NOT NULL) = 1", name="owner"
        ).ddl_if(dialect="sqlite"),
        CheckConstraint("num_nonnulls(lead_id, counterparty_id, contact_person_id) = 1", name="owner").ddl_if(
            dialect="postgresql"
        ),
        *_references("phone_number", "counterparty_id", "contact_person_id"),
        # The whole answer to "whose number?", so that a call costs no second look into this table.
        Index(
            "ix_phone_number_number",
            "number",
            "on_active_lead",
            "lead_id",
            "counterparty_id",
            "contact_person_id",
            "pinned",
            "last_talker_id",
        ),
        Index(
            "uq_phone_number_pinned",
            "number",
            unique=True,
            sqlite_where=text("pinned"),
            postgresql_where=text("pinned"),
        ),
        Index(
            "uq_phone_number_active_lead",
            "number",
            unique=True,
            sqlite_where=text("on_active_lead"),
            postgresql_where=text("on_active_lead"),
        ),
    )


class NumberChange(Base):
    """A number whose owner, name or responsible changed; the database notes it by triggers, for copies elsewhere.

    `xid` is PostgreSQL's number of the transaction that noted it: ids alone do not come in order there.
    """

    __tablename__ = "number_change"
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    number: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]
    xid: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_number_change_xid", "xid"), {"sqlite_autoincrement": True})


class Call(Base):
    """One call, exactly once: by Asterisk server and linkedid; `phase` and `progress` tell the fuller of two views.

    `channel` and source are those that the dialled number had when the call came; they stay as they were.
    `halves` is empty but for a call of which nobody saw all: then it holds the views of those who saw something of it,
    of which the row is the sum; see leads.domain.views. `recovered` calls are told by what Asterisk kept of them.
    """

    __tablename__ = "call"
    id: Mapped[int] = mapped_column(primary_key=True)
    pbx: Mapped[str] = mapped_column(String(64))
    linkedid: Mapped[str] = mapped_column(String(150))
    role: Mapped[CallRole] = mapped_column(_values(CallRole))
    parent_linkedid: Mapped[str | None] = mapped_column(String(150))
    phase: Mapped[Phase] = mapped_column(PhaseNumber)
    progress: Mapped[int]
    direction: Mapped[Direction | None] = mapped_column(_values(Direction))
    caller: Mapped[str | None]
    caller_name: Mapped[str | None]
    dialled: Mapped[str | None]
    outside_number: Mapped[str | None] = mapped_column(String(16))
    did: Mapped[str | None] = mapped_column(String(16))
    channel: Mapped[str | None] = mapped_column(String(100))
    source_id: Mapped[int | None] = mapped_column(ForeignKey("source.id"))
    result: Mapped[Result | None] = mapped_column(_values(Result))
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
        Index(
            "ix_call_pbx_parent_linkedid",
            "pbx",
            "parent_linkedid",
            sqlite_where=text("parent_linkedid IS NOT NULL"),
            postgresql_where=text("parent_linkedid IS NOT NULL"),
        ),
        Index(
            "ix_call_live",
            "started_at",
            sqlite_where=text("phase < 3"),
            postgresql_where=text("phase < 3"),
        ),
        Index(
            "ix_call_recovered",
            "started_at",
            sqlite_where=text("recovered"),
            postgresql_where=text("recovered"),
        ),
        CheckConstraint("phase BETWEEN 1 AND 3", name="phase"),
    )


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
    kind: Mapped[OutageKind] = mapped_column(_values(OutageKind))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("pbx", "kind", "started_at"),
        Index("ix_outage_started_at_id", "started_at", "id"),
    )


class RoutingDecision(Base):
    """Why a call went where it went; a table of its own, because it may be known before the call is."""

    __tablename__ = "routing_decision"
    pbx: Mapped[str] = mapped_column(String(64), primary_key=True)
    linkedid: Mapped[str] = mapped_column(String(150), primary_key=True)
    decided_at: Mapped[datetime]
    decision: Mapped[dict[str, Any]]


class Change(Base):
    """One field of one card changed: who, when, from what, to what."""

    __tablename__ = "change"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    counterparty_id: Mapped[int | None] = mapped_column(ForeignKey("counterparty.id", ondelete="CASCADE"))
    field: Mapped[str] = mapped_column(String(40))
    before: Mapped[str] = mapped_column(Text, default="")
    after: Mapped[str] = mapped_column(Text, default="")

    employee: Mapped[Employee | None] = relationship()

    __table_args__ = (
        Index("ix_change_lead_id_at", "lead_id", "at"),
        Index("ix_change_counterparty_id_at", "counterparty_id", "at"),
    )


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


class RecordingSetting(Base):
    """One row: which calls are recorded, and for how many days recordings are kept."""

    __tablename__ = "recording_setting"
    id: Mapped[int] = mapped_column(primary_key=True)
    calls: Mapped[RecordedCalls] = mapped_column(_values(RecordedCalls), default=RecordedCalls.NONE)
    keep_days: Mapped[int] = mapped_column(default=90)
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __table_args__ = (CheckConstraint("keep_days BETWEEN 1 AND 3650", name="keep_days"),)
    __mapper_args__ = {"version_id_col": version}


class Recording(Base):
    """One file with the voices of a call; `path` is relative to the folder of its Asterisk server's recordings.

    It is no part of the call's row, because it may be found before the call is on record. A row outlives its file: it
    tells who deleted it (`deleted_by`), or after how many days it was due.
    """

    __tablename__ = "recording"
    id: Mapped[int] = mapped_column(primary_key=True)
    pbx: Mapped[str] = mapped_column(String(64))
    linkedid: Mapped[str] = mapped_column(String(150))
    path: Mapped[str] = mapped_column(String(255))
    recorded_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    deleted_by_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    deleted_after_days: Mapped[int | None]

    deleted_by: Mapped[Employee | None] = relationship()

    __table_args__ = (
        UniqueConstraint("pbx", "linkedid", "path", name="uq_recording_pbx_linkedid_path"),
        Index(
            "ix_recording_kept",
            "recorded_at",
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )


class Use(StrEnum):
    """What somebody did with a recording."""

    LISTENED = "listened"
    SAVED = "saved"


class RecordingUse(Base):
    """Somebody listened to a recording, or saved it as a file."""

    __tablename__ = "recording_use"
    id: Mapped[int] = mapped_column(primary_key=True)
    recording_id: Mapped[int] = mapped_column(ForeignKey("recording.id", ondelete="CASCADE"))
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    at: Mapped[datetime]
    what: Mapped[Use] = mapped_column(_values(Use))

    employee: Mapped[Employee | None] = relationship()

    __table_args__ = (Index("ix_recording_use_recording_id_at", "recording_id", "at"),)
