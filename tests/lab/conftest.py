"""One real Asterisk for the session, the real server against it, simulated phones and callers from outside."""

import asyncio
import secrets
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dialplan.render import AsteriskValues
from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.asterisk_root import ensure_root
from leadline.demo.company import seed_company
from leadline.demo.phones import Calls, Phone, await_there
from leadline.demo.scenarios import Account, Behaviour, Dialling
from leadline.demo.server_process import ServerProcess
from leadline.demo.sipp import await_value, free_port, free_ports
from leads.store.engine import Database
from leads.store.migrate import upgrade

LAB_MARK = pytest.mark.lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(LAB_MARK)


@dataclass(frozen=True)
class Pbx:
    """The Asterisk of the session: its process, and where everything of it is."""

    instance: AsteriskInstance
    values: AsteriskValues

    @property
    def sip(self) -> tuple[str, int]:
        """Where phones and the trunk send SIP, over UDP."""
        return self.values.sip_address, self.values.sip_port

    @property
    def cel(self) -> Path:
        """Where it keeps what happened to each channel."""
        return self.instance.log / "cel-custom" / "leadline.csv"

    def account(self, number: str) -> Account:
        return Account(number, self.values.phone_secrets[number])

    def await_phone(self, number: str) -> None:
        """Wait until the PBX would ring a phone that has signed in."""
        await_there(self.instance.cli, number)

    def await_idle(self, seconds: float = 10.0) -> None:
        """Wait until no channel is left; one that stays behind is a fault, but of this test alone."""
        try:
            await_value(
                lambda: not self.instance.channels() or None, seconds, f"all channels to end: {self.channels()}"
            )
        finally:
            self.instance.cli("channel request hangup all")

    def channels(self) -> list[str]:
        return self.instance.channels()


@pytest.fixture(scope="session")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pbx]:
    """A real Asterisk with our configuration, on ports of its own, for all tests of the session."""
    rtp = free_ports(socket.SOCK_DGRAM, 200)
    values = AsteriskValues(
        ami_events_secret=secrets.token_hex(12),
        ami_control_secret=secrets.token_hex(12),
        phone_secrets={number: secrets.token_hex(12) for number in ("101", "102", "103")},
        sip_port=free_port(socket.SOCK_DGRAM),
        rtp_start=rtp.start,
        rtp_end=rtp.stop - 1,
        trunk_port=free_port(socket.SOCK_DGRAM),
        ami_port=free_port(socket.SOCK_STREAM),
        fastagi_port=free_port(socket.SOCK_STREAM),
    )
    with AsteriskInstance(tmp_path_factory.mktemp("asterisk"), ensure_root()) as instance:
        instance.configure(values)
        instance.start()
        yield Pbx(instance, values)


@dataclass
class LeadlineServer:
    """A running `leadline serve` with a database of its own, filled with the demonstration company."""

    process: ServerProcess
    database: Path
    panel_port: int
    settings: dict[str, str]

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """What the database holds, read as any SQL client would."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(statement, values)]
        finally:
            connection.close()

    def execute(self, statement: str, *values: object) -> None:
        """Change data by hand, as the panel would."""
        connection = sqlite3.connect(self.database, timeout=10)
        try:
            with connection:
                connection.execute(statement, values)
        finally:
            connection.close()

    def await_rows(
        self, statement: str, *values: object, count: int = 1, seconds: float = 10.0
    ) -> list[dict[str, Any]]:
        """Wait until the statement finds `count` rows."""
        return await_value(
            lambda: found if len(found := self.rows(statement, *values)) >= count else None,
            seconds,
            f"{count} rows of: {statement} {values}",
        )

    def await_ended_calls(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait until `count` calls are on record as ended, and return all calls by their start."""
        self.await_rows("SELECT id FROM call WHERE ended_at IS NOT NULL", count=count)
        return self.rows("SELECT * FROM call ORDER BY started_at, id")


async def _prepare_database(url: str) -> None:
    await upgrade(url)
    database = Database(url)
    try:
        await seed_company(database, datetime.now(UTC))
    finally:
        await database.dispose()


@pytest.fixture(scope="session")
def filled_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the demonstration company, to copy."""
    path = tmp_path_factory.mktemp("database") / "filled.db"
    asyncio.run(_prepare_database(f"sqlite+aiosqlite:///{path}"))
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@contextmanager
def running_server(asterisk: Pbx, filled_database: Path, folder: Path) -> Iterator[LeadlineServer]:
    """The real server against the real Asterisk, healthy, with a fresh database in `folder`."""
    database = folder / "leadline.db"
    database.write_bytes(filled_database.read_bytes())
    panel_port = free_port(socket.SOCK_STREAM)
    settings = {
        "LEADLINE_DATABASE_URL": f"sqlite+aiosqlite:///{database}",
        "LEADLINE_AMI_PORT": str(asterisk.values.ami_port),
        "LEADLINE_AMI_SECRET": asterisk.values.ami_events_secret,
        "LEADLINE_AMI_CONTROL_SECRET": asterisk.values.ami_control_secret or "",
        "LEADLINE_FASTAGI_PORT": str(asterisk.values.fastagi_port),
        "LEADLINE_PANEL_PORT": str(panel_port),
        "LEADLINE_DEFAULT_EXTENSION": "103",
        "LEADLINE_CEL_SOURCE": f"csv:{asterisk.cel}",
        "LEADLINE_RECORDINGS_FOLDER": str(asterisk.instance.recordings),
    }
    health = f"http://127.0.0.1:{panel_port}/healthz"
    with ServerProcess(settings, log=folder / "server.log", health_url=health) as process:
        process.await_health()
        yield LeadlineServer(process, database, panel_port, settings)
        process.stop()
        asterisk.await_idle()


@pytest.fixture
def leadline_server(asterisk: Pbx, filled_database: Path, tmp_path: Path) -> Iterator[LeadlineServer]:
    """A server for one test that changes things."""
    with running_server(asterisk, filled_database, tmp_path) as server:
        yield server


@dataclass
class Phones:
    """The phones of one test; asked for by number, they sign in on first use."""

    pbx: Pbx
    _open: dict[str, Phone] = field(default_factory=dict)

    def __call__(self, number: str, behaviour: Behaviour | None = None) -> Phone:
        """The phone `number`, treating its calls by `behaviour` from now on."""
        phone = self._open.get(number)
        if phone is None:
            phone = self._open[number] = Phone(self.pbx.account(number), self.pbx.sip, behaviour)
            self.pbx.await_phone(number)
        elif behaviour is not None:
            phone.behave(behaviour)
        return phone

    def sign_out(self) -> None:
        for phone in self._open.values():
            phone.sign_out()


@pytest.fixture
def phones(asterisk: Pbx) -> Iterator[Phones]:
    """Simulated phones 101 to 103; those that a test does not ask for are not registered."""
    phones = Phones(asterisk)
    yield phones
    phones.sign_out()


Call = Callable[..., Calls]


@pytest.fixture
def call(asterisk: Pbx) -> Iterator[Call]:
    """Places calls: `call("+380501234567", "0441234567", display_name="…", talk_seconds=…, count=…)`."""
    placed: list[Calls] = []

    def place(number: str, to: str, *, count: int = 1, **how: Any) -> Calls:
        calls = Calls(Dialling(number, to, **how), asterisk.sip, count)
        placed.append(calls)
        return calls

    yield place
    for calls in placed:
        calls.break_off()
