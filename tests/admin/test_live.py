"""The live page's stream and the call's own page (X3, C2, C5): what comes, when, and to whom."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import event, update

from leads.admin import CallFeed, live
from leads.admin.context import PANEL
from leads.admin.questions import Questions
from leads.admin.sse import STREAMS_OF_ONE
from leads.domain.calls import Direction, Phase, Result, Role
from leads.store.board import running_calls
from leads.store.engine import Database
from leads.store.models import Employee, Lead, RoutingDecision
from tests.admin.calls import CALLER, add_call, end_call
from tests.admin.conftest import Clock, Company, Visitor

Visitors = Callable[[], Visitor]


@dataclass
class Events:
    """The events of one open page."""

    content: aiohttp.StreamReader

    async def next(self, kind: str) -> str:
        """The data of the next event of a kind; other kinds before it are passed over."""
        async with asyncio.timeout(20):
            while True:
                block = (await self.content.readuntil(b"\n\n")).decode()
                lines = dict(line.partition(": ")[::2] for line in block.strip().splitlines())
                if lines.get("event") == kind:
                    return lines["data"]

    async def calls(self) -> dict[str, str]:
        return dict(json.loads(await self.next("calls")))

    async def ended(self) -> bytes:
        """Wait until the server ends the stream; what still came."""
        async with asyncio.timeout(20):
            return await self.content.read()


@asynccontextmanager
async def opened(visitor: Visitor) -> AsyncIterator[Events]:
    async with visitor.client.get(f"{visitor.base}/live/stream") as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        yield Events(response.content)


async def test_a_call_shows_when_the_bell_rings_and_moves_when_it_ends(
    admin: Visitor, database: Database, feed: CallFeed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_SECONDS", 3600)
    async with opened(admin) as events:
        assert await events.calls() == {"running": "", "recent": "", "trouble": ""}
        call_id = await add_call(database, clock, "1.1")
        feed.notify()
        shown = await events.calls()
        assert f'id="call-{call_id}"' in shown["running"]
        assert "+380 50 123 4567" in shown["running"]
        assert "Щербань Юрій · 101" in shown["running"]
        await end_call(database, clock, call_id)
        feed.notify()
        shown = await events.calls()
        assert shown["running"] == ""
        assert "No answer" in shown["recent"]


async def test_a_call_that_another_server_wrote_shows_without_the_bell(
    admin: Visitor, database: Database, clock: Clock
) -> None:
    async with opened(admin) as events:
        await events.calls()
        await add_call(database, clock, "1.1")
        assert CALLER[-4:] in (await events.calls())["running"]


async def test_nothing_new_is_only_a_sign_of_life(
    admin: Visitor, feed: CallFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.05)
    async with opened(admin) as events:
        await events.calls()
        feed.notify()
        assert await events.next("beat") == "1"


async def _calls_of_everybody(database: Database, clock: Clock, company: Company) -> dict[str, int]:
    ended = {"phase": Phase.ENDED, "ended_at": clock(), "result": Result.ANSWERED}
    leg_102 = [{"endpoint": "PJSIP/102", "number": "102", "result": "answered"}]
    return {
        "rings at 101": await add_call(database, clock, "1.1"),
        "answered by 102": await add_call(database, clock, "1.2", legs=leg_102, employee_id=company.maria, **ended),
        "called by 102": await add_call(
            database, clock, "1.3", direction=Direction.OUTBOUND, caller="102", legs=[], did=None
        ),
        "101 to 102": await add_call(
            database, clock, "1.4", direction=Direction.INTERNAL, caller="101", dialled="102", outside_number=None
        ),
        "from outside as 101": await add_call(database, clock, "1.5", caller="101", legs=leg_102),
        "talked with 101's owner": await add_call(
            database, clock, "1.6", legs=leg_102, employee_id=company.yurii, **ended
        ),
    }


@pytest.mark.parametrize(
    ("login", "seen"),
    [
        ("yurii", {"rings at 101", "101 to 102", "talked with 101's owner"}),
        ("maria", {"answered by 102", "called by 102", "101 to 102", "from outside as 101", "talked with 101's owner"}),
        ("boss", {"rings at 101", "101 to 102", "talked with 101's owner"}),
        ("admin", None),
    ],
)
async def test_each_sees_the_calls_that_he_or_his_phones_are_on(
    visitor: Visitors, database: Database, company: Company, login: str, seen: set[str] | None
) -> None:
    calls = await _calls_of_everybody(database, Clock(), company)
    one = visitor()
    await one.sign_in(login)
    page = await one.get("/live")
    async with opened(one) as events:
        shown = await events.calls()
    for name, call_id in calls.items():
        expected = seen is None or name in seen
        assert (f'id="call-{call_id}"' in page.text) == expected, name
        assert (f'id="call-{call_id}"' in shown["running"] + shown["recent"]) == expected, name
        assert (await one.get(f"/calls/{call_id}")).status == (200 if expected else 404), name


async def test_a_call_leads_to_no_card_that_its_reader_may_not_open(
    yurii: Visitor,
    admin: Visitor,
    *,
    database: Database,
    clock: Clock,
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Yurii's phone rang for Maria's lead: he reads who called, and may open the card only while that one rings."""
    times = {"created_at": clock(), "updated_at": clock()}
    lead = Lead(name="Олег", named=True, status_id=1, responsible_id=company.maria, main_number=CALLER, **times)
    async with database.write() as session:
        session.add(lead)
        await session.flush()
    call = await add_call(database, clock, "1.1", lead_id=lead.id)
    await end_call(database, clock, call)

    async def seen_by(visitor: Visitor) -> list[str]:
        pages = [(await visitor.get(path)).text for path in ("/live", f"/calls/{call}")]
        async with opened(visitor) as events:
            return [*pages, (await events.calls())["recent"]]

    def leads_on(pages: list[str]) -> list[bool]:
        assert all("Олег" in page for page in pages)
        return [f'href="/leads/{lead.id}' in page for page in pages]

    assert leads_on(await seen_by(yurii)) == [False] * 3
    assert leads_on(await seen_by(admin)) == [True] * 3
    monkeypatch.setattr(Questions, "caller_rings", lambda *_who, **_whose: True)
    assert leads_on(await seen_by(yurii)) == [True] * 3


async def test_names_from_outside_show_as_text(admin: Visitor, database: Database, clock: Clock) -> None:
    name = '<script>alert("1")</script>'
    call_id = await add_call(database, clock, "1.1", caller_name=name)
    async with opened(admin) as events:
        shown = (await events.calls())["running"]
    for text in (shown, (await admin.get("/live")).text, (await admin.get(f"/calls/{call_id}")).text):
        assert "<script>" not in text
        assert "&lt;script&gt;" in text


async def test_a_consultation_is_part_of_its_call_and_no_line_of_its_own(
    admin: Visitor, database: Database, clock: Clock
) -> None:
    call_id = await add_call(database, clock, "1.1")
    clock.move(seconds=5)
    asked = await add_call(database, clock, "1.9", role=Role.CONSULTATION, parent_linkedid="1.1")
    assert f'id="call-{asked}"' not in (await admin.get("/live")).text
    assert f'id="call-{asked}"' in (await admin.get(f"/calls/{call_id}")).text


async def test_a_calls_page_tells_legs_transfers_and_reasons(admin: Visitor, database: Database, clock: Clock) -> None:
    transfer: dict[str, Any] = {"type": "blind", "by": "101", "to": "102", "result": "answered", "answered_by": "102"}
    leg = {"endpoint": "PJSIP/101", "number": "101", "result": "busy"}
    queue = {"endpoint": "sales-desk", "number": None, "result": "no-answer", "kind": "queue"}
    mailbox = {"endpoint": "101", "number": None, "result": None, "kind": "voicemail"}
    legs = [queue, leg | {"kind": "picked-up"}, mailbox]
    call_id = await add_call(database, clock, "1.1", legs=legs, transfers=[transfer])
    decision = {"reasons": ["It is <b>Tuesday</b>."], "name": "Щербань", "steps": []}
    async with database.write() as session:
        session.add(RoutingDecision(pbx="asterisk", linkedid="1.1", decided_at=clock(), decision=decision))
    page = (await admin.get(f"/calls/{call_id}")).text
    told = ("Queue", "sales-desk", "picked the call up", "Voicemail", "Blind transfer", "Busy")
    for words in (*told, "Марія Коваленко · 102", "It is &lt;b&gt;Tuesday&lt;/b&gt;.", "Щербань"):
        assert words in page


async def test_signing_out_ends_the_open_page_at_once(admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BEAT_SECONDS", 3600)
    async with opened(admin) as events:
        await events.calls()
        await admin.post("/sign-out")
        assert b"event: signed-out" in await events.ended()


async def test_a_session_that_ended_elsewhere_ends_the_open_page(
    yurii: Visitor, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.05)
    async with opened(yurii) as events:
        await events.calls()
        async with database.write() as session:
            await session.execute(update(Employee).where(Employee.id == company.yurii).values(active=False))
        assert b"event: signed-out" in await events.ended()


async def test_open_pages_end_when_the_server_stops(app: web.Application, admin: Visitor) -> None:
    async with opened(admin) as events:
        await events.calls()
        await app[PANEL].live.stop()
        await events.ended()
        assert (await admin.get("/live/stream")).status == 503


async def test_one_session_has_a_bounded_number_of_open_pages(admin: Visitor) -> None:
    async with opened(admin) as first:
        await first.calls()
        streams = [opened(admin) for _page in range(STREAMS_OF_ONE)]
        for stream in streams:
            await (await stream.__aenter__()).calls()
        assert b"event: moved" in await first.ended()
        for stream in streams:
            await stream.__aexit__(None, None, None)


async def test_the_server_has_a_bounded_number_of_open_pages(admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_STREAMS", 1)
    async with opened(admin) as events:
        await events.calls()
        assert (await admin.get("/live/stream")).status == 503


async def test_strangers_get_no_stream(visitor: Visitors, company: Company) -> None:
    assert (await visitor().get("/live/stream")).status == 401
    assert (await visitor().get("/live/session")).status == 303


async def test_the_newest_calls_come_first_and_no_more_than_fit(
    admin: Visitor, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LINES_SHOWN", 2)
    ids = []
    for number in range(3):
        clock.now += timedelta(minutes=1)
        ids.append(await add_call(database, clock, f"1.{number}", phase=Phase.ENDED, result=Result.BUSY))
    page = (await admin.get("/live")).text
    assert f"call-{ids[0]}" not in page
    assert page.index(f"call-{ids[2]}") < page.index(f"call-{ids[1]}")


async def test_a_busy_company_leaves_each_his_own_recent_calls(
    visitor: Visitors, database: Database, clock: Clock, feed: CallFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leads.store.board.MOST_RECENT", 3)
    leg_102 = [{"endpoint": "PJSIP/102", "number": "102", "result": "busy"}]

    async def ended(linkedid: str, **changed: Any) -> int:
        clock.now += timedelta(minutes=1)
        return await add_call(database, clock, linkedid, phase=Phase.ENDED, result=Result.BUSY, **changed)

    mine = [await ended("1.1"), await ended("1.2")]
    for number in range(7):
        await ended(f"2.{number}", legs=leg_102)
    mine.append(await ended("1.3"))
    yurii = visitor()
    await yurii.sign_in("yurii")
    page = (await yurii.get("/live")).text
    assert [f'id="call-{call_id}"' in page for call_id in mine] == [True, True, True]
    async with opened(yurii) as events:
        assert all(f'id="call-{call_id}"' in shown for shown in [(await events.calls())["recent"]] for call_id in mine)
        # Colleagues' calls push his last one off the board, and it stays on his page.
        for number in range(4):
            await ended(f"3.{number}", legs=leg_102)
        mine.append(await ended("1.4"))
        feed.notify()
        shown = (await events.calls())["recent"]
        assert [f'id="call-{call_id}"' in shown for call_id in mine] == [True, True, True, True]
        places = [shown.index(f'id="call-{call_id}"') for call_id in mine]
        assert places == sorted(places, reverse=True)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_running_calls_are_found_without_reading_all_calls(database: Database) -> None:
    statements: list[tuple[str, Any]] = []
    event.listen(
        database.engine.sync_engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, parameters, *_rest: statements.append((statement, parameters)),
    )
    async with database.read() as session:
        await running_calls(session)
        statement, parameters = next(sent for sent in statements if sent[0].startswith("SELECT"))
        plan = await (await session.connection()).exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        assert "ix_call_live" in plan.all()[0][3]


@pytest.mark.parametrize("path", ["/live/stream", "/live/questions/stream"])
async def test_a_stream_has_no_head_alone(yurii: Visitor, path: str) -> None:
    """Its events would be taken for the next answer on the connection, and it would never end."""
    async with asyncio.timeout(20), yurii.client.head(yurii.base + path) as answer:
        assert answer.status == 405
