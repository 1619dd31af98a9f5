"""Phone books of 50,000 entries: whole in every form, each entry once, the owner's alone, no page dearer."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text

from leads.domain.visibility import Scope
from leads.store.engine import Database
from leads.store.phone_book import make_key
from leads.store.phone_book_pages import Mark, book_parts, read_book
from tests.admin.conftest import Clock, Company, Visitor

FIRMS, LEADS = 11_000, 36_000
OURS = [f"{kind} {100_000 + i}" for i in range(1, FIRMS + 1) if i % 11 for kind in ("Firm", "Person")]
OURS += [f"Lead {100_000 + i}" for i in range(1, LEADS + 1) if i % 6]
"""What Yurii's book holds: 50,000 entries, between firms and leads of Maria, and leads that are unnamed or closed."""
_COUNTED = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most}) SELECT {columns} FROM n"
_CARDS = (
    (
        "counterparty (id, name, folder, email, address, comment, responsible_id, sort_name, search_text,"
        " created_at, updated_at, version, status_id)",
        FIRMS,
        "i, 'Firm ' || CAST(100000 + i AS VARCHAR), '', '', '', '', CASE WHEN i % 11 = 0 THEN {maria} ELSE {yurii} END,"
        " 'firm 6' || CAST(100000 + i AS VARCHAR), '', '2026-01-01', '2026-01-01', 1, 1",
    ),
    ("contact_person (id, counterparty_id, name, email)", FIRMS, "i, i, 'Person ' || CAST(100000 + i AS VARCHAR), ''"),
    (
        "lead (id, name, named, email, address, comment, status_id, responsible_id, responsible_by_hand, main_number,"
        " sort_name, search_text, created_at, updated_at, version)",
        LEADS,
        "i, 'Lead ' || CAST(100000 + i AS VARCHAR), i % 18 <> 6, '', '', '', i % 4 + 1,"
        " CASE WHEN i % 18 = 0 THEN {maria} ELSE {yurii} END, false, '', 'lead 6' || CAST(100000 + i AS VARCHAR), '',"
        " '2026-01-01', '2026-01-01', 1",
    ),
)
COLUMNS = (
    "named, email, address, comment, status_id, responsible_id, responsible_by_hand, main_number, search_text,"
    " created_at, updated_at, version"
)
ADDED_LIKE = COLUMNS + ", 'lead 6{name} added'"
NUMBER_OF_LEAD = "lead_id, number, position, on_active_lead, pinned"
_NUMBERS = (("counterparty", "44", FIRMS), ("contact_person", "67", FIRMS), ("lead", "50", LEADS))


@pytest.fixture
async def key(database: Database, company: Company) -> str:
    """The key of Yurii's phone, whose book is full."""
    async with database.write() as session:
        if database.dialect == "postgresql":
            await session.execute(text("SET LOCAL session_replication_role = replica"))  # No triggers, which take long.
        for into, most, columns in _CARDS:
            rows = _COUNTED.format(most=most, columns=columns.format(maria=company.maria, yurii=company.yurii))
            await session.execute(text(f"INSERT INTO {into} {rows}"))
        for owner, operator, most in _NUMBERS:
            active = "i % 18 <> 12" if owner == "lead" else "false"
            columns = f"'+380{operator}' || CAST(1000000 + i AS VARCHAR), 0, i, {active}, false"
            into = f"phone_number (number, position, {owner}_id, on_active_lead, pinned)"
            await session.execute(text(f"INSERT INTO {into} {_COUNTED.format(most=most, columns=columns)}"))
        await session.execute(text("UPDATE lead SET closed_at = created_at WHERE id % 18 = 12"))
        if database.dialect == "postgresql":
            await session.execute(text("SELECT setval(pg_get_serial_sequence('lead', 'id'), max(id)) FROM lead"))
        return await make_key(session, company.phone_101, Clock()())


class Phone:
    """Reads a book in parts, while others add leads to it."""

    def __init__(self, visitor: Visitor, database: Database, clock: Clock, book: str) -> None:
        self._visitor, self._database, self._clock, self._book = visitor, database, clock, book
        self._added = 0
        self._menu: list[str] = []

    async def fetch(self, path: str) -> ET.Element:
        """One answer, bounded in size; then somebody adds a lead anywhere in the book."""
        self._clock.move(seconds=1)
        answer = await self._visitor.get(path.removeprefix(self._visitor.base))
        assert answer.status == 200
        assert len(answer.text) < 400_000
        self._added += 1
        name, identity = 100_000 + self._added * 12_345 % LEADS, LEADS + self._added
        values = f"VALUES ({identity}, '+38093{identity}', 0, true, false)"
        columns = f"{identity}, 'Lead {name} added', {ADDED_LIKE.format(name=name)} FROM lead WHERE id = 1"
        async with self._database.write() as session:
            await session.execute(text(f"INSERT INTO lead (id, name, {COLUMNS}, sort_name) SELECT {columns}"))
            await session.execute(text(f"INSERT INTO phone_number ({NUMBER_OF_LEAD}) {values}"))
        return ET.fromstring(answer.text)

    async def yealink(self) -> list[str]:
        """The names of all parts that its menu leads to."""
        self._menu = [url.text or "" for url in (await self.fetch(f"{self._book}/yealink.xml")).iter("URL")]
        return [name for part in self._menu for name in _names(await self.fetch(part))]

    async def grandstream(self, number: int) -> list[str]:
        """The names of a numbered part, none behind the last."""
        names = _names(await self.fetch(f"{self._book}/{number}/phonebook.xml"))
        assert len(names) <= 2000
        return names

    async def cisco(self, part: int, pages: int) -> list[str]:
        """The names on some pages from where a part of Yealink's menu begins, and whether the book ended."""
        path, names = self._menu[part].replace("yealink", "cisco"), list[str]()
        for _ in range(pages):
            page = await self.fetch(path)
            found = [entry.findtext("Name", "") for entry in page.iter("DirectoryEntry")]
            assert len(found) <= 32
            names += found
            keys = {item.findtext("Name"): item.findtext("URL", "") for item in page.iter("SoftKeyItem")}
            if "Next" not in keys:
                break
            path = keys["Next"]
        return names


def _names(xml: ET.Element) -> list[str]:
    return [element.text or "" for element in xml.iter() if element.tag in ("Name", "LastName")]


def _assert_whole(names: list[str], ours: list[str]) -> None:
    """Each of ours once, in order; of others only leads that were added meanwhile, once at most."""
    assert [name for name in names if not name.endswith("added")] == ours
    assert max(Counter(names).values()) == 1


def _ours_from(names: list[str]) -> list[str]:
    """As many entries as there are of ours among `names`, from where the first of them stands."""
    told = [name for name in names if not name.endswith("added")]
    return OURS[OURS.index(told[0]) :][: len(told)]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_parts_and_pages_tell_every_entry_once_while_leads_are_added(
    key: str, visitor: Callable[[], Visitor], database: Database, clock: Clock
) -> None:
    phone = Phone(visitor(), database, clock, f"/phonebook/{key}")
    _assert_whole(await phone.yealink(), OURS)
    for number, first in ((1, OURS[0]), (10, None), (33, None)):
        names = [*await phone.grandstream(number), *await phone.grandstream(number + 1)]
        assert first in (None, names[0])
        assert len(names) > 1900
        _assert_whole(names, _ours_from(names))
    assert names[-1] == OURS[-1]
    assert not await phone.grandstream(35)
    for part, pages in ((0, 10), (19, 40), (-1, 40)):
        names = await phone.cisco(part, pages)
        _assert_whole(names, _ours_from(names))
    assert names[-1] == OURS[-1]


@pytest.mark.parametrize("dialect", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_vcards_are_written_while_they_are_read(key: str, visitor: Callable[[], Visitor]) -> None:
    one = visitor()
    names, pieces = list[str](), list[int]()
    async with one.client.get(f"{one.base}/phonebook/{key}/contacts.vcf") as answer:
        rest = b""
        async for data, ends in answer.content.iter_chunks():
            rest += data
            if ends:
                names += re.findall(r"^FN:(.*)\r", rest.decode(), re.MULTILINE)
                pieces.append(len(rest))
                rest = b""
    assert names == OURS
    assert max(pieces) < 100_000 < sum(pieces)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_the_last_page_costs_what_the_first_does(key: str, database: Database, company: Company) -> None:
    steps = [0]

    def count() -> None:
        steps[0] += 10

    @event.listens_for(database.engine.sync_engine, "connect")
    def _connected(connection: Any, record: object) -> None:
        connection.run_async(lambda driver: driver.set_progress_handler(count, 10))

    async def cost(scope: Scope, size: int, start: str | None, last: Mark | None = None) -> int:
        async with database.read() as session:
            steps[0] = 0
            page = await read_book(session, scope, size, start, last=last)
            assert len(page.entries) > size // 2
            return steps[0]

    await database.engine.dispose()  # Connections from before are not counted.
    scope = frozenset({company.yurii})
    async with database.read() as session:
        parts = await book_parts(session, scope, 1000, 99)
    assert len(parts) == 50
    for seen, size, most in ((None, 32, 25_000), (None, 1000, 120_000), (scope, 32, 220_000), (scope, 1000, 480_000)):
        assert max([await cost(seen, size, part.start, part.last) for part in parts[::7]]) < most
