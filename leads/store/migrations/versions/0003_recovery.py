"""Where recovery from Asterisk's own call records stands, when Leadline was away, and which calls are told by those."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """No call is recovered yet, and no outage known."""
    op.add_column("call", sa.Column("recovered", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        "ix_call_recovered",
        "call",
        ["started_at"],
        sqlite_where=sa.text("recovered"),
        postgresql_where=sa.text("recovered"),
    )
    op.create_table(
        "recovery",
        sa.Column("pbx", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=500), nullable=True),
        sa.Column("place", sa.JSON(), nullable=True),
        sa.Column("read_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alive_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("pbx", name=op.f("pk_recovery")),
    )
    op.create_table(
        "outage",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pbx", sa.String(length=64), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                *("leadline", "ami", "database"),
                name="outagekind",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outage")),
        sa.UniqueConstraint("pbx", "kind", "started_at", name=op.f("uq_outage_pbx_kind_started_at")),
    )
    op.create_index("ix_outage_started_at_id", "outage", ["started_at", "id"])


def downgrade() -> None:
    """Calls stay; what was recovered is no longer told."""
    op.drop_table("outage")
    op.drop_table("recovery")
    op.drop_index("ix_call_recovered", "call")
    op.drop_column("call", "recovered")
