"""Who talked last with a number (C4): the recorder keeps it, the look-up tells it, whatever comes late or twice."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from leads.domain.calls import Result
from leads.store.closing import Choice, choose_counterparty
from leads.store.counterparty_card import CounterpartyEdit, PersonEdit, load_counterparty, save_counterparty
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead, save_lead
from leads.store.lookup import CallerLookup
from leads.store.merging import merge_leads
from leads.store.models import ContactPerson, Counterparty, Lead, NumberChange, PhoneNumber
from tests.leads.views import CALLER, NOW, RINGING, ended, outgoing, talking
from tests.leads.writing import Desk

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
    lookup = await CallerLookup.open(database_url, deadline=20)
    answer = await lookup.find(CALLER)
    await lookup.close()
    assert [(one.last_talker_id, one.responsible_id) for one in answer.people] == [(2, responsible)]


LEAD = LeadEdit("Лід", (CALLER,), "", "", "", None, 1, 1, None)
CARD = CounterpartyEdit("ТОВ", "", "", "", "", None, None, (SHARED,), ())


def _by(hours: int) -> dict[str, Any]:
    return {"by": None, "clock": lambda: NOW + timedelta(hours=hours), "region": "UA"}


async def _talk(desk: Desk, number: str, phone: str, hours: int) -> None:
    came: dict[str, Any] = {
        "linkedid": f"{number}.{hours}",
        "caller": number,
        "started_at": NOW + timedelta(hours=hours),
    }
    await desk.write(ended(talking(replace(RINGING, **came), phone)))


async def test_a_number_that_comes_to_a_lead_is_told_who_talked_with_it(desk: Desk) -> None:
    lead = await create_lead(desk.database, LEAD, **_by(0))
    await _talk(desk, CALLER, "102", 1)
    await save_lead(desk.database, lead, 1, replace(LEAD, numbers=(CALLER, SECOND)), **_by(2))
    assert await _talkers(desk) == {CALLER: [2], SECOND: [2]}


async def test_of_two_leads_that_become_one_the_last_conversation_tells(desk: Desk) -> None:
    one = await create_lead(desk.database, LEAD, **_by(0))
    other = await create_lead(desk.database, replace(LEAD, numbers=(SECOND,)), **_by(1))
    await _talk(desk, CALLER, "101", 2)
    await _talk(desk, SECOND, "102", 3)
    await merge_leads(desk.database, one, 1, other, by=None, clock=lambda: NOW + timedelta(hours=4))
    assert await _talkers(desk) == {CALLER: [2], SECOND: [2]}


async def test_a_lead_brings_its_last_conversation_to_its_counterparty_and_later_ones_tell_both(desk: Desk) -> None:
    lead = await create_lead(desk.database, LEAD, **_by(0))
    await save_counterparty(desk.database, None, 0, CARD, **_by(0))
    await _talk(desk, SHARED, "101", 1)
    await _talk(desk, CALLER, "102", 2)
    await choose_counterparty(desk.database, lead, 1, Choice(1), by=None, clock=lambda: NOW + timedelta(hours=3))
    assert await _talkers(desk) == {CALLER: [2, 2], SHARED: [2]}
    await _talk(desk, SHARED, "101", 4)
    assert (await _talkers(desk))[CALLER][1] == 1


async def test_a_number_keeps_who_talked_with_it_when_it_goes_to_another_card(desk: Desk) -> None:
    """From a counterparty to its contact person; then another has it, too."""
    await save_counterparty(desk.database, None, 0, CARD, **_by(0))
    await _talk(desk, SHARED, "102", 1)
    olha = PersonEdit(None, "Ольга", "", None, None, (SHARED,))
    async with desk.database.read() as session:
        version = (await load_counterparty(session, 1, None)).version
    await save_counterparty(desk.database, 1, version, replace(CARD, numbers=(), persons=(olha,)), **_by(2))
    assert await _talkers(desk) == {SHARED: [2]}
    await save_counterparty(desk.database, None, 0, replace(CARD, name="Інше"), **_by(3))
    assert await _talkers(desk) == {SHARED: [2, 2]}


async def test_the_closed_lead_that_a_call_opens_is_the_one_that_the_look_up_told(
    desk: Desk, database_url: str
) -> None:
    """Of two that had the number, whichever was made last, although the other was closed later (L12)."""
    closed = {"status_id": 1, "name": "Був", "created_at": NOW, "updated_at": NOW}
    async with desk.database.write() as session:
        session.add_all(
            Lead(**closed, closed_at=NOW - timedelta(days=day), numbers=[PhoneNumber(number=CALLER)]) for day in (1, 2)
        )
    lookup = await CallerLookup.open(database_url, deadline=20)
    told = (await lookup.find(CALLER)).people
    await lookup.close()
    await desk.write(RINGING)
    async with desk.database.read() as session:
        opened = (await session.scalars(select(Lead.id).where(Lead.closed_at.is_(None)))).all()
    assert [one.id for one in told] == opened
