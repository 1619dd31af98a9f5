"""A SIP phone that a test plays by hand: it transfers, picks up and dials keys, and remembers whom its display shows.

sipp follows a script; what is tested here are conversations in which the PBX may tell a phone at any moment who it is
talking with (INVITE, UPDATE, re-INVITE), so this phone answers whatever comes.
"""

import contextlib
import hashlib
import itertools
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from leadline.demo.sip_messages import SipAddress, read_address
from leadline.demo.sipp import free_port

_LOCAL = "127.0.0.1"
_SECONDS = 20.0
_SDP = (
    "v=0\r\no=- 1 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n"
    "m=audio {rtp} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)
_REASONS = {100: "Trying", 180: "Ringing", 200: "OK", 202: "Accepted", 302: "Moved", 486: "Busy", 487: "Terminated"}
_IDENTITIES = ("P-Asserted-Identity", "Remote-Party-ID")


@dataclass(frozen=True)
class Message:
    """One SIP message; headers in their order."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: str = ""

    @property
    def method(self) -> str | None:
        word = self.start.split(" ", 1)[0]
        return None if word.startswith("SIP/") else word

    @property
    def status(self) -> int:
        return int(self.start.split(" ", 2)[1]) if self.method is None else 0

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def sequence(self) -> tuple[int, str]:
        number, method = self.header("CSeq").split()
        return int(number), method


class SoftphoneError(Exception):
    """What a test waited for did not happen; the text lists the messages."""


@dataclass
class Dialog:
    """One call at this phone, and what its display has shown, the last entry being what it shows now."""

    phone: "Softphone"
    call_id: str
    incoming: bool
    local: str
    remote: str
    target: str
    sequence: int = 1
    invite: Message | None = None
    shown: list[SipAddress] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    answered: bool = False
    ended: bool = False
    versions: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    authorized: bool = False

    @property
    def display(self) -> tuple[str | None, str]:
        """Name and number that the phone shows: the last identity it received."""
        with self.phone.changed:
            return (self.shown[-1].name or None, self.shown[-1].number) if self.shown else (None, "")

    def answer(self, headers: str = "") -> None:
        """Pick up the handset of a call that rings here; `headers` go with the answer."""
        assert self.invite is not None
        self.answered = True
        self.phone.reply(self.invite, 200, self, sdp=True, headers=headers)

    def refuse(self, status: int = 486, contact: str = "") -> None:
        """Do not take a call that rings here; 302 sends it to `contact`."""
        assert self.invite is not None
        self.ended = True
        self.phone.reply(self.invite, status, self, contact=contact)

    def keys(self, keys: str) -> None:
        """Press keys, as INFO, which no telephone network in between can lose."""
        for key in keys:
            self.request("INFO", body=f"Signal={key}\r\nDuration=100\r\n")
            self.phone.await_(self._was_answered, lambda: "an answer to INFO")
            time.sleep(0.12)  # keys pressed faster than a person can are taken for one

    def _was_answered(self) -> bool:
        """Whether the last request of this phone was."""
        return any(
            message.header("Call-ID") == self.call_id and message.status >= 200 and message.sequence[0] == self.sequence
            for message in self.phone.received
        )

    def refer(self, to: str, replaces: "Dialog | None" = None) -> None:
        """Transfer: to a number, or to the other party of another call of this phone (attended, semi-attended)."""
        target = f"sip:{to}@{self.phone.pbx[0]}:{self.phone.pbx[1]}"
        if replaces is not None:
            self.phone.await_(lambda: ";tag=" in replaces.remote, lambda: "the other end's tag, which names its call")
            tags = [re.search(r"tag=([^;>]+)", side) for side in (replaces.remote, replaces.local)]
            to_tag, from_tag = (found[1] if found else "" for found in tags)
            target += f"?Replaces={replaces.call_id.replace('@', '%40')}%3Bto-tag%3D{to_tag}%3Bfrom-tag%3D{from_tag}"
        self.request("REFER", f"Refer-To: <{target}>\r\nReferred-By: <sip:{self.phone.user}@{_LOCAL}>\r\n")

    def hang_up(self) -> None:
        """End the conversation, or give up while it rings at the other side."""
        if self.ended:
            return
        self.ended = True
        if self.answered:
            self.request("BYE")
        elif not self.incoming:
            self.phone.cancel(self)
        else:
            self.refuse(486)

    def request(self, method: str, extra: str = "", body: str = "") -> None:
        """Send a request within the dialog."""
        self.sequence += 1
        self.phone.send_request(method, self, self.sequence, extra, body)

    def await_display(self, name: str | None, number: str | None = None, seconds: float = _SECONDS) -> None:
        """Wait until the display shows this name (and number)."""
        self.phone.await_(
            lambda: self.display[0] == name and number in (None, self.display[1]),
            lambda: f"{name} {number} on the display, which shows {self.shown}",
            seconds,
        )

    def await_answer(self, seconds: float = _SECONDS) -> None:
        self.phone.await_(lambda: self.answered, lambda: f"an answer after {self.statuses}", seconds)

    def await_status(self, status: int, seconds: float = _SECONDS) -> None:
        self.phone.await_(lambda: status in self.statuses, lambda: f"{status} after {self.statuses}", seconds)

    def await_end(self, seconds: float = _SECONDS) -> None:
        self.phone.await_(lambda: self.ended, lambda: "the end of the call", seconds)


class Softphone:
    """One phone (or, without a password, one end of the trunk) on a UDP port of its own."""

    def __init__(self, user: str, password: str | None, pbx: tuple[str, int], port: int | None = None) -> None:
        """Sign in at the PBX, if there is a password; `port` is the own one, else any."""
        self.user, self.pbx = user, pbx
        self.changed = threading.Condition(threading.RLock())
        self.dialogs: list[Dialog] = []
        self.received: list[Message] = []
        self.sent: list[str] = []
        self._password = password
        self._socket = _bound(port)
        # Held, so that nobody else listens where the PBX sends what is spoken to this phone.
        self._media = _bound(None)
        self.port = self._socket.getsockname()[1]
        self._rtp = self._media.getsockname()[1]
        self._register_id = secrets.token_hex(8)
        self._registered = 0
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        if password is not None:
            self._register(1, 3600)
            self.await_(lambda: self._registered == 1, lambda: "the sign-in")
            self.await_(self._was_asked, lambda: "the question whether it is there")

    def _was_asked(self) -> bool:
        """Until it has answered that it is there, the PBX rings it as little as one that is away."""
        return any(message.start.startswith("OPTIONS ") for message in self.received)

    def call(self, to: str, name: str | None = None, headers: str = "") -> Dialog:
        """Call a number; `name` is what From says, `headers` are added to the INVITE."""
        shown = f'"{name}" ' if name else ""
        dialog = Dialog(
            self,
            secrets.token_hex(8),
            False,
            f"{shown}<sip:{self.user}@{_LOCAL}>;tag={secrets.token_hex(4)}",
            f"<sip:{to}@{self.pbx[0]}>",
            f"sip:{to}@{self.pbx[0]}:{self.pbx[1]}",
        )
        with self.changed:
            self.dialogs.append(dialog)
        self._invite(dialog, headers)
        return dialog

    def await_call(self, count: int = 1, seconds: float = _SECONDS) -> Dialog:
        """Wait until the PBX has rung this phone `count` times; the latest of these calls."""

        def incoming() -> list[Dialog]:
            return [dialog for dialog in self.dialogs if dialog.incoming]

        self.await_(lambda: len(incoming()) >= count, lambda: f"call {count}", seconds)
        return incoming()[count - 1]

    def await_(self, condition: Callable[[], bool], what: Callable[[], str], seconds: float = _SECONDS) -> None:
        """Wait for something that a message brings.

        Raises:
            SoftphoneError: it did not come.
        """
        with self.changed:
            if not self.changed.wait_for(condition, seconds):
                starts = [message.start for message in self.received]
                raise SoftphoneError(f"phone {self.user} waited in vain for {what()}; it received {starts}")

    def close(self) -> None:
        """Hang up all calls, sign out, stop listening."""
        for dialog in list(self.dialogs):
            dialog.hang_up()
        if self._password is not None:
            self._register(10, 0)
            self.await_(lambda: self._registered == 2, lambda: "the sign-out")
        with contextlib.suppress(OSError):  # it says that there was no connection, and wakes the listening thread
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()
        self._media.close()

    def __enter__(self) -> "Softphone":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- What the phone says

    def reply(
        self,
        request: Message,
        status: int,
        dialog: Dialog | None,
        *,
        sdp: bool = False,
        contact: str = "",
        headers: str = "",
    ) -> None:
        """Answer a request."""
        vias = "".join(f"Via: {value}\r\n" for key, value in request.headers if key.lower() == "via")
        routes = "".join(
            f"Record-Route: {value}\r\n" for key, value in request.headers if key.lower() == "record-route"
        )
        to = request.header("To") if dialog is None or ";tag=" in request.header("To") else dialog.local
        body = _SDP.format(ip=_LOCAL, rtp=self._rtp, version=next(dialog.versions)) if sdp and dialog else ""
        self._send(
            f"SIP/2.0 {status} {_REASONS.get(status, 'No')}\r\n{vias}{routes}From: {request.header('From')}\r\n"
            f"To: {to}\r\nCall-ID: {request.header('Call-ID')}\r\nCSeq: {request.header('CSeq')}\r\n"
            f"Contact: <{contact or f'sip:{self.user}@{_LOCAL}:{self.port}'}>\r\n{headers}",
            body,
            "application/sdp",
        )

    def send_request(self, method: str, dialog: Dialog, sequence: int, extra: str = "", body: str = "") -> None:
        """Send a request of a dialog."""
        kind = "application/dtmf-relay" if method == "INFO" else "application/sdp"
        self._send(
            f"{method} {dialog.target} SIP/2.0\r\n{self._via()}From: {dialog.local}\r\nTo: {dialog.remote}\r\n"
            f"Call-ID: {dialog.call_id}\r\nCSeq: {sequence} {method}\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:{self.user}@{_LOCAL}:{self.port}>\r\n{extra}",
            body,
            kind,
        )

    def cancel(self, dialog: Dialog) -> None:
        """Give up a call that rings at the other side."""
        self._send(self._invitation(dialog).replace("INVITE", "CANCEL"), "", "")

    def _acknowledge_refusal(self, dialog: Dialog, refusal: Message) -> None:
        to = refusal.header("To")
        head = self._invitation(dialog).replace("INVITE", "ACK")
        self._send(re.sub(r"\r\nTo: [^\r]*", lambda _: f"\r\nTo: {to}", head), "", "")

    def _invitation(self, dialog: Dialog) -> str:
        """The head of the latest INVITE, which other requests of its transaction share."""
        invite = next(text for text in reversed(self.sent) if text.startswith("INVITE") and dialog.call_id in text)
        return invite.split("Contact:", 1)[0]

    def _via(self) -> str:
        return f"Via: SIP/2.0/UDP {_LOCAL}:{self.port};rport;branch=z9hG4bK{secrets.token_hex(8)}\r\n"

    def _invite(self, dialog: Dialog, extra: str = "") -> None:
        body = _SDP.format(ip=_LOCAL, rtp=self._rtp, version=next(dialog.versions))
        allow = "Allow: INVITE, ACK, CANCEL, BYE, UPDATE, REFER, NOTIFY, INFO\r\nSupported: replaces\r\n"
        self.send_request("INVITE", dialog, dialog.sequence, extra + allow, body)

    def _register(self, sequence: int, expires: int, extra: str = "") -> None:
        address = f"<sip:{self.user}@{self.pbx[0]}>"
        self._send(
            f"REGISTER sip:{self.pbx[0]}:{self.pbx[1]} SIP/2.0\r\n{self._via()}"
            f"From: {address};tag={self._register_id}\r\n"
            f"To: {address}\r\nCall-ID: {self._register_id}\r\nCSeq: {sequence} REGISTER\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:{self.user}@{_LOCAL}:{self.port}>\r\nExpires: {expires}\r\n{extra}",
            "",
            "",
        )

    def _authorization(self, challenge: str, method: str, uri: str) -> str:
        values = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge))
        realm, nonce = values["realm"], values["nonce"]
        first = _md5(f"{self.user}:{realm}:{self._password}")
        nonce_count, own = "00000001", secrets.token_hex(4)
        answer = _md5(f"{first}:{nonce}:{nonce_count}:{own}:auth:{_md5(f'{method}:{uri}')}")
        return (
            f'Authorization: Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'response="{answer}", algorithm=MD5, cnonce="{own}", qop=auth, nc={nonce_count}, '
            f'opaque="{values.get("opaque", "")}"\r\n'
        )

    def _send(self, head: str, body: str, kind: str) -> None:
        content = f"Content-Type: {kind}\r\n" if body else ""
        text = f"{head}{content}Content-Length: {len(body.encode())}\r\n\r\n{body}"
        with self.changed:
            self.sent.append(text)
        with contextlib.suppress(OSError):  # closed meanwhile
            self._socket.sendto(text.encode(), self.pbx)

    # ---- What the phone hears

    def _listen(self) -> None:
        while True:
            try:
                data = self._socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            if not data.strip():
                continue
            message = _read(data)
            if not message.header("CSeq"):
                continue  # no SIP: sound for whoever had this port before
            with self.changed:
                self.received.append(message)
                self._hear(message)
                self.changed.notify_all()

    def _hear(self, message: Message) -> None:
        number, method = message.sequence
        if method == "REGISTER":
            self._hear_register(message, number)
            return
        dialog = next((one for one in self.dialogs if one.call_id == message.header("Call-ID")), None)
        if message.method is None:
            if dialog is not None:
                self._hear_response(message, dialog, number, method)
        elif dialog is None and message.method == "INVITE":
            self._hear_invite(message)
        elif dialog is None:
            if message.method != "ACK":
                self.reply(message, 200, None)
        else:
            self._hear_request(message, dialog)

    def _hear_register(self, message: Message, number: int) -> None:
        if message.status == 401:
            uri = f"sip:{self.pbx[0]}:{self.pbx[1]}"
            expires = 0 if number >= 10 else 3600
            self._register(
                number + 1, expires, self._authorization(message.header("WWW-Authenticate"), "REGISTER", uri)
            )
        elif message.status == 200:
            self._registered = 2 if number >= 10 else 1

    def _hear_invite(self, message: Message) -> None:
        contact = re.search(r"<([^>]+)>", message.header("Contact"))
        dialog = Dialog(
            self,
            message.header("Call-ID"),
            True,
            f"{message.header('To')};tag={secrets.token_hex(4)}",
            message.header("From"),
            contact[1] if contact else "",
            invite=message,
        )
        self.dialogs.append(dialog)
        self._show(dialog, message, initial=True)
        self.reply(message, 180, dialog)

    def _hear_request(self, message: Message, dialog: Dialog) -> None:
        if message.method in ("INVITE", "UPDATE"):
            self._show(dialog, message)
            self.reply(message, 200, dialog, sdp=message.method == "INVITE" or bool(message.body))
        elif message.method == "CANCEL":
            self.reply(message, 200, dialog)
            if not dialog.answered:
                dialog.ended = True
                assert dialog.invite is not None
                self.reply(dialog.invite, 487, dialog)
        elif message.method == "BYE":
            dialog.ended = True
            self.reply(message, 200, dialog)
        elif message.method != "ACK":
            self.reply(message, 200, dialog)

    def _hear_response(self, message: Message, dialog: Dialog, number: int, method: str) -> None:
        if method != "INVITE":
            return
        dialog.statuses.append(message.status)
        if message.status == 100:
            return
        if message.status == 401 and not dialog.authorized:
            dialog.authorized = True
            self._acknowledge_refusal(dialog, message)
            dialog.sequence += 1
            self._invite(dialog, self._authorization(message.header("WWW-Authenticate"), "INVITE", dialog.target))
            return
        if message.status < 300:
            # An early dialog has the other end's tag already, by which it can be transferred.
            dialog.remote = message.header("To")
            self._show(dialog, message)
        if message.status < 200:
            return
        if message.status < 300:
            contact = re.search(r"<([^>]+)>", message.header("Contact"))
            dialog.target = contact[1] if contact else dialog.target
            dialog.answered = True
            self.send_request("ACK", dialog, number)
        else:
            dialog.ended = True
            self._acknowledge_refusal(dialog, message)

    def _show(self, dialog: Dialog, message: Message, *, initial: bool = False) -> None:
        """A display shows what the network asserts; From counts at the beginning alone."""
        texts = [message.header(name) for name in _IDENTITIES] + ([message.header("From")] if initial else [])
        shown = next((address for text in texts if text and (address := read_address(text)) is not None), None)
        if shown is not None:
            dialog.shown.append(shown)


def _bound(port: int | None) -> socket.socket:
    """A UDP socket on that port, or any."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((_LOCAL, port or free_port(socket.SOCK_DGRAM)))
    return bound


def _read(data: bytes) -> Message:
    head, _, body = data.decode("utf-8", errors="replace").partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    headers = tuple(
        (key.strip(), value.strip()) for key, colon, value in (line.partition(":") for line in lines) if colon
    )
    return Message(start, headers, body)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
