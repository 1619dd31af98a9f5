"""Keeps the leads of a big company in memory in step with the database, and answers lists of them from there (L10).

Each list first reads what has changed since the one before, in its own transaction: so it shows what was saved a moment
ago, whoever saved it. What it cannot answer, and all while the leads are being read, the database answers as ever.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.visibility import Scope
from leads.roster.finding import Finding, Leads, Ordered, TooManyError
from leads.roster.question import Question, question
from leads.roster.reading import (
    MOST_CHANGES,
    Position,
    changed_since,
    end_of_piece,
    position_now,
    read_piece,
    read_some,
    read_worked_on,
)
from leads.roster.snapshot import MOMENTS, Gathering, Snapshot
from leads.store.engine import Database, breathe
from leads.store.leads import LeadFilter, LeadOrder, find_leads, group_labels
from leads.store.list_shapes import Place, Total
from leads.store.listing import Page, Request, page_of
from leads.store.models import Employee, Lead

SMALLEST = 20_000
"""Among fewer leads the database needs no help."""
RENEW_AFTER = 2000
"""So many changed leads cost a list two milliseconds: then all are read anew."""
LOOK_SECONDS = 60.0
"""How often changes are read that no list asked for."""
LONGEST_TURN = 1.0
"""So long a list waits for another to read what has changed; where the database hangs, all would wait in turn."""
LONGEST_SILENCE = 1800.0
"""Notes of changes are kept for an hour; whoever has not read them for so long (a machine that slept) begins anew."""
LONGEST_KEPT = 24 * 3600.0
"""Whoever was erased is gone from memory after so long, too."""
_PIECE = 2000
"""Leads that are read at once: some milliseconds, in which a call may have to wait for the processor."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Present:
    """The leads in memory since a moment (seconds), as far as changes are read, and when (since 1970) that was."""

    leads: Leads
    position: Position
    since: float
    read_at: float = field(default_factory=time.time)


class LeadRoster:
    """The leads in memory; without `keep` there are none, and the database answers."""

    def __init__(self, database: Database, smallest: int = SMALLEST) -> None:
        """Take the database; a company with fewer leads than `smallest` needs no memory."""
        self._database, self._smallest = database, smallest
        self._present: _Present | None = None
        self._one_reads = asyncio.Lock()
        self._due = asyncio.Event()

    @property
    def count(self) -> int | None:
        """How many leads are in memory; None while lists are left to the database."""
        return None if self._present is None else len(self._present.leads.snapshot)

    @property
    def changed(self) -> int:
        """How many of them have changed since they were read."""
        return 0 if self._present is None else len(self._present.leads.changed)

    async def find(
        self, session: AsyncSession, wanted: LeadFilter, order: LeadOrder, request: Request, scope: Scope
    ) -> Page:
        """The ids of one page of the list; as leads.store.leads.find_leads."""
        leads = await self._in_step(session)
        if leads is not None:
            listed = _InMemory(leads, question(wanted, scope), order, await group_labels(session, order))
            try:
                return await page_of(listed, request)
            except TooManyError:
                pass
        return await find_leads(session, wanted, order, request, scope)

    async def became(self, session: AsyncSession, scope: Scope) -> Sequence[int] | None:
        """The counterparties that leads became with which somebody of `scope` had talked; None: ask the database."""
        if scope is None:
            return None
        leads = await self._in_step(session)
        return None if leads is None else await asyncio.to_thread(leads.became, scope)

    async def read_all(self) -> None:
        """Read all leads anew, while those in memory serve on."""
        async with self._database.read() as session:
            position = await position_now(session)
        read_at = time.time()
        gathering = Gathering()
        after = 0
        while True:
            began = time.monotonic()
            async with self._database.read() as session:
                until = await end_of_piece(session, after, _PIECE)
                if until is None:
                    break
                piece = await read_piece(session, after, until)
            await asyncio.to_thread(gathering.add, piece)
            after = until
            await breathe(began)
        snapshot = await asyncio.to_thread(gathering.finish, await self._worked_on())
        async with self._one_reads:  # Whoever reads changes now would put the old ones back.
            self._present = _Present(_unchanged(snapshot), position, time.monotonic(), read_at)

    async def _worked_on(self) -> dict[int, NDArray[np.int64]]:
        """The leads that each employee talked with, or has something to do about."""
        async with self._database.read() as session:
            people = (await session.scalars(select(Employee.id))).all()
        found: dict[int, NDArray[np.int64]] = {}
        for who in people:
            pieces, after, more = [], 0, True
            while more:
                began = time.monotonic()
                async with self._database.read() as session:
                    ids = await read_worked_on(session, who, after, _PIECE * 5)
                pieces.append(np.array(ids, np.int64))
                more, after = len(ids) == _PIECE * 5, ids[-1] if ids else 0
                if more:
                    await breathe(began)
            found[who] = np.concatenate(pieces)
        return found

    async def keep(self) -> None:
        """Read the leads and follow changes; ends only by cancellation."""
        while True:
            pause = 0.0
            try:
                pause = await self._look()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                self._present = None
                _log.error("leads for lists: trying again", why=str(error)[:300])
            self._due.clear()
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._due.wait()
            except TimeoutError:
                pass

    async def _look(self) -> float:
        """Begin, go on or end; returns the seconds before the leads may be read anew."""
        async with self._database.read() as session:
            if (await session.scalar(select(func.max(Lead.id))) or 0) < self._smallest:
                self._present = None
                return 0.0
            leads = await self._in_step(session)
            old = self._present is not None and time.monotonic() - self._present.since > LONGEST_KEPT
        if leads is not None and len(leads.changed) < RENEW_AFTER and not (old and leads.changed):
            return 0.0
        began = time.monotonic()
        await self.read_all()
        took = time.monotonic() - began
        _log.info("leads are in memory for lists", count=self.count, seconds=round(took, 1))
        return took * 4  # Nobody waits for it: while a file of leads is imported, it takes a tenth of a core.

    async def _in_step(self, session: AsyncSession) -> Leads | None:
        """The leads as this session sees them, or later; None where they are not in memory, or not soon in step."""
        try:
            async with asyncio.timeout(LONGEST_TURN):
                await self._one_reads.acquire()
        except TimeoutError:
            return None
        try:
            present = self._present
            if present is None:
                return None
            if not 0 <= time.time() - present.read_at < LONGEST_SILENCE:
                self._give_up()
                return None
            ids, position = await changed_since(session, present.position)
            leads = present.leads
            if len(ids) + len(leads.changed) > MOST_CHANGES:
                self._give_up()
                return None
            if ids:
                leads = leads.with_changes(await read_some(session, ids))
            self._present = _Present(leads, position, present.since)
            if len(leads.changed) >= RENEW_AFTER:
                self._due.set()
            return leads
        finally:
            self._one_reads.release()

    def _give_up(self) -> None:
        self._present = None
        self._due.set()


def _unchanged(snapshot: Snapshot) -> Leads:
    return Leads(snapshot, np.zeros(len(snapshot), bool), {})


class _InMemory:
    """A list of the leads in memory; see leads.store.listing.Listed."""

    def __init__(self, leads: Leads, asked: Question, order: LeadOrder, labels: Sequence[int]) -> None:
        self._leads, self._asked, self._order = leads, asked, order
        self.ranks: Mapping[int, int] = {label: rank for rank, label in enumerate(labels)}
        self.by_time = order in MOMENTS

    async def places(self, start: Place | None, descending: bool, limit: int) -> tuple[list[Place], Total]:
        """In a thread: among a million leads it may take some milliseconds, in which calls come."""
        ordered = Ordered(self._order, self.ranks, descending)
        return await asyncio.to_thread(Finding(self._leads, self._asked, ordered, start, limit).places)
