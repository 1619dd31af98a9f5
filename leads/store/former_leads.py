"""Finds what is about a counterparty together with what was about the leads that it was (L5).

Both have indexes; but asked for one or the other in one condition, PostgreSQL reads the whole table, so that each card
took seconds among a million calls.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, select, union_all
from sqlalchemy.orm import aliased

from leads.store.models import Call, Change, ContactPerson, Lead, PhoneNumber
from leads.store.planning_tables import PlannedCall
from leads.store.task_tables import Note, Task

if TYPE_CHECKING:
    from leads.store.people_of_calls import CallPerson


def of_counterparty(
    table: type[Call] | type[Change] | type[Note] | type[PlannedCall] | type[Task], counterparty_id: int | None
) -> ColumnElement[bool]:
    """The rows about a counterparty, or about a lead that became it."""
    one, lead = aliased(table), aliased(Lead)
    own = select(one.id).where(one.counterparty_id == counterparty_id)
    before = select(one.id).join(lead, lead.id == one.lead_id).where(lead.counterparty_id == counterparty_id)
    return table.id.in_(union_all(own, before))


def of_person(table: type[Note] | type[PlannedCall] | type[Task], person: "CallPerson") -> ColumnElement[bool]:
    """The rows about a person; a counterparty's are also those about the leads that it was."""
    if person.lead_id is not None:
        return table.lead_id == person.lead_id
    return of_counterparty(table, person.counterparty_id)


def numbers_of_counterparties(ids: Collection[int]) -> ColumnElement[bool]:
    """The numbers of some counterparties and of their contact persons."""
    number, person = aliased(PhoneNumber), aliased(ContactPerson)
    own = select(number.id).where(number.counterparty_id.in_(ids))
    of_persons = select(number.id).join(person, person.id == number.contact_person_id)
    return PhoneNumber.id.in_(union_all(own, of_persons.where(person.counterparty_id.in_(ids))))
