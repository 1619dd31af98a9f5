"""Opens a closed lead again, with those of its numbers that nobody else has: a call's, or a person's doing (L12)."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from leads.store.engine import lock_numbers
from leads.store.models import Change, ContactPerson, Counterparty, Lead, LeadStatus, PhoneNumber
from leads.store.search import search_text, sort_key


def default_status(connection: Connection) -> int | None:
    """The status of a new lead."""
    return connection.scalar(select(LeadStatus.id).order_by(LeadStatus.sort_order, LeadStatus.id).limit(1))


def reopen(connection: Connection, lead_id: int, status: int | None, now: datetime, by: int | None = None) -> bool:
    """Make a closed lead active again with those of its numbers that are free; tell whether there were any.

    A number that somebody else has now is the lead's no more: a number has one owner, or counterparties only.
    """
    mine = PhoneNumber.lead_id == lead_id
    lock_numbers(connection, connection.scalars(select(PhoneNumber.number).where(mine)).all())
    free = connection.scalars(select(PhoneNumber.id).where(mine, ~_is_taken())).all()
    first_of_each = select(func.min(PhoneNumber.id)).where(PhoneNumber.id.in_(free)).group_by(PhoneNumber.number)
    kept = connection.scalars(first_of_each).all()
    if not kept:
        return False
    connection.execute(delete(PhoneNumber).where(mine, PhoneNumber.id.not_in(kept)))
    connection.execute(update(PhoneNumber).where(mine).values(on_active_lead=True))
    _note(connection, lead_id, status, now, by)
    connection.execute(
        update(Lead)
        .where(Lead.id == lead_id)
        .values(
            closed_at=None,
            counterparty_id=None,
            contact_person_id=None,
            status_id=status,
            updated_at=now,
            version=Lead.version + 1,
            **_derived(connection, lead_id),
        )
    )
    return True


def _is_taken() -> ColumnElement[bool]:
    """Whether somebody else has a lead's number now."""
    other = aliased(PhoneNumber)
    return exists().where(
        other.number == PhoneNumber.number,
        or_(other.lead_id.is_(None), other.on_active_lead),
        or_(other.lead_id.is_(None), other.lead_id != PhoneNumber.lead_id),
    )


def _derived(connection: Connection, lead_id: int) -> dict[str, str]:
    """The columns that follow from a lead's numbers."""
    numbers = connection.scalars(
        select(PhoneNumber.number).where(PhoneNumber.lead_id == lead_id).order_by(PhoneNumber.position, PhoneNumber.id)
    ).all()
    columns = Lead.name, Lead.named, Lead.main_number, Lead.email
    name, named, main_number, email = connection.execute(select(*columns).where(Lead.id == lead_id)).one()
    # What a person typed without a letter names nobody (L13), yet is his.
    name = numbers[0] if not named and name == main_number else name
    return {
        "name": name,
        "sort_name": sort_key(name),
        "main_number": numbers[0],
        "search_text": search_text(name, email, numbers=numbers),
    }


def _note(connection: Connection, lead_id: int, status: int | None, now: datetime, by: int | None) -> None:
    """Write what opening changes into the lead's history."""
    closed_at, old_status, counterparty, person = connection.execute(
        select(Lead.closed_at, LeadStatus.name, Counterparty.name, ContactPerson.name)
        .join(LeadStatus, LeadStatus.id == Lead.status_id)
        .outerjoin(Counterparty, Counterparty.id == Lead.counterparty_id)
        .outerjoin(ContactPerson, ContactPerson.id == Lead.contact_person_id)
        .where(Lead.id == lead_id)
    ).one()
    new_status = connection.scalar(select(LeadStatus.name).where(LeadStatus.id == status)) or ""
    owner = ": ".join(name for name in (counterparty, person) if name)
    changes = (
        ("closed", closed_at.isoformat() if closed_at else "", ""),
        ("counterparty", owner, ""),
        ("status", old_status, new_status),
    )
    connection.execute(
        insert(Change),
        [
            {"at": now, "employee_id": by, "lead_id": lead_id, "field": field, "before": before, "after": after}
            for field, before, after in changes
            if before != after
        ],
    )
