"""Sources (S1, L14): from the dialled number onto the call and its new lead, and kept there whatever changes later."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from leads.store import models
from leads.store.calls import CallWriter
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.models import Call, Did, Lead, Source
from leads.store.sources import Stranger, save_source, source_choices, source_names, unregistered_numbers
from tests.leads.views import DID, NOW, RINGING, ended, outgoing, talking

SECOND = "+380449876543"


@pytest.fixture
async def writer(database: Database) -> CallWriter:
    """Our number with a channel and source 1, a second number with neither."""
    async with database.write() as session:
        session.add_all([Source(id=1, name="Radio"), Source(id=2, name="Site")])
        await session.flush()
        session.add_all([Did(number=DID, channel="Broadcast", source_id=1), Did(number=SECOND)])
        session.add(models.Employee(id=1, name="e1", created_at=NOW))
        await session.flush()
        session.add(models.Extension(number="101", endpoint="PJSIP/101", employee_id=1))
    return CallWriter(database, DirectoryCache(database), "UA", lambda: NOW)


async def _calls(database: Database) -> Sequence[tuple[str | None, int | None]]:
    async with database.read() as session:
        rows = await session.execute(select(Call.channel, Call.source_id).order_by(Call.linkedid))
        return [(channel, source) for channel, source in rows]


async def _sources_of_leads(database: Database) -> list[int | None]:
    async with database.read() as session:
        return list(await session.scalars(select(Lead.source_id).order_by(Lead.id)))


async def test_a_call_and_its_new_lead_have_the_dialled_numbers_source(database: Database, writer: CallWriter) -> None:
    await writer.write([RINGING], ())
    assert await _calls(database) == [("Broadcast", 1)]
    assert await _sources_of_leads(database) == [1]


async def test_the_first_call_decides_the_leads_source_and_each_call_keeps_its_own(
    database: Database, writer: CallWriter
) -> None:
    await writer.write([RINGING], ())
    await writer.write([ended(replace(RINGING, linkedid="1.2", dialled=SECOND))], ())
    assert await _calls(database) == [("Broadcast", 1), (None, None)]
    assert await _sources_of_leads(database) == [1]


async def test_a_call_keeps_what_its_number_had_when_it_came(database: Database, writer: CallWriter) -> None:
    await writer.write([RINGING], ())
    async with database.write() as session:
        await session.execute(update(Did).where(Did.number == DID).values(channel="Outdoor", source_id=2))
    await writer.write([ended(talking(RINGING))], ())
    await writer.write([ended(replace(RINGING, linkedid="1.2"))], ())
    assert await _calls(database) == [("Broadcast", 1), ("Outdoor", 2)]
    assert await _sources_of_leads(database) == [1]


async def test_an_outgoing_call_makes_a_lead_without_a_source(database: Database, writer: CallWriter) -> None:
    await writer.write([ended(talking(outgoing()))], ())
    assert await _calls(database) == [(None, None)]
    assert await _sources_of_leads(database) == [None]
    await writer.write([replace(RINGING, linkedid="1.2", caller=outgoing().dialled)], ())
    assert await _sources_of_leads(database) == [None]


async def test_numbers_that_nobody_entered_are_pointed_out(database: Database, writer: CallWriter) -> None:
    for number, linkedid, days in (
        ("+380440000001", "1", 3),
        ("+380440000001", "2", 1),
        ("+380440000002", "3", 2),
        ("+380440000003", "4", 100),
        (SECOND, "5", 1),
    ):
        call = replace(RINGING, linkedid=linkedid, dialled=number, started_at=NOW - timedelta(days=days))
        await writer.write([ended(call)], ())
    async with database.read() as session:
        found = await unregistered_numbers(session, NOW - timedelta(days=90))
    assert found == [
        Stranger("+380440000001", 2, _ago(1)),
        Stranger("+380440000002", 1, _ago(2)),
    ]


def _ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


async def test_a_source_out_of_use_is_offered_only_where_it_stands(database: Database, writer: CallWriter) -> None:
    async with database.write() as session:
        await save_source(session, 1, 1, "Radio", active=False)
    async with database.read() as session:
        assert await source_names(session) == [(2, "Site"), (1, "Radio")]
        assert await source_choices(session, None) == [(2, "Site")]
        assert await source_choices(session, 1) == [(2, "Site"), (1, "Radio")]
