"""While a big file is imported, a year is reported and a hundred people a second sign in, every call is answered.

The server is a process of its own, as operators run it; callers ask over FastAGI as Asterisk does.
"""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.seed import number_of
from bench.year import END, seed_year
from leadline.demo.server_process import ServerProcess
from leadline.demo.sipp import free_port
from leads.store import access
from leads.store.engine import Database
from leads.store.models import Employee
from tests.admin.conftest import Visitor

LEADS, CALLS = 20_000, 100_000
ROWS = 100_000
SECONDS = 8.0
ASKED, SIGNED_IN = 20, 100
"""Questions of callers, and people who sign in, in a second."""
PEOPLE = 50
PASSWORD = "correct horse battery"
_QUESTION = (
    "agi_network: yes\nagi_network_script: route\nagi_request: agi://127.0.0.1/route\nagi_callerid: {number}\n"
    "agi_calleridname: unknown\nagi_callingpres: 0\nagi_arg_1: +380441234500\nagi_arg_2: {linkedid}\n\n"
)

pytestmark = pytest.mark.alone


class Office:
    """The running server, and everybody who asks something of it."""

    def __init__(self, panel: str, fastagi: int) -> None:
        self.panel, self.fastagi = panel, fastagi
        self.waits: list[float] = []
        self.wrong: list[bytes] = []
        self.signed_in: dict[int, int] = {}
        self.reports: list[int] = []

    async def call(self, index: int) -> None:
        """Ask as Asterisk does, and keep what came and how long it took."""
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.fastagi)
        question = _QUESTION.format(number=number_of(index * 37 % LEADS), linkedid=f"{index}.7")
        writer.write(question.encode())
        try:
            answer = await reader.readline()
        except ConnectionError as error:
            answer = repr(error).encode()
        self.waits.append(time.perf_counter() - began)
        writer.write(b"200 result=1\n")
        writer.close()
        if not answer.startswith(b'SET VARIABLE LEADLINE_PLAN "L1|') or b"PJSIP/1" not in answer:
            self.wrong.append(answer)

    async def sign_in(self, index: int) -> None:
        """Try to sign in from an address of one's own; whoever is one too many is asked to come again."""
        connector = aiohttp.TCPConnector(local_addr=(f"127.1.{index // 250 % 250}.{index % 250 + 1}", 0))
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            try:
                status = (await Visitor(self.panel, client).sign_in(f"person{index % PEOPLE}", PASSWORD)).status
            except aiohttp.ClientError:
                status = 0
        self.signed_in[status] = self.signed_in.get(status, 0) + 1

    async def report(self, visitor: Visitor) -> None:
        """Ask for the year, again and again."""
        while True:
            for page in ("/reports/leads", "/reports/calls", "/reports/contact"):
                days = f"?from={END.year - 1}-01-01&to={END.year - 1}-12-31"
                self.reports.append((await visitor.get(page + days)).status)


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
        known = access.hash_password(PASSWORD)
        session.add_all(
            Employee(name=f"Person {one}", login=f"person{one}", password_hash=known, created_at=END)
            for one in range(PEOPLE)
        )
    await database.dispose()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    url = f"sqlite+aiosqlite:///{tmp_path}/leadline.db"
    asyncio.run(_fill(url))
    fastagi, panel = (free_port(socket.SOCK_STREAM) for _ in range(2))
    settings = {
        "LEADLINE_DATABASE_URL": url,
        "LEADLINE_AMI_ENABLED": "false",
        "LEADLINE_FASTAGI_PORT": str(fastagi),
        "LEADLINE_PANEL_PORT": str(panel),
    }
    address = f"http://127.0.0.1:{panel}"
    with ServerProcess(settings, log=tmp_path / "log", health_url=f"{address}/healthz") as server:
        server.await_health()
        yield Office(address, fastagi)


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
        reports = asyncio.create_task(office.report(reader))
        await asyncio.gather(_every(ASKED, office.call, until), _every(SIGNED_IN, office.sign_in, until))
        reports.cancel()
        page = (await visitor.get(batch)).text
    assert office.wrong == []
    assert len(office.waits) >= SECONDS * ASKED
    assert office.signed_in[303] > 0
    assert set(office.reports) == {200}
    assert "progress" in page, "the import still runs"
