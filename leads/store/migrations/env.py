"""Runs the revisions on the connection of leads.store.migrate, which holds the lock and the transaction."""

from alembic import context

from leads.store import duty_tables, import_tables, lead_past, planning_tables  # noqa: F401 - their tables join the metadata
from leads.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
context.run_migrations()
