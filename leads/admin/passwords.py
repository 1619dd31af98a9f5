"""Checks and hashes passwords beside the event loop, few at a time; refuses work instead of letting a queue grow."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from leads.store.password_hash import hash_password, verify_password

AT_ONCE = 2
MOST_WAITING = 20
Answer = TypeVar("Answer")


class TooBusyError(Exception):
    """So many people sign in at this moment that one more would wait too long."""


class Hashing(Protocol):
    """Does the work, AT_ONCE at a time (leads.admin.hashing_processes)."""

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Tell whether the password is right, just as late without a hash."""
        ...

    async def hash(self, password: str) -> str:
        """Make a new hash."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


class HashingThreads:
    """Does it on threads, for panels that no calls depend on."""

    def __init__(self) -> None:
        """Prepare the threads; they start with the first password."""
        self._pool = ThreadPoolExecutor(AT_ONCE, "password")

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """As `Hashing` says."""
        return await self._run(lambda: verify_password(password_hash, password))

    async def hash(self, password: str) -> str:
        """As `Hashing` says."""
        return await self._run(lambda: hash_password(password))

    async def _run(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Passwords:
    """Lets so many people wait for `Hashing`, and no more."""

    def __init__(self, hashing: Hashing) -> None:
        """Nobody waits yet."""
        self._hashing = hashing
        self._waiting = 0

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right; takes as long without a hash, so that logins cannot be told by the time.

        Raises:
            TooBusyError: too many are waiting.
        """
        self.refuse_if_full()
        self._waiting += 1
        try:
            return await self._hashing.verify(password_hash, password)
        finally:
            self._waiting -= 1

    async def hash(self, password: str) -> str:
        """A new hash of a password.

        Raises:
            TooBusyError: too many are waiting.
        """
        self.refuse_if_full()
        self._waiting += 1
        try:
            return await self._hashing.hash(password)
        finally:
            self._waiting -= 1

    def refuse_if_full(self) -> None:
        """Spare those who would be one too many all other work.

        Raises:
            TooBusyError: too many are waiting.
        """
        if self._waiting >= MOST_WAITING:
            raise TooBusyError

    async def close(self) -> None:
        """Take no more."""
        await self._hashing.close()
