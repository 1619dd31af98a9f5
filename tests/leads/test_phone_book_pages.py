"""The pages of a phone book: whole cards as far as they fit, each entry once, and always an end (C14)."""

from datetime import UTC, datetime

from sqlalchemy import update

from leads.store.counterparty_card import CounterpartyEdit, PersonEdit, save_counterparty
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead
from leads.store.models import Lead
from leads.store.phone_book_pages import book_parts, read_book

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)


def _clock() -> datetime:
    return NOW


async def _fill(database: Database) -> list[str]:
    """Firms with 0 to 5 people, one of them and a person without numbers, and leads; gives the names with numbers."""
    names = []
    for firm in range(6):
        people = [PersonEdit(None, f"P{firm}{i}", "", None, None, (f"06700000{firm}{i}",)) for i in range(firm)]
        people.append(PersonEdit(None, f"Silent {firm}", "", None, None, ()))
        numbers = (f"044000000{firm}",) if firm != 3 else ()
        edit = CounterpartyEdit(f"F{firm}", "", "", "", "", None, None, numbers, tuple(people))
        await save_counterparty(database, None, 0, edit, by=None, clock=_clock, region="UA")
        names += [*([f"F{firm}"] if numbers else []), *(person.name for person in people[:-1])]
    for lead in range(4):
        await _add_lead(database, f"L{lead}", lead)
    return names + [f"L{lead}" for lead in range(4)]


async def _add_lead(database: Database, name: str, number: int) -> None:
    edit = LeadEdit(name, (f"05000000{number:02}",), "", "", "", None, 1, None, None)
    await create_lead(database, edit, by=None, clock=_clock, region="UA")


async def _pages(database: Database, size: int) -> list[list[str]]:
    pages: list[list[str]] = []
    at: str | None = None
    while at is not None or not pages:
        async with database.read() as session:
            page = await read_book(session, None, size, at)
        pages.append([entry.name for entry in page.entries])
        assert len(pages) < 50
        at = page.after
    return pages


async def test_pages_keep_cards_whole_where_they_fit(database: Database) -> None:
    names = await _fill(database)
    for size in (1, 2, 3, 4, 7, 100):
        pages = await _pages(database, size)
        assert [name for page in pages for name in page] == names
        assert max(map(len, pages)) <= size
    assert ["F2", "P20", "P21"] in await _pages(database, 3)
    assert (await _pages(database, 3))[-4:-2] == [["F5", "P50", "P51"], ["P52", "P53", "P54"]]


async def test_parts_hold_all_also_what_is_added_after_they_were_cut(database: Database) -> None:
    names = await _fill(database)
    for size in (1, 3, 5, 100):
        async with database.read() as session:
            parts = await book_parts(session, None, size, 50)
            read = [await read_book(session, None, 1000, part.start, last=part.last) for part in parts]
        told = [[entry.name for entry in page.entries] for page in read]
        assert [name for part in told for name in part] == names
        assert max(map(len, told)) <= max(size, 6)
        assert [part.name for part in parts] == [part[0].replace("P30", "F3") for part in told]
    async with database.read() as session:
        parts = await book_parts(session, None, 3, 50)
    for number, name in enumerate(("A", "L1 bis", "Z"), 10):
        await _add_lead(database, name, number)
    edit = CounterpartyEdit("G", "", "", "", "", None, None, ("0441111111",), ())
    await save_counterparty(database, None, 0, edit, by=None, clock=_clock, region="UA")
    async with database.read() as session:
        read = [await read_book(session, None, 1000, part.start, last=part.last) for part in parts]
    told_now = [entry.name for page in read for entry in page.entries]
    assert sorted(told_now) == sorted([*names, "A", "G", "L1 bis", "Z"])


async def test_a_place_that_no_list_knows_ends_a_book(database: Database) -> None:
    names = await _fill(database)
    async with database.write() as session:
        await session.execute(update(Lead).where(Lead.name == "L1").values(sort_name="l\u200b1"))
    told = [name for page in await _pages(database, 1) for name in page]
    assert sorted(set(told)) == sorted(told)
    assert set(told) <= set(names)
