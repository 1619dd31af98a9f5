"""Signing in, staying signed in, and being signed out (X1)."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin import CallFeed, create_panel
from leads.admin.passwords import MOST_WAITING, HashingThreads, Passwords, TooBusyError
from leads.admin.sign_in import address_of
from leads.store import access, password_hash
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.models import Employee, PanelSession
from tests.admin.conftest import PASSWORD, Clock, Company, Visitor, served

Visitors = Callable[[], Visitor]


async def _sessions(database: Database) -> list[PanelSession]:
    async with database.read() as session:
        return list(await session.scalars(select(PanelSession)))


async def test_right_password_opens_the_panel(visitor: Visitors, database: Database, company: Company) -> None:
    one = visitor()
    assert (await one.get("/live")).location == "/sign-in?next=%2Flive"
    answer = await one.sign_in("Admin")
    assert (answer.status, answer.location) == (303, "/live")
    assert (await one.get("/live")).status == 200
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    token = cookie.split("=", 1)[1].split(";")[0]
    (kept,) = await _sessions(database)
    assert kept.id_hash == access.session_hash(token)
    assert token not in (kept.id_hash, kept.csrf_token)


@pytest.mark.parametrize(
    ("login", "password"), [("admin", "wrong password"), ("nobody", PASSWORD), ("admin", "x" * 5000)]
)
async def test_wrong_password_or_login_is_refused_alike(
    visitor: Visitors, company: Company, login: str, password: str
) -> None:
    one = visitor()
    answer = await one.sign_in(login, password)
    assert answer.status == 422
    assert "Login or password is wrong." in answer.text
    assert password not in answer.text
    assert (await one.get("/live")).status == 303


async def test_an_unknown_login_costs_as_much_work_as_a_known_one(
    visitor: Visitors, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    hasher = password_hash._hasher

    class Watched:
        def verify(self, hashed: str, password: str) -> bool:
            verified.append(hashed)
            return hasher.verify(hashed, password)

        def hash(self, password: str) -> str:
            return hasher.hash(password)

    monkeypatch.setattr(password_hash, "_hasher", Watched())
    await visitor().sign_in("nobody")
    await visitor().sign_in("admin", "wrong password")
    assert len(verified) == 2
    assert verified[0].split("$")[:4] == verified[1].split("$")[:4]


async def test_behind_tls_cookies_are_bound_to_host_and_tls(
    database: Database, directory: DirectoryCache, feed: CallFeed, clock: Clock
) -> None:
    app = create_panel(database, directory, feed, zone=ZoneInfo("UTC"), region="UA", secure=True, clock=clock)
    async with served(app) as base, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        async with client.get(f"{base}/sign-in") as page:
            visit = page.headers["Set-Cookie"].split(";")[0]
            token = visit.split("=", 1)[1]
            assert page.headers["Set-Cookie"].startswith("__Host-")
        fields = {"login": "admin", "password": PASSWORD, "csrf": token}
        async with client.post(
            f"{base}/sign-in", data=fields, headers={"Cookie": visit}, allow_redirects=False
        ) as answer:
            cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-leadline=")
    assert all(part in cookie for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert "Domain" not in cookie


async def test_each_sign_in_begins_under_a_new_id_and_ends_the_old(visitor: Visitors, database: Database) -> None:
    one = visitor()
    await one.sign_in("admin")
    (first,) = await _sessions(database)
    await one.sign_in("admin")
    (second,) = await _sessions(database)
    assert first.id_hash != second.id_hash
    assert first.csrf_token != second.csrf_token


async def test_sign_out_ends_the_session_on_the_server(admin: Visitor, database: Database) -> None:
    assert (await admin.post("/sign-out")).location == "/sign-in"
    assert await _sessions(database) == []
    assert (await admin.get("/live")).status == 303


@pytest.mark.parametrize(
    ("steps", "hours", "alive"), [(1, 7.9, True), (1, 8.1, False), (24, 6.9, True), (25, 6.9, False)]
)
async def test_sessions_end_after_8_idle_hours_or_7_days(
    admin: Visitor, clock: Clock, steps: int, hours: float, alive: bool
) -> None:
    for _step in range(steps):
        clock.move(hours=hours)
        answer = await admin.get("/live")
    assert answer.status == (200 if alive else 303)


async def test_being_seen_is_written_once_a_minute(admin: Visitor, database: Database, clock: Clock) -> None:
    began = clock()
    clock.move(seconds=59)
    await admin.get("/live")
    assert (await _sessions(database))[0].seen_at == began
    clock.move(seconds=1)
    await admin.get("/live")
    assert (await _sessions(database))[0].seen_at == clock()


async def test_an_open_live_page_is_no_work_of_the_person(admin: Visitor, clock: Clock) -> None:
    clock.move(hours=7)
    assert (await admin.get("/live/session")).status == 204
    clock.move(hours=2)
    assert (await admin.get("/live")).status == 303


async def test_deactivation_ends_sessions_at_once(
    yurii: Visitor, admin: Visitor, database: Database, company: Company
) -> None:
    assert (await yurii.get("/live")).status == 200
    async with database.write() as session:
        await session.execute(update(Employee).where(Employee.id == company.yurii).values(active=False))
    assert (await yurii.get("/live")).status == 303
    assert (await yurii.sign_in("yurii")).status == 422


@pytest.mark.parametrize(
    "where", ["//evil.example/", "/\\evil.example", "https://evil.example/", "javascript:alert(1)"]
)
async def test_signing_in_leads_to_our_own_pages_only(visitor: Visitors, company: Company, where: str) -> None:
    one = visitor()
    await one.get("/sign-in")
    answer = await one.post("/sign-in", {"login": "admin", "password": PASSWORD, "next": where})
    assert answer.location == "/live"


async def test_signing_in_leads_back_to_where_one_was(visitor: Visitors, company: Company) -> None:
    one = visitor()
    await one.get("/sign-in?next=%2Fcompany%2Fnumbers%3Fa%3Db")
    answer = await one.post("/sign-in", {"login": "admin", "password": PASSWORD, "next": "/company/numbers?a=b"})
    assert answer.location == "/company/numbers?a=b"


async def test_guessing_at_one_login_has_to_wait_and_is_told_how_long(
    visitor: Visitors, company: Company, clock: Clock
) -> None:
    one = visitor()
    for _attempt in range(5):
        assert (await one.sign_in("admin", "wrong password")).status == 422
    answer = await one.sign_in("admin")
    assert answer.status == 429
    assert "Too many wrong attempts. Try again in 16 seconds." in answer.text
    assert answer.headers["Retry-After"] == "16"
    clock.move(seconds=16)
    assert (await one.sign_in("admin")).status == 303


async def test_guessing_at_many_logins_from_one_address_has_to_wait(visitor: Visitors, company: Company) -> None:
    one = visitor()
    for attempt in range(20):
        assert (await one.sign_in(f"login{attempt}", "wrong password")).status == 422
    assert (await one.sign_in("admin")).status == 429


async def test_many_attempts_at_once_do_not_slip_through_together(visitor: Visitors, company: Company) -> None:
    one = visitor()
    await one.get("/sign-in")
    fields: dict[str, object] = {"login": "admin", "password": "wrong password"}
    answers = await asyncio.gather(*(one.post("/sign-in", fields) for _attempt in range(15)))
    assert sorted(answer.status for answer in answers) == [422] * 5 + [429] * 10


async def test_a_flood_of_sign_ins_is_refused_and_does_not_queue() -> None:
    passwords = Passwords(HashingThreads())
    hashed = password_hash.hash_password(PASSWORD)
    answers = await asyncio.gather(
        *(passwords.verify(hashed, PASSWORD) for _person in range(MOST_WAITING + 5)), return_exceptions=True
    )
    assert sum(answer is True for answer in answers) == MOST_WAITING
    assert sum(isinstance(answer, TooBusyError) for answer in answers) == 5
    await passwords.close()


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_who_was_refused_unheard_is_not_slowed_down(
    visitor: Visitors, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = visitor()
    await one.get("/sign-in")
    with monkeypatch.context() as flood:
        flood.setattr("leads.admin.passwords.MOST_WAITING", 0)
        for _attempt in range(25):
            assert (await one.post("/sign-in", {"login": "admin", "password": PASSWORD})).status == 503
    assert (await one.sign_in("admin")).status == 303


@pytest.mark.parametrize(
    ("said", "behind_proxy", "counted"),
    [
        ("10.0.0.9, 203.0.113.7", True, "203.0.113.7"),
        ("203.0.113.7", False, "127.0.0.1"),
        ("2001:db8:1:2:3::4", True, "2001:db8:1:2::/64"),
        ("nonsense", True, "127.0.0.1"),
        ("", True, "127.0.0.1"),
    ],
)
def test_attempts_are_counted_for_whom_our_own_proxy_names(said: str, behind_proxy: bool, counted: str) -> None:
    request = make_mocked_request("POST", "/sign-in", {"X-Forwarded-For": said}).clone(remote="127.0.0.1")
    assert address_of(request, behind_proxy) == counted


async def test_changing_the_password_signs_other_browsers_out(yurii: Visitor, visitor: Visitors) -> None:
    other = visitor()
    await other.sign_in("yurii")
    answer = await yurii.post("/me/password", {"old_password": PASSWORD, "new_password": "another long word"})
    assert answer.status == 303
    page = await yurii.get("/me")
    assert "Your password is changed." in page.text
    assert (await other.get("/live")).status == 303
    assert (await other.sign_in("yurii")).status == 422
    assert (await other.sign_in("yurii", "another long word")).status == 303


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("wrong password", "another long word", "This is not your password."),
        (PASSWORD, "short", "From 10 to 200 characters."),
    ],
)
async def test_changing_the_password_needs_the_old_one_and_a_long_new_one(
    yurii: Visitor, visitor: Visitors, old: str, new: str, why: str
) -> None:
    answer = await yurii.post("/me/password", {"old_password": old, "new_password": new})
    assert answer.status == 422
    assert why in answer.text
    assert (await visitor().sign_in("yurii")).status == 303


async def test_whoever_finds_a_browser_signed_in_cannot_guess_the_password(yurii: Visitor) -> None:
    async def change(old: str) -> int:
        return (await yurii.post("/me/password", {"old_password": old, "new_password": "another long word"})).status

    assert [await change(f"wrong password {attempt}") for attempt in range(5)] == [422] * 5
    assert await change(PASSWORD) == 429


async def test_language_and_zone_are_each_persons_own(yurii: Visitor) -> None:
    assert (await yurii.post("/me", {"language": "uk", "time_zone": "America/New_York"})).status == 303
    page = await yurii.get("/me")
    assert '<html lang="uk"' in page.text
    assert (await yurii.post("/me", {"language": "uk", "time_zone": "Mars/Olympus"})).status == 422
    assert (await yurii.post("/me", {"language": "xx", "time_zone": ""})).status == 400


async def test_the_command_line_makes_admins_and_passwords(database: Database, clock: Clock) -> None:
    async with database.write() as session:
        assert not await access.has_admin(session)
        await access.create_admin(session, "Root", "Root", PASSWORD, clock())
        assert await access.has_admin(session)
        with pytest.raises(access.AccessError, match="taken"):
            await access.create_admin(session, "root", "Other", PASSWORD, clock())
        with pytest.raises(access.AccessError, match="10 to 200"):
            await access.set_password(session, "root", "short")
        with pytest.raises(access.AccessError, match="nobody"):
            await access.set_password(session, "nobody", PASSWORD)
        token = await access.open_session(session, 1, clock(), "")
        await access.set_password(session, "root", "another long word")
        assert await access.find_session(session, access.session_hash(token), clock()) is None
        found = await access.find_password_hash(session, "root")
    assert found is not None
    assert password_hash.verify_password(found[1], "another long word")


async def test_whoever_has_left_gets_no_password_that_opens_nothing(database: Database, company: Company) -> None:
    async with database.write() as session:
        (await session.get_one(Employee, company.yurii)).active = False
        await session.flush()
        with pytest.raises(access.AccessError, match="yurii has left"):
            await access.set_password(session, "Yurii", "another long word")


async def test_sessions_that_are_over_are_cleared_away(database: Database, company: Company, clock: Clock) -> None:
    async with database.write() as session:
        await access.open_session(session, company.yurii, clock() - timedelta(hours=9), "")
        await access.open_session(session, company.yurii, clock(), "")
    assert len(await _sessions(database)) == 1


@pytest.mark.parametrize("changed", ["while it is checked", "while the session is begun"])
async def test_no_session_outlives_a_change_of_its_password(
    visitor: Visitors, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """A sign-in and a change of the password meet in either order; the old password opens nothing afterwards."""
    new = password_hash.hash_password("another long password")
    begin = access.open_session
    change: list[asyncio.Task[None]] = []

    async def change_password() -> None:
        async with database.write() as session:
            await access.keep_password_hash(session, company.yurii, new)

    async def check(_self: object, _hash: str | None, _password: str) -> bool:
        if changed == "while it is checked":
            await change_password()
        return True

    async def begin_slowly(session: AsyncSession, *rest: Any) -> str:
        token = await begin(session, *rest)
        change.append(asyncio.create_task(change_password()))
        await asyncio.wait(change, timeout=0.3)  # It has to wait for this sign-in's end.
        return token

    monkeypatch.setattr("leads.admin.passwords.Passwords.verify", check)
    if changed == "while the session is begun":
        monkeypatch.setattr(access, "open_session", begin_slowly)
    one = visitor()
    await one.sign_in("yurii")
    await asyncio.gather(*change)
    assert (await one.get("/live")).location.startswith("/sign-in")
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(PanelSession)) == 0
