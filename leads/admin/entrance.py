"""Lets requests in one by one, so that between any two of them the event loop looks after calls.

A page costs some milliseconds. Hundreds that come together would else all be worked on in one turn of the loop, and
whoever calls at that moment would wait for the last of them.
"""

import asyncio
from collections import deque


class Entrance:
    """A queue of requests, of which one goes on in each turn of the loop."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def come_in(self) -> None:
        """Wait for one's turn; alone that is the loop's next."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._let_in, loop)
        await turn

    def _let_in(self, loop: asyncio.AbstractEventLoop) -> None:
        turn = self._waiting.popleft()
        if not turn.done():  # as it is when who asked has gone away
            turn.set_result(None)
        if self._waiting:
            loop.call_soon(self._let_in, loop)
