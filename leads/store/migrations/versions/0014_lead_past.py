"""What each lead was before: the database itself keeps each state that a lead leaves, whoever changes it (R1)."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_KEEP = "INSERT INTO lead_past (lead_id, until, status_id, responsible_id, closed)"
# An employee who is removed at this very moment is nobody's any more.
_LEFT = "old.status_id, (SELECT id FROM employee WHERE id = old.responsible_id), old.closed_at IS NOT NULL"
# Whoever changes a lead says when. Who changed it without a word did it now; who changed it twice in one transaction
# said so the first time, less than a minute ago.
_UNSAID = "new.updated_at = old.updated_at AND new.updated_at <"


def upgrade() -> None:
    """Begin with the present: what leads were before nobody kept by key."""
    op.create_table(
        "lead_past",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lead_id", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status_id", sa.Integer(), nullable=True),
        sa.Column("responsible_id", sa.Integer(), nullable=True),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name=op.f("fk_lead_past_lead_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["status_id"], ["lead_status.id"], name=op.f("fk_lead_past_status_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["responsible_id"], ["employee.id"], name=op.f("fk_lead_past_responsible_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_past")),
    )
    op.create_index("ix_lead_past_until", "lead_past", ["until"])
    op.create_index("ix_lead_past_lead_id_until", "lead_past", ["lead_id", "until"])
    if op.get_bind().dialect.name == "postgresql":
        _keep_on_postgresql()
    else:
        _keep_on_sqlite()


def _keep_on_sqlite() -> None:
    now, lately = (f"strftime('%Y-%m-%d %H:%M:%f000', {when})" for when in ("'now'", "'now', '-1 minute'"))
    op.execute(
        "CREATE TRIGGER lead_update_past AFTER UPDATE OF status_id, responsible_id, closed_at ON lead "
        "WHEN old.status_id IS NOT new.status_id OR old.responsible_id IS NOT new.responsible_id "
        "OR (old.closed_at IS NULL) <> (new.closed_at IS NULL) "
        f"BEGIN {_KEEP} VALUES (old.id, CASE WHEN {_UNSAID} {lately} THEN {now} ELSE new.updated_at END, "
        f"{_LEFT}); END"
    )


def _keep_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION keep_lead_past() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"{_KEEP} VALUES (old.id, CASE WHEN {_UNSAID} clock_timestamp() - INTERVAL '1 minute' "
        "THEN clock_timestamp() ELSE new.updated_at END, "
        f"{_LEFT}); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER lead_past_kept AFTER UPDATE OF status_id, responsible_id, closed_at ON lead FOR EACH ROW "
        "WHEN (old.status_id IS DISTINCT FROM new.status_id OR old.responsible_id IS DISTINCT FROM new.responsible_id "
        "OR (old.closed_at IS NULL) <> (new.closed_at IS NULL)) EXECUTE FUNCTION keep_lead_past()"
    )
