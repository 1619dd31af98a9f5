"""What people call things may be one long word: no page grows wider than its window by it, on a phone or at a desk."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import String, cast, literal, update

from leads.store.duty_tables import Holiday
from leads.store.models import (
    Base,
    ContactPerson,
    Counterparty,
    CounterpartyStatus,
    Did,
    Employee,
    Lead,
    LeadStatus,
    RingGroup,
    Source,
)
from tests.browser.desk import Desks
from tools.showroom import PAGES, Showroom

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LONG = "Щ" * 190
NAMED: tuple[type[Base], ...] = (
    *(Lead, Counterparty, ContactPerson, Employee, LeadStatus, CounterpartyStatus, Source, RingGroup, Holiday),
)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def long_names(room: Showroom) -> AsyncIterator[None]:
    async with room.panel.database.write() as session:
        for model in NAMED:
            table = model.metadata.tables[model.__tablename__]
            key = next(iter(table.primary_key.columns))  # names of statuses and the like differ
            await session.execute(update(table).values(name=literal(LONG) + cast(key, String)))
        await session.execute(update(Did).values(label=LONG[:95], channel=LONG[:95]))
        await session.execute(update(Counterparty).values(folder=LONG[:95], address=LONG))
    await room.panel.directory.refresh()
    yield


async def test_no_page_grows_wider_by_a_long_word(room: Showroom, desks: Desks) -> None:
    wide = []
    for page in PAGES:
        desk = await desks.of(page.login)
        await desk.goto(room.path(page))
        for width in (390, 1000, 1440):
            await desk.page.set_viewport_size({"width": width, "height": 844})
            if await desk.scrolls_sideways():
                wide.append(f"{page.name} at {width} px")
    assert wide == []
