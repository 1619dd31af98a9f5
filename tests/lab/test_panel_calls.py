"""Real calls in a day's work: a missed one comes to its employee's day, the Call button there fulfils (P3, P7)."""

import asyncio
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import expect

from leadline.demo.outside_line import OutsideLine
from leadline.demo.scenarios import Behaviour
from leads.store.password_hash import hash_password
from tests.admin.browser import window
from tests.admin.chromium import chromium_process
from tests.admin.conftest import PASSWORD
from tests.lab.conftest import Call, LeadlineServer, Pbx, Phones, running_server

MELNYCHENKO, MAIN = "+380672223344", "0441234567"


@pytest.fixture(scope="module")
def server(asterisk: Pbx, filled_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeadlineServer]:
    """A server whose employee Olena (phone 101) may use the panel."""
    folder = tmp_path_factory.mktemp("panel-calls")
    path = folder / "people.db"
    path.write_bytes(filled_database.read_bytes())
    connection = sqlite3.connect(path)
    with connection:
        update = "UPDATE employee SET login = 'olena', password_hash = ? WHERE id = 1"
        connection.execute(update, (hash_password(PASSWORD),))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with running_server(asterisk, path, folder) as running:
        yield running


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chromium_process(tmp_path_factory.mktemp("chromium")) as address:
        yield address


async def test_a_missed_call_is_called_back_from_the_day_and_fulfils_what_was_planned(
    asterisk: Pbx, chromium: str, server: LeadlineServer, phones: Phones, call: Call
) -> None:
    """Olena, whose lead Melnychenko is, does not answer her; calling back, she takes her own phone at once."""
    phones("101", Behaviour(status=None))
    async with window(chromium, f"http://127.0.0.1:{server.panel_port}") as desk:
        page = desk.page
        await desk.sign_in("olena")
        await desk.goto("/leads/2")
        plan = page.locator("section", has=page.locator("#plan-title"))
        await plan.locator("summary").first.press("Enter")
        await page.fill("#plan_day", f"{datetime.now(ZoneInfo('Europe/Kyiv')):%Y-%m-%d}")
        await plan.locator("details button").first.click()
        await expect(plan.locator(".planned-when")).to_contain_text("Today")

        await asyncio.to_thread(call(MELNYCHENKO, MAIN, patience_seconds=2.0).wait_one)
        phone = phones("101", Behaviour(ring_seconds=0.1))
        server.await_rows("SELECT id FROM task WHERE kind = 'missed' AND done_at IS NULL AND lead_id = 2")
        await desk.goto("/day")
        missed = page.locator("section", has=page.locator("#missed-title"))
        planned = page.locator("section", has=page.locator("#calls-title"))
        await expect(missed.locator(".work-row")).to_contain_text("1 missed call")
        await expect(planned.locator(".work-row")).to_contain_text("Ольга Мельниченко")

        with OutsideLine(asterisk.values.trunk_port, Behaviour(ring_seconds=0.2, talk_seconds=0.5)) as outside:
            await planned.get_by_role("button", name="Call now").click()
            await expect(page.locator("[data-word]")).to_contain_text("Your phone 101 rings")
            server.await_rows("SELECT id FROM planned_call WHERE lead_id = 2 AND state = 'done'")
            assert len(outside.calls()) == 1
        assert len(phone.calls()) == 2
        await desk.goto("/day")
        await expect(page.get_by_text("Nobody waits to be called back")).to_be_visible()
        await expect(page.get_by_text("No call is due")).to_be_visible()
        await desk.goto("/leads/2")
        await plan.get_by_text("Earlier ones").press("Enter")
        await expect(plan.locator(".event").first).to_contain_text("Done")
        assert desk.complaints == []
