"""A lead is closed to a counterparty, or becomes one, and is opened again; a number has one owner all the while."""

from dataclasses import replace

import pytest
from sqlalchemy import delete, select, update

from leads.domain.lead_life import NumbersTo
from leads.store.at_stake import Decided, LeadsToCloseError
from leads.store.cards import (
    ConflictError,
    LeadClosedError,
    NoSuchCardError,
    WrongFieldError,
    history,
)
from leads.store.closing import Choice, PlaceForNumbersError
from leads.store.counterparty_card import (
    Becoming,
    load_counterparty,
    save_counterparty,
)
from leads.store.engine import Database
from leads.store.lead_card import load_lead, save_lead
from leads.store.models import Did, Employee, Lead, PhoneNumber
from leads.store.people_of_calls import Wanted, people_for
from leads.store.reopening_by_hand import NoNumberFreeError
from leads.store.task_tables import Task
from tests.leads.lives import COMPANY, EDIT, HOME, MOBILE, OFFICE, OLHA, Life
from tests.leads.views import CALLER, DID, NOW, RINGING, ended, talking


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


async def test_a_counterparty_that_one_may_not_see_cannot_be_chosen(life: Life) -> None:
    await life.staff()
    lead_id, company = await life.lead(responsible_id=1), (await life.company()).id
    with pytest.raises(WrongFieldError, match="counterparty_id"):
        await life.choose(lead_id, Choice(company), scope=frozenset({1}))
    with pytest.raises(NoSuchCardError):
        await life.choose(lead_id, Choice(company), scope=frozenset({2}))
    assert (await life.get(lead_id)).closed_at is None
    await life.choose(lead_id, Choice(company), scope=None)


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


@pytest.mark.parametrize(("typed", "called"), [("Лід", "Лід"), ("007", "007"), ("", OFFICE)])
async def test_a_supervisor_opens_a_lead_again_with_the_numbers_that_are_free(
    life: Life, typed: str, called: str
) -> None:
    lead_id = await life.lead(status_id=3, name=typed)
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
    assert lead.name == called
    assert await life.numbers(lead_id) == [(OFFICE, True)]
    async with life.database.read() as session:
        rows = await history(session, lead_id=lead_id)
    assert {("counterparty", "ТОВ", ""), ("status", "Cold", "Hot")} <= {(r.field, r.before, r.after) for r in rows}
    with pytest.raises(ConflictError):
        await life.reopen(lead_id)


@pytest.mark.parametrize("charge", ["counterparty", "nobody"])
@pytest.mark.parametrize("how", ["call", "talk", "hand"])
async def test_a_lead_that_is_opened_again_is_not_given_back_to_somebody_who_has_left(
    life: Life, charge: str, how: str
) -> None:
    """The counterparty's responsible has it then, else whom a new lead would be given to, or who opens it."""
    await life.staff()
    async with life.database.write() as session:
        session.add_all([Did(number=DID, responsible_id=2), Employee(id=3, name="e3", created_at=NOW)])
    lead_id = await life.lead(CALLER, responsible_id=3)
    company = (await life.company(responsible=1 if charge == "counterparty" else None)).id
    await life.choose(lead_id, Choice(company))
    async with life.database.write() as session:
        await session.execute(update(Employee).where(Employee.id == 3).values(active=False))
        await session.execute(delete(PhoneNumber).where(PhoneNumber.number == CALLER, PhoneNumber.lead_id.is_(None)))
    if how == "hand":
        await life.reopen(lead_id, by=2)
    else:
        await (await life.writer()).write([ended(RINGING if how == "call" else talking(RINGING))], [])
    lead = await life.get(lead_id)
    wanted = 1 if charge == "counterparty" or how == "talk" else 2
    assert (lead.closed_at, lead.responsible_id, lead.responsible_by_hand) == (None, wanted, False)
    async with life.database.read() as session:
        rows = await history(session, lead_id=lead_id)
        owners = set(await session.scalars(select(Task.employee_id)))
    assert ("responsible", "e3", f"e{wanted}") in {(row.field, row.before, row.after) for row in rows}
    assert owners == ({wanted} if how == "call" else set())


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
