"""The tables of leads and counterparties: their cards, their numbers, and what became of them."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    false,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from leads.store.base import Base, partial_index, references
from leads.store.company_tables import CounterpartyStatus, Employee, LeadStatus

SortKey = String(200).with_variant(String(200, collation="C"), "postgresql")
"""Text in the order of its code points, on every installation of PostgreSQL: see leads.store.search."""
NumberKey = String(16).with_variant(String(16, collation="C"), "postgresql")
LIST_STATE = "CASE WHEN closed_at IS NOT NULL THEN 2 WHEN named THEN 1 ELSE 0 END"
_FIRST_STATUS = (
    select(CounterpartyStatus.id)
    .order_by(CounterpartyStatus.sort_order, CounterpartyStatus.id)
    .limit(1)
    .scalar_subquery()
)


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


def _trigrams(name: str) -> Index:
    """PostgreSQL's index for search inside words; on SQLite the tables lead_search and counterparty_search do it."""
    return Index(name, "search_text", postgresql_using="gin", postgresql_ops={"search_text": "gin_trgm_ops"}).ddl_if(
        dialect="postgresql"
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
        *references("lead", "counterparty_id", "contact_person_id", "merged_into_id"),
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
        *references("phone_number", "counterparty_id", "contact_person_id"),
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
        partial_index("uq_phone_number_pinned", "number", where="pinned", unique=True),
        partial_index("uq_phone_number_active_lead", "number", where="on_active_lead", unique=True),
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


class LeadChange(Base):
    """A lead that changed in what lists sort, filter or search by, or in who may see it; noted as a NumberChange is."""

    __tablename__ = "lead_change"
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    lead_id: Mapped[int]
    at: Mapped[datetime]
    xid: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_lead_change_xid", "xid"), {"sqlite_autoincrement": True})


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
