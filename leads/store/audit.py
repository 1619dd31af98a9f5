"""The audit log: who did what, with the values before and after (X5).

Changes to cards come by themselves: a trigger copies each line of a card's history. Changes to everything else that
people set up (employees, groups, our numbers, whatever table comes later) are noted here when a session commits them,
so that no page can forget to; tables whose rows are made by calls or machines, or are cards, are left out. What is not
a change of a row (signing in, an export) is noted by name, with `note`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import event, insert, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, UOWTransaction

from leads.store.audit_table import AuditEntry
from leads.store.models import Employee

NOT_NOTED = {
    *("lead", "counterparty", "contact_person", "phone_number", "change", "planned_call", "task", "note"),
    *("call", "routing_decision", "recording", "recording_use", "number_change", "lead_change", "outage", "recovery"),
    *("panel_session", "group_member", "working_time", "directory_version", "audit_entry"),
    *("planning_day", "lead_past"),
    *("import_batch", "import_item", "import_refusal", "handover", "sent_form"),
}
"""Tables of cards and what belongs to them, which have a history of their own, of what calls and machines write, and of
imports and hand-overs: the former say themselves who made them, the latter are noted when they begin and end."""
UNSAID = {"id", "version", "created_at", "updated_at"}
_SECRETS = ("hash", "secret", "token")
SECRET = "•••"  # noqa: S105 - stands for one
"""Stands for what nobody may read."""
_PENDING = "leadline_audit"


class What(StrEnum):
    """What somebody did."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    ERASED = "erased"
    EXPORTED = "exported"
    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and when; on the command line nobody who is on record (`employee_id` None)."""

    employee_id: int | None
    name: str
    at: datetime


_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)


def act_as(actor: Actor | None) -> None:
    """Let what the running task changes be noted as this person's doing; None notes nothing."""
    _actor.set(actor)


async def note(
    session: AsyncSession,
    what: What,
    kind: str,
    object_id: int | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note what is not a row's change, as the doing of whom the task acts for; where nobody acts, nothing is noted."""
    actor = _actor.get()
    if actor is not None:
        await session.execute(insert(AuditEntry), [_row(actor, what, kind, object_id, before=before, after=after)])


async def note_sign_in(session: AsyncSession, employee_id: int, address: str, at: datetime) -> None:
    """Note that somebody signed in, and from where; until then nobody acts."""
    name = await session.scalar(select(Employee.name).where(Employee.id == employee_id)) or ""
    row = _row(Actor(employee_id, name, at), What.SIGNED_IN, "employee", employee_id, after={"ip": address})
    await session.execute(insert(AuditEntry), [row])


async def note_list(
    session: AsyncSession, kind: str, object_id: int, name: str, lists: tuple[Sequence[Any], Sequence[Any]]
) -> None:
    """Note how a list of a row's changed, where its members are rows that are written anew with each save."""
    before, after = lists
    if list(before) != list(after):
        await note(session, What.CHANGED, kind, object_id, before={name: list(before)}, after={name: list(after)})


@dataclass(slots=True)
class _Seen:
    """What became of one row in a transaction: its first values and its last, of the columns that changed."""

    what: What
    thing: Any
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)


@event.listens_for(Session, "after_flush")
def _watch(session: Session, _context: UOWTransaction) -> None:
    """Remember what a flush wrote; several flushes of one row make one entry."""
    if _actor.get() is None:
        return
    pending: dict[int, _Seen] = session.info.setdefault(_PENDING, {})
    for what, things in ((What.ADDED, session.new), (What.CHANGED, session.dirty), (What.REMOVED, session.deleted)):
        for thing in things:
            if thing.__tablename__ in NOT_NOTED:
                continue
            seen = pending.setdefault(id(thing), _Seen(what, thing))
            if what is What.REMOVED:
                seen.what = what
            for name, before, after in _differences(thing, what):
                seen.before.setdefault(name, before)
                seen.after[name] = after


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    if _actor.get() is None or session.in_nested_transaction():
        return
    session.flush()
    pending: dict[int, _Seen] = session.info.pop(_PENDING, {})
    rows = [row for seen in pending.values() if (row := _entry(seen)) is not None]
    if rows:
        session.connection().execute(insert(AuditEntry), rows)


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, _previous: object) -> None:
    session.info.pop(_PENDING, None)


def _entry(seen: _Seen) -> dict[str, Any] | None:
    actor, thing = _actor.get(), seen.thing
    changed = {name for name in seen.after if seen.before[name] != seen.after[name]}
    if actor is None or not changed:
        return None
    before = {name: _said(name, seen.before[name]) for name in sorted(changed) if seen.before[name] is not None}
    after = {name: _said(name, seen.after[name]) for name in sorted(changed) if seen.after[name] is not None}
    person = {key: getattr(thing, key, None) for key in ("lead_id", "counterparty_id")}
    key: tuple[Any, ...] = inspect(thing).identity or ()
    object_id = key[0] if len(key) == 1 and isinstance(key[0], int) else None
    return {**_row(actor, seen.what, thing.__tablename__, object_id, before=before, after=after), **person}


def _row(
    actor: Actor,
    what: What,
    kind: str,
    object_id: int | None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "at": actor.at,
        "employee_id": actor.employee_id,
        "who": actor.name,
        "what": what.value,
        "kind": kind,
        "object_id": object_id,
        "lead_id": None,
        "counterparty_id": None,
        "before": dict(before or {}),
        "after": dict(after or {}),
        "erased_at": None,
    }


def _differences(thing: Any, what: What) -> Iterator[tuple[str, Any, Any]]:
    """Each column that was written, with its value before and after."""
    state = inspect(thing)
    for attribute in state.mapper.column_attrs:
        name = attribute.key
        if name in UNSAID:
            continue
        history = state.attrs[name].history
        if what is What.REMOVED:
            yield name, next(iter(history.deleted or history.unchanged or ()), None), None
        elif history.added and (history.deleted or what is What.ADDED):
            # Marked as modified without a value of before, it is one that was only touched.
            was = history.deleted[0] if what is What.CHANGED and history.deleted else None
            yield name, was, history.added[0]


def _said(name: str, value: Any) -> Any:
    """A value as it can be kept and read."""
    if any(part in name for part in _SECRETS):
        return SECRET
    if isinstance(value, StrEnum):
        return value.value
    return value if isinstance(value, bool | int | float | str) else str(value)
