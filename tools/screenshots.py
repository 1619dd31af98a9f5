"""Takes the pictures of all pages of the panel, in its languages and at two widths: `make screenshots`.

They are WebP, which Chromium writes itself, so that some hundreds of them weigh no more than a few large ones.
"""

import asyncio
import base64
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, async_playwright
from playwright.async_api import Page as Tab

from tools.showroom import IMPORT_FILE, PAGES, Page, Showroom, showroom

DOCS = Path(__file__).parent.parent / "docs"
IMAGES = DOCS / "images"
PASSWORD = "only for these pictures"  # noqa: S105 - of a database that lives for some seconds
LANGUAGES = {"en": "en-GB", "uk": "uk-UA", "ru": "ru-RU"}
WIDTHS = {"": (1440, 900), "-phone": (390, 844)}
DARK = {"live", "my-day", "lead-card", "report-leads"}
"""Pages that are shown in the dark, too, in the first language."""
QUALITY = 32
DESK_SCALE = 0.75
"""Of the pictures of desks, so that text can be read and the pictures stay small."""
MOST_BYTES = 6_500_000
"""Of all pictures together: everybody who clones the repository loads them."""


@dataclass(frozen=True)
class Picture:
    """One picture of a page."""

    page: Page
    language: str
    width: str
    scheme: str = "light"

    @property
    def file(self) -> Path:
        dark = "-dark" if self.scheme == "dark" else ""
        return IMAGES / self.language / f"{self.page.name}{dark}{self.width}.webp"


def pictures_of(page: Page, language: str) -> Iterator[Picture]:
    """All pictures of a page in one language, those in the dark last."""
    for scheme in ("light", "dark") if page.name in DARK and language == "en" else ("light",):
        for width in WIDTHS:
            yield Picture(page, language, width, scheme)


async def main() -> None:
    """Take them all, and list them in docs/screens.md."""
    shutil.rmtree(IMAGES, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="leadline-screenshots-") as folder:
        async with showroom(Path(folder), PASSWORD) as room, async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
            )
            for language in LANGUAGES:
                await take_language(browser, room, language)
            await browser.close()
    (DOCS / "screens.md").write_text(listing())
    total = sum(file.stat().st_size for file in IMAGES.rglob("*.webp"))
    if total > MOST_BYTES:
        raise RuntimeError(f"the pictures have {total} bytes together; lower their quality")


async def take_language(browser: Browser, room: Showroom, language: str) -> None:
    """Take all pages in one language, each by whoever may see it."""
    for login in dict.fromkeys(page.login for page in PAGES):
        context = await browser.new_context(locale=LANGUAGES[language], reduced_motion="reduce")
        tab = await context.new_page()
        if login:
            await _sign_in(tab, room, login)
        for page in PAGES:
            if page.login == login:
                await _take(context, tab, room, page, language)
        await context.close()


async def _sign_in(tab: Tab, room: Showroom, login: str) -> None:
    await tab.goto(f"{room.address}/sign-in")
    await tab.fill("#login", login)
    await tab.fill("#password", PASSWORD)
    await tab.press("#password", "Enter")
    await tab.wait_for_url("**/live")
    if login == "admin":
        await tab.goto(f"{room.address}/imports")
        file = {"name": "fair.csv", "mimeType": "text/csv", "buffer": IMPORT_FILE.encode()}
        await tab.set_input_files("#file", file)  # type: ignore[arg-type]
        await tab.click("main button.button-primary")
        await tab.wait_for_url("**/imports/preview")


async def _take(context: BrowserContext, tab: Tab, room: Showroom, page: Page, language: str) -> None:
    await tab.goto(room.address + room.path(page))
    if page.name == "live":
        await tab.locator("#live-state[data-state=connected]").wait_for()
    if page.login == "andriy":  # What he has to do is counted a moment after the page is there.
        await tab.locator("[data-day-count]:not([hidden])").wait_for(state="attached")
    await tab.evaluate("document.querySelector('[data-reminders]')?.remove()")
    debugger = await context.new_cdp_session(tab)
    for picture in pictures_of(page, language):
        width, height = WIDTHS[picture.width]
        await tab.set_viewport_size({"width": width, "height": height})
        await tab.emulate_media(color_scheme="dark" if picture.scheme == "dark" else "light")
        scale = 1 if picture.width else DESK_SCALE
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": scale}
        shot = await debugger.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY, "clip": clip})
        picture.file.parent.mkdir(parents=True, exist_ok=True)
        picture.file.write_bytes(base64.b64decode(shot["data"]))
    await tab.emulate_media(color_scheme="light")
    await debugger.detach()


def listing() -> str:
    """docs/screens.md: every page with its pictures."""
    lines = [
        "# The pages",
        "",
        "Every page, as `make screenshots` takes it: on a desk (1440 pixels) and on a phone (390), in each language.",
        "",
        "| page | English | Ukrainian | Russian | dark |",
        "| --- | --- | --- | --- | --- |",
    ]
    for page in PAGES:
        cells = [" · ".join(_links(page, language, "light")) for language in LANGUAGES]
        cells.append(" · ".join(_links(page, "en", "dark")))
        lines.append(f"| {page.name.replace('-', ' ')} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _links(page: Page, language: str, scheme: str) -> Iterator[str]:
    for picture in pictures_of(page, language):
        if picture.scheme == scheme:
            label = "phone" if picture.width else "desk"
            yield f"[{label}]({picture.file.relative_to(DOCS).as_posix()})"


if __name__ == "__main__":
    asyncio.run(main())
