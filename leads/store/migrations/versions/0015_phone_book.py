"""Keys with which desk phones fetch their phone book."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """No phone has one before somebody makes it."""
    op.create_table(
        "phone_book_key",
        sa.Column("extension_id", sa.Integer(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["extension_id"],
            ["extension.id"],
            name=op.f("fk_phone_book_key_extension_id_extension"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("extension_id", name=op.f("pk_phone_book_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_phone_book_key_key_hash")),
    )


def downgrade() -> None:
    """Phones fetch nothing any more."""
    op.drop_table("phone_book_key")
