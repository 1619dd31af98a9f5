"""The caller look-up on PostgreSQL: a few connections of its own, dropped and made anew when the server is in trouble.

The connections are asyncpg's, without SQLAlchemy, whose part would cost more than the query.
"""

import asyncio
from typing import Any

import asyncpg
from sqlalchemy import make_url

from leads.store.lookup import STATEMENT, Batch, CallerLookup

_SQL = STATEMENT.format(asked="unnest($1::text[]) AS asked(value)")
_CONNECTIONS = 3
_CONNECT_SECONDS = 1.0
_PROBE_SECONDS = 1.0
"""How often a server in trouble is tried again."""
_SESSION = {
    "application_name": "leadline-lookup",
    "default_transaction_read_only": "on",
    # The plan must not depend on what the tables held when it was made: always the indexes.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "statement_timeout": "1000",
}


class PostgresBackend:
    """Sends batches over idle connections."""

    def __init__(self, url: str) -> None:
        parts = make_url(url)
        self._arguments = {**parts.translate_connect_args(username="user"), **parts.query}
        self._idle: list[Any] = []
        self._all: list[Any] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._probing: asyncio.Task[None] | None = None

    async def open(self, lookup: CallerLookup) -> None:
        """Connect; a server that is not there yet is tried again each second."""
        self._lookup = lookup
        try:
            await self._connect()
        except Exception as error:
            self._drop(_reason(error))

    def is_free(self) -> bool:
        """Tell whether a connection is idle."""
        return bool(self._idle)

    def ask(self, batch: Batch) -> None:
        """Send a batch over an idle connection."""
        task = asyncio.create_task(self._ask_on(self._idle.pop(), batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def give_up(self) -> None:
        """The server hangs: new connections are the way to notice when it does not any more."""
        self._drop("the server did not answer in time")

    async def close(self) -> None:
        """Drop the connections; a polite farewell could wait for a server that hangs."""
        if self._probing is not None:
            self._probing.cancel()
        self._abandon()
        await asyncio.sleep(0)

    async def _ask_on(self, connection: Any, batch: Batch) -> None:
        try:
            rows = await connection.fetch(_SQL, list(dict.fromkeys(batch.numbers)))
        except Exception as error:
            self._lookup.failed(batch, _reason(error))
            # Those of a server that was given up fail late; its successors are not to blame.
            if connection in self._all:
                self._drop(_reason(error))
            return
        self._lookup.answered(batch, rows)
        if connection in self._all:
            self._idle.append(connection)
            self._lookup.send()

    def _drop(self, reason: str) -> None:
        self._lookup.suspended(f"PostgreSQL: {reason}")
        self._abandon()
        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(self._probe())

    def _abandon(self) -> None:
        connections, self._all, self._idle = self._all, [], []
        for connection in connections:
            connection.terminate()

    async def _probe(self) -> None:
        while True:
            try:
                await self._connect()
            except Exception:
                await asyncio.sleep(_PROBE_SECONDS)
            else:
                self._lookup.recovered()
                return

    async def _connect(self) -> None:
        opened: list[Any] = []
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                for _ in range(_CONNECTIONS):
                    opened.append(await asyncpg.connect(**self._arguments, server_settings=_SESSION))
                    await opened[-1].fetch(_SQL, [""])
        except BaseException:
            for connection in opened:
                connection.terminate()
            raise
        self._all = opened
        self._idle = list(opened)


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
