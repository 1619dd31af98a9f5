"""The stage: one Asterisk with our configuration and many phones, the public network, and a record of all events."""

import itertools
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from dialplan.plan import encode_plan
from dialplan.render import PHONES, AsteriskValues
from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.asterisk_root import ensure_root
from leadline.demo.sipp import await_value, free_port, free_ports
from leads.domain.directory import DisplayMode, Extension
from routing.decision import Decision, Ring, Step, StepKind
from tests.lab.scripted_agi import ScriptedAgi
from tests.lab.stage.ends import LOCAL, Caller, Phone, Ringing

FIRST_PHONE, PHONE_COUNT = 200, 300
STRATEGIES = ("ringall", "leastrecent", "fewestcalls", "random", "rrmemory", "linear", "wrandom")
SECRET = "events-secret"

_ENDPOINT = """
[{number}](phone)
aors = {number}
callerid = <{number}>
[{number}]
type = aor
contact = sip:{number}@{address}:{port}
"""


class Events:
    """Everything that AMI says to the account that only listens, as it came over the wire."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((LOCAL, port), 10)
        self._socket.sendall(f"Action: Login\r\nUsername: leadline-events\r\nSecret: {SECRET}\r\n\r\n".encode())
        self._data = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        await_value(lambda: b"Event: FullyBooted" in self._data or None, 10, "the AMI login")

    def _read(self) -> None:
        self._socket.settimeout(None)
        while data := self._socket.recv(65536):
            self._data += data

    def blocks(self) -> list[str]:
        """The events so far."""
        text = bytes(self._data).decode("utf-8", errors="replace")
        return [block for block in text.split("\r\n\r\n")[:-1] if "Event: " in block]

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


class Stage:
    """Start it with `with`, from the main thread; each story then plays in a scene of its own."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._scenes = itertools.count(1)
        self._numbers = itertools.count(FIRST_PHONE)
        self._lock = threading.Lock()
        self.ports = free_ports(socket.SOCK_DGRAM, PHONE_COUNT)
        self.asterisk = AsteriskInstance(folder, ensure_root())
        self.values = AsteriskValues(
            ami_events_secret=SECRET,
            ami_control_secret="control-secret",
            phone_secrets=dict.fromkeys(PHONES, "phone-secret"),
            sip_port=free_port(socket.SOCK_DGRAM),
            rtp_start=32768,
            rtp_end=34767,
            trunk_port=free_port(socket.SOCK_DGRAM),
            ami_port=free_port(socket.SOCK_STREAM),
            fastagi_port=free_port(socket.SOCK_STREAM),
        )
        self.pbx = (LOCAL, self.values.sip_port)
        self.asterisk.configure(self.values)
        self._add_phones()

    def _add_phones(self) -> None:
        with (self.asterisk.etc / "pjsip.conf").open("a") as file:
            for place, port in enumerate(self.ports):
                file.write(_ENDPOINT.format(number=FIRST_PHONE + place, address=LOCAL, port=port))

    def append(self, file: str, text: str) -> None:
        """Add to a file of Asterisk's configuration, before it starts."""
        with (self.asterisk.etc / file).open("a") as opened:
            opened.write(text)

    def __enter__(self) -> "Stage":
        self.agi = self._stack.enter_context(ScriptedAgi(self.values.fastagi_port))
        self.asterisk.start()
        self._stack.callback(self.asterisk.stop)
        self.events = Events(self.values.ami_port)
        self._stack.callback(self.events.close)
        self.network = Phone(self.pbx, "network", self.values.trunk_port)
        self._stack.callback(self.network.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def scene(self, name: str) -> "Scene":
        """Numbers of its own for one story."""
        with self._lock:
            return Scene(self, name, next(self._scenes))

    def take_number(self) -> tuple[str, int]:
        """A phone's number and UDP port that no other scene has."""
        with self._lock:
            number = next(self._numbers)
        return str(number), self.ports[number - FIRST_PHONE]

    def cel_rows(self) -> list[str]:
        """What Asterisk wrote of the calls on disk."""
        path = self.asterisk.log / "cel-custom" / "leadline.csv"
        return path.read_text(errors="replace").splitlines(keepends=True) if path.exists() else []


class Scene:
    """One story's phones, callers and numbers; all that it opens ends with it."""

    def __init__(self, stage: Stage, name: str, place: int) -> None:
        self.stage = stage
        self.name = name
        self.stranger = f"+380501{place:03d}000"
        self.second_stranger = f"+380501{place:03d}001"
        self.did = f"0441{place:03d}000"
        self.outside = f"0671{place:03d}000"
        self.second_outside = f"0671{place:03d}001"
        self.numbers: list[str] = [self.stranger, self.second_stranger, self.did, self.outside, self.second_outside]
        self._open: list[Phone | Caller] = []

    def phones(self, count: int) -> list[Phone]:
        """Phones that are on."""
        return [self.phone() for _ in range(count)]

    def phone(self) -> Phone:
        number, port = self.stage.take_number()
        self.numbers.append(number)
        phone = Phone(self.stage.pbx, number, port)
        self._open.append(phone)
        return phone

    def rings(self, *steps: list[Phone] | str, seconds: int = 20) -> None:
        """Where a call to our number goes: phones that ring together, or a queue by its name, one after the other."""
        made = tuple(
            Step(StepKind.QUEUE, seconds, "", queue=step)
            if isinstance(step, str)
            else Step(
                StepKind.PHONES,
                seconds,
                "",
                tuple(
                    Ring(Extension(phone.user, f"PJSIP/{phone.user}", DisplayMode.LATIN, 24, None), False)
                    for phone in step
                ),
            )
            for step in steps
        )
        self.stage.agi.answers[self.did] = encode_plan(Decision(self.stranger, None, None, "uk", made, ()))

    def call_in(self, number: str | None = None, name: str | None = None) -> Caller:
        """Somebody outside calls our number."""
        return self._caller(number or self.stranger, self.did, name)

    def call_from(self, phone: Phone, to: str) -> Caller:
        """Somebody dials on his phone."""
        return self._caller(phone.user, to)

    def _caller(self, user: str, to: str, name: str | None = None) -> Caller:
        caller = Caller(self.stage.pbx, user, to, name)
        self._open.append(caller)
        return caller

    def line(self, number: str | None = None, count: int = 1) -> Ringing:
        """The far end of an outgoing call, once it rings there."""
        return self.stage.network.await_call(count, number=number or self.outside)

    def close(self) -> None:
        for end in self._open:
            end.close()
