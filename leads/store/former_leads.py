"""Finds what is about a counterparty together with what was about the leads that it was (L5).

Both have indexes; but asked for one or the other in one condition, PostgreSQL reads the whole table, so that each card
took seconds among a million calls.
"""

from typing import Any

from sqlalchemy import ColumnElement, select, union_all
from sqlalchemy.orm import aliased

from leads.store.models import Call, Change, ContactPerson, Lead, PhoneNumber
from leads.store.planning_tables import PlannedCall
from leads.store.task_tables import Note, Task


def of_counterparty(
    table: type[Call] | type[Change] | type[Note] | type[PlannedCall] | type[Task], counterparty_id: int | None
) -> ColumnElement[bool]:
    """The rows about a counterparty, or about a lead that became it."""
    one, lead = aliased(table), aliased(Lead)
    own = select(one.id).where(one.counterparty_id == counterparty_id)
    before = select(one.id).join(lead, lead.id == one.lead_id).where(lead.counterparty_id == counterparty_id)
    return table.id.in_(union_all(own, before))


def numbers_of_counterparties(ids: Any) -> ColumnElement[bool]:
    """The numbers of some counterparties and of their contact persons; `ids` is a collection, or a statement."""
    number, person = aliased(PhoneNumber), aliased(ContactPerson)
    own = select(number.id).where(number.counterparty_id.in_(ids))
    of_persons = select(number.id).join(person, person.id == number.contact_person_id)
    return PhoneNumber.id.in_(union_all(own, of_persons.where(person.counterparty_id.in_(ids))))
