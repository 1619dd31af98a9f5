"""Carries out what is on record as changing hands, a piece at a time, so that calls are written in between (L8, K2).

A piece is one transaction: it holds the record, makes sure that whoever began it may still do so, gives at most a
hundred things away, and notes how far it has come. So a server that dies between two pieces loses nothing, and two
that are at one record do nothing twice. What comes next is looked for before, without holding anybody up.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.clock import Clock
from leads.domain.directory import Directory, Role
from leads.domain.visibility import Scope, answers_for_others, scope_of
from leads.store import audit, handovers
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.handover_tables import Handover, HandoverKind, HandoverState, StopReason
from leads.store.leads import leads_in_list
from leads.store.leavers_work import KINDS, Handing, Kind, some_of
from leads.store.list_paths import next_ids
from leads.store.models import DirectoryVersion, Employee, Lead
from leads.store.reassigning import MOST_AT_ONCE, Giving, give_some

_LOOKED_UP = 5000
"""Things of a leaver that are looked up at once."""


@dataclass(frozen=True, slots=True)
class _People:
    """Who began it, who leaves and who receives, as they are now; None where there is nobody."""

    by: Employee | None
    leaver: Employee | None
    receiver: Employee | None


@dataclass(slots=True)
class _Next:
    """What was found to be next: keys of leads of a list after `place`, up to `end`; or of one kind of a leaver's."""

    ids: Sequence[int]
    place: int = 0
    end: int = 0
    kind: Kind | None = None


class HandingOver:
    """One hand-over in the hands of one server."""

    def __init__(
        self, database: Database, handover_id: int, runner: str, directories: DirectoryCache, clock: Clock
    ) -> None:
        """Nothing is looked at before `go_on`; `runner` is the server's name among those who share the database."""
        self._database, self._id, self._runner = database, handover_id, runner
        self._directories, self._clock = directories, clock
        self._next: _Next | None = None

    async def go_on(self) -> bool:
        """Carry out the next piece; False when it is over, or another server is at it."""
        directory = await self._present_directory()
        if self._next is None:
            async with self._database.read() as session:
                self._next = await self._look(session, directory)
        try:
            async with self._database.write() as session:
                return await self._piece(session, self._next, directory)
        except BaseException:
            self._next = None
            raise

    async def finish(self) -> None:
        """Carry out all pieces, one after the other."""
        while await self.go_on():
            pass

    async def _present_directory(self) -> Directory:
        """The company as it is now, whichever server changed it: groups say what a supervisor may see."""
        async with self._database.read() as session:
            version = await session.scalar(select(DirectoryVersion.version).where(DirectoryVersion.id == 1))
        known = self._directories.current
        return known if known.version == version else await self._directories.refresh()

    async def _look(self, session: AsyncSession, directory: Directory) -> _Next:
        running = await session.get(Handover, self._id)
        if running is None or running.state is not HandoverState.RUNNING:
            return _Next(())
        if running.kind is HandoverKind.LEAVER:
            for kind in KINDS:
                found = await some_of(session, kind, running.from_id or 0, _LOOKED_UP)
                if found:
                    return _Next(sorted(found), kind=kind)
            return _Next(())
        by = await session.get(Employee, running.employee_id) if running.employee_id is not None else None
        scope = _scope(by, directory)
        listed = await _listed(session, running, scope)
        ids, last = await next_ids(session, Lead.id, and_(listed, Lead.closed_at.is_(None)), running.place)
        return _Next(ids, running.place, running.until if last is None else min(last, running.until))

    async def _piece(self, session: AsyncSession, following: _Next, directory: Directory) -> bool:
        running = await handovers.held(session, self._id)
        now = self._clock()
        if running is None or self._is_anothers(running, now):
            return False
        people = await _people(session, running)
        if people.by is not None:
            audit.act_as(audit.Actor(people.by.id, people.by.name, now))
        reason = _must_stop(running, people)
        if reason is not None:
            await handovers.end(session, running, now, reason)
            return False
        running.runner, running.moved_at = self._runner, now
        if running.kind is HandoverKind.LEAVER:
            return await self._piece_of_leaver(session, running, following, people, now)
        return await self._piece_of_list(session, running, following, _scope(people.by, directory), now)

    def _is_anothers(self, running: Handover, now: datetime) -> bool:
        return running.runner not in ("", self._runner) and now - running.moved_at < handovers.LOST_AFTER

    async def _piece_of_list(
        self, session: AsyncSession, running: Handover, following: _Next, scope: Scope, now: datetime
    ) -> bool:
        """Whatever has left the list since it was looked for stays as it is."""
        if running.place != following.place:  # Another server was at it meanwhile.
            self._next = None
            return True
        ids, rest = following.ids[:MOST_AT_ONCE], following.ids[MOST_AT_ONCE:]
        giving = Giving(running.to_id, running.employee_id, now)
        done = await give_some(session, ids, giving, await _listed(session, running, scope))
        over = await _over(session, ids)
        left = len(ids) - done.given - done.theirs - sum(over.values())
        _count(running, given=done.given, theirs=done.theirs, left=left, **over)
        running.place = ids[-1] if rest else following.end
        self._next = _Next(rest, running.place, following.end) if rest else None
        if running.place < running.until:
            return True
        # What left it before it was looked for was never seen.
        _count(running, left=max(0, running.total - sum(running.counts.values())))
        await handovers.end(session, running, now)
        return False

    async def _piece_of_leaver(
        self, session: AsyncSession, running: Handover, following: _Next, people: _People, now: datetime
    ) -> bool:
        if following.kind is None or people.leaver is None or people.receiver is None:
            await handovers.end(session, running, now)
            return False
        ids, rest = following.ids[:MOST_AT_ONCE], following.ids[MOST_AT_ONCE:]
        handing = Handing(people.leaver, people.receiver, running.employee_id, now)
        moved = await following.kind.move(session, handing, ids)
        _count(running, **{following.kind.name: moved})
        self._next = _Next(rest, kind=following.kind) if rest else None
        return True


async def _listed(session: AsyncSession, running: Handover, scope: Scope) -> ColumnElement[bool]:
    return and_(await leads_in_list(session, handovers.filter_of(running), scope), Lead.id <= running.until)


async def _over(session: AsyncSession, ids: Collection[int]) -> dict[str, int]:
    """How many of these leads are closed, and how many went into another lead, since the list was looked at."""
    merged = Lead.merged_into_id.is_not(None)
    counted = select(merged, func.count()).where(Lead.id.in_(ids), Lead.closed_at.is_not(None)).group_by(merged)
    return {"merged_meanwhile" if row[0] else "closed_meanwhile": row[1] for row in await session.execute(counted)}


async def _people(session: AsyncSession, running: Handover) -> _People:
    """Who is concerned; nobody of them can be let go, or lose rights, before this transaction ends."""
    keys = {running.employee_id, running.from_id, running.to_id} - {None}
    statement = select(Employee).where(Employee.id.in_(keys)).order_by(Employee.id).with_for_update(read=True)
    found = {one.id: one for one in await session.scalars(statement)}
    return _People(found.get(running.employee_id or 0), found.get(running.from_id or 0), found.get(running.to_id or 0))


def _scope(by: Employee | None, directory: Directory) -> Scope:
    """Whose leads may be given away by whoever began it."""
    return None if by is None else scope_of(by.id, by.role, directory)


def _must_stop(running: Handover, people: _People) -> StopReason | None:
    """Why it may not go on, if so; whoever acts by the command line has no rights to lose."""
    needed = answers_for_others if running.kind is HandoverKind.LIST else _is_admin
    if people.by is not None and not (people.by.active and needed(people.by.role)):
        return StopReason.RIGHTS
    if people.receiver is not None and not people.receiver.active:
        return StopReason.RECEIVER
    if people.leaver is not None and people.leaver.active:
        return StopReason.RETURNED
    return None


def _is_admin(role: Role) -> bool:
    return role is Role.ADMIN


def _count(running: Handover, **became: int) -> None:
    running.counts = running.counts | {
        name: running.counts.get(name, 0) + number for name, number in became.items() if number
    }
