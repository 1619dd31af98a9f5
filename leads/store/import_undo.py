"""Undoes an import: what it made is removed, what it changed is as before, unless somebody worked on it since.

What was called, closed, saved or used since stays as it is: people's work counts more than a tidy end.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.clock import Clock
from leads.domain.planning import PlanState
from leads.store.cards import CardError, NoSuchCardError, may_become_responsible
from leads.store.counterparty_card import CounterpartyEdit, PersonEdit, load_counterparty, save_counterparty
from leads.store.counterparty_import import edit_of as edit_of_counterparty
from leads.store.engine import Database, lock_numbers
from leads.store.import_tables import ImportBatch, ImportItem
from leads.store.imports import Counts
from leads.store.lead_card import load_lead, save_lead
from leads.store.lead_import import edit_of as edit_of_lead
from leads.store.lock_order import locked_in_order
from leads.store.models import (
    Base,
    Call,
    ContactPerson,
    Counterparty,
    CounterpartyStatus,
    Lead,
    LeadStatus,
    PhoneNumber,
)
from leads.store.planning_tables import PlannedCall
from leads.store.plans import Planning

_OWN_TABLES = {"phone_number", "contact_person", "change", "import_item", "lead_past"}
"""Rows here belong to a card and go with it; a row of any other table means that somebody used it."""
_OF_SOMEBODY: dict[str, tuple[ColumnElement[bool], ...]] = {
    PlannedCall.__tablename__: (
        or_(
            PlannedCall.state != PlanState.OPEN,
            PlannedCall.made_by_id.is_not(None),
            PlannedCall.by_hand,
            PlannedCall.note != "",
            PlannedCall.dialled_at.is_not(None),
        ),
    )
}
"""Which rows of a table count as use: a call that the daily job planned and nobody touched goes with its card."""


async def undo_items(
    database: Database, items: Sequence[ImportItem], *, by: int, clock: Clock, region: str, planning: Planning
) -> Counts:
    """Undo some of what an import did; only `kept` is counted."""
    counts = Counts()
    for model in (Lead, Counterparty):
        made = {
            identity: item.version
            for item in items
            if item.after is None and (identity := _key(item, model)) is not None
        }
        if made:
            counts.kept += await database.run_write(_Removal(model, items[0].batch_id, made).run)
    for item in items:
        if item.after is not None:
            restore = _restore_lead if item.lead_id is not None else _restore_counterparty
            try:
                counts.kept += not await restore(database, item, by=by, clock=clock, region=region, planning=planning)
            except NoSuchCardError:
                pass  # It is gone, and with it what the import changed.
            except CardError:
                counts.kept += 1
    return counts


def _key(item: ImportItem, model: type[Lead] | type[Counterparty]) -> int | None:
    return item.lead_id if model is Lead else item.counterparty_id


class _Removal:
    """Removes cards that nobody has touched since they were made, by id and version; tells how many stay."""

    def __init__(self, model: type[Lead] | type[Counterparty], batch_id: int, made: dict[int, int]) -> None:
        self._model, self._batch, self._made = model, batch_id, made

    def run(self, connection: Connection) -> int:
        # Calls lock the number before they look for its card, so a card that is free of calls here stays so.
        lock_numbers(connection, self._numbers(connection))
        model = self._model
        same = or_(*(and_(model.id == key, model.version == version) for key, version in self._made.items()))
        conditions: list[ColumnElement[bool]] = [model.id.in_(self._made), same, ~_is_used(model)]
        if model is Lead:
            began = select(ImportBatch.started_at).where(ImportBatch.id == self._batch).scalar_subquery()
            # Closing one would have given it another version; a call does not.
            conditions.append(or_(Lead.last_call_at.is_(None), Lead.last_call_at < began))
        free = connection.scalars(locked_in_order(model, *conditions)).all()
        return len(self._made) - self._remove(connection, free)

    def _numbers(self, connection: Connection) -> set[str]:
        number = select(PhoneNumber.number)
        if self._model is Lead:
            return set(connection.scalars(number.where(PhoneNumber.lead_id.in_(self._made))))
        people = number.join(ContactPerson, ContactPerson.id == PhoneNumber.contact_person_id)
        return {
            *connection.scalars(number.where(PhoneNumber.counterparty_id.in_(self._made))),
            *connection.scalars(people.where(ContactPerson.counterparty_id.in_(self._made))),
        }

    def _remove(self, connection: Connection, free: Iterable[int]) -> int:
        ids = list(free)
        try:
            with connection.begin_nested():
                connection.execute(delete(self._model).where(self._model.id.in_(ids)))
        except IntegrityError:
            # Something that refers to one of them came in this moment: the others can still go.
            return sum(self._remove(connection, [one]) for one in ids) if len(ids) > 1 else 0
        return len(ids)


def _is_used(model: type[Lead] | type[Counterparty]) -> ColumnElement[bool]:
    """Whether any row of the database refers to a card, beside its own parts."""
    target = Base.metadata.tables[model.__tablename__].c.id
    found = [
        exists().where(key.parent == model.id, *_OF_SOMEBODY.get(table.name, ()))
        for table in Base.metadata.sorted_tables
        if table.name not in _OWN_TABLES
        for key in table.foreign_keys
        if key.column is target
    ]
    return or_(*found)


async def _restore_lead(
    database: Database, item: ImportItem, *, by: int, clock: Clock, region: str, planning: Planning
) -> bool:
    assert item.lead_id is not None
    async with database.read() as session:
        card = await load_lead(session, item.lead_id, None)
    if card.closed_at is not None:  # It is read-only; one that was merged has not even numbers any more.
        return False
    present = edit_of_lead(card)
    wanted = replace(present, **await _before(database, LeadStatus, present, item))
    if wanted == present:
        return False
    await save_lead(database, card.id, card.version, wanted, by=by, clock=clock, region=region, planning=planning)
    return True


async def _restore_counterparty(
    database: Database, item: ImportItem, *, by: int, clock: Clock, region: str, planning: Planning
) -> bool:
    assert item.counterparty_id is not None
    async with database.read() as session:
        card = await load_counterparty(session, item.counterparty_id, None)
    present = edit_of_counterparty(card)
    values = await _before(database, CounterpartyStatus, present, item)
    if "persons" in values:
        values["persons"] = tuple(PersonEdit(**{**one, "numbers": tuple(one["numbers"])}) for one in values["persons"])
    wanted: CounterpartyEdit = replace(present, **values)
    if wanted == present:
        return False
    await save_counterparty(
        database, card.id, card.version, wanted, by=by, clock=clock, region=region, planning=planning
    )
    return True


async def _before(
    database: Database, statuses: type[LeadStatus] | type[CounterpartyStatus], present: Any, item: ImportItem
) -> dict[str, Any]:
    """What goes back: fields that are still as the import left them, where they can still be as they were before.

    Nothing goes back to somebody who has left, or to a status that is gone.
    """
    async with database.read() as session:
        values = _restored(asdict(present), item, await _numbers_in_use(session, item))
        status = values.get("status_id")
        if status is not None and await session.get(statuses, status) is None:
            del values["status_id"]
        if not await may_become_responsible(session, values.get("responsible_id")):
            del values["responsible_id"]
        if "persons" in values:
            charge = {one.id: one.responsible_id for one in present.persons}
            values["persons"] = [
                one
                if await may_become_responsible(session, one["responsible_id"])
                else {**one, "responsible_id": charge.get(one["id"])}
                for one in values["persons"]
            ]
    return values


async def _numbers_in_use(session: AsyncSession, item: ImportItem) -> frozenset[str]:
    """The numbers that the import added and that were used since: somebody called, or a lead was closed with them.

    Without them whoever called would be nobody's, and the closed lead's person nowhere.
    """
    added = _numbers(item.after) - _numbers(item.before)
    if not added:
        return frozenset()
    began = select(ImportBatch.started_at).where(ImportBatch.id == item.batch_id).scalar_subquery()
    called = select(Call.outside_number).where(Call.outside_number.in_(added), Call.started_at >= began)
    closed = select(PhoneNumber.number).join(Lead, Lead.id == PhoneNumber.lead_id)
    closed = closed.where(PhoneNumber.number.in_(added), Lead.counterparty_id == item.counterparty_id)
    used = {*await session.scalars(called), *await session.scalars(closed.where(Lead.closed_at >= began))}
    return frozenset(number for number in used if number is not None)


def _numbers(values: Mapping[str, Any] | None) -> set[str]:
    """All numbers of a card's changed fields, and of its contact persons."""
    values = values or {}
    return {*values.get("numbers", ()), *(number for one in values.get("persons", ()) for number in one["numbers"])}


def _restored(present: dict[str, Any], item: ImportItem, used: Collection[str]) -> dict[str, Any]:
    """The fields that are still as the import left them, as they were before; of numbers those that it added go."""
    before, after = item.before or {}, item.after or {}
    values: dict[str, Any] = {}
    for name, new in after.items():
        if name == "numbers":
            added = set(new) - set(before[name]) - set(used)
            values[name] = tuple(number for number in present[name] if number not in added)
        elif name == "persons" and any(number in used for one in new for number in one["numbers"]):
            continue
        elif _plain(present[name]) == _plain(new):
            values[name] = before[name]
    return values


def _plain(value: Any) -> Any:
    """A value as JSON gives it back, without the keys of contact persons, which new ones had not yet."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if name != "id"}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
