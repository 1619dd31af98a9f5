"""Where there are several Asterisk servers, a call says on which it is, and the page which of them is away (C13)."""

import pytest

from leads.admin import CallFeed
from leads.admin.asterisks import Asterisks
from leads.store.engine import Database
from tests.admin.calls import add_call
from tests.admin.conftest import Clock, Visitor
from tests.admin.test_live import opened


@pytest.fixture
def away() -> list[str]:
    return []


@pytest.fixture
def asterisks(away: list[str]) -> Asterisks:
    return Asterisks(("kyiv", "lviv"), lambda: away)


async def test_a_call_says_on_which_asterisk_it_is(admin: Visitor, database: Database, clock: Clock) -> None:
    call_id = await add_call(database, clock, "1.1", pbx="lviv")
    assert '<span class="soft">lviv</span>' in (await admin.get("/live")).text
    assert "<dt>Asterisk</dt><dd>lviv</dd>" in (await admin.get(f"/calls/{call_id}")).text


async def test_an_open_page_is_told_which_asterisk_is_away_and_when_it_is_back(
    admin: Visitor, feed: CallFeed, away: list[str]
) -> None:
    assert 'role="status" hidden>' in (await admin.get("/live")).text
    async with opened(admin) as events:
        assert (await events.calls())["trouble"] == ""
        away.append("lviv")
        feed.notify()
        assert (await events.calls())["trouble"].startswith("Not connected: lviv.")
        assert 'role="status">Not connected: lviv.' in (await admin.get("/live")).text
        away.clear()
        feed.notify()
        assert (await events.calls())["trouble"] == ""


@pytest.mark.parametrize("language", ["uk", "ru"])
async def test_it_is_told_in_the_readers_language(admin: Visitor, away: list[str], language: str) -> None:
    away.append("lviv")
    text = (await admin.get("/live", Accept_Language=language)).text
    assert ": lviv." in text
    assert "Not connected" not in text


def test_a_single_asterisk_is_told_of_without_its_name() -> None:
    assert not Asterisks(("asterisk",)).several
