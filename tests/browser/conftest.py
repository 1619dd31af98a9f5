"""One Chromium for all of these tests, and for each file of them one panel on a company's working day."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.desk import Desks
from tools.showroom import Showroom, showroom

PASSWORD = "correct horse battery"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Showroom]:
    """The panel, with a company in it."""
    async with showroom(tmp_path_factory.mktemp("showroom"), PASSWORD) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desks(browser: Browser, room: Showroom) -> AsyncIterator[Desks]:
    """Windows of people who are signed in; each signs in once."""
    opened = Desks(browser, room.address, PASSWORD)
    yield opened
    await opened.close()
