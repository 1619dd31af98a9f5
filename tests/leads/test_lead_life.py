"""A lead's life: closed to a counterparty, opened again, merged, given away; a number has one owner all the while."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from leads.domain.lead_life import NumbersTo
from leads.store.at_stake import Decided, LeadsToCloseError
from leads.store.board import calls_of_counterparty
from leads.store.calls import CallWriter
from leads.store.cards import (
    ConflictError,
    LeadClosedError,
    NoSuchCardError,
    NumberTakenError,
    WrongFieldError,
    history,
)
from leads.store.closing import Choice, PlaceForNumbersError, choose_counterparty
from leads.store.counterparties import CounterpartyFilter, CounterpartyOrder, list_counterparties
from leads.store.counterparty_card import (
    Becoming,
    CounterpartyEdit,
    PersonEdit,
    Saved,
    load_counterparty,
    save_counterparty,
)
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead, load_lead, save_lead
from leads.store.leads import LeadFilter, LeadOrder, LeadState, count_open, list_leads
from leads.store.listing import Request
from leads.store.lookup import CallerLookup
from leads.store.merging import merge_leads, merged_into
from leads.store.models import Call, ContactPerson, Employee, Extension, Lead, PhoneNumber
from leads.store.people_of_calls import Wanted, people_for
from leads.store.pins import Sharer, pin, shared_numbers
from leads.store.reassigning import Given, give_leads
from leads.store.reopening_by_hand import NoNumberFreeError, reopen_by_hand
from leads.store.visibility import counterparty_is_visible
from tests.leads.views import CALLER, NOW, RINGING, ended, talking

MOBILE, OFFICE, HOME = "+380501112233", "+380504445566", "+380671112233"
EDIT = LeadEdit("Лід", (MOBILE, OFFICE), "", "", "", None, 1, None, None)
COMPANY = CounterpartyEdit("ТОВ", "", "", "", "", None, None, ("+380441230000",), ())
OLHA = PersonEdit(None, "Ольга", "", None, None, ())


class Life:
    """The store's functions with the arguments that do not matter here."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW

    def clock(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    async def staff(self) -> None:
        """Employees 1 and 2; phone 101 is the first one's."""
        async with self.database.write() as session:
            await session.execute(insert(Employee), [{"id": i, "name": f"e{i}", "created_at": NOW} for i in (1, 2)])
            await session.execute(insert(Extension), [{"number": "101", "endpoint": "PJSIP/101", "employee_id": 1}])

    async def lead(self, *numbers: str, **fields: object) -> int:
        edit = replace(EDIT, **{**({"numbers": numbers} if numbers else {}), **fields})  # type: ignore[arg-type]
        return await create_lead(self.database, edit, by=None, clock=self.clock, region="UA")

    async def pin(self, holding: Sharer, *, pinned: bool = True, scope: frozenset[int] | None = None) -> int:
        return await pin(self.database, holding.holding, pinned, scope, by=1, clock=self.clock)

    async def company(
        self,
        *numbers: str,
        decided: Decided | None = None,
        becoming: Becoming | None = None,
        scope: frozenset[int] | None = None,
    ) -> Saved:
        edit = replace(COMPANY, numbers=numbers or COMPANY.numbers, persons=(OLHA,))
        return await save_counterparty(
            self.database,
            None,
            0,
            edit,
            by=None,
            clock=self.clock,
            region="UA",
            decided=decided,
            becoming=becoming,
            scope=scope,
        )

    async def get(self, lead_id: int) -> Lead:
        async with self.database.read() as session:
            return await session.get_one(Lead, lead_id)

    async def numbers(self, lead_id: int) -> list[tuple[str, bool]]:
        async with self.database.read() as session:
            rows = await session.scalars(
                select(PhoneNumber).where(PhoneNumber.lead_id == lead_id).order_by(PhoneNumber.position)
            )
            return [(row.number, row.on_active_lead) for row in rows]

    async def owned(self, counterparty_id: int) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        async with self.database.read() as session:
            card = await load_counterparty(session, counterparty_id, None)
        return card.numbers, [person.numbers for person in card.persons]

    async def last_talkers(self, number: str) -> set[int | None]:
        async with self.database.read() as session:
            return set(await session.scalars(select(PhoneNumber.last_talker_id).where(PhoneNumber.number == number)))

    async def person(self) -> int:
        async with self.database.read() as session:
            return (await session.scalars(select(ContactPerson.id))).one()

    async def choose(self, lead_id: int, choice: Choice, version: int = 1) -> None:
        await choose_counterparty(self.database, lead_id, version, choice, by=None, clock=self.clock)

    async def reopen(self, lead_id: int, by: int | None = None) -> None:
        version = (await self.get(lead_id)).version
        await reopen_by_hand(self.database, lead_id, version, by=by, clock=self.clock)

    async def merge(self, lead_id: int, other: int) -> int:
        version = (await self.get(lead_id)).version
        return await merge_leads(self.database, lead_id, version, other, by=None, clock=self.clock)

    async def writer(self) -> CallWriter:
        directory = DirectoryCache(self.database)
        await directory.refresh()
        return CallWriter(self.database, directory, "UA", lambda: NOW)


@pytest.fixture
def life(database: Database) -> Life:
    return Life(database)


async def test_choosing_a_counterparty_closes_the_lead_and_gives_it_the_numbers(life: Life) -> None:
    lead_id, company = await life.lead(), (await life.company()).id
    await life.choose(lead_id, Choice(company))
    lead = await life.get(lead_id)
    assert (lead.closed_at, lead.counterparty_id, lead.contact_person_id) == (life.now, company, None)
    assert await life.owned(company) == (("+380441230000", MOBILE, OFFICE), [()])
    assert await life.numbers(lead_id) == [(MOBILE, False), (OFFICE, False)]
    async with life.database.read() as session:
        rows = await history(session, counterparty_id=company)
    assert ("lead", "", f"Лід; {MOBILE}; {OFFICE}") in {(row.field, row.before, row.after) for row in rows}


@pytest.mark.parametrize("to", NumbersTo)
async def test_with_a_contact_person_it_is_asked_who_gets_the_numbers(life: Life, to: NumbersTo) -> None:
    lead_id, company = await life.lead(), (await life.company()).id
    person = await life.person()
    with pytest.raises(PlaceForNumbersError):
        await life.choose(lead_id, Choice(company, person))
    assert (await life.get(lead_id)).closed_at is None
    await life.choose(lead_id, Choice(company, person, to))
    own, (persons,) = await life.owned(company)
    assert (persons if to is NumbersTo.CONTACT_PERSON else own[1:]) == (MOBILE, OFFICE)
    assert (await life.get(lead_id)).contact_person_id == person


async def test_what_cannot_be_chosen_is_named(life: Life) -> None:
    lead_id, company = await life.lead(), (await life.company()).id
    other = (await life.company("+380441239999")).id
    with pytest.raises(WrongFieldError, match="counterparty_id"):
        await life.choose(lead_id, Choice(999))
    with pytest.raises(WrongFieldError, match="contact_person_id"):
        await life.choose(lead_id, Choice(company, 999, NumbersTo.COUNTERPARTY))
    with pytest.raises(ConflictError):
        await life.choose(lead_id, Choice(company), version=7)
    await life.choose(lead_id, Choice(company))
    with pytest.raises(LeadClosedError):
        await life.choose(lead_id, Choice(other), version=2)


async def test_a_lead_becomes_a_counterparty_in_one_transaction(life: Life) -> None:
    lead_id = await life.lead()
    saved = await life.company(MOBILE, decided=Decided(), becoming=Becoming(lead_id, 1))
    assert await life.owned(saved.id) == ((MOBILE, OFFICE), [()])
    assert (await life.get(lead_id)).counterparty_id == saved.id
    other = await life.lead(HOME)
    without = await life.company("+380441110000", decided=Decided(), becoming=Becoming(other, 1))
    assert await life.owned(without.id) == (("+380441110000", HOME), [()])


async def test_a_lead_that_changed_meanwhile_becomes_nothing(life: Life) -> None:
    lead_id = await life.lead()
    with pytest.raises(ConflictError):
        await life.company(MOBILE, becoming=Becoming(lead_id, 5))
    await life.company(MOBILE)
    with pytest.raises(LeadClosedError):
        await life.company(MOBILE, becoming=Becoming(lead_id, 2))
    async with life.database.read() as session:
        assert len((await session.scalars(select(PhoneNumber.number).where(PhoneNumber.number == MOBILE))).all()) == 2


async def test_leads_with_the_numbers_are_asked_about_and_one_unticked_stays(life: Life) -> None:
    stays, closes = await life.lead(), await life.lead(HOME, name="Другий")
    numbers = ("+380441230000", MOBILE, HOME)
    with pytest.raises(LeadsToCloseError) as caught:
        await life.company(*numbers, decided=Decided(frozenset({stays})))
    assert {lead.id for lead in caught.value.leads} == {stays, closes}
    saved = await life.company(*numbers, decided=Decided(frozenset({stays, closes}), frozenset({closes})))
    assert [lead.id for lead in saved.closed] == [closes]
    assert [(number, lead.id) for number, lead in saved.kept] == [(MOBILE, stays)]
    assert await life.owned(saved.id) == (("+380441230000", HOME), [()])
    assert (await life.get(stays)).closed_at is None


@pytest.mark.parametrize("ticked", [True, False])
async def test_a_lead_that_somebody_may_not_see_is_told_of_and_stays(life: Life, *, ticked: bool) -> None:
    await life.staff()
    theirs = await life.lead(MOBILE, responsible_id=2)
    mine = await life.lead(HOME, name="Мій", responsible_id=1)
    numbers, scope = ("+380441230000", MOBILE, HOME), frozenset({1})
    with pytest.raises(LeadsToCloseError) as caught:
        await life.company(*numbers, decided=Decided(), scope=scope)
    assert {lead.id for lead in caught.value.leads} == {theirs, mine}
    both = frozenset({theirs, mine})
    saved = await life.company(*numbers, decided=Decided(both, both) if ticked else None, scope=scope)
    assert ([lead.id for lead in saved.closed], [lead.id for _number, lead in saved.kept]) == ([mine], [theirs])
    assert await life.owned(saved.id) == (("+380441230000", HOME), [()])
    assert await life.numbers(theirs) == [(MOBILE, True)]


async def test_a_lead_that_only_calls_in_vain_made_is_nobodys_and_can_be_closed_by_all(life: Life) -> None:
    await life.staff()
    writer = await life.writer()
    await writer.write([RINGING], [])
    lead_id, seen = 1, frozenset({1})
    assert await life.numbers(lead_id) == [(CALLER, True)]
    saved = await life.company(CALLER, decided=Decided(seen, seen), scope=frozenset({2}))
    assert [lead.id for lead in saved.closed] == [lead_id]


@pytest.mark.parametrize("made", [{"named": True}, {"responsible_by_hand": True}, {"first_talk_at": NOW}])
async def test_a_lead_that_somebody_did_anything_with_is_his(life: Life, made: dict[str, object]) -> None:
    await life.staff()
    await (await life.writer()).write([RINGING], [])
    async with life.database.write() as session:
        await session.execute(update(Lead).values(**made))
    seen = frozenset({1})
    saved = await life.company(CALLER, decided=Decided(seen, seen), scope=frozenset({2}))
    assert (saved.closed, [lead.id for _number, lead in saved.kept]) == ((), [1])


async def test_a_supervisor_opens_a_lead_again_with_the_numbers_that_are_free(life: Life) -> None:
    lead_id = await life.lead(status_id=3)
    company = (await life.company(MOBILE)).id
    with pytest.raises(NoNumberFreeError):
        await life.reopen(lead_id)
    async with life.database.read() as session:
        card = await load_counterparty(session, company, None)
    kept = replace(COMPANY, numbers=(MOBILE,), persons=(replace(OLHA, id=card.persons[0].id),))
    await save_counterparty(life.database, company, card.version, kept, by=None, clock=life.clock, region="UA")
    await life.reopen(lead_id)
    lead = await life.get(lead_id)
    assert (lead.closed_at, lead.counterparty_id, lead.status_id, lead.main_number) == (None, None, 1, OFFICE)
    assert await life.numbers(lead_id) == [(OFFICE, True)]
    async with life.database.read() as session:
        rows = await history(session, lead_id=lead_id)
    assert {("counterparty", "ТОВ", ""), ("status", "Cold", "Hot")} <= {(r.field, r.before, r.after) for r in rows}
    with pytest.raises(ConflictError):
        await life.reopen(lead_id)


async def test_an_opened_lead_can_be_saved_without_taking_a_counterpartys_number(life: Life) -> None:
    lead_id = await life.lead(name="")
    writer = await life.writer()
    company = (await life.company(MOBILE)).id
    async with life.database.write() as session:
        await session.execute(
            update(PhoneNumber)
            .where(PhoneNumber.counterparty_id == company, PhoneNumber.number == OFFICE)
            .values(number="+380999999999")
        )
    await writer.write([ended(replace(RINGING, caller=OFFICE))], [])
    async with life.database.read() as session:
        card = await load_lead(session, lead_id, None)
    assert (card.closed_at, card.numbers, card.name) == (None, (OFFICE,), OFFICE)
    edit = replace(EDIT, numbers=card.numbers, comment="знову")
    await save_lead(life.database, lead_id, card.version, edit, by=None, clock=life.clock, region="UA")
    async with life.database.read() as session:
        active = set(await session.scalars(select(PhoneNumber.number).where(PhoneNumber.on_active_lead)))
    assert active == {OFFICE}


async def test_two_numbers_of_one_closed_lead_that_call_at_once_open_it_once(life: Life) -> None:
    lead_id = await life.lead(MOBILE, HOME)
    company = (await life.company(MOBILE, HOME)).id
    async with life.database.read() as session:
        card = await load_counterparty(session, company, None)
    free = replace(COMPANY, numbers=("+380441230000",), persons=(replace(OLHA, id=card.persons[0].id),))
    await save_counterparty(life.database, company, card.version, free, by=None, clock=life.clock, region="UA")
    wanted = [Wanted(number, True, None, None) for number in (MOBILE, HOME)]
    async with life.database.write() as session:
        people = await (await session.connection()).run_sync(lambda c: people_for(c, wanted, NOW))
    assert {number: person.lead_id for number, person in people.items()} == {MOBILE: lead_id, HOME: lead_id}
    assert await life.numbers(lead_id) == [(MOBILE, True), (HOME, True)]


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


async def test_a_pinned_number_is_the_pinned_ones_for_everybody(life: Life) -> None:
    await life.staff()
    first, second = await life.company(MOBILE), await life.company(MOBILE, HOME)
    lookup = await CallerLookup.open(str(life.database.url.render_as_string(hide_password=False)))
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
