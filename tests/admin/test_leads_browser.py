"""Leads and counterparties in a real browser: found, edited, and saved by two people at once (L3, L10, K1)."""

import re
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import expect

from tests.admin.browser import window
from tests.admin.conftest import Company

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)]
EVIL = "<script>document.title='evil'</script>"


async def test_an_admin_makes_finds_and_edits_a_lead(chromium: str, address: str, company: Company) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("admin")
        page = desk.page
        await page.goto(f"{address}/leads")
        await page.click("main >> text=New lead >> nth=0")
        await page.get_by_label("Main number").fill("050 123 45 67")
        await page.get_by_role("button", name="Add a number").click()
        await expect(page.get_by_label("Number", exact=True)).to_be_focused()
        await page.keyboard.type("067 222 33 44")
        await page.get_by_role("button", name="Make the lead").click()
        await expect(page.locator("h1")).to_have_text("+380 50 123 4567")
        await page.get_by_label("Name", exact=True).fill("Щербань Юрій")
        await page.get_by_label("Responsible").select_option("Марія Коваленко")
        await page.get_by_label("Comment").fill(EVIL)
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("Saved.")
        await expect(page.locator("h1")).to_have_text("Щербань Юрій")

        await page.goto(f"{address}/leads")
        await page.get_by_placeholder("Name, part of a number").fill("щербань")
        await page.keyboard.press("Enter")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await expect(page.locator("tbody")).to_contain_text("Марія Коваленко")
        await page.get_by_label("Responsible").select_option("Nobody's")
        await expect(page.get_by_text("No lead fits")).to_be_visible()
        await page.get_by_label("Responsible").select_option("Марія Коваленко")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.get_by_placeholder("Name, part of a number").fill("223")
        await page.get_by_role("button", name="Find").click()
        await expect(page).to_have_url(re.compile("q=223"))
        await page.get_by_role("link", name="Щербань Юрій").click()
        await expect(page.get_by_label("Comment")).to_have_value(EVIL)
        await expect(page).to_have_title("Щербань Юрій · Leadline")
        assert desk.complaints == []


async def test_the_second_of_two_browsers_is_told_and_keeps_its_text(
    chromium: str, address: str, company: Company
) -> None:
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(window(chromium, address)) for _ in range(2)]
        await first.sign_in("admin")
        await first.page.goto(f"{address}/leads/new")
        await first.page.get_by_label("Main number").fill("050 123 45 67")
        await first.page.get_by_label("Responsible").select_option("Щербань Юрій")
        await first.page.get_by_role("button", name="Make the lead").click()
        await expect(first.page.locator("h1")).to_have_text("+380 50 123 4567")
        card = first.page.url
        await second.sign_in("yurii")
        await second.page.goto(card)

        await first.page.get_by_label("Name", exact=True).fill("Від адміністратора")
        await first.page.get_by_role("button", name="Save").click()
        await expect(first.page.get_by_role("status")).to_contain_text("Saved.")

        await second.page.get_by_label("Name", exact=True).fill("Від Юрія")
        await second.page.get_by_label("Comment").fill("Мій коментар")
        await second.page.get_by_role("button", name="Save").click()
        await expect(second.page.get_by_role("note")).to_contain_text("Олена saved this card while you were typing.")
        await expect(second.page.get_by_label("Name", exact=True)).to_have_value("Від Юрія")
        await expect(second.page.get_by_label("Comment")).to_have_value("Мій коментар")
        await expect(second.page.locator(".theirs").first).to_contain_text("Від адміністратора")
        await second.page.get_by_role("button", name="Save what is in the fields").click()
        await expect(second.page.get_by_role("status")).to_contain_text("Saved.")
        await expect(second.page.locator("h1")).to_have_text("Від Юрія")
        await expect(second.page.locator(".change").first).to_be_visible()
        assert first.complaints == []
        assert [text for text in second.complaints if "409" not in text] == []


async def test_contact_persons_are_added_and_removed_on_the_page(chromium: str, address: str, company: Company) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("admin")
        page = desk.page
        await page.goto(f"{address}/counterparties/new")
        await page.locator("[name=name]").fill("ТОВ «Ромашка»")
        for name in ("Ольга", "Ія"):
            await page.get_by_role("button", name="Add a contact person").click()
            await expect(page.locator(".person [name=person_name]").last).to_be_focused()
            await page.keyboard.type(name)
        await page.locator(".person [name=person_numbers]").first.fill("067 111 22 33")
        await page.get_by_role("button", name="Remove this person").last.click()
        await page.get_by_role("button", name="Save").last.click()
        await expect(page).to_have_url(re.compile(r"/counterparties/\d+$"))
        await expect(page.locator(".person")).to_have_count(1)
        await expect(page.locator(".facts")).to_contain_text("+380 67 111 2233")
        assert desk.complaints == []


async def test_long_words_of_the_companys_own_push_nothing_out_of_sight(
    chromium: str, address: str, company: Company
) -> None:
    status, who = "Передзвонити після консультації з керівником", "Іваненко-Петренко Олександра Миколаївна, бухгалтер"
    async with window(chromium, address, width=390) as phone, window(chromium, address) as desk:
        await desk.sign_in("admin")
        page = desk.page
        await desk.goto("/company/statuses/leads/new")
        await page.get_by_label("Name").fill(status)
        await page.get_by_role("button", name="Save").click()
        await desk.goto("/leads/new?number=0501234567")
        await page.get_by_label("Name", exact=True).fill("Щербань Юрій")
        await page.get_by_label("Status").select_option(status)
        await page.get_by_role("button", name="Make the lead").click()
        await expect(page.locator("h1")).to_have_text("Щербань Юрій")
        card = page.url.removeprefix(address)
        await desk.goto("/counterparties/new")
        await page.fill("#name", "ТОВ")
        await page.get_by_role("button", name="Add a contact person").click()
        await page.keyboard.type(who)
        await page.get_by_label("Numbers, one on each line").first.fill("0671112233")
        await page.locator("main form .actions .button-primary").click()
        await expect(page.locator("h1")).to_have_text("ТОВ")
        number = await page.locator(".facts .number").bounding_box()
        facts = await page.locator(".facts").first.bounding_box()
        assert number is not None
        assert facts is not None
        assert number["x"] + number["width"] <= facts["x"] + facts["width"]

        await phone.sign_in("admin")
        await phone.goto(card)
        assert not await phone.scrolls_sideways()
        await phone.goto("/leads")
        assert not await phone.scrolls_sideways()
        name = await phone.page.get_by_role("link", name="Щербань Юрій").bounding_box()
        assert name is not None
        assert name["height"] < 60  # two lines at most
