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
    if op.get_bind().dialect.name == "postgresql":
        _note_on_postgresql()
    else:
        _note_on_sqlite()


def downgrade() -> None:
    """Note nothing any more."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION note_listed_lead() CASCADE")
    else:
        for change in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER lead_{change}_listed")
    op.drop_table("lead_change")


def _note_on_sqlite() -> None:
    now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"  # as SQLAlchemy writes times
    differs = " OR ".join(f"old.{column} IS NOT new.{column}" for column in COLUMNS)
    for name, event, row in (
        ("insert", "INSERT ON lead", "new"),
        ("update", f"UPDATE OF {', '.join(COLUMNS)} ON lead WHEN {differs}", "new"),
        ("delete", "DELETE ON lead", "old"),
    ):
        op.execute(
            f"CREATE TRIGGER lead_{name}_listed AFTER {event} "
            f'BEGIN INSERT INTO lead_change (lead_id, "at") VALUES ({row}.id, {now}); END'
        )


def _note_on_postgresql() -> None:
    # The transaction's own number tells a reader which notes may still be on their way.
    stamp = "clock_timestamp(), CAST(CAST(pg_current_xact_id() AS text) AS bigint)"
    differs = " OR ".join(f"old.{column} IS DISTINCT FROM new.{column}" for column in COLUMNS)
    op.execute(
        "CREATE FUNCTION note_listed_lead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' AND NOT ({differs}) THEN RETURN NULL; END IF; "
        'INSERT INTO lead_change (lead_id, "at", "xid") '
        f"SELECT CASE TG_OP WHEN 'DELETE' THEN old.id ELSE new.id END, {stamp}; RETURN NULL; END $$"
    )
    op.execute(
        f"CREATE TRIGGER lead_listed AFTER INSERT OR DELETE OR UPDATE OF {', '.join(COLUMNS)} ON lead "
        "FOR EACH ROW EXECUTE FUNCTION note_listed_lead()"
    )
