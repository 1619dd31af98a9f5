"""Slows down guessing of passwords: after some failures a key (a login, an address) has to wait, longer each time."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from leads.domain.clock import Clock

FORGET_AFTER = timedelta(minutes=15)
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=10)
FREE_ATTEMPTS = {"login": 5, "address": 20}
MOST_KEYS = 20_000


@dataclass(slots=True)
class _Record:
    failures: int
    last: datetime


class Throttle:
    """Counts failed attempts by kind and key in bounded memory; the oldest keys are forgotten first."""

    def __init__(self, clock: Clock, most_keys: int = MOST_KEYS) -> None:
        """Args:
        clock: tells the present moment, UTC.
        most_keys: how many keys are remembered at most, so that a flood of invented logins costs no memory.
        """
        self._clock = clock
        self._most = most_keys
        self._records: OrderedDict[tuple[str, str], _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def wait(self, login: str, address: str) -> timedelta:
        """How long the next attempt has to wait; zero when it may come now."""
        return max(self._wait("login", login), self._wait("address", address))

    def count(self, login: str, address: str) -> None:
        """Count an attempt before its password is looked at, so that many at once cannot slip through together."""
        self._count(("login", login), ("address", address))

    def count_once(self, login: str, address: str) -> None:
        """Count an attempt, for its address only a login's first: who asks on with what was right once only errs."""
        again = self._current(("login", login)) is not None
        self._count(*[("login", login), ("address", address)][: 1 if again else 2])

    def _count(self, *keys: tuple[str, str]) -> None:
        for key in keys:
            record = self._current(key)
            self._records[key] = _Record(record.failures + 1 if record else 1, self._clock())
            self._records.move_to_end(key)
        while len(self._records) > self._most:
            self._records.popitem(last=False)

    def succeeded(self, login: str, address: str) -> None:
        """Forget a login's failures and take back the address's last: this attempt was a right one."""
        self._records.pop(("login", login), None)
        self._take_one_back("address", address)

    def take_back(self, login: str, address: str) -> None:
        """Uncount an attempt whose password nobody looked at, so that a flood of others locks nobody out."""
        self._take_one_back("login", login)
        self._take_one_back("address", address)

    def _take_one_back(self, kind: str, name: str) -> None:
        record = self._records.get((kind, name))
        if record is not None:
            record.failures -= 1
            if record.failures <= 0:
                del self._records[kind, name]

    def _current(self, key: tuple[str, str]) -> _Record | None:
        record = self._records.get(key)
        # What lies ahead is of a clock that was put back: nobody waits until it is as late again.
        return record if record and timedelta(0) <= self._clock() - record.last < FORGET_AFTER else None

    def _wait(self, kind: str, name: str) -> timedelta:
        record = self._current((kind, name))
        beyond = record.failures - FREE_ATTEMPTS[kind] if record else -1
        if record is None or beyond < 0:
            return timedelta(0)
        wait: timedelta = min(FIRST_WAIT * 2 ** min(beyond, 10), LONGEST_WAIT)
        return max(record.last + wait - self._clock(), timedelta(0))
