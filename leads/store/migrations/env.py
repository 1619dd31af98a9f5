"""Runs the revisions on the connection of leads.store.migrate, which holds the lock and the transaction."""

from alembic import context

from leads.store import (  # noqa: F401 - their tables join the metadata
    audit_table,
    duty_tables,
    handover_tables,
    import_tables,
    lead_past,
    phone_book_tables,
    planning_tables,
    sent_forms,
    task_tables,
)
from leads.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
context.run_migrations()
