"""Signed-in browsers: listed and signed out by their owner; open pages end with them, whoever ended them (X1)."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from leads.admin import live, question_pages, session_watch
from leads.admin.sessions import browser_name
from leads.store import access
from leads.store.engine import Database
from leads.store.models import Employee, PanelSession
from tests.admin.conftest import Clock, Company, Visitor
from tests.admin.test_live import Events

Visitors = Callable[[], Visitor]
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1"
_KEY = re.compile(r'name="session" value="([0-9a-f]{64})"')


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (CHROME, "Chrome on Windows"),
        (CHROME + " Edg/140.0", "Edge on Windows"),
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        ("curl/8", "An unknown browser"),
    ],
)
def test_browsers_are_called_what_people_call_them(said: str, name: str) -> None:
    assert browser_name(said) == name


async def test_a_person_sees_his_browsers_and_signs_one_out(yurii: Visitor, visitor: Visitors, admin: Visitor) -> None:
    other = visitor()
    await other.sign_in("yurii")
    keys = _KEY.findall((await yurii.get("/me")).text)
    assert len(keys) == 2, "not the administrator's"
    assert (await yurii.post("/me/sessions/end", {"session": keys[1]})).location == "/me"
    assert (await other.get("/live")).status == 303
    assert _KEY.findall((await yurii.get("/me")).text) == keys[:1]
    assert (await yurii.post("/me/sessions/end", {"session": keys[0]})).location == "/sign-in"
    assert (await yurii.get("/live")).status == 303
    assert (await admin.get("/live")).status == 200


async def test_nobody_signs_out_anothers_browser_by_its_key(yurii: Visitor, admin: Visitor) -> None:
    (key,) = _KEY.findall((await admin.get("/me")).text)
    await yurii.post("/me/sessions/end", {"session": key})
    assert (await admin.get("/live")).status == 200


async def test_signing_out_everywhere_ends_all_of_ones_sessions_only(
    yurii: Visitor, visitor: Visitors, admin: Visitor, company: Company
) -> None:
    other = visitor()
    await other.sign_in("yurii")
    assert (await yurii.post("/me/sessions/end-all")).location == "/sign-in"
    for one in (yurii, other):
        assert (await one.get("/live")).status == 303
    assert (await admin.get("/live")).status == 200
    await other.sign_in("yurii")
    await admin.get("/me")
    await admin.post(f"/company/employees/{company.yurii}/sign-out")
    assert (await other.get("/live")).status == 303


async def test_sessions_that_are_over_are_not_listed(yurii: Visitor, database: Database, clock: Clock) -> None:
    async with database.write() as session:
        await session.execute(update(PanelSession).values(seen_at=clock() - timedelta(hours=9)))
        employee = await session.scalar(select(Employee.id).where(Employee.login == "yurii"))
        assert employee is not None
        await access.open_session(session, employee, clock(), FIREFOX)
        assert len(await access.sessions_of(session, employee, clock())) == 1


@pytest.mark.parametrize("stream", ["/live/stream", "/live/questions/stream"])
@pytest.mark.parametrize("how", ["deactivated", "signed out", "idle"])
async def test_an_open_page_ends_soon_after_its_session_whoever_ended_it(
    *, yurii: Visitor, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch, stream: str, how: str
) -> None:
    """Another process does so; nothing here tells the page but the look at all sessions, some times in five seconds."""
    assert session_watch.LOOK_SECONDS <= 4
    monkeypatch.setattr(session_watch, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(live, "BEAT_SECONDS", 3600)
    monkeypatch.setattr(question_pages, "BEAT_SECONDS", 3600)
    async with yurii.client.get(yurii.base + stream) as response:
        events = Events(response.content)
        await events.next("calls" if stream == "/live/stream" else "questions")
        if how == "idle":
            clock.move(hours=9)
        async with database.write() as session:
            if how == "deactivated":
                await session.execute(update(Employee).where(Employee.login == "yurii").values(active=False))
            elif how == "signed out":
                await session.execute(delete(PanelSession))
        assert b"event: signed-out" in await events.ended()
