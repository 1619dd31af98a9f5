"""What requests pass before a handler sees them: forgery, rights, hostile input, limits; and what answers carry."""

import asyncio
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import aiohttp_jinja2
import pytest
from aiohttp import web
from sqlalchemy import text

from leads.admin import CallFeed, create_panel
from leads.admin import app as app_module
from leads.admin.context import Access, access_of
from leads.admin.guard import SECURITY_HEADERS
from leads.store import engine
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.migrate import upgrade
from tests.admin.conftest import Clock, Company, Visitor, served
from tests.conftest import PostgresServer

Visitors = Callable[[], Visitor]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def _routes(app: web.Application, method: str) -> Iterator[tuple[str, Access]]:
    """Every path of the panel with 1 for its keys."""
    for route in app.router.routes():
        info = route.resource.get_info() if route.resource else {}
        path = info.get("path") or info.get("formatter", "")
        if route.method == method and not path.startswith("/static/"):
            yield re.sub(r"\{\w+\}", "1", path), access_of(route.handler)


async def test_every_page_carries_the_headers_that_restrict_browsers(admin: Visitor, visitor: Visitors) -> None:
    for answer in (await admin.get("/live"), await visitor().get("/sign-in"), await admin.get("/nowhere")):
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["Server"] == "Leadline", "whoever looks for old versions learns none"


@pytest.mark.parametrize(
    "request_line", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\nHost: a\r\nBad Header: 1", b"GET /" + b"a" * 9000]
)
async def test_what_is_no_http_gets_these_headers_too(address: str, company: Company, request_line: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(request_line + b"\r\n\r\n")
    head = (await reader.read()).decode().partition("\r\n\r\n")[0].split("\r\n")
    writer.close()
    assert head[0].split()[1] == "400"
    assert {f"{name}: {value}" for name, value in SECURITY_HEADERS.items()} <= set(head)
    assert "Cache-Control: no-store" in head


def test_no_template_has_inline_script_or_style() -> None:
    folder = Path(app_module.__file__).parent / "templates"
    inline = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", re.IGNORECASE)
    found = [path.name for path in folder.rglob("*.html") if inline.search(path.read_text())]
    assert found == []


def test_every_form_that_changes_something_carries_the_token() -> None:
    folder = Path(app_module.__file__).parent / "templates"
    forms = re.compile(r"<form[^>]*method=\"post\"[^>]*>(.*?)</form>", re.DOTALL)
    found = [body for path in folder.rglob("*.html") for body in forms.findall(path.read_text())]
    assert found
    assert all("csrf_field()" in body for body in found)


async def test_static_files_are_kept_for_long_under_their_hash_only(visitor: Visitors, company: Company) -> None:
    one = visitor()
    page = await one.get("/sign-in")
    url = re.search(r'href="(/static/panel\.css\?v=[0-9a-f]{16})"', page.text)
    assert url
    assert "immutable" in (await one.get(url[1])).headers["Cache-Control"]
    assert (await one.get("/static/panel.css?v=0")).headers["Cache-Control"] == "no-cache"
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
        assert (await one.get(path)).status in (303, 404)


async def test_nothing_but_signing_in_is_open_to_strangers(app: web.Application, visitor: Visitors) -> None:
    public = {path for path, access in _routes(app, "GET") if access is Access.PUBLIC}
    assert {path for path in public if not path.startswith("/phonebook/")} == {"/sign-in"}
    for path, access in _routes(app, "GET"):
        if access is not Access.PUBLIC:
            answer = await visitor().get(path)
            assert (answer.status, answer.location[:8]) == (303, "/sign-in") or answer.status == 401, path


async def test_company_pages_are_for_administrators(app: web.Application, yurii: Visitor) -> None:
    for path, access in _routes(app, "GET"):
        if path.startswith("/company"):
            assert access is Access.ADMIN
            answer = await yurii.get(path)
            assert answer.status == 403, path
            assert "Only administrators can open this page." in answer.text
    for path, access in _routes(app, "POST"):
        if path.startswith("/company"):
            assert access is Access.ADMIN
            assert (await yurii.post(path)).status == 403, path
    assert "/company" not in (await yurii.get("/live")).text


async def test_every_change_needs_this_sessions_token(app: web.Application, admin: Visitor, yurii: Visitor) -> None:
    for path, _access in _routes(app, "POST"):
        assert (await admin.post(path, csrf=False)).status == 403, path
        assert (await admin.post(path, {"csrf": yurii.csrf})).status == 403, path
        assert (await admin.post(path, {"csrf": "Щ"})).status == 403, path
    assert (await admin.get("/live")).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
    ],
)
async def test_a_change_from_another_site_is_refused_even_with_the_token(
    admin: Visitor, headers: dict[str, str]
) -> None:
    assert (await admin.post("/sign-out", **headers)).status == 403
    assert (await admin.post("/sign-out", Origin=admin.base)).status == 303


HOSTILE_ADDRESSES = [
    ("/leads?status=%00", 400),
    ("/leads?after=%00", 400),
    ("/company/audit?kind=%00", 400),
    ("/company/numbers?q=%ED%A0%80", 400),
    ("/company/numbers?q=%FF%FE", 400),
    ("/company/numbers?q=" + "a" * 4001, 400),
    ("/company/numbers?" + "a=1&" * 600, 400),
    ("/live/%00", 400),
    ("/live/%ED%A0%80", 404),
    ("/calls/99999999999999999999999", 404),
    ("/calls/999999999", 404),
    ("/calls/0", 404),
    ("/calls/-1", 404),
    ("/calls/%D9%A1", 404),
    ("/company/employees/1%27%20OR%201=1", 404),
    ("/company/employees/999999999", 404),
    ("/company/groups/999999999", 404),
    ("/company/numbers/999999999", 404),
    ("/sign-in?next=" + "/" * 3000, 400),
]


async def test_who_meets_a_refusal_can_still_sign_out(yurii: Visitor) -> None:
    token = yurii.csrf
    for path, status in (("/nowhere", 404), ("/leads/999999", 404), ("/company/employees", 403)):
        page = await yurii.get(path)
        assert page.status == status
        assert set(re.findall(r'name="csrf" value="([^"]*)"', page.text)) == {token}, path


async def test_hostile_addresses_get_a_clean_page(admin: Visitor) -> None:
    for path, status in HOSTILE_ADDRESSES:
        answer = await admin.get(path)
        assert answer.status == status, path
        assert "<h1>" in answer.text
        assert "Traceback" not in answer.text


HOSTILE_BODIES = [
    (b"name=%00", 422),
    (b"name=%ED%A0%80", 400),
    (b"name=%FF", 400),
    (b"name=\xff\xfe", 400),
    (b"&".join([b"a=1"] * 600), 400),
    (b"name=" + b"a" * 30_000, 422),
    (b"name=" + b"a" * 300_000, 413),
    (b"a" * 200 + b"=1", 400),
]


async def test_hostile_forms_get_a_clean_page(admin: Visitor) -> None:
    for body, status in HOSTILE_BODIES:
        sent = f"csrf={admin.csrf}&".encode() + body
        kind = "application/x-www-form-urlencoded"
        answer = await admin.post_bytes("/company/ignored", sent, Content_Type=kind)
        assert answer.status == status, body[:40]
        assert "<h1>" in answer.text


async def test_other_kinds_of_bodies_are_refused(admin: Visitor) -> None:
    for kind in ("multipart/form-data; boundary=x", "text/plain", "application/json", "text/x; charset=\\x"):
        answer = await admin.post_bytes("/company/ignored", b"csrf=1", Content_Type=kind)
        assert answer.status == 415, kind


async def test_packed_bodies_are_refused_unopened(admin: Visitor) -> None:
    for encoding in ("gzip", "deflate"):
        answer = await admin.post_bytes(
            "/company/ignored",
            b"not compressed at all",
            Content_Type="application/x-www-form-urlencoded",
            Content_Encoding=encoding,
        )
        assert answer.status == 415, encoding


HUGE = "9" * 30


FORGED: list[dict[str, object]] = [
    {},
    {"version": HUGE},
    {"version": "1"},
    {"version": ["1", "2"], "name": ["a", "b"], "role": "god"},
    {"version": "1", "name": "\u202e" * 300, "role": "admin", "ring_seconds": HUGE},
    {"version": "1", "name": "a\tb", "role": "employee", "phone_number": ["1", "2"], "phone_endpoint": ["PJSIP/1"]},
    {"version": "1", "name": "x", "role": "employee", "phone_number": "101", "phone_mode": "x"},
    {"version": "1", "name": "x", "ring_seconds": "٣٠", "group_id": HUGE, "member": HUGE, "number": "'; DROP"},
    {"version": "-1", "number": "+380" + "1" * 500, "note": "n" * 5000},
    dict.fromkeys(("version", "name", "note", "number", "session", "ring", "until", "key", "phone", "back"), "a\x00b"),
    {"id": "1", "responsible_id": "1e9", "queue": "a,b&c/${x}", "queue_seconds": "-5"},
]


async def test_forged_forms_get_a_clean_page_everywhere(app: web.Application, admin: Visitor) -> None:
    for path, _access in _routes(app, "POST"):
        for fields in FORGED:
            if path != "/sign-out":
                answer = await admin.post(path, fields)
                assert answer.status < 500, (path, fields)
                assert "Traceback" not in answer.text


async def test_headers_of_an_attacker_do_no_harm(visitor: Visitors, company: Company) -> None:
    one = visitor()
    cookie = 'leadline=\u00ff\u00fe; leadline_flash=e30.\u00ff; leadline_theme="><script>'
    answer = await one.get("/sign-in", Cookie=cookie, Accept_Language="uk;q=x,,;q=;,en;q=1e999", User_Agent="\u00ff")
    assert answer.status == 200
    assert "<script>" not in answer.text.replace("<script src=", "")


async def test_other_methods_are_refused(admin: Visitor) -> None:
    answer = await admin._ask("DELETE", "/live", None, {})
    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]


async def test_a_form_that_never_arrives_is_given_up(
    admin: Visitor, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leads.admin.guard.BODY_SECONDS", 0.05)
    cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in admin.client.cookie_jar)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    head = (
        f"POST /company/ignored HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nname="
    )
    writer.write(head.encode())
    assert b" 408 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize("sent", [b"GET /live HTTP/1.1", b"GET / HTTP/1.1\r\nX: " + b"a" * 9000])
async def test_what_is_no_http_fills_no_log(address: str, caplog: pytest.LogCaptureFixture, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(sent + b"\r\n\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
    assert caplog.text == ""


async def test_connections_beyond_the_bound_are_closed_at_once(
    database: Database, directory: object, app: web.Application
) -> None:
    runner = app_module.panel_runner(app, most_connections=2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        with suppress(ConnectionError):
            writer.write(b"GET /sign-in HTTP/1.1\r\nHost: x\r\n\r\n")
            return await reader.readline()
        return b""

    async def connect(address: str = "127.0.0.2") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", runner.addresses[0][1], local_addr=(address, 0))

    first, second, third, itself = await connect(), await connect(), await connect(), await connect("127.0.0.1")
    assert await ask(*third) == b""
    assert b" 200 " in await ask(*itself), "who watches the server has a place of his own"
    itself[1].close()
    assert b" 200 " in await ask(*first)
    first[1].close()
    assert b" 200 " in await ask(*second)
    fourth = await connect()
    assert b" 200 " in await ask(*fourth)
    for _reader, writer in (second, third, fourth):
        writer.close()
    await runner.cleanup()


async def test_half_a_head_is_given_up(
    database: Database, directory: object, app: web.Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "IDLE_CONNECTION_SECONDS", 0.1)
    runner = app_module.panel_runner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
    writer.write(b"GET /live HTTP/1.1\r\nHost: x\r\n")
    assert await reader.read() == b""
    writer.close()
    await runner.cleanup()


async def test_a_database_that_fails_gives_a_page_that_says_so(
    admin: Visitor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.write() as session:
        await session.execute(text("ALTER TABLE ignored_number RENAME TO gone"))
    answer = await admin.get("/company/ignored")
    assert answer.status == 503
    assert "The database does not answer." in answer.text
    assert "ignored_number" not in answer.text


@pytest.mark.postgres
@pytest.mark.parametrize("how", ["ended", "hangs", "hangs in the midst"])
async def test_a_postgresql_that_is_away_gives_a_page_that_says_so(
    own_server: PostgresServer, clock: Clock, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Whoever connects to it, or waits for it, fails as with any server then: nobody says that it is the database."""
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(engine, "COMMAND_SECONDS", 1.0)
    url = await own_server.create(f"panel_{how.replace(' ', '_')}", "template0")
    await upgrade(url)
    database = Database(url)
    directory = DirectoryCache(database)
    await directory.refresh()
    zone = ZoneInfo("Europe/Kyiv")
    app = create_panel(database, directory, CallFeed(), zone=zone, region="UA", secure=False, clock=clock)
    async with served(app) as base, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        if how != "hangs in the midst":
            await database.dispose()
        if how == "ended":
            await asyncio.to_thread(own_server.control, "stop", "-m", "immediate")
        else:
            own_server.signal(signal.SIGSTOP)
        try:
            answer = await Visitor(base, client).get("/live", Cookie="leadline=anything")
        finally:
            if how == "ended":
                await asyncio.to_thread(own_server.start)
            else:
                own_server.signal(signal.SIGCONT)
    await database.dispose()
    assert answer.status == 503
    assert "The database does not answer." in answer.text


async def test_a_mistake_of_ours_gives_a_page_without_its_text(admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_args: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("leads.store.company.ignored_numbers", broken)
    answer = await admin.get("/company/ignored")
    assert answer.status == 500
    assert "secret detail" not in answer.text


async def test_pages_are_those_that_the_server_came_with(app: web.Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade replaces files below a server that still runs."""

    def gone(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", gone)
    monkeypatch.setattr("builtins.open", gone)
    environment = aiohttp_jinja2.get_env(app)
    environment.bytecode_cache = None
    assert {"base.html", "leads/list.html"} <= set(environment.list_templates())
    assert environment.get_template("base.html").name == "base.html"
