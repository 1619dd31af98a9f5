"""Chromium for tests: a page that remembers whatever it complained of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playwright.async_api import Page, async_playwright, expect

from tests.admin.conftest import PASSWORD

# A busy machine is no fault of what is tested; what is there at once costs no time.
expect.set_options(timeout=20_000)


@dataclass
class Window:
    """One browser window; `complaints` are errors of scripts and of the content policy."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    async def sign_in(self, login: str) -> None:
        await self.page.goto(f"{self.address}/sign-in")
        await self.page.fill("#login", login)
        await self.page.fill("#password", PASSWORD)
        await self.page.press("#password", "Enter")
        await self.page.wait_for_url("**/live")

    async def goto(self, path: str) -> None:
        await self.page.goto(self.address + path)

    async def scrolls_sideways(self) -> bool:
        return bool(await self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@asynccontextmanager
async def window(chromium: str, address: str, width: int = 1440, scheme: str = "light") -> AsyncIterator[Window]:
    """One window with cookies and storage of its own; `chromium` is the fixture."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(chromium)
        context = await browser.new_context(
            viewport={"width": width, "height": 844},
            color_scheme="dark" if scheme == "dark" else "light",
            locale="en-US",
        )
        opened = Window(await context.new_page(), address)
        opened.page.on(
            "console", lambda said: opened.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on("dialog", lambda dialog: dialog.accept())
        try:
            yield opened
        finally:
            await context.close()
            await browser.close()
