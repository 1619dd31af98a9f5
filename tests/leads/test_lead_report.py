"""The report on leads (R1) against a count of our own, after random operations of the store at random moments.

After each operation what each lead is is written down here; the count goes by that, by the final rows of calls, and
knows nothing of what the database keeps of the past.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations, product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, select

from leads.domain.calls import Phase, Result, Role
from leads.domain.periods import Period
from leads.store import imports, lead_report
from leads.store.calls import CallWriter
from leads.store.cards import CardError
from leads.store.closing import Choice, choose_counterparty
from leads.store.counterparty_card import CounterpartyEdit, save_counterparty
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.import_tables import ImportKind
from leads.store.imported_leads import LeadRow
from leads.store.lead_card import LeadEdit, load_lead, save_lead
from leads.store.lead_import import add_leads
from leads.store.lead_report import Dimension, Figure, Key, LeadFigures, count_leads, groups_in_order, leads_behind
from leads.store.long_reads import LongReads
from leads.store.merging import merge_leads
from leads.store.models import Call, Counterparty, Did, Employee, Extension, Lead, Source
from leads.store.reopening_by_hand import reopen_by_hand
from tests.leads.views import DID, RINGING, ended, outgoing, talking

ZONE = ZoneInfo("Europe/Kyiv")
# In the future: a change at the same moment as the one before it is else taken for one that did not say when.
BEGIN = datetime(2040, 3, 20, 8, tzinfo=UTC)
NUMBERS = tuple(f"+38050111{place:04}" for place in range(40))
PERIODS = (
    Period(date(2040, 3, 20), date(2040, 3, 24), ZONE),
    Period(date(2040, 3, 25), date(2040, 3, 31), ZONE),
    Period(date(2040, 3, 1), date(2040, 4, 30), ZONE),
)


@dataclass(frozen=True)
class Seen:
    """A lead as it was at a moment."""

    status: int
    responsible: int | None
    closed: bool


@dataclass
class World:
    """A company whose people do random things, and what was seen of its leads after each."""

    database: Database
    writer: CallWriter
    dice: random.Random
    now: datetime = BEGIN
    steps: int = 0
    seen: dict[int, list[tuple[datetime, Seen]]] = field(default_factory=lambda: defaultdict(list))

    def clock(self) -> datetime:
        return self.now

    async def open(self) -> None:
        async with self.database.write() as session:
            session.add_all([Employee(id=key, name=f"e{key}", created_at=BEGIN) for key in (1, 2, 3)])
            session.add_all([Source(id=1, name="Radio"), Source(id=2, name="Site")])
            await session.flush()
            session.add_all(
                [Extension(number=f"10{key}", endpoint=f"PJSIP/10{key}", employee_id=key) for key in (1, 2)]
            )
            session.add_all([Did(number=DID, source_id=1, responsible_id=3), Did(number="+380449999999")])
        edit = CounterpartyEdit("C", "", "", "", "", None, None, (), ())
        await save_counterparty(self.database, None, 0, edit, by=None, clock=self.clock, region="UA")

    async def step(self) -> None:
        """Do something at a later moment, and see what the leads are then."""
        self.steps += 1
        self.now += timedelta(minutes=self.dice.randrange(1, 300), seconds=self.steps)
        action = self.dice.choice((*[self._call] * 5, *[self._save] * 3, *[self._close] * 2, self._merge, self._reopen))
        with suppress(CardError):
            await action()
        async with self.database.read() as session:
            for lead in await session.scalars(select(Lead)):
                state = Seen(lead.status_id, lead.responsible_id, lead.closed_at is not None)
                self.seen[lead.id].append((self.now, state))

    async def _call(self) -> None:
        began = self.now - timedelta(minutes=self.dice.randrange(3))
        view = replace(RINGING, linkedid=str(self.steps), started_at=began, caller=self.dice.choice(NUMBERS))
        if self.dice.random() < 0.3:
            view = outgoing(view, dialled=view.caller, caller=self.dice.choice(("101", "102")))
        elif self.dice.random() < 0.3:
            view = replace(view, dialled="+380449999999")
        if self.dice.random() < 0.5:
            view = talking(view, self.dice.choice(("101", "102")))
        await self.writer.write([view if self.dice.random() < 0.1 else ended(view)], ())

    async def _any_lead(self) -> tuple[int, int]:
        async with self.database.read() as session:
            found = (await session.execute(select(Lead.id, Lead.version).order_by(Lead.id))).all()
        return tuple(self.dice.choice(found)) if found else (99, 1)  # type: ignore[return-value]

    async def _save(self) -> None:
        lead_id, version = await self._any_lead()
        async with self.database.read() as session:
            card = await load_lead(session, lead_id, None)
        edit = LeadEdit(
            *(card.name, card.numbers, "", "", "", None),
            self.dice.randrange(1, 5),
            self.dice.choice((None, 1, 2, 3)),
            self.dice.choice((None, 1, 2)),
        )
        await save_lead(self.database, lead_id, version, edit, by=1, clock=self.clock, region="UA")

    async def _close(self) -> None:
        lead_id, version = await self._any_lead()
        await choose_counterparty(self.database, lead_id, version, Choice(1), by=1, clock=self.clock)
        if self.dice.random() < 0.4:  # else the number stays on the counterparty, and no call opens the lead again
            async with self.database.read() as session:
                version = await session.scalar(select(Counterparty.version)) or 0
            edit = CounterpartyEdit("C", "", "", "", "", None, None, (), ())
            await save_counterparty(self.database, 1, version, edit, by=1, clock=self.clock, region="UA")

    async def _merge(self) -> None:
        (lead_id, version), (other, _version) = await self._any_lead(), await self._any_lead()
        if lead_id != other:
            await merge_leads(self.database, lead_id, version, other, by=1, clock=self.clock)

    async def _reopen(self) -> None:
        await reopen_by_hand(self.database, *await self._any_lead(), by=1, clock=self.clock)

    def at_end(self, lead_id: int, moment: datetime) -> Seen:
        """What was seen of the lead last before a moment; of one made later, what was seen first."""
        before = [state for at, state in self.seen[lead_id] if at < moment]
        return before[-1] if before else self.seen[lead_id][0][1]


Facts = list[tuple[Mapping[Dimension, Key], LeadFigures]]


def _facts(world: World, leads: list[Lead], calls: list[Call], period: Period) -> Facts:
    """Everything that counts in the period, one by one."""
    facts: Facts = []
    counted = {lead.id: lead for lead in leads if lead.merged_into_id is None}

    def note(lead: Lead, employee: int | None, **figures: int) -> None:
        then = world.at_end(lead.id, period.end)
        keys: dict[Dimension, Key] = {
            Dimension.EMPLOYEE: employee,
            Dimension.SOURCE: lead.source_id,
            Dimension.STATUS: then.status,
            Dimension.STATE: int(then.closed),
            Dimension.LEAD: lead.id,
        }
        facts.append((keys, LeadFigures(**figures)))

    for lead in counted.values():
        new = period.begin <= lead.created_at < period.end
        if lead.created_at < period.end:
            converted_new = new and lead.closed_at is not None and lead.closed_at < period.end
            responsible = world.at_end(lead.id, period.end).responsible
            note(lead, responsible, leads=1, new=int(new), converted_new=int(converted_new))
        if lead.closed_at is not None and period.begin <= lead.closed_at < period.end:
            then = next(state for at, state in world.seen[lead.id] if at >= lead.closed_at)
            note(lead, then.responsible, converted=1)
    for call in calls:
        if call.lead_id in counted and call.role is Role.CALL and period.begin <= call.started_at < period.end:
            talker = call.employee_id if call.result is Result.ANSWERED else None
            note(counted[call.lead_id], talker or world.at_end(call.lead_id, period.end).responsible, calls=1)
    return facts


def _sums(facts: Facts, by: tuple[Dimension, ...]) -> dict[tuple[Key, ...], LeadFigures]:
    sums: dict[tuple[Key, ...], LeadFigures] = defaultdict(LeadFigures)
    for keys, figures in facts:
        sums[tuple(keys[each] for each in by)] += figures
    return sums


def test_conversion_is_of_the_new_leads_alone() -> None:
    assert LeadFigures(leads=9, new=4, converted=3, converted_new=1).conversion == 0.25
    assert LeadFigures(leads=9, converted=3).conversion is None


async def test_a_period_holds_its_first_moment_and_not_the_next_ones(database: Database) -> None:
    period = PERIODS[1]
    moments = (period.begin - timedelta(seconds=1), period.begin, period.end)
    call = {"pbx": "pbx", "role": Role.CALL, "phase": Phase.ENDED, "progress": 1, "legs": [], "transfers": []}
    async with database.write() as session:
        made = [Lead(id=key, name="", status_id=1, created_at=at, updated_at=at) for key, at in enumerate(moments, 1)]
        session.add_all(made)
        await session.flush()
        session.add_all(Call(**call, linkedid=str(at), started_at=at, lead_id=1) for at in moments)
    reads = LongReads(database)
    figures = await reads.run(lambda connection: count_leads(connection, period, (), None))
    reads.close()
    assert figures[()] == LeadFigures(leads=2, new=1, calls=1)


async def test_a_closed_lead_of_a_file_is_converted_where_it_is_known_what_it_became(database: Database) -> None:
    period = PERIODS[1]
    async with database.write() as session:
        session.add(Employee(id=1, name="e1", created_at=BEGIN))
        batch = await imports.begin(session, ImportKind.LEADS, "old.csv", 1, update_known=True, by=1, now=BEGIN)
    edit = CounterpartyEdit("C", "", "", "", "", None, None, NUMBERS[:1], ())
    await save_counterparty(database, None, 0, edit, by=1, clock=lambda: BEGIN, region="UA")
    times = {"created_at": period.begin, "closed_at": period.begin + timedelta(hours=1), "responsible_id": 1}
    rows = [LeadRow(line, "", (number,), **times) for line, number in enumerate(NUMBERS[:3])]
    await database.run_write(lambda c: add_leads(c, batch, rows, by=1, now=period.end))
    reads = LongReads(database)
    figures = await reads.run(lambda connection: count_leads(connection, period, (Dimension.STATE,), None))
    behind = await reads.run(
        lambda connection: leads_behind(connection, period, Figure.CONVERTED, {}, None, after=0, most=9)
    )
    reads.close()
    assert figures == {(1,): LeadFigures(leads=3, new=3, converted=1, converted_new=1)}
    assert len(behind) == 1


@pytest.mark.parametrize("seed", [2])
async def test_every_figure_is_what_a_count_of_our_own_gives(
    database: Database, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_report, "_AT_ONCE", 3)
    dice = random.Random(seed)
    world = World(database, CallWriter(database, DirectoryCache(database), "UA", lambda: world.now), dice)
    await world.open()
    for _ in range(130):
        await world.step()
    async with database.read() as session:
        leads, calls = list(await session.scalars(select(Lead))), list(await session.scalars(select(Call)))
    reads = LongReads(database)
    orders = [
        (),
        *permutations(Dimension, 1),
        *permutations(tuple(Dimension)[1:4], 2),
        tuple(Dimension),
        tuple(Dimension)[::-1],
    ]
    total = LeadFigures()
    scope = frozenset({1, 3})
    for period in PERIODS:
        facts = _facts(world, leads, calls, period)
        found_by = await reads.run(_all_orders(period, orders))
        for by, found in found_by.items():
            assert found == _sums(facts, by), (period.first, by)
        mine = [fact for fact in facts if fact[0][Dimension.EMPLOYEE] in scope]
        found = await reads.run(lambda connection, *, p=period: count_leads(connection, p, (Dimension.STATUS,), scope))  # type: ignore[misc]
        assert found == _sums(mine, (Dimension.STATUS,))
        for by in ((Dimension.LEAD, Dimension.EMPLOYEE), (Dimension.STATUS, Dimension.LEAD)):
            rows = await reads.run(lambda connection, *, p=period, by=by: _rows(connection, p, by, scope))  # type: ignore[misc]
            assert len(rows) == len(dict(rows))
            assert dict(rows) == _sums(mine, by)
            assert [keys[0] for keys, _figures in rows] == sorted(keys[0] for keys, _figures in rows)
        await _check_leads_behind(reads, period, facts)
        total += _sums(facts, ())[()]
    reads.close()
    assert any(lead.merged_into_id for lead in leads)
    assert 0 < total.converted_new < total.converted < total.leads


async def _check_leads_behind(reads: LongReads, period: Period, facts: Facts) -> None:
    """Behind each figure of each employee are the leads that make it up, also when they are read page by page."""
    behind = await reads.run(_all_behind(period))
    for employee in (None, 1, 2, 3):
        for figure in Figure:
            expected: dict[int, int] = defaultdict(int)
            for keys, figures in facts:
                if keys[Dimension.EMPLOYEE] == employee and getattr(figures, figure):
                    expected[keys[Dimension.LEAD] or 0] += getattr(figures, figure)
            found = behind[employee, figure]
            assert found == sorted(expected.items()), (figure, employee)


def _rows(
    connection: Connection, period: Period, by: tuple[Dimension, ...], scope: frozenset[int]
) -> list[tuple[tuple[Any, ...], LeadFigures]]:
    """All groups as a file has them: some at a time."""
    found = list(groups_in_order(connection, period, by, scope))
    assert {len(some) for some in found[:-1]} <= {lead_report._AT_ONCE}
    assert len(found) > 1
    return [row for some in found for row in some]


Orders = list[tuple[Dimension, ...]]


def _all_orders(period: Period, orders: Orders) -> Callable[[Connection], dict[Any, Any]]:
    """Count by every order on one connection."""
    return lambda connection: {by: count_leads(connection, period, by, None) for by in orders}


def _all_behind(period: Period) -> Callable[[Connection], dict[Any, list[tuple[int, int]]]]:
    """The leads behind each figure of each employee, read four at a time."""

    def read(connection: Connection) -> dict[Any, list[tuple[int, int]]]:
        found: dict[Any, list[tuple[int, int]]] = {}
        for employee, figure in product((None, 1, 2, 3), Figure):
            leads = found[employee, figure] = []
            where = {Dimension.EMPLOYEE: employee}
            while page := leads_behind(
                connection, period, figure, where, None, after=leads[-1][0] if leads else 0, most=4
            ):
                leads += page
        return found

    return read
