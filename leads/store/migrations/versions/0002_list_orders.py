"""Lists in every order, each within one state, status and responsible, so that no filter reads more than it shows."""

from alembic import op

revision = "0002"
down_revision = "0001"

OLD_ORDERS = (
    "ix_lead_created_at_id",
    "ix_lead_last_call_at_id",
    "ix_lead_responsible_id_created_at_id",
    "ix_lead_sort_name_id",
    "ix_lead_status_id_created_at_id",
)
KEYS = ("sort_name", "main_number", "created_at", "last_call_at")
LIST_STATE = "CASE WHEN closed_at IS NOT NULL THEN 2 WHEN named THEN 1 ELSE 0 END"


def upgrade() -> None:
    """Derive the state that lists show, and index by it."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"ALTER TABLE lead ADD COLUMN list_state SMALLINT GENERATED ALWAYS AS ({LIST_STATE}) STORED NOT NULL"
        )
        for table, column, length in (("lead", "sort_name", 200), ("lead", "main_number", 16)):
            op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE VARCHAR({length}) COLLATE "C"')
        op.execute('ALTER TABLE counterparty ALTER COLUMN sort_name TYPE VARCHAR(200) COLLATE "C"')
    else:
        # SQLite adds only virtual columns to a table that exists; their indexes hold the values all the same.
        op.execute(
            f"ALTER TABLE lead ADD COLUMN list_state SMALLINT GENERATED ALWAYS AS ({LIST_STATE}) VIRTUAL NOT NULL"
        )
    for name in OLD_ORDERS:
        op.drop_index(name, "lead")
    for key in KEYS:
        op.create_index(f"ix_lead_status_{key}", "lead", ["list_state", "status_id", key, "id"])
        op.create_index(f"ix_lead_responsible_{key}", "lead", ["responsible_id", "list_state", "status_id", key, "id"])
    op.drop_index("ix_counterparty_responsible_id", "counterparty")
    op.create_index("ix_counterparty_folder_sort_name_id", "counterparty", ["folder", "sort_name", "id"])
    op.create_index(
        "ix_counterparty_responsible_id_sort_name_id", "counterparty", ["responsible_id", "sort_name", "id"]
    )
    op.create_index("ix_call_employee_id", "call", ["employee_id", "lead_id", "counterparty_id"])
