"""While a big file is imported, a year is reported and a hundred people a second sign in, every call is answered.

And every call is recorded. The server is a process of its own, as operators run it; callers ask over FastAGI as
Asterisk does, and an Asterisk that only tells of calls tells of some more.
"""

import asyncio
import json
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import pytest

from bench.year import END, seed_year
from leadline.demo.server_process import ServerProcess
from leadline.demo.sipp import free_port
from leads.store import access
from leads.store.engine import Database
from leads.store.models import Employee
from leads.store.password_hash import hash_password
from tests.admin.conftest import Visitor
from tests.leadline.callers import LEADS

CALLS = 100_000
ROWS = 100_000
SECONDS = 8.0
ASKED, SIGNED_IN, RECORDED = 20, 100, 5
"""Questions of callers, people who sign in, and calls that end, in a second."""
RECORDED_WITHIN = 5.0
PEOPLE = 50
PASSWORD = "correct horse battery"
_TOLD = "call WHERE pbx != 'bench'"
"""Those of which the telling Asterisk told, by their number in `linkedid`."""

pytestmark = pytest.mark.alone


@dataclass
class Office:
    """The running server, everybody who asks something of it, and what they saw."""

    panel: str
    fastagi: int
    database: Path
    log: Path
    waits: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    signed_in: Counter[int] = field(default_factory=Counter)
    reports: Counter[int] = field(default_factory=Counter)
    recorded_after: list[float] = field(default_factory=list)

    async def call(self) -> None:
        """Let callers ask for SECONDS, and keep what came and how long each waited."""
        command = [sys.executable, "-m", "tests.leadline.callers", *map(str, (self.fastagi, ASKED, SECONDS))]
        callers = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        told, _ = await callers.communicate()
        for answer, wait in json.loads(told):
            self.waits.append(wait)
            if not answer.startswith('SET VARIABLE LEADLINE_PLAN "L1|') or "PJSIP/1" not in answer:
                self.wrong[answer] += 1

    async def sign_in(self, index: int) -> None:
        """Try to sign in from an address of one's own; whoever is one too many is asked to come again."""
        connector = aiohttp.TCPConnector(local_addr=(f"127.1.{index // 250 % 250}.{index % 250 + 1}", 0))
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            try:
                status = (await Visitor(self.panel, client).sign_in(f"person{index % PEOPLE}", PASSWORD)).status
            except aiohttp.ClientError:
                status = 0
        self.signed_in[status] += 1

    async def report(self, visitor: Visitor) -> None:
        """Ask for the year, again and again."""
        while True:
            for page in ("/reports/leads", "/reports/calls", "/reports/contact"):
                days = f"?from={END.year - 1}-01-01&to={END.year - 1}-12-31"
                self.reports[(await visitor.get(page + days)).status] += 1

    async def watch_recording(self) -> None:
        """Look how long the newest call that is on record has been over; another one ends every moment."""
        while True:
            ((newest,),) = await asyncio.to_thread(self.ask, f"SELECT MAX(ended_at) FROM {_TOLD}")
            if newest is not None:
                ended = datetime.fromisoformat(newest).replace(tzinfo=UTC)
                self.recorded_after.append(time.time() - ended.timestamp())
            await asyncio.sleep(0.2)

    def ask(self, statement: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(statement).fetchall()

    def seen(self) -> str:
        """What all this came to, for whom a figure disappoints."""
        waits = sorted(1000 * one for one in self.waits)
        lines = self.log.read_text().splitlines()
        return "\n".join(
            (
                f"{len(waits)} questions: median {median(waits):.0f} ms, p99 {waits[-len(waits) // 100]:.0f}, most "
                f"{waits[-1]:.0f}; wrong answers {dict(self.wrong)}",
                f"signed in {dict(self.signed_in)}; reports {dict(self.reports)}; calls on record after at most "
                f"{max(self.recorded_after, default=0):.1f} s",
                *(line for line in lines if "info" not in line),
            )
        )


@asynccontextmanager
async def visiting(office: Office) -> AsyncIterator[Visitor]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        visitor = Visitor(office.panel, client)
        assert (await visitor.sign_in("admin", PASSWORD)).status == 303
        yield visitor


async def _fill(url: str) -> None:
    await seed_year(url, LEADS, CALLS)
    database = Database(url)
    async with database.write() as session:
        await access.create_admin(session, "admin", "Admin", PASSWORD, END)
        known = hash_password(PASSWORD)
        session.add_all(
            Employee(name=f"Person {one}", login=f"person{one}", password_hash=known, created_at=END)
            for one in range(PEOPLE)
        )
    await database.dispose()


@contextmanager
def telling_asterisk() -> Iterator[int]:
    """An Asterisk that tells of RECORDED calls a second for a minute, each over in a second; its AMI port."""
    arguments = (RECORDED * 60, RECORDED, 0.5, 0.5, 0)
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "bench.ami_source", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    database, log = tmp_path / "leadline.db", tmp_path / "log"
    url = f"sqlite+aiosqlite:///{database}"
    asyncio.run(_fill(url))
    fastagi, panel = (free_port(socket.SOCK_STREAM) for _ in range(2))
    address = f"http://127.0.0.1:{panel}"
    with telling_asterisk() as ami:
        settings = {
            "LEADLINE_DATABASE_URL": url,
            "LEADLINE_AMI_PORT": str(ami),
            "LEADLINE_AMI_SECRET": "any",
            "LEADLINE_TRUNKS": "PJSIP/trunk*",
            "LEADLINE_REGION": "UA",
            "LEADLINE_FASTAGI_PORT": str(fastagi),
            "LEADLINE_PANEL_PORT": str(panel),
        }
        with ServerProcess(settings, log=log, health_url=f"{address}/healthz") as server:
            server.await_health()
            yield Office(address, fastagi, database, log)


def _file(path: Path) -> Path:
    """A hundred thousand new leads in 50 MB."""
    comment = "Дзвонив щодо доставки; просив передзвонити після обіду. " * 4
    with path.open("w") as lines:
        lines.write("Name;Number;Comment\n")
        lines.writelines(f"Особа {row};+38044{row + 2_000_000:07};{comment}{row}\n" for row in range(ROWS))
    return path


async def _every(second: float, act: Callable[[int], Any], until: float) -> None:
    """Begin so many a second, whatever becomes of them, and wait for all."""
    begun: list[asyncio.Task[Any]] = []
    start = time.monotonic()
    for index in count():
        at = start + index / second
        if at > until:
            break
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        begun.append(asyncio.create_task(act(index)))
    await asyncio.gather(*begun)


async def _import(visitor: Visitor, path: Path) -> str:
    """Send the file and begin to import it; the address of the import's page."""
    await visitor.get("/imports")
    form = aiohttp.FormData({"csrf": visitor.csrf, "kind": "leads"})
    form.add_field("file", path.open("rb"), filename="leads.csv", content_type="text/csv")
    async with visitor.client.post(f"{visitor.base}/imports", data=form, allow_redirects=False) as answer:
        assert answer.status == 303
    page = (await visitor.get("/imports/preview")).text
    columns = re.findall(r'<select name="column".*?value="(\w+)" selected', page, re.DOTALL)
    begun = await visitor.post("/imports/preview", {"column": columns, "known": "skip"})
    assert begun.status == 303
    return begun.location


async def test_no_call_takes_the_fallback_under_all_at_once(office: Office, tmp_path: Path) -> None:
    async with visiting(office) as visitor, visiting(office) as reader:
        batch = await _import(visitor, _file(tmp_path / "leads.csv"))
        until = time.monotonic() + SECONDS
        others = [asyncio.create_task(work) for work in (office.report(reader), office.watch_recording())]
        await asyncio.gather(office.call(), _every(SIGNED_IN, office.sign_in, until))
        for one in others:
            assert not one.done(), one.exception()
            one.cancel()
        page = (await visitor.get(batch)).text
    seen = office.seen()
    assert not office.wrong, seen
    assert len(office.waits) >= SECONDS * ASKED
    assert office.signed_in[303] > 0, seen
    assert set(office.reports) == {200}, seen
    assert "progress" in page, f"the import does not run any more\n{page}\n{seen}"
    assert max(office.recorded_after) < RECORDED_WITHIN, seen
    places = office.ask(f"SELECT CAST(SUBSTR(linkedid, INSTR(linkedid, '.') + 1) AS INTEGER) / 2 FROM {_TOLD}")
    assert sorted(place for (place,) in places) == list(range(len(places))), "a call is missing"
    assert "leads are in memory for lists" in office.log.read_text()
    print(seen)
