"""What was typed is not lost where the server did not take it (X2)."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.admin.browser import Window, window
from tests.admin.conftest import PASSWORD, Company

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)]
AGAIN = "What you typed is here again. It is not saved yet."


async def _type_a_counterparty(desk: Window) -> Page:
    page = desk.page
    await desk.goto("/counterparties/new")
    await page.fill("#name", "ТОВ «Ромашка»")
    await page.fill("[name=number]", "050 123 45 67")
    await page.get_by_role("button", name="Add a number").click()
    await page.keyboard.type("050 123 45 68")
    await page.get_by_role("button", name="Add a contact person").click()
    await page.keyboard.type("Ольга")
    await page.locator("[name=person_responsible]").select_option("Марія Коваленко")
    return page


async def _save(page: Page) -> None:
    await page.locator("main form .actions .button-primary").click()


async def _sign_in(page: Page, login: str) -> None:
    await page.fill("#login", login)
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")


async def test_who_was_signed_out_finds_what_he_typed(chromium: str, address: str, company: Company) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("admin")
        page = await _type_a_counterparty(desk)
        other = await page.context.new_page()
        await other.goto(f"{address}/live")
        await other.get_by_role("button", name="Sign out").click()
        await expect(other).to_have_url(f"{address}/sign-in")
        await _save(page)
        await expect(page).to_have_url(f"{address}/sign-in")
        await _sign_in(page, "admin")
        await expect(page).to_have_url(f"{address}/counterparties/new")
        await expect(page.get_by_text(AGAIN)).to_be_visible()
        assert [await one.input_value() for one in await page.locator("[name=number]").all()] == [
            "050 123 45 67",
            "050 123 45 68",
        ]
        await _save(page)
        await expect(page).to_have_url(re.compile(r"/counterparties/\d+$"))
        await expect(page.locator("#name")).to_have_value("ТОВ «Ромашка»")
        await expect(page.locator("[name=person_name]")).to_have_value("Ольга")
        await expect(page.locator("[name=person_responsible]").first).to_have_value(str(company.maria))
        await desk.goto("/counterparties/new")
        await expect(page.get_by_text(AGAIN)).to_have_count(0)
        assert desk.complaints == []


async def test_a_form_from_before_one_signed_in_anew_leads_back_to_what_was_typed(
    chromium: str, address: str, company: Company
) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("admin")
        page = desk.page
        await desk.goto(f"/company/groups/{company.sales}")  # sent to its own address
        await page.fill("#name", "Продажі")
        await page.get_by_role("button", name="Remove", exact=True).last.click()
        other = await page.context.new_page()
        await other.goto(f"{address}/live")
        await other.get_by_role("button", name="Sign out").click()
        await _sign_in(other, "admin")
        await expect(other).to_have_url(f"{address}/live")
        await page.locator("main .button-primary").click()
        await page.get_by_role("link", name="Back to what you typed").click()
        await expect(page.get_by_text(AGAIN)).to_be_visible()
        await expect(page.locator("#name")).to_have_value("Продажі")
        await expect(page.locator("select[name=member]")).to_have_count(1)
        await page.locator("main .button-primary").click()
        await expect(page.locator("h1")).to_have_text("Продажі")
        await expect(page.get_by_text(AGAIN)).to_have_count(0)


async def test_back_from_a_mistake_finds_what_was_typed(chromium: str, address: str, company: Company) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("admin")
        await desk.goto("/leads/new")
        await desk.page.fill("#name", "Олег")
        await desk.page.fill("[name=number]", "12")
        await _save(desk.page)
        await expect(desk.page.locator(".error")).to_be_visible()
        await desk.page.go_back()
        await expect(desk.page.get_by_text(AGAIN)).to_be_visible()
        await expect(desk.page.locator("#name")).to_have_value("Олег")
        await desk.goto("/leads/new")
        await expect(desk.page.locator("#name")).to_have_value("")


async def test_forward_to_a_mistake_and_reloading_it_find_what_was_typed(
    chromium: str, address: str, company: Company
) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("admin")
        page = desk.page
        await desk.goto("/leads")
        await desk.goto("/leads/new?number=12")
        await page.fill("#name", "Олег")
        await _save(page)
        await expect(page.locator(".error")).to_be_visible()
        await page.go_back()
        await expect(page.get_by_text(AGAIN)).to_be_visible()
        for come_again in (page.go_forward, page.reload):
            await come_again()
            await expect(page.get_by_text(AGAIN)).to_be_visible()
            await expect(page.locator("#name")).to_have_value("Олег")
        # It is a form like any other, and what it makes is not offered again.
        await page.fill("[name=number]", "050 123 45 67")
        await _save(page)
        await expect(page).to_have_url(re.compile(r"/leads/\d+$"))
        await desk.goto("/leads/new")
        await expect(page.locator("#name")).to_have_value("")
        assert [said for said in desk.complaints if "422" not in said] == []


async def test_what_one_typed_is_nobody_elses(chromium: str, address: str, company: Company) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("admin")
        page = await _type_a_counterparty(desk)
        await page.context.clear_cookies()
        await _save(page)
        await _sign_in(page, "maria")
        await expect(page).to_have_url(f"{address}/counterparties/new")
        await expect(page.locator("#name")).to_have_value("")
        assert await page.evaluate("sessionStorage.length") == 0


async def test_a_note_that_is_kept_takes_no_half_typed_card_with_it(
    chromium: str, address: str, company: Company
) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("admin")
        page = desk.page
        await desk.goto("/leads/new?number=0501234567")
        await page.get_by_role("button", name="Make the lead").click()
        await page.get_by_label("Name", exact=True).fill("Олег")
        await page.get_by_role("button", name="Add a number").click()
        await page.keyboard.type("0671112233")
        await page.get_by_text("Plan a call").click()
        await page.get_by_label("What to talk about").fill("про двері")
        await page.locator("[name=note]").fill("любить чай")
        await page.get_by_role("button", name="Keep the note").click()
        await expect(page.get_by_role("status").first).to_contain_text("The note is kept.")
        await expect(page.get_by_text(AGAIN)).to_have_count(2)
        await expect(page.get_by_label("Name", exact=True)).to_have_value("Олег")
        await expect(page.locator("[name=number]").nth(1)).to_have_value("0671112233")
        await expect(page.get_by_label("What to talk about")).to_have_value("про двері")
        # What was restored is typed still: a second form costs none of it either.
        await page.locator("[name=note]").fill("і каву")
        await page.get_by_role("button", name="Keep the note").click()
        await expect(page.get_by_text("і каву").first).to_be_visible()
        await page.locator("main form .actions .button-primary").first.click()
        await expect(page.locator("h1")).to_have_text("Олег")
        await expect(page.get_by_label("What to talk about")).to_have_value("про двері")
        await expect(page.get_by_text(AGAIN)).to_have_count(1)
        await desk.goto("/leads")
        await page.get_by_role("link", name="Олег").click()
        await expect(page.get_by_text(AGAIN)).to_have_count(0)
        assert desk.complaints == []


async def test_a_version_that_was_seen_stays_with_what_was_typed(chromium: str, address: str, company: Company) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("admin")
        page = desk.page
        await page.goto(f"{address}/leads/new?number=0501234567")
        await page.get_by_role("button", name="Make the lead").click()
        await page.get_by_label("Name", exact=True).fill("Олег")
        other = await page.context.new_page()
        await other.goto(page.url)
        await other.get_by_label("Name", exact=True).fill("Тарас")
        await other.locator("main form .actions .button-primary").first.click()
        await expect(other.get_by_role("status").first).to_contain_text("Saved.")
        await other.get_by_role("button", name="Sign out").click()
        await expect(other).to_have_url(f"{address}/sign-in")
        await page.locator("main form .actions .button-primary").first.click()
        await _sign_in(page, "admin")
        await expect(page.get_by_label("Name", exact=True)).to_have_value("Олег")
        await page.locator("main form .actions .button-primary").first.click()
        await expect(page.locator(".theirs")).to_contain_text("Тарас")
        await expect(page.get_by_label("Name", exact=True)).to_have_value("Олег")
