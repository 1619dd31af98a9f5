"""A button that is pressed twice does its work once, however long the first press takes (X2)."""

import asyncio
import re

import pytest
from playwright.async_api import Request, Route, expect

from tests.admin.browser import Window, window
from tests.admin.conftest import Company

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)]


PRESS_TWICE = """button => {
  button.click();
  setTimeout(() => { button.click(); fetch("/me"); }, 100);
}"""


async def _press_twice(desk: Window, button: str, sent: re.Pattern[str]) -> list[str]:
    """Press a button again while the answer to its first press is held back; returns what was sent until then."""
    asked: list[str] = []
    pressed = asyncio.Event()

    async def hold(route: Route, request: Request) -> None:
        if request.method == "POST":
            asked.append(request.url)
            await pressed.wait()
        await route.continue_()

    await desk.page.route(sent, hold)
    # What a second press sends is on its way before what the page asks for after it.
    async with desk.page.expect_request("**/me"):
        await desk.page.locator(button).first.evaluate(PRESS_TWICE)
    pressed.set()
    return asked


async def test_a_form_that_is_sent_twice_makes_one_card(chromium: str, address: str, company: Company) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("admin")
        await desk.goto("/counterparties/new")
        await desk.page.fill("#name", "ТОВ «Ромашка»")
        asked = await _press_twice(desk, "main form .actions .button-primary", re.compile(r"/counterparties$"))
        await expect(desk.page).to_have_url(re.compile(r"/counterparties/\d+$"))
        assert len(asked) == 1
        await desk.goto("/counterparties")
        await expect(desk.page.locator("tbody tr")).to_have_count(1)
        assert desk.complaints == []


async def test_what_the_page_sends_itself_is_sent_once_until_it_is_answered(
    chromium: str, address: str, company: Company
) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("yurii")
        card = "[data-open-card] button"
        assert len(await _press_twice(desk, card, re.compile("/questions/card$"))) == 1
        await expect(desk.page.locator("form[data-open-card]:not([aria-busy])")).to_have_count(1)
        async with desk.page.expect_request("**/questions/card"):
            await desk.page.locator(card).click()


async def test_a_question_that_was_answered_no_can_be_asked_again(
    chromium: str, address: str, company: Company
) -> None:
    async with window(chromium, address) as desk:
        await desk.sign_in("admin")
        await desk.goto(f"/company/groups/{company.sales}")
        await desk.page.evaluate("window.confirm = () => false")
        remove = desk.page.locator("form[data-confirm] button")
        await remove.click()
        await desk.page.evaluate("window.confirm = () => true")
        await remove.click()
        await expect(desk.page).to_have_url(re.compile("/company/groups$"))
