"""Has passwords hashed in processes of lower priority: calls are answered by this one, and must not wait for argon2."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress

import structlog

from leads.admin.passwords import AT_ONCE, TooBusyError

_log = structlog.get_logger(__name__)


class HashingProcesses:
    """Keeps a few such processes; each starts when it is needed first, and again when it has ended by itself."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._idle: list[Process] = []
        self._all: set[Process] = set()

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right; takes as long without a hash.

        Raises:
            TooBusyError: the process ended meanwhile.
        """
        return bool(await self._ask(password_hash, password))

    async def hash(self, password: str) -> str:
        """A new hash of a password.

        Raises:
            TooBusyError: the process ended meanwhile.
        """
        return str(await self._ask(password))

    async def close(self) -> None:
        """End all processes."""
        for process in list(self._all):
            self._end(process)
            await process.wait()

    async def _ask(self, *question: str | None) -> object:
        async with self._turns:
            process = self._idle.pop() if self._idle else await self._start()
            try:
                answer = await _answer(process, question)
            except BaseException:
                # What it would still say is no answer to the next one's question.
                self._end(process)
                raise
            self._idle.append(process)
            return answer

    async def _start(self) -> Process:
        # In a session of its own: what a terminal sends to this process is not for it. It ends when we do.
        command = [sys.executable, "-m", "leads.store.password_hash"]
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
        self._all.add(process)
        return process

    def _end(self, process: Process) -> None:
        self._all.discard(process)
        with suppress(ProcessLookupError):
            process.kill()


async def _answer(process: Process, question: tuple[str | None, ...]) -> object:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(question).encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
    except ConnectionError:
        line = b""
    if not line:
        _log.error("the process that hashes passwords has ended; the next password starts another")
        raise TooBusyError
    return json.loads(line)
