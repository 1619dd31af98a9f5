"""A real Asterisk with our dialplan, three simulated phones' accounts, and a scripted server in place of ours."""

import socket
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from dialplan.plan import encode_plan
from dialplan.render import PHONES, AsteriskValues
from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.asterisk_root import ensure_root
from leadline.demo.phones import Calls, Phone, await_there
from leadline.demo.scenarios import Account, Behaviour, Dialling
from leadline.demo.sipp import await_value, free_port
from leads.domain.directory import DisplayMode, Extension
from leads.domain.reasons import Reason, ReasonCode
from routing.decision import Decision, Ring, Step, StepKind
from tests.lab.scripted_agi import ScriptedAgi

CALLER = "+380501234567"
WHY = Reason(ReasonCode.CALLER_HIDDEN)
RINGS_ON = Behaviour(status=None)
"""A phone that rings and is never answered."""


def ring(number: str, mode: DisplayMode = DisplayMode.LATIN, *, call_waiting: bool = False, length: int = 24) -> Ring:
    return Ring(Extension(number, f"PJSIP/{number}", mode, length, None), call_waiting)


def phones(*rings: Ring, seconds: int = 20) -> Step:
    return Step(StepKind.PHONES, seconds, WHY, rings)


def queue(name: str, seconds: int) -> Step:
    return Step(StepKind.QUEUE, seconds, WHY, queue=name)


def plan(*steps: Step, name: str | None = None) -> str:
    return encode_plan(Decision(CALLER, None, name, "uk", steps, ()))


class DialplanLab:
    """Start it with `with`; `etc` may be changed before, by `prepare`."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.asterisk = AsteriskInstance(folder, ensure_root())
        self.values = AsteriskValues(
            ami_events_secret="events-secret",
            ami_control_secret="control-secret",
            phone_secrets=dict.fromkeys(PHONES, "phone-secret"),
            sip_port=free_port(socket.SOCK_DGRAM),
            rtp_start=32000,
            rtp_end=32767,
            trunk_port=free_port(socket.SOCK_DGRAM),
            ami_port=free_port(socket.SOCK_STREAM),
            fastagi_port=free_port(socket.SOCK_STREAM),
            company_number="0441234567",
            fallback_plan=plan(phones(ring("103"))),
        )
        self.asterisk.configure(self.values)
        self.pbx = ("127.0.0.1", self.values.sip_port)

    def __enter__(self) -> "DialplanLab":
        self.agi = self._stack.enter_context(ScriptedAgi(self.values.fastagi_port))
        self.asterisk.start()
        self._stack.callback(self.asterisk.stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def phone(self, number: str, behaviour: Behaviour | None = None) -> Phone:
        """A phone that is signed in."""
        phone = Phone(self.account(number), self.pbx, behaviour)
        await_there(self.asterisk.cli, number)
        return phone

    def account(self, number: str) -> Account:
        return Account(number, self.values.phone_secrets[number])

    def call(self, to: str, number: str = CALLER, **how: object) -> Calls:
        """A call from outside; see Dialling for `how`."""
        return Calls(Dialling(number, to, **({"talk_seconds": 0.2} | how)), self.pbx)  # type: ignore[arg-type]

    def call_between(self, caller: str, to: str, **how: object) -> Calls:
        """A call that one of our phones makes."""
        return Calls(Dialling(caller, to, account=self.account(caller), **how), self.pbx)  # type: ignore[arg-type]

    def await_quiet(self, seconds: float = 10.0) -> None:
        """Wait until no channel exists."""
        await_value(lambda: True if not self.asterisk.channels() else None, seconds, "the last channel's end")

    def set_global(self, name: str, value: str) -> None:
        self.asterisk.cli(f"dialplan set global {name} {value}")

    def complaints(self) -> list[str]:
        """What Asterisk logged as warning or error, but for what it says at each start and of an empty queue."""
        lines = (self.asterisk.log / "messages.log").read_text(errors="replace").splitlines()
        known = ("res_musiconhold.c", "Unable to join queue")
        return [
            line
            for line in lines
            if (" WARNING[" in line or " ERROR[" in line) and not any(word in line for word in known)
        ]
