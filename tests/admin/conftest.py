"""A running panel with a small company in it, and people who visit it without a browser."""

import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import aiohttp
import aiohttp_jinja2
import pytest
from aiohttp import web
from argon2 import PasswordHasher
from jinja2 import BytecodeCache
from yarl import URL

from leads.admin import CallFeed, create_panel, panel_runner, rendering
from leads.admin.asterisks import Asterisks
from leads.admin.i18n import Locale, current_locale, use_locale
from leads.admin.route_trial import RouteTrial
from leads.domain.directory import DisplayMode, Role
from leads.store import access, engine, password_hash
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.models import Employee, Extension, GroupMember, RingGroup
from tests.admin.chromium import chromium_process
from tests.admin.importing import Importer
from tests.compiled import CompiledTemplates
from tests.conftest import PostgresServer, run_apart

PASSWORD = "correct horse battery"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little work: these tests are about what is done with a password, not about argon2."""
    _hash_cheaply(monkeypatch)


def _hash_cheaply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_hash, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    password_hash._nobodys_hash.cache_clear()


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: datetime = field(default_factory=lambda: datetime(2026, 3, 2, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def speaking() -> Iterator[Callable[[Locale], None]]:
    """Speak as a request would, until the test is over: a test's language lasts otherwise, for those after it."""
    before = current_locale()
    yield use_locale
    use_locale(before)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass(frozen=True)
class Company:
    """The keys of the people and things that every test of the panel finds."""

    admin: int
    yurii: int
    maria: int
    boss: int
    phone_101: int
    phone_102: int
    sales: int


async def _fill(url: str) -> Company:
    """An administrator, two employees with phones 101 and 102, and a supervisor in group Sales with 101 (phone 103)."""
    database, now = Database(url), Clock()()
    with pytest.MonkeyPatch.context() as monkeypatch:
        _hash_cheaply(monkeypatch)
        hashed = password_hash.hash_password(PASSWORD)
        async with database.write() as session:
            admin = await access.create_admin(session, "admin", "Олена", PASSWORD, now)
            people = {
                login: Employee(name=name, login=login, password_hash=hashed, role=role, created_at=now)
                for login, name, role in (
                    ("yurii", "Щербань Юрій", Role.EMPLOYEE),
                    ("maria", "Марія Коваленко", Role.EMPLOYEE),
                    ("boss", "Big Boss", Role.SUPERVISOR),
                )
            }
            session.add_all(people.values())
            await session.flush()
            phones = [
                Extension(number=number, endpoint=f"PJSIP/{number}", employee_id=people[owner].id)
                for number, owner in (("101", "yurii"), ("102", "maria"), ("103", "boss"))
            ]
            phones[1].display_mode = DisplayMode.UTF8
            session.add_all(phones)
            await session.flush()
            members = [GroupMember(extension_id=phones[place].id, position=place) for place in (0, 2)]
            group = RingGroup(name="Sales", members=members)
            session.add(group)
            await session.flush()
            made = Company(
                admin, people["yurii"].id, people["maria"].id, people["boss"].id, phones[0].id, phones[1].id, group.id
            )
    await database.dispose()
    return made


@pytest.fixture(scope="session")
def company_on_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Company]:
    """A file with the company in it, to copy."""
    path = tmp_path_factory.mktemp("company") / "leadline.db"
    shutil.copy(sqlite_template, path)
    return path, run_apart(_fill(f"sqlite+aiosqlite:///{path}"))


@pytest.fixture(scope="session")
def company_on_postgres(postgres: PostgresServer) -> tuple[str, Company]:
    """The name of a database with the company in it, to copy."""
    name = "company_template"
    return name, run_apart(_fill(run_apart(postgres.create(name))))


@pytest.fixture
def company(dialect: str, request: pytest.FixtureRequest) -> Company:
    """The company that is in the database."""
    made: tuple[object, Company] = request.getfixturevalue(f"company_on_{dialect}")
    return made[1]


@pytest.fixture
def database_template(dialect: str, request: pytest.FixtureRequest) -> Path | str | None:
    """Tests that ask for the company find it in the database already."""
    if "company" not in request.fixturenames:
        return None
    made: tuple[Path | str, Company] = request.getfixturevalue(f"company_on_{dialect}")
    return made[0]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Chromium for the whole run, for `tests.admin.browser.window`."""
    with chromium_process(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture(scope="session")
def compiled_templates() -> Iterator[BytecodeCache]:
    """Each template is read and compiled once for all panels of a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "_templates", cache(rendering._templates))
        yield CompiledTemplates()


@pytest.fixture
async def directory(database: Database, company: Company) -> DirectoryCache:
    cache = DirectoryCache(database)
    await cache.refresh()
    return cache


@pytest.fixture
def feed() -> CallFeed:
    return CallFeed()


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Run `app` on a free port; gives its address."""
    runner = panel_runner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
def asterisks() -> Asterisks:
    """The company's Asterisk servers; where it does not matter, nothing is said of them."""
    return Asterisks()


@pytest.fixture
def route_trial() -> RouteTrial | None:
    """The dry run of routes; most tests have no routing."""
    return None


@pytest.fixture
def app(
    *,
    database: Database,
    directory: DirectoryCache,
    feed: CallFeed,
    clock: Clock,
    compiled_templates: BytecodeCache,
    asterisks: Asterisks,
    route_trial: RouteTrial | None,
) -> web.Application:
    zone = ZoneInfo("Europe/Kyiv")
    made = create_panel(
        database,
        directory,
        feed,
        zone=zone,
        region="UA",
        secure=False,
        clock=clock,
        asterisks=asterisks,
        route_trial=route_trial,
    )
    aiohttp_jinja2.get_env(made).bytecode_cache = compiled_templates
    return made


@pytest.fixture
async def address(app: web.Application) -> AsyncIterator[str]:
    async with served(app) as base:
        yield base


@dataclass(frozen=True)
class Answer:
    """What came back: never followed when it is a redirect, so that tests see it."""

    status: int
    text: str
    headers: Mapping[str, str]
    location: str


class Visitor:
    """Somebody with a cookie jar; forms are sent with the token of the page that was opened last."""

    def __init__(self, base: str, client: aiohttp.ClientSession, csrf: str = "") -> None:
        self.base = base
        self.client = client
        self.csrf = csrf

    async def get(self, path: str, **headers: str) -> Answer:
        return await self._ask("GET", path, None, headers)

    async def post(
        self, path: str, fields: dict[str, object] | None = None, *, csrf: bool = True, **headers: str
    ) -> Answer:
        """Send a form; lists are repeated fields. Header names are written with _ for -."""
        sent = {**({"csrf": self.csrf} if csrf else {}), **(fields or {})}
        body = urlencode(sent, doseq=True).encode()
        return await self.post_bytes(path, body, Content_Type="application/x-www-form-urlencoded", **headers)

    async def post_bytes(self, path: str, body: bytes, **headers: str) -> Answer:
        return await self._ask("POST", path, body, headers)

    async def sign_in(self, login: str, password: str = PASSWORD) -> Answer:
        await self.get("/sign-in")
        answer = await self.post("/sign-in", {"login": login, "password": password, "next": ""})
        if answer.status == 303:
            await self.get("/nothing-here")  # The cheapest page with a token on it.
        return answer

    async def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(
            method, URL(self.base + path, encoded=True), data=body, headers=named, allow_redirects=False
        ) as response:
            text = await response.text(errors="replace")  # recordings are asked for, too
            found = _CSRF.search(text)
            if found:
                self.csrf = found[1]
            return Answer(response.status, text, response.headers, response.headers.get("Location", ""))


@pytest.fixture
async def visitor(address: str) -> AsyncIterator[Callable[[], Visitor]]:
    """Makes visitors, each with cookies of his own."""
    clients: list[aiohttp.ClientSession] = []

    def make() -> Visitor:
        clients.append(aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)))
        return Visitor(address, clients[-1])

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
async def admin(visitor: Callable[[], Visitor]) -> Visitor:
    """The administrator, signed in."""
    one = visitor()
    assert (await one.sign_in("admin")).status == 303
    return one


@pytest.fixture
async def yurii(visitor: Callable[[], Visitor]) -> Visitor:
    """An employee, signed in."""
    one = visitor()
    assert (await one.sign_in("yurii")).status == 303
    return one


@pytest.fixture
def importer(admin: Visitor, app: web.Application, monkeypatch: pytest.MonkeyPatch) -> Importer:
    """An administrator who imports files."""
    monkeypatch.setattr(engine, "SHORTEST_PAUSE", 0.0)  # No calls wait here.
    return Importer(admin, app)
