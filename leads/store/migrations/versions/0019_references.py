"""Leaves rows without a reference out of its index, so that whom a call is with is found without reading all numbers.

Statistics of SQLite count the empty rows as one value of many rows, and its planner then reads the table instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_REFERENCES = [
    ("lead", "counterparty_id"),
    ("lead", "contact_person_id"),
    ("phone_number", "counterparty_id"),
    ("phone_number", "contact_person_id"),
]


def upgrade() -> None:
    """The same names, fewer rows."""
    for table, column in _REFERENCES:
        where = sa.text(f"{column} IS NOT NULL")
        op.drop_index(f"ix_{table}_{column}", table)
        op.create_index(f"ix_{table}_{column}", table, [column], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """All rows again."""
    for table, column in _REFERENCES:
        op.drop_index(f"ix_{table}_{column}", table)
        op.create_index(f"ix_{table}_{column}", table, [column])
