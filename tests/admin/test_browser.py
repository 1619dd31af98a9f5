"""The panel in a real browser: signing in, live calls under typed text, hostile names, small screens (X1, X2, X3)."""

import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from playwright.async_api import expect

from leads.admin import CallFeed
from leads.admin.context import PANEL
from leads.domain.calls import Phase, Result
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead
from tests.admin.browser import Window, window
from tests.admin.calls import CALLER, add_call, end_call
from tests.admin.conftest import Clock, Company

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)]
EVIL = "<script>document.title='evil'</script><img src=x onerror=\"document.title='evil'\">"


@pytest.fixture
async def desk(chromium: str, address: str) -> AsyncIterator[Window]:
    async with window(chromium, address) as opened:
        yield opened


async def test_a_person_signs_in_by_keyboard_and_out_again(desk: Window, company: Company) -> None:
    await desk.goto("/company/employees")
    await desk.page.keyboard.type("admin")
    await desk.page.keyboard.press("Tab")
    await desk.page.keyboard.type("correct horse battery")
    await desk.page.keyboard.press("Enter")
    await expect(desk.page).to_have_url(f"{desk.address}/company/employees")
    await desk.page.click("button[aria-label='Sign out']")
    await expect(desk.page).to_have_url(f"{desk.address}/sign-in")
    assert desk.complaints == []


async def test_calls_come_and_go_under_typed_text_focus_and_scroll(
    desk: Window, database: Database, feed: CallFeed, company: Company
) -> None:
    clock = Clock()
    for number in range(40):
        clock.move(minutes=1)
        old = {"phase": Phase.ENDED, "result": Result.ANSWERED, "talk_seconds": 61.0}
        await add_call(database, clock, f"old.{number}", caller_name="Kovalenko", **old)
    await desk.sign_in("yurii")
    page = desk.page
    await expect(page.locator("#live-state")).to_have_text("Connected")
    await expect(page.locator("#recent tr")).to_have_count(40)
    await page.evaluate("window.never = 'reloaded'")
    await page.fill("#live-filter", "Kov")
    await page.focus("#live-filter")
    await page.evaluate("document.getElementById('live-filter').setSelectionRange(1, 2)")
    await page.evaluate("scrollTo(0, 900)")
    top = "[...document.querySelectorAll('#recent tr')].at(-5).getBoundingClientRect().top"
    before = await page.evaluate(top)

    clock.move(minutes=1)
    call_id = await add_call(database, clock, "new.1", caller_name="Kovtun")
    feed.notify()
    await expect(page.locator(f"#running #call-{call_id}")).to_be_visible()
    await expect(page.locator(f"#call-{call_id} .badge")).to_have_text("Ringing")
    assert abs(await page.evaluate(top) - before) <= 1
    await end_call(database, clock, call_id)
    feed.notify()
    await expect(page.locator("#recent tr >> nth=0")).to_have_attribute("id", f"call-{call_id}")
    await expect(page.locator(f"#call-{call_id} .badge")).to_have_text("No answer")

    state = (
        "[document.activeElement.id, document.activeElement.value, document.activeElement.selectionStart, window.never]"
    )
    assert await page.evaluate(state) == ["live-filter", "Kov", 1, "reloaded"]
    assert await page.evaluate("scrollY") > 0
    await page.fill("#live-filter", "nobody of this name")
    await expect(page.locator("[data-none]")).to_be_visible()
    assert desk.complaints == []


async def test_a_focused_link_keeps_the_focus_when_its_row_moves(
    desk: Window, database: Database, feed: CallFeed, company: Company, clock: Clock
) -> None:
    call_id = await add_call(database, clock, "1.1")
    await desk.sign_in("admin")
    await expect(desk.page.locator("#live-state")).to_have_text("Connected")
    await desk.page.focus(f"#call-{call_id} a")
    await end_call(database, clock, call_id)
    feed.notify()
    await expect(desk.page.locator(f"#recent #call-{call_id}")).to_be_visible()
    assert await desk.page.evaluate("document.activeElement.closest('tr')?.id") == f"call-{call_id}"


async def test_clocks_tick_in_the_browser(desk: Window, database: Database, company: Company, clock: Clock) -> None:
    call_id = await add_call(database, clock, "1.1")
    clock.move(seconds=65)
    await desk.sign_in("admin")
    # Whichever second it shows when it is looked at: not the one with which the page came.
    await expect(desk.page.locator(f"#call-{call_id} .tick")).to_have_text(re.compile("^1:(0[6-9]|[1-5][0-9])$"))


async def test_a_lost_connection_is_said_and_mended(
    desk: Window, app: web.Application, database: Database, company: Company, clock: Clock
) -> None:
    await desk.sign_in("admin")
    state = desk.page.locator("#live-state")
    await expect(state).to_have_text("Connected")
    await app[PANEL].live.stop()
    await expect(state).to_have_text("Connection lost, trying again …")
    call_id = await add_call(database, clock, "1.1")
    await app[PANEL].live.start()
    await expect(state).to_have_text("Connected", timeout=30_000)
    await expect(desk.page.locator(f"#running #call-{call_id}")).to_be_visible()


async def test_an_ended_session_leads_to_signing_in(desk: Window, company: Company) -> None:
    await desk.sign_in("admin")
    await expect(desk.page.locator("#live-state")).to_have_text("Connected")
    other = await desk.page.context.new_page()
    await other.goto(f"{desk.address}/me")
    await other.click("button[aria-label='Sign out']")
    await expect(desk.page).to_have_url(f"{desk.address}/sign-in?next=%2Flive")


async def test_a_name_with_a_script_in_it_is_text_everywhere(
    desk: Window, database: Database, feed: CallFeed, company: Company, clock: Clock
) -> None:
    await desk.sign_in("admin")
    await expect(desk.page.locator("#live-state")).to_have_text("Connected")
    call_id = await add_call(database, clock, "1.1", caller_name=EVIL)
    feed.notify()
    await expect(desk.page.locator(f"#call-{call_id} .who")).to_have_text(EVIL)
    await desk.goto(f"/calls/{call_id}")
    await expect(desk.page.locator("h1")).to_have_text(EVIL)
    await desk.goto("/company/employees/new")
    await desk.page.fill("#name", EVIL)
    await desk.page.click("[data-remove-row]")
    await desk.page.click("text=Save")
    await expect(desk.page.locator("h1")).to_have_text(EVIL)
    for path in ("/company/employees", "/company/numbers/new", "/live"):
        await desk.goto(path)
        assert "evil" not in await desk.page.title()
    assert desk.complaints == []


async def test_rows_are_added_moved_and_removed_in_a_form(desk: Window, company: Company) -> None:
    await desk.sign_in("admin")
    await desk.goto(f"/company/groups/{company.sales}")
    page = desk.page
    await page.click("[data-add-row]")
    await page.locator("select[name=member]").last.select_option(str(company.phone_102))
    await page.locator("[data-move-row]").last.click()
    await page.locator("[data-remove-row]").first.click()
    await page.click("text=Save")
    await expect(page.locator(".flash")).to_have_text("Saved.")
    chosen = "[...document.querySelectorAll('select[name=member]')].map(one => one.selectedOptions[0].text.slice(0, 3))"
    assert await page.evaluate(chosen) == ["102", "103"]
    assert desk.complaints == []


LONG_PAGES = ("/live", "/leads", "/company/employees", "/company/groups/1", "/calls/1")


@pytest.mark.parametrize("width", [1440, 320])
async def test_long_words_are_broken(
    chromium: str, address: str, database: Database, company: Company, width: int
) -> None:
    long = "Надзвичайно-Довгопрізвищенко" * 4
    await add_call(database, Clock(), "1.1", caller_name=long, answered_by="9" * 60)
    async with window(chromium, address, width) as opened:
        await opened.sign_in("admin")
        for path in LONG_PAGES:
            await opened.goto(path)
            assert not await opened.scrolls_sideways(), path
        assert opened.complaints == []


async def test_light_or_dark_is_kept(desk: Window, company: Company) -> None:
    await desk.sign_in("admin")
    root = desk.page.locator("html")
    await expect(root).to_have_attribute("data-theme", "auto")
    await desk.page.click("[data-theme-switch]")
    await expect(root).to_have_attribute("data-theme", "dark")
    await desk.goto("/me")
    await expect(root).to_have_attribute("data-theme", "dark")


async def test_what_is_printed_is_dark_on_light_and_a_table(chromium: str, address: str, company: Company) -> None:
    async with window(chromium, address, width=780, scheme="dark") as paper:
        await paper.sign_in("admin")
        await paper.goto("/company/employees")
        await paper.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        await paper.page.emulate_media(media="print", color_scheme="dark")
        ink, row, button = await paper.page.evaluate(
            """[
                getComputedStyle(document.body).color,
                getComputedStyle(document.querySelector("tbody tr")).display,
                document.querySelector(".main .button").checkVisibility(),
            ]"""
        )
        assert ink == "rgb(22, 33, 31)"
        assert row == "table-row"
        assert not button
        assert not await paper.scrolls_sideways()


async def test_nothing_is_cut_on_paper(
    chromium: str, address: str, database: Database, clock: Clock, company: Company
) -> None:
    await _say_much(database, clock, company)
    async with window(chromium, address, width=700) as paper:
        await paper.sign_in("admin")
        for path in ("/live", "/leads/1"):
            await paper.goto(path)
            await paper.page.emulate_media(media="print")
            await paper.page.evaluate("dispatchEvent(new Event('beforeprint'))")
            assert await paper.page.evaluate(_CUT_OR_NARROW) == []
            await expect(paper.page.locator(".main :is(.button, .icon-button, audio):visible")).to_have_count(0)
            await paper.page.evaluate("dispatchEvent(new Event('afterprint'))")
            await expect(paper.page.locator(".printed")).to_have_count(0)
            await paper.page.emulate_media(media="screen")


async def test_a_form_that_came_back_begins_where_it_has_to_be_corrected(desk: Window, company: Company) -> None:
    await desk.sign_in("admin")
    for path, typed, wrong in (
        ("/company/numbers/new", {"number": "12", "label": "Fair"}, "#number"),
        (f"/company/employees/{company.yurii}", {"ring_seconds": "20", "hours_2": "nine to five"}, "#hours_2"),
    ):
        await desk.goto(path)
        for field, text in typed.items():
            await desk.page.fill(f"#{field}", text)
        await desk.page.click("main .button-primary:has-text('Save')")
        await expect(desk.page.locator(wrong)).to_be_focused()
        for field, text in typed.items():
            await expect(desk.page.locator(f"#{field}")).to_have_value(text)


async def test_on_a_phone_one_calls_without_scrolling_and_lists_are_short(
    chromium: str, address: str, database: Database, clock: Clock, company: Company
) -> None:
    await _say_much(database, clock, company)
    async with window(chromium, address, width=390) as phone:
        await phone.sign_in("admin")
        await phone.goto("/leads")
        row = await phone.page.locator(".list-leads tbody tr").bounding_box()
        assert row is not None
        assert row["height"] < 150  # of four lines, one of them a long name
        await phone.goto("/leads/1")
        number = await phone.page.locator("main a[href^='tel:']").first.bounding_box()
        assert number is not None
        assert number["y"] < 500
        assert not await phone.scrolls_sideways()


_CUT_OR_NARROW = """[...document.querySelectorAll('.main :is(.who, input, textarea, select, td, dd, .clamp)')]
    .filter((one) => one.checkVisibility() && one.type !== 'hidden')
    .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth
        || one.scrollHeight > one.clientHeight + 1 && one.clientHeight
        || one.matches('.who') && one.getBoundingClientRect().height > 60)
    .map((one) => `${one.tagName} ${one.name ?? one.className}`)"""


async def _say_much(database: Database, clock: Clock, company: Company) -> None:
    """A lead of whom there is more to say than fits in a field, on the phone now."""
    long = "вул. Велика Васильківська, 55, під'їзд 3, поверх 4, квартира 128, код домофона 128К4455, заїзд з двору"
    comment = "\n".join(f"{place} дубових дверей" for place in range(30))
    edit = LeadEdit("Олександра Перебийніс", (CALLER,), "a@b.ua", long, comment, None, 1, company.yurii, None)
    await create_lead(database, edit, by=company.admin, clock=clock, region="UA")
    await add_call(database, clock, "1.1", lead_id=1)
