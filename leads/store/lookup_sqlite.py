"""The caller look-up on SQLite: a read-only connection in a thread, and another on the loop for when calls are many.

A disk that hangs must not stop the loop, so a thread asks it. But the way to a thread and back costs more than all else
that a call needs; so while the disk has just proved quick, calls that follow closely are looked up on the loop itself.
"""

import asyncio
import json
import queue
import sqlite3
import threading
import time
from urllib.parse import quote

from leads.store.engine import MAPPED_BYTES
from leads.store.lookup import STATEMENT, Batch, CallerLookup, Rows

_ONE = STATEMENT.format(asked="(SELECT ? AS value) AS asked")
_MANY = STATEMENT.format(asked="json_each(?) AS asked")
_BUSY_MILLISECONDS = 100
"""A lock that lasts longer is not waited for; a checkpoint's is shorter."""
_CLOSE_SECONDS = 1.0
_TRUSTED_SECONDS = 1.0
"""How long a quick answer vouches for the disk."""
_QUICK_SECONDS = 0.02
_MOST_ON_LOOP = 100
"""Numbers looked up in one turn of the loop, so that nothing else on it waits for long."""


class SqliteBackend:
    """Asks in a thread, or on the loop. A thread that is stuck with an overdue batch tells when it is free again."""

    def __init__(self, url: str) -> None:
        path = url.split(":///", 1)[-1].split("?", 1)[0]
        uri = f"file:{quote(path)}?mode=ro"
        self._in_thread = _Reader(uri, _BUSY_MILLISECONDS)
        self._on_loop = _Reader(uri, 0)
        self._trusted_until = 0.0
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._busy = False
        self._thread = threading.Thread(target=self._work, name="caller-lookup", daemon=True)

    async def open(self, lookup: CallerLookup) -> None:
        """Start the thread."""
        self._lookup = lookup
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def is_free(self) -> bool:
        """Tell whether the thread waits for work."""
        return not self._busy

    def ask(self, batch: Batch) -> None:
        """Answer a batch at once, or hand it to the thread."""
        if time.monotonic() >= self._trusted_until or not self._answer_at_once(batch):
            self._busy = True
            self._batches.put(batch)

    def _answer_at_once(self, batch: Batch) -> bool:
        """Look up on the loop; tells whether that succeeded. A lock, for one, is better waited for in the thread."""
        if len(batch.numbers) > _MOST_ON_LOOP:
            return False
        begin = time.monotonic()
        try:
            rows = self._on_loop.query(batch.numbers)
        except sqlite3.Error:
            self._on_loop.close()
            self._trusted_until = 0.0
            return False
        self._trust(begin, time.monotonic())
        self._lookup.answered(batch, rows)
        return True

    def _trust(self, begin: float, end: float) -> None:
        """Judge the disk by how long it took for an answer."""
        self._trusted_until = end + _TRUSTED_SECONDS if end - begin < _QUICK_SECONDS else 0.0

    def give_up(self) -> None:
        """Nothing helps but to wait: the thread calls `_done` when the disk lets go of it."""

    async def close(self) -> None:
        """End the thread; one that hangs is left to the end of the process."""
        self._batches.put(None)
        self._on_loop.close()
        await asyncio.to_thread(self._thread.join, _CLOSE_SECONDS)

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            rows: Rows | None = None
            reason = ""
            begin = time.monotonic()
            try:
                rows = self._query(batch.numbers)
            except sqlite3.Error as error:
                reason = f"SQLite: {error}"
                self._in_thread.close()
            if rows is not None:
                self._trust(begin, time.monotonic())
            try:
                self._loop.call_soon_threadsafe(self._done, batch, rows, reason)
            except RuntimeError:
                break  # the loop was closed first
        self._in_thread.close()

    def _query(self, numbers: list[str]) -> Rows:
        return self._in_thread.query(numbers) if numbers else []  # given up meanwhile

    def _done(self, batch: Batch, rows: Rows | None, reason: str) -> None:
        self._busy = False
        if not batch.numbers:
            self._lookup.recovered()
        elif rows is None:
            self._lookup.failed(batch, reason)
        else:
            self._lookup.answered(batch, rows)
        self._lookup.send()


class _Reader:
    """A read-only connection that is opened when it is needed; a file that was replaced is opened anew."""

    def __init__(self, uri: str, busy_milliseconds: int) -> None:
        self._uri = uri
        self._busy_milliseconds = busy_milliseconds
        self._connection: sqlite3.Connection | None = None

    def query(self, numbers: list[str]) -> Rows:
        """Find the owners of numbers; each row begins with the number it is for.

        Raises:
            sqlite3.Error: there is no file, or it is locked, or not a database.
        """
        connection = self._connection or self._open()
        if len(numbers) == 1:
            return connection.execute(_ONE, numbers).fetchall()
        return connection.execute(_MANY, (json.dumps(list(dict.fromkeys(numbers))),)).fetchall()

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        # Each is used by one thread at a time; the one that closes it may be another.
        connection = sqlite3.connect(self._uri, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout={self._busy_milliseconds}")
        connection.execute(f"PRAGMA mmap_size={MAPPED_BYTES}")
        self._connection = connection
        return connection
