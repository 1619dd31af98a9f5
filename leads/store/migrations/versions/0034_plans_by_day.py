"""Finds a page of planned calls by their days, also of those done and of several people's (P5): all were sorted."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """One index for all states in place of that for open calls; it holds whose they are, so no row is looked at."""
    op.create_index("ix_planned_call_state_day", "planned_call", ["state", "day", "id", "employee_id"])
    op.drop_index("ix_planned_call_day_open", "planned_call")


def downgrade() -> None:
    """The index for open calls comes back."""
    where = sa.text("state = 'open'")
    op.create_index(
        "ix_planned_call_day_open", "planned_call", ["day", "id"], sqlite_where=where, postgresql_where=where
    )
    op.drop_index("ix_planned_call_state_day", "planned_call")
