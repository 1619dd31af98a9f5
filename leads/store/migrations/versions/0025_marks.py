"""A counterparty that came with a file keeps the mark that it has there, so that the file finds it again (L10)."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """The mark; those that are there already have one by their key."""
    op.add_column("counterparty", sa.Column("mark", sa.String(20), nullable=True))


def downgrade() -> None:
    """The mark goes."""
    op.drop_column("counterparty", "mark")
