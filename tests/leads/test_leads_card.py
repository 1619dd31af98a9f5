"""A lead's card: what is typed is kept once, knowingly, and numbers have one owner."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from leads.domain.directory import Role
from leads.store import cards
from leads.store.cards import (
    ConflictError,
    LeadClosedError,
    NoSuchCardError,
    NumberOnCounterpartyError,
    NumberTakenError,
    WrongFieldError,
)
from leads.store.counterparty_card import CounterpartyEdit, save_counterparty
from leads.store.engine import Database
from leads.store.lead_card import LeadCard, LeadEdit, create_lead, load_lead, save_lead
from leads.store.models import Change, Employee, Lead, PhoneNumber

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EDIT = LeadEdit("", ("050 123 45 67",), "", "", "", None, 1, None, None)


def clock() -> datetime:
    return NOW


async def _employee(database: Database, name: str) -> int:
    async with database.write() as session:
        employee = Employee(name=name, role=Role.EMPLOYEE, created_at=NOW)
        session.add(employee)
        await session.flush()
        return employee.id


async def _create(database: Database, edit: LeadEdit = EDIT, by: int | None = None) -> int:
    return await create_lead(database, edit, by=by, clock=clock, region="UA")


async def _load(database: Database, lead_id: int) -> LeadCard:
    async with database.read() as session:
        return await load_lead(session, lead_id, None)


async def _save(
    database: Database,
    lead_id: int,
    version: int,
    edit: LeadEdit,
    *,
    by: int | None = None,
    scope: frozenset[int] | None = None,
) -> None:
    await save_lead(database, lead_id, version, edit, by=by, clock=clock, region="UA", scope=scope)


async def test_a_lead_is_called_by_its_number_until_somebody_types_a_name(database: Database) -> None:
    lead_id = await _create(database)
    card = await _load(database, lead_id)
    assert (card.name, card.named, card.numbers) == ("+380501234567", False, ("+380501234567",))
    await _save(database, lead_id, card.version, replace(EDIT, numbers=("0672223344",)))
    moved = await _load(database, lead_id)
    assert (moved.name, moved.named) == ("+380672223344", False)
    await _save(database, lead_id, moved.version, replace(EDIT, numbers=moved.numbers, name="  Щербань "))
    named = await _load(database, lead_id)
    assert (named.name, named.named) == ("Щербань", True)
    async with database.read() as session:
        lead = await session.get(Lead, lead_id)
        assert lead is not None
        assert "щербань" in lead.search_text
        assert "380672223344" in lead.search_text
        assert lead.main_number == "+380672223344"


async def test_numbers_are_read_in_any_writing_and_keep_their_order(database: Database) -> None:
    typed = ("(067) 222-33-44", "", "+380 50 123 45 67", "00380672223344")
    lead_id = await _create(database, replace(EDIT, numbers=typed))
    card = await _load(database, lead_id)
    assert card.numbers == ("+380672223344", "+380501234567")
    await _save(database, lead_id, card.version, replace(EDIT, numbers=tuple(reversed(card.numbers))))
    assert (await _load(database, lead_id)).numbers == ("+380501234567", "+380672223344")


async def test_history_tells_who_changed_what(database: Database) -> None:
    olena = await _employee(database, "Олена")
    lead_id = await _create(database, by=olena)
    card = await _load(database, lead_id)
    edit = replace(EDIT, name="Іван", status_id=2, responsible_id=olena, comment="рядок\nдругий", language="ru")
    await _save(database, lead_id, card.version, edit, by=olena)
    async with database.read() as session:
        rows = await cards.history(session, lead_id=lead_id)
    assert {(row.field, row.before, row.after, row.by) for row in rows} == {
        ("created", "", "+380501234567", "Олена"),
        ("name", "+380501234567", "Іван", "Олена"),
        ("status", "Hot", "Warm", "Олена"),
        ("responsible", "", "Олена", "Олена"),
        ("comment", "", "рядок\nдругий", "Олена"),
        ("language", "", "ru", "Олена"),
    }


async def test_only_a_changed_responsible_counts_as_chosen_by_hand(database: Database) -> None:
    olena = await _employee(database, "Олена")
    lead_id = await _create(database)
    card = await _load(database, lead_id)
    await _save(database, lead_id, card.version, replace(EDIT, name="Іван"))
    async with database.read() as session:
        assert await session.scalar(select(Lead.responsible_by_hand)) is False
    await _save(database, lead_id, card.version + 1, replace(EDIT, name="Іван", responsible_id=olena))
    async with database.read() as session:
        assert await session.scalar(select(Lead.responsible_by_hand)) is True


async def test_the_second_of_two_who_save_is_told(database: Database) -> None:
    olena = await _employee(database, "Олена")
    lead_id = await _create(database)
    card = await _load(database, lead_id)
    await _save(database, lead_id, card.version, replace(EDIT, name="Перша"), by=olena)
    with pytest.raises(ConflictError) as caught:
        await _save(database, lead_id, card.version, replace(EDIT, name="Друга"))
    assert (caught.value.by, caught.value.at) == ("Олена", NOW)
    present = await _load(database, lead_id)
    assert present.name == "Перша"
    await _save(database, lead_id, present.version, replace(EDIT, name="Друга"))
    assert (await _load(database, lead_id)).name == "Друга"


async def test_of_many_who_save_at_once_one_wins(database: Database) -> None:
    lead_id = await _create(database)
    card = await _load(database, lead_id)
    saves = [_save(database, lead_id, card.version, replace(EDIT, name=f"Ім'я {n}")) for n in range(6)]
    results = await asyncio.gather(*saves, return_exceptions=True)
    assert [type(result) for result in results].count(ConflictError) == 5
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Change).where(Change.field == "name")) == 1


async def test_saving_nothing_new_is_no_save(database: Database) -> None:
    lead_id = await _create(database)
    card = await _load(database, lead_id)
    await _save(database, lead_id, card.version, EDIT)
    assert (await _load(database, lead_id)).version == card.version


async def test_a_number_is_on_one_active_lead(database: Database) -> None:
    first = await _create(database, replace(EDIT, name="Перша"))
    other = await _create(database, replace(EDIT, numbers=("0672223344",)))
    with pytest.raises(NumberTakenError) as caught:
        await _create(database)
    assert (caught.value.number, caught.value.lead.id, caught.value.lead.name) == ("+380501234567", first, "Перша")
    card = await _load(database, other)
    with pytest.raises(NumberTakenError):
        await _save(database, other, card.version, replace(EDIT, numbers=("0672223344", "0501234567")))
    assert (await _load(database, other)).numbers == ("+380672223344",)


async def test_of_many_leads_made_at_once_with_one_number_one_stays(database: Database) -> None:
    results = await asyncio.gather(*(_create(database) for _ in range(6)), return_exceptions=True)
    assert [type(result) for result in results].count(NumberTakenError) == 5


async def test_a_counterpartys_number_is_refused(database: Database) -> None:
    edit = CounterpartyEdit("ТОВ", "", "", "", "", None, None, ("0501234567",), ())
    saved = await save_counterparty(database, None, 0, edit, by=None, clock=clock, region="UA")
    with pytest.raises(NumberOnCounterpartyError) as caught:
        await _create(database)
    assert caught.value.counterparty.id == saved.id


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (replace(EDIT, numbers=()), "numbers"),
        (replace(EDIT, numbers=("101",)), "numbers"),
        (replace(EDIT, numbers=("' OR 1=1",)), "numbers"),
        (replace(EDIT, numbers=tuple(f"0501234{n:03d}" for n in range(101))), "numbers"),
        (replace(EDIT, status_id=99), "status_id"),
        (replace(EDIT, responsible_id=99), "responsible_id"),
        (replace(EDIT, language="xx"), "language"),
    ],
)
async def test_wrong_fields_are_named(database: Database, edit: LeadEdit, field: str) -> None:
    with pytest.raises(WrongFieldError) as caught:
        await _create(database, edit)
    assert caught.value.field == field
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Lead)) == 0


async def test_a_closed_lead_is_read_only(database: Database) -> None:
    lead_id = await _create(database)
    async with database.write() as session:
        lead = await session.get(Lead, lead_id)
        assert lead is not None
        lead.closed_at = NOW - timedelta(days=1)
    card = await _load(database, lead_id)
    with pytest.raises(LeadClosedError):
        await _save(database, lead_id, card.version, replace(EDIT, name="Пізно"))


async def test_who_may_not_see_a_card_may_not_save_it(database: Database) -> None:
    mine, his = await _employee(database, "Олена"), await _employee(database, "Юрій")
    lead_id = await _create(database, replace(EDIT, responsible_id=his))
    card = await _load(database, lead_id)
    async with database.read() as session:
        with pytest.raises(NoSuchCardError):
            await load_lead(session, lead_id, frozenset({mine}))
    with pytest.raises(NoSuchCardError):
        await _save(database, lead_id, card.version, replace(EDIT, name="Я"), scope=frozenset({mine}))


async def test_numbers_of_a_saved_lead_stay_active(database: Database) -> None:
    lead_id = await _create(database, replace(EDIT, numbers=("0501234567", "0672223344")))
    async with database.read() as session:
        rows = (await session.scalars(select(PhoneNumber).where(PhoneNumber.lead_id == lead_id))).all()
    assert [row.on_active_lead for row in rows] == [True, True]
