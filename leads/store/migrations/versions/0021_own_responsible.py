"""A contact person's own responsible keeps the call that he is to make, whoever gets the counterparty (K1, P7)."""

from alembic import op

revision = "0021"
down_revision = "0020"

_NAME = "counterparty_tasks_follow"
_MISSED = "counterparty_id = new.id AND kind = 'missed' AND done_at IS NULL"
_NOT_HIS_OWN = (
    "NOT EXISTS (SELECT 1 FROM contact_person WHERE counterparty_id = new.id AND responsible_id = task.employee_id)"
)


def upgrade() -> None:
    """Leave to a contact person's responsible what is his."""
    _follow(f"{_MISSED} AND {_NOT_HIS_OWN}")


def downgrade() -> None:
    """All are the counterparty's responsible's again."""
    _follow(_MISSED)


def _follow(which: str) -> None:
    follow = f"UPDATE task SET employee_id = new.responsible_id WHERE {which};"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE OR REPLACE FUNCTION {_NAME}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {follow} RETURN NULL; END $$"
        )
    else:
        op.execute(f"DROP TRIGGER {_NAME}")
        op.execute(
            f"CREATE TRIGGER {_NAME} AFTER UPDATE OF responsible_id ON counterparty "
            f"WHEN old.responsible_id IS NOT new.responsible_id AND new.responsible_id IS NOT NULL "
            f"BEGIN {follow} END"
        )
