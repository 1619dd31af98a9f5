"""Whose number it is: for the question on the screen, and the card that is made during a call (C10, L11)."""

from datetime import UTC, datetime

from sqlalchemy import func, select

from leads.store.callers import Caller, find_caller, lead_for
from leads.store.engine import Database
from leads.store.models import ContactPerson, Counterparty, Lead, PhoneNumber

NUMBER = "+380501234567"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


async def find(database: Database, number: str = NUMBER) -> Caller | None:
    async with database.read() as session:
        return await find_caller(session, number)


async def test_an_unknown_number_becomes_one_lead(database: Database) -> None:
    assert await find(database) is None
    person = await lead_for(database, NUMBER, None, None, NOW)
    assert await lead_for(database, NUMBER, None, None, NOW) == person
    found = await find(database)
    assert found is not None
    assert (found.lead_id, found.counterparty_id, found.name, found.note) == (person.lead_id, None, None, "")
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Lead)) == 1


async def test_a_contact_person_is_named_with_his_company_and_its_note(database: Database) -> None:
    async with database.write() as session:
        company = Counterparty(name="Tiles", comment=" Pays late ", language="uk", created_at=NOW, updated_at=NOW)
        company.contact_persons = [ContactPerson(name="Olha", numbers=[PhoneNumber(number=NUMBER)])]
        session.add(company)
        await session.flush()
        expected = Caller(None, company.id, "Olha", "uk", "Tiles", "Pays late")
    assert await find(database) == expected
    assert (await lead_for(database, NUMBER, None, None, NOW)).counterparty_id == expected.counterparty_id


async def test_a_closed_leads_number_is_nobodys_until_it_is_opened_again(database: Database) -> None:
    async with database.write() as session:
        lead = Lead(name="Olha", named=True, status_id=1, closed_at=NOW, created_at=NOW, updated_at=NOW)
        lead.numbers = [PhoneNumber(number=NUMBER, on_active_lead=False)]
        session.add(lead)
        await session.flush()
        identity = lead.id
    assert await find(database) is None
    assert (await lead_for(database, NUMBER, None, None, NOW)).lead_id == identity
    found = await find(database)
    assert found is not None
    assert (found.lead_id, found.name) == (identity, "Olha")


async def test_a_shared_number_tells_all_names_unless_it_is_pinned(database: Database) -> None:
    async with database.write() as session:
        times = {"created_at": NOW, "updated_at": NOW}
        tiles = Counterparty(name="Tiles", numbers=[PhoneNumber(number=NUMBER)], **times)
        pinned = PhoneNumber(number=NUMBER)
        doors = Counterparty(name="Doors", **times)
        doors.contact_persons = [ContactPerson(name="Olha", numbers=[pinned])]
        session.add(tiles)
        await session.flush()
        session.add(doors)
        await session.flush()
        keys = tiles.id, doors.id
    assert await find(database) == Caller(None, keys[0], "Olha / Tiles", None, None, "")
    async with database.write() as session:
        (await session.get_one(PhoneNumber, pinned.id)).pinned = True
    assert await find(database) == Caller(None, keys[1], "Olha", None, "Doors", "")
