"""Keeps the company (employees, phones, groups, our numbers) in memory: each call needs it and it seldom changes."""

import asyncio
from collections import defaultdict

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.directory import Did, Directory, Employee, Extension, Group
from leads.domain.duty import Duty, Shift
from leads.domain.recordings import RecordedCalls, RecordingRule
from leads.store import models
from leads.store.duty_tables import EmployeeDuty, Holiday, WorkingTime
from leads.store.engine import Database

REFRESH_SECONDS = 0.3
"""How long a call waits for a newer directory; after that the older one is better than no answer."""

_log = structlog.get_logger(__name__)


async def load_directory(session: AsyncSession) -> Directory:
    """Read the whole directory.

    The version is read first: a change made meanwhile is then perhaps in the value, but surely under a higher version
    still to come, so it is read again.
    """
    version = await session.scalar(select(models.DirectoryVersion.version).where(models.DirectoryVersion.id == 1))
    extensions, by_id = await _extensions(session)
    return Directory(
        version=version or 0,
        employees=await _employees(session, by_id),
        extensions=extensions,
        groups=await _groups(session, by_id),
        dids=await _dids(session, by_id),
        ignored=frozenset(await session.scalars(select(models.IgnoredNumber.number))),
        recording=await _recording(session),
        holidays={row.day: row.name for row in await session.execute(select(Holiday.day, Holiday.name))},
    )


class DirectoryCache:
    """The directory as last read. The caller look-up tells the present version, so nobody needs to poll."""

    def __init__(self, database: Database) -> None:
        self.current = Directory(version=0)
        self._database = database
        self._refreshing: asyncio.Task[Directory] | None = None

    async def refresh(self) -> Directory:
        """Read the directory now; callers that come meanwhile share one reading."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._read())
            # Nobody may be waiting any more when it fails; asyncio would complain about that.
            self._refreshing.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._refreshing)

    async def at_least(self, version: int) -> Directory:
        """The directory at the version that a look-up told; the last one known if the database does not give it soon.

        A lower version than the known one means that a back-up was restored: that is read too.
        """
        if version == self.current.version:
            return self.current
        try:
            return await asyncio.wait_for(self.refresh(), REFRESH_SECONDS)
        except Exception as error:
            # Whatever the database's trouble is, the call must go on.
            _log.warning("directory not refreshed", wanted=version, known=self.current.version, error=repr(error))
            return self.current

    async def _read(self) -> Directory:
        async with self._database.read() as session:
            self.current = await load_directory(session)
        return self.current


async def _extensions(session: AsyncSession) -> tuple[dict[str, Extension], dict[int, Extension]]:
    table = models.Extension
    rows = await session.execute(
        select(table.id, table.number, table.endpoint, table.display_mode, table.display_length, table.employee_id)
    )
    by_id = {row[0]: Extension(*row[1:]) for row in rows}
    return {extension.number: extension for extension in by_id.values()}, by_id


async def _employees(session: AsyncSession, extensions: dict[int, Extension]) -> dict[int, Employee]:
    phones: dict[int | None, list[Extension]] = defaultdict(list)
    for extension in sorted(extensions.values(), key=lambda extension: extension.number):
        phones[extension.employee_id].append(extension)
    mobiles: dict[int, list[str]] = defaultdict(list)
    for number, owner in await session.execute(
        select(models.EmployeeMobile.number, models.EmployeeMobile.employee_id).order_by(models.EmployeeMobile.number)
    ):
        mobiles[owner].append(number)
    table = models.Employee
    rows = await session.execute(
        select(table.id, table.name, table.active, table.ring_seconds, table.call_waiting).order_by(table.id)
    )
    duties = await _duties(session)
    return {
        row.id: Employee(
            *row,
            extensions=tuple(phones[row.id]),
            mobiles=tuple(mobiles[row.id]),
            duty=duties.get(row.id, Duty()),
        )
        for row in rows
    }


async def _duties(session: AsyncSession) -> dict[int, Duty]:
    """When each employee takes calls; his hours are in his own time zone."""
    shifts: dict[int, list[Shift]] = defaultdict(list)
    for time in await session.scalars(select(WorkingTime).order_by(WorkingTime.weekday, WorkingTime.begins)):
        shifts[time.employee_id].append(Shift(time.weekday, time.begins, time.ends))
    duty = EmployeeDuty
    rows = await session.execute(
        select(models.Employee.id, models.Employee.time_zone, duty.away, duty.away_until, duty.substitute_id).outerjoin(
            duty, duty.employee_id == models.Employee.id
        )
    )
    return {
        row.id: Duty(tuple(shifts[row.id]), row.time_zone, bool(row.away), row.away_until, row.substitute_id)
        for row in rows
    }


async def _groups(session: AsyncSession, extensions: dict[int, Extension]) -> dict[int, Group]:
    members: dict[int, list[Extension]] = defaultdict(list)
    member = models.GroupMember
    for group, extension in await session.execute(
        select(member.group_id, member.extension_id).order_by(member.group_id, member.position, member.extension_id)
    ):
        # On PostgreSQL a phone may be new since the phones were read; the next version will have it.
        if extension in extensions:
            members[group].append(extensions[extension])
    table = models.RingGroup
    rows = await session.execute(select(table.id, table.name, table.ring_seconds).order_by(table.id))
    return {row.id: Group(*row, extensions=tuple(members[row.id])) for row in rows}


async def _dids(session: AsyncSession, extensions: dict[int, Extension]) -> dict[str, Did]:
    table = models.Did
    dids = {}
    for did in await session.execute(
        select(
            table.number,
            table.label,
            table.group_id,
            table.queue,
            table.queue_seconds,
            table.default_extension_id,
            table.responsible_id,
            table.channel,
            table.source_id,
            table.greeting_language,
        )
    ):
        default = extensions.get(did.default_extension_id)
        dids[did.number] = Did(
            number=did.number,
            label=did.label,
            group_id=did.group_id,
            queue=did.queue,
            queue_seconds=did.queue_seconds,
            default_extension=default.number if default else None,
            responsible_id=did.responsible_id,
            channel=did.channel,
            source_id=did.source_id,
            greeting_language=did.greeting_language,
        )
    return dids


async def _recording(session: AsyncSession) -> RecordingRule:
    calls = await session.scalar(select(models.RecordingSetting.calls)) or RecordedCalls.NONE
    if calls is not RecordedCalls.BY_NUMBER:
        return RecordingRule(calls)
    dids = await session.scalars(select(models.Did.number).where(models.Did.recorded))
    phones = await session.scalars(select(models.Extension.endpoint).where(models.Extension.recorded))
    return RecordingRule(calls, frozenset(dids), frozenset(phones))
