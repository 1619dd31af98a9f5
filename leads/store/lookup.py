"""Finds who a number belongs to while the caller waits: one indexed statement, and never longer than the deadline.

All numbers that are asked for in one turn of the event loop, or while the database is busy with others, go there in one
statement, because what costs is the way there. A disk or a server that hangs costs the waiting calls their deadline
once; until it answers again, every other call is told at once that there is no answer, and takes the route that needs
none.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import structlog

from leads.domain.people import LookupAnswer, Person, PersonKind

DEADLINE_SECONDS = 0.3
"""How long a call may wait: FastAGI has to answer within 0.5 s."""
MOST_WAITING = 5000
"""How many calls may wait at the same time; more means that the database is too slow to be asked."""

STATEMENT = """
SELECT asked.value, v.version, p.lead_id, l.name, l.named, l.language, l.responsible_id,
       p.contact_person_id, k.name, k.language, k.responsible_id, c.id, c.name, c.language, c.responsible_id,
       p.on_active_lead, p.pinned, p.last_talker_id, l.closed_at
FROM {asked} CROSS JOIN directory_version v
LEFT JOIN phone_number p ON p.number = asked.value
LEFT JOIN lead l ON l.id = p.lead_id
LEFT JOIN contact_person k ON k.id = p.contact_person_id
LEFT JOIN counterparty c ON c.id = COALESCE(p.counterparty_id, k.counterparty_id)
WHERE v.id = 1
"""
"""A closed lead counts only where nobody else has the number: who it became, a counterparty, should have it."""

_NOBODY = ""
_ORDER = list(PersonKind)
_log = structlog.get_logger(__name__)


class LookupUnavailable(Exception):  # noqa: N818 - it is a state of the database, said to those who ask
    """The database does not answer in time; the call must be routed without it."""


class Waiter(Protocol):
    """Who waits for an answer: a future, or what is told like one at once; it may not raise."""

    def done(self) -> bool:
        """Tell whether it waits no longer."""

    def set_result(self, result: LookupAnswer, /) -> None:
        """Take the answer."""

    def set_exception(self, exception: LookupUnavailable, /) -> None:
        """Hear that there is none."""


@dataclass(eq=False)
class Batch:
    """Numbers that are asked for together, and who waits for them."""

    numbers: list[str] = field(default_factory=list)
    waiters: list["Waiter"] = field(default_factory=list)
    deadline: asyncio.TimerHandle | None = None


Rows = Sequence[Sequence[Any]]


class Backend(Protocol):
    """One way to a database. It calls back `CallerLookup.answered` or `.failed`, `.send`, `.recovered` on the loop."""

    async def open(self, lookup: "CallerLookup") -> None:
        """Connect; trouble is no error here but leads to `failed` and `recovered`."""

    def is_free(self) -> bool:
        """Tell whether a batch would be sent at once; if not, `CallerLookup.send` is called when it would."""

    def ask(self, batch: Batch) -> None:
        """Send a batch, when free; does not wait."""

    def give_up(self) -> None:
        """A batch missed its deadline: do what helps to recover."""

    async def close(self) -> None:
        """Let go of everything, within a second even if the database hangs."""


class CallerLookup:
    """The look-up on the call path; open it once for each event loop."""

    def __init__(self, backend: Backend, deadline: float = DEADLINE_SECONDS) -> None:
        self._backend = backend
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._next = Batch()
        self._waiting = 0
        self._trouble: str | None = None

    @classmethod
    async def open(cls, url: str, deadline: float = DEADLINE_SECONDS) -> Self:
        """Connect to the database at `url`; a database in trouble is no error, it is tried again by itself."""
        # Each backend imports a driver of its own.
        backend: Backend
        if url.startswith("postgresql"):
            from leads.store.lookup_postgres import PostgresBackend

            backend = PostgresBackend(url)
        else:
            from leads.store.lookup_sqlite import SqliteBackend

            backend = SqliteBackend(url)
        lookup = cls(backend, deadline)
        await backend.open(lookup)
        return lookup

    @property
    def trouble(self) -> str | None:
        """Why look-ups fail at present, for health reports; None while all is well."""
        return self._trouble

    def find(self, e164: str | None) -> "asyncio.Future[LookupAnswer]":
        """The owners of a number, and the directory's version; with None (a hidden caller) only the version.

        Raises:
            LookupUnavailable: no answer within the deadline, or none for a while already.
        """
        future: asyncio.Future[LookupAnswer] = self._loop.create_future()
        self.ask(e164, future)
        return future

    def ask(self, e164: str | None, waiter: Waiter) -> None:
        """Do as `find` for one who brings his own future; that there is no answer he may hear before this returns."""
        if self._trouble is not None or self._waiting >= MOST_WAITING:
            waiter.set_exception(LookupUnavailable(self._trouble or "too many calls wait for the database"))
            return
        batch = self._next
        if not batch.numbers:
            batch.deadline = self._loop.call_later(self._deadline, self._expire, batch)
            if self._backend.is_free():
                self._loop.call_soon(self.send)
        batch.numbers.append(e164 or _NOBODY)
        batch.waiters.append(waiter)
        self._waiting += 1

    async def close(self) -> None:
        """Stop; those who still wait are told so."""
        self._trouble = "closed"
        self._give_up_next()
        await self._backend.close()

    def answered(self, batch: Batch, rows: Rows) -> None:
        """The backend's rows for a batch, each beginning with the number it is for."""
        version, owners = rows[0][1] if rows else 0, owners_by_number(rows)
        for number, waiter in zip(batch.numbers, batch.waiters, strict=True):
            if not waiter.done():
                waiter.set_result(LookupAnswer(version, owners.get(number, ())))
        self._finish(batch)

    def failed(self, batch: Batch, reason: str) -> None:
        """The backend cannot answer a batch."""
        for waiter in batch.waiters:
            if not waiter.done():
                waiter.set_exception(LookupUnavailable(reason))
        self._finish(batch)

    def suspended(self, reason: str) -> None:
        """From now on nobody needs to wait, until the backend says that it recovered."""
        if self._trouble is None:
            self._trouble = reason
            _log.error("caller look-up suspended", reason=reason)
        self._give_up_next()

    def recovered(self) -> None:
        """The database answers again."""
        if self._trouble is not None:
            _log.info("caller look-up works again", was=self._trouble)
            self._trouble = None

    def send(self) -> None:
        """Send what is waiting, if the backend is free."""
        if self._next.numbers and self._backend.is_free():
            batch, self._next = self._next, Batch()
            self._backend.ask(batch)

    def _give_up_next(self) -> None:
        batch, self._next = self._next, Batch()
        self.failed(batch, self._trouble or "")

    def _expire(self, batch: Batch) -> None:
        reason = f"no answer from the database within {self._deadline} s"
        self.suspended(reason)
        self.failed(batch, reason)
        self._backend.give_up()

    def _finish(self, batch: Batch) -> None:
        if batch.deadline is not None:
            batch.deadline.cancel()
        self._waiting -= len(batch.waiters)
        batch.waiters, batch.numbers = [], []


def owners_by_number(rows: Iterable[Sequence[Any]]) -> dict[str, tuple[Person, ...]]:
    """Who has each number that the rows are for; () for one that nobody has."""
    of: dict[str, list[Sequence[Any]]] = {}
    for row in rows:
        of.setdefault(row[0], []).append(row)
    return {number: _in_order(those) for number, those in of.items()}


def _in_order(rows: list[Sequence[Any]]) -> tuple[Person, ...]:
    """All who have the number, or who has it pinned; else the lead closed last, which this call opens again (L12)."""
    people = [person for row in rows if (person := _owner_in(row)) is not None]
    if len(people) > 1:
        people = [one for one in people if not one.closed] or [people[rows.index(max(rows, key=_closed))]]
        people = [one for one in people if one.pinned] or people
        people.sort(key=lambda person: (_ORDER.index(person.kind), person.id))
    return tuple(people)


def _closed(row: Sequence[Any]) -> tuple[Any, ...]:
    """When a closed lead was closed, to compare; by their keys those of a file would be the newest."""
    return row[18] is not None, row[18], row[2]


def _owner_in(row: Sequence[Any]) -> Person | None:
    """The owner in one row; a contact person's own responsible wins over the counterparty's."""
    pinned, talker = bool(row[16]), row[17]
    if row[2] is not None:
        name = row[3] if row[4] else None
        return Person(PersonKind.LEAD, row[2], None, name, row[5], row[6], not row[15], last_talker_id=talker)
    if row[7] is not None:
        responsible, language = row[10] if row[10] is not None else row[14], row[9] or row[13]
        name = _named(row[8])
        return Person(PersonKind.CONTACT_PERSON, row[7], row[11], name, language, responsible, False, pinned, talker)
    if row[11] is not None:
        name = _named(row[12])
        return Person(PersonKind.COUNTERPARTY, row[11], row[11], name, row[13], row[14], False, pinned, talker)
    return None


def _named(name: str) -> str | None:
    """A name is one that holds a letter; a number in the place of a name names nobody."""
    return name if any(letter.isalpha() for letter in name) else None
