"""Windows of Chromium for the tests of this folder: one for each person, which remembers what it complained of."""

from dataclasses import dataclass, field

from playwright.async_api import Browser, Page, Request, expect

# A busy machine is no fault of what is tested; what is there at once costs no time.
expect.set_options(timeout=20_000)

EXPECTED = ("the server responded with a status of 4",)
"""What Chromium says of answers that are refusals on purpose."""


@dataclass
class Desk:
    """One person's window; `complaints` are errors of scripts and of the content policy, `asked` what dialogs said."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def goto(self, path: str) -> None:
        await self.page.goto(self.address + path)

    async def scrolls_sideways(self) -> bool:
        return bool(await self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))


class Desks:
    """Opens windows, each with cookies and storage of its own."""

    def __init__(self, browser: Browser, address: str, password: str) -> None:
        self._browser, self._address, self._password = browser, address, password
        self._open: dict[str, Desk] = {}

    async def of(self, login: str) -> Desk:
        """The window of somebody, who is signed in; nobody's for an empty login."""
        if login not in self._open:
            self._open[login] = await self.fresh(login)
        return self._open[login]

    async def fresh(self, login: str, *, width: int = 1440) -> Desk:
        """One more window, signed in anew."""
        context = await self._browser.new_context(viewport={"width": width, "height": 900}, locale="en-US")
        desk = Desk(await context.new_page(), self._address)
        desk.page.on("console", lambda said: _note(desk, said.type, said.text))
        desk.page.on("pageerror", lambda error: desk.complaints.append(str(error)))
        desk.page.on("requestfailed", lambda request: _note_failed(desk, request))

        async def accept(dialog):  # type: ignore[no-untyped-def]
            desk.asked.append(dialog.message)
            await dialog.accept()

        desk.page.on("dialog", accept)
        if login:
            await desk.goto("/sign-in")
            await desk.page.fill("#login", login)
            await desk.page.fill("#password", self._password)
            await desk.page.press("#password", "Enter")
            await desk.page.wait_for_url("**/live")
        return desk

    async def close(self) -> None:
        """Close them all."""
        for desk in self._open.values():
            await desk.page.context.close()


def _note(desk: Desk, kind: str, text: str) -> None:
    if kind in ("error", "warning") and not any(one in text for one in EXPECTED):
        desk.complaints.append(f"{text} ({desk.page.url})")


def _note_failed(desk: Desk, request: Request) -> None:
    if request.failure and "csp" in request.failure.lower():
        desk.complaints.append(f"{request.url}: {request.failure}")
