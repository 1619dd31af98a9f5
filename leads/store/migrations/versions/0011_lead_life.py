"""Where merged leads went (L15), and whose a shared number is for routing (L16)."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

OWNERS = ("number", "lead_id", "counterparty_id", "contact_person_id", "on_active_lead")
LOOKED_UP = ("number", "on_active_lead", "lead_id", "counterparty_id", "contact_person_id")


def upgrade() -> None:
    """Add both columns; a pin is a change of the number's owner, so it is noted for copies as such."""
    op.execute(
        "ALTER TABLE lead ADD COLUMN merged_into_id INTEGER CONSTRAINT fk_lead_merged_into_id REFERENCES lead (id)"
    )
    merged = sa.text("merged_into_id IS NOT NULL")
    op.create_index("ix_lead_merged_into_id", "lead", ["merged_into_id"], sqlite_where=merged, postgresql_where=merged)
    op.add_column("phone_number", sa.Column("pinned", sa.Boolean(), server_default=sa.false(), nullable=False))
    pinned = sa.text("pinned")
    op.create_index(
        "uq_phone_number_pinned",
        "phone_number",
        ["number"],
        unique=True,
        sqlite_where=pinned,
        postgresql_where=pinned,
    )
    op.drop_index("ix_phone_number_number", "phone_number")
    op.create_index("ix_phone_number_number", "phone_number", [*LOOKED_UP, "pinned"])
    _note((*OWNERS, "pinned"))


def downgrade() -> None:
    """Forget the pins, and where merged leads went."""
    _note(OWNERS)
    op.drop_index("ix_phone_number_number", "phone_number")
    op.create_index("ix_phone_number_number", "phone_number", list(LOOKED_UP))
    op.drop_index("uq_phone_number_pinned", "phone_number")
    op.drop_column("phone_number", "pinned")
    op.drop_index("ix_lead_merged_into_id", "lead")
    with op.batch_alter_table("lead") as table:
        table.drop_column("merged_into_id")


def _note(owners: tuple[str, ...]) -> None:
    """Note a number when one of these columns tells another owner than before."""
    if op.get_bind().dialect.name == "postgresql":
        _note_on_postgresql(owners)
        return
    differs = " OR ".join(f"old.{column} IS NOT new.{column}" for column in owners)
    now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
    op.execute("DROP TRIGGER phone_number_update_noted")
    op.execute(
        f"CREATE TRIGGER phone_number_update_noted AFTER UPDATE OF {', '.join(owners)} ON phone_number "
        f"WHEN {differs} BEGIN "
        f'INSERT INTO number_change (number, "at") SELECT old.number, {now} UNION SELECT new.number, {now}; END'
    )


def _note_on_postgresql(owners: tuple[str, ...]) -> None:
    differs = " OR ".join(f"old.{column} IS DISTINCT FROM new.{column}" for column in owners)
    note = 'INSERT INTO number_change (number, "at", "xid")'
    stamp = "clock_timestamp(), CAST(CAST(pg_current_xact_id() AS text) AS bigint)"
    body = (
        f"IF TG_OP = 'UPDATE' AND NOT ({differs}) THEN RETURN NULL; END IF; "
        f"IF TG_OP <> 'INSERT' THEN {note} VALUES (old.number, {stamp}); END IF; "
        f"IF TG_OP = 'INSERT' THEN {note} VALUES (new.number, {stamp}); "
        f"ELSIF TG_OP = 'UPDATE' AND new.number <> old.number THEN {note} VALUES (new.number, {stamp}); END IF;"
    )
    op.execute(
        "CREATE OR REPLACE FUNCTION note_phone_number() RETURNS trigger LANGUAGE plpgsql "
        f"AS $$ BEGIN {body} RETURN NULL; END $$"
    )
    op.execute("DROP TRIGGER phone_number_noted ON phone_number")
    op.execute(
        f"CREATE TRIGGER phone_number_noted AFTER INSERT OR DELETE OR UPDATE OF {', '.join(owners)} "
        "ON phone_number FOR EACH ROW EXECUTE FUNCTION note_phone_number()"
    )
