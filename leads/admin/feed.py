"""The bell between the recorder and the panel: calls were written, look."""

import asyncio


class CallFeed:
    """Told after each batch of calls that was written; many rings before anybody looks count as one."""

    def __init__(self) -> None:
        """Nothing was written yet."""
        self._rung = asyncio.Event()

    def notify(self) -> None:
        """Say that calls were written. Call it on the event loop; it never waits."""
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until calls are written, at most `seconds`; tells whether they were, and listens anew."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True
