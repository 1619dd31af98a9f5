"""Answers where a call goes: one look-up, one decision; the same for FastAGI, the one-shot script and the dry run."""

import asyncio
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from dialplan.plan import encode_callee
from dialplan.words import CALLEE_MARK
from leads.domain.clock import Clock
from leads.domain.directory import Directory
from leads.domain.duty import absences
from leads.domain.numbers import Number, NumberKind, read_number
from leads.domain.people import LookupAnswer
from leads.store.lookup import LookupUnavailable, Waiter
from routing.decide import Routes, caller_facts
from routing.decision import Decision

_UTC = ZoneInfo("UTC")


class Lookup(Protocol):
    """Finds the owners of a number (leads.store.lookup.CallerLookup)."""

    def find(self, e164: str | None) -> "asyncio.Future[LookupAnswer]":
        """Give the owners, and the directory's present version; without a number the version alone."""
        ...

    def ask(self, e164: str | None, waiter: Waiter) -> None:
        """Do as `find`, and tell the waiter at once."""
        ...


class _NoLookup:
    """Has no answer for anybody."""

    def find(self, e164: str | None) -> "asyncio.Future[LookupAnswer]":
        """Say so."""
        future: asyncio.Future[LookupAnswer] = asyncio.get_running_loop().create_future()
        self.ask(e164, future)
        return future

    def ask(self, e164: str | None, waiter: Waiter) -> None:
        """Say so at once."""
        waiter.set_exception(LookupUnavailable("the server has no time to look anybody up"))


class Directories(Protocol):
    """Holds the company in memory (leads.store.directory.DirectoryCache)."""

    @property
    def current(self) -> Directory:
        """The newest that was read."""
        ...

    async def at_least(self, version: int) -> Directory:
        """Read again if the newest is of another version; give up soon when that hangs."""
        ...


class RoutingService:
    """Decides calls for one installation."""

    def __init__(
        self,
        lookup: Lookup,
        directories: Directories,
        *,
        region: str,
        default_extension: str | None,
        name_language: str | None,
        zone: ZoneInfo = _UTC,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        """Take what decisions need.

        Args:
            lookup: finds callers.
            directories: the company.
            region: how national numbers are read, ISO 3166 alpha-2.
            default_extension: who is rung when the dialled number names nobody.
            name_language: how Cyrillic names are read where neither card nor letters tell.
            zone: the company's, in which working hours and holidays are.
            clock: tells the present moment, UTC.
        """
        self._lookup = lookup
        self._directories = directories
        self._region = region
        self._default_extension = default_extension
        self._name_language = name_language
        self._zone = zone
        self._clock = clock
        self._make_routes()
        # Our own numbers are few and asked for with each call.
        self._read_own = lru_cache(maxsize=1024)(read_number)

    def without_database(self) -> "RoutingService":
        """Give one that decides as this does while the database does not answer; it may be used in another thread."""
        return RoutingService(
            _NoLookup(),
            self._directories,
            region=self._region,
            default_extension=self._default_extension,
            name_language=self._name_language,
            zone=self._zone,
            clock=self._clock,
        )

    async def route(self, caller_raw: str | None, caller_name: str | None, did_raw: str | None) -> Decision:
        """Decide a call; without the database when it does not answer.

        Args:
            caller_raw: the number as the trunk delivered it; None when the caller withheld it.
            caller_name: the name that the trunk delivered.
            did_raw: the number that was dialled, as the trunk writes it.
        """
        caller = self.read_caller(caller_raw)
        try:
            answer = await self._lookup.find(_searched(caller))
        except LookupUnavailable:
            return self.decide(caller, caller_name, did_raw, None)
        if self.is_stale(answer):
            await self.freshen(answer)
        return self.decide(caller, caller_name, did_raw, answer)

    def read_caller(self, raw: str | None) -> Number:
        """Read a caller's number as `route` does."""
        return read_number(raw, self._region)

    def ask(self, caller: Number, waiter: Waiter) -> None:
        """Begin the one look-up that a decision needs."""
        self._lookup.ask(_searched(caller), waiter)

    def is_stale(self, answer: LookupAnswer) -> bool:
        """Tell whether the company has changed since it was read."""
        return self._directories.current.version != answer.directory_version

    async def freshen(self, answer: LookupAnswer) -> None:
        """Read the company again; when that fails, the one that is known serves on."""
        await self._directories.at_least(answer.directory_version)

    def decide(
        self, caller: Number, caller_name: str | None, did_raw: str | None, answer: LookupAnswer | None
    ) -> Decision:
        """Decide by what is known now; `answer` is None where the database gave none."""
        dialled = self._read_own(did_raw, self._region)
        routes = self._present_routes()
        people = None if answer is None else answer.people
        return routes.decide(caller, people, routes.directory.dids.get(dialled.text), dialled.text or None, caller_name)

    async def find_callee(self, callee_raw: str, phone: str | None) -> str:
        """Say who is called, as `callee` does; without the database nobody."""
        callee = self.read_caller(callee_raw)
        try:
            answer = await self._lookup.find(_searched(callee))
        except LookupUnavailable:
            return self.callee(phone, None)
        if self.is_stale(answer):
            await self.freshen(answer)
        return self.callee(phone, answer)

    def callee(self, phone: str | None, answer: LookupAnswer | None) -> str:
        """Say whom a phone calls outside, for its display and for those that the call is handed on to (C7).

        Args:
            phone: the extension that calls.
            answer: the owners of the number that it calls; None where the database gave none.
        """
        routes = self._present_routes()
        facts = None if answer is None else caller_facts(answer.people, self._name_language)
        return encode_callee(facts, routes.displays, routes.directory.extensions.get(phone or ""))

    def _present_routes(self) -> Routes:
        until = self._routes_until
        if self._routes.directory is not self._directories.current or (until is not None and self._clock() >= until):
            self._make_routes()
        return self._routes

    def _make_routes(self) -> None:
        """Make the routes of the present company and moment; they hold until somebody's hours begin or end."""
        directory = self._directories.current
        absent = absences(directory, self._clock(), self._zone)
        self._routes = Routes(directory, self._default_extension, self._name_language, absent.of)
        self._routes_until = absent.until


def callee_in(did_raw: str | None) -> str | None:
    """Give the number that a phone calls, where the question is not about a call from outside; any text."""
    return did_raw.removeprefix(CALLEE_MARK) if did_raw is not None and did_raw.startswith(CALLEE_MARK) else None


def _searched(caller: Number) -> str | None:
    return caller.text if caller.kind is NumberKind.OUTSIDE else None
