"""Lists from memory are those that the database gives, whatever has changed since, and whoever changed it."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import product
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from leadline import company_copy
from leads.domain.directory import Role
from leads.domain.visibility import Scope
from leads.roster import finding, reading, roster
from leads.roster.reading import Position, read_some
from leads.roster.roster import LeadRoster
from leads.roster.snapshot import ListedLead
from leads.store.counterparties import CounterpartyFilter, CounterpartyOrder, find_counterparties, folders
from leads.store.engine import Database
from leads.store.leads import NOBODY, Find, LeadFilter, LeadOrder, LeadState, find_leads
from leads.store.list_shapes import Key, Place
from leads.store.listing import Page, Request
from leads.store.models import Call, Counterparty, Employee, Lead, LeadChange, PhoneNumber, Source
from leads.store.narrowing import Stretch
from leads.store.number_owners import forget_changes
from leads.store.search import search_text, sort_key
from leads.store.task_tables import Task
from tests.roster.alone import in_memory_alone

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PEOPLE = {1: "Олена", 2: "Андрій", 3: "Ївга"}
NAMES = ("Щербань", "Щербань Оля", "Щёголев", "Щеголев Лев", "O'Brien", "100% Сік", "007", "Їжак", "b\\s", "Éric 0507")

FILTERS = [
    LeadFilter(),
    LeadFilter(state=LeadState.ALL),
    LeadFilter(state=LeadState.UNNAMED, responsible_id=NOBODY),
    LeadFilter(state=LeadState.CLOSED),
    LeadFilter(state=LeadState.NAMED, status_id=1, responsible_id=2),
    LeadFilter(state=LeadState.ALL, source_id=NOBODY),
    LeadFilter(state=LeadState.ALL, source_id=2),
    LeadFilter(state=LeadState.ALL, search="щерб"),
    LeadFilter(state=LeadState.ALL, search="оля щ"),
    LeadFilter(state=LeadState.ALL, search="050"),
    LeadFilter(state=LeadState.ALL, search="нікого"),
    LeadFilter(state=LeadState.ALL, name="щеголев"),
    LeadFilter(state=LeadState.ALL, name=","),
    LeadFilter(state=LeadState.ALL, number="7"),
    LeadFilter(state=LeadState.ALL, number="4410", created=Stretch(NOW - timedelta(hours=3))),
    LeadFilter(state=LeadState.ALL, last_call=Stretch(NOW - timedelta(hours=4), NOW - timedelta(hours=1))),
    LeadFilter(state=LeadState.ALL, last_call=Stretch(None, NOW), name="0"),
]


def _lead(dice: random.Random, number: int) -> Lead:
    phones = [f"+38050{dice.randrange(10**7):07d}", f"+3804410{number:05d}"][: dice.choice((1, 1, 2))]
    named = dice.random() < 0.7
    name = dice.choice(NAMES) if named else phones[0]
    created = NOW - timedelta(hours=dice.randrange(6), microseconds=dice.randrange(2))
    return Lead(
        name=name,
        named=named,
        status_id=dice.choice((1, 2)),
        responsible_id=dice.choice((None, *PEOPLE)),
        source_id=dice.choice((None, 1, 2)),
        closed_at=NOW if dice.random() < 0.3 else None,
        created_at=created,
        updated_at=created,
        last_call_at=created + timedelta(hours=dice.randrange(3)) if dice.random() < 0.6 else None,
        main_number=phones[0],
        sort_name=sort_key(name),
        search_text=search_text(name, numbers=phones),
        numbers=[PhoneNumber(number=phone, position=place) for place, phone in enumerate(phones)],
    )


async def _fill(database: Database, dice: random.Random, count: int = 120) -> None:
    async with database.write() as session:
        people = [{"id": i, "name": name, "role": Role.EMPLOYEE, "created_at": NOW} for i, name in PEOPLE.items()]
        await session.execute(insert(Employee), people)
        await session.execute(insert(Source), [{"id": 1, "name": "Їжак"}, {"id": 2, "name": "Газета"}])
        for number in range(count):
            session.add(_lead(dice, number))
        await session.flush()
        for lead_id in range(1, count, 7):
            session.add(_call(lead_id))
            session.add(Task(lead_id=lead_id + 1, employee_id=3, text="t", made_at=NOW))


async def _kept(database: Database, seed: int) -> LeadRoster:
    """Thirty leads, in memory."""
    await _fill(database, random.Random(seed), 30)
    kept = LeadRoster(database, smallest=1)
    await kept.read_all()
    return kept


def _call(lead_id: int, number: int = 1) -> Call:
    ours = {"pbx": "pbx", "role": "call", "phase": 3, "progress": 1, "employee_id": 1, "started_at": NOW}
    return Call(**ours, linkedid=f"{lead_id}.{number}", lead_id=lead_id)


async def _change(database: Database, dice: random.Random, number: int) -> None:
    """Do to a few leads whatever may be done to leads."""
    async with database.write() as session:
        leads = list(await session.scalars(select(Lead).options(selectinload(Lead.numbers)).order_by(Lead.id)))
        for lead in dice.sample(leads[1:], 12):
            other = _lead(dice, number + lead.id)
            match dice.randrange(7):
                case 0:
                    lead.name, lead.named, lead.sort_name = other.name, other.named, other.sort_name
                    lead.search_text = search_text(lead.name, numbers=[one.number for one in lead.numbers])
                case 1:
                    lead.last_call_at = NOW + timedelta(minutes=number)
                case 2:
                    lead.status_id, lead.responsible_id, lead.source_id = 3 - lead.status_id, 3, None
                case 3:
                    lead.closed_at = NOW if lead.closed_at is None or lead.merged_into_id else None
                case 4:
                    lead.closed_at, lead.merged_into_id = NOW, leads[0].id
                case 5:
                    await session.delete(lead)
                case _:
                    session.add(other)
            await session.flush()
        left = list(await session.scalars(select(Lead.id)))
        for lead_id in dice.sample(left, 12):
            await _work(session, dice.randrange(5), lead_id, number)


async def _work(session: AsyncSession, what: int, lead_id: int, number: int) -> None:
    """Let people talk with a lead, or have something to do about it, or no more."""
    match what:
        case 0:
            session.add(_call(lead_id, number))
        case 1:
            await session.execute(update(Call).where(Call.lead_id == lead_id).values(lead_id=1))
        case 2:
            await session.execute(delete(Call).where(Call.lead_id == lead_id))
        case 3:
            session.add(Task(lead_id=lead_id, employee_id=3, text="t", made_at=NOW))
        case 4:
            await session.execute(update(Task).where(Task.lead_id > lead_id).values(done_at=NOW))
    await session.flush()


async def _pages(database: Database, find: Find, wanted: LeadFilter, order: LeadOrder, scope: Scope) -> list[Page]:
    """A few pages there and one back."""
    pages: list[Page] = []
    descending = len(wanted.search) % 2 == 1
    async with database.read() as session:
        request = Request(9, descending)
        while len(pages) < 4:
            pages.append(await find(session, wanted, order, request, scope))
            after = pages[-1].after
            if after is None:
                break
            request = Request(9, descending, after=after)
        if pages[-1].before is not None:
            pages.append(await find(session, wanted, order, Request(9, descending, before=pages[-1].before), scope))
    return pages


def _alike(memory: Sequence[Page], database: Sequence[Page]) -> None:
    assert [(page.ids, page.before, page.after) for page in memory] == [
        (page.ids, page.before, page.after) for page in database
    ]
    for mine, theirs in zip(memory, database, strict=True):
        assert mine.total.exact  # So few are all counted.
        assert mine.total == theirs.total if theirs.total.exact else mine.total.number > theirs.total.number


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("few", [1, 10_000], ids=["walks", "sorts"])
async def test_lists_stay_those_of_the_database(
    database: Database, few: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_FEW", few)
    monkeypatch.setattr(finding, "_FIRST_PIECE", 4)
    dice = random.Random(seed)
    await _fill(database, dice)
    find = await in_memory_alone(database)
    for step in range(4):
        if step:
            await _change(database, dice, 1000 * step)
        for place, (wanted, order) in enumerate(product(FILTERS, LeadOrder)):
            if (place + step + seed) % 5:
                continue
            scope = dice.choice((None, None, frozenset({1}), frozenset({1, 3})))
            _alike(
                await _pages(database, find, wanted, order, scope),
                await _pages(database, find_leads, wanted, order, scope),
            )


async def test_a_cursor_goes_on_from_its_place_though_its_lead_has_moved_or_gone(database: Database) -> None:
    dice = random.Random(5)
    await _fill(database, dice)
    find = await in_memory_alone(database)
    for order in LeadOrder:
        async with database.read() as session:
            first = await find(session, LeadFilter(state=LeadState.ALL), order, Request(9), None)
        async with database.write() as session:
            lead = await session.get_one(Lead, first.ids[-1])
            lead.sort_name, lead.main_number, lead.last_call_at = sort_key("Яя"), "+999", NOW + timedelta(days=9)
            lead.status_id, lead.responsible_id, lead.source_id = 2, 2, 1
        async with database.read() as session:
            request = Request(9, after=first.after)
            mine = await find(session, LeadFilter(state=LeadState.ALL), order, request, None)
            theirs = await find_leads(session, LeadFilter(state=LeadState.ALL), order, request, None)
        assert mine.ids == theirs.ids


# Of another order each: no key, a name, a moment; and what is none.
CURSORS = ("WzAsIG51bGwsIDVd", "WzEsIG51bGwsIDVd", "WzAsICJcdTA0NDkiLCA1XQ", "WzAsICIyMDI2LTExLTIxIiwgNV0", "W10", "x")


@pytest.mark.parametrize("cursor", CURSORS)
async def test_a_cursor_from_elsewhere_breaks_nothing(database: Database, cursor: str) -> None:
    await _fill(database, random.Random(6), 40)
    find = await in_memory_alone(database)
    async with database.write() as session:
        (await session.get_one(Lead, 3)).last_call_at = NOW + timedelta(days=3)
    for order in LeadOrder:
        request = Request(9, after=cursor)
        async with database.read() as session:
            page = await find(session, LeadFilter(state=LeadState.ALL), order, request, None)
            theirs = await find_leads(session, LeadFilter(state=LeadState.ALL), order, request, None)
        assert page.ids == theirs.ids or (page.ids and cursor in CURSORS[:2])


async def test_what_another_has_just_saved_is_shown_at_once_and_what_he_has_not_is_not(database: Database) -> None:
    """On PostgreSQL a transaction that began before ends after another, and its notes come after later ones."""
    await _fill(database, random.Random(7), 30)
    find = await in_memory_alone(database)

    async def newest() -> list[int]:
        async with database.read() as session:
            page = await find(session, LeadFilter(state=LeadState.ALL), LeadOrder.LAST_CALL, Request(2, True), None)
        return list(page.ids)

    async def calls(lead_id: int, minutes: int) -> None:
        async with database.write() as session:
            (await session.get_one(Lead, lead_id)).last_call_at = NOW + timedelta(days=1, minutes=minutes)

    if database.dialect == "postgresql":
        async with database.write() as slow:
            (await slow.get_one(Lead, 4)).last_call_at = NOW + timedelta(days=1, minutes=9)
            await slow.flush()
            await calls(5, 1)
            assert (await newest())[0] == 5
            await calls(6, 2)
            assert await newest() == [6, 5]
        assert await newest() == [4, 6]
    else:
        await calls(5, 1)
        assert (await newest())[0] == 5
        await calls(6, 2)
        assert await newest() == [6, 5]


@asynccontextmanager
async def _going_on(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have something go on beside the block; it is over, and has let go of the database, when the block is."""
    going_on = asyncio.create_task(work)
    try:
        yield
    finally:
        going_on.cancel()
        await asyncio.wait([going_on])


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - it is asked, it does not tell
            await asyncio.sleep(0.01)


async def test_a_small_company_is_not_kept_in_memory_and_a_grown_one_is(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "LOOK_SECONDS", 0.01)
    dice = random.Random(8)
    await _fill(database, dice, 30)
    kept = LeadRoster(database, smallest=40)
    async with _going_on(kept.keep()):
        async with database.read() as session:
            page = await kept.find(session, LeadFilter(), LeadOrder.NAME, Request(9), None)
        assert kept.count is None
        assert len(page.ids) == 9
        async with database.write() as session:
            for number in range(30, 45):
                session.add(_lead(dice, number))
        await _until(lambda: kept.count is not None)
        assert kept.count == 45


async def test_much_that_has_changed_is_read_anew(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "RENEW_AFTER", 5)
    await _fill(database, random.Random(9), 30)
    kept = LeadRoster(database, smallest=1)
    async with _going_on(kept.keep()):
        await _until(lambda: kept.count is not None)
        async with database.write() as session:
            await session.execute(text("UPDATE lead SET sort_name = '\U0010ffff' WHERE id <= 10"))
        async with database.read() as session:
            page = await kept.find(session, LeadFilter(state=LeadState.ALL), LeadOrder.NAME, Request(30), None)
        assert page.ids[-10:] == tuple(range(1, 11))
        await _until(lambda: kept.changed == 0)


async def test_whoever_slept_until_notes_were_forgotten_leaves_lists_to_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await _kept(database, 10)
    async with database.write() as session:
        await session.execute(text("UPDATE lead SET sort_name = '\U0010ffff' WHERE id = 7"))
        await forget_changes(session, datetime.now(UTC) + timedelta(hours=1))
        assert await session.scalar(select(LeadChange.id).limit(1)) is None
    monkeypatch.setattr(roster, "LONGEST_SILENCE", 0.0)
    async with database.read() as session:
        page = await kept.find(session, LeadFilter(state=LeadState.ALL), LeadOrder.NAME, Request(30), None)
    assert page.ids[-1] == 7
    assert kept.count is None


async def test_a_search_of_too_many_texts_is_left_to_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_MOST_LOOKED_AT", 10)
    kept = await _kept(database, 11)
    asked: list[LeadFilter] = []

    async def note(session: object, wanted: LeadFilter, *more: object) -> Page:
        asked.append(wanted)
        return await find_leads(session, wanted, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(roster, "find_leads", note)
    wanted = LeadFilter(state=LeadState.ALL, number="5")
    async with database.read() as session:
        page = await kept.find(session, wanted, LeadOrder.NAME, Request(9), None)
        assert asked == [wanted]
        assert page == await find_leads(session, wanted, LeadOrder.NAME, Request(9), None)
        await kept.find(session, replace(wanted, number="", search="нікого"), LeadOrder.NAME, Request(9), None)
    assert asked == [wanted]


async def test_whoever_was_erased_is_not_kept_in_memory_for_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(roster, "LONGEST_KEPT", 0.0)
    await _fill(database, random.Random(13), 30)
    kept = LeadRoster(database, smallest=1)
    async with _going_on(kept.keep()):
        await _until(lambda: kept.count == 30)
        async with database.write() as session:
            await session.execute(delete(Call))
            await session.execute(delete(Lead).where(Lead.id == 9))
        await _until(lambda: kept.count == 29)


async def test_where_one_waits_for_the_database_others_do_not_wait_for_him(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "LONGEST_TURN", 0.01)
    kept = await _kept(database, 14)
    hanging, reading = asyncio.Event(), asyncio.Event()

    async def hang(session: AsyncSession, position: Position) -> tuple[set[int], Position]:
        reading.set()
        await hanging.wait()
        return set(), position

    monkeypatch.setattr(roster, "changed_since", hang)

    async def page() -> Page:
        async with database.read() as session:
            return await kept.find(session, LeadFilter(), LeadOrder.NAME, Request(9), None)

    first = asyncio.create_task(page())
    await reading.wait()
    second = await page()
    assert not first.done()
    hanging.set()
    assert await first == second


async def test_leads_noted_after_very_many_notes_about_others_are_read_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_CHANGES", 10)
    kept = await _kept(database, 15)
    async with database.write() as session:
        for minutes in range(20):
            await session.execute(
                update(Lead).where(Lead.id == 3).values(last_call_at=NOW + timedelta(minutes=minutes))
            )
        await session.execute(text("UPDATE lead SET sort_name = '\U0010ffff' WHERE id = 7"))
    async with database.read() as session:
        page = await kept.find(session, LeadFilter(state=LeadState.ALL), LeadOrder.NAME, Request(30), None)
    assert page.ids[-1] == 7
    assert kept.changed == 2


async def test_what_was_read_is_not_read_again_while_somebodys_transaction_stays_open(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.dialect != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    kept = await _kept(database, 16)
    read: list[int] = []

    async def note(session: AsyncSession, ids: Collection[int]) -> Mapping[int, ListedLead | None]:
        read.extend(ids)
        return await read_some(session, ids)

    monkeypatch.setattr(roster, "read_some", note)
    async with database.write() as slow:
        await slow.execute(text("UPDATE lead SET sort_name = '\U0010ffff' WHERE id = 9"))
        for lead_id in (3, 4):
            async with database.write() as session:
                await session.execute(text(f"UPDATE lead SET sort_name = '' WHERE id = {lead_id}"))
            for _ in range(2):
                async with database.read() as session:
                    await kept.find(session, LeadFilter(), LeadOrder.NAME, Request(9), None)
    async with database.read() as session:
        await kept.find(session, LeadFilter(), LeadOrder.NAME, Request(9), None)
    assert read == [3, 4, 9]


async def test_a_company_that_has_lost_all_leads_has_empty_lists(database: Database) -> None:
    find = await in_memory_alone(database)
    for order in LeadOrder:
        async with database.read() as session:
            page = await find(session, LeadFilter(state=LeadState.ALL, search="щер"), order, Request(9), None)
        assert page.ids == ()


async def test_wide_gaps_between_ids_hold_nobody_up(database: Database) -> None:
    await _fill(database, random.Random(17), 30)
    far = _lead(random.Random(17), 99)
    far.id, far.sort_name, far.closed_at = 2**31 - 1, "\U0010ffff", None
    async with database.write() as session:
        session.add(far)
    async with asyncio.timeout(20):
        find = await in_memory_alone(database)
    async with database.read() as session:
        page = await find(session, LeadFilter(), LeadOrder.NAME, Request(1, True), None)
        assert page.ids == (2**31 - 1,)
        before = await find(session, LeadFilter(), LeadOrder.NAME, Request(9, True, after=page.after), None)
        assert before == await find_leads(
            session, LeadFilter(), LeadOrder.NAME, Request(9, True, after=page.after), None
        )


async def test_of_many_changed_leads_no_more_are_put_in_order_than_a_page_shows(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a file is imported there are thousands, and to sort them all holds up whatever else the process does."""
    await _fill(database, random.Random(18), 60)
    find = await in_memory_alone(database)
    async with database.write() as session:
        await session.execute(text("UPDATE lead SET main_number = main_number || '0'"))
    placed: list[int] = []

    def place(rank: int, label: int, key: Key, identity: int) -> Place:
        placed.append(identity)
        return Place(rank, label, key, identity)

    monkeypatch.setattr(finding, "Place", place)
    async with database.read() as session:
        await find(session, LeadFilter(state=LeadState.ALL), LeadOrder.NAME, Request(4), None)
    assert len(placed) == 5


async def test_a_server_whose_clock_is_ahead_forgets_no_notes_that_others_have_not_read(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Ahead":
            return super().now(tz) + timedelta(days=2)

    monkeypatch.setattr(company_copy, "datetime", Ahead)
    await _fill(database, random.Random(19), 30)
    async with database.write() as session:
        await session.execute(update(LeadChange).values(at=datetime.now(UTC) - timedelta(hours=2)))
        await session.execute(text("UPDATE lead SET sort_name = '\U0010ffff' WHERE id = 7"))

    noted: list[int] = []

    async def forgets(session: AsyncSession, before: datetime) -> None:
        await forget_changes(session, before)
        noted.extend(await session.scalars(select(LeadChange.lead_id)))
        done.set()

    done = asyncio.Event()
    monkeypatch.setattr(company_copy, "forget_changes", forgets)

    async with _going_on(company_copy.forget_old_changes(database)):
        async with asyncio.timeout(20):
            await done.wait()
    assert noted == [7]


async def _end_some(database: Database, dice: random.Random) -> None:
    """Some leads become counterparties, some of those are leads again, some are talked with."""
    async with database.write() as session:
        for lead in dice.sample(list(await session.scalars(select(Lead).order_by(Lead.id))), 30):
            ends = lead.closed_at is None
            lead.closed_at = NOW if ends else None
            lead.counterparty_id = dice.randrange(1, 21) if ends else None
            if ends:
                await session.execute(delete(Task).where(Task.lead_id == lead.id))
            if dice.random() < 0.5:
                call = _call(lead.id, dice.randrange(10**6))
                call.employee_id = dice.choice((None, *PEOPLE))
                session.add(call)


async def _counterparties(session: AsyncSession, scope: Scope, became: Sequence[int] | None) -> Any:
    found: list[Any] = [await folders(session, scope, became)]
    for wanted, order in product((CounterpartyFilter(), CounterpartyFilter(search="c 1")), CounterpartyOrder):
        request: Request | None = Request(4)
        while request is not None:
            page = await find_counterparties(session, wanted, order, request, scope, became=became)
            found.append(page)
            request = Request(4, after=page.after) if page.after else None
    return found


async def test_an_employee_sees_what_leads_became_from_memory_as_from_the_database(database: Database) -> None:
    dice = random.Random(21)
    await _fill(database, dice)
    async with database.write() as session:
        await session.execute(update(Lead).values(closed_at=None))
        for number in range(1, 21):
            names = {"name": f"C {number}", "sort_name": f"c {number:02}", "search_text": search_text(f"C {number}")}
            dates = {"created_at": NOW, "updated_at": NOW}
            session.add(
                Counterparty(**names, **dates, folder=f"f{number % 3}", responsible_id=dice.choice((None, 1, 2)))
            )
            own = _call(1, -number)
            own.lead_id, own.counterparty_id, own.employee_id = None, number, dice.choice((None, 3))
            session.add(own)
    kept = LeadRoster(database, smallest=1)
    await kept.read_all()
    seen = set()
    for _ in range(6):
        await _end_some(database, dice)
        async with database.read() as session:
            for scope in (frozenset({1}), frozenset({3}), frozenset({2, 3}), frozenset({9})):
                became = await kept.became(session, scope)
                assert became is not None
                assert await _counterparties(session, scope, became) == await _counterparties(session, scope, None)
                seen.add((len(scope), tuple(became)))
            assert await kept.became(session, None) is None
        if kept.changed > 60:
            await kept.read_all()
    assert len(seen) > 10
    async with database.read() as session:
        assert await LeadRoster(database).became(session, frozenset({1})) is None
