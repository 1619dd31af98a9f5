"""Answers a form that is sent twice as it was answered once: two presses of Save make one card, without scripts too.

A browser without it sends a form with each press, and shows the last answer only. Each page's forms carry a mark of
their own; the same fields under the same mark, soon after each other, are one and the same press.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from aiohttp import web

FIELD = "once"
"""The hidden field with the mark."""
KEPT_FOR = timedelta(seconds=10)
"""Whoever sends the same again after so long means it."""
_MOST = 1000


@dataclass(slots=True)
class _Sent:
    """A form that is being carried out, or led on to another page at a moment; None: it was not taken."""

    answer: asyncio.Future[web.StreamResponse | None]
    at: datetime


class SentForms:
    """The forms that this server took in the last seconds."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Nothing was sent yet."""
        self._clock = clock
        self._sent: dict[bytes, _Sent] = {}

    async def answer(
        self, who: str, address: str, body: bytes, work: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Carry a form out, or wait until it has been, if somebody (`who`) sent the same just now.

        Only an answer that leads on to another page says that a form was taken; any other is given to each anew.
        """
        key = sha256(b"\0".join((who.encode(), address.encode(), body))).digest()
        self._forget()
        before = self._sent.get(key)
        if before is not None and (taken := await asyncio.shield(before.answer)) is not None:
            return _again(taken)
        own = self._sent[key] = _Sent(asyncio.get_running_loop().create_future(), self._clock())
        response: web.StreamResponse | None = None
        try:
            response = await work()
            return response
        finally:
            taken = response if response is not None and response.status == 303 else None
            own.answer.set_result(taken)
            own.at = self._clock()
            if taken is None and self._sent.get(key) is own:
                del self._sent[key]

    def _forget(self) -> None:
        """Forget what was sent long ago, and the oldest of too many; what is being carried out has its place."""
        now = self._clock()
        done = [key for key, sent in self._sent.items() if sent.answer.done()]
        excess = len(self._sent) - _MOST
        for place, key in enumerate(done):
            if place < excess or now - self._sent[key].at > KEPT_FOR:
                del self._sent[key]


def _again(taken: web.StreamResponse) -> web.StreamResponse:
    """The same answer for another request, with the message for the next page."""
    response = web.Response(status=taken.status, headers={"Location": taken.headers["Location"]})
    response.cookies.update(taken.cookies)
    return response
