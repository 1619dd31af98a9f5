"""The caller look-up on SQLite: a thread with a read-only connection, so that a slow disk never stops the loop."""

import asyncio
import json
import queue
import sqlite3
import threading
from urllib.parse import quote

from leads.store.lookup import STATEMENT, Batch, CallerLookup, Rows

_SQL = STATEMENT.format(asked="json_each(?) AS asked")
_BUSY_MILLISECONDS = 100
"""A lock that lasts longer is not waited for; a checkpoint's is shorter."""
_MAPPED_BYTES = 2**31 - 2**16
"""The file is read through memory, because SQLite empties its own cache whenever somebody else has written. (So the
file must not be cut short under a running server; a restore over it would destroy it anyway.)"""
_CLOSE_SECONDS = 1.0


class SqliteBackend:
    """Asks in a thread. One that is stuck with an overdue batch tells by itself when it is free again."""

    def __init__(self, url: str) -> None:
        path = url.split(":///", 1)[-1].split("?", 1)[0]
        self._uri = f"file:{quote(path)}?mode=ro"
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._busy = False
        self._connection: sqlite3.Connection | None = None
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
        """Hand a batch to the thread."""
        self._busy = True
        self._batches.put(batch)

    def give_up(self) -> None:
        """Nothing helps but to wait: the thread calls `_done` when the disk lets go of it."""

    async def close(self) -> None:
        """End the thread; one that hangs is left to the end of the process."""
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join, _CLOSE_SECONDS)

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            rows: Rows | None = None
            reason = ""
            try:
                rows = self._query(batch.numbers)
            except sqlite3.Error as error:
                reason = f"SQLite: {error}"
                self._disconnect()
            try:
                self._loop.call_soon_threadsafe(self._done, batch, rows, reason)
            except RuntimeError:
                break  # the loop was closed first
        self._disconnect()

    def _query(self, numbers: list[str]) -> Rows:
        if not numbers:  # given up meanwhile
            return []
        if self._connection is None:
            self._connection = sqlite3.connect(self._uri, uri=True, isolation_level=None)
            self._connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
            self._connection.execute(f"PRAGMA mmap_size={_MAPPED_BYTES}")
        return self._connection.execute(_SQL, (json.dumps(list(dict.fromkeys(numbers))),)).fetchall()

    def _disconnect(self) -> None:
        """A file that was replaced is opened anew."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _done(self, batch: Batch, rows: Rows | None, reason: str) -> None:
        self._busy = False
        if not batch.numbers:
            self._lookup.recovered()
        elif rows is None:
            self._lookup.failed(batch, reason)
        else:
            self._lookup.answered(batch, rows)
        self._lookup.send()
