"""Accepts connections on the event loop, as many at a time as wait; a loop's own server takes one a turn.

Calls that come together are so looked up together, and a session costs half of what it does as an asyncio.Protocol.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence

import structlog

BACKLOG = 1024
_MOST_AT_ONCE = 64
"""Connections accepted in one turn of the loop, so that nothing else on it waits for long."""
_PAUSE_SECONDS = 0.1

_log = structlog.get_logger(__name__)


class Acceptor:
    """Listens on an address; give it to the process's loop with `listen` and end it with `close`."""

    def __init__(self, on_connection: Callable[[int, str], None]) -> None:
        """Take who gets each connection, as a non-blocking file descriptor that is his from then on, and its peer."""
        self._on_connection = on_connection
        self.listening: list[socket.socket] = []
        self._paused: asyncio.TimerHandle | None = None

    async def listen(self, host: str, port: int) -> int:
        """Listen on every address of `host`; gives the port, which is a free one where `port` is 0.

        Raises:
            OSError: the address is not to be had.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, address in dict.fromkeys((one[0], one[4]) for one in found):
                listening = socket.create_server(address[:2], family=family, backlog=BACKLOG)
                listening.setblocking(False)
                self.listening.append(listening)
        except OSError:
            self.close()
            raise
        self._resume()
        return int(self.listening[0].getsockname()[1])

    def join(self, listening: Sequence[socket.socket]) -> None:
        """Take connections where another listens, who may be another thread; end that with `leave`."""
        self.listening = list(listening)
        self._resume()

    def leave(self) -> None:
        """Take no more connections; whose the sockets are goes on."""
        self._pause()
        if self._paused is not None:
            self._paused.cancel()
        self.listening = []

    def close(self) -> None:
        """Stop listening."""
        listening = self.listening
        self.leave()
        for one in listening:
            one.close()

    def _resume(self) -> None:
        loop = asyncio.get_running_loop()
        for listening in self.listening:
            loop.add_reader(listening.fileno(), self._accept, listening)

    def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        for listening in self.listening:
            loop.remove_reader(listening.fileno())

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                # What accept() would wrap into a socket object of Python's, for a tenth of the whole session's cost.
                connection, address = listening._accept()  # type: ignore[attr-defined]
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                # No more files or memory: to try again at once would only burn the CPU that others need.
                _log.error("fastagi cannot take a connection; trying again soon", why=str(error))
                self._pause()
                self._paused = asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._resume)
                return
            os.set_blocking(connection, False)
            self._on_connection(connection, address[0])
