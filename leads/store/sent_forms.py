"""Which forms were sent in the last seconds: of the servers of one database the first to say so carries it out (X2)."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, String, Text, and_, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from leads.store.base import Base

KEPT_FOR = timedelta(seconds=10)
"""Whoever sends the same again after so long means it."""
GIVEN_UP_AFTER = timedelta(minutes=1)
"""A server that does not say within this what became of a form has ended."""


class SentForm(Base):
    """A form by the digest of who sent what, where to and from which page; `location` is where it led, once it has."""

    __tablename__ = "sent_form"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]
    location: Mapped[str | None] = mapped_column(Text)


def claim(connection: Connection, key: str, now: datetime) -> bool:
    """Whether nobody sent this form just now; then it is whoever's asks first.

    What is old is forgotten here, so that few are kept.
    """
    done = and_(SentForm.location.is_not(None), SentForm.at < now - KEPT_FOR)
    connection.execute(delete(SentForm).where(or_(done, SentForm.at < now - GIVEN_UP_AFTER)))
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    own = dialect.insert(SentForm).values(key=key, at=now).on_conflict_do_nothing().returning(SentForm.key)
    return connection.scalar(own) is not None


def settle(connection: Connection, key: str, now: datetime, location: str | None) -> None:
    """Say where a claimed form led; None: it was not taken, and may be sent again."""
    own = SentForm.key == key
    if location is None:
        connection.execute(delete(SentForm).where(own))
    else:
        connection.execute(update(SentForm).where(own).values(at=now, location=location))


async def outcome(session: AsyncSession, key: str) -> tuple[bool, str | None]:
    """Whether somebody is carrying a form out; else where it led, None for one that was not taken."""
    row = (await session.execute(select(SentForm.location).where(SentForm.key == key))).first()
    return row is not None and row.location is None, row.location if row is not None else None
