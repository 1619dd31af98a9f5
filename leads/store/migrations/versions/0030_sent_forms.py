"""Forms that were sent just now are known to all servers, so that what is pressed twice is done once (X2)."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Make the table; what was sent before is older than what counts."""
    op.create_table(
        "sent_form",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sent_form")),
    )


def downgrade() -> None:
    """Each server knows its own again."""
    op.drop_table("sent_form")
