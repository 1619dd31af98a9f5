"""One connection to Asterisk's manager interface: panoramisk's protocol with what it lacks.

Whole messages only, a bounded message size, no exception that costs the connection, time-outs on every action, nothing
sent again after a reconnect, no line break in a value, and no secret in a log.

AmiError
 +-- AmiRefusedError       Asterisk answered that it will not
 |    +-- LoginRefusedError    the account, its secret or its permitted addresses are wrong
 +-- AmiLostError          the connection is gone, or an answer did not come in time
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import cast

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message as Answer

from ami_listener.wire import ACTION_ID, EVENT, Decoder, WireError, read_headers

FORBIDDEN = ("\r", "\n", "\0")
ANSWER_SECONDS = 10.0
CONNECT_SECONDS = 10.0
READ_PAUSE = 0.02
"""After events, so that the next ones are read together: Asterisk writes each by itself, and a turn of the event loop
costs more than what it reads. What comes meanwhile waits in the socket."""
ROWS_PAUSE = 0.003
"""The same between the rows of a long list, so that the calls that we serve meanwhile do not wait for its end."""
SHUTTING_DOWN = "shutting down"
"""In the message by which an Asterisk that is on its way down refuses every action."""

Headers = Mapping[str, str | Sequence[str]]
"""An action's headers; several values make several headers of one name, as Variable has them."""


class AmiError(Exception):
    """Something with the manager interface went wrong; the text is for people."""


class AmiRefusedError(AmiError):
    """Asterisk refused an action."""


class LoginRefusedError(AmiRefusedError):
    """Asterisk does not let this account in; trying again soon changes nothing."""


class AmiLostError(AmiError):
    """The connection is gone, or Asterisk did not answer in time."""


class AmiLink(AMIProtocol):  # type: ignore[misc]
    """A connection that hands every event on as the bytes it came in, in order.

    Args:
        on_event: gets each wanted event, unparsed; a plain function that returns at once.
        wanted: names of the events to hand on.
    """

    def __init__(self, on_event: Callable[[bytes], None], wanted: frozenset[bytes]) -> None:
        self._on_event = on_event
        self._decoder = Decoder(wanted)
        self._loop = asyncio.get_running_loop()
        self.responses: dict[str, Action] = {}
        self._bulk: dict[bytes, _Bulk] = {}
        self._bulk_numbers = count(1)
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self.received_at = self._loop.time()

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        on_event: Callable[[bytes], None],
        wanted: frozenset[bytes],
        tls: ssl.SSLContext | None = None,
    ) -> "AmiLink":
        """Connect, in at most CONNECT_SECONDS.

        Raises:
            AmiLostError: nobody listens there, or TLS failed.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, link = await loop.create_connection(lambda: cls(on_event, wanted), host, port, ssl=tls)
        except TimeoutError:
            raise AmiLostError(f"no connection to {host}:{port} within {CONNECT_SECONDS:g} s") from None
        except (OSError, ssl.SSLError) as error:
            raise AmiLostError(f"no connection to {host}:{port}: {error}") from None
        return link

    @property
    def version(self) -> str | None:
        """The version of the protocol that Asterisk announced."""
        return self._decoder.version

    @property
    def skipped(self) -> int:
        """How many events nobody wanted."""
        return self._decoder.skipped

    # panoramisk's protocol, where ours differs

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio calls this."""
        # uvloop's transports are no subclass of asyncio's.
        self.transport = cast(asyncio.Transport, transport)
        self.closed = False

    def data_received(self, data: bytes) -> None:
        """Cut the bytes into messages; whatever is in them, the connection stays, unless it is no AMI at all."""
        self.received_at = self._loop.time()
        try:
            for block in self._decoder.frames(data):
                if block.startswith(EVENT) and ACTION_ID not in block:
                    self._on_event(block)
                else:
                    self._take_answer(block)
        except WireError as error:
            self.drop(f"the peer does not speak AMI: {error}")
        if not self.closed and not self.responses:
            self.transport.pause_reading()
            self._loop.call_later(ROWS_PAUSE if self._bulk else READ_PAUSE, self._read_on)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _take_answer(self, block: bytes) -> None:
        if self._bulk:
            bulk = self._bulk.get(block.partition(ACTION_ID)[2].partition(b"\n")[0].strip())
            if bulk is not None:
                bulk.take(block)
                return
        headers = read_headers(block)
        action = self.responses.get(headers.get("ActionID", ""))
        if action is None:
            if "Event" in headers:  # a row of a list that we asked for: it goes with the other events, in order
                self._on_event(block)
            return
        if headers.get("Response") in ("Error", "Failure") or action.add_message(Answer(headers)):
            if not action.future.done():
                action.future.set_result([Answer(headers)] if action.as_list else Answer(headers))
            self.responses.pop(headers["ActionID"], None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits; asyncio calls this."""
        self.drop(f"Asterisk closed the connection{f': {exc}' if exc else ''}")

    def drop(self, reason: str) -> None:
        """End the connection at once; every waiting action fails, none is kept for later."""
        self.closed = True
        for action in self.responses.values():
            if not action.future.done():
                action.future.set_exception(AmiLostError(reason))
                action.future.exception()  # whoever waits gets it; if nobody does, it is no news
        self.responses.clear()
        for bulk in self._bulk.values():
            bulk.fail(AmiLostError(reason))
        self._bulk.clear()
        self.transport.abort()
        if not self.lost.done():
            self.lost.set_result(reason)

    # What we ask

    async def ask(self, name: str, headers: Headers | None = None, seconds: float = ANSWER_SECONDS) -> Answer:
        """Send one action and give its answer; the rows of a list come as events.

        Raises:
            AmiRefusedError: Asterisk answered with an error.
            AmiLostError: no answer in time, or the connection broke.
            ValueError: a header holds a line break or NUL, which would make it two actions.
        """
        answer = await self._exchange(name, headers or {}, False, seconds)
        if not answer.success:
            raise AmiRefusedError(f"{name}: {str(answer.message)[:200] or 'refused'}")
        return answer

    async def ask_list(self, name: str, headers: Headers, seconds: float = ANSWER_SECONDS) -> list[Answer]:
        """Send an action that is answered by a list, and give its rows.

        Raises:
            AmiRefusedError, AmiLostError, ValueError: as `ask`.
        """
        answers = await self._exchange(name, headers, True, seconds)
        if not answers[0].success:
            raise AmiRefusedError(f"{name}: {str(answers[0].message)[:200] or 'refused'}")
        return list(answers[1:-1])

    async def ask_rows(
        self,
        name: str,
        headers: Headers,
        on_row: Callable[[bytes], None],
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Send an action that is answered by a list too long to be kept: each row goes to `on_row`, unparsed.

        Args:
            seconds: for the whole list.

        Raises:
            AmiRefusedError, AmiLostError, ValueError: as `ask`.
        """
        await self._in_bulk([(name, headers)], _Rows(self._loop.create_future(), on_row), seconds)

    async def ask_many(
        self, actions: Sequence[tuple[str, Headers]], seconds: float = ANSWER_SECONDS
    ) -> list[AmiRefusedError]:
        """Send some hundreds of actions at once, which Asterisk answers in a hundredth of the time; give the refusals.

        Raises:
            AmiLostError, ValueError: as `ask`; how many of the actions were taken is not known then.
        """
        answers = _Answers(self._loop.create_future(), len(actions))
        if actions:
            await self._in_bulk(actions, answers, seconds)
        return answers.refusals

    async def login(self, username: str, secret: str) -> None:
        """Identify ourselves.

        Raises:
            LoginRefusedError: wrong account or secret, or our address is not permitted.
            AmiLostError: no answer, or Asterisk is on its way down, which says nothing about the account: it may be
                back within seconds (main/manager.c refuses every action so once a shutdown has begun).
        """
        try:
            await self.ask("Login", {"Username": username, "Secret": secret, "Events": "on"})
        except AmiRefusedError as error:
            if SHUTTING_DOWN in str(error):
                raise AmiLostError(str(error)) from None
            raise LoginRefusedError(
                f"Asterisk refused the login of {username!r} ({error}): wrong account or secret, or this address is"
                " not permitted; see manager.conf"
            ) from None

    async def _exchange(self, name: str, headers: Headers, as_list: bool, seconds: float) -> "Answer":
        _refuse_forbidden(name, headers)
        if self.closed:
            raise AmiLostError("the connection is closed")
        action = Action({"Action": name, **headers}, as_list=as_list)
        self.responses[action.id] = action
        self._read_on()
        self.transport.write(str(action).encode())
        try:
            async with asyncio.timeout(seconds):
                return await action.future
        except TimeoutError:
            raise AmiLostError(f"{name}: no answer within {seconds:g} s") from None
        finally:
            self.responses.pop(action.id, None)

    async def _in_bulk(self, actions: Sequence[tuple[str, Headers]], bulk: "_Bulk", seconds: float) -> None:
        for name, headers in actions:
            _refuse_forbidden(name, headers)
        if self.closed:
            raise AmiLostError("the connection is closed")
        number = b"bulk/%d" % next(self._bulk_numbers)
        self._bulk[number] = bulk
        self._read_on()
        self.transport.write(b"".join(_action(name, number, headers) for name, headers in actions))
        try:
            async with asyncio.timeout(seconds):
                await bulk.done
        except TimeoutError:
            raise AmiLostError(f"{actions[0][0]}: no answer within {seconds:g} s") from None
        finally:
            self._bulk.pop(number, None)


class _Bulk:
    """What takes the answers that carry one ActionID."""

    def __init__(self, done: asyncio.Future[None]) -> None:
        self.done = done

    def take(self, block: bytes) -> None:
        """Take one message."""
        raise NotImplementedError

    def fail(self, error: AmiError) -> None:
        """End: nothing more will come."""
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # as above

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class _Rows(_Bulk):
    """The rows of one list."""

    def __init__(self, done: asyncio.Future[None], on_row: Callable[[bytes], None]) -> None:
        super().__init__(done)
        self._on_row = on_row

    def take(self, block: bytes) -> None:
        event = block.partition(b"\n")[0]
        if event.startswith(EVENT):
            if event.endswith(b"Complete"):
                self._end()
            else:
                self._on_row(block)
        elif not event.endswith(b"Success"):
            self.fail(_refusal(block))


class _Answers(_Bulk):
    """The answers to several actions, one each, in the order of the actions."""

    def __init__(self, done: asyncio.Future[None], outstanding: int) -> None:
        super().__init__(done)
        self.refusals: list[AmiRefusedError] = []
        self._outstanding = outstanding

    def take(self, block: bytes) -> None:
        if not block.startswith(b"Response:"):
            return  # an event beside the answer, as DBGet has it
        if not block.startswith(b"Response: Success"):
            self.refusals.append(_refusal(block))
        self._outstanding -= 1
        if not self._outstanding:
            self._end()


def _refusal(block: bytes) -> AmiRefusedError:
    return AmiRefusedError(read_headers(block).get("Message", "refused")[:200])


def _refuse_forbidden(name: str, headers: Headers) -> None:
    """The one place that keeps an action one action, whatever the values in it are.

    Raises:
        ValueError: a header holds a line break or NUL.
    """
    for key, value in headers.items():
        values = (value,) if isinstance(value, str) else value
        if any(mark in text for text in (key, *values) for mark in FORBIDDEN):
            raise ValueError(f"{name}: the header {key!r} holds a line break or NUL")


def _action(name: str, number: bytes, headers: Headers) -> bytes:
    lines = [b"Action: %b\r\nActionID: %b\r\n" % (name.encode(), number)]
    for key, value in headers.items():
        lines += [f"{key}: {one}\r\n".encode() for one in ((value,) if isinstance(value, str) else value)]
    return b"".join((*lines, b"\r\n"))
