"""Speaks into a conversation: RTP with a tone to the port that Asterisk offers, as telephones send it all the time."""

import math
import re
import socket
import struct
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from leadline.demo.listen import LOOPBACK
from leadline.demo.sip_messages import SipMessage
from leadline.demo.sipp import PhoneError

FRAME_SECONDS = 0.02
_HOST = re.compile(r"^c=IN IP4 (\S+)", re.MULTILINE)
_AUDIO = re.compile(r"^m=audio (\d+) ", re.MULTILINE)


def _alaw(sample: int) -> int:
    """One sample of 16 bits as ITU-T G.711 A-law writes it."""
    sign, magnitude = (0x80, sample) if sample >= 0 else (0, -sample - 1)
    magnitude = min(magnitude, 0x7FFF) >> 4
    segment = max(0, magnitude.bit_length() - 5)
    low = (magnitude >> 1 if segment < 2 else magnitude >> segment) & 0x0F
    return (sign | segment << 4 | low) ^ 0x55


_TONE = bytes(_alaw(int(9000 * math.sin(2 * math.pi * 440 * n / 8000))) for n in range(8000))


class Voice:
    """A tone of 440 Hz from one end of a call, of which `messages` are known, from `with` on until it closes."""

    def __init__(self, messages: Sequence[SipMessage]) -> None:
        self._to = self._address(messages)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Else it would hear all addresses of this machine.
        self._socket.bind((LOOPBACK, 0))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)

    @staticmethod
    def _address(messages: Sequence[SipMessage]) -> tuple[str, int]:
        """Where Asterisk's last session description wants to hear.

        Raises:
            PhoneError: it sent none.
        """
        for message in reversed(messages):
            audio, host = _AUDIO.search(message.body), _HOST.search(message.body)
            if not message.sent and audio and host:
                return host[1], int(audio[1])
        raise PhoneError("no session description came: the call was not answered")

    def __enter__(self) -> "Voice":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(5)
        self._socket.close()

    def _speak(self) -> None:
        began = time.monotonic()
        number = 0
        while not self._over.wait(max(0.0, began + number * FRAME_SECONDS - time.monotonic())):
            at = number * 160
            header = struct.pack("!BBHII", 0x80, 8, number & 0xFFFF, at & 0xFFFFFFFF, 0x1EAD)
            self._socket.sendto(header + _TONE[at % 8000 : at % 8000 + 160], self._to)
            number += 1
