"""Finds the calls that were made during a call, without reading every call: erasing a person asks for them (X5)."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Most calls have no parent, so that the index is small."""
    where = sa.text("parent_linkedid IS NOT NULL")
    columns = ["pbx", "parent_linkedid"]
    op.create_index("ix_call_pbx_parent_linkedid", "call", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """The index goes."""
    op.drop_index("ix_call_pbx_parent_linkedid", "call")
