"""The dry run in the panel asks what a call would ask, and tells who rings, what displays show, and why (C5)."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select

from agi.service import RoutingService
from leadline.route_text import trial_of
from leads.admin.route_trial import RouteTrial
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lookup import CallerLookup
from leads.store.models import Did, Lead, PhoneNumber, RoutingDecision
from tests.admin.conftest import Clock, Company, Visitor

OLHA = "+380672223344"


@pytest.fixture
async def route_trial(
    database: Database, directory: DirectoryCache, company: Company, clock: Clock
) -> AsyncIterator[RouteTrial]:
    async with database.write() as session:
        lead = Lead(
            name="Ольга Щербань",
            named=True,
            status_id=1,
            responsible_id=company.maria,
            main_number=OLHA,
            numbers=[PhoneNumber(number=OLHA, on_active_lead=True)],
            created_at=clock(),
            updated_at=clock(),
        )
        session.add_all([lead, Did(number="+380441234567", label="Main", group_id=company.sales)])
    await directory.refresh()
    lookup = await CallerLookup.open(database.url.render_as_string(hide_password=False), deadline=20)
    yield trial_of(RoutingService(lookup, directory, region="UA", default_extension="103", name_language="uk"))
    await lookup.close()


async def test_a_known_number_is_tried(admin: Visitor, database: Database) -> None:
    page = (await admin.get("/company/route?number=067+222+33+44&to=%2B380441234567")).text
    for words in (
        "Марія Коваленко · 102",
        "shows “Ольга Щербань”",
        "Щербань Юрій · 101",
        "shows “Olha Shcherban”",
        "+380672223344 is the lead Ольга Щербань.",
        "leads to the group Sales",
        "for 30 seconds",
    ):
        assert words in page
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(RoutingDecision)) == 0


async def test_hidden_and_strange_numbers_are_tried_too(admin: Visitor) -> None:
    assert "number is hidden" in (await admin.get("/company/route?number=&to=")).text
    unknown = await admin.get("/company/route?number=0501234567&to=%2B380441234568")
    assert "+380501234567 is unknown" in unknown.text
    assert "is not one of ours" in unknown.text


async def test_what_is_no_number_is_told_and_kept(admin: Visitor) -> None:
    answer = await admin.get("/company/route?number=abc&to=")
    assert answer.status == 422
    assert "Not a telephone number." in answer.text
    assert 'value="abc"' in answer.text


async def test_the_page_begins_empty(admin: Visitor) -> None:
    page = (await admin.get("/company/route")).text
    assert "Try a route" in page
    assert "Why it would go there" not in page
