"""AMI events a second: from the bytes of a connection to tracked calls, beside what panoramisk alone does with them.

    python -m bench.ami_events

Both take the same stream in the same chunks, in turn: Leadline's listener frames, parses, tracks and makes views of
calls; panoramisk parses and calls one plain handler that does nothing.
"""

import asyncio
import time
from collections.abc import Callable
from statistics import median

from panoramisk import Manager
from panoramisk.ami_protocol import AMIProtocol

from ami_listener.ami_events import WANTED
from ami_listener.tracker import Tracker
from ami_listener.trunks import trunk_matcher
from ami_listener.wire import Decoder, HeaderLines
from tests.ami_listener.stories import Pbx

CALLS = 2000
CHUNK = 16_384
PAIRS = 5
_PADDING = "".join(f"X-Header{number}: value of a header that nobody reads\r\n" for number in range(5))


def stream(calls: int) -> tuple[bytes, int]:
    """Answered calls from outside as Asterisk 22 tells them, in events of about 476 bytes; the bytes and the count."""
    events = []
    for number in range(calls):
        pbx = Pbx(first=number * 10 + 1)
        caller = pbx.inbound(f"+38050{number:07}")
        phone = pbx.ring(caller, "101")
        pbx.answer(caller, phone, bridge=f"b{number}")
        pbx.part(f"b{number}", caller, phone)
        for channel in (phone, caller):
            pbx.hangup(channel)
        events += pbx.events
    text = "".join("".join(f"{k}: {v}\r\n" for k, v in event.items()) + _PADDING + "\r\n" for event in events)
    return text.encode(), len(events)


def chunks(data: bytes) -> list[bytes]:
    """As a socket gives them."""
    return [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]


def leadline(parts: list[bytes]) -> None:
    """Frame, parse and track."""
    decoder, tracker = Decoder(WANTED), Tracker("bench", trunk_matcher(("PJSIP/trunk*",)))
    views = 0
    for part in parts:
        for block in decoder.frames(part):
            tracker.follow(HeaderLines(block), None)
        views += len(list(tracker.changed()))
    assert views >= CALLS
    assert tracker.live_calls == 0


def panoramisk(parts: list[bytes]) -> None:
    """Parse and hand to a handler."""
    manager = Manager(loop=asyncio.new_event_loop())
    seen = 0

    def handle(_: Manager, event: object) -> None:
        nonlocal seen
        seen += 1

    manager.register_event("*", handle)
    protocol = AMIProtocol()
    protocol.connection_made(None)
    protocol.factory, protocol.encoding = manager, "utf8"
    for part in parts:
        protocol.data_received(part)
    manager.loop.close()
    assert seen >= CALLS


def rate(work: Callable[[list[bytes]], None], parts: list[bytes], events: int) -> float:
    """Events a second."""
    start = time.perf_counter()
    work(parts)
    return events / (time.perf_counter() - start)


def main() -> None:
    """Run and print."""
    data, events = stream(CALLS)
    parts = chunks(data)
    leadline(parts)
    pairs = [(rate(leadline, parts, events), rate(panoramisk, parts, events)) for _ in range(PAIRS)]
    ratios = [ours / theirs for ours, theirs in pairs]
    ours = median(ours for ours, _ in pairs)
    spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
    print(f"AMI: {ours:,.0f} events/s of {len(data) // events} bytes, tracked")
    print(f"AMI events/s Leadline : panoramisk alone   median {median(ratios):.2f}  {spread}")


if __name__ == "__main__":
    main()
