"""Carries out hand-overs beside everything else that the server does, wherever they were asked for (L8, K2).

Unlike an import, whose file lies with one server, a hand-over is in the database with all that it needs: each server
that shares it looks for those that nobody is at, and goes on with what a server that ended left half done. Those that
run have their turns one piece each, so that a short one need not wait for a long one.
"""

import asyncio
import secrets
import time
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from leads.domain.clock import Clock
from leads.store import handovers
from leads.store.directory import DirectoryCache
from leads.store.engine import Database, breathe
from leads.store.handing_over import HandingOver
from leads.store.handover_tables import StopReason

LOOK_SECONDS = 5.0
"""How often a server looks for what another one left: one small statement."""
_CLOSE_SECONDS = 2.0
_AWAY = (SQLAlchemyError, OSError, TimeoutError)
_log = structlog.get_logger(__name__)


class Handovers:
    """The hand-overs that this server is at."""

    def __init__(self, database: Database, directories: DirectoryCache, clock: Clock) -> None:
        """Nothing runs before `run`; the server gets a name of its own among those who share the database."""
        self._database, self._directories, self._clock = database, directories, clock
        self._name = secrets.token_hex(8)
        self._at_work: dict[int, HandingOver] = {}
        self._news = asyncio.Event()

    @property
    def at_once(self) -> str:
        """The runner to name for a few things, which are carried out while the browser waits; see `take_up`."""
        return f"{self._name} at once"

    async def take_up(self, handover_id: int, total: int) -> bool:
        """Carry out one of a few things at once, and let a longer one begin; whether it is over."""
        if handovers.is_few(total):
            await self._handing_over(handover_id, self.at_once).finish()
            return True
        self._news.set()
        return False

    async def run(self) -> None:
        """Go on with whatever waits, again and again; ends only by cancellation."""
        while True:
            try:
                got_on = await self.go_round()
            except _AWAY as error:
                _log.warning("hand-overs: trying again", why=str(error)[:300])
                got_on = False
            if not got_on:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), LOOK_SECONDS)
            self._news.clear()

    async def go_round(self) -> bool:
        """Carry out one piece of each that waits; whether any got on."""
        async with self._database.read() as session:
            waiting = await handovers.waiting(session, self._name, self._clock())
        self._at_work = {one: handing for one, handing in self._at_work.items() if one in waiting}
        got_on = False
        for handover_id in waiting:
            began = time.monotonic()
            got_on = await self._piece(handover_id) or got_on
            await breathe(began)
        return got_on

    async def close(self) -> None:
        """Leave what this server was at to others, or to its next start; a database that is away is not waited for."""
        if not self._at_work:
            return
        with suppress(*_AWAY):
            async with asyncio.timeout(_CLOSE_SECONDS), self._database.write() as session:
                await handovers.leave_to_others(session, self._name)

    def _handing_over(self, handover_id: int, runner: str) -> HandingOver:
        return HandingOver(self._database, handover_id, runner, self._directories, self._clock)

    async def _piece(self, handover_id: int) -> bool:
        handing = self._at_work.setdefault(handover_id, self._handing_over(handover_id, self._name))
        try:
            goes_on = await handing.go_on()
        except _AWAY as error:
            _log.warning("a hand-over waits for the database", handover=handover_id, why=str(error)[:300])
            return False
        except Exception:
            _log.exception("a hand-over failed", handover=handover_id)
            async with self._database.write() as session:
                await handovers.stop(session, handover_id, StopReason.TROUBLE, self._clock())
            goes_on = False
        if not goes_on:
            del self._at_work[handover_id]
        return goes_on
