"""Tasks, also those that missed calls make, and dated notes (P6 to P8)."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

OPEN = sa.text("done_at IS NULL")
OPEN_MISSED = sa.text("kind = 'missed' AND done_at IS NULL")
PERSONS = ("lead", "counterparty")


def upgrade() -> None:
    """Calls that were missed before have made none."""
    kind = sa.Enum("typed", "missed", name="taskkind", native_enum=False, create_constraint=True, length=16)
    op.create_table(
        "task",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", kind, nullable=False),
        *_persons(),
        sa.Column("employee_id", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by_id", sa.Integer(), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("missed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        *_constraints("task", "employee_id", "made_by_id", "done_by_id"),
    )
    for person in PERSONS:
        op.create_index(
            f"uq_task_{person}_missed",
            "task",
            [f"{person}_id"],
            unique=True,
            sqlite_where=OPEN_MISSED,
            postgresql_where=OPEN_MISSED,
        )
        op.create_index(f"ix_task_{person}_id", "task", [f"{person}_id"])
    op.create_index(
        "ix_task_employee_id_open", "task", ["employee_id", "due_on", "id"], sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.create_table(
        "note",
        sa.Column("id", sa.Integer(), nullable=False),
        *_persons(),
        sa.Column("call_id", sa.Integer(), nullable=True),
        sa.Column("employee_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_note_call_id"), ondelete="SET NULL"),
        *_constraints("note", "employee_id"),
    )
    for person in PERSONS:
        op.create_index(f"ix_note_{person}_id_at", "note", [f"{person}_id", "at"])
    op.create_index("ix_note_call_id", "note", ["call_id"])
    for person in PERSONS:
        _follow_responsible(person)


def downgrade() -> None:
    """Tasks and notes are lost."""
    for person in PERSONS:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"DROP FUNCTION {person}_tasks_follow() CASCADE")
        else:
            op.execute(f"DROP TRIGGER {person}_tasks_follow")
    op.drop_table("note")
    op.drop_table("task")


def _persons() -> list[sa.Column[int]]:
    return [sa.Column(f"{person}_id", sa.Integer(), nullable=True) for person in PERSONS]


def _constraints(table: str, *employees: str) -> list[sa.Constraint]:
    return [
        sa.CheckConstraint("(lead_id IS NULL) <> (counterparty_id IS NULL)", name=op.f(f"ck_{table}_one_person")),
        *(
            sa.ForeignKeyConstraint(
                [f"{person}_id"], [f"{person}.id"], name=op.f(f"fk_{table}_{person}_id"), ondelete="CASCADE"
            )
            for person in PERSONS
        ),
        *(
            sa.ForeignKeyConstraint([column], ["employee.id"], name=op.f(f"fk_{table}_{column}"), ondelete="SET NULL")
            for column in employees
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def _follow_responsible(person: str) -> None:
    """A call that is to be called back is the new responsible's, whoever made him that."""
    name = f"{person}_tasks_follow"
    follow = (
        f"UPDATE task SET employee_id = new.responsible_id "
        f"WHERE {person}_id = new.id AND kind = 'missed' AND done_at IS NULL; "
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {follow} RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} AFTER UPDATE OF responsible_id ON {person} FOR EACH ROW "
            f"WHEN (old.responsible_id IS DISTINCT FROM new.responsible_id AND new.responsible_id IS NOT NULL) "
            f"EXECUTE FUNCTION {name}()"
        )
    else:
        op.execute(
            f"CREATE TRIGGER {name} AFTER UPDATE OF responsible_id ON {person} "
            f"WHEN old.responsible_id IS NOT new.responsible_id AND new.responsible_id IS NOT NULL "
            f"BEGIN {follow} END"
        )
