"""An Asterisk that only tells of calls: it writes the events of one recorded call again and again, at a steady pace.

    python -m bench.ami_source CALLS CALLS_A_SECOND RING_SECONDS TALK_SECONDS FIRST

Prints its port and serves one client. The recording (inbound_call.ami) is what Asterisk 22 with Leadline's
configuration wrote for one routed and answered call from outside; each event is written by itself, as Asterisk does.
"""

import heapq
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.seed import number_of

LEADS = 1_000_000
KNOWN = 10
"""One caller of so many is nobody's number yet; the others are leads."""
_RECORDING = Path(__file__).with_name("inbound_call.ami")
_STAMP = re.compile(r"Timestamp: ([0-9.]+)")


def caller(call: int) -> str:
    """The number that calls; no lead calls twice."""
    return f"+38044{call:07}" if call % KNOWN == 0 else number_of(call * 7919 % LEADS)


class Recording:
    """The events of one call, to be told as those of others."""

    def __init__(self, ring: float, talk: float) -> None:
        blocks = _RECORDING.read_text().strip().split("\n\n")
        stamps = [float(_STAMP.search(block)[1]) for block in blocks]  # type: ignore[index]
        self.offsets: list[float] = []
        pause = 0.0
        for block, stamp in zip(blocks, stamps, strict=True):
            if not self._has("ChannelState: 6", blocks[: len(self.offsets)]) and "ChannelState: 6" in block:
                pause += ring
            if not self._has("Event: BridgeLeave", blocks[: len(self.offsets)]) and "Event: BridgeLeave" in block:
                pause += talk
            self.offsets.append(stamp - stamps[0] + pause)
        self._templates = [self._template(block) for block in blocks]

    @staticmethod
    def _has(text: str, blocks: list[str]) -> bool:
        return any(text in block for block in blocks)

    @staticmethod
    def _template(block: str) -> str:
        block = _STAMP.sub("Timestamp: {stamp:.6f}", block)
        for known, field in (
            ("1795294132.0", "{epoch}.{first}"),
            ("1795294132.1", "{epoch}.{second}"),
            ("trunk-00000000", "trunk-{first:08x}"),
            ("101-00000001", "101-{second:08x}"),
            ("+380501234567", "{caller}"),
            ("d50df7a7-f476-4ab9-b7dc-74fccffb0449", "d50df7a7-f476-4ab9-b7dc-{first:012x}"),
        ):
            block = block.replace(known, field)
        return block.replace("\n", "\r\n") + "\r\n\r\n"

    def events(self, call: int, begin: float) -> Iterator[tuple[float, bytes]]:
        """When each event of a call is due, and its bytes; `begin` is UTC in seconds."""
        words = {"epoch": int(begin), "first": call * 2, "second": call * 2 + 1, "caller": caller(call)}
        for offset, template in zip(self.offsets, self._templates, strict=True):
            at = begin + offset
            yield at, template.format(stamp=at, **words).encode()


def serve(client: socket.socket, calls: int, pace: float, recording: Recording, first: int) -> None:
    """Let the client in, tell it that nothing runs, then tell of all calls; returns when the client goes."""
    reader = client.makefile("rb")

    def answer(more: str = "") -> None:
        while b"ActionID" not in (line := reader.readline()):
            pass
        action = line.decode().strip()
        client.sendall(f"Response: Success\r\n{action}\r\nMessage: ok\r\n\r\n{more.format(action)}".encode())

    client.sendall(b"Asterisk Call Manager/11.0.0\r\n")
    answer()
    answer("Event: CoreShowChannelsComplete\r\n{}\r\n\r\n")
    begin = time.time() + 0.5
    due = heapq.merge(*(recording.events(first + call, begin + call / pace) for call in range(calls)))
    for at, event in due:
        if (wait := at - time.time()) > 0:
            time.sleep(wait)
        client.sendall(event)
    reader.read()


def main(calls: int, pace: float, ring: float, talk: float, first: int) -> None:
    """Serve one client."""
    recording = Recording(ring, talk)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        client, _ = listening.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client:
            serve(client, calls, pace, recording, first)


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(float, sys.argv[2:5]), int(sys.argv[5]))  # type: ignore[misc]
