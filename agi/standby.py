"""Answers in place of the FastAGI server while its event loop is stuck, so that no caller waits for what holds it up.

A disk that hangs in the middle of a look-up, or anything else in the process that does not let go of the loop, would
else hold up every call until Asterisk gives up. A thread of its own, with a loop of its own, notices; it then answers
those who wait, and takes new connections, as for a database that does not answer.
"""

import asyncio
import threading
import time

import structlog

from agi.server import FastAgiServer

LOOK_SECONDS = 0.1
STUCK_SECONDS = 0.25
"""The loop shows itself alive every 0.05 s; calls must have an answer after 0.5 s."""
_END_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class Standby:
    """Watches over a server that has started; begin with `start`, and end with `close` before the server's own end."""

    def __init__(self, server: FastAgiServer) -> None:
        self.stands_in = False
        """Whether it answers at present."""
        self.server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._watch()), name="fastagi-standby", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    async def close(self) -> None:
        """End; a thread that does not is left to the end of the process."""
        self._ended.set()
        await asyncio.to_thread(self._thread.join, _END_SECONDS)

    async def _watch(self) -> None:
        spare = self.server.without_database()
        while not self._ended.is_set():
            silent = time.monotonic() - self.server.alive_at
            if silent > STUCK_SECONDS:
                if not self.stands_in:
                    _log.error("fastagi's event loop is stuck; questions are answered without the database")
                    spare.stand_in(self.server.listening)
                self.stands_in = True
                self.server.answer_overdue(spare)
            elif self.stands_in:
                _log.info("fastagi's event loop goes on")
                spare.stand_back()
                self.stands_in = False
            await asyncio.sleep(LOOK_SECONDS)
        spare.stand_back()
        await spare.close()
