"""Counterparties of one status in order of their names, and the list in order of its statuses (K1)."""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """The order of names within each status."""
    op.create_index("ix_counterparty_status_id_sort_name_id", "counterparty", ["status_id", "sort_name", "id"])


def downgrade() -> None:
    """The order goes."""
    op.drop_index("ix_counterparty_status_id_sort_name_id", "counterparty")
