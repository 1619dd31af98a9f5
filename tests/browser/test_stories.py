"""What people do in the panel in a day, from first click to last (L4, L5, L8, L10, L12, L15, C5, C14, K2, S1, X1).

Stories with a person alone are here, on one company that each of them leaves fit for the others; what needs phones is
in tests/lab/test_panel_calls.py.
"""

import asyncio
import re
from dataclasses import replace

import pytest
from playwright.async_api import expect
from sqlalchemy import delete

from leads.admin import handover_runner, import_runner
from leads.domain.calls import Direction
from leads.domain.rings import Ring, RingState
from leads.store.models import Lead
from tests.browser.desk import Desk, Desks
from tools.showroom import NOW, REPORT, Showroom

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def new_lead(desk: Desk, number: str, name: str) -> str:
    """Make a lead; returns its address."""
    await desk.goto("/leads/new")
    await desk.page.get_by_label("Main number").fill(number)
    await desk.page.get_by_label("Name", exact=True).fill(name)
    await desk.page.get_by_role("button", name="Make the lead").click()
    await expect(desk.page).to_have_url(re.compile(r"/leads/\d+$"))
    return desk.page.url.removeprefix(desk.address)


async def said(desk: Desk, text: str) -> None:
    """The page tells what became of a change."""
    await expect(desk.page.locator(".flash")).to_contain_text(text)


async def test_a_file_is_looked_at_imported_and_undone(desks: Desks, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = asyncio.Event()

    async def hold(_began: float) -> None:
        await goes_on.wait()

    monkeypatch.setattr(import_runner, "breathe", hold)
    monkeypatch.setattr(import_runner, "CHUNK", 20)
    desk = await desks.of("admin")
    page = desk.page
    rows = "".join(f"Ярмарок {place:04},+38067500{place:04},Warm\n" for place in range(40))
    content = f"Name,Number,Status\n{rows}Smith,12,Warm\n".encode()
    await desk.goto("/leads")
    await page.get_by_role("link", name="Import").click()
    await page.set_input_files("#file", {"name": "fair.csv", "mimeType": "text/csv", "buffer": content})  # type: ignore[arg-type]
    await page.get_by_role("button", name="Look at the file").click()
    await expect(page.locator("select[name=column]").first).to_have_value("name")
    await expect(page.get_by_text("Ярмарок 0002")).to_be_visible()
    await page.get_by_role("button", name="Import", exact=True).click()
    await expect(page.locator("progress")).to_be_visible()
    goes_on.set()
    await expect(page.get_by_text("Done", exact=True)).to_be_visible(timeout=15_000)
    await expect(page.locator("tbody tr", has_text="Smith")).to_contain_text("is no public telephone number")
    imported = page.url
    await desk.goto("/leads?q=ярмарок+0031")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.goto(imported)
    desk.asked.clear()
    await page.get_by_role("button", name="Undo this import").click()
    await expect(page.get_by_text("Undone", exact=True)).to_be_visible(timeout=15_000)
    assert desk.asked == ["Remove what this import made and restore what it changed?"]
    await desk.goto("/leads?q=ярмарок+0031")
    await expect(page.get_by_text("No lead fits")).to_be_visible()


async def test_a_whole_list_changes_hands_while_one_watches(
    desks: Desks, room: Showroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred leads for Bondar: the bar moves by itself, Stop keeps the keyboard's place, the rest follows."""
    goes_on = asyncio.Semaphore(0)

    async def hold(_began: float) -> None:
        await goes_on.acquire()

    monkeypatch.setattr(handover_runner, "breathe", hold)
    fair = {"name": "Виставка", "named": True, "status_id": 3, "created_at": NOW, "updated_at": NOW}
    async with room.panel.database.write() as session:
        session.add_all(Lead(**fair, search_text="виставка") for _ in range(201))
    desk = await desks.fresh("admin")
    page = desk.page
    await desk.goto("/leads?q=виставка")
    await page.get_by_label("Give leads to").select_option(label="Андрій Бондар")
    await page.get_by_role("button", name="Give the whole list …").click()
    await expect(page.locator("main")).to_contain_text("201 open leads fit")
    await page.get_by_role("button", name="Give them all").click()
    bar = page.locator("progress")
    await expect(bar).to_have_attribute("value", "49")
    stop = page.get_by_role("button", name="Stop")
    await stop.focus()
    goes_on.release()
    await expect(bar).to_have_attribute("value", "99", timeout=15_000)
    await expect(stop).to_be_focused()
    await desk.goto("/leads")
    await page.locator(".notice").get_by_role("link", name="A list for Андрій Бондар").click()
    goes_on.release()
    await expect(page.get_by_text("Done", exact=True)).to_be_visible(timeout=15_000)
    await expect(page.locator("dt", has_text="Changed hands").locator("+ dd")).to_have_text("201")
    goes_on.release()
    await desk.goto("/leads?q=виставка")
    await expect(page.locator("tbody tr").first).to_contain_text("Андрій Бондар")
    assert desk.complaints == []
    async with room.panel.database.write() as session:
        await session.execute(delete(Lead).where(Lead.name == "Виставка"))


async def test_a_phone_book_key_is_shown_once_works_and_is_revoked(desks: Desks) -> None:
    desk = await desks.of("andriy")
    page = desk.page
    await desk.goto("/phone-book")
    await page.get_by_role("button", name=re.compile("Make a key|New key")).click()
    address = await page.locator("code", has_text="yealink.xml").inner_text()
    assert re.search(r"/phonebook/[0-9a-f]{32}/", address)
    book = await page.request.get(address)
    assert "Shcherban" in await book.text() or "<YealinkIPPhone" in await book.text()
    await desk.goto("/phone-book")
    await expect(page.locator("code")).to_have_count(0)
    await page.get_by_role("button", name="Revoke").click()
    await expect(page.get_by_role("button", name="Make a key")).to_be_visible()
    assert (await page.request.get(address)).status == 404


async def test_a_report_is_grouped_looked_into_and_saved(desks: Desks) -> None:
    desk = await desks.of("admin")
    page = desk.page
    await desk.goto(f"/reports/leads?{REPORT}")
    await expect(page.locator("select[name=by1] option:checked")).to_have_text("Employee")
    await page.locator("select[name=by2]").select_option(label="Status")
    await expect(page).to_have_url(re.compile("by1=employee&by2=status"))
    row = page.locator("tr.level-0", has_text="Андрій Бондар")
    figure = row.locator("td[data-label=Leads] a")
    count = int(await figure.inner_text())
    await expect(page.locator("tr.level-1 td[data-label=Leads]").nth(2)).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Save as CSV").click()
    saved = (await (await download.value).path()).read_text()
    assert "Андрій Бондар" in saved
    await figure.click()
    await expect(page.locator("tbody tr")).to_have_count(count)
    await page.locator("tbody tr a", has_text="Юрій Щербань").click()
    await expect(page.locator("h1")).to_have_text("Юрій Щербань")


async def test_a_route_is_tried_and_follows_who_is_away(desks: Desks, room: Showroom) -> None:
    """Bondar's lead reaches him; away, his substitute; back again, himself; hours say when he works."""
    admin, andriy = await desks.of("admin"), await desks.of("andriy")

    async def first() -> str:
        await admin.goto("/company/route")
        await admin.page.get_by_label("Number that calls").fill("067 333 44 55")
        await admin.page.get_by_label("Our number that is dialled").select_option(index=1)
        await admin.page.get_by_role("button", name="Try").click()
        await expect(admin.page.get_by_role("heading", name="Why it would go there")).to_be_visible()
        return await admin.page.locator(".steps li").first.inner_text()

    await new_lead(andriy, "067 333 44 55", "Федір Ткаченко")
    assert "Андрій Бондар" in await first()
    await andriy.goto("/me")
    await andriy.page.get_by_role("button", name="Away from now on").click()
    await expect(andriy.page.get_by_text("Calls go on along the chain.", exact=True)).to_be_visible()
    assert "Марія Ткач" in await first()
    await expect(admin.page.locator("main")).to_contain_text("Takes no calls now: away.")
    await andriy.page.get_by_role("button", name="Back: take calls again").click()
    await expect(andriy.page.get_by_role("button", name="Away from now on")).to_be_visible()
    assert "Андрій Бондар" in await first()
    await admin.goto(f"/company/employees/{room.keys['employee']}")
    hours = admin.page.get_by_label("Wednesday")
    before = await hours.input_value()
    await hours.fill("9:00–13:00")
    await admin.page.get_by_role("button", name="Save", exact=True).click()
    await said(admin, "Saved")
    assert "Марія Ткач" in await first()
    await expect(admin.page.locator("main")).to_contain_text("Takes no calls now: off duty")
    await admin.goto(f"/company/employees/{room.keys['employee']}")
    await hours.fill(before)
    await admin.page.get_by_role("button", name="Save", exact=True).click()
    await said(admin, "Saved")


async def test_a_lead_becomes_a_new_counterparty_and_opens_again(desks: Desks) -> None:
    desk = await desks.of("admin")
    page = desk.page
    lead = await new_lead(desk, "050 777 11 22", "Студія «Світло»")
    await page.get_by_label("E-mail").fill("hello@svitlo.ua")
    await page.get_by_role("button", name="Save", exact=True).click()
    await said(desk, "Saved.")
    await page.get_by_role("link", name="Create counterparty").click()
    await expect(page.get_by_label("E-mail").first).to_have_value("hello@svitlo.ua")
    await page.get_by_role("link", name="Cancel").click()
    await expect(page.get_by_role("link", name="Create counterparty")).to_be_visible()
    await page.get_by_role("link", name="Create counterparty").click()
    await page.locator("main form").first.get_by_role("button", name="Save").last.click()
    await expect(page).to_have_url(re.compile(r"/counterparties/\d+$"))
    await expect(page.locator("h1")).to_have_text("Студія «Світло»")
    await expect(page.get_by_text("Was a lead")).to_be_visible()
    await page.locator("input[name=number]").first.fill("050 777 11 23")
    await page.get_by_role("button", name="Save", exact=True).last.click()
    await said(desk, "Saved.")
    await desk.goto(lead)
    await expect(page.get_by_text("A closed lead is read-only.")).to_be_visible()
    await page.get_by_role("button", name="Open again").click()
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Студія «Світло»")


async def test_two_leads_become_one_and_the_old_address_leads_on(desks: Desks) -> None:
    desk = await desks.of("admin")
    page = desk.page
    older = await new_lead(desk, "050 888 11 22", "Микола Гай")
    younger = await new_lead(desk, "050 888 11 33", "Гай М.")
    await page.get_by_role("link", name="Merge …").click()
    await page.get_by_role("searchbox").fill("Микола Гай")
    await page.keyboard.press("Enter")
    await page.locator("tbody").get_by_role("link", name="Микола Гай").click()
    await expect(page.locator("section", has_text="Stays").first).to_contain_text("Микола Гай")
    await page.get_by_role("button", name="Merge them").click()
    await expect(page).to_have_url(desk.address + older)
    await expect(page.locator(".facts").first).to_contain_text("+380 50 888 1133")
    await desk.goto(younger)
    await expect(page).to_have_url(desk.address + older)


async def test_a_missed_call_is_closed_with_a_reason_and_a_task_is_done(desks: Desks) -> None:
    """Daria's call was missed, and nobody has to call her back."""
    desk = await desks.of("andriy")
    page = desk.page
    await desk.goto("/day")
    missed = page.locator("section", has=page.locator("#missed-title")).locator(".work-row").first
    await missed.get_by_text("Nobody needs to call back").press("Enter")
    await missed.get_by_label("Why?").fill("Написала листа")
    await missed.get_by_role("button", name="Close it").click()
    await said(desk, "Done.")
    tasks = page.locator("section", has=page.locator("#tasks-title")).locator(".work-row")
    await page.wait_for_load_state()
    before = await tasks.count()
    await tasks.first.get_by_role("button", name="Done").click()
    await expect(tasks).to_have_count(before - 1)


async def test_a_source_is_entered_and_given_to_a_number(desks: Desks, room: Showroom) -> None:
    desk = await desks.of("admin")
    page = desk.page
    await desk.goto("/company/sources")
    await page.get_by_role("link", name="New source").click()
    await page.fill("#name", "Billboard")
    await page.get_by_role("button", name="Save").click()
    await said(desk, "Saved")
    await desk.goto(f"/company/numbers/{room.keys['did']}")
    await page.get_by_label("Source").select_option("Billboard")
    await page.get_by_label("Channel").fill("Street")
    await page.get_by_role("button", name="Save").click()
    await said(desk, "Saved")
    await desk.goto("/company/numbers")
    await expect(page.locator("tbody")).to_contain_text("Street · Billboard")
    await desk.goto("/leads/new")
    await expect(page.get_by_label("Source").locator("option", has_text="Billboard")).to_have_count(1)


async def test_who_calls_is_told_in_the_language_of_the_page(desks: Desks, room: Showroom) -> None:
    """The worker that follows for all windows goes on for the other one when a language is chosen in this one."""
    desk = await desks.fresh("james")
    other = await desk.page.context.new_page()
    await other.goto(f"{desk.address}/live")
    page, asked = desk.page, room.panel.questions
    phone = {"pbx": "asterisk", "uniqueid": "9.1", "linkedid": "9.1", "channel": "PJSIP/103-1", "endpoint": "PJSIP/103"}
    caller = {"party": "+380501112233", "party_name": None, "hidden": False, "dialled": "0441234567"}
    ring = Ring(**phone, **caller, direction=Direction.INBOUND, state=RingState.RINGING)
    asked.take([ring])
    await expect(page.locator(".question-head")).to_contain_text("Incoming call")
    await desk.goto("/me")
    await page.get_by_label("Language").select_option("uk")
    await page.get_by_role("button", name="Save", exact=True).first.click()
    await expect(page.locator("html")).to_have_attribute("lang", "uk")
    await expect(page.locator(".question-head")).to_contain_text("Вхідний дзвінок")
    await expect(other.locator(".question-head")).to_contain_text("Incoming call")
    asked.take([replace(ring, state=RingState.OVER)])
    assert desk.complaints == []
    await page.context.close()


async def test_signing_out_everywhere_ends_every_window(desks: Desks) -> None:
    first, second = await desks.fresh("mariia"), await desks.fresh("mariia")
    await expect(second.page.locator("#live-state")).to_have_text("Connected")
    await first.goto("/me")
    await expect(first.page.locator("section", has=first.page.locator("#sessions")).locator("tbody tr")).to_have_count(
        2
    )
    await first.page.get_by_role("button", name="Sign out everywhere, here too").click()
    await expect(first.page).to_have_url(f"{first.address}/sign-in")
    await expect(second.page).to_have_url(re.compile("/sign-in"))


async def test_nobody_complained(desks: Desks) -> None:
    """None of these stories broke a script or the content policy."""
    for login in ("admin", "andriy"):
        assert (await desks.of(login)).complaints == []


async def test_a_choice_is_made_by_keyboard_in_several_presses(desks: Desks, room: Showroom) -> None:
    desk = await desks.fresh("admin")
    page = desk.page
    await desk.goto(f"/reports/leads?{REPORT}&by1=employee")
    choice, came = page.locator("select[name=by1]"), list[str]()
    values = await choice.locator("option").evaluate_all("(all) => all.map((one) => one.value)")
    page.on("framenavigated", lambda frame: came.append(frame.url))
    await choice.focus()
    for value in values[1:4]:
        await page.keyboard.press("ArrowDown")
        await expect(choice).to_have_value(value)
    assert not came, "it was sent before it was chosen"
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(f"by1={values[3]}"))
    await expect(choice).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await page.locator("main a").first.focus()
    await expect(page).to_have_url(re.compile(f"by1={values[2]}"))
    await expect(choice).to_be_focused()
    await choice.select_option(values[0])
    await expect(page).to_have_url(re.compile(f"by1={values[0]}"))
    await page.context.close()
