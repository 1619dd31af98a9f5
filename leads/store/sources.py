"""Keeps the source directory, and finds numbers that people dialled though nobody entered them (S1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from leads.store.cards import WrongFieldError
from leads.store.company import GoneError, SavedMeanwhileError, TakenError
from leads.store.models import Call, Did, Source
from leads.store.search import sort_key

MOST_STRANGERS = 50
_MOST_DIDS = 2000
"""So many different numbers are looked through: a careless trunk may deliver anything."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A number that calls came to and that is none of ours; how many they were, and when the last one was."""

    number: str
    calls: int
    last_at: datetime


async def sources(session: AsyncSession) -> list[Source]:
    """The directory by name, those in use first."""
    return sorted(await session.scalars(select(Source)), key=lambda one: (not one.active, sort_key(one.name), one.id))


async def find_source(session: AsyncSession, source_id: int) -> Source | None:
    """One source as it is now."""
    return await session.get(Source, source_id, populate_existing=True)


async def source_names(session: AsyncSession) -> list[tuple[int, str]]:
    """Everything that calls and leads may have come from, also what is not in use any more."""
    return [(one.id, one.name) for one in await sources(session)]


async def source_choices(session: AsyncSession, present: int | None) -> list[tuple[int, str]]:
    """What can be chosen: sources in use, and the `present` one of a card whatever it is."""
    return [(one.id, one.name) for one in await sources(session) if one.active or one.id == present]


async def source_name(session: AsyncSession, source_id: int | None) -> str:
    """The name of a source for the history, empty for none.

    Raises:
        WrongFieldError: there is no such source.
    """
    if source_id is None:
        return ""
    name = await session.scalar(select(Source.name).where(Source.id == source_id))
    if name is None:
        raise WrongFieldError("source_id", str(source_id))
    return name


async def save_source(session: AsyncSession, source_id: int | None, version: int, name: str, active: bool) -> int:
    """Save a source, or a new one when `source_id` is None; returns the key.

    Raises:
        SavedMeanwhileError, GoneError: somebody else saved it since it was opened; there is none.
        TakenError: another source has the name.
    """
    same = select(Source.name).where(func.lower(Source.name) == func.lower(name), Source.id != (source_id or -1))
    if (owner := await session.scalar(same)) is not None:
        raise TakenError("name", name, owner)
    if source_id is None:
        source = Source()
        session.add(source)
    else:
        found = await session.scalar(select(Source).where(Source.id == source_id).with_for_update())
        if found is None:
            raise GoneError
        if found.version != version:
            raise SavedMeanwhileError
        source = found
    source.name, source.active = name, active
    await session.flush()
    return source.id


async def unregistered_numbers(session: AsyncSession, since: datetime) -> Sequence[Stranger]:
    """Numbers that calls since then came to and that are none of ours, the one dialled last first.

    Each different number costs one step in an index, however many calls it had.
    """
    seen = select(func.min(Call.did).label("number")).cte("dialled", recursive=True)
    later = aliased(Call)
    following = select(func.min(later.did)).where(later.did > seen.c.number).scalar_subquery()
    seen = seen.union_all(select(following).where(seen.c.number.is_not(None)))
    recent = (Call.did == seen.c.number, Call.started_at >= since)
    strangers = (
        select(
            seen.c.number,
            select(func.count()).select_from(Call).where(*recent).correlate(seen).scalar_subquery(),
            select(func.max(Call.started_at)).where(*recent).correlate(seen).scalar_subquery().label("last_at"),
        )
        .where(seen.c.number.is_not(None), ~exists().where(Did.number == seen.c.number))
        .limit(_MOST_DIDS)
    )
    rows = [Stranger(*row) for row in await session.execute(strangers) if row[1]]
    return sorted(rows, key=lambda row: row.last_at, reverse=True)[:MOST_STRANGERS]
