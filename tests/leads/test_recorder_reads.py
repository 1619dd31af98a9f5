"""What a call writes finds its rows by an index, with statistics of the tables or without, among any number of leads.

SQLite says how it will find them (EXPLAIN QUERY PLAN); a table that it scans there costs each call a moment for each
lead.
"""

from dataclasses import replace

import pytest
from sqlalchemy import insert, text

from leads.store import models
from leads.store.calls import CallWriter
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from tests.leads.query_plans import plans, statements
from tests.leads.views import CALLER, NOW, RINGING, ended, talking

SMALL = {"SCAN CONSTANT ROW", "SCAN directory_version", "SCAN lead_status", "SCAN planning_setting"}


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize("analyzed", [False, True])
async def test_no_statement_of_a_call_reads_a_whole_table(database: Database, analyzed: bool) -> None:
    async with database.write() as session:
        await session.execute(insert(models.Employee), [{"id": 1, "name": "e1", "created_at": NOW}])
        await session.execute(insert(models.Extension), [{"number": "101", "endpoint": "PJSIP/101", "employee_id": 1}])
        people = range(1, 301)
        common = {"status_id": 1, "created_at": NOW, "updated_at": NOW, "version": 1, "search_text": ""}
        await session.execute(
            insert(models.Lead),
            [{"id": one, "name": "N", "main_number": "", "sort_name": "n", **common} for one in people],
        )
        await session.execute(
            insert(models.PhoneNumber),
            [{"number": f"+38050{one:07}", "lead_id": one, "on_active_lead": True} for one in people],
        )
        await session.execute(
            insert(models.Counterparty), [{"id": 1, "name": "C", "sort_name": "c", "folder": "", **common}]
        )
        await session.execute(insert(models.PhoneNumber), [{"number": "+380671234567", "counterparty_id": 1}])
        if analyzed:
            await session.execute(text("ANALYZE"))
    directory = DirectoryCache(database)
    await directory.refresh()
    writer = CallWriter(database, directory, "UA", lambda: NOW)
    with statements() as seen:
        for number, caller in enumerate((CALLER, "+380500000007", "+380671234567")):
            answered = replace(RINGING, linkedid=f"{number}.1", caller=caller)
            for view in (answered, ended(talking(answered)), ended(replace(answered, linkedid=f"{number}.2"))):
                await writer.write([view], [])
    assert "phone_number" in "".join(seen)
    scans = set()
    for statement, plan in (await plans(database, seen)).items():
        scans |= {(step, statement) for step in plan if step.startswith("SCAN ") and step not in SMALL}
    assert not scans
