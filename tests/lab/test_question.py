"""The question on the screen with real phones: who rings, Accept, Reject, several windows (C10), the card, calls (C11).

Chromium shows the panel, sipp is the phones; what counts is what their ends saw.
"""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from leadline.demo.outside_line import OutsideLine
from leadline.demo.scenarios import Behaviour
from leads.store.password_hash import hash_password
from tests.admin.browser import Window, window
from tests.admin.chromium import chromium_process
from tests.admin.conftest import PASSWORD, Visitor
from tests.lab.conftest import Call, LeadlineServer, Pbx, Phones, running_server

pytestmark = pytest.mark.alone

STRANGER = "+380501234567"
MELNYCHENKO = "+380672223344"
MAIN = "0441234567"
RINGS_ON = Behaviour(status=None)
TALKS = Behaviour(status=None, on_talk=200)
QUICK = Behaviour(ring_seconds=0.05)
WATCH = """
window.seen = {};
new MutationObserver(() => {
  const now = performance.timeOrigin + performance.now();
  for (const one of document.querySelectorAll(".question")) window.seen[one.dataset.ring] ??= now;
}).observe(document.getElementById("questions"), { childList: true, subtree: true });
"""


@pytest.fixture(scope="module")
def people(filled_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration company, whose employees may use the panel."""
    path = tmp_path_factory.mktemp("people") / "people.db"
    path.write_bytes(filled_database.read_bytes())
    connection = sqlite3.connect(path)
    with connection:
        for login, employee in (("olena", 1), ("andriy", 2), ("mariia", 3)):
            connection.execute(
                "UPDATE employee SET login = ?, password_hash = ? WHERE id = ?",
                (login, hash_password(PASSWORD), employee),
            )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture(scope="module")
def server(asterisk: Pbx, people: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeadlineServer]:
    """One server for all of these tests."""
    with running_server(asterisk, people, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chromium_process(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture(autouse=True)
def quiet(asterisk: Pbx, phones: Phones, call: Call) -> Iterator[None]:
    """Each test leaves no call behind, whatever its caller did."""
    yield
    asterisk.instance.cli("channel request hangup all")
    asterisk.await_idle()


@asynccontextmanager
async def desk_of(login: str, chromium: str, server: LeadlineServer) -> AsyncIterator[Window]:
    async with window(chromium, f"http://127.0.0.1:{server.panel_port}") as opened:
        await opened.sign_in(login)
        await opened.page.evaluate(WATCH)
        yield opened


def moment(seen: float) -> datetime:
    return datetime.fromtimestamp(seen / 1000, UTC)


async def seen_at(page: Page) -> datetime:
    """When the first question came into the page."""
    await expect(page.locator(".question")).to_have_count(1)
    return moment(min((await page.evaluate("window.seen")).values()))


async def test_the_question_shows_within_300_ms_of_the_phones_invite(
    chromium: str, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phone = phones("101", RINGS_ON)
    async with desk_of("olena", chromium, server) as desk:
        calls = call(MELNYCHENKO, MAIN)
        shown = await seen_at(desk.page)
        assert (shown - phone.calls()[0].invited_at).total_seconds() < 0.3
        question = desk.page.locator(".question")
        await expect(question).to_contain_text("Ольга Мельниченко")
        await expect(question).to_contain_text("+380 67 222 3344")
        await expect(question.get_by_role("link", name="Ольга Мельниченко")).to_have_attribute("href", "/leads/2")
        calls.break_off()
        assert desk.complaints == []


async def test_accept_makes_the_phone_answer_and_the_question_goes(
    chromium: str, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phone = phones("101", TALKS)
    async with desk_of("olena", chromium, server) as desk:
        calls = call(MELNYCHENKO, MAIN, talk_seconds=0.5)
        await desk.page.click("[data-act=accept]")
        await expect(desk.page.locator(".question")).to_have_count(0)
        await asyncio.to_thread(calls.wait_one)
        assert phone.await_end().end == "ended"
        assert desk.complaints == []


@pytest.mark.parametrize("on_talk", [None, 489])
async def test_a_phone_that_does_not_answer_when_asked_is_told_of_and_rings_on(
    chromium: str, server: LeadlineServer, phones: Phones, call: Call, on_talk: int | None
) -> None:
    phone = phones("101", Behaviour(status=None, on_talk=on_talk))
    async with desk_of("olena", chromium, server) as desk:
        calls = call(MELNYCHENKO, MAIN)
        await desk.page.click("[data-act=accept]")
        said = desk.page.locator(".question [data-said]")
        await expect(said).to_have_text("This phone does not accept remote answer")
        assert phone.calls()[0].end == "ringing"
        assert calls.outcomes()[0].status is None


async def test_reject_sends_the_caller_on_and_he_hears_nothing_of_it(
    chromium: str, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    """Olena is responsible; after her the group rings, of which Andriy is one, and her phone again."""
    olena, andriy = phones("101", RINGS_ON), phones("102", RINGS_ON)
    async with desk_of("olena", chromium, server) as desk:
        calls = call(MELNYCHENKO, MAIN)
        await desk.page.click("[data-act=reject]")
        next_one = await asyncio.to_thread(andriy.await_call)
        # Of two phones that are told at once one may say so later.
        rejected = await asyncio.to_thread(olena.await_end)
        (outcome,) = calls.outcomes()
        cancel = next(message for message in rejected.messages if message.method == "CANCEL")
        assert cancel.header("Reason") == "Q.850;cause=21"
        assert rejected.end == "cancelled"
        assert (next_one.invited_at - cancel.at).total_seconds() < 0.2
        assert (outcome.status, {status for _at, status in outcome.heard}) == (None, {100, 180})
        assert len([message for message in outcome.messages if message.method == "INVITE"]) == 1
        calls.break_off()
    server.await_rows("SELECT * FROM call WHERE legs LIKE '%rejected%'")


async def test_reject_stops_that_phone_only(chromium: str, server: LeadlineServer, phones: Phones, call: Call) -> None:
    """A stranger's call rings both phones of the group at once."""
    olena, andriy = phones("101", RINGS_ON), phones("102", RINGS_ON)
    async with desk_of("olena", chromium, server) as desk:
        calls = call("+380501234569", MAIN)
        await desk.page.click("[data-act=reject]")
        await expect(desk.page.locator(".question")).to_have_count(0)
        await asyncio.to_thread(olena.await_end)
        assert [one.end for one in andriy.calls()] == ["ringing"]
        (outcome,) = calls.outcomes()
        assert (outcome.status, {status for _at, status in outcome.heard}) == (None, {100, 180})


async def test_a_hundred_rejects_that_race_an_answer_end_no_conversation(
    server: LeadlineServer, phones: Phones, call: Call
) -> None:
    """Ten times ten calls, each rejected as Olena's phone answers it; whom she loses, Andriy takes at once.

    Who came too late lets the next reject come a little earlier, and the other way round: so they meet.
    """
    server.execute("UPDATE employee SET call_waiting = 1 WHERE id = 1")
    olena = phones("101", Behaviour(ring_seconds=0.5))
    phones("102", QUICK)
    said: Counter[str] = Counter()
    pause = 0.4
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        visitor = Visitor(f"http://127.0.0.1:{server.panel_port}", client)
        await visitor.sign_in("olena")

        async def reject(ring: str) -> None:
            nonlocal pause
            await asyncio.sleep(pause)
            answer = await visitor.post("/questions/reject", {"ring": ring})
            outcome = json.loads(answer.text)["outcome"]
            said[outcome] += 1
            pause = max(0.0, pause + (0.008 if outcome == "rejected" else -0.008))

        for _turn in range(10):
            async with client.get(f"{visitor.base}/live/questions/stream") as stream, asyncio.TaskGroup() as tasks:
                calls = call(MELNYCHENKO, MAIN, talk_seconds=1.0, count=10)
                rings: set[str] = set()
                while len(rings) < 10:
                    block = (await stream.content.readuntil(b"\n\n")).decode()
                    for question in json.loads(block.partition("data: ")[2]) if "event: questions" in block else ():
                        if question["id"] not in rings and len(rings) < 10:
                            rings.add(question["id"])
                            tasks.create_task(reject(question["id"]))
            for outcome in await asyncio.to_thread(calls.wait):
                assert (outcome.status, outcome.hung_up_by) == (200, "caller")
                assert outcome.answered_at is not None
                assert outcome.ended_at is not None
                assert (outcome.ended_at - outcome.answered_at).total_seconds() > 0.9
    server.execute("UPDATE employee SET call_waiting = 0 WHERE id = 1")
    assert sum(said.values()) == 100
    assert said["rejected"] > 10, said
    assert said["answered"] + said["late"] > 10, said
    assert len(olena.calls()) >= 100


async def test_typed_text_and_focus_stay_and_the_buttons_are_reached_by_keyboard(
    chromium: str, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("101", TALKS)
    async with desk_of("olena", chromium, server) as desk:
        page = desk.page
        await desk.goto("/leads/new")
        await page.fill("#name", "Half a na")
        await page.focus("#name")
        calls = call(MELNYCHENKO, MAIN, talk_seconds=0.3)
        await expect(page.locator(".question")).to_have_count(1)
        await page.keyboard.type("me")
        assert await page.input_value("#name") == "Half a name"
        assert await page.locator("[data-list]").get_attribute("aria-live") == "assertive"
        await page.keyboard.press("F8")
        await expect(page.locator("[data-act=accept]")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator(".question")).to_have_count(0)
        await expect(page.locator("#name")).to_be_focused()
        await asyncio.to_thread(calls.wait_one)
        assert await page.input_value("#name") == "Half a name"


async def test_in_several_windows_one_question_one_action_and_it_goes_from_all(
    chromium: str, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phone = phones("101", TALKS)
    async with desk_of("olena", chromium, server) as desk:
        other = await desk.page.context.new_page()
        await other.goto(f"{desk.address}/leads")
        calls = call(MELNYCHENKO, MAIN, talk_seconds=0.5)
        for page in (desk.page, other):
            await expect(page.locator(".question")).to_have_count(1)
        accept = "document.querySelector('[data-act=accept]')?.click()"
        await asyncio.gather(*(page.evaluate(accept) for page in (desk.page, other)))
        for page in (desk.page, other):
            await expect(page.locator(".question")).to_have_count(0)
        await asyncio.to_thread(calls.wait_one)
        asked = [message for message in phone.messages() if message.method == "NOTIFY" and not message.sent]
        assert len({message.header("CSeq") for message in asked if message.header("Event") == "talk"}) == 1


async def test_the_question_goes_when_a_colleague_answers_and_when_the_caller_gives_up(
    chromium: str, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("101", RINGS_ON)
    phones("102", Behaviour(ring_seconds=3.0))
    async with desk_of("olena", chromium, server) as desk:
        question = desk.page.locator(".question")
        calls = call(STRANGER, MAIN, talk_seconds=0.3)
        await expect(question).to_have_count(1)
        ring = await question.get_attribute("data-ring")
        await expect(question).to_have_count(0)
        await asyncio.to_thread(calls.wait_one)
        late = await post(desk.page, "/questions/reject", ring=ring)
        assert late == {"outcome": "elsewhere", "text": "Somebody else has answered this call."}
        calls = call("+380501234568", MAIN, patience_seconds=0.7)
        await asyncio.to_thread(calls.wait_one)
        # It shows for less than the time between two looks of `expect`.
        await desk.page.wait_for_function("Object.keys(window.seen).length === 2")
        await expect(question).to_have_count(0)


async def post(page: Page, address: str, **fields: str | None) -> dict[str, str]:
    """What a window of ours would send."""
    script = """async ([address, fields]) => {
      const csrf = document.querySelector("input[name=csrf]").value;
      const body = new URLSearchParams({ csrf, ...fields });
      const answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } });
      return answer.json();
    }"""
    return dict(await page.evaluate(script, [address, fields]))


async def test_nobody_answers_or_rejects_on_anothers_phone(
    chromium: str, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phone = phones("101", TALKS)
    async with desk_of("olena", chromium, server) as desk, desk_of("mariia", chromium, server) as stranger:
        calls = call(MELNYCHENKO, MAIN)
        await expect(desk.page.locator(".question")).to_have_count(1)
        ring = await desk.page.locator(".question").get_attribute("data-ring")
        for action in ("accept", "reject"):
            assert (await post(stranger.page, f"/questions/{action}", ring=ring))["outcome"] == "over"
        assert await stranger.page.locator(".question").count() == 0
        assert phone.calls()[0].end == "ringing"
        calls.break_off()


async def test_a_notification_carries_the_buttons_while_the_window_is_in_the_background(
    chromium: str, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phone = phones("101", TALKS)
    async with desk_of("olena", chromium, server) as desk:
        context = desk.page.context
        await context.grant_permissions(["notifications"], origin=desk.address)
        await desk.goto("/leads")
        worker = (
            context.service_workers[0] if context.service_workers else await context.wait_for_event("serviceworker")
        )
        await desk.page.evaluate("navigator.serviceWorker.getRegistration('/static/').then((one) => one.active)")
        await desk.page.evaluate("document.hasFocus = () => false")
        await worker.evaluate("self.clients.matchAll = async () => []")
        calls = call(MELNYCHENKO, MAIN, talk_seconds=0.5)
        await expect(desk.page.locator(".question")).to_have_count(1)
        shown = """self.registration.getNotifications().then(
            (all) => all.map((one) => [one.title, one.actions.map((action) => action.title)]))"""
        for _turn in range(100):
            if notifications := await worker.evaluate(shown):
                break
            await asyncio.sleep(0.05)
        assert notifications == [["Ольга Мельниченко calls", ["Accept", "Reject"]]]
        said = await worker.evaluate("self.registration.getNotifications().then(([one]) => act('accept', one))")
        assert said["outcome"] == "answered"
        await asyncio.to_thread(calls.wait_one)
        assert phone.await_end().end == "ended"
        assert await worker.evaluate(shown) == []


async def test_the_key_opens_the_callers_card_during_the_call(
    chromium: str, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("101", QUICK)
    async with desk_of("olena", chromium, server) as desk:
        await desk.page.keyboard.press("Control+q")
        await expect(desk.page.locator("[data-word]")).to_have_text("You are on no call at this moment.")
        calls = call("+380509998877", MAIN, talk_seconds=None)
        await asyncio.to_thread(calls.await_answer)
        server.await_rows("SELECT id FROM call WHERE phase = 2 AND outside_number = ?", "+380509998877")
        await desk.page.keyboard.press("Control+q")
        await expect(desk.page.locator("h1")).to_have_text("+380 50 999 8877")
        calls.break_off()
        await desk.goto("/me")
        await desk.page.focus("#card_key")
        await desk.page.keyboard.press("Alt+Shift+k")
        await expect(desk.page.locator("#card_key")).to_have_value("Alt+Shift+K")


async def test_a_number_on_a_card_is_called_from_ones_own_phone(
    asterisk: Pbx, chromium: str, server: LeadlineServer, phones: Phones
) -> None:
    phone = phones("101", QUICK)
    async with desk_of("olena", chromium, server) as desk:
        with OutsideLine(asterisk.values.trunk_port, Behaviour(ring_seconds=0.2, talk_seconds=0.5)) as outside:
            await desk.goto("/leads/2")
            await desk.page.click("[data-call] button")
            await expect(desk.page.locator("[data-word]")).to_contain_text("Your phone 101 rings")
            assert await desk.page.locator(".question").count() == 0
            own = await asyncio.to_thread(phone.await_end)
            assert len(outside.calls()) == 1
    assert (own.name, own.number) == ("Olha Melnychenko", MELNYCHENKO)
    (row,) = server.await_rows("SELECT * FROM call WHERE ended_at IS NOT NULL AND direction = 'outbound'")
    assert (row["caller"], row["outside_number"], row["lead_id"], row["result"], row["employee_id"]) == (
        "101",
        MELNYCHENKO,
        2,
        "answered",
        1,
    )
