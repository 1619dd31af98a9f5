"""Keeps the record of work that changes hands: who asked for what, how far it has come, and why it stopped (L8, K2).

What is on record is carried out in pieces by leads.store.handing_over, on whichever server is free.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from leads.store import audit, cards
from leads.store.handover_tables import Handover, HandoverKind, HandoverState, StopReason
from leads.store.leads import LeadFilter, LeadState
from leads.store.models import Employee, Lead
from leads.store.narrowing import Stretch
from leads.store.reassigning import MOST_AT_ONCE

KEPT_FOR = timedelta(days=30)
"""So long a record can be looked at."""
LOST_AFTER = timedelta(seconds=15)
"""A server that has not got on for so long is lost: another one goes on. Were it only slow, nothing is done twice."""
MOST_SHOWN = 100
RUNNING = Handover.state == HandoverState.RUNNING


@dataclass(frozen=True, slots=True)
class Standing:
    """One hand-over as it stands; `counts` are of what became of the `total`."""

    id: int
    kind: HandoverKind
    employee_id: int | None
    leaver: str | None
    receiver: str | None
    state: HandoverState
    reason: StopReason | None
    total: int
    counts: Mapping[str, int]
    started_at: datetime

    @property
    def runs(self) -> bool:
        """Whether it is not over yet."""
        return self.state is HandoverState.RUNNING

    @property
    def percent(self) -> int:
        """How much of it had its turn."""
        if self.state is HandoverState.DONE:
            return 100
        return min(99, sum(self.counts.values()) * 100 // max(1, self.total))


def is_few(total: int) -> bool:
    """Whether so many things change hands in no time: whoever asks for it can wait for it."""
    return total <= MOST_AT_ONCE


async def begin_list(
    session: AsyncSession,
    wanted: LeadFilter,
    to_id: int | None,
    total: int,
    *,
    by: int,
    now: datetime,
    runner: str = "",
) -> int:
    """Put on record that the open leads of a list, `total` of them, are to become an employee's (None: nobody's).

    Who asks for the same again while it runs, as by a second click, gets the first one's id. A few are left to
    `runner`, more to the first server that is free.

    Raises:
        WrongFieldError: nobody of that key works here.
    """
    asked = (Handover.employee_id == by, Handover.to_id.is_not_distinct_from(to_id))
    for other in await session.scalars(select(Handover).where(RUNNING, *asked)):
        if other.wanted == _written(wanted):
            return other.id
    if to_id is not None and not await session.scalar(select(Employee.active).where(Employee.id == to_id)):
        raise cards.WrongFieldError("responsible_id", str(to_id))
    until = await session.scalar(select(func.max(Lead.id))) or 0
    started = Handover(kind=HandoverKind.LIST, to_id=to_id, wanted=_written(wanted), until=until, total=total)
    return await _begin(session, started, by=by, now=now, runner=runner)


async def begin_leaver(
    session: AsyncSession, from_id: int, to_id: int, total: int, *, by: int | None, now: datetime, runner: str = ""
) -> int:
    """Put on record that all that a leaver is in charge of, `total` things, is to become his successor's.

    A few are left to `runner`, more to the first server that is free.
    """
    started = Handover(kind=HandoverKind.LEAVER, from_id=from_id, to_id=to_id, total=total)
    return await _begin(session, started, by=by, now=now, runner=runner)


async def _begin(session: AsyncSession, started: Handover, *, by: int | None, now: datetime, runner: str) -> int:
    await session.execute(delete(Handover).where(Handover.started_at < now - KEPT_FOR, ~RUNNING))
    started.employee_id, started.counts = by, {}
    started.runner = runner if is_few(started.total) else ""
    started.started_at = started.moved_at = now
    session.add(started)
    await session.flush()
    people = {"employee_id": started.from_id, "responsible_id": started.to_id}
    after = {name: value for name, value in people.items() if value is not None} | {"total": started.total}
    await audit.note(session, audit.What.ADDED, "handover", started.id, after=after)
    return started.id


async def end(session: AsyncSession, ended: Handover, now: datetime, reason: StopReason | None = None) -> None:
    """Note that one is done, or why it stopped, and forget what the list was narrowed to."""
    before = {"state": ended.state.value}
    ended.state = HandoverState.DONE if reason is None else HandoverState.STOPPED
    ended.reason, ended.wanted, ended.runner, ended.moved_at = reason, None, "", now
    after = {"state": ended.state.value, **ended.counts}
    await audit.note(session, audit.What.CHANGED, "handover", ended.id, before=before, after=after)


async def held(session: AsyncSession, handover_id: int) -> Handover | None:
    """One that runs, kept from everybody else until this transaction ends; None when it is over."""
    statement = select(Handover).where(Handover.id == handover_id, RUNNING)
    return await session.scalar(statement.with_for_update().execution_options(populate_existing=True))


async def stop(session: AsyncSession, handover_id: int, reason: StopReason, now: datetime) -> bool:
    """Let one stop after the piece that is just being carried out; False when it is over."""
    running = await held(session, handover_id)
    if running is None:
        return False
    await end(session, running, now, reason)
    return True


async def waiting(session: AsyncSession, runner: str, now: datetime) -> list[int]:
    """Those that a server can go on with: its own, and those that no other one is at."""
    free = or_(Handover.runner.in_(("", runner)), Handover.moved_at < now - LOST_AFTER)
    return list(await session.scalars(select(Handover.id).where(RUNNING, free).order_by(Handover.id)))


async def leave_to_others(session: AsyncSession, runner: str) -> None:
    """Let other servers, or this one after its next start, go on at once with what a server was at."""
    await session.execute(update(Handover).where(RUNNING, Handover.runner == runner).values(runner=""))


async def find(session: AsyncSession, handover_id: int) -> Standing | None:
    """One of them."""
    found = await _standings(session, Handover.id == handover_id)
    return found[0] if found else None


async def begun_by(session: AsyncSession, employee_id: int, *, running: bool = False) -> list[Standing]:
    """What somebody has begun, the newest first; only what is not over yet with `running`."""
    own = Handover.employee_id == employee_id
    return await _standings(session, own, RUNNING) if running else await _standings(session, own)


async def of_leaver(session: AsyncSession, employee_id: int) -> Standing | None:
    """The hand-over of somebody's work that runs, whoever began it."""
    found = await _standings(session, Handover.from_id == employee_id, RUNNING)
    return found[0] if found else None


def filter_of(running: Handover) -> LeadFilter:
    """What the list is narrowed to."""
    written = running.wanted or {}
    state, created, last_call = written["state"], written["created"], written["last_call"]
    read = {"state": LeadState(state), "created": _stretch(created), "last_call": _stretch(last_call)}
    return LeadFilter(**written | read)


def _written(wanted: LeadFilter) -> dict[str, Any]:
    """The same in JSON."""
    written = asdict(wanted)
    for name in ("created", "last_call"):
        if written[name] is not None:
            written[name] = {side: moment and moment.isoformat() for side, moment in written[name].items()}
    return written


def _stretch(written: dict[str, str | None] | None) -> Stretch | None:
    if written is None:
        return None
    return Stretch(**{side: datetime.fromisoformat(moment) if moment else None for side, moment in written.items()})


async def _standings(session: AsyncSession, *conditions: ColumnElement[bool]) -> list[Standing]:
    leaver, receiver = aliased(Employee), aliased(Employee)
    columns: tuple[Any, ...] = (
        Handover.id,
        Handover.kind,
        Handover.employee_id,
        leaver.name,
        receiver.name,
        Handover.state,
        Handover.reason,
        Handover.total,
        Handover.counts,
        Handover.started_at,
    )
    statement = (
        select(*columns)
        .outerjoin(leaver, leaver.id == Handover.from_id)
        .outerjoin(receiver, receiver.id == Handover.to_id)
        .where(*conditions)
        .order_by(Handover.id.desc())
        .limit(MOST_SHOWN)
    )
    return [Standing(*row) for row in await session.execute(statement)]
