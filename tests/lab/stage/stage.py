"""The stage: one Asterisk with our configuration and many phones, the public network, and a record of all events."""

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from dialplan.plan import encode_plan
from dialplan.render import PHONES, AsteriskValues
from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.asterisk_root import ensure_root
from leadline.demo.sipp import PhoneError, await_value, free_port, free_ports, port_is_free
from leads.domain.directory import DisplayMode, Extension
from routing.decision import Decision, Ring, Step, StepKind
from tests.lab.scripted_agi import ScriptedAgi
from tests.lab.stage.ends import LOCAL, Caller, Phone, Ringing

FIRST_PHONE, PHONE_COUNT = 200, 240
CALLER_COUNT = 240
PORTS_EACH = 6
"""SIP, and what sipp takes for voice and pictures from the second one on."""
RTP_PORTS = 2000
OWN_GROUP = 4
"""So many of the phones, the last ones, have a pickup group of their own: *8 there takes nobody else's call."""
QUEUES = 16
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
_QUEUE = """
[{strategy}-{place}]
strategy = {strategy}
timeout = 2
retry = 1
ringinuse = no
joinempty = yes
"""
_DIALPLAN = """
; The stage's trunk: 91<phone>… goes there through Local channels, 92<phone>… likewise for good, 93<phone>… has a
; mailbox behind all else, 94<phone>… meets a menu. 95<phone><phone>… rings two extensions through Local channels, as a
; group of FreePBX does, 96… through such as leave, 97… through two of them one behind the other.
[stage-inbound]
exten = _91XXX!,1,Dial(Local/${EXTEN:2:3}@leadline-internal,20,tk)
exten = _92XXX!,1,Dial(Local/${EXTEN:2:3}@leadline-internal/n,20,tk)
exten = _93XXX!,1,Set(LEADLINE_THEN=leadline-voicemail,${EXTEN:2:3},1)
 same = n,Goto(leadline-inbound,${EXTEN},1)
exten = _94XXX!,1,Answer()
 same = n,Set(STAGE_DID=${EXTEN})
 same = n,WaitExten(10)
 same = n,Hangup()
exten = _9[567]XXXXXX!,1,Set(STAGE_GROUP=${IF($[${EXTEN:1:1} = 7]?stage-followed:stage-extension)})
 same = n,Set(STAGE_KEPT=${IF($[${EXTEN:1:1} = 6]?:/n)})
 same = n,Dial(Local/${EXTEN:2:3}@${STAGE_GROUP}${STAGE_KEPT}&Local/${EXTEN:5:3}@${STAGE_GROUP}${STAGE_KEPT},4)
 same = n,Hangup()
exten = 1,1,Goto(leadline-inbound,${STAGE_DID},1)
include = leadline-inbound
[stage-extension]
exten = _XXX,1,Dial(PJSIP/${EXTEN},60)
[leadline-internal](+)
exten = _9[567]XXXXXX,1,Goto(stage-inbound,${EXTEN},1)
[stage-followed]
exten = _XXX,1,Dial(Local/${EXTEN}@stage-extension/n,30)
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

    def told_all(self) -> bool:
        """Whether each channel that began has also ended in what was told so far."""
        data = bytes(self._data)
        return data.count(b"Event: Newchannel\r\n") == data.count(b"Event: Hangup\r\n") and data.endswith(b"\r\n\r\n")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


def claim_ports(count: int) -> tuple[int, socket.socket]:
    """The first of `count` UDP ports in a row that no other stage has until the socket is closed.

    Stages of several test processes play at once, and none may take a port that another's phone is about to take. TCP
    ports are others than UDP's, so whoever holds the row's first one by TCP has the row, and loses it with his process.
    There is room for three; a fourth one waits for its turn.
    """
    return await_value(lambda: _claim(range(10000, 20000 - count, count)), 100, "another stage to leave its ports")


def _claim(firsts: range) -> tuple[int, socket.socket] | None:
    for first in firsts:
        claim = socket.socket()
        try:
            claim.bind((LOCAL, first))
        except OSError:
            claim.close()
        else:
            return first, claim
    return None


def _are_free(first: int) -> bool:
    """Whether nobody else has taken a port of those that one end takes."""
    return all(port_is_free(socket.SOCK_DGRAM, LOCAL, port) for port in range(first, first + PORTS_EACH))


class Stage:
    """Start it with `with`, from the main thread; each story then plays in a scene of its own."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._scenes = itertools.count(1)
        self._numbers = itertools.count(FIRST_PHONE)
        self._group_numbers = itertools.count(FIRST_PHONE + PHONE_COUNT - OWN_GROUP)
        self._queues = itertools.count()
        self._lock = threading.Lock()
        ports = range(0, PORTS_EACH * (PHONE_COUNT + CALLER_COUNT), PORTS_EACH)
        first, claim = claim_ports(ports.stop)
        self._stack.callback(claim.close)
        self.ports = [first + port for port in ports[:PHONE_COUNT]]
        self._caller_ports = iter([first + port for port in ports[PHONE_COUNT:]])
        self.asterisk = AsteriskInstance(folder, ensure_root())
        rtp = free_ports(socket.SOCK_DGRAM, RTP_PORTS)
        self.values = AsteriskValues(
            ami_events_secret=SECRET,
            ami_control_secret="control-secret",
            phone_secrets=dict.fromkeys(PHONES, "phone-secret"),
            sip_port=free_port(socket.SOCK_DGRAM),
            rtp_start=rtp.start,
            rtp_end=rtp.stop - 1,
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
                if place >= PHONE_COUNT - OWN_GROUP:
                    file.write(f"[{FIRST_PHONE + place}](+)\ntype = endpoint\ncall_group = 2\npickup_group = 2\n")
        self._change(
            "extensions.conf", "Dial(PJSIP/${FILTER(0-9,${EXTEN})},60,", "Dial(PJSIP/${FILTER(0-9,${EXTEN})},4,"
        )
        self._change("features.conf", "atxfernoanswertimeout = 20", "atxfernoanswertimeout = 8")
        self._change("features.conf", "transferdigittimeout = 5", "transferdigittimeout = 2")
        self._change("res_parking.conf", "parkingtime = 90", "parkingtime = 6")
        self._change("pjsip.conf", "context = leadline-inbound", "context = stage-inbound")
        self._append("extensions.conf", _DIALPLAN)
        self._append("voicemail.conf", "".join(f"{FIRST_PHONE + place} => ,{place}\n" for place in range(PHONE_COUNT)))
        for place in range(QUEUES):
            self._append(
                "queues.conf", "".join(_QUEUE.format(strategy=strategy, place=place) for strategy in STRATEGIES)
            )

    def _change(self, file: str, ours: str, shorter: str) -> None:
        """Times in which a story need not wait, and where the trunk's calls begin."""
        path = self.asterisk.etc / file
        assert ours in path.read_text(), f"{file} has no {ours}"
        path.write_text(path.read_text().replace(ours, shorter))

    def _append(self, file: str, text: str) -> None:
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
        return self._take(self._numbers)

    def take_caller_port(self) -> int:
        """A UDP port for a caller; the next ones are for his voice."""
        with self._lock:
            return next(filter(_are_free, self._caller_ports))

    def take_group_number(self) -> tuple[str, int]:
        """The same, of a phone in the small pickup group."""
        return self._take(self._group_numbers)

    def _take(self, numbers: Iterator[int]) -> tuple[str, int]:
        """The next number whose port nobody else took meanwhile."""
        with self._lock:
            for number in numbers:
                port = self.ports[number - FIRST_PHONE]
                if _are_free(port):
                    return str(number), port
        raise RuntimeError("no phones are left")

    def take_queue(self, strategy: str) -> str:
        """A queue without members that no other scene has."""
        with self._lock:
            return f"{strategy}-{next(self._queues)}"

    def originate(self, channel: str, to: str, caller_id: str) -> None:
        """Click to call: Asterisk rings `channel`, and when it answers, dials `to` for it."""
        with socket.create_connection((LOCAL, self.values.ami_port), 10) as ami, ami.makefile("rb") as answers:
            ami.sendall(
                b"Action: Login\r\nUsername: leadline-control\r\nSecret: control-secret\r\nEvents: off\r\n\r\n"
                + (
                    f"Action: Originate\r\nActionID: call\r\nChannel: {channel}\r\nContext: leadline-originate\r\n"
                    f"Exten: {to}\r\nPriority: 1\r\nCallerID: {caller_id}\r\nAsync: true\r\nTimeout: 20000\r\n\r\n"
                ).encode()
            )
            while not answers.readline().startswith(b"ActionID: call"):
                pass

    def await_quiet(self) -> None:
        """Wait until no channel exists.

        Raises:
            PhoneError: one stayed behind; it is ended then, and named.
        """
        try:
            await_value(lambda: not self.asterisk.channels() or None, 10, "all channels to end")
            # AMI tells of the last ends a little later.
            await_value(lambda: self.events.told_all() or None, 10, "the last channel's Hangup event")
        except PhoneError as error:
            left = self.asterisk.cli("core show channels concise")
            self.asterisk.cli("channel request hangup all")
            raise PhoneError(f"{error}:\n{left}") from None

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

    def phone(self, *, own_group: bool = False) -> Phone:
        number, port = self.stage.take_group_number() if own_group else self.stage.take_number()
        self.numbers.append(number)
        phone = Phone(self.stage.pbx, number, port)
        self._open.append(phone)
        return phone

    def queue(self, strategy: str, members: list[Phone]) -> str:
        """A queue with these members, by its name."""
        name = self.stage.take_queue(strategy)
        for phone in members:
            self.stage.asterisk.cli(f"queue add member PJSIP/{phone.user} to {name}")
        return name

    def rings(self, *steps: list[Phone] | str, seconds: int = 20, second_call: bool = False) -> None:
        """Where a call to our number goes: phones that ring together, or a queue by its name, one after the other.

        With `second_call` phones are rung even during a call.
        """
        made = tuple(
            Step(StepKind.QUEUE, seconds, "", queue=step)
            if isinstance(step, str)
            else Step(
                StepKind.PHONES,
                seconds,
                "",
                tuple(
                    Ring(Extension(phone.user, f"PJSIP/{phone.user}", DisplayMode.LATIN, 24, None), second_call)
                    for phone in step
                ),
            )
            for step in steps
        )
        self.stage.agi.answers[self.did] = encode_plan(Decision(self.stranger, None, None, "uk", made, ()))

    def call_in(self, number: str | None = None, name: str | None = None) -> Caller:
        """Somebody outside calls our number."""
        return self._caller(number or self.stranger, self.did, name)

    def call_to(self, did: str) -> Caller:
        """A stranger calls another of our numbers."""
        return self._caller(self.stranger, did)

    def call_from(self, phone: Phone, to: str) -> Caller:
        """Somebody dials on his phone."""
        return self._caller(phone.user, to)

    def _caller(self, user: str, to: str, name: str | None = None) -> Caller:
        caller = Caller(self.stage.pbx, self.stage.take_caller_port(), user, to, name)
        self._open.append(caller)
        return caller

    def line(self, number: str | None = None, count: int = 1) -> Ringing:
        """The far end of an outgoing call, once it rings there."""
        return self.stage.network.await_call(count, number=number or self.outside)

    def close(self) -> None:
        for end in self._open:
            end.close()
