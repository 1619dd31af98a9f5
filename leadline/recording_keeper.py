"""Finds the recordings that Asterisk made, and deletes those that were kept for long enough, both on record (C12).

It looks into the folder, and does not wait to be told, so that nothing is missed whatever was down. Several servers
may do so at once: a recording is on record once, and deleted once.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from leads.domain.clock import Clock
from leads.store import recordings
from leads.store.engine import Database
from leads.store.recording_files import FoundFile, RecordingFolder, RecordingGoneError

LOOK_SECONDS = 3.0
"""How soon a recording is in the panel."""
LOOKS_PER_CLEARING = 20
"""A look in so many also deletes what is due."""
STILL_OPEN = timedelta(seconds=5)
"""An empty file of a call that ended is left alone for so long: Asterisk may have it open still."""
FORGOTTEN = timedelta(days=2)
"""An empty file that is older belongs to no call that runs."""
_MOST_AT_ONCE = 200
_log = structlog.get_logger(__name__)


class RecordingKeeper:
    """Keeps the record of recordings in step with the folders.

    Args:
        database: where the record is.
        folders: of each Asterisk by its name.
        on_found: called when recordings came or went, so that open pages show them.
        clock: the present time, UTC.
    """

    def __init__(
        self,
        database: Database,
        folders: Mapping[str, RecordingFolder],
        on_found: Callable[[], None] = lambda: None,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._folders = folders
        self._on_found = on_found
        self._clock = clock
        self._since: dict[str, str] = {}
        self.failures = 0

    async def run(self) -> None:
        """Look and clear, again and again; ends only by cancellation."""
        look = 0
        while True:
            try:
                await self.look()
                if look % LOOKS_PER_CLEARING == 0:
                    await self.clear()
            except (SQLAlchemyError, OSError) as error:
                self.failures += 1
                _log.error("recordings: trying again", why=str(error))
            look += 1
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Put on record what came, and remove the files of calls that were not answered."""
        for pbx, folder in self._folders.items():
            for day in await self._days_to_look_at(pbx, folder):
                found = await asyncio.to_thread(folder.changes, day)
                await self._note(pbx, [file for file in found if not file.is_empty])
                await self._remove_empty(pbx, folder, [file for file in found if file.is_empty])

    async def clear(self) -> None:
        """Delete what was kept for long enough."""
        now = self._clock()
        while True:
            async with self._database.read() as session:
                days, rows = await recordings.due(session, list(self._folders), now, _MOST_AT_ONCE)
            deleted = [row for row in rows if await self._delete(row)]
            if deleted:
                async with self._database.write() as session:
                    for row in deleted:
                        await recordings.note_deleted(session, row.id, now, after_days=days)
                _log.info("recordings deleted by age", count=len(deleted), days=days)
                self._on_found()
            if len(deleted) < _MOST_AT_ONCE:
                break
        for folder in self._folders.values():
            for day in await asyncio.to_thread(folder.days):
                if day < _day(now - FORGOTTEN):
                    await asyncio.to_thread(folder.remove_empty_day, day)

    async def _days_to_look_at(self, pbx: str, folder: RecordingFolder) -> list[str]:
        """First all since the last that is on record, then yesterday and today."""
        since = self._since.get(pbx)
        if since is None:
            async with self._database.read() as session:
                newest = await recordings.last_day(session, pbx)
            since = "" if newest is None else _day(datetime.fromisoformat(newest) - timedelta(days=1))
        recent = _day(self._clock() - timedelta(days=1))
        self._since[pbx] = max(since, recent)
        if since < recent:
            folder.forget(since)
        return [day for day in await asyncio.to_thread(folder.days) if day >= min(since, recent)]

    async def _note(self, pbx: str, found: list[FoundFile]) -> None:
        if not found:
            return
        async with self._database.write() as session:
            rows = ((file.path.linkedid, str(file.path), file.at) for file in found)
            await recordings.note_found(session, pbx, rows)
        self._on_found()

    async def _remove_empty(self, pbx: str, folder: RecordingFolder, empty: list[FoundFile]) -> None:
        now = self._clock()
        old = [file for file in empty if file.at < now - STILL_OPEN]
        if not old:
            return
        async with self._database.read() as session:
            ended = await recordings.ended_calls(session, pbx, [file.path.linkedid for file in old])
        for file in old:
            if file.path.linkedid in ended or file.at < now - FORGOTTEN:
                await asyncio.to_thread(folder.delete, str(file.path))

    async def _delete(self, row: recordings.RecordingRow) -> bool:
        """Delete a file; one that is gone already counts as deleted."""
        try:
            await asyncio.to_thread(self._folders[row.pbx].delete, row.path)
        except RecordingGoneError:
            return True  # What is on record names no file of ours: there is nothing to delete.
        except OSError as error:
            self.failures += 1
            _log.error("a recording cannot be deleted", path=row.path, why=str(error))
            return False
        return True


def _day(at: datetime) -> str:
    return at.date().isoformat()
