"""Work that changes hands is on record, with how far it has come."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

RUNNING = sa.text("state = 'running'")


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)


def upgrade() -> None:
    """Nothing was on record before: what is half done is finished by doing it again, as ever."""
    people = ("employee_id", "from_id", "to_id")
    op.create_table(
        "handover",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", _words("handoverkind", "list", "leaver"), nullable=False),
        *[sa.Column(person, sa.Integer(), nullable=True) for person in people],
        sa.Column("wanted", sa.JSON(), nullable=True),
        *[sa.Column(name, sa.Integer(), nullable=False) for name in ("until", "place", "total")],
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("state", _words("handoverstate", "running", "done", "stopped"), nullable=False),
        sa.Column("reason", _words("stopreason", "asked", "rights", "receiver", "returned", "trouble"), nullable=True),
        sa.Column("runner", sa.String(length=200), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        *[
            sa.ForeignKeyConstraint([person], ["employee.id"], name=op.f(f"fk_handover_{person}_employee"))
            for person in people
        ],
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handover")),
    )
    op.create_index("ix_handover_employee_id_id", "handover", ["employee_id", "id"])
    op.create_index("ix_handover_running", "handover", ["id"], sqlite_where=RUNNING, postgresql_where=RUNNING)
    op.create_index(
        "uq_handover_from_id", "handover", ["from_id"], unique=True, sqlite_where=RUNNING, postgresql_where=RUNNING
    )


def downgrade() -> None:
    """What has changed hands stays so."""
    op.drop_table("handover")
