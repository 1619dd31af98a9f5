"""In which language callers of each of our numbers hear announcements (S1)."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Asterisk's own choice, until somebody chooses."""
    op.add_column("did", sa.Column("greeting_language", sa.String(20), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    """Asterisk's own choice for all."""
    op.drop_column("did", "greeting_language")
