"""Databases for tests: each test gets an empty one with all tables, on SQLite and on a PostgreSQL of our own."""

import asyncio
import gc
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest
from hypothesis import settings

from leadline.demo.sipp import free_port, keep_to_ports
from leads.store import daily_plans
from leads.store.engine import Database
from leads.store.migrate import upgrade
from tests.compiled import share_compiled

# A busy machine is no fault of what is tested.
settings.register_profile("leadline", deadline=None)
settings.load_profile("leadline")

FOLDER = "leadline-databases-"
ROOM = 3 * 1024**3
"""What must be free in memory for the databases of all workers of a run."""

_numbers = count(1)
T = TypeVar("T")


@dataclass(frozen=True)
class PostgresServer:
    """A throw-away PostgreSQL on the loopback; `template` holds our tables, so that a fresh copy takes milliseconds."""

    binaries: Path
    data: Path
    port: int
    template: str = "leadline_template"

    def url(self, name: str) -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{name}"

    def control(self, *action: str) -> None:
        """Run pg_ctl, for tests that stop and start the server."""
        subprocess.run(
            [*_as_postgres(), self.binaries / "pg_ctl", "-D", self.data, "-w", "-s", *action], check=True, timeout=60
        )

    def start(self) -> None:
        quick = ("fsync=off", "full_page_writes=off", "max_connections=60", "max_wal_size=200MB")
        options = f"-p {self.port} -h 127.0.0.1 -k '' {' '.join(f'-c {one}' for one in quick)}"
        self.control("-l", str(self.data.parent / "log"), "-o", options, "start")

    @property
    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def signal(self, number: int) -> None:
        """Send a signal to the server and all its processes, as one that hangs or goes on."""
        server = self.pid
        os.kill(server, number)
        # Once it stands still, no process comes; one that has just lost its client may still go.
        for child in Path(f"/proc/{server}/task/{server}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    async def execute(self, statement: str) -> None:
        connection = await asyncpg.connect(host="127.0.0.1", port=self.port, user="postgres", database="postgres")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def create(self, name: str, template: str | None = None) -> str:
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {template or self.template} STRATEGY file_copy")
        return self.url(name)


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end on a loop of its own, because a fixture of the session may be asked for within a loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _as_postgres() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


def _postgres_binaries() -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if not folders:
        pytest.fail("PostgreSQL is not installed; on Debian: apt-get install postgresql", pytrace=False)
    return folders[-1]


def start_postgres(folder: Path) -> PostgresServer:
    """Make a cluster in `folder`, which user postgres must be able to reach, and start it."""
    server = PostgresServer(_postgres_binaries(), folder / "data", free_port(socket.SOCK_STREAM))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    initdb = [server.binaries / "initdb", "-D", server.data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    subprocess.run(
        [*_as_postgres(), *initdb, "--locale=C.UTF-8", "--no-sync"],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
    server.start()
    return server


def pytest_configure() -> None:
    """Workers at once take ports of their own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    keep_to_ports(int(worker), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def pytest_collection_finish() -> None:
    """What was imported stays: a collection of garbage need not go through all of it again and again."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def planning_without_long_pauses() -> Iterator[None]:
    """Nobody works beside a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(daily_plans, "PAUSES", 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def statements_compiled_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        share_compiled(patch)
        yield


@pytest.fixture(scope="session")
def databases_folder() -> Iterator[Path]:
    """Where databases are: in memory where it has room for them, because making and leaving a thousand costs a disk
    minutes; not in pytest's own folders, which user postgres cannot enter."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    parent = memory if roomy else Path(tempfile.gettempdir())
    for left in parent.glob(f"{FOLDER}*"):
        # Of a run that was killed; a server that still runs there ends when it finds its folder gone.
        if not Path("/proc", left.name.split("-")[-2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-", dir=parent))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(databases_folder: Path) -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole run."""
    folder = databases_folder / "postgres"
    folder.mkdir()
    server = start_postgres(folder)
    try:
        run_apart(server.create(server.template, "template0"))
        run_apart(upgrade(server.url(server.template)))
        yield server
    finally:
        server.control("stop", "-m", "immediate")


@pytest.fixture(scope="session")
def own_server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A second PostgreSQL, which a test may stop and kill if it leaves it running."""
    folder = postgres.data.parent / "own"
    folder.mkdir()
    server = start_postgres(folder)
    try:
        yield server
    finally:
        server.control("stop", "-m", "immediate")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "leadline.db"
    run_apart(upgrade(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def dialect(request: pytest.FixtureRequest) -> str:
    """Which database this round is on."""
    return str(request.param)


@pytest.fixture
def database_template() -> Path | str | None:
    """What databases begin as: None for empty tables; a file or, on PostgreSQL, a database's name where a folder of
    tests has more to begin with."""
    return None


@pytest.fixture
async def database_url(
    dialect: str, request: pytest.FixtureRequest, databases_folder: Path, database_template: Path | str | None
) -> AsyncIterator[str]:
    """The URL of an empty database with all tables; each test runs once on SQLite and once on PostgreSQL."""
    name = f"test_{next(_numbers)}"
    if dialect == "sqlite":
        folder = databases_folder / name
        folder.mkdir()
        shutil.copy(database_template or request.getfixturevalue("sqlite_template"), folder / "leadline.db")
        yield f"sqlite+aiosqlite:///{folder / 'leadline.db'}"
        shutil.rmtree(folder, ignore_errors=True)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    yield await server.create(name, database_template and str(database_template))
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An empty database with all tables, opened."""
    opened = Database(database_url)
    yield opened
    await opened.dispose()
