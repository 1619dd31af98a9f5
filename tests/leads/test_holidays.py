"""One list of holidays serves routing and planning (K2, P4)."""

from datetime import date
from zoneinfo import ZoneInfo

from leads.store.directory import load_directory
from leads.store.duty import add_holiday
from leads.store.engine import Database
from leads.store.planning_settings import company_calendar

NEW_YEAR = date(2027, 1, 1)


async def test_a_holiday_is_one_for_routing_and_for_planning(database: Database) -> None:
    async with database.read() as session:
        assert (await company_calendar(session, ZoneInfo("Europe/Kyiv"))).holidays == frozenset()
    async with database.write() as session:
        await add_holiday(session, NEW_YEAR, "New Year")
    async with database.read() as session:
        assert (await company_calendar(session, ZoneInfo("Europe/Kyiv"))).holidays == {NEW_YEAR}
        assert (await load_directory(session)).holidays == {NEW_YEAR: "New Year"}
