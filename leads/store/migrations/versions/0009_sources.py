"""What made people call: the source directory, our numbers' channel and source, and what calls and leads keep (S1)."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

KEEPERS = ("did", "lead", "counterparty", "call")


def upgrade() -> None:
    """Begin with no source; what came before has none."""
    op.create_table(
        "source",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source")),
        sa.UniqueConstraint("name", name=op.f("uq_source_name")),
    )
    for table in KEEPERS:
        # Written out: SQLite adds a constraint only together with its column.
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN source_id INTEGER CONSTRAINT fk_{table}_source_id REFERENCES source (id)"
        )
    op.add_column("did", sa.Column("channel", sa.String(100), server_default=sa.text("''"), nullable=False))
    op.add_column("call", sa.Column("channel", sa.String(100), nullable=True))
    op.create_index("ix_lead_source_id", "lead", ["source_id"])
    op.create_index("ix_call_did_started_at", "call", ["did", "started_at"])
