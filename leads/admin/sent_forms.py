"""Answers a form that is sent twice as it was answered once: two presses of Save make one card, without scripts too.

A browser without it sends a form with each press, and shows the last answer only. Each page's forms carry a mark of
their own; the same fields under the same mark, soon after each other, are one and the same press. Where several servers
share a database the two presses may come to two of them, so each form is claimed there first.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from leads.domain.clock import Clock
from leads.store.engine import Database
from leads.store.sent_forms import GIVEN_UP_AFTER, KEPT_FOR, claim, outcome, settle

FIELD = "once"
"""The hidden field with the mark."""
LOOK_SECONDS = 0.1
"""Between two looks whether another server has carried a form out."""
_MOST = 1000
Work = Callable[[], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class _Sent:
    """A form that is being carried out, or led on to another page at a moment; None: it was not taken."""

    answer: asyncio.Future[web.StreamResponse | None]
    at: datetime


class SentForms:
    """The forms that this server took in the last seconds, and whether another one did."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Nothing was sent yet."""
        self._database = database
        self._clock = clock
        self._sent: dict[bytes, _Sent] = {}

    async def answer(self, who: str, address: str, body: bytes, work: Work) -> web.StreamResponse:
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
            response = await self._once_of_all_servers(key.hex(), work)
            return response
        finally:
            taken = response if response is not None and response.status == 303 else None
            own.answer.set_result(taken)
            own.at = self._clock()
            if taken is None and self._sent.get(key) is own:
                del self._sent[key]

    async def _once_of_all_servers(self, key: str, work: Work) -> web.StreamResponse:
        """Carry a form out unless another server does; of its answer the message for the next page is left out."""
        while not await self._claim(key):
            if (location := await self._of_another(key)) is not None:
                return web.Response(status=303, headers={"Location": location})
        taken: str | None = None
        try:
            response = await work()
            taken = response.headers["Location"] if response.status == 303 else None
            return response
        finally:
            # What was done is done, also where this cannot be said any more.
            with suppress(SQLAlchemyError, OSError, TimeoutError):
                await self._database.run_write(lambda connection: settle(connection, key, self._clock(), taken))

    async def _claim(self, key: str) -> bool:
        return await self._database.run_write(lambda connection: claim(connection, key, self._clock()))

    async def _of_another(self, key: str) -> str | None:
        """Where a form led that another server carries out; None if that one did not take it, or has ended."""
        until = self._clock() + GIVEN_UP_AFTER
        while self._clock() < until:
            async with self._database.read() as session:
                carried_out_now, location = await outcome(session, key)
            if not carried_out_now:
                return location
            await asyncio.sleep(LOOK_SECONDS)
        return None

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
