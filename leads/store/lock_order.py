"""The one order in which everybody locks on PostgreSQL, so that no two writers ever wait for each other.

0. work that changes hands (its row in `handover`), then the employees whom it concerns: by whoever carries it out; and
   erasing, as one: whoever erases somebody takes lines of history that name him, wherever they are;
1. calls, as one: whoever must keep their writer away (leads.store.engine.lock_calls), and that writer itself;
2. numbers, all at once (leads.store.engine.lock_numbers);
3. leads, then counterparties, each by key: here;
4. what belongs to a person (its numbers' rows, planned calls, tasks): whoever holds the person needs no order there.

Whoever gives an employee something holds him shared, at any place: who lets him go waits for that, and for no card. Who
changes only one row that belongs to a person needs no lock before. Rows are locked `FOR NO KEY UPDATE`: a row that
refers to a card (a call, a line of history) can still be written beside. On SQLite a writer holds the whole database.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, TextClause, select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.models import Counterparty, Lead

_Keys = Iterable[int | None]


def lock_persons(connection: Connection, leads: _Keys, counterparties: _Keys = ()) -> None:
    """Keep others from these cards, and from what belongs to them, until this transaction ends; None is nobody."""
    if connection.dialect.name != "postgresql":
        return
    for table, keys in ((Lead, {*leads} - {None}), (Counterparty, {*counterparties} - {None})):
        if keys:
            connection.execute(locked_in_order(table, table.id.in_(keys)))


def locked_in_order(table: type[Any], *conditions: ColumnElement[bool] | TextClause) -> Select[Any]:
    """The keys of some rows of a table, which are locked one after the other, by key."""
    return select(table.id).where(*conditions).order_by(table.id).with_for_update(key_share=True)


async def hold_persons(session: AsyncSession, leads: _Keys, counterparties: _Keys = ()) -> None:
    """As lock_persons, from a session."""
    connection = await session.connection()
    await connection.run_sync(lock_persons, leads, counterparties)
