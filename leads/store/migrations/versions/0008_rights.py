"""The right to export, apart from the role."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Nobody exports until he is allowed to; who administers may, as he may give himself the right."""
    op.add_column("employee", sa.Column("may_export", sa.Boolean(), server_default=sa.false(), nullable=False))
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM employee")):
        op.execute("UPDATE employee SET may_export = true WHERE role = 'admin'")


def downgrade() -> None:
    """The right is forgotten."""
    op.drop_column("employee", "may_export")
