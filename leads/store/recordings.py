"""What is on record of recordings: where they are, who used them, what was deleted; and the company's choice (C12)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, or_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from leads.domain.calls import Phase
from leads.domain.recordings import RecordedCalls
from leads.store import audit
from leads.store.company import GoneError, SavedMeanwhileError
from leads.store.models import (
    Call,
    Did,
    Employee,
    Extension,
    Recording,
    RecordingSetting,
    RecordingUse,
    Use,
    UtcDateTime,
)

SAME_USE = timedelta(minutes=10)
"""Within it a person who listens on is not noted again: a player asks for a recording in many pieces."""
_NOTE_FOUND = text(
    "INSERT INTO recording (pbx, linkedid, path, recorded_at) VALUES (:pbx, :linkedid, :path, :recorded_at) "
    "ON CONFLICT (pbx, linkedid, path) DO NOTHING"
).bindparams(bindparam("recorded_at", type_=UtcDateTime()))


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """One recording, or what is on record of one that was deleted: by whom, or after how many days."""

    id: int
    pbx: str
    linkedid: str
    path: str
    recorded_at: datetime
    deleted_at: datetime | None
    deleted_by: str | None
    deleted_after_days: int | None


@dataclass(frozen=True, slots=True)
class UseRow:
    """Who listened to a recording or saved it, and when."""

    recording_id: int
    at: datetime
    who: str | None
    what: Use


@dataclass(frozen=True, slots=True)
class RecordingChoice:
    """Which calls are recorded, for how many days recordings are kept; by number: which of ours, and which phones."""

    calls: RecordedCalls
    keep_days: int
    did_ids: frozenset[int]
    phone_ids: frozenset[int]


_COLUMNS: tuple[Any, ...] = (
    Recording.id,
    Recording.pbx,
    Recording.linkedid,
    Recording.path,
    Recording.recorded_at,
    Recording.deleted_at,
    Employee.name,
    Recording.deleted_after_days,
)
_ROWS = select(*_COLUMNS).outerjoin(Employee, Employee.id == Recording.deleted_by_id)


async def note_found(session: AsyncSession, pbx: str, found: Iterable[tuple[str, str, datetime]]) -> None:
    """Put recordings on record: linkedid, path and time of each; those that are on record stay as they are."""
    rows = [
        {"pbx": pbx, "linkedid": linkedid, "path": path, "recorded_at": recorded_at}
        for linkedid, path, recorded_at in found
    ]
    if rows:
        await session.execute(_NOTE_FOUND, rows)


async def last_day(session: AsyncSession, pbx: str) -> str | None:
    """The newest dated folder of which a recording is on record."""
    newest: str | None = await session.scalar(select(func.max(Recording.path)).where(Recording.pbx == pbx))
    return newest.partition("/")[0] if newest else None


async def ended_calls(session: AsyncSession, pbx: str, linkedids: Collection[str]) -> set[str]:
    """Which of these calls are over."""
    statement = select(Call.linkedid).where(Call.pbx == pbx, Call.linkedid.in_(linkedids), Call.phase == Phase.ENDED)
    return set(await session.scalars(statement))


async def recordings_of(
    session: AsyncSession, calls: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], list[RecordingRow]]:
    """The recordings of calls, each call by its Asterisk server and linkedid, in the order in which they were made."""
    keys = list(calls)
    if not keys:
        return {}
    statement = _ROWS.where(tuple_(Recording.pbx, Recording.linkedid).in_(keys)).order_by(
        Recording.recorded_at, Recording.id
    )
    found: dict[tuple[str, str], list[RecordingRow]] = {}
    for row in await session.execute(statement):
        found.setdefault((row.pbx, row.linkedid), []).append(RecordingRow(*row))
    return found


async def find_recording(session: AsyncSession, recording_id: int) -> RecordingRow | None:
    """One recording by its key."""
    row = (await session.execute(_ROWS.where(Recording.id == recording_id))).first()
    return RecordingRow(*row) if row else None


async def call_of(session: AsyncSession, recording: RecordingRow) -> int | None:
    """The key of the call whose recording it is, once that is on record."""
    key: int | None = await session.scalar(
        select(Call.id).where(Call.pbx == recording.pbx, Call.linkedid == recording.linkedid)
    )
    return key


async def due(
    session: AsyncSession, pbxes: Collection[str], now: datetime, most: int
) -> tuple[int, list[RecordingRow]]:
    """How many days recordings are kept, and those that have been for longer; a call's age counts from its start."""
    days = await session.scalar(select(RecordingSetting.keep_days))
    if days is None:
        return 0, []
    limit = now - timedelta(days=days)
    statement = (
        _ROWS.outerjoin(Call, (Call.pbx == Recording.pbx) & (Call.linkedid == Recording.linkedid))
        .where(
            Recording.deleted_at.is_(None),
            Recording.pbx.in_(pbxes),
            or_(Recording.recorded_at < limit, Call.started_at < limit),
        )
        .order_by(Recording.recorded_at)
        .limit(most)
    )
    return days, [RecordingRow(*row) for row in await session.execute(statement)]


async def note_deleted(
    session: AsyncSession, recording_id: int, now: datetime, *, by_id: int | None = None, after_days: int | None = None
) -> None:
    """Put it on record that a file is gone, and why; the first to say so is believed."""
    await session.execute(
        update(Recording)
        .where(Recording.id == recording_id, Recording.deleted_at.is_(None))
        .values(deleted_at=now, deleted_by_id=by_id, deleted_after_days=after_days)
    )


async def may_listen(session: AsyncSession, employee_id: int) -> bool:
    """Whether somebody has the right to hear recordings of the calls that he may see."""
    return bool(await session.scalar(select(Employee.may_listen).where(Employee.id == employee_id)))


async def is_noted(session: AsyncSession, recording_id: int, employee_id: int, what: Use, now: datetime) -> bool:
    """Whether a person's use of a recording is on record already."""
    statement = select(RecordingUse.id).where(
        RecordingUse.recording_id == recording_id,
        RecordingUse.employee_id == employee_id,
        RecordingUse.what == what,
        RecordingUse.at > now - SAME_USE,
    )
    return (await session.scalar(statement.limit(1))) is not None


async def note_use(session: AsyncSession, recording_id: int, employee_id: int, what: Use, now: datetime) -> None:
    """Put it on record that somebody listened to a recording or saved it."""
    session.add(RecordingUse(recording_id=recording_id, employee_id=employee_id, what=what, at=now))


async def uses_of(session: AsyncSession, recording_ids: Sequence[int]) -> list[UseRow]:
    """Who used these recordings, the last first."""
    statement = (
        select(RecordingUse.recording_id, RecordingUse.at, Employee.name, RecordingUse.what)
        .outerjoin(Employee, Employee.id == RecordingUse.employee_id)
        .where(RecordingUse.recording_id.in_(recording_ids))
        .order_by(RecordingUse.at.desc(), RecordingUse.id.desc())
        .limit(100)
    )
    return [UseRow(*row) for row in await session.execute(statement)]


async def choice(session: AsyncSession) -> tuple[int, RecordingChoice]:
    """The company's choice as it is saved, and its version."""
    setting = (await session.scalars(select(RecordingSetting))).one()
    dids = await session.scalars(select(Did.id).where(Did.recorded))
    phones = await session.scalars(select(Extension.id).where(Extension.recorded))
    return setting.version, RecordingChoice(setting.calls, setting.keep_days, frozenset(dids), frozenset(phones))


async def save_choice(session: AsyncSession, version: int, made: RecordingChoice) -> None:
    """Save the company's choice.

    Raises:
        SavedMeanwhileError: somebody else did since `version`.
        GoneError: a number or phone was removed meanwhile.
    """
    setting = (await session.scalars(select(RecordingSetting).with_for_update())).one()
    if setting.version != version:
        raise SavedMeanwhileError
    _version, present_choice = await choice(session)
    for field, before, after in (
        ("did_ids", present_choice.did_ids, made.did_ids),
        ("phone_ids", present_choice.phone_ids, made.phone_ids),
    ):
        await audit.note_list(session, "recording_setting", 1, field, (sorted(before), sorted(after)))
    for table, keys in ((Did, made.did_ids), (Extension, made.phone_ids)):
        present = set(await session.scalars(select(table.id).where(table.id.in_(keys))))
        if present != keys:
            raise GoneError
        await session.execute(update(table).where(table.recorded, table.id.not_in(keys)).values(recorded=False))
        await session.execute(update(table).where(table.id.in_(keys), ~table.recorded).values(recorded=True))
    setting.calls, setting.keep_days = made.calls, made.keep_days
    if not session.is_modified(setting):
        flag_modified(setting, "calls")  # Also when only numbers or phones changed: it is one choice.
    await session.flush()
