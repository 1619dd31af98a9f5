"""Looks at closed leads of a file, each a memory of whom their numbers were, which is what a closed lead is (L5, L12).

They keep no number from anybody. Of a counterparty that has one of their numbers it is known that they became it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from leads.store.counterparty_rows import NUMBERS_COMPANY
from leads.store.imported_leads import LeadRow
from leads.store.models import ContactPerson, Lead, PhoneNumber
from leads.store.people_of_calls import CallPerson

_Face = tuple[frozenset[str], datetime]
"""What tells closed leads apart in a file: their numbers, and the minute in which they were closed."""


@dataclass(frozen=True, slots=True)
class Past:
    """What becomes of closed leads: which are to be made, with the counterparties that they became, as far as these are
    known; and how many are there already."""

    fresh: tuple[LeadRow, ...]
    became: Mapping[LeadRow, CallPerson]
    present: int


def look_at_closed(connection: Connection, rows: Sequence[LeadRow]) -> Past:
    """Find the closed leads that are not there yet; their numbers must be locked."""
    if not rows:
        return Past((), {}, 0)
    numbers = {number for row in rows for number in row.numbers}
    present, fresh = _present(connection, numbers), list[LeadRow]()
    for row in rows:
        if (face := _face(row)) not in present:
            present.add(face)
            fresh.append(row)
    owners = _counterparties(connection, numbers)
    became = {
        row: owner for row in fresh if (owner := next(filter(None, map(owners.get, row.numbers)), None)) is not None
    }
    return Past(tuple(fresh), became, len(rows) - len(fresh))


def _face(row: LeadRow) -> _Face:
    assert row.closed_at is not None, "only closed ones come here"
    return frozenset(row.numbers), _minute(row.closed_at)


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _present(connection: Connection, numbers: Collection[str]) -> set[_Face]:
    """The closed leads that have had one of these numbers."""
    had = select(PhoneNumber.lead_id).where(
        PhoneNumber.number.in_(numbers), PhoneNumber.lead_id.is_not(None), ~PhoneNumber.on_active_lead
    )
    held: dict[int, set[str]] = {}
    closed: dict[int, datetime] = {}
    for lead_id, closed_at, number in connection.execute(
        select(Lead.id, Lead.closed_at, PhoneNumber.number)
        .join(PhoneNumber, PhoneNumber.lead_id == Lead.id)
        .where(Lead.id.in_(had))
    ):
        held.setdefault(lead_id, set()).add(number)
        if closed_at is not None:
            closed[lead_id] = closed_at
    return {(frozenset(numbers), _minute(closed[lead_id])) for lead_id, numbers in held.items() if lead_id in closed}


def _counterparties(connection: Connection, numbers: Collection[str]) -> dict[str, CallPerson]:
    """The counterparty that has each of these numbers, of several the first, and its contact person who has it."""
    found: dict[str, CallPerson] = {}
    for number, company_id, person_id in connection.execute(
        select(PhoneNumber.number, NUMBERS_COMPANY, PhoneNumber.contact_person_id)
        .outerjoin(ContactPerson, ContactPerson.id == PhoneNumber.contact_person_id)
        .where(PhoneNumber.number.in_(numbers), PhoneNumber.lead_id.is_(None))
        .order_by(PhoneNumber.id)
    ):
        found.setdefault(number, CallPerson(None, company_id, person_id))
    return found
