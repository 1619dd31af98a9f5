"""Imports: what each file made and changed, and the rows that were refused."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Nothing was imported before."""
    _create_batch()
    _create_item()
    op.create_table(
        "import_refusal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["import_batch.id"], name=op.f("fk_import_refusal_batch_id_import_batch"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_refusal")),
    )
    op.create_index("ix_import_refusal_batch_id_id", "import_refusal", ["batch_id", "id"])


def downgrade() -> None:
    """What was imported stays, and can no longer be undone."""
    for table in ("import_refusal", "import_item", "import_batch"):
        op.drop_table(table)


def _create_batch() -> None:
    kinds, states = ("leads", "counterparties"), ("running", "done", "stopped", "undoing", "undone")
    counts = [
        sa.Column(name, sa.Integer(), nullable=False) for name in ("made", "updated", "skipped", "refused", "kept")
    ]
    op.create_table(
        "import_batch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(*kinds, name="importkind", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("employee_id", sa.Integer(), nullable=True),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column(
            "state",
            sa.Enum(*states, name="importstate", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("update_known", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("read", sa.BigInteger(), nullable=False),
        *counts,
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["employee_id"], ["employee.id"], name=op.f("fk_import_batch_employee_id_employee"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_batch")),
    )
    op.create_index("ix_import_batch_started_at_id", "import_batch", ["started_at", "id"])


def _create_item() -> None:
    owners = ("lead", "counterparty")
    op.create_table(
        "import_item",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=False),
        *[sa.Column(f"{owner}_id", sa.Integer(), nullable=True) for owner in owners],
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["import_batch.id"], name=op.f("fk_import_item_batch_id_import_batch"), ondelete="CASCADE"
        ),
        *[
            sa.ForeignKeyConstraint(
                [f"{owner}_id"], [f"{owner}.id"], name=op.f(f"fk_import_item_{owner}_id_{owner}"), ondelete="CASCADE"
            )
            for owner in owners
        ],
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_item")),
    )
    op.create_index("ix_import_item_batch_id_id", "import_item", ["batch_id", "id"])
    for owner in owners:
        known = sa.text(f"{owner}_id IS NOT NULL")
        op.create_index(
            f"ix_import_item_{owner}_id", "import_item", [f"{owner}_id"], sqlite_where=known, postgresql_where=known
        )
