"""A recorded call from the trunk to the panel's player, with the real server (C12)."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import pytest

from leadline.demo.outside_line import OutsideLine
from leadline.demo.scenarios import Behaviour
from leadline.demo.sipp import await_value
from leadline.demo.voice import Voice
from leads.store.access import create_admin
from leads.store.engine import Database
from tests.admin.conftest import Visitor
from tests.conftest import run_apart
from tests.lab.conftest import Call, LeadlineServer, Pbx, Phones
from tests.lab.recorded import await_written, recordings_in

STRANGER, MAIN = "+380501234567", "0441234567"
PASSWORD = "correct horse battery"
TOLERANCE = 1.0


@pytest.fixture
def server(leadline_server: LeadlineServer) -> LeadlineServer:
    """A server by whose company's choice all calls are recorded."""
    leadline_server.execute("UPDATE recording_setting SET calls = 'all'")
    return leadline_server


def the_recording(server: LeadlineServer, asterisk: Pbx) -> dict[str, object]:
    """The last one, all of it written."""
    server.await_ended_calls()
    await_written(asterisk.instance)
    return server.await_rows(
        "SELECT recording.* FROM recording JOIN call USING (pbx, linkedid) WHERE recording.deleted_at IS NULL"
    )[-1]


@dataclass(frozen=True)
class Session:
    """A signed-in browser, between requests that are far apart."""

    base: str
    cookies: aiohttp.CookieJar
    csrf: str

    async def hear(self, recording: object) -> bytes:
        async with (
            aiohttp.ClientSession(cookie_jar=self.cookies) as client,
            client.get(f"{self.base}/recordings/{recording}/audio") as answer,
        ):
            assert answer.status == 200
            return await answer.read()

    async def press(self, call: object, what: str) -> None:
        async with aiohttp.ClientSession(cookie_jar=self.cookies) as client:
            visitor = Visitor(self.base, client, self.csrf)
            assert (await visitor.post(f"/calls/{call}/recording/{what}")).status == 303


async def _sign_in(server: LeadlineServer) -> Session:
    async with aiohttp.ClientSession(cookie_jar=(jar := aiohttp.CookieJar(unsafe=True))) as client:
        visitor = Visitor(f"http://127.0.0.1:{server.panel_port}", client)
        assert (await visitor.sign_in("boss", PASSWORD)).status == 303
        return Session(visitor.base, jar, visitor.csrf)


async def _boss(server: LeadlineServer, phone: str) -> Session:
    """An administrator with a right to listen, at `phone`, signed in."""
    database = Database(server.settings["LEADLINE_DATABASE_URL"])
    async with database.write() as session:
        key = await create_admin(session, "boss", "Boss", PASSWORD, datetime.now(UTC))
    await database.dispose()
    server.execute("UPDATE extension SET employee_id = ? WHERE number = ?", key, phone)
    return await _sign_in(server)


def length(audio: bytes) -> float:
    return (len(audio) - 44) / 16000


def test_an_inbound_call_is_heard_in_the_panel(
    asterisk: Pbx, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    boss = run_apart(_boss(server, "101"))
    phones("101", Behaviour(ring_seconds=0.5))
    placed = call(STRANGER, MAIN, talk_seconds=3)
    with Voice(placed.await_answer().messages):
        outcome = placed.wait_one()
    assert outcome.answered_at
    assert outcome.ended_at
    audio = run_apart(boss.hear(the_recording(server, asterisk)["id"]))
    talked = (outcome.ended_at - outcome.answered_at).total_seconds()
    assert length(audio) == pytest.approx(talked, abs=TOLERANCE)


def test_an_outgoing_call_is_recorded_by_what_leadline_keeps_in_asterisk(
    asterisk: Pbx, server: LeadlineServer, call: Call
) -> None:
    boss = run_apart(_boss(server, "101"))
    await_value(
        lambda: "all" in asterisk.instance.cli("database get leadline-record outgoing") or None, 10, "the choice"
    )
    with OutsideLine(asterisk.values.trunk_port, Behaviour(ring_seconds=0.5)) as outside:
        placed = call("102", "0675554433", account=asterisk.account("102"), talk_seconds=2)
        placed.await_answer()
        with Voice(outside.calls()[0].messages):
            placed.wait_one()
        line = outside.await_end()
    assert line.answered_at
    assert line.ended_at
    audio = run_apart(boss.hear(the_recording(server, asterisk)["id"]))
    assert length(audio) == pytest.approx((line.ended_at - line.answered_at).total_seconds(), abs=TOLERANCE)


def test_nothing_is_left_of_a_call_that_nobody_answers(
    asterisk: Pbx, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("101", Behaviour(status=486, ring_seconds=0.1))
    before = recordings_in(asterisk.instance.recordings)
    call(STRANGER, MAIN).wait_one()
    (row,) = server.await_ended_calls()
    await_value(lambda: not (recordings_in(asterisk.instance.recordings) - before) or None, 30, "the empty file to go")
    assert server.rows("SELECT * FROM recording WHERE linkedid = ?", row["linkedid"]) == []


def test_the_talker_pauses_and_resumes_in_the_panel(
    asterisk: Pbx, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    boss = run_apart(_boss(server, "101"))
    phones("101", Behaviour(ring_seconds=0.1))
    placed = call(STRANGER, MAIN, talk_seconds=10)
    with Voice(placed.await_answer().messages):
        (row,) = server.await_rows("SELECT * FROM call WHERE phase = 2 AND employee_id IS NOT NULL")
        run_apart(boss.press(row["id"], "pause"))
        paused = datetime.now().astimezone()
        time.sleep(3)
        run_apart(boss.press(row["id"], "resume"))
        lost = (datetime.now().astimezone() - paused).total_seconds()
        outcome = placed.wait_one()
    assert outcome.answered_at
    assert outcome.ended_at
    audio = run_apart(boss.hear(the_recording(server, asterisk)["id"]))
    talked = (outcome.ended_at - outcome.answered_at).total_seconds()
    assert length(audio) == pytest.approx(talked - lost, abs=TOLERANCE)
