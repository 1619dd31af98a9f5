"""Export and import again give the same, whatever leads and counterparties there are, open or closed (L10)."""

import csv
import io
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from sqlalchemy import select, update

from leads.admin.context import PANEL
from leads.domain.directory import Role
from leads.store.counterparty_card import CounterpartyEdit, PersonEdit, load_counterparty, save_counterparty
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead
from leads.store.models import Employee, Lead, PhoneNumber, Source
from tests.admin.conftest import Company
from tests.admin.csv_cards import HEAD, LANGUAGES, LINES, NAMES, clear, counts_of, for_all
from tests.admin.importing import Importer

BEGAN = datetime(2026, 2, 1, 8, 0, tzinfo=UTC)
GONE = 90
"""An employee who has left; only what is closed is still his."""
EMPTY = CounterpartyEdit("", "", "", "", "", None, None, (), ())


@dataclass(frozen=True)
class Story:
    """A lead, and what became of it: whether it was closed, freed of its number again, and followed by another."""

    edit: LeadEdit
    closed: bool
    freed: bool
    followed: bool
    called: bool


@st.composite
def _stories(draw: st.DrawFn) -> list[Story]:
    stories = []
    for place in range(draw(st.integers(1, 5))):
        closed = draw(st.booleans())
        freed = closed and draw(st.booleans())
        edit = LeadEdit(
            name=draw(NAMES),
            numbers=tuple(f"+38050{place}00000{more}" for more in range(draw(st.integers(1, 3)))),
            email=draw(st.sampled_from(["", "a@b.c"])),
            address=draw(NAMES),
            comment=draw(LINES),
            language=draw(LANGUAGES),
            status_id=draw(st.integers(1, 4)),
            responsible_id=draw(st.sampled_from([None, 1, 2, GONE] if closed else [None, 1, 2])),
            source_id=draw(st.sampled_from([None, 1])),
        )
        stories.append(Story(edit, closed, freed, freed and draw(st.booleans()), draw(st.booleans())))
    return stories


async def _works(database: Database, *, still: bool) -> None:
    async with database.write() as session:
        await session.execute(update(Employee).where(Employee.id == GONE).values(active=still))


async def _tell(database: Database, stories: list[Story]) -> None:
    now = BEGAN
    await _works(database, still=True)

    def clock() -> datetime:
        nonlocal now
        now += timedelta(minutes=1)
        return now

    for story in stories:
        lead = await create_lead(database, story.edit, by=None, clock=clock, region="UA")
        if story.closed:
            await _close(database, story, clock)
        if story.followed:
            again = replace(story.edit, responsible_id=None)
            await create_lead(database, again, by=None, clock=clock, region="UA")
        if story.called:
            async with database.write() as session:
                await session.execute(update(Lead).where(Lead.id == lead).values(last_call_at=clock()))
    await _works(database, still=False)


async def _close(database: Database, story: Story, clock: object) -> None:
    person = PersonEdit(None, "Іван", "", None, None, story.edit.numbers[1:])
    made = replace(EMPTY, name="ТОВ «Клен»", numbers=story.edit.numbers[:1], persons=(person,))
    saved = await save_counterparty(database, None, 0, made, by=None, clock=clock, region="UA")  # type: ignore[arg-type]
    if story.freed:
        async with database.read() as session:
            card = await load_counterparty(session, saved.id, None)
        await save_counterparty(
            *(database, saved.id, card.version, replace(made, numbers=(), persons=())),
            by=None,
            clock=clock,  # type: ignore[arg-type]
            region="UA",
        )


async def _files(importer: Importer) -> dict[str, str]:
    return {
        kind: (await importer.visitor.get(f"/{kind}/export.csv?{query}")).text
        for kind, query in (("leads", "state=all"), ("counterparties", ""))
    }


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize("order", [("counterparties", "leads"), ("leads", "counterparties")])
async def test_files_come_back_from_an_empty_database_and_change_nothing_in_a_full_one(
    importer: Importer, database: Database, company: Company, order: tuple[str, str]
) -> None:
    gone = Employee(id=GONE, name="Давній", role=Role.EMPLOYEE, created_at=BEGAN)
    async with database.write() as session:
        session.add_all([gone, Source(id=1, name="Сайт")])

    async def check(stories: list[Story]) -> None:
        async with database.write() as session:
            await clear(session)
        await _tell(database, stories)
        files = await _files(importer)
        for kind in order:
            facts = counts_of(await importer.bring(files[kind], kind, "update"))
            assert facts[:2] + facts[3:] == [0, 0, 0], (kind, facts)
        assert await _files(importer) == files
        async with database.write() as session:
            await clear(session)
        for kind in order:
            assert counts_of(await importer.bring(files[kind], kind))[1:] == [0, 0, 0], kind
        assert await _files(importer) == files

    await for_all(_stories(), check, 5)


async def test_leads_of_one_minute_come_back_in_their_order(importer: Importer, database: Database) -> None:
    calls = ("", "2026-02-01 12:00", "2026-02-01 12:00")
    rows = [
        f"Лід {9 - place};05011100{place:02d};2026-02-01 10:00;{calls[place % 3]};{'' if place % 4 else '2026-02-02'}"
        for place in range(9)
    ]
    content = "\n".join(("Name;Number;Created;Last call;Closed", *rows))
    assert counts_of(await importer.bring(content)) == [9, 0, 0, 0]
    saved = (await importer.visitor.get("/leads/export.csv?state=all")).text
    assert [row[0] for row in csv.reader(io.StringIO(saved))][1:] == [f"Лід {9 - place}" for place in range(9)]
    async with database.write() as session:
        await clear(session)
    assert counts_of(await importer.bring(saved)) == [9, 0, 0, 0]
    assert (await importer.visitor.get("/leads/export.csv?state=all")).text == saved


async def test_a_closed_lead_comes_closed_to_whoever_has_its_number_and_the_import_is_undone(
    importer: Importer, database: Database, company: Company
) -> None:
    person = PersonEdit(None, "Іван", "", None, None, ("+380671112233",))
    edit = replace(EMPTY, name="ТОВ «Клен»", persons=(person,))
    firm = (await save_counterparty(database, None, 0, edit, by=None, clock=lambda: BEGAN, region="UA")).id
    rows = "Іван;0671112233;01.02.2026 10:00;2026-02-03 12:00\nПетро;0502223344;;2026-02-03\n"
    page = await importer.bring(f"Name;Number;Created;Closed\n{rows}")
    assert counts_of(page) == [2, 0, 0, 0]
    async with database.read() as session:
        ivan, petro = await session.scalars(select(Lead).order_by(Lead.id))
        active = set(await session.scalars(select(PhoneNumber.on_active_lead).where(PhoneNumber.lead_id.is_not(None))))
    assert (ivan.counterparty_id, petro.counterparty_id, active) == (firm, None, {False})
    assert ivan.contact_person_id is not None
    assert (ivan.created_at, ivan.closed_at) == (
        datetime(2026, 2, 1, 8, 0, tzinfo=UTC),
        datetime(2026, 2, 3, 10, 0, tzinfo=UTC),
    )
    assert petro.created_at == petro.closed_at
    assert (await importer.visitor.post("/imports/1/undo")).status == 303
    await importer.app[PANEL].imports.wait()
    async with database.read() as session:
        assert not (await session.scalars(select(Lead.id))).all()


async def test_what_cannot_be_read_of_times_and_people_is_told(importer: Importer, database: Database) -> None:
    async with database.write() as session:
        session.add(Employee(id=GONE, name="Марія Коваленко", active=False, created_at=BEGAN))
        session.add(Employee(id=GONE + 1, name="Давній", active=False, created_at=BEGAN))
    head = HEAD.strip() + ";Responsible;Created;Closed\n"
    rows = (
        "a;0501110001;Марія Коваленко;;\n"
        f"b;0501110002;Марія Коваленко (#{GONE});;2026-02-01\n"
        "c;0501110003;Давній;;\n"
        "d;0501110004;;торік;\n"
        "e;0501110005;;2999-01-01;\n"
        "f;0501110006;;;31.02.2026\n"
    )
    page = await importer.bring(head + rows)
    assert counts_of(page) == [2, 0, 0, 4]
    assert "Responsible: there is no “Давній” here." in page
    assert "Created: “торік” is no time. Write it like 2026-12-31 18:00." in page
    assert "Closed: “31.02.2026” is no time." in page
