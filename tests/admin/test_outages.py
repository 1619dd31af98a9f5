"""The page of outages, and the mark on calls that were recovered (C3)."""

import random
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from leads.domain.calls import Phase, Result
from leads.store.engine import Database
from leads.store.models import Call, Outage, OutageKind
from leads.store.recovery import EVERY_PBX, add_outage, begin_outage, outages
from tests.admin.calls import add_call
from tests.admin.conftest import Clock, Visitor
from tests.leads.query_plans import plans, statements

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


async def test_each_outage_counts_the_recovered_calls_that_it_touched(database: Database, clock: Clock) -> None:
    """Counted one by one: outages that overlap, of one Asterisk or of all, calls at their edges, one that lasts."""
    dice = random.Random(7)
    begin = clock() - 100 * HOUR

    def time() -> datetime:
        return begin + dice.randrange(40) * HOUR

    async with database.write() as session:
        for n in range(30):
            start, end = sorted((time(), time()))
            pbx = dice.choice(["a", "b", EVERY_PBX])
            session.add(
                Outage(
                    pbx=pbx, kind=dice.choice([*OutageKind]), started_at=start + HOUR * n / 1000, ended_at=end + HOUR
                )
            )
        session.add(Outage(pbx="a", kind=OutageKind.AMI, started_at=begin + 30 * HOUR))
    for n in range(120):
        start, end = sorted((time(), time()))
        await add_call(
            database,
            clock,
            f"{n}.1",
            pbx=dice.choice(["a", "b", "c"]),
            recovered=n % 3 > 0,
            phase=Phase.ENDED if n % 5 else Phase.TALKING,
            started_at=start,
            ended_at=end if n % 5 else None,
        )
    async with database.read() as session:
        lines = await outages(session)
        calls = (await session.scalars(select(Call).where(Call.recovered))).all()
    counted = [
        sum(
            line.pbx in (EVERY_PBX, call.pbx)
            and (line.ended_at is None or call.started_at <= line.ended_at)
            and (call.ended_at or call.started_at) >= line.started_at
            for call in calls
        )
        for line in lines
    ]
    assert [line.recovered for line in lines] == counted
    assert min(counted) < 5 < max(counted)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_outages_do_not_read_all_calls(database: Database, clock: Clock) -> None:
    await begin_outage(database, "asterisk", OutageKind.AMI, clock())
    with statements() as seen:
        async with database.read() as session:
            await outages(session)
    found = [step for steps in (await plans(database, seen)).values() for step in steps if "call" in step]
    assert found
    assert all("USING INDEX ix_call_recovered (ended_at" in step for step in found), found
