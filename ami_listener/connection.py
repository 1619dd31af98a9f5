"""Keeps one AMI account connected: finds out that a connection is dead, makes a new one, and says how it is.

Asterisk may restart, freeze, refuse us or vanish behind a dead router; none of it may need a person, and none may make
us hammer it.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from ami_listener.link import AmiError, AmiLink, AmiLostError, LoginRefusedError
from leads.domain.clock import Clock

logger = logging.getLogger(__name__)

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
REFUSED_DELAY = 60.0


class ConnectionState(StrEnum):
    """How a connection is."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting to reconnect"
    REFUSED = "login refused"


@dataclass(slots=True)
class ConnectionHealth:
    """What /healthz and the metrics show of a connection; times are UTC."""

    state: ConnectionState = ConnectionState.STOPPED
    since: datetime | None = None
    connects: int = 0
    losses: int = 0
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class AmiAccount:
    """Where Asterisk listens, and as whom we come."""

    host: str
    port: int
    username: str
    secret: str
    tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"AmiAccount({self.username}@{self.host}:{self.port})"


def tls_context(ca: Path | None) -> ssl.SSLContext:
    """TLS towards Asterisk: its certificate must fit the CA file, or the machine's own CAs without one.

    Raises:
        OSError: the file cannot be read or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except OSError as error:  # ssl does not say which file
        raise OSError(f"the CA file {ca} cannot be used: {error.strerror or error}") from None


class AmiConnection:
    """Holds a connection for as long as `run` runs.

    Args:
        account: where to and as whom.
        on_event: gets each wanted event, unparsed, in order; must return at once.
        wanted: names of the wanted events.
        on_connected: awaited after each login, before the connection counts as connected; an AmiError in it drops the
            connection, and the next attempt follows.
        on_lost: called after a connection is gone.
        silence: after this time without a byte, not even to our ping, the connection counts as dead.
    """

    def __init__(
        self,
        account: AmiAccount,
        *,
        on_event: Callable[[bytes], None],
        wanted: frozenset[bytes],
        on_connected: Callable[[AmiLink], Awaitable[None]],
        on_lost: Callable[[], None] = lambda: None,
        silence: timedelta = timedelta(seconds=15),
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self.account = account
        self.health = ConnectionHealth()
        self.link: AmiLink | None = None
        self._on_event = on_event
        self._wanted = wanted
        self._on_connected = on_connected
        self._on_lost = on_lost
        self._silence = silence.total_seconds()
        self._clock = clock

    async def run(self) -> None:
        """Connect, stay connected, connect again; ends only by cancellation."""
        delay = FIRST_DELAY
        try:
            while True:
                self._enter(ConnectionState.CONNECTING)
                connects = self.health.connects
                refused = False
                try:
                    await self._one_connection()
                except LoginRefusedError as error:
                    refused = True
                    self._failed(error)
                except AmiError as error:
                    self._failed(error)
                delay = FIRST_DELAY if self.health.connects > connects else delay
                self._enter(ConnectionState.REFUSED if refused else ConnectionState.WAITING)
                pause = (REFUSED_DELAY if refused else delay) * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
                logger.info("AMI %s: next attempt in %.1f s", self.account, pause)
                await asyncio.sleep(pause)
                delay = min(delay * 2, LONGEST_DELAY)
        finally:
            self._enter(ConnectionState.STOPPED)

    async def _one_connection(self) -> None:
        """One connection from its first byte to its loss, which is always an AmiError."""
        account = self.account
        link = await AmiLink.open(account.host, account.port, self._on_event, self._wanted, account.tls)
        watchdog: asyncio.Task[None] | None = None
        try:
            await link.login(account.username, account.secret)
            watchdog = asyncio.create_task(self._watch(link))
            await self._on_connected(link)
            self.link = link
            self.health.connects += 1
            self._enter(ConnectionState.CONNECTED)
            logger.info("AMI %s: connected, protocol %s", account, link.version)
            raise AmiLostError(await link.lost)
        finally:
            if watchdog is not None:
                watchdog.cancel()
            link.drop("closed by us")
            if self.link is not None:
                self.link = None
                self._on_lost()

    async def _watch(self, link: AmiLink) -> None:
        """Ping often; no byte for the whole silence means a frozen Asterisk or a dead network."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._silence / 3)
            if loop.time() - link.received_at >= self._silence:
                link.drop(f"silent for {self._silence:g} s, even to a ping")
                return
            if loop.time() - link.received_at >= self._silence / 3:
                link.transport.write(b"Action: Ping\r\n\r\n")

    def _enter(self, state: ConnectionState) -> None:
        self.health.state, self.health.since = state, self._clock()

    def _failed(self, error: AmiError) -> None:
        self.health.losses += 1
        self.health.last_error = str(error)
        logger.warning("AMI %s: %s", self.account, error)
