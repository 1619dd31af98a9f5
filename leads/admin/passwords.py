"""Hashes passwords beside the event loop, few at a time: each costs 0.1 s of a processor and 64 MiB on purpose."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from leads.store.access import hash_password, verify_password

AT_ONCE = 2
MOST_WAITING = 20
Answer = TypeVar("Answer")


NICE = 10
"""How far these threads stand back behind all others, and with them those that argon2 starts from them."""


class TooBusyError(Exception):
    """So many people sign in at this moment that one more would wait too long."""


class Passwords:
    """A small pool of threads for argon2, which refuses work instead of letting a queue grow."""

    def __init__(self) -> None:
        """Prepare the threads; they start with the first password."""
        self._pool = ThreadPoolExecutor(AT_ONCE, "password", initializer=_let_others_first)
        self._waiting = 0

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right; takes as long without a hash, so that logins cannot be told by the time.

        Raises:
            TooBusyError: too many are waiting.
        """
        return await self._run(lambda: verify_password(password_hash, password))

    async def hash(self, password: str) -> str:
        """A new hash of a password.

        Raises:
            TooBusyError: too many are waiting.
        """
        return await self._run(lambda: hash_password(password))

    async def _run(self, work: Callable[[], Answer]) -> Answer:
        if self._waiting >= MOST_WAITING:
            raise TooBusyError
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _let_others_first() -> None:
    """Lower this thread's own priority: calls are answered by another thread of this process."""
    with suppress(OSError):  # where threads have none of their own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + NICE)
