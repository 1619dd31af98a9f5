"""Inserts leads of a file with their numbers and history, and puts on record that they came with it (L10)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from leads.store.cards import is_name
from leads.store.import_tables import ImportItem
from leads.store.lead_past import LeadPast
from leads.store.models import Base, Change, Lead, PhoneNumber
from leads.store.people_of_calls import CallPerson
from leads.store.reopening import default_status
from leads.store.search import search_text, sort_key


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A lead of a file; `numbers` are E.164, and an empty or missing value says nothing.

    One with a `closed_at` is a memory of whose its numbers were; times are of whole minutes, as files have them.
    """

    line: int
    name: str
    numbers: tuple[str, ...]
    email: str = ""
    address: str = ""
    comment: str = ""
    language: str | None = None
    status_id: int | None = None
    source_id: int | None = None
    responsible_id: int | None = None
    last_call_at: datetime | None = None
    created_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Import:
    """What an import writes under: its record, who began it, and the present moment."""

    batch_id: int
    by: int
    now: datetime


def insert_leads(
    connection: Connection, into: Import, rows: Sequence[LeadRow], became: Mapping[LeadRow, CallPerson]
) -> dict[str, int]:
    """Insert leads, no two of which have the same main number; tells whose each number of an open one is now.

    `became` are the counterparties of closed ones, as far as they are known.
    """
    if not rows:
        return {}
    status = default_status(connection)
    values = [_values(row, status, into.now, became.get(row, CallPerson())) for row in rows]
    made = {
        number: lead for lead, number in connection.execute(insert(Lead).returning(Lead.id, Lead.main_number), values)
    }
    leads = [(made[row.numbers[0]], row, value) for row, value in zip(rows, values, strict=True)]
    parts: dict[type[Base], list[dict[str, Any]]] = {
        PhoneNumber: [number for lead, row, _value in leads for number in _numbers(row, lead)],
        Change: [change for lead, _row, value in leads for change in _changes(value, lead, into)],
        LeadPast: [past for lead, _row, value in leads for past in _past(value, lead)],
        ImportItem: [{"batch_id": into.batch_id, "lead_id": lead, "version": 1} for lead, _row, _value in leads],
    }
    for model, those in parts.items():
        if those:
            connection.execute(insert(model), those)
    return {number: lead for lead, row, _value in leads if row.closed_at is None for number in row.numbers}


def _numbers(row: LeadRow, lead_id: int) -> Iterator[dict[str, Any]]:
    for position, number in enumerate(row.numbers):
        active = row.closed_at is None
        yield {"number": number, "position": position, "lead_id": lead_id, "on_active_lead": active}


def _changes(value: Mapping[str, Any], lead_id: int, into: Import) -> Iterator[dict[str, Any]]:
    told = {"at": into.now, "employee_id": into.by, "lead_id": lead_id, "before": ""}
    yield {**told, "field": "created", "after": value["name"]}
    if value["closed_at"] is not None:
        yield {**told, "field": "closed", "after": value["closed_at"].isoformat()}


def _past(value: Mapping[str, Any], lead_id: int) -> Iterator[dict[str, Any]]:
    """What a closed lead was before: open, so that reports on the time before count it so (R1)."""
    if value["closed_at"] is not None:
        was = {name: value[name] for name in ("status_id", "responsible_id")}
        yield {"lead_id": lead_id, "until": value["closed_at"], "closed": False, **was}


def _values(row: LeadRow, status: int | None, now: datetime, became: CallPerson) -> dict[str, Any]:
    name = row.name or row.numbers[0]
    closed_at = None if row.closed_at is None else min(row.closed_at, now)
    last_call_at = None if row.last_call_at is None else min(row.last_call_at, now)
    return {
        "name": name,
        "named": is_name(name),
        "language": row.language,
        "email": row.email,
        "address": row.address,
        "comment": row.comment,
        "status_id": row.status_id or status,
        "source_id": row.source_id,
        "responsible_id": row.responsible_id,
        "responsible_by_hand": row.responsible_id is not None,
        "counterparty_id": became.counterparty_id,
        "contact_person_id": became.contact_person_id,
        "last_call_at": last_call_at,
        "created_at": min(filter(None, (row.created_at, closed_at, now))),
        "closed_at": closed_at,
        "updated_at": now,
        "main_number": row.numbers[0],
        "sort_name": sort_key(name),
        "search_text": search_text(name, row.email, numbers=row.numbers),
    }
