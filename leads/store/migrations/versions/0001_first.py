"""The first tables, what they begin with, and what the database does itself: count changes, search inside words."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

DIRECTORY_TABLES = (
    "employee",
    "extension",
    "employee_mobile",
    "ring_group",
    "group_member",
    "did",
    "ignored_number",
)
SEARCHED_TABLES = ("lead", "counterparty")
STATUSES = ("Hot", "Warm", "Cold", "Unpromising")

_ONE_OWNER = {
    "sqlite": "(lead_id IS NOT NULL) + (counterparty_id IS NOT NULL) + (contact_person_id IS NOT NULL) = 1",
    "postgresql": "num_nonnulls(lead_id, counterparty_id, contact_person_id) = 1",
}


def upgrade() -> None:
    """Create everything on a database that holds nothing of ours."""
    _create_tables()
    _seed()
    if op.get_bind().dialect.name == "postgresql":
        _count_changes_on_postgresql()
        _search_on_postgresql()
    else:
        _count_changes_on_sqlite()
        _search_on_sqlite()


def _seed() -> None:
    version = sa.table("directory_version", sa.column("id"), sa.column("version"))
    op.bulk_insert(version, [{"id": 1, "version": 1}])
    status = sa.table("lead_status", sa.column("name"), sa.column("sort_order"))
    op.bulk_insert(status, [{"name": name, "sort_order": place} for place, name in enumerate(STATUSES, 1)])


def _count_changes_on_sqlite() -> None:
    for table in DIRECTORY_TABLES:
        for change in ("INSERT", "UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_{change.lower()}_counts AFTER {change} ON {table} "
                "BEGIN UPDATE directory_version SET version = version + 1 WHERE id = 1; END"
            )


def _count_changes_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION count_directory_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN UPDATE directory_version SET version = version + 1 WHERE id = 1; RETURN NULL; END $$"
    )
    for table in DIRECTORY_TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION count_directory_change()"
        )


def _search_on_sqlite() -> None:
    """Keep a trigram index beside each searched table; the text itself stays in the table only."""
    for table in SEARCHED_TABLES:
        search = f"{table}_search"
        forget = f"INSERT INTO {search}({search}, rowid, search_text) VALUES ('delete', old.id, old.search_text);"
        learn = f"INSERT INTO {search}(rowid, search_text) VALUES (new.id, new.search_text);"
        op.execute(
            f"CREATE VIRTUAL TABLE {search} USING fts5"
            f"(search_text, content='{table}', content_rowid='id', tokenize='trigram')"
        )
        op.execute(f"CREATE TRIGGER {table}_insert_search AFTER INSERT ON {table} BEGIN {learn} END")
        op.execute(f"CREATE TRIGGER {table}_delete_search AFTER DELETE ON {table} BEGIN {forget} END")
        op.execute(
            f"CREATE TRIGGER {table}_update_search AFTER UPDATE OF search_text ON {table} "
            f"WHEN old.search_text IS NOT new.search_text BEGIN {forget} {learn} END"
        )


def _search_on_postgresql() -> None:
    for table in SEARCHED_TABLES:
        op.execute(f"CREATE INDEX ix_{table}_search_text ON {table} USING gin (search_text gin_trgm_ops)")


def _create_tables() -> None:
    op.create_table(
        "directory_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_version")),
    )
    op.create_table(
        "employee",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("login", sa.String(length=100), nullable=True),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column(
            "role",
            sa.Enum(
                "employee", "supervisor", "admin", name="role", native_enum=False, create_constraint=True, length=16
            ),
            nullable=False,
        ),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("ring_seconds", sa.Integer(), nullable=False),
        sa.Column("call_waiting", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("ring_seconds BETWEEN 5 AND 300", name=op.f("ck_employee_ring_seconds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_employee")),
        sa.UniqueConstraint("login", name=op.f("uq_employee_login")),
    )
    op.create_table(
        "ignored_number",
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ignored_number")),
    )
    op.create_table(
        "lead_status",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sort_order", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_status")),
        sa.UniqueConstraint("name", name=op.f("uq_lead_status_name")),
    )
    op.create_table(
        "ring_group",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("ring_seconds", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("ring_seconds BETWEEN 5 AND 300", name=op.f("ck_ring_group_ring_seconds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ring_group")),
        sa.UniqueConstraint("name", name=op.f("uq_ring_group_name")),
    )
    op.create_table(
        "routing_decision",
        sa.Column("pbx", sa.String(length=64), nullable=False),
        sa.Column("linkedid", sa.String(length=150), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("pbx", "linkedid", name=op.f("pk_routing_decision")),
    )
    op.create_table(
        "counterparty",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("folder", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=500), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("responsible_id", sa.Integer(), nullable=True),
        sa.Column("sort_name", sa.String(length=200), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["responsible_id"], ["employee.id"], name=op.f("fk_counterparty_responsible_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counterparty")),
    )
    op.create_index("ix_counterparty_created_at_id", "counterparty", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_counterparty_responsible_id"), "counterparty", ["responsible_id"], unique=False)
    op.create_index("ix_counterparty_sort_name_id", "counterparty", ["sort_name", "id"], unique=False)
    op.create_table(
        "employee_mobile",
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("employee_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["employee_id"], ["employee.id"], name=op.f("fk_employee_mobile_employee_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_employee_mobile")),
    )
    op.create_index(op.f("ix_employee_mobile_employee_id"), "employee_mobile", ["employee_id"], unique=False)
    op.create_table(
        "extension",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=8), nullable=False),
        sa.Column("endpoint", sa.String(length=80), nullable=False),
        sa.Column("employee_id", sa.Integer(), nullable=True),
        sa.Column(
            "display_mode",
            sa.Enum("latin", "utf8", "off", name="displaymode", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("display_length", sa.Integer(), nullable=False),
        sa.CheckConstraint("display_length BETWEEN 4 AND 80", name=op.f("ck_extension_display_length")),
        sa.ForeignKeyConstraint(
            ["employee_id"], ["employee.id"], name=op.f("fk_extension_employee_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extension")),
        sa.UniqueConstraint("endpoint", name=op.f("uq_extension_endpoint")),
        sa.UniqueConstraint("number", name=op.f("uq_extension_number")),
    )
    op.create_index(op.f("ix_extension_employee_id"), "extension", ["employee_id"], unique=False)
    op.create_table(
        "panel_session",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("employee_id", sa.Integer(), nullable=False),
        sa.Column("csrf_token", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_agent", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["employee_id"], ["employee.id"], name=op.f("fk_panel_session_employee_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_panel_session")),
    )
    op.create_index(op.f("ix_panel_session_employee_id"), "panel_session", ["employee_id"], unique=False)
    op.create_table(
        "contact_person",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("counterparty_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=200), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("responsible_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["counterparty_id"], ["counterparty.id"], name=op.f("fk_contact_person_counterparty_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["responsible_id"], ["employee.id"], name=op.f("fk_contact_person_responsible_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_person")),
    )
    op.create_index(op.f("ix_contact_person_counterparty_id"), "contact_person", ["counterparty_id"], unique=False)
    op.create_table(
        "did",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("queue", sa.String(length=40), nullable=True),
        sa.Column("queue_seconds", sa.Integer(), nullable=False),
        sa.Column("default_extension_id", sa.Integer(), nullable=True),
        sa.Column("responsible_id", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("group_id IS NULL OR queue IS NULL", name=op.f("ck_did_group_or_queue")),
        sa.CheckConstraint("queue_seconds BETWEEN 5 AND 3600", name=op.f("ck_did_queue_seconds")),
        sa.ForeignKeyConstraint(
            ["default_extension_id"], ["extension.id"], name=op.f("fk_did_default_extension_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["group_id"], ["ring_group.id"], name=op.f("fk_did_group_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["responsible_id"], ["employee.id"], name=op.f("fk_did_responsible_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_did")),
        sa.UniqueConstraint("number", name=op.f("uq_did_number")),
    )
    op.create_table(
        "group_member",
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("extension_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["extension_id"], ["extension.id"], name=op.f("fk_group_member_extension_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["ring_group.id"], name=op.f("fk_group_member_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "extension_id", name=op.f("pk_group_member")),
    )
    op.create_table(
        "lead",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("named", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("email", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=500), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("status_id", sa.Integer(), nullable=False),
        sa.Column("responsible_id", sa.Integer(), nullable=True),
        sa.Column("responsible_by_hand", sa.Boolean(), nullable=False),
        sa.Column("counterparty_id", sa.Integer(), nullable=True),
        sa.Column("contact_person_id", sa.Integer(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_call_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_talk_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_talk_call", sa.String(length=150), nullable=True),
        sa.Column("main_number", sa.String(length=16), nullable=False),
        sa.Column("sort_name", sa.String(length=200), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["contact_person_id"], ["contact_person.id"], name=op.f("fk_lead_contact_person_id")),
        sa.ForeignKeyConstraint(["counterparty_id"], ["counterparty.id"], name=op.f("fk_lead_counterparty_id")),
        sa.ForeignKeyConstraint(
            ["responsible_id"], ["employee.id"], name=op.f("fk_lead_responsible_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["status_id"], ["lead_status.id"], name=op.f("fk_lead_status_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead")),
    )
    op.create_index(op.f("ix_lead_contact_person_id"), "lead", ["contact_person_id"], unique=False)
    op.create_index(op.f("ix_lead_counterparty_id"), "lead", ["counterparty_id"], unique=False)
    op.create_index("ix_lead_created_at_id", "lead", ["created_at", "id"], unique=False)
    op.create_index("ix_lead_last_call_at_id", "lead", ["last_call_at", "id"], unique=False)
    op.create_index(
        "ix_lead_responsible_id_created_at_id", "lead", ["responsible_id", "created_at", "id"], unique=False
    )
    op.create_index("ix_lead_sort_name_id", "lead", ["sort_name", "id"], unique=False)
    op.create_index("ix_lead_status_id_created_at_id", "lead", ["status_id", "created_at", "id"], unique=False)
    op.create_table(
        "call",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pbx", sa.String(length=64), nullable=False),
        sa.Column("linkedid", sa.String(length=150), nullable=False),
        sa.Column(
            "role",
            sa.Enum("call", "consultation", name="role", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("parent_linkedid", sa.String(length=150), nullable=True),
        sa.Column("phase", sa.SmallInteger(), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column(
            "direction",
            sa.Enum(
                "inbound",
                "outbound",
                "internal",
                name="direction",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=True,
        ),
        sa.Column("caller", sa.String(length=200), nullable=True),
        sa.Column("caller_name", sa.String(length=200), nullable=True),
        sa.Column("dialled", sa.String(length=200), nullable=True),
        sa.Column("outside_number", sa.String(length=16), nullable=True),
        sa.Column("did", sa.String(length=16), nullable=True),
        sa.Column(
            "result",
            sa.Enum(
                "answered",
                "no-answer",
                "busy",
                "rejected",
                "cancelled",
                "failed",
                name="result",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=True,
        ),
        sa.Column("answered_by", sa.String(length=80), nullable=True),
        sa.Column("employee_id", sa.Integer(), nullable=True),
        sa.Column("lead_id", sa.Integer(), nullable=True),
        sa.Column("counterparty_id", sa.Integer(), nullable=True),
        sa.Column("contact_person_id", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ring_seconds", sa.Double(), nullable=True),
        sa.Column("talk_seconds", sa.Double(), nullable=True),
        sa.Column("transfers", sa.JSON(), nullable=False),
        sa.Column("legs", sa.JSON(), nullable=False),
        sa.Column("incomplete", sa.Boolean(), nullable=False),
        sa.Column("halves", sa.JSON(none_as_null=True), nullable=True),
        sa.CheckConstraint("phase BETWEEN 1 AND 3", name=op.f("ck_call_phase")),
        sa.ForeignKeyConstraint(
            ["contact_person_id"], ["contact_person.id"], name=op.f("fk_call_contact_person_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["counterparty_id"], ["counterparty.id"], name=op.f("fk_call_counterparty_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["employee_id"], ["employee.id"], name=op.f("fk_call_employee_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name=op.f("fk_call_lead_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call")),
        sa.UniqueConstraint("pbx", "linkedid", name=op.f("uq_call_pbx_linkedid")),
    )
    op.create_index("ix_call_counterparty_id_started_at", "call", ["counterparty_id", "started_at"], unique=False)
    op.create_index("ix_call_lead_id_started_at", "call", ["lead_id", "started_at"], unique=False)
    op.create_index(
        "ix_call_live",
        "call",
        ["started_at"],
        unique=False,
        sqlite_where=sa.text("phase < 3"),
        postgresql_where=sa.text("phase < 3"),
    )
    op.create_index("ix_call_outside_number_started_at", "call", ["outside_number", "started_at"], unique=False)
    op.create_index("ix_call_started_at_id", "call", ["started_at", "id"], unique=False)
    op.create_table(
        "change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("employee_id", sa.Integer(), nullable=True),
        sa.Column("lead_id", sa.Integer(), nullable=True),
        sa.Column("counterparty_id", sa.Integer(), nullable=True),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["counterparty_id"], ["counterparty.id"], name=op.f("fk_change_counterparty_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["employee_id"], ["employee.id"], name=op.f("fk_change_employee_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name=op.f("fk_change_lead_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change")),
    )
    op.create_index("ix_change_counterparty_id_at", "change", ["counterparty_id", "at"], unique=False)
    op.create_index("ix_change_lead_id_at", "change", ["lead_id", "at"], unique=False)
    op.create_table(
        "phone_number",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("lead_id", sa.Integer(), nullable=True),
        sa.Column("counterparty_id", sa.Integer(), nullable=True),
        sa.Column("contact_person_id", sa.Integer(), nullable=True),
        sa.Column("on_active_lead", sa.Boolean(), nullable=False),
        sa.CheckConstraint(_ONE_OWNER[op.get_bind().dialect.name], name=op.f("ck_phone_number_owner")),
        sa.ForeignKeyConstraint(
            ["contact_person_id"],
            ["contact_person.id"],
            name=op.f("fk_phone_number_contact_person_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["counterparty_id"], ["counterparty.id"], name=op.f("fk_phone_number_counterparty_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name=op.f("fk_phone_number_lead_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phone_number")),
    )
    op.create_index(op.f("ix_phone_number_contact_person_id"), "phone_number", ["contact_person_id"], unique=False)
    op.create_index(op.f("ix_phone_number_counterparty_id"), "phone_number", ["counterparty_id"], unique=False)
    op.create_index(op.f("ix_phone_number_lead_id"), "phone_number", ["lead_id"], unique=False)
    op.create_index(
        "ix_phone_number_number",
        "phone_number",
        ["number", "on_active_lead", "lead_id", "counterparty_id", "contact_person_id"],
    )
    op.create_index(
        "uq_phone_number_active_lead",
        "phone_number",
        ["number"],
        unique=True,
        sqlite_where=sa.text("on_active_lead"),
        postgresql_where=sa.text("on_active_lead"),
    )
