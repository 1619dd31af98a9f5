"""The tables of recordings, of who used them, and of which calls are recorded."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from leads.domain.recordings import RecordedCalls
from leads.store.base import Base, partial_index, values_of
from leads.store.company_tables import Employee


class RecordingSetting(Base):
    """One row: which calls are recorded, and for how many days recordings are kept."""

    __tablename__ = "recording_setting"
    id: Mapped[int] = mapped_column(primary_key=True)
    calls: Mapped[RecordedCalls] = mapped_column(values_of(RecordedCalls), default=RecordedCalls.NONE)
    keep_days: Mapped[int] = mapped_column(default=90)
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __table_args__ = (CheckConstraint("keep_days BETWEEN 1 AND 3650", name="keep_days"),)
    __mapper_args__ = {"version_id_col": version}


class Recording(Base):
    """One file with the voices of a call; `path` is relative to the folder of its Asterisk server's recordings.

    It is no part of the call's row, because it may be found before the call is on record. A row outlives its file: it
    tells who deleted it (`deleted_by`), or after how many days it was due.
    """

    __tablename__ = "recording"
    id: Mapped[int] = mapped_column(primary_key=True)
    pbx: Mapped[str] = mapped_column(String(64))
    linkedid: Mapped[str] = mapped_column(String(150))
    path: Mapped[str] = mapped_column(String(255))
    recorded_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    deleted_by_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    deleted_after_days: Mapped[int | None]

    deleted_by: Mapped[Employee | None] = relationship()

    __table_args__ = (
        UniqueConstraint("pbx", "linkedid", "path", name="uq_recording_pbx_linkedid_path"),
        partial_index("ix_recording_kept", "recorded_at", where="deleted_at IS NULL"),
    )


class Use(StrEnum):
    """What somebody did with a recording."""

    LISTENED = "listened"
    SAVED = "saved"


class RecordingUse(Base):
    """Somebody listened to a recording, or saved it as a file."""

    __tablename__ = "recording_use"
    id: Mapped[int] = mapped_column(primary_key=True)
    recording_id: Mapped[int] = mapped_column(ForeignKey("recording.id", ondelete="CASCADE"))
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    at: Mapped[datetime]
    what: Mapped[Use] = mapped_column(values_of(Use))

    employee: Mapped[Employee | None] = relationship()

    __table_args__ = (Index("ix_recording_use_recording_id_at", "recording_id", "at"),)
