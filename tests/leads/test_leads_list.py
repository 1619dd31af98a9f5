"""The list of leads: every filter in every order, page by page, is what a plain sort of everything gives."""

import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, insert, literal, select, update
from sqlalchemy.orm import selectinload

from leads.domain.directory import Role
from leads.store import lead_rows, list_paths
from leads.store.engine import Database
from leads.store.leads import (
    NOBODY,
    Find,
    LeadFilter,
    LeadOrder,
    LeadPage,
    LeadState,
    find_leads,
    list_leads,
    status_counts,
)
from leads.store.listing import Request
from leads.store.models import Call, Employee, Lead, LeadStatus, PhoneNumber, Source
from leads.store.narrowing import Stretch
from leads.store.search import search_text, sort_key
from leads.store.visibility import lead_is_visible
from tests.leads.query_plans import statements
from tests.roster.alone import in_memory_alone

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PEOPLE = {1: "Олена", 2: "Андрій", 3: "Ївга", 4: "Boris"}
NAMES = ("Щербань", "Щербаньков", "Ґалаган", "Іван", "O'Brien", "100% Сік", "a_b", "Їжак", '"Лапки"', "back\\slash")


async def _fill(database: Database, count: int = 40) -> list[Lead]:
    """Leads with many equal keys, so that only the id tells neighbours apart."""
    dice = random.Random(20261121)
    async with database.write() as session:
        await session.execute(
            insert(Employee),
            [{"id": i, "name": name, "role": Role.EMPLOYEE, "created_at": NOW} for i, name in PEOPLE.items()],
        )
        await session.execute(insert(Source), [{"id": 1, "name": "Їжак"}, {"id": 2, "name": "Газета"}])
        statuses = list(await session.scalars(select(LeadStatus.id).order_by(LeadStatus.sort_order)))
        for number in range(count):
            phone = f"+38050{dice.randrange(100):02d}{number:05d}"
            named = number < len(NAMES) or dice.random() < 0.7
            name = NAMES[number % len(NAMES)] if named else phone
            created = NOW - timedelta(hours=dice.randrange(5))
            lead = Lead(
                name=name,
                named=named,
                status_id=dice.choice(statuses),
                responsible_id=dice.choice([None, *PEOPLE]),
                source_id=(None, 1, 2)[number % 3],
                closed_at=NOW if dice.random() < 0.3 or number == 39 else None,
                merged_into_id=1 if number == 39 else None,
                created_at=created,
                updated_at=created,
                last_call_at=created if dice.random() < 0.6 else None,
                main_number=phone,
                sort_name=sort_key(name),
                search_text=search_text(name, numbers=[phone, f"+3804410{number:05d}"]),
            )
            lead.numbers = [PhoneNumber(number=phone), PhoneNumber(number=f"+3804410{number:05d}", position=1)]
            session.add(lead)
            await session.flush()
            if dice.random() < 0.3:
                session.add(_call(lead.id, dice.choice([1, 2])))
    async with database.read() as session:
        return list(await session.scalars(select(Lead).options(selectinload(Lead.numbers))))


def _call(lead_id: int, employee_id: int) -> Call:
    return Call(
        pbx="pbx",
        linkedid=f"{lead_id}.{employee_id}",
        role="call",
        phase=3,
        progress=1,
        lead_id=lead_id,
        employee_id=employee_id,
        started_at=NOW,
    )


def _expected(leads: Sequence[Lead], wanted: LeadFilter, order: LeadOrder) -> list[int]:
    """The same list, by the plainest means."""
    people = sorted(PEOPLE, key=lambda each: sort_key(PEOPLE[each]))
    states = {LeadState.OPEN: (0, 1), LeadState.UNNAMED: (0,), LeadState.CLOSED: (2,), LeadState.ALL: (0, 1, 2)}
    states[LeadState.NAMED] = (1,)

    def group(lead: Lead) -> int:
        if order is LeadOrder.SOURCE:
            return (None, 2, 1).index(lead.source_id)
        if order is LeadOrder.STATUS:
            return lead.status_id
        return -1 if lead.responsible_id is None else people.index(lead.responsible_id)

    def key(lead: Lead) -> tuple[object, ...]:
        match order:
            case LeadOrder.NUMBER:
                return (lead.main_number, lead.id)
            case LeadOrder.CREATED:
                return (lead.created_at, lead.id)
            case LeadOrder.LAST_CALL:
                return (lead.last_call_at is not None, lead.last_call_at or NOW, lead.id)
            case LeadOrder.SOURCE | LeadOrder.STATUS | LeadOrder.RESPONSIBLE:
                return (group(lead), lead.sort_name, lead.id)
            case _:
                return (lead.sort_name, lead.id)

    def match(lead: Lead) -> bool:
        return (
            lead.list_state in states[wanted.state]
            and lead.merged_into_id is None
            and wanted.status_id in (None, lead.status_id)
            and (wanted.responsible_id is None or (lead.responsible_id or NOBODY) == wanted.responsible_id)
            and wanted.search in lead.search_text
            and wanted.source_id in (None, lead.source_id or NOBODY)
            and wanted.name in lead.name.casefold()
            and any(wanted.number in row.number for row in lead.numbers)
            and _within(lead.created_at, wanted.created)
            and _within(lead.last_call_at, wanted.last_call)
        )

    return [lead.id for lead in sorted(filter(match, leads), key=key)]


def _within(moment: datetime | None, stretch: Stretch | None) -> bool:
    if stretch is None:
        return True
    return moment is not None and (stretch.begin or moment) <= moment and (stretch.end is None or moment < stretch.end)


async def _pages(
    database: Database,
    wanted: LeadFilter,
    order: LeadOrder,
    descending: bool,
    scope: frozenset[int] | None,
    *,
    find: Find = find_leads,
) -> tuple[list[list[int]], list[list[int]]]:
    """All pages, followed to the end and from there back to the beginning."""
    there: list[LeadPage] = []
    back: list[LeadPage] = []
    async with database.read() as session:
        request = Request(7, descending)
        while True:
            there.append(await list_leads(session, wanted, order, request, scope, find=find))
            cursor = there[-1].after
            if cursor is None:
                break
            request = Request(7, descending, after=cursor)
        back.append(there[-1])
        while back[-1].before is not None:
            request = Request(7, descending, before=back[-1].before)
            back.append(await list_leads(session, wanted, order, request, scope, find=find))
    return [[row.id for row in page.rows] for page in there], [[row.id for row in page.rows] for page in back]


def _check(there: list[list[int]], back: list[list[int]], expected: list[int]) -> None:
    assert list(itertools.chain(*there)) == expected
    assert all(len(page) == 7 for page in there[:-1])
    # Going back may meet the first page in full instead of the few rows before it.
    seen = list(dict.fromkeys(itertools.chain(*reversed(back))))
    assert seen == expected
    assert back[-1] == there[0]


FILTERS = [
    LeadFilter(),
    LeadFilter(state=LeadState.ALL),
    LeadFilter(state=LeadState.UNNAMED, responsible_id=NOBODY),
    LeadFilter(state=LeadState.CLOSED, status_id=2),
    LeadFilter(state=LeadState.ALL, status_id=1, responsible_id=2),
    LeadFilter(state=LeadState.ALL, search="щерб"),
    LeadFilter(search="805", responsible_id=3),
]
COLUMNS = [
    LeadFilter(state=LeadState.ALL, source_id=2, number="4410"),
    LeadFilter(state=LeadState.ALL, source_id=NOBODY, responsible_id=2),
    LeadFilter(state=LeadState.ALL, name="щербань"),
    LeadFilter(state=LeadState.ALL, name="805", number="50", created=Stretch(NOW - timedelta(hours=3))),
    LeadFilter(created=Stretch(NOW - timedelta(hours=3), NOW - timedelta(hours=1))),
    LeadFilter(state=LeadState.ALL, last_call=Stretch(None, NOW), number="50"),
    LeadFilter(state=LeadState.ALL, last_call=Stretch(NOW - timedelta(hours=3)), created=Stretch(None, NOW)),
]


@pytest.fixture(params=["walks", "sorts", "gives up", "in memory"])
def effort(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which of the ways to answer a search is taken; the data here are too small to need them all by themselves."""
    ways = {"walks": (1, 10_000), "sorts": (10_000, 1), "gives up": (1, 1), "in memory": (1, 1)}
    few, walk = ways[request.param]
    for which in ("_LOOKING", "_IN_INDEX"):
        monkeypatch.setattr(list_paths, which, list_paths.Effort(few, few, walk))
    monkeypatch.setattr(list_paths, "_FIRST_WALK", 1)
    monkeypatch.setattr(list_paths, "_SECOND_WALK", 3)
    return str(request.param)


async def _finds(database: Database, effort: str) -> Find:
    """What finds pages where leads are in memory, or where they are not."""
    return await in_memory_alone(database) if effort == "in memory" else find_leads


async def test_pages_together_are_the_sorted_list(database: Database, effort: str) -> None:
    leads = await _fill(database)
    find = await _finds(database, effort)
    # Without a search the database has one way only.
    filters = FILTERS if effort in ("walks", "in memory") else [wanted for wanted in FILTERS if wanted.search]
    for place, (wanted, order) in enumerate(itertools.product(filters, LeadOrder)):
        # By turns, because the orders are odd in number: so each goes both ways, under every other filter.
        descending = place % 2 == 1
        expected = _expected(leads, wanted, order)
        assert expected, wanted
        there, back = await _pages(database, wanted, order, descending, None, find=find)
        _check(there, back, expected[::-1] if descending else expected)


async def test_a_walk_stops_where_merged_leads_make_up_its_length(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted with the others of their group, and shown in none."""
    for which in ("_LOOKING", "_IN_INDEX"):
        monkeypatch.setattr(list_paths, which, list_paths.Effort(1, 10_000, 10_000))
    monkeypatch.setattr(list_paths, "_FIRST_WALK", 5)
    leads = await _fill(database)
    merged = [lead.id for lead in leads if lead.id % 5]
    async with database.write() as session:
        await session.execute(update(Lead).where(Lead.id.in_(merged)).values(closed_at=NOW, merged_into_id=5))
    wanted = LeadFilter(search="805", state=LeadState.ALL)
    left = [lead for lead in leads if lead.id not in merged]
    for order, descending in itertools.product(LeadOrder, (False, True)):
        expected = _expected(left, wanted, order)
        there, back = await _pages(database, wanted, order, descending, None)
        _check(there, back, expected[::-1] if descending else expected)


async def test_each_column_narrows_every_order(database: Database, effort: str) -> None:
    leads = await _fill(database)
    find = await _finds(database, effort)
    orders = (LeadOrder.NAME, LeadOrder.CREATED) if effort == "walks" else (LeadOrder.SOURCE, LeadOrder.LAST_CALL)
    if effort == "in memory":
        orders = tuple(LeadOrder)
    cases = list(itertools.product(COLUMNS, orders))
    if effort == "walks":  # Times alone are held by the indexes of these orders.
        in_index = (LeadOrder.SOURCE, LeadOrder.LAST_CALL, LeadOrder.RESPONSIBLE)
        cases += itertools.product((wanted for wanted in COLUMNS if wanted.created and not wanted.number), in_index)
    for place, (wanted, order) in enumerate(cases):
        descending = place % 3 == 0
        expected = _expected(leads, wanted, order)
        assert expected, wanted
        there, back = await _pages(database, wanted, order, descending, None, find=find)
        _check(there, back, expected[::-1] if descending else expected)


@pytest.mark.parametrize("most_segments", [100, 1])
async def test_an_employee_sees_his_own_and_whom_he_talked_with(
    database: Database, most_segments: int, effort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leads.store.leads._MOST_SEGMENTS", most_segments)
    leads = await _fill(database)
    find = await _finds(database, effort)
    async with database.read() as session:
        rows = await session.execute(select(Call.lead_id).where(Call.employee_id == 1))
        talked = {row[0] for row in rows}
        for lead in leads:
            visible = lead.responsible_id == 1 or lead.id in talked
            assert await lead_is_visible(session, lead.id, frozenset({1})) is visible
    mine = [lead for lead in leads if lead.responsible_id == 1 or lead.id in talked]
    assert any(lead.responsible_id not in (1, None) for lead in mine)
    filters = (LeadFilter(state=LeadState.ALL), LeadFilter(search="805", responsible_id=2))
    for place, (wanted, order) in enumerate(itertools.product(filters, LeadOrder)):
        descending = place % 2 == 1
        expected = _expected(mine, wanted, order)
        there, back = await _pages(database, wanted, order, descending, frozenset({1}), find=find)
        _check(there, back, expected[::-1] if descending else expected)


OUTSIDERS = {
    "none": (),
    "one has it in his given name": ("Тарас Щербань",),
    "one has no name": ("щербань@ukr.example",),
    "one has it, and one who has not begins alike": ("Тарас Щербань", "Щер(бань"),
}


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize("outsiders", OUTSIDERS)
async def test_those_who_begin_alike_are_listed_with_whoever_stands_elsewhere(
    database: Database, monkeypatch: pytest.MonkeyPatch, outsiders: str
) -> None:
    monkeypatch.setattr(list_paths, "_LOOKING", list_paths.Effort(1, 10_000, 7))
    monkeypatch.setattr(list_paths, "_FIRST_WALK", 1)
    monkeypatch.setattr(list_paths, "_SECOND_WALK", 3)
    await _fill(database)
    names = itertools.cycle(("Щербань Ольга", "Щербаньков", "Щербань", "Ґалаган"))
    async with database.write() as session:
        named = list(await session.scalars(select(Lead).where(Lead.list_state == 1).order_by(Lead.id)))
        for lead, name in zip(named, itertools.chain(OUTSIDERS[outsiders], names), strict=False):
            lead.name = name
            lead.sort_name = sort_key("" if "@" in lead.name else lead.name)
            lead.search_text = search_text(lead.name, numbers=[lead.main_number])
    async with database.read() as session:
        leads = list(await session.scalars(select(Lead).options(selectinload(Lead.numbers))))
    wanted = LeadFilter("щербань", LeadState.NAMED)
    for order, descending in itertools.product((LeadOrder.NAME, LeadOrder.STATUS), (False, True)):
        expected = _expected(leads, wanted, order)
        assert len(expected) > 7
        with statements() as seen:
            there, back = await _pages(database, wanted, order, descending, None)
        _check(there, back, expected[::-1] if descending else expected)
        if outsiders == "none":
            assert not [sql for sql in seen if 'AS "key"' in sql and "lead_search" in sql]


async def _found(database: Database, search: str, find: Find = find_leads) -> set[str]:
    wanted = LeadFilter(search, LeadState.ALL)
    async with database.read() as session:
        page = await list_leads(session, wanted, LeadOrder.NAME, Request(100), None, find=find)
    return {row.name for row in page.rows}


async def test_search_finds_inside_words_and_takes_signs_for_themselves(database: Database, effort: str) -> None:
    leads = await _fill(database)
    find = await _finds(database, effort)
    assert await _found(database, "щербань", find) == {"Щербань", "Щербаньков"}
    assert await _found(database, "ЩЕРБАНЬК", find) == {"Щербаньков"}
    assert await _found(database, "щербанков", find) == set()  # Its trigrams щер, бан and ков he has.
    assert await _found(database, "100%", find) == {"100% Сік"}
    assert await _found(database, "a_b", find) == {"a_b"}
    assert await _found(database, "o’bri", find) == {"O'Brien"}
    assert await _found(database, '"лап', find) == {'"Лапки"'}
    assert await _found(database, "k\\s", find) == {"back\\slash"}
    assert await _found(database, "сік 100", find) == {"100% Сік"}
    assert await _found(database, "сік щерб", find) == set()
    assert await _found(database, "ще", find) == {"Щербань", "Щербаньков"}
    assert await _found(database, "Ґ", find) == {"Ґалаган"}
    for hostile in ("'", '"', "%", "__", "*", "NEAR(", "a OR b", "-x", "\\", "' OR 1=1 --", "(" * 200):
        assert await _found(database, hostile, find) != {lead.name for lead in leads}
    number = leads[0].main_number
    assert leads[0].name in await _found(database, number[5:8], find)
    assert leads[0].name in await _found(database, f"0{number[4:6]} {number[6:9]}-{number[9:]}", find)


async def test_a_whole_number_is_told_from_others_that_end_like_it(database: Database) -> None:
    await _fill(database, 2)
    async with database.write() as session:
        for lead, number in zip(await session.scalars(select(Lead)), ("+380501234567", "+48501234567"), strict=True):
            lead.name = number
            lead.search_text = search_text(numbers=[number])
    for typed, found in (
        ("+380501234567", {"+380501234567"}),
        ("48 501 234 567", {"+48501234567"}),
        ("501234567", {"+380501234567", "+48501234567"}),
    ):
        assert await _found(database, typed) == found


@pytest.mark.parametrize("name", ["Семёнов Пётр", "Семенов Петр"])
async def test_the_column_of_names_takes_two_letters_for_one_as_the_search_does(database: Database, name: str) -> None:
    async with database.write() as session:
        status = await session.scalar(select(LeadStatus.id).order_by(LeadStatus.id).limit(1))
        session.add(
            Lead(
                **{"name": name, "named": True, "main_number": "+380501234567", "status_id": status},
                **{"created_at": NOW, "updated_at": NOW, "sort_name": sort_key(name), "search_text": search_text(name)},
            )
        )
    for typed in ("семёнов", "Семенов", "ПЁТР", "петр", "мён петр", "семёнов п"):
        for wanted in (LeadFilter(typed), LeadFilter(name=typed)):
            async with database.read() as session:
                page = await list_leads(session, wanted, LeadOrder.NAME, Request(10), None)
            assert [row.name for row in page.rows] == [name], wanted
    assert (await _found(database, "симёнов")) == set()


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "W10", "WzAsMSwxXQ", "WzAsIlx1MDAwMCIsMV0", "WzAsIlx1ZDgwMCIsMV0", "bnVsbA", "é", "W1sxXSwieCIsMV0"],
)
async def test_a_cursor_that_is_none_gives_the_first_page(database: Database, cursor: str) -> None:
    await _fill(database)
    async with database.read() as session:
        for order in LeadOrder:
            first = await list_leads(session, LeadFilter(), order, Request(5), None)
            for request in (Request(5, after=cursor), Request(5, before=cursor)):
                assert await list_leads(session, LeadFilter(), order, request, None) == first


async def test_a_key_of_before_with_an_invisible_sign_is_passed(database: Database) -> None:
    """Keys have none since; what was saved before keeps its own."""
    leads = await _fill(database, 12)
    async with database.write() as session:
        await session.execute(update(Lead).values(sort_name=literal("a\u200b") + Lead.main_number))
    seen: list[int] = []
    async with database.read() as session:
        request = Request(2)
        while len(seen) < len(leads):
            page = await list_leads(session, LeadFilter(state=LeadState.ALL), LeadOrder.NAME, request, None)
            seen += [row.id for row in page.rows]
            if page.after is None:
                break
            request = Request(2, after=page.after)
    assert sorted(seen) == sorted(lead.id for lead in leads)


async def test_the_lines_of_a_page_are_read_by_statements_that_stand_ready(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = await _fill(database, 5)
    monkeypatch.setattr(lead_rows, "select", lambda *_columns: pytest.fail("a statement was made anew"))
    ids = [lead.id for lead in reversed(leads)]
    async with database.read() as session:
        for wanted in (ids, ids[:2], [*ids[3:], 1_000_000]):
            rows = await lead_rows.rows_of(session, wanted)
            assert [row.id for row in rows] == [each for each in wanted if each in ids]
        numbers = {lead.id: tuple(number.number for number in lead.numbers) for lead in leads}
        assert {row.id: row.numbers for row in await lead_rows.rows_of(session, ids)} == numbers


async def test_totals_are_exact_while_small(database: Database) -> None:
    leads = await _fill(database)
    async with database.read() as session:
        for wanted in FILTERS:
            page = await list_leads(session, wanted, LeadOrder.NAME, Request(100), None)
            assert (page.total.number, page.total.exact) == (len(_expected(leads, wanted, LeadOrder.NAME)), True)
        nothing = await list_leads(session, LeadFilter(status_id=99), LeadOrder.STATUS, Request(5), None)
        assert nothing.rows == ()


async def test_statuses_are_counted_under_the_other_filters(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = await _fill(database)
    wanted = LeadFilter(state=LeadState.ALL, responsible_id=2)
    async with database.read() as session:
        counts = await status_counts(session, wanted, None)
        assert {one: total.number for one, total in counts.items()} == {
            one: sum(lead.status_id == one and lead.responsible_id == 2 for lead in leads) for one in counts
        }
        assert all(total.exact for total in counts.values())
        assert await status_counts(session, LeadFilter(search="805"), None) == {}
        assert await status_counts(session, wanted, frozenset({2})) == {}
        monkeypatch.setattr("leads.store.leads.MOST_COUNTED", 1)
        many = await status_counts(session, LeadFilter(state=LeadState.ALL), None)
    assert {(total.number, total.exact) for total in many.values()} == {(1, False)}


@pytest.mark.parametrize(
    ("order", "wanted", "asked"),
    [
        (LeadOrder.RESPONSIBLE, LeadFilter(), True),
        (LeadOrder.RESPONSIBLE, LeadFilter(responsible_id=NOBODY), False),
        (LeadOrder.SOURCE, LeadFilter(), True),
        (LeadOrder.SOURCE, LeadFilter(source_id=NOBODY), False),
    ],
)
async def test_whose_leads_there_are_is_asked_only_where_they_may_be_of_many(
    database: Database, order: LeadOrder, wanted: LeadFilter, asked: bool
) -> None:
    """Where nobody has been given any, the answer costs a look at all of them."""
    await _fill(database)
    statements: list[str] = []

    def executed(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", executed)
    async with database.read() as session:
        page = await list_leads(session, wanted, order, Request(10), None)
    event.remove(engine, "before_cursor_execute", executed)
    assert page.rows
    assert any("EXISTS (SELECT" in statement for statement in statements) == asked
