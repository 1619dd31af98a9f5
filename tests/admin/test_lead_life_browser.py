"""A lead's life in a real browser: it becomes a person's, and ticked leads change hands by keyboard (L4, L8)."""

import re

import pytest
from playwright.async_api import expect

from tests.admin.browser import window
from tests.admin.conftest import Company

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)]


async def test_a_lead_is_closed_to_a_contact_person(chromium: str, address: str, company: Company) -> None:
    async with window(chromium, address, width=390) as desk:
        await desk.sign_in("admin")
        page = desk.page
        await page.goto(f"{address}/counterparties/new")
        await page.locator("[name=name]").fill("ТОВ «Ромашка»")
        await page.get_by_role("button", name="Add a contact person").click()
        await page.keyboard.type("Ольга")
        await page.get_by_role("button", name="Save").last.click()
        await expect(page).to_have_url(re.compile(r"/counterparties/\d+$"))
        await page.goto(f"{address}/leads/new?number=0501234567")
        await page.get_by_role("button", name="Make the lead").click()
        await page.get_by_role("link", name="Choose counterparty").click()
        await page.get_by_role("searchbox").fill("ромаш")
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="ТОВ «Ромашка»").click()
        await page.get_by_label("Contact person", exact=True).select_option("Ольга")
        await page.get_by_role("button", name="Close the lead").click()
        await expect(page.get_by_text("Say which of the two gets the lead's numbers.")).to_be_visible()
        assert not await desk.scrolls_sideways()
        await page.get_by_label("the contact person").check()
        await page.get_by_role("button", name="Close the lead").click()
        await expect(page.get_by_role("status")).to_contain_text("it is the counterparty ТОВ «Ромашка» now")
        await expect(page.locator("[name=person_numbers]").first).to_have_value("+380 50 123 4567")
        await page.get_by_role("link", name="Changes").click()
        await expect(page.locator(".event-change").first).to_be_visible()
        assert [text for text in desk.complaints if "422" not in text] == []


async def test_all_leads_of_a_page_change_hands(chromium: str, address: str, company: Company) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("admin")
        page = desk.page
        for place in range(2):
            await page.goto(f"{address}/leads/new?number=050123456{place}")
            await page.get_by_role("button", name="Make the lead").click()
        await page.goto(f"{address}/leads")
        await page.get_by_label("All on this page").focus()
        await page.keyboard.press("Space")
        await page.get_by_label("Give leads to").select_option("Марія Коваленко")
        await page.get_by_role("button", name="Give the ticked").click()
        await expect(page.get_by_role("status")).to_contain_text("2 leads changed hands.")
        await expect(page.locator("tbody")).to_contain_text("Марія Коваленко")
        assert desk.complaints == []
