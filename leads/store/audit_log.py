"""Reads the audit log for its page (X5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.audit_table import AuditEntry


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry as it was written; `erased_at`: its values were emptied, because the person was erased."""

    id: int
    at: datetime
    employee_id: int | None
    who: str
    what: str
    kind: str
    object_id: int | None
    before: dict[str, Any]
    after: dict[str, Any]
    erased_at: datetime | None


async def log_lines(
    session: AsyncSession, *, employee_id: int | None, kind: str | None, before_id: int | None, most: int
) -> Sequence[LogLine]:
    """The newest entries, or those before one; of one person, and of one kind of object, where asked for."""
    columns: tuple[Any, ...] = (
        AuditEntry.id,
        AuditEntry.at,
        AuditEntry.employee_id,
        AuditEntry.who,
        AuditEntry.what,
        AuditEntry.kind,
        AuditEntry.object_id,
        AuditEntry.before,
        AuditEntry.after,
        AuditEntry.erased_at,
    )
    statement = select(*columns).order_by(AuditEntry.id.desc()).limit(most)
    if employee_id is not None:
        statement = statement.where(AuditEntry.employee_id == employee_id)
    if kind is not None:
        statement = statement.where(AuditEntry.kind == kind)
    if before_id is not None:
        statement = statement.where(AuditEntry.id < before_id)
    return [LogLine(*row) for row in await session.execute(statement)]
