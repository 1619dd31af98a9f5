"""Statuses that plan calls, and a set of statuses for counterparties (P1)."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

DAYS = {"Hot": 1, "Warm": 7, "Cold": 30}
"""After how many days the statuses that we bring plan the next call; others plan none until somebody says so."""
_PLAN_DAYS = (
    "plan_days INTEGER DEFAULT 7 NOT NULL CONSTRAINT ck_lead_status_plan_days CHECK (plan_days BETWEEN 0 AND 365)"
)


def upgrade() -> None:
    """Counterparties begin with the same words as leads, and each has the first."""
    op.add_column("lead_status", sa.Column("plans", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(f"ALTER TABLE lead_status ADD COLUMN {_PLAN_DAYS}")
    op.add_column("lead_status", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    for name, days in DAYS.items():
        op.execute(f"UPDATE lead_status SET plans = true, plan_days = {days} WHERE name = '{name}'")
    op.create_table(
        "counterparty_status",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sort_order", sa.Integer(), nullable=False),
        sa.Column("plans", sa.Boolean(), nullable=False),
        sa.Column("plan_days", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("plan_days BETWEEN 0 AND 365", name=op.f("ck_counterparty_status_plan_days")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counterparty_status")),
        sa.UniqueConstraint("name", name=op.f("uq_counterparty_status_name")),
    )
    status = sa.table(
        "counterparty_status",
        *(sa.column(name) for name in ("name", "sort_order", "plan_days", "version")),
        sa.column("plans", sa.Boolean()),
    )
    op.bulk_insert(
        status,
        [
            {"name": name, "sort_order": place, "plans": name in DAYS, "plan_days": DAYS.get(name, 7), "version": 1}
            for place, name in enumerate((*DAYS, "Unpromising"), 1)
        ],
    )
    # One statement for both databases: Alembic would build the whole table anew on SQLite, without its triggers.
    op.execute(
        "ALTER TABLE counterparty ADD COLUMN status_id INTEGER "
        "CONSTRAINT fk_counterparty_status_id REFERENCES counterparty_status (id)"
    )
    op.execute("UPDATE counterparty SET status_id = (SELECT min(id) FROM counterparty_status)")


def downgrade() -> None:
    """Statuses are words again, and counterparties have none."""
    op.drop_column("counterparty", "status_id")
    op.drop_table("counterparty_status")
    for name in ("version", "plan_days", "plans"):
        op.drop_column("lead_status", name)
