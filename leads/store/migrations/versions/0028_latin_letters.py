"""Names with stroked Latin letters stand where their plain letters do: Łukasz before Maria, not after Zorro."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"

LETTERS = {"ł": "l", "đ": "d", "ø": "o", "ħ": "h", "ŧ": "t", "ı": "i"}
KEYS = {"lead": ("sort_name",), "counterparty": ("sort_name", "sort_person", "people_keys")}


def upgrade() -> None:
    """Write the keys anew that have such letters: each letter was its own place, and is one of another now."""
    for table, keys in KEYS.items():
        for key in keys:
            column: sa.ColumnClause[str] = sa.column(key)
            written: sa.ColumnElement[str] = column
            for letter, plain in LETTERS.items():
                written = sa.func.replace(written, letter, plain)
            op.execute(sa.update(sa.table(table, column)).values({key: written}).where(column != written))


def downgrade() -> None:
    """Which letters they were is not known any more; names in their order are of use to the version before, too."""
