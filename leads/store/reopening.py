"""Opens a closed lead again, with those of its numbers that nobody else has: a call's, or a person's doing (L12)."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from leads.store.engine import lock_numbers
from leads.store.models import Change, ContactPerson, Counterparty, Employee, Lead, LeadStatus, PhoneNumber
from leads.store.search import search_text, sort_key


def default_status(connection: Connection) -> int | None:
    """The status of a new lead."""
    return connection.scalar(select(LeadStatus.id).order_by(LeadStatus.sort_order, LeadStatus.id).limit(1))


def reopen(
    connection: Connection,
    lead_id: int,
    status: int | None,
    now: datetime,
    *,
    by: int | None = None,
    instead: int | None = None,
) -> bool:
    """Make a closed lead active again with those of its numbers that are free; tell whether there were any.

    A number that somebody else has now is the lead's no more: a number has one owner, or counterparties only. Whoever
    has left gets nothing back: instead of him whoever is responsible for the counterparty, else who is `instead`.
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
    responsible = _responsible(connection, lead_id, instead)
    _note(connection, lead_id, status, responsible, now=now, by=by)
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
            **responsible,
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


def _responsible(connection: Connection, lead_id: int, instead: int | None) -> dict[str, int | bool | None]:
    """Who is responsible for a lead that is opened, where it cannot be who was: its card would be seen by nobody."""
    lead, person, company = Lead.responsible_id, ContactPerson.responsible_id, Counterparty.responsible_id
    who, *others = connection.execute(
        select(lead, person, company)
        .outerjoin(Counterparty, Counterparty.id == Lead.counterparty_id)
        .outerjoin(ContactPerson, ContactPerson.id == Lead.contact_person_id)
        .where(Lead.id == lead_id)
    ).one()
    here = select(Employee.id).where(Employee.id.in_([who, *others, instead]), Employee.active)
    present = set(connection.scalars(here.order_by(Employee.id).with_for_update(read=True)))
    if who is None or who in present:
        return {}
    found = next((one for one in (*others, instead) if one in present), None)
    return {"responsible_id": found, "responsible_by_hand": False}


def _note(
    connection: Connection,
    lead_id: int,
    status: int | None,
    responsible: Mapping[str, int | bool | None],
    *,
    now: datetime,
    by: int | None,
) -> None:
    """Write what opening changes into the lead's history."""
    closed_at, old_status, counterparty, person, old_responsible = connection.execute(
        select(Lead.closed_at, LeadStatus.name, Counterparty.name, ContactPerson.name, Employee.name)
        .join(LeadStatus, LeadStatus.id == Lead.status_id)
        .outerjoin(Counterparty, Counterparty.id == Lead.counterparty_id)
        .outerjoin(ContactPerson, ContactPerson.id == Lead.contact_person_id)
        .outerjoin(Employee, Employee.id == Lead.responsible_id)
        .where(Lead.id == lead_id)
    ).one()
    new_status = connection.scalar(select(LeadStatus.name).where(LeadStatus.id == status)) or ""
    new_responsible: str | None = old_responsible
    if responsible:
        chosen = select(Employee.name).where(Employee.id == responsible["responsible_id"])
        new_responsible = connection.scalar(chosen)
    owner = ": ".join(name for name in (counterparty, person) if name)
    changes = (
        ("closed", closed_at.isoformat() if closed_at else "", ""),
        ("counterparty", owner, ""),
        ("status", old_status, new_status),
        ("responsible", old_responsible or "", new_responsible or ""),
    )
    connection.execute(
        insert(Change),
        [
            {"at": now, "employee_id": by, "lead_id": lead_id, "field": field, "before": before, "after": after}
            for field, before, after in changes
            if before != after
        ],
    )
