"""CPU time that recording one call costs, from the bytes of AMI to the committed rows, beside the bare minimum.

    python -m bench.recording [PAIRS]

Both sides read the same events from a socket, each of a routed and answered call from outside as Asterisk 22 tells it.
Leadline follows the calls and writes them, their decisions and what they mean for leads, among 1,000,000 leads; the
bare side splits each event into headers and writes the same row of `call`, into a table without any index but the
unique one, a batch at a time. Once with calls that ring and talk for no time (as sipp makes them), once with calls
that ring and talk for seconds, of which Leadline shows three stages. CPU time, not wall time: other work on the machine
does not count. The sides take turns, because a machine's speed drifts.
"""

import asyncio
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

from ami_listener.connection import AmiAccount
from ami_listener.listener import CallListener
from ami_listener.recorder import Recorder
from ami_listener.tracker import Tracker
from ami_listener.trunks import trunk_matcher
from bench.prepared import DID_E164, PHONE, copy_database
from leads.domain.calls import CallView, Phase
from leads.store.calls import CallWriter, RecordedDecision
from leads.store.directory import DirectoryCache
from leads.store.engine import Database

PAIRS = 5
CALLS = 2000
PACE = 300.0
LIVES = {"at once": (0.0, 0.0), "in three stages": (1.0, 1.0)}
"""Seconds of ringing and of talking."""
BARE_BATCH_SECONDS = 0.05
_numbers = count(1)


@contextmanager
def source(life: tuple[float, float]) -> Iterator[int]:
    """Tells of CALLS new calls, from a process of its own; gives its port."""
    first = next(_numbers) * CALLS
    arguments = (CALLS, PACE, *life, first)
    command = [sys.executable, "-m", "bench.ami_source", *map(str, arguments)]
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def decision_of(view: CallView) -> RecordedDecision:
    """What FastAGI would have decided for this call."""
    display = {"number": PHONE, "call_waiting": True, "display": "Melnychenko Olha"}
    step = {"kind": "responsible", "seconds": 20, "why": "responsible for the lead", "queue": None, "phones": [display]}
    decision = {
        "caller": view.caller,
        "did": DID_E164,
        "name": "Мельниченко Ольга",
        "language": None,
        "steps": [step],
        "reasons": ["the caller is a lead", "its responsible is Bench, on 101"],
    }
    return RecordedDecision(view.pbx, view.linkedid, datetime.now(UTC), decision)


class Leadline:
    """The whole chain, as the server puts it together."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def record(self, port: int) -> float:
        """Record all calls that the source tells of; the CPU seconds that it took."""
        database = Database(self._url)
        directory = DirectoryCache(database)
        await directory.refresh()
        recorder = Recorder(CallWriter(database, directory, "UA", lambda: datetime.now(UTC)))
        known: set[str] = set()
        ended = 0
        done = asyncio.Event()

        def submit(views: Any) -> None:
            nonlocal ended
            recorder.submit(views)
            for view in views:
                if view.linkedid not in known:
                    known.add(view.linkedid)
                    recorder.submit_decision(decision_of(view))
                ended += view.phase is Phase.ENDED
            if ended >= CALLS:
                done.set()

        account = AmiAccount("127.0.0.1", port, "leadline-events", "secret")
        listener = CallListener(Tracker("bench", trunk_matcher(("PJSIP/trunk*",))), submit, account)
        begin = time.process_time()
        tasks = [asyncio.create_task(work) for work in (recorder.run(), listener.run())]
        try:
            await done.wait()
            await recorder.drain()
            took = time.process_time() - begin
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await database.dispose()
        return took


class BareProtocol(asyncio.Protocol):
    """Logs in, reads each event into a dict, and collects a row when a call's first channel hangs up."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.ended = 0
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"ActionID: 1\r\n\r\nActionID: 2\r\n\r\n")  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        *blocks, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for block in blocks:
            headers = dict(line.split(": ", 1) for line in block.decode().split("\r\n") if ": " in line)
            if headers.get("Event") == "Hangup" and headers["Uniqueid"] == headers["Linkedid"]:
                self._call_ended(headers)

    def _call_ended(self, headers: dict[str, str]) -> None:
        at, legs = headers["Timestamp"], '[{"endpoint": "PJSIP/101", "number": "101", "result": "answered"}]'
        caller, linkedid = headers["CallerIDNum"], headers["Linkedid"]
        self.rows.append(("bench", linkedid, "call", 3, 5, "inbound", caller, at, at, at, "answered", PHONE, legs))
        self.ended += 1


class Bare:
    """The bare minimum."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        columns = "pbx, linkedid, role, phase, progress, direction, caller, started, answered, ended, result, who, legs"
        self._database.execute(f"CREATE TABLE call (id INTEGER PRIMARY KEY, {columns}, UNIQUE (pbx, linkedid))")
        self._insert = f"INSERT INTO call ({columns}) VALUES ({', '.join('?' * 13)})"

    def _write(self, rows: list[tuple[Any, ...]]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(self._insert, rows)
        self._database.execute("COMMIT")

    async def record(self, port: int) -> float:
        """Record all calls that the source tells of; the CPU seconds that it took."""
        begin = time.process_time()
        transport, protocol = await asyncio.get_running_loop().create_connection(BareProtocol, "127.0.0.1", port)
        written = 0
        while written < CALLS:
            await asyncio.sleep(BARE_BATCH_SECONDS)
            rows, protocol.rows = protocol.rows, []
            if rows:
                await asyncio.to_thread(self._write, rows)
                written += len(rows)
        transport.close()
        return time.process_time() - begin


def micros(record: Callable[[int], Awaitable[float]], life: tuple[float, float]) -> float:
    """CPU microseconds a call."""

    async def run() -> float:
        with source(life) as port:
            return await record(port)

    return uvloop.run(run()) / CALLS * 1e6


def main(pairs: int = PAIRS) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory(prefix="leadline-bench-") as name:
        folder = Path(name)
        leadline, bare = Leadline(copy_database(folder / "leadline.db")), Bare(folder / "bare.db")
        for words, life in LIVES.items():
            figures = []
            # The first pair warms up.
            for pair in range(pairs + 1):
                ours, least = micros(leadline.record, life), micros(bare.record, life)
                if pair:
                    figures.append((ours, least))
                    print(f"recording: calls {words}, pair {pair}: {ours:.0f} µs, bare {least:.0f} µs", flush=True)
            ratios = [ours / least for ours, least in figures]
            print(
                f"CPU a recorded call ({words}), Leadline : bare minimum   median {median(ratios):.2f}  "
                f"({min(ratios):.2f} to {max(ratios):.2f}, {pairs} pairs)   "
                f"{median(ours for ours, _ in figures):.0f} µs each"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else PAIRS)
