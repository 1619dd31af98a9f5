"""The question on the screen: which employees' phones ring, who calls them, and what they answer there (C10).

It goes from the tracker to the open pages without a database: the name comes from the routing decision, and what the
card says follows as soon as it has been read. Of each ringing of each phone one action at a time is done, whichever of
the employee's windows asks for it, and only while the tracker knows that it rings.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from leads.admin.sse import Streams
from leads.domain.calls import Direction
from leads.domain.directory import Extension
from leads.domain.numbers import NumberKind, read_number
from leads.domain.rings import PhonesUnavailableError, Rejection, Ring, RingState
from leads.store.callers import Caller, find_caller
from leads.store.directory import DirectoryCache
from leads.store.engine import Database

ANSWER_SECONDS = 2.0
"""A phone that has not answered after this time does not do so when asked."""
SETTLE_SECONDS = 1.0
"""For the tracker to hear what Asterisk has done."""
LOOKS = (0.0, 0.4, 1.0, 2.0)
"""Seconds between looks for the caller's card: an unknown caller's lead is made while his call rings already."""
STORED_SECONDS = 30.0
"""After which an answered call is surely on record, and with it who talks with whom."""
MOST_REMEMBERED = 5000
Key = TypeVar("Key")
Value = TypeVar("Value")
_log = structlog.get_logger(__name__)


class Phones(Protocol):
    """Steers the phones of one Asterisk; see ami_listener.phone_control."""

    @property
    def available(self) -> bool:
        """Whether Asterisk can be asked now."""

    async def answer(self, ring: Ring) -> None:
        """Ask a ringing phone to answer."""

    async def reject(self, ring: Ring) -> Rejection:
        """End one ringing, never a conversation."""

    async def call(self, phone: Extension, number: str, name: str | None, language: str | None) -> None:
        """Ring an employee's phone, then call `number`."""


class Outcome(StrEnum):
    """What became of an Accept or a Reject."""

    ANSWERED = "answered"
    REJECTED = "rejected"
    NO_REMOTE_ANSWER = "no-remote-answer"
    LATE = "late"
    ELSEWHERE = "elsewhere"
    OVER = "over"
    UNAVAILABLE = "unavailable"
    STILL_RINGS = "still-rings"


@dataclass(frozen=True, slots=True)
class Question:
    """One ringing phone with all that is known of the caller: `name` as routing chose it, `caller` his card."""

    ring: Ring
    number: str | None
    name: str | None = None
    caller: Caller | None = None


class Questions:
    """All phones of the company that ring now, and the pages on which their owners are asked."""

    def __init__(self, database: Database, directory: DirectoryCache, region: str) -> None:
        """Nothing rings yet; `attach` tells how phones are steered."""
        self.streams = Streams()
        self._database = database
        self._directory = directory
        self._region = region
        self._phones: dict[str, Phones] = {}
        self._open: dict[str, Question] = {}
        self._ended: OrderedDict[str, Question] = OrderedDict()
        self._answered: set[str] = set()
        self._rejected: OrderedDict[str, None] = OrderedDict()
        self._names: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._homes: OrderedDict[str, str] = OrderedDict()
        self._waiting: dict[str, asyncio.Event] = {}
        self._actions: dict[str, asyncio.Task[Outcome]] = {}
        self._looking: set[asyncio.Task[None]] = set()

    # What Asterisk and routing tell

    def attach(self, pbx: str, phones: Phones) -> None:
        """Say how the phones of one Asterisk are steered; without it their questions carry no buttons."""
        self._phones[pbx] = phones

    def decided(self, pbx: str, linkedid: str, name: str | None) -> None:
        """Take the name under which routing knows a caller, before any phone rings for him."""
        if name:
            _remember(self._names, (pbx, linkedid), name)

    def take(self, rings: Sequence[Ring]) -> None:
        """Take the phones that began or ceased to ring; returns at once."""
        touched = set()
        for ring in rings:
            _remember(self._homes, ring.endpoint, ring.pbx)
            known = self._open.get(ring.id)
            if ring.state is RingState.RINGING:
                self._begin(ring, known)
            elif known is not None:
                _remember(self._ended, ring.id, replace(self._open.pop(ring.id), ring=ring))
                if ring.state is RingState.ANSWERED:
                    asyncio.get_running_loop().call_later(STORED_SECONDS, self._answered.discard, ring.id)
                    self._answered.add(ring.id)
                if (waiting := self._waiting.pop(ring.id, None)) is not None:
                    waiting.set()
            touched.add(ring.endpoint)
        self._wake(touched)

    def _begin(self, ring: Ring, known: Question | None) -> None:
        if known is not None and known.ring.party == ring.party:
            self._open[ring.id] = replace(known, ring=ring)
            return
        number = None
        if ring.direction is not Direction.INTERNAL and not ring.hidden:
            read = read_number(ring.party, self._region)
            number = read.text if read.kind is NumberKind.OUTSIDE else None
        # The decision named the caller of this call; a call that is handed on to this phone may be with another.
        name = self._names.get((ring.pbx, ring.linkedid)) if ring.direction is Direction.INBOUND else None
        self._open[ring.id] = Question(ring, number, name)
        if number is not None:
            looking = asyncio.get_running_loop().create_task(self._look_up(ring.id, number))
            self._looking.add(looking)
            looking.add_done_callback(self._looking.discard)

    async def _look_up(self, ring_id: str, number: str) -> None:
        """Find the caller's card while his call rings."""
        for pause in LOOKS:
            await asyncio.sleep(pause)
            question = self._open.get(ring_id)
            if question is None or question.number != number:
                return
            try:
                async with self._database.read() as session:
                    caller = await find_caller(session, number)
            except (SQLAlchemyError, OSError) as error:
                _log.warning("question on the screen: the caller's card could not be read", error=str(error))
                continue
            question = self._open.get(ring_id)
            if caller is not None and question is not None and question.number == number:
                self._open[ring_id] = replace(question, caller=caller)
                self._wake({question.ring.endpoint})
                return

    def _wake(self, endpoints: Iterable[str]) -> None:
        owners = {self._owner(endpoint) for endpoint in endpoints}
        for stream in self.streams:
            if stream.employee_id in owners:
                stream.news.set()

    def _owner(self, endpoint: str) -> int | None:
        phones = self._directory.current.extensions.values()
        return next((phone.employee_id for phone in phones if phone.endpoint == endpoint), None)

    # What an employee sees and does

    def of(self, employee_id: int) -> list[Question]:
        """What he is asked now, the longest ringing first."""
        return [question for question in self._open.values() if self._is_his(question.ring, employee_id)]

    def question(self, employee_id: int, ring_id: str) -> Question | None:
        """One ringing that is or was his; None for others'."""
        found = self._open.get(ring_id) or self._ended.get(ring_id)
        return found if found is not None and self._is_his(found.ring, employee_id) else None

    def steers(self, pbx: str) -> bool:
        """Whether an Asterisk's phones can be made to answer at all."""
        return pbx in self._phones

    def phones_for(self, endpoint: str) -> Phones | None:
        """How a phone is steered: by the Asterisk at which it rang last, else by the first; None without any."""
        home = self._phones.get(self._homes.get(endpoint, ""))
        return home or next(iter(self._phones.values()), None)

    def caller_rings(self, employee_id: int, *, lead_id: int | None = None, counterparty_id: int | None = None) -> bool:
        """Whether the person behind a card calls him, so that he may look at it before the call is stored (X1)."""
        answered = [self._ended[ring_id] for ring_id in self._answered if ring_id in self._ended]
        return any(
            question.caller is not None
            and (question.caller.lead_id, question.caller.counterparty_id) == (lead_id, counterparty_id)
            for question in (*self._open.values(), *answered)
            if self._is_his(question.ring, employee_id)
        )

    async def accept(self, employee_id: int, ring_id: str) -> Outcome:
        """Make his phone answer; a second request for the same ringing gets the outcome of the first."""
        return await self._once(employee_id, ring_id, self._accept)

    async def reject(self, employee_id: int, ring_id: str) -> Outcome:
        """Stop his phone's ringing, so that the caller goes on along the chain."""
        return await self._once(employee_id, ring_id, self._reject)

    async def _once(self, employee_id: int, ring_id: str, act: Callable[[Ring], Awaitable[Outcome]]) -> Outcome:
        question = self._open.get(ring_id)
        if question is None or not self._is_his(question.ring, employee_id):
            return self._fate(ring_id, employee_id)
        action = self._actions.get(ring_id)
        if action is None:

            async def run() -> Outcome:
                try:
                    return await act(question.ring)
                except PhonesUnavailableError as error:
                    _log.warning("question on the screen: Asterisk cannot be asked", why=str(error))
                    return Outcome.UNAVAILABLE
                finally:
                    self._actions.pop(ring_id, None)

            action = self._actions[ring_id] = asyncio.create_task(run())
        return await asyncio.shield(action)

    async def _accept(self, ring: Ring) -> Outcome:
        ended = asyncio.create_task(self._end_of(ring, ANSWER_SECONDS))
        try:
            await self._steered(ring).answer(ring)
            return self._fate_of(ring.id) if await ended else Outcome.NO_REMOTE_ANSWER
        finally:
            ended.cancel()

    async def _reject(self, ring: Ring) -> Outcome:
        rejection = await self._steered(ring).reject(ring)
        if rejection is Rejection.DONE:
            _remember(self._rejected, ring.id, None)
        ended = await self._end_of(ring, SETTLE_SECONDS)
        if rejection is Rejection.DONE:
            return Outcome.REJECTED
        if rejection is Rejection.LATE:
            return Outcome.LATE
        return self._fate_of(ring.id) if ended else Outcome.STILL_RINGS

    def _steered(self, ring: Ring) -> Phones:
        phones = self._phones.get(ring.pbx)
        if phones is None or not phones.available:
            raise PhonesUnavailableError(f"no control connection to {ring.pbx}")
        return phones

    async def _end_of(self, ring: Ring, seconds: float) -> bool:
        """Wait until the phone does not ring any more, for at most `seconds`; tells whether it does not."""
        if ring.id not in self._open:
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._waiting.setdefault(ring.id, asyncio.Event()).wait()
        # It may have ended in the very instant in which the time did.
        return ring.id not in self._open

    def _fate(self, ring_id: str, employee_id: int) -> Outcome:
        """How a ringing ended that was his; of others' he learns nothing."""
        ended = self._ended.get(ring_id)
        return self._fate_of(ring_id) if ended is not None and self._is_his(ended.ring, employee_id) else Outcome.OVER

    def _fate_of(self, ring_id: str) -> Outcome:
        if ring_id in self._rejected:
            return Outcome.REJECTED
        ended = self._ended.get(ring_id)
        if ended is None or ended.ring.state is RingState.OVER:
            return Outcome.OVER
        return Outcome.ANSWERED if ended.ring.state is RingState.ANSWERED else Outcome.ELSEWHERE

    def _is_his(self, ring: Ring, employee_id: int) -> bool:
        return self._owner(ring.endpoint) == employee_id


def _remember(memory: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    memory[key] = value
    while len(memory) > MOST_REMEMBERED:
        memory.popitem(last=False)
