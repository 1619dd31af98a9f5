"""Who is at work when (K2), and who talked last with each number (C4): both decide whom a call reaches."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

COUNTED = ("working_time", "employee_duty", "holiday")
"""Changes to these are changes to what routing knows, as those of the employees are."""
OWNERS = ("number", "lead_id", "counterparty_id", "contact_person_id", "on_active_lead", "pinned")
INDEXED = ("number", "on_active_lead", "lead_id", "counterparty_id", "contact_person_id", "pinned")


def upgrade() -> None:
    """Everybody works at any time until somebody says otherwise; who talked last is found in the calls, this once."""
    _create_tables()
    # One statement for both databases: Alembic would build the whole table anew on SQLite, without its triggers.
    op.execute(
        "ALTER TABLE phone_number ADD COLUMN last_talker_id INTEGER "
        "CONSTRAINT fk_phone_number_last_talker_id REFERENCES employee (id)"
    )
    op.add_column("phone_number", sa.Column("last_talk_at", sa.DateTime(timezone=True), nullable=True))
    for column, value in (("last_talker_id", "employee_id"), ("last_talk_at", "COALESCE(ended_at, started_at)")):
        op.execute(
            f"UPDATE phone_number SET {column} = (SELECT {value} FROM call WHERE outside_number = phone_number.number "
            "AND phase = 3 AND result = 'answered' AND role = 'call' AND employee_id IS NOT NULL "
            "ORDER BY started_at DESC, id DESC LIMIT 1)"
        )
    _make_index((*INDEXED, "last_talker_id"))
    _note_changes((*OWNERS, "last_talker_id"))
    for table in COUNTED:
        _count_changes(table)


def downgrade() -> None:
    """Forget it all; everybody works at any time again."""
    _note_changes(OWNERS)
    _make_index(INDEXED)
    op.drop_column("phone_number", "last_talk_at")
    op.drop_column("phone_number", "last_talker_id")
    for table in COUNTED:
        op.drop_table(table)


def _create_tables() -> None:
    op.create_table(
        "working_time",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("employee_id", sa.Integer(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=False),
        sa.Column("begins", sa.SmallInteger(), nullable=False),
        sa.Column("ends", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_working_time_weekday")),
        sa.CheckConstraint(
            "begins BETWEEN 0 AND 1439 AND ends BETWEEN 0 AND 1440", name=op.f("ck_working_time_minutes")
        ),
        sa.ForeignKeyConstraint(
            ["employee_id"], ["employee.id"], name=op.f("fk_working_time_employee_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_working_time")),
        sa.UniqueConstraint(
            "employee_id", "weekday", "begins", name=op.f("uq_working_time_employee_id_weekday_begins")
        ),
    )
    op.create_table(
        "employee_duty",
        sa.Column("employee_id", sa.Integer(), nullable=False),
        sa.Column("away", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("away_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("substitute_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("substitute_id <> employee_id", name=op.f("ck_employee_duty_another")),
        sa.ForeignKeyConstraint(
            ["employee_id"], ["employee.id"], name=op.f("fk_employee_duty_employee_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["substitute_id"], ["employee.id"], name=op.f("fk_employee_duty_substitute_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("employee_id", name=op.f("pk_employee_duty")),
    )
    op.create_table(
        "holiday",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_holiday")),
    )


def _make_index(columns: tuple[str, ...]) -> None:
    op.drop_index("ix_phone_number_number", "phone_number")
    op.create_index("ix_phone_number_number", "phone_number", list(columns))


def _count_changes(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION count_directory_change()"
        )
        return
    for change in ("INSERT", "UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_{change.lower()}_counts AFTER {change} ON {table} "
            "BEGIN UPDATE directory_version SET version = version + 1 WHERE id = 1; END"
        )


def _note_changes(columns: tuple[str, ...]) -> None:
    """Note a number also when the last talker changes: whom it reaches, and the copy in Asterisk, depend on him."""
    if op.get_bind().dialect.name != "postgresql":
        op.execute("DROP TRIGGER phone_number_update_noted")
        now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
        differs = " OR ".join(f"old.{column} IS NOT new.{column}" for column in columns)
        op.execute(
            f"CREATE TRIGGER phone_number_update_noted AFTER UPDATE OF {', '.join(columns)} ON phone_number "
            f'WHEN {differs} BEGIN INSERT INTO number_change (number, "at") '
            f"SELECT old.number, {now} UNION SELECT new.number, {now}; END"
        )
        return
    op.execute("DROP FUNCTION note_phone_number() CASCADE")
    note = 'INSERT INTO number_change (number, "at", "xid")'
    stamp = "clock_timestamp(), CAST(CAST(pg_current_xact_id() AS text) AS bigint)"
    differs = " OR ".join(f"old.{column} IS DISTINCT FROM new.{column}" for column in columns)
    op.execute(
        "CREATE FUNCTION note_phone_number() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' AND NOT ({differs}) THEN RETURN NULL; END IF; "
        f"IF TG_OP <> 'INSERT' THEN {note} VALUES (old.number, {stamp}); END IF; "
        f"IF TG_OP = 'INSERT' THEN {note} VALUES (new.number, {stamp}); "
        f"ELSIF TG_OP = 'UPDATE' AND new.number <> old.number THEN {note} VALUES (new.number, {stamp}); END IF; "
        "RETURN NULL; END $$"
    )
    op.execute(
        f"CREATE TRIGGER phone_number_noted AFTER INSERT OR DELETE OR UPDATE OF {', '.join(columns)} ON phone_number "
        "FOR EACH ROW EXECUTE FUNCTION note_phone_number()"
    )
