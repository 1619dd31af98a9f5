"""Who may use the panel: passwords, and the sessions of signed-in browsers."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.directory import Role
from leads.store import audit
from leads.store.models import Employee, PanelSession
from leads.store.password_hash import hash_password

IDLE_TIME = timedelta(hours=8)
LONGEST_SESSION = timedelta(days=7)
SEEN_STEP = timedelta(minutes=1)
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200


class AccessError(Exception):
    """A login or password cannot be kept; the text says why."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that is valid now, and the person whose it is."""

    id_hash: str
    csrf_token: str
    created_at: datetime
    seen_at: datetime
    employee_id: int
    name: str
    login: str
    role: Role
    language: str | None
    time_zone: str | None
    card_key: str | None
    may_export: bool


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One signed-in browser, by the hash of its id."""

    id_hash: str
    created_at: datetime
    seen_at: datetime
    user_agent: str


def check_password(password: str) -> None:
    """Refuse passwords that are too short to withstand guessing, or too long to hash.

    Raises:
        AccessError: it is such a password.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise AccessError(f"a password has from {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")


async def create_admin(session: AsyncSession, login: str, name: str, password: str, now: datetime) -> int:
    """Make an administrator, as the first start and the command line do; returns the employee's id.

    It hashes on the calling thread: for the command line and the start, not for a running panel.

    Raises:
        AccessError: the login is taken, or the password cannot be kept.
    """
    check_password(password)
    login = login.strip().lower()
    if not login or len(login) > 100:
        raise AccessError("a login has from 1 to 100 characters")
    if await session.scalar(select(Employee.id).where(Employee.login == login)) is not None:
        raise AccessError(f"the login {login!r} is taken")
    employee = Employee(
        name=name,
        login=login,
        password_hash=hash_password(password),
        role=Role.ADMIN,
        active=True,
        may_listen=True,
        may_export=True,
        created_at=now,
    )
    session.add(employee)
    await session.flush()
    return employee.id


async def has_admin(session: AsyncSession) -> bool:
    """Whether somebody can sign in and set the company up."""
    statement = select(func.count()).where(
        Employee.role == Role.ADMIN, Employee.active, Employee.login.is_not(None), Employee.password_hash.is_not(None)
    )
    return bool(await session.scalar(statement))


async def set_password(session: AsyncSession, login: str, password: str) -> None:
    """Give a login a new password and end its sessions. It hashes on the calling thread.

    Raises:
        AccessError: nobody who works here has that login, or the password cannot be kept.
    """
    check_password(password)
    employee = await session.scalar(select(Employee).where(Employee.login == login.strip().lower()))
    if employee is None:
        raise AccessError(f"nobody has the login {login!r}")
    if not employee.active:
        raise AccessError(f"{employee.login} has left; an administrator can activate him on his card")
    await keep_password_hash(session, employee.id, hash_password(password))


async def keep_password_hash(
    session: AsyncSession, employee_id: int, password_hash: str, *, but_session: str | None = None
) -> None:
    """Store a new hash and end the person's sessions, except the one (by its hash) in which he changed it himself."""
    await session.execute(update(Employee).where(Employee.id == employee_id).values(password_hash=password_hash))
    await audit.note(session, audit.What.CHANGED, "employee", employee_id, after={"password_hash": audit.SECRET})
    await end_sessions_of(session, employee_id, but_session=but_session)


async def find_password_hash(session: AsyncSession, login: str) -> tuple[int, str] | None:
    """The id and hash of the active employee with a login; None when there is none who may sign in."""
    statement = select(Employee.id, Employee.password_hash).where(
        Employee.login == login, Employee.active, Employee.password_hash.is_not(None)
    )
    row = (await session.execute(statement)).first()
    return (row[0], str(row[1])) if row else None


async def holds_password(session: AsyncSession, employee_id: int, password_hash: str) -> bool:
    """Whether this is still the password of somebody who may sign in; it stays so until the transaction ends.

    Checking a password takes a while, in which it may be changed. Whoever changes it writes the employee's row before
    he ends the sessions, so he ends the one that is begun after this, or this sees his change.
    """
    statement = select(Employee.id).where(
        Employee.id == employee_id, Employee.active, Employee.password_hash == password_hash
    )
    return await session.scalar(statement.with_for_update(key_share=True)) is not None


async def open_session(session: AsyncSession, employee_id: int, now: datetime, user_agent: str) -> str:
    """Begin a session and clear away those that are over; returns its id, which only the browser's cookie keeps."""
    await session.execute(
        delete(PanelSession).where(
            ~PanelSession.seen_at.between(now - IDLE_TIME, now + IDLE_TIME)
            | (PanelSession.created_at < now - LONGEST_SESSION)
        )
    )
    token = secrets.token_urlsafe(32)
    session.add(
        PanelSession(
            id_hash=session_hash(token),
            employee_id=employee_id,
            csrf_token=secrets.token_urlsafe(32),
            created_at=now,
            seen_at=now,
            user_agent=user_agent[:200],
        )
    )
    await session.flush()
    return token


def session_hash(token: str) -> str:
    """What the database keeps of a session's id."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


async def find_session(session: AsyncSession, id_hash: str, now: datetime) -> SignedIn | None:
    """The session with that hash while it is valid: neither idle nor old, and its owner active."""
    columns: tuple[Any, ...] = (
        PanelSession.id_hash,
        PanelSession.csrf_token,
        PanelSession.created_at,
        PanelSession.seen_at,
        Employee.id,
        Employee.name,
        Employee.login,
        Employee.role,
        Employee.language,
        Employee.time_zone,
        Employee.card_key,
        Employee.may_export,
    )
    statement = (
        select(*columns)
        .join(Employee, Employee.id == PanelSession.employee_id)
        .where(PanelSession.id_hash == id_hash, *_valid(now))
    )
    row = (await session.execute(statement)).first()
    return SignedIn(*row) if row else None


def _valid(now: datetime) -> tuple[Any, ...]:
    """What a session joined with its owner must fulfil; one of days ahead is of a clock that was wrong."""
    return (
        PanelSession.seen_at.between(now - IDLE_TIME, now + IDLE_TIME),
        PanelSession.created_at >= now - LONGEST_SESSION,
        Employee.active,
    )


async def valid_sessions(session: AsyncSession, id_hashes: Collection[str], now: datetime) -> set[str]:
    """Which of these sessions are valid now."""
    statement = (
        select(PanelSession.id_hash)
        .join(Employee, Employee.id == PanelSession.employee_id)
        .where(PanelSession.id_hash.in_(id_hashes), *_valid(now))
    )
    return set(await session.scalars(statement))


async def sessions_of(session: AsyncSession, employee_id: int, now: datetime) -> list[OpenSession]:
    """A person's valid sessions, the last used first."""
    columns = (PanelSession.id_hash, PanelSession.created_at, PanelSession.seen_at, PanelSession.user_agent)
    statement = (
        select(*columns)
        .join(Employee, Employee.id == PanelSession.employee_id)
        .where(PanelSession.employee_id == employee_id, *_valid(now))
        .order_by(PanelSession.seen_at.desc(), PanelSession.created_at.desc())
    )
    return [OpenSession(*row) for row in await session.execute(statement)]


async def end_session_of(session: AsyncSession, employee_id: int, id_hash: str) -> None:
    """Sign one browser of a person's out; another's session stays, whoever names it."""
    await session.execute(
        delete(PanelSession).where(PanelSession.id_hash == id_hash, PanelSession.employee_id == employee_id)
    )


async def touch_session(session: AsyncSession, id_hash: str, now: datetime) -> None:
    """Note that the person is at work; callers do so at most once in SEEN_STEP."""
    await session.execute(update(PanelSession).where(PanelSession.id_hash == id_hash).values(seen_at=now))


async def end_session(session: AsyncSession, id_hash: str) -> None:
    """Sign one browser out."""
    await session.execute(delete(PanelSession).where(PanelSession.id_hash == id_hash))


async def end_sessions_of(session: AsyncSession, employee_id: int, *, but_session: str | None = None) -> None:
    """Sign a person out everywhere, or everywhere else."""
    statement = delete(PanelSession).where(PanelSession.employee_id == employee_id)
    if but_session is not None:
        statement = statement.where(PanelSession.id_hash != but_session)
    await session.execute(statement)


async def save_preferences(
    session: AsyncSession, employee_id: int, language: str | None, zone: str | None, card_key: str | None
) -> None:
    """Keep a person's own language, time zone and key (None: as the browser says, the company's, the usual one).

    This counts as no save of his card: an administrator who edits it meanwhile shall not be told of a conflict.
    """
    columns = (Employee.language, Employee.time_zone, Employee.card_key)
    chosen = {"language": language, "time_zone": zone, "card_key": card_key}
    present = (await session.execute(select(*columns).where(Employee.id == employee_id))).one()._asdict()
    changed = {name: value for name, value in chosen.items() if value != present[name]}
    if changed:
        before = {name: present[name] for name in changed}
        await audit.note(session, audit.What.CHANGED, "employee", employee_id, before=before, after=changed)
    await session.execute(update(Employee).where(Employee.id == employee_id).values(**chosen))
