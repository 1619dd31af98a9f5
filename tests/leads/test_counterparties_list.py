"""Pages of the list of counterparties together are the list, whatever narrows and sorts it (K1)."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from leads.store import list_paths
from leads.store.counterparties import CounterpartyFilter, CounterpartyOrder, find_counterparties, folders
from leads.store.engine import Database
from leads.store.list_shapes import Total
from leads.store.listing import Request
from leads.store.models import Counterparty, Employee
from leads.store.narrowing import Stretch
from leads.store.visibility import counterparty_is_visible, lead_is_visible
from tests.leads.query_plans import plans, statements

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
FOLDERS = ("", "", "Клієнти", "Архів")
FILTERS = (
    CounterpartyFilter(folder="Клієнти"),
    CounterpartyFilter(responsible_id=2),
    CounterpartyFilter(status_id=2, created=Stretch(BEGIN + timedelta(days=1))),
    CounterpartyFilter(folder="", status_id=1, responsible_id=1),
)


async def _fill(database: Database) -> list[Counterparty]:
    async with database.write() as session:
        await session.execute(
            insert(Employee), [{"id": place, "name": f"e{place}", "created_at": BEGIN} for place in (1, 2, 3)]
        )
        rows = [
            {
                "name": f"C {place}",
                "folder": FOLDERS[place * 7 % 4],
                "status_id": 1 + place % 3 % 2,
                "responsible_id": (None, 1, 2)[place // 2 % 3],
                "created_at": BEGIN + timedelta(hours=place * 37 % 60),
                "updated_at": BEGIN,
                "sort_name": f"c{place * 11 % 17}",
                "main_number": f"+38044{place * 13 % 60:07}",
                "sort_person": f"p{place % 5}",
            }
            for place in range(60)
        ]
        await session.execute(insert(Counterparty), rows)
    async with database.read() as session:
        return list(await session.scalars(select(Counterparty)))


def _expected(cards: list[Counterparty], wanted: CounterpartyFilter, order: CounterpartyOrder) -> list[int]:
    first = {
        CounterpartyOrder.FOLDER: lambda card: card.folder,
        CounterpartyOrder.RESPONSIBLE: lambda card: card.responsible_id or 0,
        CounterpartyOrder.STATUS: lambda card: card.status_id,
        CounterpartyOrder.CREATED: lambda card: card.created_at,
        CounterpartyOrder.NUMBERS: lambda card: card.main_number,
        CounterpartyOrder.PEOPLE: lambda card: card.sort_person,
    }.get(order, lambda card: card.sort_name)
    by_name = order in (CounterpartyOrder.FOLDER, CounterpartyOrder.RESPONSIBLE, CounterpartyOrder.STATUS)

    def key(card: Counterparty) -> tuple[Any, ...]:
        return (first(card), card.sort_name if by_name else "", card.id)

    def match(card: Counterparty) -> bool:
        since = wanted.created.begin if wanted.created else None
        return (
            wanted.folder in (None, card.folder)
            and wanted.status_id in (None, card.status_id)
            and wanted.responsible_id in (None, card.responsible_id)
            and (since is None or card.created_at >= since)
        )

    return [card.id for card in sorted(filter(match, cards), key=key)]


@pytest.mark.parametrize(("few", "walk"), [(10_000, 1), (1, 10_000)])
async def test_pages_together_are_the_sorted_list(
    database: Database, monkeypatch: pytest.MonkeyPatch, few: int, walk: int
) -> None:
    for which in ("_LOOKING", "_IN_INDEX"):
        monkeypatch.setattr(list_paths, which, list_paths.Effort(few, few, walk))
    monkeypatch.setattr(list_paths, "_FIRST_WALK", 1)
    cards = await _fill(database)
    async with database.read() as session:
        for place, (wanted, order) in enumerate(itertools.product(FILTERS, CounterpartyOrder)):
            descending = bool(place % 2)
            expected = _expected(cards, wanted, order)
            assert len(expected) > 7
            found: list[int] = []
            request = Request(7, descending)
            while True:
                page = await find_counterparties(session, wanted, order, request, None)
                found += page.ids
                if page.after is None:
                    break
                request = Request(7, descending, after=page.after)
            assert found == (expected[::-1] if descending else expected), (wanted, order)


async def test_one_filter_alone_is_counted_in_every_order(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_paths, "_LOOKING", list_paths.Effort(1, 1, 10_000))
    monkeypatch.setattr(list_paths, "MOST_COUNTED", 20)
    cards = await _fill(database)
    wanted = CounterpartyFilter(folder="Клієнти")
    number = sum(card.folder == "Клієнти" for card in cards)
    async with database.read() as session:
        for order in CounterpartyOrder:
            page = await find_counterparties(session, wanted, order, Request(7), None)
            assert page.total == Total(number, True), order


async def test_folders_are_found_without_passing_all_that_is_in_them(database: Database) -> None:
    async with database.read() as session:
        assert await folders(session) == []
    await _fill(database)
    with statements() as seen:
        async with database.read() as session:
            assert await folders(session) == ["Архів", "Клієнти"]
    if database.dialect == "sqlite":
        steps = [step for how in (await plans(database, seen)).values() for step in how if "counterparty" in step]
        assert steps
        assert all(step.endswith("ix_counterparty_folder_sort_name_id (folder>?)") for step in steps), steps


async def test_who_may_see_a_card_is_asked_of_the_card(database: Database) -> None:
    """Not of all that somebody ever talked in: among 900,000 calls a search for three digits took him 8 s."""
    with statements() as seen:
        async with database.read() as session:
            await counterparty_is_visible(session, 1, frozenset({1, 2}))
            await lead_is_visible(session, 1, frozenset({1, 2}))
    if database.dialect == "sqlite":
        steps = [step for how in (await plans(database, seen)).values() for step in how]
        looked_at = [step for step in steps if "call" in step or "task" in step]
        assert len(looked_at) == 5, steps
        assert all("lead_id=?" in step or "counterparty_id=?" in step for step in looked_at), looked_at
