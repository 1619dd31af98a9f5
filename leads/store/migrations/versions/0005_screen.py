"""Each user's own key that opens the caller's card (L11); none means the usual one."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Room for the key, as in Ctrl+Q."""
    op.add_column("employee", sa.Column("card_key", sa.String(24), nullable=True))


def downgrade() -> None:
    """Forget the keys; everybody has the usual one again."""
    op.drop_column("employee", "card_key")
