"""Two leads become one, and leads change hands."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from leads.store.cards import (
    LeadClosedError,
    NumberTakenError,
    WrongFieldError,
    history,
)
from leads.store.engine import Database
from leads.store.lead_card import create_lead, save_lead
from leads.store.leads import LeadFilter, LeadOrder, LeadState, count_open, list_leads
from leads.store.listing import Request
from leads.store.merging import merged_into
from leads.store.models import Call, Lead
from leads.store.reassigning import Given, give_leads
from tests.leads.lives import EDIT, HOME, MOBILE, OFFICE, Life
from tests.leads.views import NOW, RINGING, ended, talking


@pytest.fixture
def life(database: Database) -> Life:
    return Life(database)


async def test_the_older_of_two_leads_survives_and_nothing_is_lost(life: Life) -> None:
    await life.staff()
    older = await life.lead(MOBILE, name="", comment="перший")
    writer = await life.writer()
    view = talking(replace(RINGING, caller=HOME))
    await writer.write([view], [])
    async with life.database.write() as session:
        younger = (await session.scalars(select(Lead.id).where(Lead.main_number == HOME))).one()
        await session.execute(
            update(Lead)
            .where(Lead.id == younger)
            .values(created_at=life.clock(), name="Ія", named=True, comment="друга", language="ru")
        )
    assert await life.merge(younger, older) == older
    lead = await life.get(older)
    assert (lead.name, lead.named, lead.comment, lead.last_call_at) == ("Ія", True, "перший\nдруга", NOW)
    assert (lead.first_talk_at, lead.closed_at) == (NOW + timedelta(seconds=10), None)
    assert await life.numbers(older) == [(MOBILE, True), (HOME, True)]
    await writer.write([ended(view)], [])
    async with life.database.read() as session:
        assert (await session.scalars(select(Call.lead_id))).all() == [older]
        assert await merged_into(session, younger) == older
        changed = {row.field: row.after for row in await history(session, lead_id=older)}
        assert {"merged", "name", "comment", "numbers"} <= changed.keys()
        assert changed["language"] == "ru"
        everything = LeadFilter(state=LeadState.ALL)
        page = await list_leads(session, everything, LeadOrder.NAME, Request(9), None)
    assert [row.id for row in page.rows] == [older]
    third = await life.lead("+380931112233")
    await life.merge(older, third)
    with pytest.raises(LeadClosedError):
        await life.merge(third, older)


async def test_who_talked_last_goes_along_with_a_number(life: Life) -> None:
    await life.staff()
    older = await life.lead(MOBILE)
    writer = await life.writer()
    await writer.write([ended(talking(replace(RINGING, caller=HOME)))], [])
    async with life.database.write() as session:
        younger = (await session.scalars(select(Lead.id).where(Lead.main_number == HOME))).one()
        await session.execute(update(Lead).where(Lead.id == younger).values(created_at=life.clock()))
    assert await life.merge(younger, older) == older
    assert await life.numbers(older) == [(MOBILE, True), (HOME, True)]
    assert await life.last_talkers(HOME) == {1}
    await life.company(MOBILE)
    assert await life.last_talkers(HOME) == {1}


async def test_an_address_leads_to_the_last_of_a_chain_of_merges(life: Life) -> None:
    first, second, third = await life.lead(MOBILE), await life.lead(OFFICE), await life.lead(HOME)
    assert await life.merge(third, second) == second
    assert await life.merge(second, first) == first
    async with life.database.read() as session:
        assert [await merged_into(session, each) for each in (first, second, third)] == [None, first, first]
        assert [row.field for row in await history(session, lead_id=first)].count("created") == 3


async def test_closed_leads_are_not_merged(life: Life) -> None:
    lead_id, other = await life.lead(MOBILE), await life.lead(HOME)
    await life.company(HOME)
    for one, two in ((lead_id, other), (other, lead_id)):
        with pytest.raises(LeadClosedError):
            await life.merge(one, two)
    with pytest.raises(WrongFieldError):
        await life.merge(lead_id, lead_id)


async def test_saving_a_number_of_another_lead_can_merge_them(life: Life) -> None:
    first, second = await life.lead(MOBILE, name="Перший"), await life.lead(HOME, name="")
    edit = replace(EDIT, name="Друга", numbers=(HOME, MOBILE, OFFICE), email="d@example.com")
    with pytest.raises(NumberTakenError):
        await save_lead(life.database, second, 1, edit, by=None, clock=life.clock, region="UA")
    saved = await save_lead(life.database, second, 1, edit, by=None, clock=life.clock, region="UA", merge_with=first)
    lead = await life.get(first)
    assert (saved.id, lead.name, lead.email) == (first, "Перший", "d@example.com")
    assert await life.numbers(first) == [(MOBILE, True), (HOME, True), (OFFICE, True)]
    made = await create_lead(
        life.database,
        replace(EDIT, numbers=(MOBILE,), address="Київ"),
        by=None,
        clock=life.clock,
        region="UA",
        merge_with=first,
    )
    assert (made, (await life.get(first)).address) == (first, "Київ")


async def test_many_leads_are_given_to_somebody_but_no_closed_one(life: Life) -> None:
    await life.staff()
    open_lead, his, closed = (
        await life.lead(MOBILE),
        await life.lead(OFFICE, responsible_id=1),
        await life.lead(HOME),
    )
    await life.company(HOME)
    wanted = (open_lead, his, closed, 999)
    given = await give_leads(life.database, wanted, 1, by=2, clock=life.clock)
    assert given == Given(given=1, closed=1, theirs=1)
    lead = await life.get(open_lead)
    assert (lead.responsible_id, lead.responsible_by_hand, lead.version) == (1, True, 2)
    assert (await life.get(closed)).responsible_id is None
    async with life.database.read() as session:
        row = (await history(session, lead_id=open_lead))[0]
    assert (row.field, row.before, row.after, row.by) == ("responsible", "", "e1", "e2")
    assert await give_leads(life.database, wanted, 2, by=2, clock=life.clock, scope=frozenset({2})) == Given(0, 0)
    with pytest.raises(WrongFieldError):
        await give_leads(life.database, wanted, 99, by=2, clock=life.clock)


async def test_the_open_leads_of_a_list_are_counted_to_the_last(life: Life) -> None:
    await life.staff()
    for place in range(12):
        await life.lead(f"+38050555{place:04d}", responsible_id=1)
    await life.lead(OFFICE, responsible_id=2)
    await life.lead(HOME, responsible_id=1)
    await life.company(HOME)
    wanted = LeadFilter(state=LeadState.ALL, responsible_id=1)
    async with life.database.read() as session:
        assert await count_open(session, wanted, None) == 12
        assert await count_open(session, LeadFilter(search="0555", responsible_id=1), frozenset({1})) == 12
        assert await count_open(session, wanted, frozenset({2})) == 0
