"""Every column of the lists sorts them: leads by source, counterparties by number and by contact person (L10)."""

from itertools import groupby

import sqlalchemy as sa
from alembic import op

from leads.store.search import sort_key

revision = "0022"
down_revision = "0021"

MAIN_NUMBER = """
    UPDATE counterparty SET main_number = COALESCE(
        (SELECT p.number FROM phone_number p WHERE p.counterparty_id = counterparty.id
         ORDER BY p.position, p.id LIMIT 1),
        (SELECT p.number FROM contact_person c JOIN phone_number p ON p.contact_person_id = c.id
         WHERE c.counterparty_id = counterparty.id ORDER BY c.id, p.position, p.id LIMIT 1),
        '')
"""
PEOPLE = sa.text("SELECT counterparty_id, name FROM contact_person ORDER BY counterparty_id, id")
KEYS = sa.text("UPDATE counterparty SET sort_person = :first, people_keys = :all WHERE id = :id")
NEW = (("main_number", sa.String(16)), ("sort_person", sa.String(200)), ("people_keys", sa.Text()))


def upgrade() -> None:
    """Derive what they are sorted by, and index it."""
    connection = op.get_bind()
    for name, kind in NEW:
        op.add_column("counterparty", sa.Column(name, kind, server_default=sa.text("''"), nullable=False))
    if connection.dialect.name == "postgresql":
        for name, length in (("main_number", 16), ("sort_person", 200)):
            op.execute(f'ALTER TABLE counterparty ALTER COLUMN {name} TYPE VARCHAR({length}) COLLATE "C"')
    op.execute(MAIN_NUMBER)
    people = groupby(connection.execute(PEOPLE).all(), key=lambda row: row[0])
    keys = [(identity, [sort_key(row[1]) for row in rows]) for identity, rows in people]
    if keys:
        connection.execute(KEYS, [{"id": one, "first": names[0], "all": "\n".join(names)} for one, names in keys])
    for key in ("main_number", "sort_person"):
        op.create_index(f"ix_counterparty_{key}_id", "counterparty", [key, "id"])
    op.create_index("ix_lead_source_sort_name", "lead", ["source_id", "list_state", "status_id", "sort_name", "id"])
    op.drop_index("ix_lead_source_id", "lead")


def downgrade() -> None:
    """Sorted by fewer columns."""
    op.create_index("ix_lead_source_id", "lead", ["source_id"])
    op.drop_index("ix_lead_source_sort_name", "lead")
    for key in ("sort_person", "main_number"):
        op.drop_index(f"ix_counterparty_{key}_id", "counterparty")
    for name, _kind in reversed(NEW):
        op.drop_column("counterparty", name)
