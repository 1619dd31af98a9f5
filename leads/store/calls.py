"""Writes what calls cause, in batches: the calls, the leads they make, and the decisions that routed them.

Everything can be repeated and can come in any order: a call is one row by Asterisk server and linkedid, a poorer view
never changes a fuller one, and a number is on one active lead, whoever else writes at the same time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from leads.domain.calls import CallView
from leads.domain.clock import Clock
from leads.domain.intake import Intake
from leads.store.call_rows import one_line
from leads.store.directory import DirectoryCache
from leads.store.engine import Database, lock_calls
from leads.store.failed_calls import take_back_leads
from leads.store.follow_up import follow_up
from leads.store.last_talks import LastTalk, note_last_talks
from leads.store.models import DirectoryVersion
from leads.store.people_of_calls import (
    NOBODY,
    Conversation,
    People,
    Wanted,
    note_calls,
    note_conversations,
    people_for,
)
from leads.store.stored_calls import StoredCall, fuller_calls, insert_calls, keep_decisions, update_calls

MOST_AT_ONCE = 400
"""Calls in one transaction: bounded, so that the panel's writers wait for some milliseconds only."""
_JUDGED_AGAIN = 5
_DRIVERS = ("aiosqlite", "asyncpg", "sqlite3")

_VERSION = select(DirectoryVersion.__table__.c.version)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """A routing decision on its way to its call."""

    pbx: str
    linkedid: str
    decided_at: datetime
    decision: dict[str, Any]


class _DirectoryChanged(Exception):  # noqa: N818 - no error: the batch is judged anew
    """The batch was judged by a directory that is not the present one."""


class CallWriter:
    """Writes views of calls and decisions; one per process, used by one task at a time."""

    def __init__(self, database: Database, directory: DirectoryCache, region: str, clock: Clock) -> None:
        self._database = database
        self._directory = directory
        self._region = region
        self._clock = clock
        self._intake = Intake(directory.current, region)

    async def write(self, views: Sequence[CallView], decisions: Sequence[RecordedDecision]) -> None:
        """Store all; a row that the database refuses for what is in it is logged and left out.

        Raises:
            SQLAlchemyError, OSError, TimeoutError: the database is away, hangs or is locked; write the same again.
        """
        calls = _by_call(views)
        for start in range(0, max(len(calls), len(decisions)), MOST_AT_ONCE):
            end = start + MOST_AT_ONCE
            await self._write_some(calls[start:end], decisions[start:end])

    async def _write_some(self, calls: Sequence[Sequence[CallView]], decisions: Sequence[RecordedDecision]) -> None:
        try:
            await self._transaction(calls, decisions)
        except Exception as error:
            if not _is_the_rows_fault(error):
                raise
            if len(calls) + len(decisions) > 1:
                for call in calls:
                    await self._write_some((call,), ())
                for decision in decisions:
                    await self._write_some((), (decision,))
                return
            await self._insist(calls, decisions)

    async def _insist(self, calls: Sequence[Sequence[CallView]], decisions: Sequence[RecordedDecision]) -> None:
        """Try a row once more, and give it up only where a database that is otherwise well refuses it again."""
        await self._database.run_write(_ask_anything)
        try:
            await self._transaction(calls, decisions)
        except Exception as error:
            if not _is_the_rows_fault(error):
                raise
            bad = calls[0][0] if calls else decisions[0]
            _log.error("call not stored", pbx=bad.pbx, linkedid=bad.linkedid, error=str(error)[:500])

    async def _transaction(self, calls: Sequence[Sequence[CallView]], decisions: Sequence[RecordedDecision]) -> None:
        for again in range(_JUDGED_AGAIN, -1, -1):
            if self._intake.directory is not self._directory.current:
                self._intake = Intake(self._directory.current, self._region)
            batch = _Batch(self._intake, self._clock(), calls, decisions, insist=again > 0)
            try:
                await self._database.run_write(batch.store)
            except _DirectoryChanged:
                await self._directory.refresh()
            else:
                return


def _by_call(views: Sequence[CallView]) -> list[list[CallView]]:
    calls: dict[tuple[str, str], list[CallView]] = {}
    for view in views:
        calls.setdefault((view.pbx, view.linkedid), []).append(view)
    return list(calls.values())


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one transaction writes; with `insist` only if `intake` goes by the directory as it is now."""

    intake: Intake
    now: datetime
    calls: Sequence[Sequence[CallView]]
    decisions: Sequence[RecordedDecision]
    insist: bool

    def store(self, connection: Connection) -> None:
        """Write it."""
        # Leadline processes take turns, as on SQLite: what is read here does not change until it is written.
        lock_calls(connection)
        if self.insist and (connection.scalar(_VERSION) or 0) != self.intake.directory.version:
            raise _DirectoryChanged
        stored = fuller_calls(connection, self.calls, self.now)
        for call in stored:
            call.judge(self.intake)
        _connect(connection, stored, self.now)
        follow_up(connection, stored)
        insert_calls(connection, [call for call in stored if call.id is None])
        update_calls(connection, [call for call in stored if call.id is not None])
        keep_decisions(
            connection,
            (
                (one_line(made.pbx, 64), one_line(made.linkedid, 150), made.decided_at, made.decision)
                for made in self.decisions
            ),
        )


def _connect(connection: Connection, calls: Sequence[StoredCall], now: datetime) -> None:
    """Give each call its person, and tell the leads among them what the call means for them."""
    alone = [call for call in calls if not call.person.is_known and call.judgement.outside]
    # Somebody may have taken the number off its card during the call; after it, the number is somebody's again (L7).
    asked = [*alone, *(call for call in calls if call.person.is_known and call.judgement.makes_lead and call.ends_now)]
    people = people_for(
        connection,
        (
            Wanted(
                call.judgement.outside or "",
                call.judgement.makes_lead,
                call.judgement.talker_id or call.judgement.provisional_id,
                call.judgement.source_id,
            )
            for call in asked
        ),
        now,
        [call.person for call in calls if call.person.is_known],
    )
    for call in alone:
        call.person = people.get(call.judgement.outside or "", call.person)
    take_back_leads(connection, calls)
    with_leads = [(call, call.person.lead_id) for call in calls if call.person.lead_id is not None]
    note_calls(connection, ((lead, call.columns["started_at"]) for call, lead in with_leads if call.is_news_to_lead))
    note_conversations(connection, _conversations(calls, people), now)
    note_last_talks(
        connection,
        (
            LastTalk(call.judgement.outside, call.person, call.talked_until, call.judgement.talker_id)
            for call in calls
            if call.has_talked and call.judgement.outside is not None and call.judgement.talker_id is not None
        ),
    )


def _conversations(calls: Sequence[StoredCall], people: People) -> Iterator[Conversation]:
    """With which leads somebody talked that may not know it yet.

    Who has the number at the call's end may be none of those who had it when it was answered: a lead that was opened
    again, or made, because a counterparty had it meanwhile and was relieved of it.
    """
    for call in calls:
        talker = call.judgement.talker_id
        if talker is None or not call.judgement.makes_lead:
            continue
        owner = people.get(call.judgement.outside or "", NOBODY).lead_id
        told = None if call.is_known_to_talk else call.person.lead_id
        for lead in {told, owner if owner in people.untalked else None}:
            if lead is not None:
                yield Conversation(lead, call.own_id, call.conversed_at, talker)


def _is_the_rows_fault(error: Exception) -> bool:
    """Whether the same row would fail again on a healthy database, so that it must not hold up the others."""
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return isinstance(error, IntegrityError | DataError) or state[:2] in ("22", "23")
    if type(error).__module__.partition(".")[0] in _DRIVERS:
        return False  # what a driver says past SQLAlchemy is about its connection
    return isinstance(error, StatementError) or not isinstance(error, SQLAlchemyError | OSError | TimeoutError)


def _ask_anything(connection: Connection) -> None:
    connection.execute(_VERSION)
