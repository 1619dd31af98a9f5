"""The table of keys with which desk phones fetch their phone book (C14)."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from leads.store.base import Base


class PhoneBookKey(Base):
    """One phone's key, kept as a SHA-256 hash, so that a copy of the database opens no phone book."""

    __tablename__ = "phone_book_key"
    extension_id: Mapped[int] = mapped_column(ForeignKey("extension.id", ondelete="CASCADE"), primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
