"""Whoever gets a person with a planned call is reminded of it, also where the one before him was already (P5)."""

from alembic import op

revision = "0029"
down_revision = "0028"

_HANDS_OVER = "employee_id = new.responsible_id"
_FORGETS = ", reminded_at = NULL"


def upgrade() -> None:
    """A call that changes hands with its person is untold to its new employee."""
    _follow(_HANDS_OVER + _FORGETS)


def downgrade() -> None:
    """It is told once, to whoever had it then."""
    _follow(_HANDS_OVER)


def _follow(changes: str) -> None:
    for person in ("lead", "counterparty"):
        name = f"{person}_plans_follow"
        follow = f"UPDATE planned_call SET {changes} WHERE {person}_id = new.id AND state = 'open'; "
        if op.get_bind().dialect.name == "postgresql":
            op.execute(
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN {follow} RETURN NULL; END $$"
            )
        else:
            op.execute(f"DROP TRIGGER {name}")
            op.execute(
                f"CREATE TRIGGER {name} AFTER UPDATE OF responsible_id ON {person} "
                f"WHEN old.responsible_id IS NOT new.responsible_id BEGIN {follow} END"
            )
