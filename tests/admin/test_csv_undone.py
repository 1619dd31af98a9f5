"""Imports that are undone, and what keeps a card from it; counterparties that a file brings close leads (L10)."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from leads.admin.context import PANEL
from leads.domain.calls import Phase
from leads.domain.statuses import StatusSet
from leads.store.counterparty_card import CounterpartyEdit, PersonEdit, load_counterparty, save_counterparty
from leads.store.daily_plans import plan_day
from leads.store.engine import Database
from leads.store.import_tables import ImportBatch
from leads.store.lead_card import LeadEdit, load_lead
from leads.store.merging import merge_leads
from leads.store.models import Counterparty, Lead, PhoneNumber
from leads.store.planning_tables import PlannedCall
from leads.store.statuses import remove_status
from tests.admin.calls import add_call
from tests.admin.conftest import Clock, Company
from tests.admin.csv_cards import HEAD, counts_of, make_lead
from tests.admin.importing import Importer, text_of
from tests.leads.handing import hand_all_over

EDIT = LeadEdit("Щербань", ("0501234567",), "", "", "", None, 1, None, None)


async def _leads(database: Database) -> dict[str, Lead]:
    async with database.read() as session:
        return {lead.main_number: lead for lead in await session.scalars(select(Lead))}


async def test_undoing_removes_what_was_made_and_restores_what_was_changed(
    importer: Importer, database: Database
) -> None:
    known = await make_lead(database, EDIT)
    content = "Name;Number;Phone 2;Comment\nНова;0509999999;;\nІнша;0501234567;0671112233;c\nЧіпана;0508888888;;\n"
    page = await importer.bring(content, known="update")
    assert counts_of(page) == [2, 1, 0, 0]
    touched = (await _leads(database))["+380508888888"]
    async with database.write() as session:
        lead = await session.get_one(Lead, touched.id)
        lead.comment = "worked on"
    async with database.read() as session:
        batch = await session.scalar(select(ImportBatch.id))
    assert (await importer.visitor.post(f"/imports/{batch}/undo")).status == 303
    await importer.app[PANEL].imports.wait()
    page = text_of((await importer.visitor.get(f"/imports/{batch}")).text)
    assert "Undone" in page
    assert "because somebody worked on them 1" in page
    assert set(await _leads(database)) == {"+380501234567", "+380508888888"}
    async with database.read() as session:
        card = await load_lead(session, known, None)
        assert await session.scalar(select(func.count()).select_from(PhoneNumber)) == 2
    assert (card.name, card.numbers, card.comment) == ("Щербань", ("+380501234567",), "")
    assert (await importer.visitor.post(f"/imports/{batch}/undo")).status == 409


async def test_a_changed_lead_that_was_merged_since_keeps_nothing_else_from_being_undone(
    importer: Importer, database: Database, clock: Clock
) -> None:
    older = await make_lead(database, replace(EDIT, numbers=("0507777777",)))
    known = await make_lead(database, EDIT)
    page = await importer.bring("Name;Number;Comment\nНова;0509999999;\nІнша;0501234567;c\n", known="update")
    assert counts_of(page) == [1, 1, 0, 0]
    assert await merge_leads(database, older, 1, known, by=None, clock=clock) == older
    assert (await importer.visitor.post("/imports/1/undo")).status == 303
    await importer.app[PANEL].imports.wait()
    page = text_of((await importer.visitor.get("/imports/1")).text)
    assert "Undone" in page
    assert "because somebody worked on them 1" in page
    assert "+380509999999" not in await _leads(database)


@pytest.mark.parametrize("kind", ["leads", "counterparties"])
async def test_calls_that_the_day_planned_keep_no_card_from_being_undone(
    importer: Importer, database: Database, clock: Clock, kind: str
) -> None:
    model = Lead if kind == "leads" else Counterparty
    await importer.bring(f"{HEAD}Перша;0501234567\nДруга;0502222222\n", kind)
    assert await plan_day(database, ZoneInfo("Europe/Kyiv"), clock) == 2
    async with database.write() as session:
        noted = await session.scalar(select(PlannedCall).order_by(PlannedCall.id.desc()).limit(1))
        assert noted is not None
        noted.note = "про ціну"
    assert (await importer.visitor.post("/imports/1/undo")).status == 303
    await importer.app[PANEL].imports.wait()
    async with database.read() as session:
        assert list(await session.scalars(select(model.name))) == ["Друга"]
        assert await session.scalar(select(func.count()).select_from(PlannedCall)) == 1


async def test_counterparties_come_with_their_contact_persons_and_close_leads(
    importer: Importer, database: Database, company: Company
) -> None:
    lead = await make_lead(database, EDIT)
    content = (
        "Name;Contact person;Folder;Number;E-mail;Responsible\n"
        "ТОВ «Ромашка»;;Клієнти;0441234567;;Марія Коваленко\n"
        "ТОВ «Ромашка»;Щербань Ольга;;0501234567;o@b.ua;\n"
        "ПП Клен;;;;;\n"
        ";Хтось;;;;\n"
    )
    assert counts_of(await importer.bring(content, "counterparties")) == [2, 0, 0, 1]
    async with database.read() as session:
        first = await session.scalar(select(Counterparty.id).order_by(Counterparty.id))
        assert first
        card = await load_counterparty(session, first, None)
        closed = await session.get_one(Lead, lead)
    assert (card.name, card.folder, card.numbers, card.responsible_id) == (
        *("ТОВ «Ромашка»", "Клієнти", ("+380441234567",), company.maria),
    )
    assert [(one.name, one.numbers, one.email) for one in card.persons] == [
        ("Щербань Ольга", ("+380501234567",), "o@b.ua")
    ]
    assert closed.counterparty_id == first
    assert counts_of(await importer.bring(content, "counterparties", known="update")) == [0, 0, 2, 1]
    more = "Name;Contact person;Number\nТОВ «Ромашка»;;0441234567\nТОВ «Ромашка»;Новий;0671112233\n"
    assert counts_of(await importer.bring(more, "counterparties", known="update")) == [0, 1, 0, 0]
    async with database.read() as session:
        batches = list(await session.scalars(select(ImportBatch.id).order_by(ImportBatch.id)))
        assert len((await load_counterparty(session, first, None)).persons) == 2
    await importer.visitor.post(f"/imports/{batches[2]}/undo")
    await importer.app[PANEL].imports.wait()
    async with database.read() as session:
        assert [one.name for one in (await load_counterparty(session, first, None)).persons] == ["Щербань Ольга"]
    await importer.visitor.post(f"/imports/{batches[0]}/undo")
    await importer.app[PANEL].imports.wait()
    async with database.read() as session:
        # The first has a lead closed to it and was saved since; the other goes.
        assert [one.name for one in await session.scalars(select(Counterparty))] == ["ТОВ «Ромашка»"]


async def test_what_goes_back_to_somebody_who_has_left_stays_with_whom_the_file_gave_it(
    importer: Importer, database: Database, company: Company, clock: Clock
) -> None:
    """All else is as before; cards that the file made, and that a leaver handed on, were worked on."""
    known = await make_lead(database, replace(EDIT, responsible_id=company.yurii))
    person = PersonEdit(None, "Ія", "", None, company.yurii, ("0671112233",))
    edit = CounterpartyEdit("ТОВ", "", "", "", "", None, company.yurii, ("0441234567",), (person,))
    saved = await save_counterparty(database, None, 0, edit, by=None, clock=clock, region="UA")
    leads = f"{HEAD[:-2]};Responsible\nІнша;0501234567;Марія Коваленко\nНова;0509999999;Щербань Юрій\n"
    companies = (
        "Name;Contact person;Number;E-mail;Responsible\n"
        "ТОВ;;0441234567;tov@b.ua;Марія Коваленко\nТОВ;Ія;0671112233;iia@b.ua;Марія Коваленко\n"
    )
    assert counts_of(await importer.bring(leads, known="update")) == [1, 1, 0, 0]
    assert counts_of(await importer.bring(companies, "counterparties", known="update")) == [0, 1, 0, 0]
    await hand_all_over(database, company.yurii, 1, company.boss, by=company.admin, clock=clock)
    for batch, kept in ((1, 1), (2, 0)):
        assert (await importer.visitor.post(f"/imports/{batch}/undo")).status == 303
        await importer.app[PANEL].imports.wait()
        page = text_of((await importer.visitor.get(f"/imports/{batch}")).text)
        assert ("because somebody worked on them 1" in page) == bool(kept)
    async with database.read() as session:
        lead = await load_lead(session, known, None)
        card = await load_counterparty(session, saved.id, None)
    assert (lead.name, lead.responsible_id) == ("Щербань", company.maria)
    assert (card.email, card.responsible_id) == ("", company.maria)
    assert [(one.email, one.responsible_id) for one in card.persons] == [("", company.maria)]
    assert (await _leads(database))["+380509999999"].responsible_id == company.boss


async def test_a_status_that_is_gone_keeps_nothing_else_from_being_undone(
    importer: Importer, database: Database, clock: Clock
) -> None:
    known = await make_lead(database, replace(EDIT, status_id=3))
    await importer.bring(f"{HEAD[:-2]};Status\nІнша;0501234567;Hot\n", known="update")
    await remove_status(database, StatusSet.LEADS, 3, 1, 2, by=None, now=clock())
    assert (await importer.visitor.post("/imports/1/undo")).status == 303
    await importer.app[PANEL].imports.wait()
    async with database.read() as session:
        lead = await load_lead(session, known, None)
    assert (lead.name, lead.status_id) == ("Щербань", 1)


async def test_numbers_that_were_used_since_stay_where_the_file_brought_them(
    importer: Importer, database: Database, clock: Clock
) -> None:
    """Somebody called from one, or it closed a lead: without a card it would be nobody's."""
    called, own, lost = "+380670000001", "+380670000002", "+380670000003"
    known = await make_lead(database, EDIT)
    closed = await make_lead(database, replace(EDIT, numbers=(own,)))
    edit = CounterpartyEdit("ТОВ", "", "", "", "", None, None, ("0441234567",), ())
    saved = await save_counterparty(database, None, 0, edit, by=None, clock=clock, region="UA")
    await importer.bring(f"Name;Number;Phone 2;Phone 3\nІнша;0501234567;{called};{lost}\n", known="update")
    companies = (
        "Name;Contact person;Number;Phone 2;E-mail\n"
        f"ТОВ;;0441234567;{own};a@b.ua\nТОВ;Ія;+380670000004;+380670000005;\n"
    )
    await importer.bring(companies, "counterparties", known="update")
    clock.move(minutes=1)
    for place, (number, person) in enumerate(((called, {"lead_id": known}), ("+380670000004", {}))):
        await add_call(database, clock, f"{place}.1", outside_number=number, phase=Phase.ENDED, **person)
    for batch in (1, 2):
        assert (await importer.visitor.post(f"/imports/{batch}/undo")).status == 303
        await importer.app[PANEL].imports.wait()
    async with database.read() as session:
        lead = await load_lead(session, known, None)
        card = await load_counterparty(session, saved.id, None)
        ended = await session.get_one(Lead, closed)
    assert (lead.name, lead.numbers) == ("Щербань", ("+380501234567", called))
    assert (card.email, card.numbers) == ("", ("+380441234567", own))
    assert [one.numbers for one in card.persons] == [("+380670000004", "+380670000005")]
    assert ended.counterparty_id == saved.id
