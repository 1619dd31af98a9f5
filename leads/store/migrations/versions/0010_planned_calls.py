"""Planned calls, the company's choices for them, and which days the daily job has done (P2 to P4)."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

OPEN = sa.text("state = 'open'")
PERSONS = ("lead", "counterparty")
_EMPLOYEES = ("employee_id", "made_by_id", "closed_by_id", "dialled_by_id")


def upgrade() -> None:
    """Nothing is planned yet: the first daily job does that."""
    _create_planned_call()
    op.create_table(
        "planning_setting",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("planning", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("any_conversation", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("daily_cap", sa.Integer(), server_default=sa.text("50"), nullable=False),
        sa.Column("working_days", sa.String(length=7), server_default="12345", nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("daily_cap BETWEEN 1 AND 1000", name=op.f("ck_planning_setting_daily_cap")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_planning_setting")),
    )
    op.bulk_insert(sa.table("planning_setting", sa.column("id")), [{"id": 1}])
    op.create_table(
        "planning_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("leads_done", sa.Integer(), nullable=False),
        sa.Column("counterparties_done", sa.Integer(), nullable=False),
        sa.Column("planned", sa.Integer(), nullable=False),
        sa.Column("finished", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_planning_day")),
    )
    # Whoever changes the responsible (a call, a card, many at once): the open call is his.
    for person in PERSONS:
        _follow_responsible(person)


def downgrade() -> None:
    """Nothing is planned any more."""
    for person in PERSONS:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"DROP FUNCTION {person}_plans_follow() CASCADE")
        else:
            op.execute(f"DROP TRIGGER {person}_plans_follow")
    for table in ("planning_day", "planning_setting", "planned_call"):
        op.drop_table(table)


def _create_planned_call() -> None:
    state = sa.Enum(
        *("open", "done", "cancelled"), name="planstate", native_enum=False, create_constraint=True, length=16
    )
    op.create_table(
        "planned_call",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lead_id", sa.Integer(), nullable=True),
        sa.Column("counterparty_id", sa.Integer(), nullable=True),
        sa.Column("employee_id", sa.Integer(), nullable=True),
        sa.Column("state", state, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by_id", sa.Integer(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by_id", sa.Integer(), nullable=True),
        sa.Column("call", sa.String(length=150), nullable=True),
        sa.Column("dialled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dialled_by_id", sa.Integer(), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("(lead_id IS NULL) <> (counterparty_id IS NULL)", name=op.f("ck_planned_call_one_person")),
        *(
            sa.ForeignKeyConstraint(
                [f"{person}_id"], [f"{person}.id"], name=op.f(f"fk_planned_call_{person}_id"), ondelete="CASCADE"
            )
            for person in PERSONS
        ),
        *(
            sa.ForeignKeyConstraint(
                [column], ["employee.id"], name=op.f(f"fk_planned_call_{column}"), ondelete="SET NULL"
            )
            for column in _EMPLOYEES
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_planned_call")),
    )
    for name, columns, unique in (
        ("uq_planned_call_lead_open", ["lead_id"], True),
        ("uq_planned_call_counterparty_open", ["counterparty_id"], True),
        ("ix_planned_call_employee_id_day_open", ["employee_id", "day", "id"], False),
        ("ix_planned_call_day_open", ["day", "id"], False),
    ):
        op.create_index(name, "planned_call", columns, unique=unique, sqlite_where=OPEN, postgresql_where=OPEN)
    for name, columns in (
        ("ix_planned_call_lead_id_day", ["lead_id", "day"]),
        ("ix_planned_call_counterparty_id_day", ["counterparty_id", "day"]),
        ("ix_planned_call_employee_id_state_day", ["employee_id", "state", "day", "id"]),
    ):
        op.create_index(name, "planned_call", columns)


def _follow_responsible(person: str) -> None:
    follow = f"UPDATE planned_call SET employee_id = new.responsible_id WHERE {person}_id = new.id AND state = 'open'; "
    name = f"{person}_plans_follow"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {follow} RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} AFTER UPDATE OF responsible_id ON {person} FOR EACH ROW "
            f"WHEN (old.responsible_id IS DISTINCT FROM new.responsible_id) EXECUTE FUNCTION {name}()"
        )
    else:
        op.execute(
            f"CREATE TRIGGER {name} AFTER UPDATE OF responsible_id ON {person} "
            f"WHEN old.responsible_id IS NOT new.responsible_id BEGIN {follow} END"
        )
