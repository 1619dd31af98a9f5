"""Serves Asterisk's FastAGI questions over TCP, and lets no peer, however it behaves, hold anything for long.

Each connection asks once: `agi://host/route/<Asterisk>,<did>,<linkedid>`; the answer is one variable, the call's plan.
Whatever goes wrong here ends in a closed connection, and the dialplan goes on by its own plan; so nothing is ever worth
a wait.
"""

import asyncio
import os
import socket
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from agi.acceptor import Acceptor
from agi.askers import Askers
from agi.protocol import MAX_BLOCK, Outcome, ProtocolError, Request, Session, set_variable
from agi.service import RoutingService, callee_in
from dialplan.plan import encode_plan
from dialplan.words import CHECK_DID, PLAN
from leads.domain.numbers import Number
from leads.domain.people import LookupAnswer
from leads.store.lookup import LookupUnavailable
from routing.decision import Decision

ANSWER_SECONDS = 0.4
"""From the connection to our answer at the latest; then a question is answered without the database."""
REPLY_SECONDS = 0.5
"""From a late answer to Asterisk's reply."""
SWEEP_SECONDS = 0.05
"""How often sessions are looked through for late ones; a timer for each would cost more than reading its question."""
OVERDUE_SECONDS = 0.1
"""So long before its deadline a session is answered by the standby, if the loop is stuck."""
LATENCY_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)

OnDecision = Callable[[str, str, Decision, datetime], None]

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class FastAgiFigures:
    """What the server has done since it started, for health and metrics; every session ends in one of the counts.

    `latency` counts answers by LATENCY_BOUNDS, the last for all that took longer; `latency_sum` is in seconds.
    """

    sessions: int = 0
    answered: int = 0
    defaulted: int = 0
    refused_peers: int = 0
    refused_full: int = 0
    bad_questions: int = 0
    abandoned: int = 0
    not_taken: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))
    latency_sum: float = 0.0


class FastAgiServer:
    """The listening side; give it to the process's loop with `start` and end it with `close`."""

    def __init__(
        self,
        service: RoutingService,
        *,
        host: str,
        port: int,
        askers: Askers,
        max_sessions: int,
        on_decision: OnDecision,
    ) -> None:
        """Take what sessions need.

        Args:
            service: decides.
            host: the address to listen on.
            port: the port; 0 for any free one, see `port`.
            askers: who may ask, and which Asterisk that is.
            max_sessions: beyond so many at once a connection is closed unread.
            on_decision: is told the Asterisk, the linkedid, the decision and its time (UTC) after the answer has been
                sent; it may not wait.
        """
        self.figures = FastAgiFigures()
        self.service = service
        self._host, self._port = host, port
        self.askers = askers
        self._max_sessions = max_sessions
        self._is_full = False
        self._on_decision = on_decision
        self._open: set[_Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._acceptor = Acceptor(self._take)
        self.alive_at = 0.0
        """When the loop last showed that it goes on, by time.monotonic()."""
        self.ending = threading.Lock()
        """Held while a session ends, or is answered by another thread."""

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is not to be had.
        """
        self._loop = asyncio.get_running_loop()
        self._port = await self._acceptor.listen(self._host, self._port)
        self._end_late_ones()

    # ---- What agi.standby does while the loop is stuck; all of it in another thread

    @property
    def listening(self) -> Sequence[socket.socket]:
        """The sockets that connections come to."""
        return self._acceptor.listening

    def without_database(self) -> "FastAgiServer":
        """Give a server that answers as this does while the database does not, for another loop."""
        loop, on_decision = self._loop, self._on_decision
        spare = FastAgiServer(
            self.service.without_database(),
            host=self._host,
            port=self._port,
            askers=self.askers,
            max_sessions=self._max_sessions,
            on_decision=lambda *decided: _call_in(loop, on_decision, *decided),
        )
        spare.figures = self.figures
        return spare

    def stand_in(self, listening: Sequence[socket.socket]) -> None:
        """Take connections from the sockets of a server that cannot."""
        self._loop = asyncio.get_running_loop()
        self._acceptor.join(listening)
        self._end_late_ones()

    def stand_back(self) -> None:
        """Take no more; those who are connected are served."""
        self._acceptor.leave()

    def answer_overdue(self, spare: "FastAgiServer") -> None:
        """Answer whoever waits for the stuck loop, as `spare` would."""
        now = time.monotonic()
        for connection in tuple(self._open):
            connection.answer_overdue(spare, now)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def open_sessions(self) -> int:
        """How many peers are connected."""
        return len(self._open)

    async def close(self) -> None:
        """Stop listening and drop whoever is connected; their calls go on by the dialplan."""
        self._acceptor.close()
        for connection in list(self._open):
            connection.drop()
        if self._sweep is not None:
            self._sweep.cancel()

    def _take(self, connection: int, address: str) -> None:
        if self._admits(address):
            self.figures.sessions += 1
            session = _Connection(self, self._loop, connection, address)
            self._open.add(session)
            session.read()
        else:
            os.close(connection)

    def _admits(self, address: str) -> bool:
        if not self.askers.may_ask(address):
            self.figures.refused_peers += 1
            return False
        full = len(self._open) >= self._max_sessions
        if full != self._is_full:
            self._is_full = full
            _log.warning("fastagi is full" if full else "fastagi takes sessions again", sessions=len(self._open))
        if full:
            self.figures.refused_full += 1
        return not full

    def _end_late_ones(self) -> None:
        self.alive_at = now = time.monotonic()
        for connection in [one for one in self._open if one.deadline <= now]:
            connection.too_late(now)
        self._sweep = self._loop.call_later(SWEEP_SECONDS, self._end_late_ones)

    def forget(self, connection: "_Connection") -> None:
        """Take note that a connection is gone."""
        self._open.discard(connection)

    def note_answer(self, pbx: str, request: Request, decision: Decision | None, seconds: float) -> None:
        """Count an answer that has been sent, and hand the decision on to be recorded."""
        self.figures.answered += 1
        self.figures.latency[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self.figures.latency_sum += seconds
        if request.linkedid is None or decision is None:
            return
        try:
            self._on_decision(pbx, request.linkedid, decision, datetime.now(UTC))
        except Exception:
            # The record of a call must not cost the next call its answer.
            _log.exception("decision not recorded", linkedid=request.linkedid)


def _call_in(
    loop: asyncio.AbstractEventLoop, function: OnDecision, *decided: *tuple[str, str, Decision, datetime]
) -> None:
    """Call in another thread's loop, when that goes on; never, where it has ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *decided)


class _Connection:
    """One session: waits for the question, has it decided, sends the answer, waits until Asterisk has taken it."""

    __slots__ = (
        "_caller",
        "_calls_out",
        "_connection",
        "_loop",
        "_pbx",
        "_peer",
        "_people",
        "_refresh",
        "_request",
        "_server",
        "_session",
        "_started",
        "_turn",
        "_waits",
        "_watched",
        "deadline",
    )

    def __init__(self, server: FastAgiServer, loop: asyncio.AbstractEventLoop, connection: int, peer: str) -> None:
        self._server = server
        self._loop = loop
        self._connection: int | None = connection
        self._peer = peer
        self._session = Session()
        self._started = time.monotonic()
        self.deadline = self._started + ANSWER_SECONDS
        self._watched = False
        self._pbx = ""
        self._request: Request | None = None
        self._calls_out = False
        self._caller: Number | None = None
        self._people: LookupAnswer | None = None
        self._waits = False
        self._turn = [True]
        """Holds something until somebody has taken it upon himself to answer."""
        self._refresh: asyncio.Task[None] | None = None

    def read(self) -> None:
        """Take what has come, if anything has, and go on reading when more comes."""
        assert self._connection is not None
        try:
            data = os.read(self._connection, MAX_BLOCK)
        except BlockingIOError:
            pass
        except OSError:
            self.drop()
        else:
            if data:
                self._take(data)
            else:
                self.drop()
        if self._connection is not None and not self._watched:
            self._watched = True
            self._loop.add_reader(self._connection, self.read)

    def _take(self, data: bytes) -> None:
        try:
            message = self._session.receive(data)
        except ProtocolError as error:
            self._refuse(str(error))
            return
        if isinstance(message, Request):
            self._ask(message)
        elif message is not None:
            self._conclude(message)

    def drop(self) -> None:
        """End the session at once, whatever it waits for."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._watched:
            self._loop.remove_reader(connection)
        with self._server.ending:
            os.close(connection)
        self._server.forget(self)
        self._waits = False
        if self._refresh is not None:
            self._refresh.cancel()

    def _refuse(self, why: str) -> None:
        self._server.figures.bad_questions += 1
        _log.debug("fastagi question refused", why=why)
        self.drop()

    def _ask(self, request: Request) -> None:
        pbx = self._server.askers.who_asks(request.script, self._peer)
        if pbx is None:
            self._refuse("no such script, or it is not plain which Asterisk asks")
            return
        self._pbx = pbx
        callee = callee_in(request.did)
        if request.did == CHECK_DID or callee is not None:
            # Somebody tries whether the dialplan reaches us, or a phone asks for a name: no decision is to be recorded.
            request = request._replace(linkedid=None)
        self._request = request
        self._calls_out = callee is not None
        self._caller = self._server.service.read_caller(request.caller if callee is None else callee)
        self._waits = True
        self._server.service.ask(self._caller, self)

    # ---- As a leads.store.lookup.Waiter: it is told the answer within the turn in which that arrives, because a
    # future's further turn would cost as much as half of all the rest.

    def done(self) -> bool:
        return not self._waits

    def set_result(self, result: LookupAnswer) -> None:
        self._people = result
        if self._server.service.is_stale(result):
            self._refresh = self._loop.create_task(self._server.service.freshen(result))
            self._refresh.add_done_callback(self._freshened)
        else:
            self._answer()

    def set_exception(self, exception: LookupUnavailable) -> None:
        self._answer()

    def _freshened(self, refresh: "asyncio.Task[None]") -> None:
        if refresh.cancelled() or not self._waits:
            return
        if (error := refresh.exception()) is not None:
            _log.error("company not read again", exc_info=error)
        self._answer()

    def too_late(self, now: float) -> None:
        """Answer without what has not come by the deadline, or give up a peer that does not go on."""
        if not self._waits:
            self._server.figures.abandoned += 1
            self.drop()
            return
        if self._refresh is not None:
            self._refresh.cancel()
        self.deadline = now + REPLY_SECONDS
        self._answer()

    def _answer(self) -> None:
        """Answer by what has been found so far; without the database's answer by the dialled number alone."""
        self._waits = False
        if not self._takes_turn():
            self.deadline = time.monotonic() + REPLY_SECONDS
        elif not self._has_answered(self._server):
            self.drop()

    def answer_overdue(self, spare: FastAgiServer, now: float) -> None:
        """Answer from another thread, as `spare` would, if it is time and nobody else has."""
        if not self._waits or now < self.deadline - OVERDUE_SECONDS or not self._takes_turn():
            return
        with self._server.ending:
            if self._connection is not None:
                self._has_answered(spare)

    def _has_answered(self, server: FastAgiServer) -> bool:
        """Answer as `server` would; trouble with one call is nobody else's, who may be told or answered after it."""
        try:
            self._send_plan(server)
        except OSError:
            # The caller has hung up, or the peer takes nothing.
            server.figures.abandoned += 1
            return False
        except Exception:
            _log.exception("call not answered", linkedid=self._request and self._request.linkedid)
            return False
        return True

    def _takes_turn(self) -> bool:
        try:
            return self._turn.pop()
        except IndexError:
            return False

    def _send_plan(self, server: FastAgiServer) -> None:
        request, caller = self._request, self._caller
        assert request is not None
        assert caller is not None
        assert self._connection is not None
        if self._people is None:
            server.figures.defaulted += 1
        decision: Decision | None = None
        if self._calls_out:
            plan = server.service.callee(request.caller, self._people)
        else:
            decision = server.service.decide(caller, request.caller_name, request.did, self._people)
            plan = encode_plan(decision)
        answer = set_variable(PLAN, plan)
        if os.write(self._connection, answer) != len(answer):
            raise BlockingIOError
        server.note_answer(self._pbx, request, decision, time.monotonic() - self._started)

    def _conclude(self, outcome: Outcome) -> None:
        if outcome is Outcome.REFUSED:
            self._server.figures.not_taken += 1
        elif outcome is Outcome.HUNG_UP:
            self._server.figures.abandoned += 1
        self.drop()
