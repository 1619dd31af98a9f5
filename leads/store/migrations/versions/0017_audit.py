"""The audit log, which the database itself keeps append-only, and how long things are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

KEPT = ("id", "at", "employee_id", "who", "what", "kind", "object_id", "lead_id", "counterparty_id")
"""What erasing a person leaves as it was."""


def upgrade() -> None:
    """Begin with an empty log; everything is kept until somebody chooses a time."""
    _create_tables()
    retention = sa.table("retention", sa.column("kind"), sa.column("days"))
    op.bulk_insert(retention, [{"kind": kind, "days": None} for kind in ("calls", "audit", "outages")])
    if op.get_bind().dialect.name == "postgresql":
        _guard_on_postgresql()
    else:
        _guard_on_sqlite()


def downgrade() -> None:
    """The log goes."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_change() CASCADE")
        op.drop_table("audit_entry")
        op.execute("DROP FUNCTION keep_audit_entry() CASCADE")
        op.execute("DROP FUNCTION keep_audit_log() CASCADE")
    else:
        op.execute("DROP TRIGGER change_audited")
        op.drop_table("audit_entry")
    op.drop_table("retention")


def _create_tables() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("employee_id", sa.Integer(), nullable=True),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=True),
        sa.Column("lead_id", sa.Integer(), nullable=True),
        sa.Column("counterparty_id", sa.Integer(), nullable=True),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index("ix_audit_entry_at", "audit_entry", ["at"])
    op.create_index("ix_audit_entry_employee_id", "audit_entry", ["employee_id", "id"])
    for column in ("lead_id", "counterparty_id"):
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_audit_entry_{column}", "audit_entry", [column], sqlite_where=where, postgresql_where=where)
    op.create_table(
        "retention",
        sa.Column(
            "kind",
            sa.Enum("calls", "audit", "outages", name="kept", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("days", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("days BETWEEN 1 AND 36500", name=op.f("ck_retention_days")),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_retention")),
    )


def _guard_on_sqlite() -> None:
    same = " AND ".join(f"new.{column} IS old.{column}" for column in KEPT)
    emptied = "old.erased_at IS NULL AND new.erased_at IS NOT NULL AND new.before = '{}' AND new.after = '{}'"
    refuse = "SELECT RAISE(ABORT, 'the audit log is append-only')"
    op.execute(
        f"CREATE TRIGGER audit_entry_kept BEFORE UPDATE ON audit_entry WHEN NOT ({same} AND {emptied}) "
        f"BEGIN {refuse}; END"
    )
    limit = "(SELECT strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || days || ' days') FROM retention WHERE kind = 'audit')"
    op.execute(
        f"CREATE TRIGGER audit_entry_stays BEFORE DELETE ON audit_entry WHEN NOT coalesce(old.at < {limit}, 0) "
        f"BEGIN {refuse}; END"
    )
    op.execute(
        "CREATE TRIGGER change_audited AFTER INSERT ON change BEGIN "
        "INSERT INTO audit_entry "
        "(at, employee_id, who, what, kind, object_id, lead_id, counterparty_id, before, after) "
        "VALUES (new.at, new.employee_id, coalesce((SELECT name FROM employee WHERE id = new.employee_id), ''), "
        "'changed', CASE WHEN new.lead_id IS NULL THEN 'counterparty' ELSE 'lead' END, "
        "coalesce(new.lead_id, new.counterparty_id), new.lead_id, new.counterparty_id, "
        "json_object(new.field, new.before), json_object(new.field, new.after)); END"
    )


def _guard_on_postgresql() -> None:
    same = " AND ".join(f"new.{column} IS NOT DISTINCT FROM old.{column}" for column in KEPT)
    emptied = (
        "old.erased_at IS NULL AND new.erased_at IS NOT NULL AND new.before::text = '{}' AND new.after::text = '{}'"
    )
    refuse = "RAISE EXCEPTION 'the audit log is append-only'"
    limit = "(SELECT now() - make_interval(days => days) FROM retention WHERE kind = 'audit')"
    op.execute(
        "CREATE FUNCTION keep_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' THEN IF NOT ({same} AND {emptied}) THEN {refuse}; END IF; RETURN new; END IF; "
        f"IF NOT coalesce(old.at < {limit}, false) THEN {refuse}; END IF; RETURN old; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_entry_kept BEFORE UPDATE OR DELETE ON audit_entry "
        "FOR EACH ROW EXECUTE FUNCTION keep_audit_entry()"
    )
    op.execute(f"CREATE FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {refuse}; END $$")
    op.execute(
        "CREATE TRIGGER audit_log_kept BEFORE TRUNCATE ON audit_entry "
        "FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_log()"
    )
    op.execute(
        "CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        'INSERT INTO audit_entry ("at", employee_id, who, what, kind, object_id, lead_id, counterparty_id, '
        "before, after) "
        "VALUES (new.at, new.employee_id, coalesce((SELECT name FROM employee WHERE id = new.employee_id), ''), "
        "'changed', CASE WHEN new.lead_id IS NULL THEN 'counterparty' ELSE 'lead' END, "
        "coalesce(new.lead_id, new.counterparty_id), new.lead_id, new.counterparty_id, "
        "json_build_object(new.field, new.before), json_build_object(new.field, new.after)); RETURN NULL; END $$"
    )
    op.execute("CREATE TRIGGER change_audited AFTER INSERT ON change FOR EACH ROW EXECUTE FUNCTION audit_change()")
