"""Recordings of calls: which calls, whose right to listen, where the files are, who listened, what was deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Nothing is recorded until somebody chooses so; who administers may listen, as he may give himself the right."""
    _create_tables()
    setting = sa.table("recording_setting", sa.column("id"), sa.column("calls"), sa.column("keep_days"))
    op.bulk_insert(setting, [{"id": 1, "calls": "none", "keep_days": 90}])
    for table, column in (("did", "recorded"), ("extension", "recorded"), ("employee", "may_listen")):
        op.add_column(table, sa.Column(column, sa.Boolean(), server_default=sa.false(), nullable=False))
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM employee")):
        op.execute("UPDATE employee SET may_listen = true WHERE role = 'admin'")
    # The choice is part of what routing knows, so its changes count as those of our numbers do.
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER recording_setting_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON recording_setting "
            "FOR EACH STATEMENT EXECUTE FUNCTION count_directory_change()"
        )
    else:
        op.execute(
            "CREATE TRIGGER recording_setting_update_counts AFTER UPDATE ON recording_setting "
            "BEGIN UPDATE directory_version SET version = version + 1 WHERE id = 1; END"
        )


def downgrade() -> None:
    """The files stay where they are."""
    for table in ("recording_use", "recording", "recording_setting"):
        op.drop_table(table)
    for table, column in (("did", "recorded"), ("extension", "recorded"), ("employee", "may_listen")):
        op.drop_column(table, column)


def _create_tables() -> None:
    op.create_table(
        "recording_setting",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "calls",
            sa.Enum(
                *("none", "all", "inbound", "outbound", "by-number"),
                name="recordedcalls",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("keep_days", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("keep_days BETWEEN 1 AND 3650", name=op.f("ck_recording_setting_keep_days")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_setting")),
    )
    op.create_table(
        "recording",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pbx", sa.String(length=64), nullable=False),
        sa.Column("linkedid", sa.String(length=150), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_by_id", sa.Integer(), nullable=True),
        sa.Column("deleted_after_days", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["deleted_by_id"], ["employee.id"], name=op.f("fk_recording_deleted_by_id_employee"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording")),
        sa.UniqueConstraint("pbx", "linkedid", "path", name=op.f("uq_recording_pbx_linkedid_path")),
    )
    op.create_index(
        "ix_recording_kept",
        "recording",
        ["recorded_at"],
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "recording_use",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("recording_id", sa.Integer(), nullable=False),
        sa.Column("employee_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "what",
            sa.Enum(*("listened", "saved"), name="use", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["employee_id"], ["employee.id"], name=op.f("fk_recording_use_employee_id_employee"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recording.id"],
            name=op.f("fk_recording_use_recording_id_recording"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_use")),
    )
    op.create_index("ix_recording_use_recording_id_at", "recording_use", ["recording_id", "at"])
