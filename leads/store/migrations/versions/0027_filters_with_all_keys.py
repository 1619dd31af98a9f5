"""What a filter of the list of leads finds is sorted without a look at the table, also tens of thousands (L10)."""

from alembic import op

revision = "0027"
down_revision = "0026"

OWN = ("list_state", "status_id", "responsible_id", "merged_into_id", "source_id")
BY_SOURCE = ("source_id", "list_state", "status_id", "sort_name", "id")


def upgrade() -> None:
    """For each column that narrows the list an index that holds all else that it sorts and filters by."""
    op.create_index(
        "ix_lead_created_at", "lead", ["created_at", "id", *OWN, "last_call_at", "main_number", "sort_name"]
    )
    op.create_index(
        "ix_lead_last_call_at", "lead", ["last_call_at", "id", *OWN, "created_at", "main_number", "sort_name"]
    )
    op.drop_index("ix_lead_source_sort_name", "lead")
    rest = ("responsible_id", "merged_into_id", "created_at", "last_call_at", "main_number")
    op.create_index("ix_lead_source_sort_name", "lead", [*BY_SOURCE, *rest])


def downgrade() -> None:
    """They go."""
    op.drop_index("ix_lead_source_sort_name", "lead")
    op.create_index("ix_lead_source_sort_name", "lead", list(BY_SOURCE))
    op.drop_index("ix_lead_last_call_at", "lead")
    op.drop_index("ix_lead_created_at", "lead")
