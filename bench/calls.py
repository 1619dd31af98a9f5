"""Calls a second that a real Asterisk holds with Leadline, as a share of what it holds without.

    python -m bench.calls [PAIRS]

Both sides have the same Asterisk, dialplan, guard and CEL. On one side Leadline routes by 1,000,000 leads and records
by AMI; on the other a server answers each question with one fixed plan, and nobody listens. sipp keeps a fixed number
of calls open, each through as soon as it is answered; so the figure is what the whole machine holds, sipp with it.
The sides take turns, because a machine's speed drifts. No calls are planned meanwhile: the daily job of the first day
with so many leads lasts minutes, and on all others it is done soon after midnight.
"""

import asyncio
import random
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median

from bench.fastagi_servers import BareProtocol
from bench.prepared import DID, LEADS, copy_database
from bench.seed import number_of
from dialplan.render import AsteriskValues
from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.asterisk_root import ensure_root
from leadline.demo.scenarios import Account, register
from leadline.demo.server_process import ServerProcess
from leadline.demo.sipp import Sipp, await_value, free_port, free_ports

CALLS = 3000
OPEN_CALLS = 30
PAIRS = 5
PLAN = "L1|Melnychenko Olha|P,20,1PJSIP/101,,"
HOST = "127.0.0.1"

_HEAD = """Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]>;tag=[pid]c[call_number]
To: <sip:{did}@[remote_ip]>[peer_tag_param]
Call-ID: [call_id]
CSeq: {sequence} {method}
Contact: <sip:caller@[local_ip]:[local_port]>
Max-Forwards: 70
"""
_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000
"""
_ANSWER = "[last_Via:]\n[last_From:]\n[last_To:];tag=[pid]p[call_number]\n[last_Call-ID:]\n[last_CSeq:]\n"
_CONTACT = "Contact: <sip:101@[local_ip]:[local_port]>\n"


def _send(text: str, more: str = "") -> str:
    return f"<send{more}><![CDATA[\n{text}]]></send>"


def _request(method: str, sequence: int, body: str = "Content-Length: 0\n\n") -> str:
    uri = f"sip:{DID}@[remote_ip]:[remote_port]"
    head = _HEAD.format(did=DID, sequence=sequence, method=method)
    return f"{method} {uri} SIP/2.0\n{head}{body}"


CALLER = "\n".join(
    (
        '<?xml version="1.0" encoding="UTF-8"?><scenario name="caller">',
        _send(_request("INVITE", 1, _SDP), ' retrans="500"'),
        '<recv response="100" optional="true"/><recv response="180" optional="true"/>',
        '<recv response="183" optional="true"/><recv response="200"/>',
        _send(_request("ACK", 1)),
        _send(_request("BYE", 2), ' retrans="500"'),
        '<recv response="200"/></scenario>',
    )
)
PHONE = "\n".join(
    (
        '<?xml version="1.0" encoding="UTF-8"?><scenario name="phone">',
        '<recv request="INVITE"/>',
        _send(f"SIP/2.0 180 Ringing\n{_ANSWER}{_CONTACT}Content-Length: 0\n\n"),
        _send(f"SIP/2.0 200 OK\n{_ANSWER}{_CONTACT}{_SDP}", ' retrans="500"'),
        '<recv request="ACK"/><recv request="BYE"/>',
        _send(f"SIP/2.0 200 OK\n{_ANSWER.replace(';tag=[pid]p[call_number]', '')}Content-Length: 0\n\n"),
        "</scenario>",
    )
)


class Lab:
    """The Asterisk, its one phone, and the callers."""

    def __init__(self, folder: Path, parts: ExitStack) -> None:
        rtp = free_ports(socket.SOCK_DGRAM, 1000)
        self.values = AsteriskValues(
            ami_events_secret=secrets.token_hex(12),
            phone_secrets={number: secrets.token_hex(12) for number in ("101", "102", "103")},
            sip_port=free_port(socket.SOCK_DGRAM),
            rtp_start=rtp.start,
            rtp_end=rtp.stop - 1,
            trunk_port=free_port(socket.SOCK_DGRAM),
            ami_port=free_port(socket.SOCK_STREAM),
        )
        self.asterisk = AsteriskInstance(folder / "asterisk", ensure_root())
        self.asterisk.configure(self.values)
        self.asterisk.start()
        parts.callback(self.asterisk.stop)
        self._folder = folder
        (folder / "caller.xml").write_text(CALLER)
        (folder / "phone.xml").write_text(PHONE)
        self._register_phone(parts)

    def _register_phone(self, parts: ExitStack) -> None:
        port = free_port(socket.SOCK_DGRAM)
        script = register(Account("101", self.values.phone_secrets["101"]), 7200)
        signing_in = Sipp(script, pbx=(HOST, self.values.sip_port), local=(HOST, port), arguments=("-m", "1"))
        await_value(
            lambda: any(m.answers == "REGISTER" and m.status == 200 for m in signing_in.messages()) or None,
            5,
            "phone 101",
        )
        signing_in.discard()
        phone = self._sipp("phone.xml", port, "-aa")
        parts.callback(phone.kill)
        await_value(lambda: "Avail" in self.asterisk.cli("pjsip show contacts") or None, 30, "phone 101 to be seen")

    def _sipp(self, scenario: str, port: int, *arguments: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "sipp", f"{HOST}:{self.values.sip_port}"),
                *("-sf", str(self._folder / scenario), "-i", HOST, "-p", str(port), "-ci", HOST, "-nostdin"),
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
        )

    def ask(self, fastagi_port: int) -> None:
        """From the next call on, ask the server at this port."""
        self.asterisk.cli(f"dialplan set global LEADLINE_AGI agi://{HOST}:{fastagi_port}/route")

    def calls_per_second(self, callers: list[str]) -> float:
        """Place one call for each caller, OPEN_CALLS at a time; how many were done a second."""
        numbers = self._folder / "numbers.csv"
        numbers.write_text("SEQUENTIAL\n" + "".join(f"{caller}\n" for caller in callers))
        start = time.perf_counter()
        process = self._sipp(
            *("caller.xml", free_port(socket.SOCK_DGRAM), "-inf", str(numbers)),
            *("-m", str(len(callers)), "-l", str(OPEN_CALLS), "-r", "3000"),
        )
        status = process.wait(300)
        seconds = time.perf_counter() - start
        if status:
            raise SystemExit(f"bench: sipp ended with {status}: calls failed, so there is no figure")
        return len(callers) / seconds


@contextmanager
def bare_server() -> Iterator[int]:
    """The server that answers fixed text, in a process of its own; gives its port."""
    command = [sys.executable, "-m", "bench.calls", "serve-bare"]
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


async def _serve_bare() -> None:
    plan = f'SET VARIABLE LEADLINE_PLAN "{PLAN}"\n'.encode()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BareProtocol(plan), HOST, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def leadline_server(folder: Path, lab: Lab, database: Path) -> Iterator[int]:
    """`leadline serve` as anybody runs it; gives its FastAGI port."""
    fastagi, panel = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
    settings = {
        "LEADLINE_DATABASE_URL": f"sqlite+aiosqlite:///{database}",
        "LEADLINE_AMI_PORT": str(lab.values.ami_port),
        "LEADLINE_AMI_SECRET": lab.values.ami_events_secret,
        "LEADLINE_FASTAGI_PORT": str(fastagi),
        "LEADLINE_PANEL_PORT": str(panel),
    }
    log = folder / "server.log"
    with ServerProcess(settings, log=log, health_url=f"http://{HOST}:{panel}/healthz") as process:
        process.await_health()
        yield fastagi
        process.stop()


def callers(known: float = 0.9) -> list[str]:
    """CALLS numbers: most of leads, the rest of nobody yet."""
    choose = random.Random()
    return [
        number_of(choose.randrange(LEADS)) if choose.random() < known else f"+38044{choose.randrange(10**7):07}"
        for _ in range(CALLS)
    ]


def plan_nothing(database: Path) -> None:
    """Let the company plan no calls."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE planning_setting SET planning = 0")


def recorded(database: Path) -> int:
    """How many calls are on record as ended."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        return int(connection.execute("SELECT count(*) FROM call WHERE ended_at IS NOT NULL").fetchone()[0])
    finally:
        connection.close()


def main(pairs: int = PAIRS) -> None:
    """Run and print."""
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="leadline-bench-")))
        folder.chmod(0o755)
        database = folder / "leadline.db"
        copy_database(database)
        plan_nothing(database)
        lab = Lab(folder, parts)
        ratios = []
        for pair in range(pairs + 1):
            with bare_server() as port:
                lab.ask(port)
                bare = lab.calls_per_second(callers())
            before = recorded(database)
            with leadline_server(folder, lab, database) as port:
                lab.ask(port)
                ours = lab.calls_per_second(callers())
                ended = time.perf_counter()
                await_value(
                    lambda wanted=before + CALLS: recorded(database) >= wanted or None, 60, "all calls recorded"
                )
                lag = time.perf_counter() - ended
            word = "warm-up" if pair == 0 else f"pair {pair}"
            ratio = ours / bare
            print(
                f"calls: {word}: {ours:.0f} calls/s with Leadline, {bare:.0f} without: {ratio:.2f}; "
                f"all {CALLS} on record {lag:.1f} s after the last",
                flush=True,
            )
            if pair:
                ratios.append(ratio)
        print(
            f"calls/s with Leadline : without   median {median(ratios):.2f}  "
            f"({min(ratios):.2f} to {max(ratios):.2f}, {pairs} interleaved pairs)"
        )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if sys.argv[1:] == ["serve-bare"]:
        asyncio.run(_serve_bare())
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else PAIRS)
