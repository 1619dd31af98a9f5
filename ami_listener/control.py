"""The one connection for actions to an Asterisk, shared by all who need some: copies, recordings, the page's buttons.

It uses the control account, which can do whatever a shell on the Asterisk machine can: optional, from loopback only.
Who asks while Asterisk is away is told so at once, and nothing is kept for later: an action that comes late is wrong.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from panoramisk.message import Message as Answer

from ami_listener.connection import AmiAccount, AmiConnection, ConnectionHealth
from ami_listener.link import ANSWER_SECONDS, AmiError, AmiLink, AmiLostError, AmiRefusedError, Headers

__all__ = ["AmiError", "AmiLostError", "AmiRefusedError", "ControlConnection", "Headers"]

T = TypeVar("T")
MOST_WAITING = 1000
"""How many questions may wait at once; more means that Asterisk does not answer."""


class ControlConnection:
    """Keeps the control account connected for as long as `run` runs, and asks in its name.

    Args:
        account: the control account.
        silence: after this time without a byte the connection counts as dead.
    """

    def __init__(self, account: AmiAccount, *, silence: timedelta = timedelta(seconds=15)) -> None:
        self._connection = AmiConnection(
            account, on_event=lambda _: None, wanted=frozenset(), on_connected=self._connected, silence=silence
        )
        self._on_connected: list[Callable[[], None]] = []
        self._waiting = 0

    @property
    def health(self) -> ConnectionHealth:
        """How the connection is."""
        return self._connection.health

    @property
    def is_connected(self) -> bool:
        """Whether Asterisk can be asked now."""
        return self._connection.link is not None

    def on_connected(self, callback: Callable[[], None]) -> None:
        """Have `callback` told of each new connection; it may not wait."""
        self._on_connected.append(callback)

    async def run(self) -> None:
        """Connect, stay connected, connect again; ends only by cancellation."""
        await self._connection.run()

    async def ask(self, name: str, headers: Headers | None = None, seconds: float = ANSWER_SECONDS) -> Answer:
        """Send one action and give its answer.

        Args:
            name: the action's.
            headers: its headers; a sequence of values makes several headers of one name.
            seconds: how long to wait.

        Raises:
            AmiRefusedError: Asterisk answered with an error.
            AmiLostError: there is no connection, it broke, or no answer came in time; whether the action was done is
                not known then.
            ValueError: a header holds a line break or NUL, which would make it two actions.
        """
        return await self._bounded(lambda link: link.ask(name, headers, seconds))

    async def ask_list(self, name: str, headers: Headers, seconds: float = ANSWER_SECONDS) -> list[Answer]:
        """Send an action that is answered by a list, and give its rows.

        Raises:
            AmiRefusedError, AmiLostError, ValueError: as `ask`.
        """
        return await self._bounded(lambda link: link.ask_list(name, headers, seconds))

    async def ask_rows(self, name: str, headers: Headers, on_row: Callable[[bytes], None], seconds: float) -> None:
        """Send an action that is answered by a list too long to be kept; see AmiLink.ask_rows."""
        await self._bounded(lambda link: link.ask_rows(name, headers, on_row, seconds))

    async def ask_many(
        self, actions: Sequence[tuple[str, Headers]], seconds: float = ANSWER_SECONDS
    ) -> list[AmiRefusedError]:
        """Send some hundreds of actions at once; see AmiLink.ask_many."""
        return await self._bounded(lambda link: link.ask_many(actions, seconds))

    async def _connected(self, link: AmiLink) -> None:
        # The link is ours only after this returns.
        asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        for callback in self._on_connected:
            callback()

    async def _bounded(self, ask: Callable[[AmiLink], Awaitable[T]]) -> T:
        link = self._connection.link
        if link is None:
            raise AmiLostError(f"not connected to Asterisk: {self.health.last_error or self.health.state}")
        if self._waiting >= MOST_WAITING:
            raise AmiLostError("Asterisk does not answer: too many actions wait")
        self._waiting += 1
        try:
            return await ask(link)
        finally:
            self._waiting -= 1
