"""Where recovery from Asterisk's own call records stands, and when Leadline was away."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
