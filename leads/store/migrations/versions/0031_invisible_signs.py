"""Names with signs that nobody sees, as a soft hyphen, are found by their letters also where they were saved before."""

from collections import defaultdict
from collections.abc import Collection

import sqlalchemy as sa
from alembic import op

from leads.store.search import search_text

revision = "0031"
down_revision = "0030"

READ_AT_ONCE, WRITTEN_AT_ONCE = 10_000, 500
_number = sa.table("phone_number", *map(sa.column, ("number", "lead_id", "counterparty_id", "contact_person_id")))
_person = sa.table("contact_person", *map(sa.column, ("id", "counterparty_id", "name", "email")))


def upgrade() -> None:
    """Fold anew what such rows are searched by: those signs, and ´ for an apostrophe, parted words as spaces do."""
    connection = op.get_bind()
    parties = {
        *_with_signs(connection, "counterparty", "id"),
        *_with_signs(connection, "contact_person", "counterparty_id"),
    }
    _fold_anew(connection, "lead", "lead_id", _with_signs(connection, "lead", "id"))
    _fold_anew(connection, "counterparty", "counterparty_id", parties)


def downgrade() -> None:
    """They are found as well by the version before."""


def _with_signs(connection: sa.Connection, table: str, owner: str) -> set[int]:
    """Whose name or address has such a sign. Read and looked at here: a pattern in SQL costs ten times as much."""
    columns = {name: sa.column(name) for name in ("id", owner, "name", "email")}
    asked = sa.select(*columns.values()).select_from(sa.table(table)).order_by(columns["id"]).limit(READ_AT_ONCE)
    found, after = set(), 0
    while rows := connection.execute(asked.where(columns["id"] > after)).all():
        found |= {getattr(row, owner) for row in rows if _has_signs(row.name) or _has_signs(row.email)}
        after = rows[-1].id
    return found


def _has_signs(text: str) -> bool:
    return not text.isprintable() or "´" in text


def _fold_anew(connection: sa.Connection, table: str, owner: str, cards: Collection[int]) -> None:
    card = sa.table(table, *map(sa.column, ("id", "name", "email", "search_text")))
    write = sa.update(card).where(card.c.id == sa.bindparam("key")).values(search_text=sa.bindparam("text"))
    every = sorted(cards)
    for start in range(0, len(every), WRITTEN_AT_ONCE):
        ids = every[start : start + WRITTEN_AT_ONCE]
        people = _of_persons(connection, ids) if table == "counterparty" else {}
        numbers = _numbers(connection, owner, ids)
        rows = connection.execute(sa.select(card.c.id, card.c.name, card.c.email).where(card.c.id.in_(ids))).all()
        texts = {
            row.id: search_text(row.name, row.email, *people.get(row.id, ()), numbers=numbers[row.id]) for row in rows
        }
        connection.execute(write, [{"key": key, "text": text} for key, text in texts.items()])


def _of_persons(connection: sa.Connection, ids: Collection[int]) -> dict[int, list[str]]:
    """The names and addresses of the contact persons of each counterparty."""
    found: dict[int, list[str]] = defaultdict(list)
    for row in connection.execute(sa.select(_person).where(_person.c.counterparty_id.in_(ids)).order_by(_person.c.id)):
        found[row.counterparty_id] += [row.name, row.email]
    return found


def _numbers(connection: sa.Connection, owner: str, ids: Collection[int]) -> dict[int, list[str]]:
    """The numbers of each card, a counterparty's with those of its contact persons."""
    found: dict[int, list[str]] = defaultdict(list)
    wanted = [sa.select(_number.c[owner], _number.c.number).where(_number.c[owner].in_(ids))]
    if owner == "counterparty_id":
        held = sa.join(_number, _person, _person.c.id == _number.c.contact_person_id)
        theirs = sa.select(_person.c.counterparty_id, _number.c.number).select_from(held)
        wanted.append(theirs.where(_person.c.counterparty_id.in_(ids)))
    for one in wanted:
        for card, number in connection.execute(one.order_by(_number.c.number)):
            found[card].append(number)
    return found
