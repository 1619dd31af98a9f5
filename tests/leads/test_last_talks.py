"""Who talked last with a number (C4): the recorder keeps it, the look-up tells it, whatever comes late or twice."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from leads.domain.calls import Result
from leads.store.engine import Database
from leads.store.lookup import CallerLookup
from leads.store.models import ContactPerson, Counterparty, Lead, NumberChange, PhoneNumber
from tests.leads.test_calls import Desk
from tests.leads.views import CALLER, NOW, RINGING, ended, outgoing, talking

SECOND, SHARED = "+380509999999", "+380508888888"


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await Desk(database).open()


async def _talkers(desk: Desk) -> dict[str, list[int | None]]:
    found: dict[str, list[int | None]] = {}
    async with desk.database.read() as session:
        for row in await session.scalars(select(PhoneNumber).order_by(PhoneNumber.number, PhoneNumber.id)):
            found.setdefault(row.number, []).append(row.last_talker_id)
    return found


async def test_the_last_conversation_that_ended_tells(desk: Desk) -> None:
    await desk.write(talking(RINGING, "102"))
    assert await _talkers(desk) == {CALLER: [None]}
    await desk.write(ended(talking(RINGING, "102")))
    assert await _talkers(desk) == {CALLER: [2]}
    later = {"linkedid": "2.1", "started_at": NOW + timedelta(hours=1)}
    await desk.write(ended(talking(outgoing(**later), CALLER)))
    assert await _talkers(desk) == {CALLER: [1]}


async def test_what_comes_late_or_is_no_conversation_changes_nothing(desk: Desk) -> None:
    late = {"linkedid": "3.1", "started_at": NOW - timedelta(hours=1)}
    missed = {"linkedid": "4.1", "started_at": NOW + timedelta(hours=1)}
    await desk.write(ended(talking(RINGING, "102")))
    await desk.write(ended(talking(RINGING, "101", **late)), ended(RINGING, Result.BUSY, **missed))
    await desk.write(ended(talking(RINGING, "102")))
    assert await _talkers(desk) == {CALLER: [2]}


async def test_the_owner_s_other_numbers_know_it_too_but_not_those_that_others_share(desk: Desk) -> None:
    await desk.write(RINGING)
    lead = await desk.lead()
    other = Counterparty(name="Other", created_at=NOW, updated_at=NOW, numbers=[PhoneNumber(number=SHARED)])
    async with desk.database.write() as session:
        session.add_all(
            [
                PhoneNumber(number=SECOND, lead_id=lead.id, on_active_lead=True),
                PhoneNumber(number=SHARED, lead_id=lead.id),
            ]
        )
        session.add(other)
    await desk.write(ended(talking(RINGING, "102")))
    assert await _talkers(desk) == {CALLER: [2], SECOND: [2], SHARED: [None, None]}


async def test_contact_persons_and_companies_have_their_own(desk: Desk) -> None:
    person = ContactPerson(name="Olha", numbers=[PhoneNumber(number=CALLER), PhoneNumber(number=SECOND)])
    company = Counterparty(
        name="Romashka",
        created_at=NOW,
        updated_at=NOW,
        contact_persons=[person],
        numbers=[PhoneNumber(number=SHARED)],
    )
    async with desk.database.write() as session:
        session.add(company)
    await desk.write(ended(talking(RINGING, "101")))
    assert await _talkers(desk) == {CALLER: [1], SECOND: [1], SHARED: [None]}


async def test_the_look_up_tells_it_and_the_change_is_noted_once(desk: Desk, database_url: str) -> None:
    await desk.write(RINGING)
    async with desk.database.read() as session:
        before = len((await session.scalars(select(NumberChange.id))).all())
    await desk.write(ended(talking(RINGING, "102")))
    again = {"linkedid": "5.1", "started_at": NOW + timedelta(hours=1)}
    await desk.write(ended(talking(RINGING, "102", **again)))
    async with desk.database.read() as session:
        changes = (await session.scalars(select(NumberChange.number).where(NumberChange.number == CALLER))).all()
        responsible = await session.scalar(select(Lead.responsible_id))
    assert len(changes) == before + 1
    lookup = await CallerLookup.open(database_url)
    answer = await lookup.find(CALLER)
    await lookup.close()
    assert [(one.last_talker_id, one.responsible_id) for one in answer.people] == [(2, responsible)]
