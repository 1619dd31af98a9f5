"""The page of outages, and the mark on calls that were recovered (C3)."""

from datetime import timedelta

import pytest

from leads.domain.calls import Phase, Result
from leads.store.engine import Database
from leads.store.models import OutageKind
from leads.store.recovery import EVERY_PBX, add_outage, begin_outage
from tests.admin.calls import add_call
from tests.admin.conftest import Clock, Visitor

HOUR = timedelta(hours=1)


@pytest.fixture
async def outage(database: Database, clock: Clock) -> int:
    """Leadline was down for an hour, in which one call was recovered and one was not; then Asterisk went away."""
    down = clock() - 2 * HOUR
    await add_outage(database, EVERY_PBX, OutageKind.LEADLINE, down, down + HOUR)
    await begin_outage(database, "asterisk", OutageKind.AMI, clock())
    ended = {"phase": Phase.ENDED, "result": Result.NO_ANSWER, "started_at": down + HOUR / 2, "ended_at": down + HOUR}
    await add_call(database, clock, "2.1", **ended)
    return await add_call(database, clock, "1.1", recovered=True, **ended)


@pytest.mark.usefixtures("outage")
async def test_outages_are_listed_with_the_calls_that_were_recovered(admin: Visitor) -> None:
    page = await admin.get("/outages")
    assert page.status == 200
    asterisk, leadline = page.text.split("<tr>")[2:4]
    assert "Leadline was not running" in leadline
    assert "1:00:00" in leadline
    assert ">1</td>" in leadline
    assert "Asterisk was out of reach" in asterisk
    assert "Lasts" in asterisk


async def test_employees_are_not_shown_outages(yurii: Visitor) -> None:
    assert (await yurii.get("/outages")).status == 403
    assert "/outages" not in (await yurii.get("/live")).text


async def test_recovered_calls_are_marked(admin: Visitor, outage: int) -> None:
    assert (await admin.get("/live")).text.count("Recovered</span>") == 1
    assert "Completed from what Asterisk kept" in (await admin.get(f"/calls/{outage}")).text
