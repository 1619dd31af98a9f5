"""What a list is saved as is the same list when it is read back, whatever stands in its cells (L10)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from sqlalchemy import select, update

from leads.store.counterparties import CounterpartyFilter, CounterpartyOrder
from leads.store.counterparty_card import CounterpartyEdit, PersonEdit, load_counterparty, save_counterparty
from leads.store.engine import Database
from leads.store.exports import exported_counterparties, exported_leads
from leads.store.lead_card import LeadEdit
from leads.store.leads import LeadFilter, LeadOrder, LeadState
from leads.store.models import Employee, Lead, PhoneNumber, Source
from tests.admin.conftest import Clock
from tests.admin.csv_cards import LANGUAGES, LINES, NAMES, PLAIN, RISKY, clear, counts_of, for_all, make_lead
from tests.admin.importing import Importer

PERSON = PersonEdit(None, "Іван", "", None, None, ())


@st.composite
def _lead_edits(draw: st.DrawFn) -> list[LeadEdit]:
    numbers = draw(st.lists(st.integers(500000000, 509999999), unique=True, min_size=1, max_size=8))
    edits = []
    while numbers:
        own = [f"+380{numbers.pop()}" for _ in range(min(draw(st.integers(1, 3)), len(numbers)))]
        email = draw(st.sampled_from(["", "a@b.c", "=a@b", "+a@b"]))
        edits.append(
            LeadEdit(
                draw(NAMES),
                tuple(own),
                email,
                draw(NAMES),
                draw(LINES),
                draw(LANGUAGES),
                draw(st.integers(1, 4)),
                None,
                None,
            )
        )
    return edits


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize("language", ["en", "uk"])
async def test_leads_come_back_as_they_went(importer: Importer, database: Database, language: str) -> None:
    """Property: export, then import into an empty database, and the same leads are there."""

    async def held() -> list[object]:
        every = LeadFilter(state=LeadState.ALL)
        return [
            (one.name, one.numbers, one.email, one.address, one.comment, one.language, one.status_id)
            async for chunk in exported_leads(database, every, LeadOrder.NUMBER, descending=False, scope=None)
            for one in chunk
        ]

    async def check(edits: list[LeadEdit]) -> None:
        async with database.write() as session:
            await clear(session)
        for edit in edits:
            await make_lead(database, edit)
        before = await held()
        content = (await importer.visitor.get("/leads/export.csv", Accept_Language=language)).text
        assert counts_of(await importer.bring(content, known="update")) == [0, 0, len(edits), 0]
        assert await held() == before
        async with database.write() as session:
            await clear(session)
        assert counts_of(await importer.bring(content)) == [len(edits), 0, 0, 0]
        assert await held() == before

    await for_all(_lead_edits(), check, 5)


@st.composite
def _counterparty_edits(draw: st.DrawFn) -> list[CounterpartyEdit]:
    edits = []
    for place in range(draw(st.integers(1, 4))):
        persons = tuple(
            PersonEdit(
                None,
                f"{draw(RISKY)} {draw(st.integers(0, 1))}",
                draw(st.sampled_from(["", "a@b.c"])),
                draw(LANGUAGES),
                None,
                number,
            )
            for number in draw(st.lists(st.sampled_from([(), ("+380671112233",)]), max_size=3))
        )
        numbers = draw(st.sampled_from([(), (f"+38044123456{place}",)]))
        name = draw(st.sampled_from(["=1", "ТОВ «Клен»", "a;b"]))
        edits.append(
            CounterpartyEdit(
                *(name, draw(PLAIN), "", draw(NAMES), draw(LINES), draw(LANGUAGES), None, numbers, persons),
                status_id=draw(st.integers(1, 4)),
                source_id=draw(st.sampled_from([None, 1, 2])),
            )
        )
    return edits


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_two_contact_persons_of_one_name_stay_two(importer: Importer, database: Database) -> None:
    """Importing a company's own export changes nothing, whichever of the two stands first."""
    persons = (
        PersonEdit(None, "Іван", "a@b.c", "uk", None, ("+380671112233",)),
        PersonEdit(None, "Іван", "", None, None, ("+380671112244",)),
    )
    edit = CounterpartyEdit("Клен", "", "", "", "", None, None, ("+380441234561",), persons)
    saved = await save_counterparty(database, None, 0, edit, by=None, clock=Clock(), region="UA")
    lines = (await importer.visitor.get("/counterparties/export.csv")).text.splitlines(keepends=True)
    for content in ("".join(lines), "".join([*lines[:2], lines[3], lines[2]])):
        assert counts_of(await importer.bring(content, "counterparties", "update")) == [0, 0, 1, 0]
    more = "name,numbers,contact\nKlen,+380441234561,\n".replace("Klen", "Клен") + "Клен,+380671112255,Іван\n"
    assert counts_of(await importer.bring(more, "counterparties", "update")) == [0, 1, 0, 0]
    async with database.read() as session:
        card = await load_counterparty(session, saved.id, None)
    assert [one.numbers for one in card.persons] == [("+380671112233", "+380671112255"), ("+380671112244",)]


async def test_namesakes_without_a_number_are_told_apart_by_their_mark(importer: Importer, database: Database) -> None:
    edit = CounterpartyEdit("Клен", "", "", "", "", None, None, (), ())
    edits = [edit, replace(edit, address="Київ"), replace(edit, address="Одеса", persons=(PERSON,))]
    ids = [(await save_counterparty(database, None, 0, one, by=None, clock=Clock(), region="UA")).id for one in edits]
    head, *lines = (await importer.visitor.get("/counterparties/export.csv")).text.splitlines(keepends=True)
    mixed = "".join([head, *reversed(lines)])
    assert counts_of(await importer.bring(mixed, "counterparties", "update")) == [0, 0, 4, 0]
    changed = mixed.replace("Одеса", "Львів")
    assert counts_of(await importer.bring(changed, "counterparties", "update")) == [0, 1, 3, 0]
    async with database.read() as session:
        cards = [await load_counterparty(session, identity, None) for identity in ids]
    assert [(card.address, len(card.persons)) for card in cards] == [("", 0), ("Київ", 0), ("Львів", 1)]
    # A mark is of one database: a card that has only its key by chance is another one.
    foreign = f"name,mark in leadline\nКлен,{ids[2]}-00000000\nЯвір,{ids[1]}-00000000\n"
    assert counts_of(await importer.bring(foreign, "counterparties", "update")) == [1, 0, 1, 0]


async def test_a_shared_contact_person_makes_two_companies_of_one_name_not_one(importer: Importer) -> None:
    content = (
        "name,numbers,contact\n"
        "Klen,+380441234561,\nKlen,+380671112233,Olha\n"
        "Klen,+380441234562,\nKlen,+380671112233,Olha\n"
    )
    assert counts_of(await importer.bring(content, "counterparties")) == [2, 0, 0, 0]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_counterparties_come_back_as_they_went(importer: Importer, database: Database) -> None:
    """Property: what was exported changes nothing here, makes the same counterparties and persons in an empty database,
    and changes nothing there when it comes again."""

    async def held() -> list[object]:
        every, order = CounterpartyFilter(), CounterpartyOrder.NAME
        found = exported_counterparties(database, every, order, descending=False, scope=None)
        return [(*_fields(one), one.persons) async for chunk in found for one in chunk]

    def _fields(one: object) -> tuple[object, ...]:
        names = ("name", "folder", "numbers", "address", "comment", "language", "status_id", "source_id")
        return tuple(getattr(one, name) for name in names)

    async with database.write() as session:
        session.add_all([Source(id=1, name="Радіо; ранок"), Source(id=2, name="=Сайт")])

    async def check(edits: list[CounterpartyEdit]) -> None:
        async with database.write() as session:
            await clear(session)
        made_at = Clock()
        for edit in edits:
            made_at.move(minutes=-1)  # Two cards of one key are never of one moment.
            await save_counterparty(database, None, 0, edit, by=None, clock=made_at, region="UA")
        before = await held()
        content = (await importer.visitor.get("/counterparties/export.csv")).text
        assert counts_of(await importer.bring(content, "counterparties", "update")) == [0, 0, len(edits), 0]
        assert await held() == before
        async with database.write() as session:
            await clear(session)
        assert counts_of(await importer.bring(content, "counterparties")) == [len(edits), 0, 0, 0]
        assert await held() == before
        assert counts_of(await importer.bring(content, "counterparties", "update")) == [0, 0, len(edits), 0]
        assert await held() == before

    await for_all(_counterparty_edits(), check, 5)


@pytest.mark.parametrize("zones", [("Europe/Kyiv", "Europe/Kyiv"), ("Asia/Tokyo", None), (None, "America/New_York")])
async def test_times_come_back_whoever_reads_them(
    importer: Importer, database: Database, zones: tuple[str | None, str | None]
) -> None:
    """By people of other zones, and in the hour that comes twice when summer time ends: no closed lead comes twice."""
    moments = [datetime(2025, 10, 25, 22, tzinfo=UTC) + timedelta(minutes=half * 30) for half in range(12)]
    async with database.write() as session:
        for place, moment in enumerate(moments):
            number = f"+3805000000{place:02}"
            lead = Lead(name="Іван", status_id=1, main_number=number, updated_at=moment, sort_name="іван")
            lead.created_at = moment - timedelta(days=1)
            lead.closed_at = lead.last_call_at = moment
            lead.numbers.append(PhoneNumber(number=number, on_active_lead=False))
            session.add(lead)

    async def held() -> list[tuple[object, ...]]:
        async with database.read() as session:
            found = select(Lead.main_number, Lead.created_at, Lead.last_call_at, Lead.closed_at)
            return [tuple(row) for row in await session.execute(found.order_by(Lead.main_number))]

    async def live_in(zone: str | None) -> None:
        async with database.write() as session:
            await session.execute(update(Employee).values(time_zone=zone))

    before = await held()
    await live_in(zones[0])
    content = (await importer.visitor.get("/leads/export.csv?state=all", Accept_Language="en")).text
    await live_in(zones[1])
    assert counts_of(await importer.bring(content)) == [0, 0, len(moments), 0]
    async with database.write() as session:
        await clear(session)
    assert counts_of(await importer.bring(content)) == [len(moments), 0, 0, 0]
    assert await held() == before


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2025-03-03 11:00", "2025-03-03 09:00"),
        ("3.3.2025 11:00:59", "2025-03-03 09:00"),
        ("03.03.2025", "2025-03-02 22:00"),
        ("2025-03-03T11:00+05:30", "2025-03-03 05:30"),
        ("2025-03-03 11:00:00 -0100", "2025-03-03 12:00"),
        ("2025-03-03T11:00Z", "2025-03-03 11:00"),
        ("2025-07-03 11:00", "2025-07-03 08:00"),
        ("2025-03-03 24:00", None),
        ("2025-02-29", None),
        ("2025-03-03 11:00+25:00", None),
        ("2025-03-03 11", None),
        ("٢٠٢٥-03-03 11:00", None),
        ("0001-01-01 00:00", None),
    ],
)
async def test_a_time_without_an_offset_is_the_companys(
    importer: Importer, database: Database, written: str, moment: str | None
) -> None:
    async with database.write() as session:
        await session.execute(update(Employee).values(time_zone="Asia/Tokyo"))
    page = await importer.bring(f"Name,Number,Closed\nІван,0501234567,{written}\n")
    async with database.read() as session:
        closed = await session.scalar(select(Lead.closed_at))
    assert (closed and f"{closed:%Y-%m-%d %H:%M}") == moment
    assert ("is no time" in page) == (moment is None)
