"""Callers who call for as long as the faults last, and what both ends of each call saw, from sipp's own logs."""

import re
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from leadline.demo import scenarios
from leadline.demo.phones import Outcome, PhoneCall, call_outcomes, phone_calls
from leadline.demo.scenarios import Account, Behaviour, Dialling
from leadline.demo.sip_messages import read_address
from leadline.demo.sipp import Sipp, await_value, free_port

LOCAL = "127.0.0.1"
_GIVE_UP_SOON = ("-max_invite_retrans", "4", "-max_non_invite_retrans", "4")
"""An Asterisk that is dead does not answer later either."""
_VARIED = "VARIED"
_DIALLED = re.compile(r"^INVITE sips?:([^@]+)@")


class End:
    """Something that is rung, on its own port: one of our phones, or the public network behind the trunk."""

    def __init__(self, user: str, behaviour: Behaviour, pbx: tuple[str, int], port: int) -> None:
        self.user = user
        script = scenarios.phone(user, behaviour)
        self._sipp = Sipp(script, pbx=pbx, local=(LOCAL, port), arguments=("-aa", *_GIVE_UP_SOON))

    def calls(self) -> list[PhoneCall]:
        return phone_calls(self._sipp.messages())

    def close(self) -> None:
        self._sipp.discard()


@dataclass(frozen=True, slots=True)
class Stream:
    """Calls of one kind, one after the other, each to or from another number of `numbers`.

    `dialling` has VARIED in place of the number that varies; `every` is the time between two calls.
    """

    dialling: Dialling
    numbers: tuple[str, ...]
    every: timedelta


class Callers:
    """One stream on its way."""

    def __init__(self, stream: Stream, pbx: tuple[str, int], folder: Path) -> None:
        self._local = (LOCAL, free_port(socket.SOCK_DGRAM, LOCAL))
        numbers = folder / f"numbers-{self._local[1]}.csv"
        numbers.write_text("SEQUENTIAL\n" + "".join(f"{number}\n" for number in stream.numbers))
        self.count = len(stream.numbers)
        self._sipp = Sipp(
            scenarios.caller(stream.dialling).replace(_VARIED, "[field0]"),
            pbx=pbx,
            local=self._local,
            arguments=(
                *("-inf", str(numbers), "-m", str(self.count), "-l", "60", *_GIVE_UP_SOON),
                *("-r", "1", "-rp", str(round(stream.every.total_seconds() * 1000))),
            ),
        )

    @property
    def running(self) -> bool:
        return self._sipp.running

    def seen(self) -> "list[SeenCall]":
        """The calls that Asterisk took notice of."""
        calls = [_seen(outcome) for outcome in call_outcomes(self._sipp.messages())]
        return [call for call in calls if call is not None]

    def report(self) -> str:
        return self._sipp.report()

    def close(self) -> None:
        self._sipp.discard()


@dataclass(frozen=True, slots=True)
class SeenCall:
    """One call as its caller saw it; `status` is the final answer, None where none came."""

    caller: str
    dialled: str
    status: int | None
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None

    def __str__(self) -> str:
        talked = f", talked {self.talked:.1f} s" if self.talked is not None else ""
        return f"{self.caller} to {self.dialled} at {self.started_at:%T.%f}: {self.status}{talked}"

    @property
    def talked(self) -> float | None:
        if self.answered_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.answered_at).total_seconds()


def _seen(outcome: Outcome) -> SeenCall | None:
    """None for a call of which Asterisk took no notice: it did not run."""
    invite = next(m for m in reversed(outcome.messages) if m.method == "INVITE")
    if not any(m.at >= invite.at for m in outcome.messages if not m.sent and m.answers == "INVITE"):
        return None
    caller = read_address(invite.header("From"))
    dialled = _DIALLED.match(invite.start_line)
    assert caller
    assert dialled
    return SeenCall(caller.number, dialled[1], outcome.status, invite.at, outcome.answered_at, outcome.ended_at)


def from_outside(to: str, numbers: tuple[str, ...], every: float, **how: float) -> Stream:
    """Calls of `numbers` to one of our numbers."""
    return Stream(Dialling(_VARIED, to.replace("+38", ""), **how), numbers, timedelta(seconds=every))  # type: ignore[arg-type]


def from_phone(account: Account, numbers: tuple[str, ...], every: float, **how: float) -> Stream:
    """Calls of one of our phones to `numbers`."""
    return Stream(Dialling(account.user, _VARIED, account=account, **how), numbers, timedelta(seconds=every))  # type: ignore[arg-type]


def await_all(callers: list[Callers], seconds: float) -> None:
    """Wait until every caller is done.

    Raises:
        PhoneError: one is not.
    """
    await_value(lambda: not any(one.running for one in callers) or None, seconds, "the callers to be done")
