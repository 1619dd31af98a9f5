"""The keys of desk phones' books: whose each is, made once, kept as a hash, and ended (C14).

Who stands in a book is told by leads.store.phone_book_pages.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.directory import DisplayMode, Role
from leads.store.models import Employee, Extension
from leads.store.phone_book_tables import PhoneBookKey

USED_STEP = timedelta(hours=1)
"""How exactly it is known when a phone last fetched its book: not worth a write each time."""


@dataclass(frozen=True, slots=True)
class BookPhone:
    """The phone that a key belongs to, and its owner at this moment."""

    extension_id: int
    employee_id: int
    role: Role
    display_mode: DisplayMode
    display_length: int
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One phone with an owner, and its key if it has one."""

    extension_id: int
    number: str
    employee_id: int
    owner: str
    created_at: datetime | None
    used_at: datetime | None


def key_hash(key: str) -> str:
    """What the database keeps of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


async def make_key(session: AsyncSession, extension_id: int, now: datetime) -> str:
    """Give a phone a new key of 128 bits in the place of its last one; nobody can read it again afterwards."""
    await revoke_key(session, extension_id)
    key = secrets.token_hex(16)
    session.add(PhoneBookKey(extension_id=extension_id, key_hash=key_hash(key), created_at=now))
    await session.flush()
    return key


async def revoke_key(session: AsyncSession, extension_id: int) -> None:
    """Let a phone's key open nothing any more."""
    key = await session.get(PhoneBookKey, extension_id)
    if key is not None:
        await session.delete(key)
        await session.flush()


async def phones_with_keys(session: AsyncSession, employee_id: int | None) -> list[KeyRow]:
    """The phones of one employee, or of all who work here, by number."""
    columns: tuple[Any, ...] = (
        Extension.id,
        Extension.number,
        Employee.id,
        Employee.name,
        PhoneBookKey.created_at,
        PhoneBookKey.used_at,
    )
    statement = (
        select(*columns)
        .join(Employee, Employee.id == Extension.employee_id)
        .outerjoin(PhoneBookKey, PhoneBookKey.extension_id == Extension.id)
        .where(Employee.active)
        .order_by(Extension.number)
    )
    if employee_id is not None:
        statement = statement.where(Employee.id == employee_id)
    return [KeyRow(*row) for row in await session.execute(statement)]


async def find_phone(session: AsyncSession, hashed: str) -> BookPhone | None:
    """The phone whose key has that hash, while its owner works here."""
    columns: tuple[Any, ...] = (
        Extension.id,
        Employee.id,
        Employee.role,
        Extension.display_mode,
        Extension.display_length,
        PhoneBookKey.used_at,
    )
    statement = (
        select(*columns)
        .join(Extension, Extension.id == PhoneBookKey.extension_id)
        .join(Employee, Employee.id == Extension.employee_id)
        .where(PhoneBookKey.key_hash == hashed, Employee.active)
    )
    row = (await session.execute(statement)).first()
    return BookPhone(*row) if row else None


async def note_used(session: AsyncSession, extension_id: int, now: datetime) -> None:
    """Note that a phone fetched its book; callers do so at most once in USED_STEP."""
    await session.execute(update(PhoneBookKey).where(PhoneBookKey.extension_id == extension_id).values(used_at=now))
