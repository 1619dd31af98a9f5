"""What breaks, at random and in turn, while people call; a seed tells the same story again."""

import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.conftest import PostgresServer
from tests.lab.faults.world import Server, World, now

DATABASE_SECONDS = 10.0
QUIET_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that was broken, from when to when; `server` is the one it happened to, if it was one."""

    kind: str
    since: datetime
    until: datetime
    server: str = ""


class Chaos:
    """Breaks things in `world`; call it from the main thread, which Asterisk and the servers live on."""

    def __init__(self, world: World, seed: int, postgres: PostgresServer | None) -> None:
        self._world = world
        self._random = random.Random(seed)
        self._postgres = postgres
        self._locks: list[threading.Thread] = []
        self.faults: list[Fault] = []
        self.quiet_until = now()

    def run(self, going_on: Callable[[], bool]) -> None:
        """After a while in which all is well break one thing after the other until `going_on` says no."""
        time.sleep(QUIET_SECONDS)
        self.quiet_until = now()
        kinds = [
            *(self._kill_server, self._kill_server, self._cut_ami, self._freeze_ami, self._lock_database),
            *(self._restart_asterisk, self._kill_asterisk, self._ask_another),
        ]
        waiting: list[Callable[[], None]] = []
        while waiting or going_on():
            if not waiting:
                waiting = self._random.sample(kinds, len(kinds))
            self._pause(0.5, 3.0)
            if not going_on():
                break
            waiting.pop()()
        for lock in self._locks:
            lock.join()

    def of(self, *kinds: str) -> list[Fault]:
        return [fault for fault in self.faults if fault.kind in kinds]

    def unheard(self) -> list[Fault]:
        """When no server at all was there to hear of calls."""
        return self.of("server") if len(self._world.servers) == 1 else []

    def lasting(self, least: timedelta) -> list[Fault]:
        """What must be on record as an outage: what lasted, and was away for every server."""
        kinds = ["database", "asterisk", *(["server", "freeze"] if len(self._world.servers) == 1 else [])]
        return [fault for fault in self.of(*kinds) if fault.until - fault.since >= least]

    def _pause(self, least: float, most: float) -> None:
        time.sleep(self._random.uniform(least, most))

    def _note(self, kind: str, since: datetime, server: str = "") -> None:
        self.faults.append(Fault(kind, since, now(), server))

    def _any_server(self) -> Server:
        return self._random.choice(self._world.servers)

    def _kill_server(self) -> None:
        server, since = self._any_server(), now()
        server.process.kill()
        self._pause(0.2, 4.0)
        server.process.start()
        self._note("server", since, server.name)

    def _cut_ami(self) -> None:
        server, since = self._any_server(), now()
        server.wire.cut()
        self._note("cut", since, server.name)

    def _freeze_ami(self) -> None:
        server, since = self._any_server(), now()
        server.wire.freeze()
        self._pause(2.0, 7.0)
        server.wire.thaw()
        self._note("freeze", since, server.name)

    def _lock_database(self) -> None:
        """In the background: other things break meanwhile."""
        lock = threading.Thread(target=self._freeze_postgres if self._postgres else self._lock_sqlite)
        lock.start()
        self._locks.append(lock)
        self._pause(2.0, 8.0)

    def _lock_sqlite(self) -> None:
        since = now()
        path = self._world.database_url.removeprefix("sqlite+aiosqlite:///")
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(DATABASE_SECONDS)
            connection.execute("ROLLBACK")
        finally:
            connection.close()
        self._note("database", since)

    def _freeze_postgres(self) -> None:
        assert self._postgres is not None
        since = now()
        self._postgres.signal(signal.SIGSTOP)
        try:
            time.sleep(DATABASE_SECONDS)
        finally:
            self._postgres.signal(signal.SIGCONT)
        self._note("database", since)

    def _restart_asterisk(self) -> None:
        since = now()
        self._world.asterisk.restart()
        self._note("asterisk", since)

    def _kill_asterisk(self) -> None:
        since = now()
        self._world.asterisk.kill()
        self._pause(0.1, 1.0)
        self._world.asterisk.start()
        self._note("asterisk", since)

    def _ask_another(self) -> None:
        self._world.ask(self._any_server())
