"""Which cards somebody may see, as conditions of the database: the only place that says so (X1).

Lists, cards, search, counts, files and whatever shows a card ask here. A card is somebody's who is responsible for it
(or for a contact person of it), who talked in one of its calls, a counterparty's also in those of a lead that it was
before, or who has an open task about it; the rule of scopes is in leads.domain.visibility.
"""

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.visibility import Scope
from leads.store.list_shapes import Condition, unindexed
from leads.store.models import Call, ContactPerson, Counterparty, Lead
from leads.store.task_tables import Task

Became = Sequence[int] | None
"""The counterparties that leads became with which somebody had talked; None where that is not known."""
KnowBecame = Callable[[AsyncSession, Scope], Awaitable[Became]]


def leads_in_charge(scope: frozenset[int]) -> ColumnElement[bool]:
    """Leads that somebody of `scope` is responsible for."""
    return Lead.responsible_id.in_(scope)


def leads_worked_on(scope: frozenset[int]) -> Condition:
    """Leads with a call in which somebody of `scope` talked, or with an open task of somebody of them."""
    check = or_(
        exists().where(Call.lead_id == Lead.id, Call.employee_id.in_(scope)),
        exists().where(Task.lead_id == Lead.id, _of_the_card(scope)),
    )
    return Condition(check, union_all(*_ids_worked_on(scope)))


def leads_of(scope: frozenset[int]) -> Condition:
    """The leads that somebody with this scope may see."""
    mine, worked_on = leads_in_charge(scope), leads_worked_on(scope)
    return Condition(or_(mine, worked_on.check), union_all(select(Lead.id).where(mine), *_ids_worked_on(scope)))


def counterparties_of(scope: frozenset[int], became: Select[Any] | None = None) -> Condition:
    """The counterparties that somebody with this scope may see.

    `became` gives those that leads became with which somebody of `scope` had talked, where that is known already: to
    find them in the database each of these leads must be looked at.
    """
    mine = Counterparty.responsible_id.in_(scope)
    contact = ContactPerson.responsible_id.in_(scope)
    was_on, to_do = Call.employee_id.in_(scope), _has_to_do(scope)
    of_lead, of_none = exists().where(Call.lead_id == Lead.id, was_on), Call.lead_id.is_(None)
    check = or_(
        mine,
        exists().where(ContactPerson.counterparty_id == Counterparty.id, contact),
        exists().where(Call.counterparty_id == Counterparty.id, of_none, was_on),
        exists().where(Lead.counterparty_id == Counterparty.id, of_lead),
        exists().where(Task.counterparty_id == Counterparty.id, _of_the_card(scope)),
    )
    ids: CompoundSelect[Any] = union_all(
        select(Counterparty.id).where(mine),
        select(ContactPerson.counterparty_id).where(contact),
        select(Call.counterparty_id).where(was_on, of_none, Call.counterparty_id.is_not(None)),
        _became(scope) if became is None else became,
        select(Task.counterparty_id).where(to_do, Task.counterparty_id.is_not(None)),
    )
    return Condition(check, ids)


async def seen_counterparties(session: AsyncSession, scope: frozenset[int], became: Became) -> Condition:
    """As counterparties_of, with what is known of what leads became."""
    if became is None:
        return counterparties_of(scope)
    # However many they are, they are one value.
    if (await session.connection()).dialect.name == "postgresql":
        return counterparties_of(scope, select(func.unnest(literal([*became], ARRAY(Integer))).column_valued("known")))
    return counterparties_of(scope, select(func.json_each(json.dumps([*became])).table_valued("value").c.value))


def _became(scope: frozenset[int]) -> Select[Any]:
    talked = select(Lead.counterparty_id).join(Call, Call.lead_id == Lead.id).where(Call.employee_id.in_(scope))
    return talked.where(Lead.counterparty_id.is_not(None))


def _ids_worked_on(scope: frozenset[int]) -> tuple[Select[Any], Select[Any]]:
    return (
        select(Call.lead_id).where(Call.employee_id.in_(scope), Call.lead_id.is_not(None)),
        select(Task.lead_id).where(_has_to_do(scope), Task.lead_id.is_not(None)),
    )


def _of_the_card(scope: frozenset[int]) -> ColumnElement[bool]:
    """As `_has_to_do`, of one card's tasks: SQLite would look through all that somebody has to do."""
    return and_(unindexed(Task.__table__.c.employee_id).in_(scope), Task.done_at.is_(None))


def _has_to_do(scope: frozenset[int]) -> ColumnElement[bool]:
    """Open tasks of somebody of `scope`; whoever is to do something about a card may open it until it is done."""
    return and_(Task.employee_id.in_(scope), Task.done_at.is_(None))


async def lead_is_visible(session: AsyncSession, lead_id: int, scope: Scope) -> bool:
    """Whether somebody with this scope may see the lead; one that is not there nobody may."""
    statement = select(Lead.id).where(Lead.id == lead_id)
    if scope is not None:
        statement = statement.where(leads_of(scope).check)
    return await session.scalar(statement) is not None


async def counterparty_is_visible(session: AsyncSession, counterparty_id: int, scope: Scope) -> bool:
    """Whether somebody with this scope may see the counterparty; one that is not there nobody may."""
    statement = select(Counterparty.id).where(Counterparty.id == counterparty_id)
    if scope is not None:
        statement = statement.where(counterparties_of(scope).check)
    return await session.scalar(statement) is not None


async def visible_leads(session: AsyncSession, ids: Collection[int], scope: Scope) -> Collection[int]:
    """Those of some leads that somebody with this scope may see."""
    if scope is None or not ids:
        return ids
    return set(await session.scalars(select(Lead.id).where(Lead.id.in_(ids), leads_of(scope).check)))


async def visible_counterparties(session: AsyncSession, ids: Collection[int], scope: Scope) -> Collection[int]:
    """Those of some counterparties that somebody with this scope may see."""
    if scope is None or not ids:
        return ids
    mine = counterparties_of(scope).check
    return set(await session.scalars(select(Counterparty.id).where(Counterparty.id.in_(ids), mine)))
