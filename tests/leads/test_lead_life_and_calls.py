"""Calls that come while a lead closes, opens, or loses a number: whose they are, and whose the lead is."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from leads.store.board import calls_of_counterparty
from leads.store.cards import (
    NoSuchCardError,
    history,
)
from leads.store.counterparties import CounterpartyFilter, CounterpartyOrder, list_counterparties
from leads.store.counterparty_card import (
    load_counterparty,
    save_counterparty,
)
from leads.store.engine import Database
from leads.store.lead_card import save_lead
from leads.store.listing import Request
from leads.store.lookup import CallerLookup
from leads.store.models import Call, Lead, PhoneNumber
from leads.store.pins import shared_numbers
from leads.store.visibility import counterparty_is_visible
from tests.leads.lives import COMPANY, EDIT, HOME, MOBILE, Life
from tests.leads.views import CALLER, RINGING, ended, talking


@pytest.fixture
def life(database: Database) -> Life:
    return Life(database)


async def test_a_pinned_number_is_the_pinned_ones_for_everybody(life: Life) -> None:
    await life.staff()
    first, second = await life.company(MOBILE), await life.company(MOBILE, HOME)
    lookup = await CallerLookup.open(str(life.database.url.render_as_string(hide_password=False)), deadline=20)
    try:
        assert [one.id for one in (await lookup.find(MOBILE)).people] == [first.id, second.id]
        async with life.database.read() as session:
            shared = await shared_numbers(session, (MOBILE, HOME))
        assert [one.counterparty_id for one in shared[MOBILE]] == [first.id, second.id]
        assert list(shared) == [MOBILE]
        for holding, owner in ((shared[MOBILE][1], second.id), (shared[MOBILE][0], first.id)):
            assert await life.pin(holding) == owner
            assert [one.id for one in (await lookup.find(MOBILE)).people] == [owner]
        await life.pin(shared[MOBILE][1])
        writer = await life.writer()
        await writer.write([ended(replace(RINGING, caller=MOBILE))], [])
        async with life.database.read() as session:
            assert (await session.scalars(select(Call.counterparty_id))).all() == [second.id]
        await life.pin(shared[MOBILE][1], pinned=False)
        assert len((await lookup.find(MOBILE)).people) == 2
        async with life.database.read() as session:
            told = [
                [
                    (row.before, row.after, row.by)
                    for row in await history(session, counterparty_id=key)
                    if row.field == "pinned"
                ]
                for key in (first.id, second.id)
            ]
        got, lost = ("", MOBILE, "e1"), (MOBILE, "", "e1")
        assert told == [[lost, got], [lost, got, lost, got]]
    finally:
        await lookup.close()
    with pytest.raises(NoSuchCardError):
        await life.pin(replace(shared[MOBILE][0], holding=999))
    with pytest.raises(NoSuchCardError):
        await life.pin(shared[MOBILE][0], scope=frozenset({7}))


@pytest.mark.parametrize("scope", [None, frozenset({7})])
@pytest.mark.parametrize("call_first", [True, False])
async def test_a_call_and_a_counterparty_end_with_the_counterparty_in_either_order(
    life: Life, call_first: bool, scope: frozenset[int] | None
) -> None:
    writer = await life.writer()
    works = [writer.write([RINGING], []), life.company(CALLER, scope=scope)]
    for work in works if call_first else reversed(works):
        await work
    await _with_the_counterparty(life)


async def test_calls_and_counterparties_at_the_same_moment_end_with_the_counterparties(life: Life) -> None:
    writer = await life.writer()
    for place in range(8):
        number = f"+38050123{place:04d}"
        view = replace(RINGING, linkedid=f"{place}.1", caller=number)
        works = [writer.write([view], []), life.company(number, scope=frozenset({7}) if place % 4 else None)]
        await asyncio.gather(*(works if place % 2 else reversed(works)))
        await writer.write([ended(view)], [])
    await _with_the_counterparty(life)


async def test_a_closed_leads_call_is_the_counterpartys_for_those_who_were_on_it(life: Life) -> None:
    await life.staff()
    writer = await life.writer()
    await writer.write([ended(talking(RINGING))], [])
    company = (await life.company(CALLER)).id
    async with life.database.read() as session:
        (call,) = await calls_of_counterparty(session, company)
        page = await list_counterparties(
            session, CounterpartyFilter(), CounterpartyOrder.NAME, Request(9), frozenset({1})
        )
        assert await counterparty_is_visible(session, company, frozenset({1}))
        assert not await counterparty_is_visible(session, company, frozenset({2}))
    assert (call.counterparty_id, call.counterparty_name, call.lead_id is not None) == (company, "ТОВ", True)
    assert await life.last_talkers(CALLER) == {1}
    assert [row.id for row in page.rows] == [company]


async def _with_the_counterparty(life: Life) -> None:
    """Each call is a counterparty's, itself or by its lead, which is closed."""
    async with life.database.read() as session:
        assert not (await session.scalars(select(Lead.id).where(Lead.closed_at.is_(None)))).all()
        assert not (await session.scalars(select(PhoneNumber.number).where(PhoneNumber.on_active_lead))).all()
        calls = (await session.execute(select(Call.counterparty_id, Call.lead_id))).all()
        closed = dict(tuple(row) for row in await session.execute(select(Lead.id, Lead.counterparty_id)))
    assert calls
    assert all((counterparty or closed[lead]) is not None for counterparty, lead in calls)


async def test_a_number_taken_off_its_lead_during_a_call_is_somebodys_after_it(life: Life) -> None:
    writer = await life.writer()
    await writer.write([RINGING], [])
    async with life.database.read() as session:
        lead_id = (await session.scalars(select(Lead.id))).one()
    edit = replace(EDIT, numbers=(MOBILE,))
    await save_lead(life.database, lead_id, 1, edit, by=None, clock=life.clock, region="UA")
    await writer.write([ended(RINGING)], [])
    async with life.database.read() as session:
        active = await session.scalars(select(PhoneNumber.number).where(PhoneNumber.on_active_lead))
        assert set(active) == {MOBILE, CALLER}
        assert (await session.scalars(select(Call.lead_id))).all() == [lead_id]


async def test_a_conversation_does_not_give_a_closed_lead_away(life: Life) -> None:
    await life.staff()
    writer = await life.writer()
    await writer.write([RINGING], [])
    await life.company(CALLER)
    await writer.write([talking(RINGING)], [])
    async with life.database.read() as session:
        assert (await session.scalars(select(Lead.responsible_id))).all() == [None]


@pytest.mark.parametrize("calls_again", [False, True], ids=["by its end", "by a call meanwhile"])
async def test_a_lead_that_is_opened_again_during_a_conversation_is_given_to_who_talked(
    life: Life, *, calls_again: bool
) -> None:
    """It was a counterparty's when the call was answered, and nobody's when it ended (L1, L12)."""
    await life.staff()
    writer = await life.writer()
    await writer.write([RINGING], [])
    company = (await life.company(CALLER)).id
    if not calls_again:
        await _free(life, company)
    await writer.write([talking(RINGING)], [])
    if calls_again:
        await _free(life, company)
        await writer.write([ended(replace(RINGING, linkedid="2.1"))], [])
    await writer.write([ended(talking(RINGING))], [])
    async with life.database.read() as session:
        (lead,) = (await session.scalars(select(Lead))).all()
        changes = [(change.field, change.after) for change in await history(session, lead_id=lead.id)]
    assert (lead.closed_at, lead.responsible_id, lead.first_talk_call) == (None, 1, "pbx 1.1")
    assert changes.count(("responsible", "e1")) == 1


async def test_what_is_said_with_a_closed_lead_is_not_its_first_conversation(life: Life) -> None:
    await life.staff()
    writer = await life.writer()
    await writer.write([RINGING], [])
    company = (await life.company(CALLER)).id
    await writer.write([ended(talking(RINGING))], [])
    await _free(life, company)
    await writer.write([ended(talking(replace(RINGING, linkedid="2.1")))], [])
    async with life.database.read() as session:
        (lead,) = (await session.scalars(select(Lead))).all()
    assert (lead.closed_at, lead.responsible_id, lead.first_talk_call) == (None, 1, "pbx 2.1")


async def _free(life: Life, company: int) -> None:
    """Take the caller's number off the counterparty."""
    async with life.database.read() as session:
        version = (await load_counterparty(session, company, None)).version
    await save_counterparty(life.database, company, version, COMPANY, by=None, clock=life.clock, region="UA")
