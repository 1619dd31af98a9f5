"""All that somebody can be in charge of, and how it becomes his successor's when he leaves (K2).

Whatever new kind of thing somebody can be in charge of gets a line in KINDS, and goes along from then on. Of open
planned calls only those with people for whom somebody else or nobody is responsible: the others follow the cards.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, TextClause, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store import audit
from leads.store.lock_order import hold_persons, locked_in_order
from leads.store.models import Change, ContactPerson, Counterparty, Did, Employee, Lead
from leads.store.planning_tables import OPEN, PlannedCall
from leads.store.task_tables import Task

Whose = tuple[ColumnElement[bool] | TextClause, ...]
"""The conditions by which things are somebody's."""


@dataclass(frozen=True, slots=True)
class Handing:
    """From whom to whom, at whose word and when."""

    of: Employee
    to: Employee
    by: int | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing: its name in counts, its table, which of them are somebody's, and how some change hands.

    `move` gets the keys of some that were his, and moves those of them that still are; it tells how many.
    """

    name: str
    table: type[Any]
    of: Callable[[int], Whose]
    move: Callable[[AsyncSession, Handing, Collection[int]], Awaitable[int]]


async def some_of(session: AsyncSession, kind: Kind, employee_id: int, most: int) -> Sequence[int]:
    """The keys of some things of one kind that are somebody's, at most `most`; without a lock."""
    return (await session.scalars(select(kind.table.id).where(*kind.of(employee_id)).limit(most))).all()


def _leads_of(employee_id: int) -> Whose:
    """Open leads; closed ones are read-only, and count for him."""
    return Lead.responsible_id == employee_id, Lead.list_state.in_((0, 1))


def _counterparties_of(employee_id: int) -> Whose:
    return (Counterparty.responsible_id == employee_id,)


def _contact_persons_of(employee_id: int) -> Whose:
    return (ContactPerson.responsible_id == employee_id,)


def _our_numbers_of(employee_id: int) -> Whose:
    return (Did.responsible_id == employee_id,)


def _tasks_of(employee_id: int) -> Whose:
    """Open tasks; of a missed call, those of cards that are nobody's too."""
    return Task.employee_id == employee_id, Task.done_at.is_(None)


def _planned_calls_of(employee_id: int) -> Whose:
    """Open planned calls that are his although their person is not (see leads.store.plans.move_plans)."""
    his_lead = exists().where(Lead.id == PlannedCall.lead_id, Lead.responsible_id == employee_id)
    his_company = exists().where(
        Counterparty.id == PlannedCall.counterparty_id, Counterparty.responsible_id == employee_id
    )
    return PlannedCall.employee_id == employee_id, OPEN, ~his_lead, ~his_company


async def _move_leads(session: AsyncSession, handing: Handing, ids: Collection[int]) -> int:
    held = await _held(session, Lead, ids, _leads_of(handing.of.id))
    values = {"responsible_id": handing.to.id, "responsible_by_hand": True, "updated_at": handing.now}
    await _update(session, Lead, held, {**values, "version": Lead.version + 1})
    await _note(session, handing, [{"lead_id": one} for one in held])
    return len(held)


async def _move_counterparties(session: AsyncSession, handing: Handing, ids: Collection[int]) -> int:
    held = await _held(session, Counterparty, ids, _counterparties_of(handing.of.id))
    values = {"responsible_id": handing.to.id, "updated_at": handing.now, "version": Counterparty.version + 1}
    await _update(session, Counterparty, held, values)
    await _note(session, handing, [{"counterparty_id": one} for one in held])
    return len(held)


async def _move_contact_persons(session: AsyncSession, handing: Handing, ids: Collection[int]) -> int:
    """A contact person is a part of its counterparty's card, so its history is there."""
    cards = select(ContactPerson.counterparty_id).where(ContactPerson.id.in_(ids))
    await hold_persons(session, (), await session.scalars(cards))
    held = await _held(session, ContactPerson, ids, _contact_persons_of(handing.of.id))
    columns = ContactPerson.counterparty_id, ContactPerson.name
    people = (await session.execute(select(*columns).where(ContactPerson.id.in_(held)))).all()
    await _update(session, ContactPerson, held, {"responsible_id": handing.to.id})
    changed = list({card for card, _name in people})
    await _update(session, Counterparty, changed, {"version": Counterparty.version + 1, "updated_at": handing.now})
    await _note(session, handing, [{"counterparty_id": card, "of": name} for card, name in people])
    return len(held)


async def _move_our_numbers(session: AsyncSession, handing: Handing, ids: Collection[int]) -> int:
    held = await _held(session, Did, ids, _our_numbers_of(handing.of.id))
    await _update(session, Did, held, {"responsible_id": handing.to.id, "version": Did.version + 1})
    before, after = {"responsible_id": handing.of.id}, {"responsible_id": handing.to.id}
    for did_id in held:
        await audit.note(session, audit.What.CHANGED, "did", did_id, before=before, after=after)
    return len(held)


async def _move_tasks(session: AsyncSession, handing: Handing, ids: Collection[int]) -> int:
    """The successor is told of them anew."""
    whose = select(Task.lead_id, Task.counterparty_id).where(Task.id.in_(ids))
    people = (await session.execute(whose)).all()
    await hold_persons(session, [one.lead_id for one in people], [one.counterparty_id for one in people])
    held = await _held(session, Task, ids, _tasks_of(handing.of.id))
    await _update(session, Task, held, {"employee_id": handing.to.id, "told_at": None})
    return len(held)


async def _move_planned_calls(session: AsyncSession, handing: Handing, ids: Collection[int]) -> int:
    """The successor is reminded of them anew."""
    whose = select(PlannedCall.lead_id, PlannedCall.counterparty_id).where(PlannedCall.id.in_(ids))
    people = (await session.execute(whose)).all()
    await hold_persons(session, [one.lead_id for one in people], [one.counterparty_id for one in people])
    held = await _held(session, PlannedCall, ids, _planned_calls_of(handing.of.id))
    values = {"employee_id": handing.to.id, "reminded_at": None, "version": PlannedCall.version + 1}
    await _update(session, PlannedCall, held, values)
    return len(held)


KINDS = (
    Kind("leads", Lead, _leads_of, _move_leads),
    Kind("counterparties", Counterparty, _counterparties_of, _move_counterparties),
    Kind("contact_persons", ContactPerson, _contact_persons_of, _move_contact_persons),
    Kind("our_numbers", Did, _our_numbers_of, _move_our_numbers),
    Kind("tasks", Task, _tasks_of, _move_tasks),
    Kind("planned_calls", PlannedCall, _planned_calls_of, _move_planned_calls),
)


async def _held(session: AsyncSession, table: type[Any], ids: Collection[int], his: Whose) -> Sequence[int]:
    return (await session.scalars(locked_in_order(table, table.id.in_(ids), *his))).all()


async def _update(session: AsyncSession, table: type[Any], ids: Sequence[int], values: dict[str, Any]) -> None:
    statement = update(table).where(table.id.in_(ids)).values(values)
    await session.execute(statement.execution_options(synchronize_session=False))


async def _note(session: AsyncSession, handing: Handing, cards: list[dict[str, Any]]) -> None:
    """Write the change into the history of each card; `of` names the contact person that it is about."""
    fixed = {"at": handing.now, "employee_id": handing.by, "lead_id": None, "counterparty_id": None}
    rows = []
    for card in cards:
        person = card.pop("of", None)
        field, before, after = "responsible", handing.of.name, handing.to.name
        if person is not None:
            field, before, after = "contact_person", f"{person}; {before}", f"{person}; {after}"
        rows.append(fixed | card | {"field": field, "before": before, "after": after})
    if rows:
        await session.execute(insert(Change), rows)
