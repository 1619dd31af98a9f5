"""Simulated SIP phones and callers, and what happened to each call as it looked from their end."""

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from leadline.demo import scenarios
from leadline.demo.scenarios import Account, Behaviour, Dialling
from leadline.demo.sip_messages import SipMessage, read_address
from leadline.demo.sipp import PhoneError, Sipp, await_value, free_port

_REGISTER_SECONDS = 15.0
_ASKED_SECONDS = 1.0
_EXPIRES = 3600
# The trunk is known by this address, and a machine reaches all of its own addresses from here.
_LOCAL = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class PhoneCall:
    """One call as a phone saw it; `name` and `number` are what its display shows from the From header.

    `asserted_name` is the name in P-Asserted-Identity. `end` is how it went: ringing, talking, cancelled (the PBX
    stopped the ringing), refused (by this phone), ended (after a conversation).
    """

    call_id: str
    invited_at: datetime
    name: str | None
    number: str
    asserted_name: str | None
    answered_at: datetime | None
    ended_at: datetime | None
    end: str
    messages: tuple[SipMessage, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call as its caller saw it; `status` is the final answer, None while there is none.

    `heard` lists each answer with its time; `hung_up_by` is `caller`, `other` or None.
    """

    status: int | None
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    hung_up_by: str | None
    heard: tuple[tuple[datetime, int], ...]
    messages: tuple[SipMessage, ...]

    @property
    def ringing(self) -> bool:
        """Whether the caller was told that a phone rings."""
        return any(status == 180 for _at, status in self.heard)


def await_end(calls: Callable[[], list[PhoneCall]], count: int, seconds: float, where: str) -> PhoneCall:
    """Wait until call number `count` of those that are listed is over, and return it.

    Raises:
        PhoneError: it is not over after `seconds`.
    """

    def ended() -> PhoneCall | None:
        found = calls()
        return found[count - 1] if len(found) >= count and found[count - 1].ended_at else None

    return await_value(ended, seconds, f"the end of call {count} at {where}")


def await_there(console: Callable[[str], str], number: str, seconds: float = 20.0) -> None:
    """Wait until the PBX, whose console answers commands, would ring the phone `number`.

    It has heard a little before that the phone is there; until it has taken note of it, the phone counts as away.

    Raises:
        PhoneError: it would not after `seconds`.
    """
    await_value(lambda: "NOT_INUSE" in device_state(console, number) or None, seconds, f"phone {number} to be there")


def device_state(console: Callable[[str], str], number: str) -> str:
    """What the PBX, whose console answers commands, holds the phone `number` to be doing."""
    return console(f"dialplan eval function DEVICE_STATE(PJSIP/{number})")


class Phone:
    """A phone that signs in at the PBX and treats calls by its behaviour. Start it from a thread that lives on."""

    def __init__(self, account: Account, pbx: tuple[str, int], behaviour: Behaviour | None = None) -> None:
        """Sign in and listen; `pbx` is the address and UDP port of the PBX."""
        self.account = account
        self._pbx = pbx
        self._local = (_LOCAL, free_port(socket.SOCK_DGRAM, _LOCAL))
        self._past: list[SipMessage] = []
        self._sipp = self._start(behaviour or Behaviour())

    def behave(self, behaviour: Behaviour) -> None:
        """Treat calls that come from now on in another way; calls that are open break off."""
        self._past = self.messages()
        self._sipp.discard()
        self._sipp = self._start(behaviour)

    def messages(self) -> list[SipMessage]:
        """All it sent and received since it signed in or was cleared."""
        return self._past + self._sipp.messages()

    def calls(self) -> list[PhoneCall]:
        """The calls that reached it, in order of their INVITE."""
        return phone_calls(self.messages())

    def await_call(self, count: int = 1, seconds: float = 10.0) -> PhoneCall:
        """Wait until it has been rung `count` times and return the latest of them as it is then.

        Raises:
            PhoneError: it was not.
        """
        calls = await_value(
            lambda: found if len(found := self.calls()) >= count else None,
            seconds,
            f"call {count} at phone {self.account.user}",
        )
        return calls[count - 1]

    def await_end(self, count: int = 1, seconds: float = 20.0) -> PhoneCall:
        """Wait until its call number `count` is over and return it.

        Raises:
            PhoneError: it is not over after `seconds`.
        """
        return await_end(self.calls, count, seconds, f"phone {self.account.user}")

    def sign_out(self) -> None:
        """Stop listening and tell the PBX, as a phone that is switched off properly."""
        self.vanish()
        leaving = Sipp(scenarios.register(self.account, 0), pbx=self._pbx, local=self._local, arguments=("-m", "1"))
        try:
            leaving.wait(_REGISTER_SECONDS)
        finally:
            leaving.discard()

    def vanish(self) -> None:
        """Stop without a word, as a phone whose cable was pulled."""
        self._past = self.messages()
        self._sipp.discard()

    def __enter__(self) -> "Phone":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sign_out()

    def _start(self, behaviour: Behaviour) -> Sipp:
        """One sipp signs in, again and again before it expires, and meanwhile treats what comes by the other script."""
        script = scenarios.register(self.account, _EXPIRES)
        incoming = scenarios.phone(self.account.user, behaviour)
        # -aa: answers the PBX's question whether it is there.
        sipp = Sipp(
            script, pbx=self._pbx, local=self._local, arguments=("-l", "1", "-r", "20", "-aa"), incoming=incoming
        )
        try:
            await_value(lambda: _signed_in(sipp.messages()), _REGISTER_SECONDS, f"phone {self.account.user} to sign in")
            # One that does not ask takes a phone that has signed in for one that is there.
            with contextlib.suppress(PhoneError):
                await_value(lambda: _said_that_it_is_there(sipp.messages()), _ASKED_SECONDS, "the PBX's question")
        except PhoneError as error:
            report = sipp.report()
            sipp.discard()
            raise PhoneError(f"{error}\n{report}") from None
        return sipp


def _signed_in(messages: list[SipMessage]) -> bool | None:
    return any(message.answers == "REGISTER" and message.status == 200 for message in messages) or None


def _said_that_it_is_there(messages: list[SipMessage]) -> bool | None:
    """Until the PBX knows, it rings a phone as little as one that is away."""
    return any(message.sent and message.answers == "OPTIONS" for message in messages) or None


class Calls:
    """One or more equal calls on their way; they are placed at once, or `per_second`."""

    def __init__(
        self, dialling: Dialling, pbx: tuple[str, int], count: int = 1, *, per_second: int | None = None
    ) -> None:
        """Start `count` calls."""
        local = (_LOCAL, free_port(socket.SOCK_DGRAM, _LOCAL))
        self._sipp = Sipp(
            scenarios.caller(dialling),
            pbx=pbx,
            local=local,
            arguments=("-m", str(count), "-l", str(count), "-r", str(per_second or count * 100)),
        )
        self._count = count
        self._kept: list[SipMessage] | None = None

    def outcomes(self) -> list[Outcome]:
        """How each call stands now."""
        messages = self._kept if self._kept is not None else self._sipp.messages()
        return call_outcomes(messages)

    def wait(self, seconds: float = 30.0) -> list[Outcome]:
        """Wait until all are over.

        Raises:
            PhoneError: one is not over after `seconds`; all are broken off then.
        """
        try:
            self._sipp.wait(seconds)
            outcomes = self.outcomes()
            if len(outcomes) < self._count:
                raise PhoneError(f"{len(outcomes)} of {self._count} calls were placed\n{self._sipp.report()}")
            return outcomes
        finally:
            self._kept = self._sipp.messages()
            self._sipp.discard()

    def wait_one(self, seconds: float = 30.0) -> Outcome:
        """`wait`, for one call."""
        return self.wait(seconds)[0]

    def await_ringing(self, seconds: float = 10.0) -> Outcome:
        """Wait until the (first) caller hears ringing.

        Raises:
            PhoneError: he does not.
        """
        return await_value(
            lambda: next((outcome for outcome in self.outcomes() if outcome.ringing), None), seconds, "ringing"
        )

    def await_answer(self, seconds: float = 10.0) -> Outcome:
        """Wait until the (first) call is answered.

        Raises:
            PhoneError: it is not.
        """
        return await_value(
            lambda: next((outcome for outcome in self.outcomes() if outcome.answered_at), None), seconds, "an answer"
        )

    @property
    def running(self) -> bool:
        """Whether a call is still on its way."""
        return self._kept is None and self._sipp.running

    def report(self) -> str:
        """What sipp complained about, and all messages."""
        return self._sipp.report()

    def break_off(self) -> None:
        """End the callers without a word to the PBX, as a trunk that fails; does nothing when all are over."""
        if self._kept is None:
            self._kept = self._sipp.messages()
            self._sipp.discard()


def phone_calls(messages: list[SipMessage]) -> list[PhoneCall]:
    """The calls that came in among `messages`, in order of their INVITE."""
    return [_phone_call(dialog) for dialog in _dialogs(messages) if dialog[0].method == "INVITE" and not dialog[0].sent]


def call_outcomes(messages: list[SipMessage]) -> list[Outcome]:
    """The calls that were placed among `messages`, in order of their INVITE."""
    return [_outcome(dialog) for dialog in _dialogs(messages)]


def _dialogs(messages: list[SipMessage]) -> list[list[SipMessage]]:
    dialogs: dict[str, list[SipMessage]] = {}
    for message in messages:
        dialogs.setdefault(message.call_id, []).append(message)
    return list(dialogs.values())


def _phone_call(dialog: list[SipMessage]) -> PhoneCall:
    invite = dialog[0]
    shown = read_address(invite.header("From"))
    asserted = read_address(invite.header("P-Asserted-Identity"))
    answered = next((m.at for m in dialog if m.sent and m.status == 200 and m.answers == "INVITE"), None)
    refused = next((m.at for m in dialog if m.sent and m.answers == "INVITE" and (m.status or 0) >= 300), None)
    bye = next((m.at for m in dialog if m.method == "BYE"), None)
    cancelled = any(m.method == "CANCEL" for m in dialog)
    if answered:
        end = "ended" if bye else "talking"
    elif refused:
        end = "cancelled" if cancelled else "refused"
    else:
        end = "ringing"
    return PhoneCall(
        call_id=invite.call_id,
        invited_at=invite.at,
        name=shown.name if shown else None,
        number=shown.number if shown else "",
        asserted_name=asserted.name if asserted else None,
        answered_at=answered,
        ended_at=bye or refused,
        end=end,
        messages=tuple(dialog),
    )


def _outcome(dialog: list[SipMessage]) -> Outcome:
    answers = [m for m in dialog if not m.sent and m.status is not None and m.answers == "INVITE"]
    # The PBX asks a phone for its password by 401 and is asked again; that refusal is no outcome.
    finals = [m for m in answers if (m.status or 0) >= 200]
    if finals and finals[0].status == 401 and sum(m.method == "INVITE" for m in dialog) > 1:
        finals = finals[1:]
    final = finals[0] if finals else None
    answered_at = final.at if final is not None and final.status == 200 else None
    bye = next((m for m in dialog if m.method == "BYE"), None)
    refused_at = final.at if final is not None and not answered_at else None
    return Outcome(
        status=final.status if final is not None else None,
        started_at=dialog[0].at,
        answered_at=answered_at,
        ended_at=bye.at if bye else refused_at,
        hung_up_by=None if bye is None else ("caller" if bye.sent else "other"),
        heard=tuple((m.at, m.status or 0) for m in answers),
        messages=tuple(dialog),
    )
