"""The panel on a company's day, and the list of all its pages: for pictures, and for tests that look at every page."""

import math
import struct
import wave
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy import select

from agi.service import RoutingService
from leadline.route_text import trial_of
from leads.admin import CallFeed, create_panel, panel_runner
from leads.admin.context import PANEL, Panel
from leads.admin.recordings import Recordings
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lookup import CallerLookup
from leads.store.migrate import upgrade
from leads.store.models import Recording
from leads.store.recording_files import RecordingFolder
from tools.showcase import REGION, fill

NOW = datetime(2026, 3, 4, 12, 24, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Kyiv")
REPORT = "from=2026-02-01&to=2026-03-04"


@dataclass(frozen=True)
class Page:
    """One page to look at: `path` has the keys of cards as {lead}; `login` is whose eyes see it."""

    name: str
    path: str
    login: str = "admin"


PAGES: tuple[Page, ...] = (
    Page("sign-in", "/sign-in", ""),
    Page("live", "/live"),
    Page("my-day", "/day", "andriy"),
    Page("planned-calls", "/plans"),
    Page("leads", "/leads"),
    Page("leads-closed", "/leads?state=closed"),
    Page("leads-none", "/leads?q=zzzz"),
    Page("lead-new", "/leads/new"),
    Page("lead-card", "/leads/{lead}"),
    Page("lead-card-unnamed", "/leads/{unnamed_lead}"),
    Page("lead-card-closed", "/leads/{closed_lead}"),
    Page("lead-close", "/leads/{lead}/close?q=вікна"),
    Page("lead-choose-person", "/leads/{lead}/close?counterparty={counterparty}"),
    Page("lead-merge-find", "/leads/{lead}/merge"),
    Page("lead-merge", "/leads/{lead}/merge?other={other_lead}"),
    Page("handovers", "/handovers", "james"),
    Page("handover", "/handovers/{handover}", "james"),
    Page("lead-erase", "/leads/{lead}/erase"),
    Page("counterparties", "/counterparties"),
    Page("counterparty", "/counterparties/{counterparty}"),
    Page("counterparty-new", "/counterparties/new"),
    Page("lead-becomes", "/counterparties/new?lead={lead}"),
    Page("counterparty-erase", "/counterparties/{counterparty}/erase"),
    Page("call", "/calls/{call}"),
    Page("call-running", "/calls/{running_call}"),
    Page("import", "/imports"),
    Page("import-preview", "/imports/preview"),
    Page("import-done", "/imports/{import}"),
    Page("report-leads", f"/reports/leads?{REPORT}&by1=employee&by2=source"),
    Page("report-leads-behind", f"/reports/leads/behind?{REPORT}&figure=leads"),
    Page("report-contact", f"/reports/contact?{REPORT}"),
    Page("report-contact-behind", f"/reports/contact/behind?{REPORT}&figure=waiting"),
    Page("report-calls", f"/reports/calls?{REPORT}"),
    Page("report-calls-behind", f"/reports/calls/behind?{REPORT}&figure=missed"),
    Page("outages", "/outages"),
    Page("preferences", "/me"),
    Page("phone-books", "/phone-book"),
    Page("phone-books-own", "/phone-book", "andriy"),
    Page("employees", "/company/employees"),
    Page("employee", "/company/employees/{employee}"),
    Page("employee-new", "/company/employees/new"),
    Page("employee-leaves", "/company/employees/{employee}/leave"),
    Page("groups", "/company/groups"),
    Page("group", "/company/groups/{group}"),
    Page("group-new", "/company/groups/new"),
    Page("numbers", "/company/numbers"),
    Page("number", "/company/numbers/{did}"),
    Page("number-new", "/company/numbers/new"),
    Page("sources", "/company/sources"),
    Page("source", "/company/sources/{source}"),
    Page("source-new", "/company/sources/new"),
    Page("ignored", "/company/ignored"),
    Page("recording-choice", "/company/recordings"),
    Page("statuses", "/company/statuses"),
    Page("status", "/company/statuses/leads/1"),
    Page("status-new", "/company/statuses/leads/new"),
    Page("status-counterparty", "/company/statuses/counterparties/1"),
    Page("status-counterparty-new", "/company/statuses/counterparties/new"),
    Page("holidays", "/company/holidays"),
    Page("route", "/company/route"),
    Page("route-tried", "/company/route?number=%2B380501112233&to=%2B380441234567"),
    Page("planning", "/company/planning"),
    Page("retention", "/company/retention"),
    Page("audit", "/company/audit?kind=lead"),
    Page("refused", "/company/audit", "andriy"),
    Page("nothing-there", "/leads/999999"),
)
"""Every page; tests/admin/test_every_page.py holds it to the routes of docs/access.md."""

IMPORT_FILE = "Name;Number;E-mail;Status\nІгор Бойко;+380671110022;boyko@ukr.net;Hot\nAnna Novak;+420601234567;;Warm\n"
"""What the preview of an import shows; sent by whoever looks at that page."""


@dataclass(frozen=True)
class Showroom:
    """A running panel: its address, the keys of its cards, and what it is made of."""

    address: str
    keys: Mapping[str, int]
    panel: Panel
    feed: CallFeed

    def path(self, page: Page) -> str:
        """The address of a page on this panel."""
        return page.path.format_map(self.keys)


@asynccontextmanager
async def showroom(folder: Path, password: str) -> AsyncIterator[Showroom]:
    """Run a panel on a company's day, with files in `folder`; `password` is everybody's."""
    database = Database(f"sqlite+aiosqlite:///{folder}/leadline.db")
    await upgrade(database.url.render_as_string())
    keys = await fill(database, NOW, password)
    directory = DirectoryCache(database)
    await directory.refresh()
    lookup = await CallerLookup.open(database.url.render_as_string(hide_password=False))
    routing = RoutingService(
        lookup, directory, region=REGION, default_extension="103", name_language="uk", zone=ZONE, clock=lambda: NOW
    )
    feed = CallFeed()
    app = create_panel(
        database,
        directory,
        feed,
        zone=ZONE,
        region=REGION,
        secure=False,
        clock=lambda: NOW,
        recordings=Recordings({"asterisk": RecordingFolder(await _record(database, folder / "recordings"))}),
        route_trial=trial_of(routing),
    )
    runner = panel_runner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Showroom(f"http://127.0.0.1:{runner.addresses[0][1]}", keys, app[PANEL], feed)
    finally:
        await runner.cleanup()
        await lookup.close()
        await database.dispose()


async def _record(database: Database, folder: Path) -> Path:
    """Write a file for each recording that the company has."""
    async with database.read() as session:
        paths = list(await session.scalars(select(Recording.path)))
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True)
        with wave.open(str(file), "wb") as audio:
            audio.setnchannels(1)
            audio.setsampwidth(2)
            audio.setframerate(8000)
            tone = (int(6000 * math.sin(place / 3)) for place in range(8000 * 20))
            audio.writeframes(b"".join(struct.pack("<h", one) for one in tone))
    return folder
