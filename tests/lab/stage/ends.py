"""The ends of calls on the stage: phones, callers and the public network, each told step by step what to do."""

import itertools
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from leadline.demo.phones import Outcome, PhoneCall, call_outcomes, phone_calls
from leadline.demo.sip_messages import SipMessage
from leadline.demo.sipp import PhoneError, Sipp, await_value
from tests.lab.stage.scripts import TOLD, called, calling

LOCAL = "127.0.0.1"
SECONDS = 20.0
"""What comes at once may take so long on a busy machine."""
_TAG = re.compile(r";tag=([^;>]+)")


@dataclass(frozen=True, slots=True)
class Interval:
    """From when to when two people heard each other."""

    start: datetime
    end: datetime


def _is_open(port: int) -> bool:
    """Whether somebody listens there; asked without taking the port even for a moment."""
    return f" 0100007F:{port:04X} " in Path("/proc/net/udp").read_text()


class _End:
    """One sipp of ours and how it is told what to do."""

    def __init__(self, sipp: Sipp, port: int) -> None:
        self.sipp = sipp
        self._port = port
        self._numbers = itertools.count(2)
        self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def tell(self, call_id: str, what: str, with_: str = "") -> None:
        """Say what to do in a call; see `scripts`."""
        number = next(self._numbers)
        text = (
            f"{TOLD}{what} sip:stage@{LOCAL} SIP/2.0\r\nVia: SIP/2.0/UDP {LOCAL}:9;branch=z9hG4bKtold{number}\r\n"
            f"From: <sip:stage@{LOCAL}>;tag=stage\r\nTo: <sip:stage@{LOCAL}>\r\nCall-ID: {call_id}\r\n"
            f"CSeq: {number} {TOLD}{what}\r\nX-With: {with_}\r\nX-Cseq: {number}\r\n"
            "Content-Length: 0\r\n\r\n"
        )
        self._control.sendto(text.encode(), (LOCAL, self._port))

    def close(self) -> None:
        self._control.close()
        self.sipp.discard()


class Talk:
    """One call at one of our ends: what was seen of it, and what can be done in it."""

    def __init__(self, end: _End, call_id: str, pbx: tuple[str, int]) -> None:
        self._end = end
        self._pbx = pbx
        self.call_id = call_id

    def messages(self) -> list[SipMessage]:
        """All its messages so far, without what the test told."""
        messages = self._end.sipp.messages()
        return [m for m in messages if m.call_id == self.call_id and not (m.method or "").startswith(TOLD)]

    def _await(self, found: Callable[[], object], seconds: float, what: str) -> None:
        try:
            await_value(lambda: found() or None, seconds, f"{what} in {self.call_id}")
        except PhoneError as error:
            raise PhoneError(f"{error}\n{self._end.sipp.report()[-4000:]}") from None

    def dtmf(self, keys: str) -> None:
        """Press keys, each as a SIP INFO."""
        for key in keys:
            before = self._answered("INFO")
            self._end.tell(self.call_id, "info", key)
            self._await_answers("INFO", before + 1)
            time.sleep(0.12)  # keys pressed faster than a person can are taken for one

    def _await_answers(self, method: str, count: int) -> None:
        self._await(lambda: self._answered(method) >= count, SECONDS, f"an answer to {method}")

    def _answered(self, method: str) -> int:
        return sum(m.answers == method and m.status is not None and not m.sent for m in self.messages())

    def hold(self) -> None:
        self._reoffer("hold")

    def unhold(self) -> None:
        self._reoffer("unhold")

    def _reoffer(self, what: str) -> None:
        before = self._answered("INVITE")
        self._end.tell(self.call_id, what)
        self._await_answers("INVITE", before + 1)

    def refer(self, to: str, replaces: "Talk | None" = None) -> None:
        """Transfer the other end to the number `to`; with `replaces`, to the end of that other call of ours."""
        uri = f"sip:{to}@{self._pbx[0]}:{self._pbx[1]}"
        if replaces is not None:
            theirs, ours = replaces.tags()
            uri += f"?Replaces={quote(replaces.call_id, safe='')}%3Bto-tag%3D{theirs}%3Bfrom-tag%3D{ours}"
        self._end.tell(self.call_id, "refer", f"<{uri}>")
        self._await_answers("REFER", 1)
        done = "terminated"
        self._await(
            lambda: any((m.header("Subscription-State") or "").startswith(done) for m in self.messages()), SECONDS, done
        )
        if not any(m.method == "BYE" for m in self.messages()):
            self.bye()

    def tags(self) -> tuple[str, str]:
        """The tags of Asterisk's end and of ours."""
        tagged = next(m for m in reversed(self.messages()) if m.status is not None and not m.sent and m.status > 100)
        theirs, ours = _TAG.search(tagged.header("To") or ""), _TAG.search(tagged.header("From") or "")
        assert theirs
        assert ours
        return theirs[1], ours[1]

    def bye(self) -> None:
        """Hang up, and wait until that is done."""
        self._end.tell(self.call_id, "bye")
        self.await_over()

    def await_over(self, seconds: float = SECONDS) -> None:
        """Wait until the conversation is over, whoever ends it."""
        self._await(lambda: any(m.method == "BYE" for m in self.messages()), seconds, "BYE")


class Ringing(Talk):
    """A call as the end that was called saw it."""

    @property
    def seen(self) -> PhoneCall:
        return phone_calls(self.messages())[0]

    def answer(self) -> "Ringing":
        self._end.tell(self.call_id, "answer")
        self._await(lambda: any(m.method == "ACK" for m in self.messages()), SECONDS, "ACK")
        return self

    def refuse(self, status: int, contact: str = "") -> None:
        """Refuse; with 302, `contact` is the number to which the phone sends the call."""
        uri = f"<sip:{contact}@{self._pbx[0]}:{self._pbx[1]}>" if contact else ""
        self._end.tell(self.call_id, str(status), uri)
        self._await(lambda: self.seen.end == "refused", SECONDS, "the refusal")

    def await_cancelled(self, seconds: float = SECONDS) -> None:
        """Wait until Asterisk stops ringing."""
        self._await(lambda: self.seen.end == "cancelled", seconds, "CANCEL")

    def await_decided(self) -> PhoneCall:
        """Wait until it rings no longer; who called may have gone a moment before this phone hears of it."""
        self._await(lambda: self.seen.end != "ringing", SECONDS, "the end of the ringing")
        return self.seen

    def heard(self) -> Interval:
        """The time of the conversation at this end."""
        assert self.seen.answered_at
        assert self.seen.ended_at
        return Interval(self.seen.answered_at, self.seen.ended_at)

    def heard_until(self, method: str) -> Interval:
        """The same, until this end sent its last such request: who parks a caller hears only a machine then."""
        return Interval(self.heard().start, max(m.at for m in self.messages() if m.method == method and m.sent))


class Caller(Talk):
    """A call as the end that called saw it."""

    def __init__(self, pbx: tuple[str, int], port: int, user: str, to: str, name: str | None = None) -> None:
        sipp = Sipp(
            calling(user, to, port + 2, name),
            pbx=pbx,
            local=(LOCAL, port),
            arguments=("-m", "1", "-aa", "-mp", str(port + 2)),
        )
        end = _End(sipp, port)
        first = await_value(lambda: next(iter(sipp.messages()), None), SECONDS, "the INVITE")
        super().__init__(end, first.call_id, pbx)
        self.user = user

    @property
    def seen(self) -> Outcome:
        return call_outcomes(self.messages())[0]

    def await_ringing(self) -> "Caller":
        self._await(lambda: self.seen.ringing, SECONDS, "ringing")
        return self

    def await_answer(self, seconds: float = SECONDS) -> "Caller":
        self._await(lambda: self.seen.answered_at, seconds, "an answer")
        return self

    def cancel(self) -> None:
        """Give up before the answer."""
        self._end.tell(self.call_id, "cancel")
        self._await(lambda: self.seen.status == 487, SECONDS, "487")

    def await_refusal(self, seconds: float = SECONDS) -> int:
        """Wait until the call is refused, and say how."""
        self._await(lambda: self.seen.status and self.seen.status >= 300, seconds, "a refusal")
        assert self.seen.status
        return self.seen.status

    def heard(self) -> Interval:
        """The time from the answer to the end at this end, a machine's included."""
        assert self.seen.answered_at
        assert self.seen.ended_at
        return Interval(self.seen.answered_at, self.seen.ended_at)

    def close(self) -> None:
        self._end.close()


class Phone:
    """A phone, or with many numbers the public network, that waits to be called."""

    def __init__(self, pbx: tuple[str, int], user: str, port: int) -> None:
        self._pbx = pbx
        self.user = user
        self._end = _End(
            Sipp(called(user, port + 2), pbx=pbx, local=(LOCAL, port), arguments=("-aa", "-mp", str(port + 2))), port
        )
        try:
            await_value(lambda: _is_open(port) or None, SECONDS, f"phone {user} to listen")
        except PhoneError as error:
            raise PhoneError(f"{error}\n{self._end.sipp.report()[-4000:]}") from None

    def calls(self, number: str | None = None) -> list[Ringing]:
        """The calls that it got, in order; of the network, those to `number`."""
        messages = [m for m in self._end.sipp.messages() if m.method == "INVITE" and not m.sent]
        ids = dict.fromkeys(m.call_id for m in messages if number is None or f":{number}@" in m.start_line)
        return [Ringing(self._end, call_id, self._pbx) for call_id in ids]

    def await_call(self, count: int = 1, number: str | None = None, seconds: float = SECONDS) -> Ringing:
        """Wait until it was rung `count` times; the last of these."""
        await_value(
            lambda: len(self.calls(number)) >= count or None,
            seconds,
            f"call {count} at {number or self.user}\n{self._end.sipp.report()[-3000:]}",
        )
        return self.calls(number)[count - 1]

    def close(self) -> None:
        self._end.close()
