"""In Chromium: a status plans, a task is given, and who is to do both is told on whatever page (P2, P5, P6)."""

import pytest

from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead
from tests.admin.browser import window
from tests.admin.conftest import Clock, Company

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)]


async def test_a_sales_day(chromium: str, address: str, database: Database, company: Company, clock: Clock) -> None:
    edit = LeadEdit("Петро", ("+380501234567",), "", "", "", None, 2, company.yurii, None)
    lead = f"/leads/{await create_lead(database, edit, by=None, clock=clock, region='UA')}"
    async with window(chromium, address, width=390) as mine:
        page = mine.page
        await mine.sign_in("yurii")
        await mine.goto(lead)
        await page.select_option("#status_id", "1")
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.get_by_text("Saved. A call is planned for Tue, 3 Mar.").wait_for()
        await page.get_by_text("Move or note it").first.press("Enter")
        await page.fill("#plan_day", "2026-03-02")
        await page.get_by_role("button", name="Move or note it").click()
        await page.get_by_label("Reminders").get_by_text("Time to call Петро").wait_for()
        await page.locator("[data-day-count]", has_text="1").wait_for()
        await page.get_by_label("Reminders").get_by_role("button").click()
        await page.get_by_text("New task").press("Enter")
        await page.fill("#task_text", "Надіслати прайс")
        await page.get_by_role("button", name="Give the task").click()
        await page.get_by_text("The task is given.").wait_for()
        for path in ("/day", "/plans", lead):
            await mine.goto(path)
            assert not await mine.scrolls_sideways(), path
        await mine.goto("/day")
        await page.get_by_role("button", name="Done").click()
        await page.get_by_text("No tasks").wait_for()
        assert mine.complaints == []
