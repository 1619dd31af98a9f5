"""Finds the recovered calls of an outage by their ends: the page of outages read every call for each outage (C3)."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """The index by beginning helped nobody: what a call began before says nothing of when it ended."""
    _index_by("ended_at")


def downgrade() -> None:
    """The index by beginning comes back."""
    _index_by("started_at")


def _index_by(column: str) -> None:
    where = sa.text("recovered")
    op.drop_index("ix_call_recovered", "call")
    op.create_index("ix_call_recovered", "call", [column], sqlite_where=where, postgresql_where=where)
