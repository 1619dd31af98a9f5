"""The tables of imports: what each file made and changed, for undoing it, and which rows were refused (L10)."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from leads.store.base import Base, references, values_of


class ImportKind(StrEnum):
    """Which cards a file holds."""

    LEADS = "leads"
    COUNTERPARTIES = "counterparties"


class ImportState(StrEnum):
    """How far an import has come; `STOPPED` by a restart or by a file that cannot be read on."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    UNDOING = "undoing"
    UNDONE = "undone"


class ImportBatch(Base):
    """One file that was imported; the counts are of its rows.

    `kept` are cards that undoing left as they are, because somebody worked on them since. `moved_at` is when it last
    got on: one that runs and does not has lost its server.
    """

    __tablename__ = "import_batch"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[ImportKind] = mapped_column(values_of(ImportKind))
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    file_name: Mapped[str]
    state: Mapped[ImportState] = mapped_column(values_of(ImportState), default=ImportState.RUNNING)
    update_known: Mapped[bool] = mapped_column(default=False, server_default=false())
    size: Mapped[int] = mapped_column(BigInteger)
    read: Mapped[int] = mapped_column(BigInteger, default=0)
    made: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    kept: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime]
    moved_at: Mapped[datetime]

    __table_args__ = (Index("ix_import_batch_started_at_id", "started_at", "id"),)


class ImportItem(Base):
    """One card that a file made (`before` is empty then) or changed, with the fields that it changed.

    `version` is the card's after it was made: with another one somebody has saved it since.
    """

    __tablename__ = "import_item"
    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batch.id", ondelete="CASCADE"))
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    counterparty_id: Mapped[int | None] = mapped_column(ForeignKey("counterparty.id", ondelete="CASCADE"))
    version: Mapped[int]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    __table_args__ = (
        Index("ix_import_item_batch_id_id", "batch_id", "id"),
        # Removing a card looks for its items; most cards were never imported.
        *references("import_item", "lead_id", "counterparty_id"),
    )


class ImportRefusal(Base):
    """One row of a file that was not imported: its line, and why, in the language of whoever imported it."""

    __tablename__ = "import_refusal"
    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batch.id", ondelete="CASCADE"))
    line: Mapped[int]
    name: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("ix_import_refusal_batch_id_id", "batch_id", "id"),)
