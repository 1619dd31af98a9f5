"""The parts of the running server, ended in the reverse of the order in which they were started."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import structlog

_log = structlog.get_logger(__name__)


class ServerError(Exception):
    """The server cannot start; the text names the reason and the mend."""


class Parts(AsyncExitStack):
    """What is to be ended with the server."""

    def run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work` until the parts end; if it ends before, so does the process, and its supervisor starts it anew."""
        task = asyncio.create_task(work, name=name)

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                _log.critical("a part ended that must not", part=name, exc_info=task.exception())
                signal.raise_signal(signal.SIGTERM)

        task.add_done_callback(ended)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.push_async_callback(end)
