"""One responsible's leads in order of their sources, without looking through all of his for those without one (L10)."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """The order of a source within each responsible."""
    columns = ["responsible_id", "source_id", "list_state", "status_id", "sort_name", "id"]
    op.create_index("ix_lead_responsible_source_sort_name", "lead", columns)


def downgrade() -> None:
    """The order goes."""
    op.drop_index("ix_lead_responsible_source_sort_name", "lead")
