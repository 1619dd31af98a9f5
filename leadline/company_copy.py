"""Keeps in Asterisk what it needs to route and name callers without us, in step with our records (C8, C9).

Changes are found in the database, where triggers note them, so it does not matter who made them: the panel, a call,
another server, or a person at the database's own console. After each connect, and every few minutes, all is compared,
because Asterisk loses what it had not written when it dies, and a note may be lost with a back-up that is restored.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ami_listener.control import AmiError, AmiLostError, ControlConnection
from ami_listener.database_copy import DatabaseFamily, fingerprint
from dialplan.copy import CompanyEntries
from dialplan.words import NUMBER_FAMILY
from leads.domain.clock import Clock
from leads.domain.directory import Directory
from leads.domain.duty import absences, absent_in_a_copy
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lookup import CallerLookup, LookupUnavailable
from leads.store.number_owners import (
    ChangesRead,
    Owners,
    clock_of_notes,
    forget_changes,
    next_owners,
    owners_of,
    read_changes,
    read_from_now,
)

LOOK_SECONDS = 0.5
"""How soon a change reaches Asterisk; to look costs two small statements."""
READ_AT_ONCE = 500
"""Numbers read by one statement."""
SLICE = 50
"""Numbers worked off in one go: about two milliseconds, for which a call may have to wait."""
KEPT_HOURS = 1
"""How long the notes of changes are kept."""

LONGEST_PAUSE = 30.0

_DATABASE_TROUBLE = (LookupUnavailable, SQLAlchemyError, OSError, TimeoutError)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CopyRules:
    """What the entries depend on beside the records: see routing.decide, and `every` for the comparison of all.

    `zone` is the company's, in which working hours and holidays are.
    """

    region: str
    default_extension: str | None
    name_language: str | None
    every: timedelta
    zone: ZoneInfo


@dataclass(slots=True)
class CopyHealth:
    """How the copy is: its numbers and age at the last comparison of all, what that had to mend, what came since."""

    numbers: int = 0
    compared_at: datetime | None = None
    differences: int = 0
    seconds: float = 0.0
    comparisons: int = 0
    changes: int = 0
    last_error: str | None = None


class CompanyCopy:
    """The copy in one Asterisk.

    Attributes:
        control: writes it; run it beside this.
        in_step: set while the copy holds all that was changed until a moment ago.
        health: how it is.
    """

    def __init__(
        self,
        control: ControlConnection,
        database: Database,
        lookup: CallerLookup,
        directories: DirectoryCache,
        rules: CopyRules,
        *,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        """Take what it needs: `lookup` tells the present version of the company, `directories` hold it."""
        self.control = control
        self.in_step = asyncio.Event()
        self.health = CopyHealth()
        self._database = database
        self._lookup = lookup
        self._directories = directories
        self._rules = rules
        self._numbers = DatabaseFamily(control, NUMBER_FAMILY)
        self._small: dict[str, tuple[DatabaseFamily, Mapping[str, str]]] = {}
        self._clock = clock
        self._given: Directory | None = None
        self._given_until: datetime | None = None
        self._entries: CompanyEntries | None = None
        self._read = ChangesRead()
        self._connected = asyncio.Event()
        self._compare_all = False
        control.on_connected(self._begin_anew)

    @property
    def written(self) -> int:
        """Entries written since the start."""
        return sum(family.puts for family in self._families())

    @property
    def removed(self) -> int:
        """Entries removed since the start."""
        return sum(family.deletes for family in self._families())

    async def run(self) -> None:
        """Keep the copy in step; ends only by cancellation."""
        pause = LOOK_SECONDS
        while True:
            await self._connected.wait()
            try:
                await self._compare()
                self._note_success()
                pause = LOOK_SECONDS
                await self._follow(self._rules.every.total_seconds())
            except (AmiError, *_DATABASE_TROUBLE) as error:
                self._note_trouble(error)
                if not self.control.is_connected:
                    self._connected.clear()
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _begin_anew(self) -> None:
        self._compare_all = True
        self.in_step.clear()
        self._connected.set()

    def _note_success(self) -> None:
        self.health.last_error = None
        if not self._compare_all:
            self.in_step.set()

    def _note_trouble(self, error: Exception) -> None:
        self.in_step.clear()
        why = str(error).partition("\n")[0] or type(error).__name__
        if why != self.health.last_error:
            _log.warning("the copy in Asterisk is not in step; trying again", why=why)
        self.health.last_error = why

    def _families(self) -> list[DatabaseFamily]:
        return [self._numbers, *(family for family, _ in self._small.values())]

    # ---- All of it

    async def _compare(self) -> None:
        """Make the whole copy equal to the records; what changes meanwhile is followed as ever."""
        loop = asyncio.get_running_loop()
        started, before = loop.time(), self.written + self.removed
        self._compare_all = False
        self._given = None
        async with self._database.read() as session:
            self._read = await read_from_now(session)
        entries = await self._look_at_company(whole=True)
        present = await self._numbers.fingerprints()
        count, looked_at, after = 0, loop.time(), ""
        while page := await self._next_page(after):
            after = max(page)
            count += len(page)
            await self._write_differences(entries, page, present)
            if loop.time() - looked_at > LOOK_SECONDS:
                await self._look_at_changes(entries)
                looked_at = loop.time()
        await self._numbers.write({}, present)
        health = self.health
        health.numbers, health.compared_at, health.comparisons = count, datetime.now(UTC), health.comparisons + 1
        health.differences, health.seconds = self.written + self.removed - before, loop.time() - started
        _log.info("the copy in Asterisk is compared", numbers=count, differences=health.differences)

    async def _next_page(self, after: str) -> Owners:
        async with self._database.read() as session:
            return await next_owners(session, after, READ_AT_ONCE)

    async def _write_differences(self, entries: CompanyEntries, page: Owners, present: dict[str, int]) -> None:
        puts: dict[str, str] = {}
        for place, (number, people) in enumerate(page.items()):
            wanted = entries.number(number, people)
            puts |= {key: value for key, value in wanted.items() if present.pop(key, None) != fingerprint(value)}
            if place % SLICE == 0:
                await asyncio.sleep(0)
        await self._numbers.write(puts)

    # ---- What changes

    async def _follow(self, seconds: float) -> None:
        """Follow changes until it is time to compare all again."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end and not self._compare_all:
            if not self.control.is_connected:
                raise AmiLostError("not connected to Asterisk")
            try:
                await self._look_at_changes(await self._look_at_company())
            except _DATABASE_TROUBLE as error:
                self._note_trouble(error)  # what is not read yet stays noted
            else:
                self._note_success()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look_at_company(self, *, whole: bool = False) -> CompanyEntries:
        directory = await self._directories.at_least((await self._lookup.find(None)).directory_version)
        rules, now = self._rules, self._clock()
        if self._entries is not None and directory is self._given and not self._is_over(now):
            return self._entries
        absent = absences(directory, now, rules.zone)
        entries = CompanyEntries(
            directory,
            region=rules.region,
            default_extension=rules.default_extension,
            name_language=rules.name_language,
            absent=absent_in_a_copy(directory, absent.of),
        )
        for name, wanted in entries.small.items():
            family, known = self._small.get(name, (DatabaseFamily(self.control, name), {}))
            self._small[name] = family, {}
            if whole:
                await family.make_equal(wanted)
            else:
                await family.write(dict(wanted.items() - known.items()), known.keys() - wanted.keys())
            self._small[name] = family, wanted
        if self._entries is not None and entries.number_state() != self._entries.number_state():
            self._compare_all = not whole
        self._given, self._given_until, self._entries = directory, absent.until, entries
        return entries

    def _is_over(self, now: datetime) -> bool:
        """Whether somebody's hours, holiday or absence have begun or ended since the entries were made."""
        return self._given_until is not None and now >= self._given_until

    async def _look_at_changes(self, entries: CompanyEntries) -> None:
        while owners := await self._changed_owners():
            puts, deletes = _entries_of(entries, owners)
            await self._numbers.write(puts, deletes)
            self.health.changes += len(owners)
            await asyncio.sleep(0)

    async def _changed_owners(self) -> Owners:
        async with self._database.read() as session:
            numbers = await read_changes(session, self._read)
            return await owners_of(session, numbers) if numbers else {}


def _entries_of(entries: CompanyEntries, owners: Owners) -> tuple[dict[str, str], set[str]]:
    puts: dict[str, str] = {}
    deletes: set[str] = set()
    for number, people in owners.items():
        puts |= entries.number(number, people)
        if not people:
            deletes |= entries.number_keys(number)
    return puts, deletes - puts.keys()


async def forget_old_changes(database: Database) -> None:
    """Remove notes of changes that every server has long read, also where none keeps a copy; ends by cancellation."""
    while True:
        try:
            async with database.write() as session:
                await forget_changes(session, await clock_of_notes(session) - timedelta(hours=KEPT_HOURS))
        except (SQLAlchemyError, OSError) as error:
            _log.debug("old notes of changes stay", why=str(error))
        await asyncio.sleep(KEPT_HOURS * 3600)
