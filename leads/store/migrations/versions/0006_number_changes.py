"""Whose number changed: the database itself notes it, whoever writes, so that copies elsewhere follow at once (C9)."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

OF_LEAD = "SELECT number FROM phone_number WHERE lead_id = {id} AND on_active_lead"
OF_CONTACT = "SELECT number FROM phone_number WHERE contact_person_id = {id}"
OF_COUNTERPARTY = (
    "SELECT number FROM phone_number WHERE counterparty_id = {id} UNION SELECT p.number FROM phone_number p "
    "JOIN contact_person k ON k.id = p.contact_person_id WHERE k.counterparty_id = {id}"
)
CARDS = {
    "lead": (("name", "named", "language", "responsible_id"), OF_LEAD),
    "counterparty": (("name", "language", "responsible_id"), OF_COUNTERPARTY),
    "contact_person": (("name", "language", "responsible_id", "counterparty_id"), OF_CONTACT),
}
"""For each card the columns that a call's way or its display depends on, and the numbers that it has."""
OWNERS = ("number", "lead_id", "counterparty_id", "contact_person_id", "on_active_lead")
"""The columns of a number that tell whose it is."""


def upgrade() -> None:
    """Begin with an empty list: a copy is compared whole before it follows."""
    op.create_table(
        "number_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_number_change")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_number_change_xid", "number_change", ["xid"])
    if op.get_bind().dialect.name == "postgresql":
        _note_on_postgresql()
    else:
        _note_on_sqlite()


def downgrade() -> None:
    """Note nothing any more."""
    if op.get_bind().dialect.name == "postgresql":
        for table in ("phone_number", *CARDS):
            op.execute(f"DROP FUNCTION note_{table}() CASCADE")
    else:
        for name in (
            "phone_number_insert",
            "phone_number_delete",
            "phone_number_update",
            *(f"{c}_update" for c in CARDS),
        ):
            op.execute(f"DROP TRIGGER {name}_noted")
    op.drop_table("number_change")


def _note_on_sqlite() -> None:
    note = 'INSERT INTO number_change (number, "at")'
    now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"  # as SQLAlchemy writes times
    for change, row in (("INSERT", "new"), ("DELETE", "old")):
        op.execute(
            f"CREATE TRIGGER phone_number_{change.lower()}_noted AFTER {change} ON phone_number "
            f"BEGIN {note} VALUES ({row}.number, {now}); END"
        )
    op.execute(
        f"CREATE TRIGGER phone_number_update_noted AFTER UPDATE OF {', '.join(OWNERS)} ON phone_number "
        f"WHEN {_differs(OWNERS, 'IS NOT')} "
        f"BEGIN {note} SELECT old.number, {now} UNION SELECT new.number, {now}; END"
    )
    for table, (columns, numbers) in CARDS.items():
        op.execute(
            f"CREATE TRIGGER {table}_update_noted AFTER UPDATE OF {', '.join(columns)} ON {table} "
            f"WHEN {_differs(columns, 'IS NOT')} "
            f"BEGIN {note} SELECT number, {now} FROM ({numbers.format(id='new.id')}); END"
        )


def _note_on_postgresql() -> None:
    note = 'INSERT INTO number_change (number, "at", "xid")'
    # The transaction's own number tells a reader which notes may still be on their way.
    stamp = "clock_timestamp(), CAST(CAST(pg_current_xact_id() AS text) AS bigint)"
    _make_trigger(
        "phone_number",
        f"INSERT OR DELETE OR UPDATE OF {', '.join(OWNERS)}",
        f"IF TG_OP = 'UPDATE' AND NOT ({_differs(OWNERS, 'IS DISTINCT FROM')}) THEN RETURN NULL; END IF; "
        f"IF TG_OP <> 'INSERT' THEN {note} VALUES (old.number, {stamp}); END IF; "
        f"IF TG_OP = 'INSERT' THEN {note} VALUES (new.number, {stamp}); "
        f"ELSIF TG_OP = 'UPDATE' AND new.number <> old.number THEN {note} VALUES (new.number, {stamp}); END IF;",
    )
    for table, (columns, numbers) in CARDS.items():
        _make_trigger(
            table,
            f"UPDATE OF {', '.join(columns)}",
            f"IF {_differs(columns, 'IS DISTINCT FROM')} THEN "
            f"{note} SELECT number, {stamp} FROM ({numbers.format(id='new.id')}) AS numbers; END IF;",
        )


def _make_trigger(table: str, changes: str, body: str) -> None:
    op.execute(
        f"CREATE FUNCTION note_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$"
    )
    op.execute(f"CREATE TRIGGER {table}_noted AFTER {changes} ON {table} FOR EACH ROW EXECUTE FUNCTION note_{table}()")


def _differs(columns: tuple[str, ...], operator: str) -> str:
    return " OR ".join(f"old.{column} {operator} new.{column}" for column in columns)
