"""Letting an employee go: what is his becomes his successor's, what he had done stays his, routing skips him (K2)."""

from typing import Any

import pytest
from sqlalchemy import select, update

from leads.domain.numbers import Number, NumberKind
from leads.domain.people import Person, PersonKind
from leads.store import audit, handing_over, leaving
from leads.store.audit_table import AuditEntry
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.models import (
    Call,
    Change,
    ContactPerson,
    Counterparty,
    Did,
    Employee,
    Extension,
    GroupMember,
    Lead,
    PanelSession,
)
from leads.store.phone_book import make_key
from leads.store.phone_book_tables import PhoneBookKey
from routing.decide import decide
from tests.admin.calls import add_call
from tests.admin.conftest import Clock, Company, Visitor
from tests.leads.handing import hand_all_over

CARD: dict[str, Any] = {"version": "1", "name": "Щербань Юрій", "login": "yurii", "role": "employee"}
CARD |= {"ring_seconds": "20", "phone_number": "101", "phone_endpoint": "PJSIP/101"}
CARD |= {"phone_mode": "latin", "phone_length": "24"}


async def _fill(database: Database, company: Company, clock: Clock, leads: int = 3) -> None:
    """Leads of Yurii's (the last one closed) and one of Maria's, his counterparties, contact person and our number."""
    of, times = company.yurii, {"created_at": clock(), "updated_at": clock()}
    people = [ContactPerson(name="Olha", responsible_id=of)]
    async with database.write() as session:
        session.add_all(
            Lead(name=f"lead {place}", main_number="", status_id=1, responsible_id=of, numbers=[], **times)
            for place in range(leads)
        )
        closed = Lead(name="closed", main_number="", status_id=1, responsible_id=of, closed_at=clock(), **times)
        hers = Lead(name="hers", main_number="", status_id=1, responsible_id=company.maria, **times)
        own = Counterparty(name="own", responsible_id=of, **times)
        other = Counterparty(name="other", responsible_id=company.maria, contact_persons=people, **times)
        session.add_all([closed, hers, own, other, Did(number="+380441234567", responsible_id=of)])
    await add_call(database, clock, "1.1", employee_id=of)


async def _responsible(database: Database) -> dict[str, int | None]:
    async with database.read() as session:
        return {
            row.name if hasattr(row, "name") else row.number: row.responsible_id
            for table in (Lead, Counterparty, ContactPerson, Did)
            for row in await session.scalars(select(table))
        }


async def test_everything_open_changes_hands_and_the_past_stays(
    database: Database, company: Company, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_over, "MOST_AT_ONCE", 2)
    await _fill(database, company, clock, leads=5)
    async with database.write() as session:
        await make_key(session, company.phone_101, clock())
    had = await hand_all_over(database, company.yurii, 1, company.maria, by=company.admin, clock=clock)
    assert (had.leads, had.counterparties, had.contact_persons, had.our_numbers, had.phones) == (5, 1, 1, 1, ("101",))
    held = await _responsible(database)
    assert held.pop("closed") == company.yurii
    assert set(held.values()) == {company.maria}
    async with database.read() as session:
        changes = (await session.scalars(select(Change))).all()
        assert {(one.before, one.after, one.employee_id) for one in changes if one.field == "responsible"} == {
            ("Щербань Юрій", "Марія Коваленко", company.admin)
        }
        assert [one.before for one in changes if one.field == "contact_person"] == ["Olha; Щербань Юрій"]
        assert len(changes) == 7
        assert await session.scalar(select(Call.employee_id)) == company.yurii
        left = await session.get_one(Employee, company.yurii)
        assert not left.active
        phone = await session.get_one(Extension, company.phone_101)
        assert phone.employee_id is None
        assert (await session.scalars(select(PhoneBookKey))).all() == []
        assert not (await session.scalars(select(GroupMember).where(GroupMember.extension_id == phone.id))).all()
    assert (await hand_all_over(database, company.yurii, left.version, None, by=None, clock=clock)).total == 0


async def test_what_he_loses_is_in_the_audit_log(database: Database, company: Company, clock: Clock) -> None:
    await _fill(database, company, clock)
    audit.act_as(audit.Actor(company.admin, "Олена", clock()))
    await hand_all_over(database, company.yurii, 1, company.maria, by=company.admin, clock=clock)
    async with database.read() as session:
        lines = {(one.kind, str(one.before), str(one.after)) for one in await session.scalars(select(AuditEntry))}
    assert ("employee", "{'phones': ['101']}", "{'phones': []}") in lines
    of, to = company.yurii, company.maria
    assert ("did", f"{{'responsible_id': {of}}}", f"{{'responsible_id': {to}}}") in lines
    assert ("employee", "{'active': True}", "{'active': False}") in lines


async def test_routing_skips_him_and_his_last_caller_reaches_the_successor(
    database: Database, directory: DirectoryCache, company: Company, clock: Clock
) -> None:
    await leaving.let_go(database, company.yurii, 1, company.maria, by=company.admin, clock=clock)
    await directory.refresh()
    person = Person(PersonKind.LEAD, 1, None, None, None, None, last_talker_id=company.yurii)
    number = Number(NumberKind.OUTSIDE, "+380501234567")
    decision = decide(number, (person,), None, None, directory.current, default_extension=None)
    assert [ring.extension.number for step in decision.steps for ring in step.rings] == ["102"]


@pytest.mark.parametrize("successor", ["nobody", "himself", "gone"])
async def test_without_a_successor_nothing_changes(
    database: Database, company: Company, clock: Clock, successor: str
) -> None:
    await _fill(database, company, clock)
    before = await _responsible(database)
    chosen = {"nobody": None, "himself": company.yurii, "gone": 999_999}[successor]
    with pytest.raises(leaving.SuccessorError):
        await leaving.let_go(database, company.yurii, 1, chosen, by=company.admin, clock=clock)
    assert await _responsible(database) == before
    async with database.read() as session:
        assert (await session.get_one(Employee, company.yurii)).active


async def test_the_panel_asks_who_takes_over(
    admin: Visitor, yurii: Visitor, company: Company, database: Database, clock: Clock
) -> None:
    await _fill(database, company, clock)
    path = f"/company/employees/{company.yurii}"
    answer = await admin.post(path, CARD | {"active": ""})
    assert answer.location == f"{path}/leave"
    page = await admin.get(answer.location)
    assert '<dd class="digits">3</dd>' in page.text
    assert (await yurii.get("/live")).status == 200, "he works here until it is known who takes over"
    refused = await admin.post(answer.location, {"version": "2", "successor_id": ""})
    assert refused.status == 422
    assert "Choose who takes over" in refused.text
    assert (await admin.post(answer.location, {"version": "1", "successor_id": str(company.maria)})).status == 409
    done = await admin.post(answer.location, {"version": "2", "successor_id": str(company.maria)})
    assert done.location == path
    card = (await admin.get(path)).text
    assert "Щербань Юрій has left." in card
    assert "Hand over what is left" in card
    assert (await yurii.get("/live")).status == 303
    async with database.read() as session:
        sessions = select(PanelSession).where(PanelSession.employee_id == company.yurii)
        assert (await session.scalars(sessions)).all() == []


async def test_the_last_administrator_stays(admin: Visitor, company: Company) -> None:
    path = f"/company/employees/{company.admin}/leave"
    await admin.get(path)
    answer = await admin.post(path, {"version": "1", "successor_id": str(company.maria)})
    assert answer.status == 422
    assert "make another administrator first" in answer.text
    assert (await admin.get("/company/employees")).status == 200


async def test_a_form_that_was_open_while_he_left_gives_him_nothing(
    admin: Visitor, database: Database, company: Company
) -> None:
    lead: dict[str, Any] = {"name": "Лід", "number": "0501234567", "status_id": "1", "responsible_seen": ""}
    card: dict[str, Any] = {"name": "ТОВ", "number": "0441234567"}
    person: dict[str, Any] = dict.fromkeys(("person_id", "person_email", "person_language", "person_numbers"), "")
    his = {"responsible_id": company.yurii}
    to_him = {"person_name": "Ольга", "person_responsible": company.yurii}
    assert (await admin.post("/leads", lead | his)).location == "/leads/1"
    assert (await admin.post("/leads", lead | {"number": "0671112233", "responsible_id": company.maria})).status == 303
    assert (await admin.post("/counterparties", card)).location == "/counterparties/1"
    async with database.write() as session:
        await session.execute(update(Employee).where(Employee.id == company.yurii).values(active=False))
        card["version"] = await session.scalar(select(Counterparty.version))
    hers = lead | his | {"number": "0671112233", "version": "1", "comment": "не загубити"}
    for address, fields in (
        ("/leads/2", hers),
        ("/leads", hers | {"number": "0501110000"}),
        ("/counterparties/1", card | his | {"comment": "не загубити"}),
        ("/counterparties/1", card | person | to_him | {"comment": "не загубити"}),
    ):
        answer = await admin.post(address, fields)
        assert answer.status == 422, address
        assert "Choose one of the list." in answer.text, address
        assert "не загубити" in answer.text, address
    assert (await admin.post("/leads/give", {"lead": "2", "to": company.yurii})).status == 400
    number = {"version": "1", "number": "0441239999", "queue_seconds": "30"}
    assert (await admin.post("/company/numbers/new", number | his)).status == 422
    # What is still his can be saved for another reason.
    assert (await admin.post("/leads/1", lead | his | {"version": "1", "comment": "ще його"})).status == 303
