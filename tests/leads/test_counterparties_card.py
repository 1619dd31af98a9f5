"""Counterparties: contact persons, knowing saves, leads that close because their number is here now (L6, L7, K1)."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select

from leads.domain.directory import Role
from leads.store.cards import ConflictError, NumberOnCounterpartyError, WrongFieldError, history
from leads.store.counterparties import (
    CounterpartyFilter,
    CounterpartyOrder,
    folders,
    list_counterparties,
)
from leads.store.counterparty_card import (
    CounterpartyCard,
    CounterpartyEdit,
    PersonEdit,
    Saved,
    WrongPersonError,
    load_counterparty,
    save_counterparty,
)
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead, load_lead
from leads.store.leads import NOBODY
from leads.store.listing import Request
from leads.store.models import Call, Employee, Lead, PhoneNumber
from leads.store.narrowing import Stretch
from leads.store.pins import pin, shared_numbers
from leads.store.visibility import counterparty_is_visible

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EDIT = CounterpartyEdit("ТОВ «Ромашка»", "Клієнти", "", "", "", None, None, ("0441234567",), ())
PERSON = PersonEdit(None, "Ольга", "o@example.com", "uk", None, ("0671112233",))


def clock() -> datetime:
    return NOW


async def _save(
    database: Database, edit: CounterpartyEdit, card: CounterpartyCard | None = None, by: int | None = None
) -> Saved:
    identity, version = (card.id, card.version) if card else (None, 0)
    return await save_counterparty(database, identity, version, edit, by=by, clock=clock, region="UA")


async def _load(database: Database, identity: int) -> CounterpartyCard:
    async with database.read() as session:
        return await load_counterparty(session, identity, None)


async def _lead(database: Database, *numbers: str, name: str = "Лід") -> int:
    edit = LeadEdit(name, numbers, "", "", "", None, 1, None, None)
    return await create_lead(database, edit, by=None, clock=clock, region="UA")


async def _employees(database: Database) -> None:
    people = [{"id": i, "name": name, "role": Role.EMPLOYEE, "created_at": NOW} for i, name in ((1, "Юрій"), (2, "Ія"))]
    async with database.write() as session:
        await session.execute(insert(Employee), people)


async def test_contact_persons_are_added_changed_and_removed(database: Database) -> None:
    saved = await _save(database, replace(EDIT, persons=(PERSON, replace(PERSON, name="Ія", numbers=()))))
    card = await _load(database, saved.id)
    assert [(one.name, one.numbers) for one in card.persons] == [("Ольга", ("+380671112233",)), ("Ія", ())]
    olha = card.persons[0]
    kept = replace(PERSON, id=olha.id, name="Ольга Директор", numbers=("0671112233", "0672223344"))
    await _save(database, replace(EDIT, persons=(kept,)), card)
    after = await _load(database, saved.id)
    assert [(one.id, one.name) for one in after.persons] == [(olha.id, "Ольга Директор")]
    assert after.version > card.version
    async with database.read() as session:
        rows = await history(session, counterparty_id=saved.id)
    assert ("contact_person", "Ія; o@example.com; uk", "") in {(row.field, row.before, row.after) for row in rows}


async def test_the_second_of_two_who_save_is_told_also_about_persons(database: Database) -> None:
    saved = await _save(database, EDIT)
    card = await _load(database, saved.id)
    await _save(database, replace(EDIT, persons=(PERSON,)), card)
    with pytest.raises(ConflictError):
        await _save(database, replace(EDIT, name="Інша"), card)
    assert (await _load(database, saved.id)).persons[0].name == "Ольга"


async def test_saving_nothing_new_is_no_save(database: Database) -> None:
    saved = await _save(database, replace(EDIT, persons=(PERSON,)))
    card = await _load(database, saved.id)
    same = replace(EDIT, persons=(replace(PERSON, id=card.persons[0].id),))
    await _save(database, same, card)
    assert (await _load(database, saved.id)).version == card.version


async def test_a_number_added_closes_the_lead_that_had_it(database: Database) -> None:
    lead_id = await _lead(database, "0501112233", "0504445566")
    saved = await _save(database, EDIT)
    card = await _load(database, saved.id)
    outcome = await _save(database, replace(EDIT, numbers=("0441234567", "0501112233")), card)
    assert [lead.id for lead in outcome.closed] == [lead_id]
    after = await _load(database, saved.id)
    assert after.numbers == ("+380441234567", "+380501112233", "+380504445566")
    assert [lead.id for lead in after.leads] == [lead_id]
    async with database.read() as session:
        lead = await load_lead(session, lead_id, None)
        active = await session.scalar(select(func.count()).where(PhoneNumber.on_active_lead))
    assert (lead.closed_at, lead.counterparty_id, active) == (NOW, saved.id, 0)
    with pytest.raises(NumberOnCounterpartyError):
        await _lead(database, "0504445566")


async def test_a_lead_closes_to_the_contact_person_who_has_its_number(database: Database) -> None:
    lead_id = await _lead(database, "0671112233", "0504445566")
    outcome = await _save(database, replace(EDIT, persons=(PERSON,)))
    card = await _load(database, outcome.id)
    assert card.persons[0].numbers == ("+380671112233", "+380504445566")
    async with database.read() as session:
        assert (await load_lead(session, lead_id, None)).contact_person == "Ольга"
    await _save(database, EDIT, card)
    async with database.read() as session:
        lead = await load_lead(session, lead_id, None)
    assert (lead.contact_person, lead.counterparty_id) == (None, outcome.id)


async def test_a_lead_and_a_counterparty_saved_at_once_share_no_number(database: Database) -> None:
    for line in range(8):
        number = f"05011122{line:02d}"
        await asyncio.gather(
            _save(database, replace(EDIT, numbers=(number,))), _lead(database, number), return_exceptions=True
        )
    async with database.read() as session:
        active = select(PhoneNumber.number).where(PhoneNumber.on_active_lead)
        owned = select(PhoneNumber.number).where(PhoneNumber.counterparty_id.is_not(None))
        assert not set(await session.scalars(active)) & set(await session.scalars(owned))
        assert len(set(await session.scalars(owned))) == 8


async def test_removing_a_number_changes_no_lead(database: Database) -> None:
    lead_id = await _lead(database, "0441234567")
    outcome = await _save(database, EDIT)
    await _save(database, replace(EDIT, numbers=()), await _load(database, outcome.id))
    async with database.read() as session:
        assert (await load_lead(session, lead_id, None)).closed_at == NOW


@pytest.mark.parametrize(
    "edit",
    [
        replace(EDIT, name="  "),
        replace(EDIT, numbers=("101",)),
        replace(EDIT, responsible_id=77),
        replace(EDIT, language="zz"),
    ],
)
async def test_wrong_fields_are_refused(database: Database, edit: CounterpartyEdit) -> None:
    with pytest.raises(WrongFieldError):
        await _save(database, edit)


@pytest.mark.parametrize("person", [replace(PERSON, name=" "), replace(PERSON, numbers=("x",))])
async def test_wrong_persons_are_named_by_their_place(database: Database, person: PersonEdit) -> None:
    with pytest.raises(WrongPersonError) as caught:
        await _save(database, replace(EDIT, persons=(PERSON, person)))
    assert caught.value.person == 1


async def test_the_list_is_searched_filtered_and_sorted(database: Database) -> None:
    await _employees(database)
    names = ("Ґудзь", "Ромашка", "Їжак", "Apex")
    for place, name in enumerate(names):
        person = replace(PERSON, name=f"Особа {name}", numbers=(f"06711122{place:02d}",))
        folder, responsible = ("Клієнти", "")[place % 2], (1, 2, None)[place % 3]
        number = f"04412345{(3, 1, 2, 0)[place]:02d}"
        status = (4, 2, 1, 2)[place]
        edit = replace(EDIT, name=name, folder=folder, responsible_id=responsible, status_id=status, numbers=(number,))
        await _save(database, replace(edit, persons=(person,)))

    async def names_of(wanted: CounterpartyFilter, order: CounterpartyOrder, descending: bool = False) -> list[str]:
        async with database.read() as session:
            found: list[str] = []
            request = Request(3, descending)
            while True:
                page = await list_counterparties(session, wanted, order, request, None)
                found += [row.name for row in page.rows]
                if page.after is None:
                    return found
                request = Request(3, descending, after=page.after)

    everything = CounterpartyFilter()
    assert await names_of(everything, CounterpartyOrder.NAME) == ["Apex", "Ґудзь", "Їжак", "Ромашка"]
    assert await names_of(everything, CounterpartyOrder.NAME, True) == ["Ромашка", "Їжак", "Ґудзь", "Apex"]
    assert await names_of(everything, CounterpartyOrder.FOLDER) == ["Apex", "Ромашка", "Ґудзь", "Їжак"]
    assert await names_of(everything, CounterpartyOrder.RESPONSIBLE) == ["Їжак", "Ромашка", "Apex", "Ґудзь"]
    assert await names_of(everything, CounterpartyOrder.CREATED) == list(names)
    assert await names_of(everything, CounterpartyOrder.STATUS) == ["Їжак", "Apex", "Ромашка", "Ґудзь"]
    assert await names_of(everything, CounterpartyOrder.STATUS, True) == ["Ґудзь", "Ромашка", "Apex", "Їжак"]
    assert await names_of(CounterpartyFilter(search="особа їж"), CounterpartyOrder.NAME) == ["Їжак"]
    assert await names_of(CounterpartyFilter(search="067 111 22 03"), CounterpartyOrder.NAME) == ["Apex"]
    assert await names_of(CounterpartyFilter(folder="Клієнти"), CounterpartyOrder.NAME) == ["Ґудзь", "Їжак"]
    assert await names_of(CounterpartyFilter(responsible_id=NOBODY), CounterpartyOrder.NAME) == ["Їжак"]
    assert await names_of(everything, CounterpartyOrder.NUMBERS) == ["Apex", "Ромашка", "Їжак", "Ґудзь"]
    assert await names_of(everything, CounterpartyOrder.PEOPLE, True) == ["Ромашка", "Їжак", "Ґудзь", "Apex"]
    by_person = CounterpartyFilter(person="особа їж", number="0671")
    assert await names_of(by_person, CounterpartyOrder.PEOPLE) == ["Їжак"]
    assert await names_of(CounterpartyFilter(name="особа"), CounterpartyOrder.NAME) == []
    assert await names_of(CounterpartyFilter(number="441234502"), CounterpartyOrder.NUMBERS, True) == ["Їжак"]
    for order in CounterpartyOrder:
        assert sorted(await names_of(CounterpartyFilter(status_id=2), order)) == ["Apex", "Ромашка"]
        assert await names_of(CounterpartyFilter(status_id=99), order) == []
        assert await names_of(CounterpartyFilter(created=Stretch(NOW + timedelta(days=1))), order) == []
        assert len(await names_of(CounterpartyFilter(created=Stretch(None, NOW + timedelta(days=1))), order)) == 4
    async with database.read() as session:
        assert await folders(session) == ["Клієнти"]


async def test_an_employee_sees_his_own_his_persons_and_whom_he_talked_with(database: Database) -> None:
    await _employees(database)
    own = await _save(database, replace(EDIT, name="a", responsible_id=1))
    by_person = await _save(database, replace(EDIT, name="b", persons=(replace(PERSON, responsible_id=1),)))
    talked = await _save(database, replace(EDIT, name="c"))
    other = await _save(database, replace(EDIT, name="d", responsible_id=2))
    async with database.write() as session:
        call = Call(pbx="p", linkedid="1", role="call", phase=3, progress=1, employee_id=1, started_at=NOW)
        call.counterparty_id = talked.id
        session.add(call)
    async with database.read() as session:
        scope = frozenset({1})
        page = await list_counterparties(session, CounterpartyFilter(), CounterpartyOrder.NAME, Request(9), scope)
        assert [row.id for row in page.rows] == [own.id, by_person.id, talked.id]
        assert await counterparty_is_visible(session, talked.id, scope)
        assert not await counterparty_is_visible(session, other.id, scope)


async def test_no_lead_is_touched_when_the_save_is_refused(database: Database) -> None:
    lead_id = await _lead(database, "0501112233")
    card = await _load(database, (await _save(database, EDIT)).id)
    await _save(database, replace(EDIT, comment="новий"), card)
    with pytest.raises(ConflictError):
        await _save(database, replace(EDIT, numbers=("0501112233",)), card)
    async with database.read() as session:
        lead = await session.get(Lead, lead_id)
        assert lead is not None
        assert lead.closed_at is None


async def test_a_pin_goes_along_with_its_number_to_the_contact_person_and_back(database: Database) -> None:
    mine = await _save(database, replace(EDIT, persons=(replace(PERSON, numbers=()),)))
    await _save(database, replace(EDIT, name="ТОВ «Інша»"))
    async with database.read() as session:
        shared = await shared_numbers(session, ("+380441234567",))
    await pin(database, shared["+380441234567"][0].holding, True, None, by=None, clock=clock)
    (olha,) = (await _load(database, mine.id)).persons

    async def give(company: tuple[str, ...], person: tuple[str, ...]) -> list[tuple[int | None, int | None]]:
        persons = (replace(PERSON, id=olha.id, numbers=person),)
        await _save(database, replace(EDIT, numbers=company, persons=persons), await _load(database, mine.id))
        owners = select(PhoneNumber.counterparty_id, PhoneNumber.contact_person_id).where(PhoneNumber.pinned)
        async with database.read() as session:
            return [(row[0], row[1]) for row in await session.execute(owners)]

    assert await give((), ("0441234567",)) == [(None, olha.id)]
    assert await give(("0672223344", "0441234567"), ()) == [(mine.id, None)]
    assert await give(("0441234567",), ("0441234567",)) == [(mine.id, None)]
    assert await give((), ()) == []
