"""Takes the pictures of the panel that the documentation shows: `make screenshots`."""

import asyncio
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, async_playwright

from tools.showroom import showroom

IMAGES = Path(__file__).parent.parent / "docs" / "images"
PASSWORD = "only for these pictures"  # noqa: S105 - of a database that lives for some seconds
LARGEST_BYTES = 200_000
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass(frozen=True)
class Picture:
    """One picture; of a list that `path` narrows by a search, the first card is shown."""

    name: str
    path: str
    height: int
    width: int = 1440
    scheme: Literal["light", "dark"] = "light"


PICTURES = (
    Picture("sign-in", "/sign-in", 760),
    Picture("live", "/live", 1000),
    Picture("leads", "/leads", 900),
    Picture("lead-card", "/leads?q=щербань", 1100),
    Picture("counterparty", "/counterparties?q=вікна", 1100),
    Picture("live-dark", "/live", 1000, scheme="dark"),
    Picture("lead-card-dark", "/leads?q=щербань", 1100, scheme="dark"),
    Picture("live-phone", "/live", 844, width=390),
    Picture("lead-card-phone", "/leads?q=щербань", 844, width=390),
)


async def take(browser: Browser, address: str, picture: Picture) -> None:
    """Take one picture.

    Raises:
        RuntimeError: it is larger than a README should load.
    """
    context = await browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme=picture.scheme,
        locale="en-GB",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    if picture.path != "/sign-in":
        await _sign_in(page, address)
    await page.goto(address + picture.path)
    if "?q=" in picture.path:
        await page.locator("table.list td.title a").first.click()
        await page.wait_for_url(re.compile(r"/\d+$"))
    if picture.path == "/live":
        await page.locator("#live-state[data-state=connected]").wait_for()
    target = IMAGES / f"{picture.name}.png"
    await page.screenshot(path=target, animations="disabled")
    await context.close()
    if target.stat().st_size > LARGEST_BYTES:
        raise RuntimeError(f"{target} has {target.stat().st_size} bytes; show less")


async def _sign_in(page: Page, address: str) -> None:
    await page.goto(f"{address}/sign-in")
    await page.fill("#login", "admin")
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")
    await page.wait_for_url("**/live")


async def main() -> None:
    """Take them all."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="leadline-screenshots-") as folder:
        async with showroom(Path(folder), PASSWORD) as room, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_ARGUMENTS)
            for picture in PICTURES:
                await take(browser, room.address, picture)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
