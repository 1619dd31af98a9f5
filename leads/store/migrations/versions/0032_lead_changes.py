"""Which lead changed: the database itself notes it, whoever writes, so that lists in memory follow at once (L10)."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"

COLUMNS = (
    *("named", "status_id", "responsible_id", "source_id", "merged_into_id", "closed_at", "created_at"),
    *("last_call_at", "main_number", "sort_name", "search_text"),
)
"""What lists of leads sort, filter and search by."""
WORK = {"call": ("lead_id", "employee_id"), "task": ("lead_id", "employee_id", "done_at")}
"""What tells besides who may see a lead: who talked in its calls, who has something to do about it."""


def upgrade() -> None:
    """Begin with an empty list: whoever follows has read everything before."""
    op.create_table(
        "lead_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lead_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_change")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_lead_change_xid", "lead_change", ["xid"])
    note = _note_on_postgresql if op.get_bind().dialect.name == "postgresql" else _note_on_sqlite
    note("lead", "id", COLUMNS)
    for table, columns in WORK.items():
        note(table, "lead_id", columns)


def downgrade() -> None:
    """Note nothing any more."""
    for table in ("lead", *WORK):
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"DROP FUNCTION note_listed_{table}() CASCADE")
        else:
            for change in ("insert", "update", "delete"):
                op.execute(f"DROP TRIGGER {table}_{change}_listed")
    op.drop_table("lead_change")


def _note_on_sqlite(table: str, lead: str, columns: tuple[str, ...]) -> None:
    now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"  # as SQLAlchemy writes times
    differs = " OR ".join(f"old.{column} IS NOT new.{column}" for column in columns)
    both = ("new",) if table == "lead" else ("old", "new")  # A lead's own id stays.
    changes = {
        "insert": (f"INSERT ON {table}", ("new",)),
        "update": (f"UPDATE OF {', '.join(columns)} ON {table} WHEN {differs}", both),
        "delete": (f"DELETE ON {table}", ("old",)),
    }
    for name, (event, rows) in changes.items():
        leads = " UNION ".join(f"SELECT {row}.{lead}, {now} WHERE {_concerns(table, row)}" for row in rows)
        op.execute(
            f"CREATE TRIGGER {table}_{name}_listed AFTER {event} "
            f'BEGIN INSERT INTO lead_change (lead_id, "at") {leads}; END'
        )


def _note_on_postgresql(table: str, lead: str, columns: tuple[str, ...]) -> None:
    # The transaction's own number tells a reader which notes may still be on their way.
    stamp = "clock_timestamp(), CAST(CAST(pg_current_xact_id() AS text) AS bigint)"
    differs = " OR ".join(f"old.{column} IS DISTINCT FROM new.{column}" for column in columns)
    note = f'INSERT INTO lead_change (lead_id, "at", "xid") SELECT {{row}}.{lead}, {stamp} WHERE {{concerns}};'
    old, new = (note.format(row=row, concerns=_concerns(table, row)) for row in ("old", "new"))
    op.execute(
        f"CREATE FUNCTION note_listed_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' AND NOT ({differs}) THEN RETURN NULL; END IF; "
        f"IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND old.{lead} IS DISTINCT FROM new.{lead} THEN {old} END IF; "
        f"IF TG_OP <> 'DELETE' THEN {new} END IF; RETURN NULL; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_listed AFTER INSERT OR DELETE OR UPDATE OF {', '.join(columns)} ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION note_listed_{table}()"
    )


def _concerns(table: str, row: str) -> str:
    return "true" if table == "lead" else f"{row}.lead_id IS NOT NULL AND {row}.employee_id IS NOT NULL"
