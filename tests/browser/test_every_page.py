"""Every page of the panel as people see it: nothing wider than a phone, no violation of the content policy, no error
of a script, nothing serious for axe in light and dark, each control reached by keyboard with a visible focus (X2)."""

import re
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from sqlalchemy import update

from leads.store.models import Employee
from tests.browser.desk import Desk, Desks
from tools.showroom import IMPORT_FILE, PAGES, Page, Showroom

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ACCESS = Path(__file__).parents[2] / "docs" / "access.md"
NO_PAGES = re.compile(
    r"^(/|/reports|/metrics|/healthz)$|^/static/|^/phonebook/|^/recordings/|\.csv$|/stream$|/session$"
)
"""What answers with something else than a page, or leads on to one."""
FRAME, WITH_FRAME = ["header.side", ".subnav"], {"live", "employees"}
"""What is the same around every page is looked at on these pages alone."""
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
RUN_AXE = """async ([exclude, only]) => {
    const options = { resultTypes: ["violations"], ...(only.length ? { runOnly: only } : {}) };
    const found = await axe.run({ include: [document], exclude }, options);
    return found.violations.filter((one) => ["serious", "critical"].includes(one.impact)).map((one) =>
        `${one.id}: ${one.nodes.map((node) => node.target.join(" ") + " " + (node.any[0]?.message ?? "")).join("; ")}`);
}"""
WRONG_FORMS = """() => {
    const wrong = [];
    for (const one of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
        const named = one.labels?.length || one.getAttribute("aria-label") || one.getAttribute("aria-labelledby");
        if (!one.hidden && !named) wrong.push(`no label: ${one.outerHTML.slice(0, 80)}`);
    }
    for (const one of document.querySelectorAll("[tabindex]")) if (one.tabIndex > 0) wrong.push("tabindex above 0");
    const titles = document.querySelectorAll("h1").length;
    if (document.title.includes("<")) wrong.push(document.title);
    if (titles !== 1) wrong.push(`${titles} h1`);
    return wrong;
}"""
UNSEEN_FOCUS = """(exclude) => {
    const wrong = [];
    const style = (one) => { const s = getComputedStyle(one); return [s.outlineStyle, s.outlineWidth, s.boxShadow]; };
    const controls = "a[href], button, input, select, textarea, summary, audio, [tabindex]";
    const others = String([".sr", ...exclude]);
    for (const one of document.querySelectorAll(controls)) {
        if (one.disabled || one.tabIndex < 0 || !one.checkVisibility() || one.closest(others)) continue;
        const before = String(style(one));
        one.focus({ focusVisible: true, preventScroll: true });
        const [line, width] = style(one);
        const shown = line !== "none" && parseFloat(width) >= 1;
        if (document.activeElement !== one || !(shown || String(style(one)) !== before))
            wrong.push(one.outerHTML.slice(0, 100));
    }
    document.activeElement?.blur();
    return wrong;
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def sent_file(desks: Desks) -> AsyncIterator[None]:
    """The preview of an import has a file to show."""
    desk = await desks.of("admin")
    await desk.goto("/imports")
    file = {"name": "fair.csv", "mimeType": "text/csv", "buffer": IMPORT_FILE.encode()}
    await desk.page.set_input_files("#file", file)  # type: ignore[arg-type]
    await desk.page.click("main button.button-primary")
    await desk.page.wait_for_url("**/imports/preview")
    yield


async def test_the_list_has_every_page() -> None:
    shown = {re.sub(r"/(\{\w+\}|\d+)(?=/|$)", "/{id}", urlsplit(page.path).path) for page in PAGES}
    routes = set(re.findall(r"^\| `GET ([^`]+)` \|", ACCESS.read_text(), re.MULTILINE))
    assert {path for path in routes if not NO_PAGES.search(path)} - shown == set(), "add them to tools/showroom.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_a_page_is_fit_for_people(page: Page, desks: Desks, room: Showroom) -> None:
    desk = await desks.of(page.login)
    desk.complaints.clear()
    await desk.page.set_viewport_size({"width": 1440, "height": 900})
    await desk.page.emulate_media(color_scheme="light")
    await desk.goto(room.path(page))
    seen = [] if page.name in WITH_FRAME else FRAME
    wrong = [*await desk.page.evaluate(WRONG_FORMS), *await desk.page.evaluate(UNSEEN_FOCUS, seen)]
    wrong += await axe(desk, seen)
    for width in (390, 320):
        await desk.page.set_viewport_size({"width": width, "height": 844})
        if await desk.scrolls_sideways():
            wrong.append(f"scrolls sideways at {width} px")
    await desk.page.emulate_media(color_scheme="dark")
    wrong += await axe(desk, seen, "color-contrast")
    assert wrong + desk.complaints == []


@pytest.mark.parametrize("language", ["uk", "ru"])
async def test_no_page_is_wider_than_a_phone_in_longer_words(language: str, desks: Desks, room: Showroom) -> None:
    wide = []

    async def speak(words: str | None) -> None:
        async with room.panel.database.write() as session:
            await session.execute(update(Employee).values(language=words))

    await speak(language)
    try:
        for page in PAGES:
            desk = await desks.of(page.login)
            await desk.page.set_viewport_size({"width": 320, "height": 844})
            await desk.goto(room.path(page))
            if await desk.scrolls_sideways():
                wide.append(page.name)
    finally:
        await speak(None)
    assert wide == []


async def axe(desk: Desk, exclude: list[str], *rules: str) -> list[str]:
    """What axe finds that is serious or critical; the script comes past the content policy, as a debugger's does."""
    await desk.page.evaluate(f"window.axe === undefined && (() => {{ {AXE} }})()")
    return list(await desk.page.evaluate(RUN_AXE, [exclude, rules]))


TABBABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, audio")]
    .filter((one) => !one.disabled && one.tabIndex >= 0 && one.type !== "hidden"
    && one.checkVisibility({ visibilityProperty: true })
    && !(one.type === "radio" && !one.checked && document.querySelector(`[name="${one.name}"]:checked`))
    && (one.dataset.place = String(Math.random())))
    .map((one) => one.dataset.place)"""


@pytest.mark.parametrize(
    "path", ["/leads", "/leads/{lead}", "/company/employees/{employee}", "/day?employee={employee}"]
)
async def test_tab_comes_to_every_control(path: str, desks: Desks, room: Showroom) -> None:
    desk = await desks.of("admin")
    await desk.page.set_viewport_size({"width": 1440, "height": 900})
    await desk.goto(path.format_map(room.keys))
    wanted = set(await desk.page.evaluate(TABBABLE))
    reached = set()
    for _press in range(len(wanted) + 40):  # a day and an audio player take some presses each
        await desk.page.keyboard.press("Tab")
        reached.add(await desk.page.evaluate("document.activeElement.dataset.place"))
        if wanted <= reached:
            break
    missing = "(places) => places.map((one) => document.querySelector(`[data-place='${one}']`).outerHTML.slice(0, 100))"
    assert await desk.page.evaluate(missing, list(wanted - reached)) == []


async def test_the_first_tab_skips_to_the_content(desks: Desks) -> None:
    desk = await desks.of("admin")
    await desk.goto("/leads")
    await desk.page.keyboard.press("Tab")
    skip = desk.page.locator(".skip")
    assert (await skip.bounding_box() or {})["x"] >= 0
    await desk.page.keyboard.press("Enter")
    await desk.page.keyboard.press("Tab")
    assert await desk.page.evaluate("document.activeElement.closest('main') !== null")
