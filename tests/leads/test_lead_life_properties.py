"""Whatever is done with leads, counterparties and calls in whatever order: a number has one kind of owner (L7)."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from leads.domain.lead_life import NumbersTo
from leads.store.calls import CallWriter
from leads.store.cards import CardError
from leads.store.closing import Choice, Decided, choose_counterparty
from leads.store.counterparty_card import (
    Becoming,
    CounterpartyEdit,
    PersonEdit,
    load_counterparty,
    save_counterparty,
)
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead, save_lead
from leads.store.merging import merge_leads
from leads.store.migrate import upgrade
from leads.store.models import Call, Change, ContactPerson, Counterparty, Lead, PhoneNumber
from leads.store.pins import pin
from leads.store.reopening import reopen_by_hand
from tests.leads.views import NOW, RINGING, ended, outgoing

NUMBERS = ("+380501112233", "+380501112244", "+380501112255", "+380501112266")
DEFAULT_STATUS = 1


class Step(NamedTuple):
    """One thing that somebody does; the rest says with what, each taken modulo what there is."""

    kind: str
    one: int
    other: int
    numbers: tuple[str, ...]
    more: tuple[str, ...]


KINDS = (
    *("call in", "call out", "ring", "hang up", "make lead", "save lead", "save and merge", "merge", "reopen"),
    *("make counterparty", "become", "save counterparty", "choose", "pin"),
)
SOME = st.lists(st.sampled_from(NUMBERS), max_size=3, unique=True).map(tuple)
STEPS = st.lists(st.builds(Step, st.sampled_from(KINDS), st.integers(0, 5), st.integers(0, 5), SOME, SOME), max_size=14)


@dataclass
class World:
    """A database and the way to do each kind of step."""

    database: Database
    writer: CallWriter
    calls: int = 0
    ringing: tuple[int, str] | None = None

    async def clear(self) -> None:
        self.ringing = None
        async with self.database.write() as session:
            for table in (Call, Change, PhoneNumber):
                await session.execute(delete(table))
            await session.execute(update(Lead).values(counterparty_id=None, contact_person_id=None))
            for table in (Lead, ContactPerson, Counterparty):
                await session.execute(delete(table))

    async def _one(self, which: int, statement: Any) -> Any:
        async with self.database.read() as session:
            found = (await session.execute(statement)).all()
        return found[which % len(found)] if found else None

    async def lead(self, which: int) -> tuple[int, int]:
        return await self._one(which, select(Lead.id, Lead.version).order_by(Lead.id)) or (99, 1)

    async def company(self, which: int) -> int:
        found = await self._one(which, select(Counterparty.id).order_by(Counterparty.id))
        return found[0] if found else 99

    async def do(self, step: Step) -> str | None:
        """Do it; returns the number of a call that has just been written."""
        actions: dict[str, Callable[[Step], Any]] = {
            "call in": self._call_in,
            "call out": self._call_out,
            "ring": self._ring,
            "hang up": self._hang_up,
            "make lead": self._make_lead,
            "save lead": self._save_lead,
            "save and merge": self._save_and_merge,
            "merge": self._merge,
            "reopen": self._reopen,
            "make counterparty": self._make_counterparty,
            "become": self._become,
            "save counterparty": self._save_counterparty,
            "choose": self._choose,
            "pin": self._pin,
        }
        with suppress(CardError):
            called = await actions[step.kind](step)
            return called if isinstance(called, str) else None
        return None

    async def _write(self, number: str, out: bool = False, ring: bool = False) -> str:
        self.calls += 1
        if out:
            view = outgoing(linkedid=f"{self.calls}.1", dialled=number)
        else:
            view = replace(RINGING, linkedid=f"{self.calls}.1", caller=number)
        await self.writer.write([view if ring else ended(view)], [])
        return number

    async def _call_in(self, step: Step) -> str:
        return await self._write(NUMBERS[step.one % 4])

    async def _call_out(self, step: Step) -> str:
        return await self._write(NUMBERS[step.one % 4], out=True)

    async def _ring(self, step: Step) -> str:
        number = await self._write(NUMBERS[step.one % 4], ring=True)
        self.ringing = (self.calls, number)
        return number

    async def _hang_up(self, step: Step) -> str | None:
        if self.ringing is None:
            return None
        (call, number), self.ringing = self.ringing, None
        await self.writer.write([ended(replace(RINGING, linkedid=f"{call}.1", caller=number))], [])
        return number

    def _lead_edit(self, step: Step) -> LeadEdit:
        return LeadEdit(("", "Ім'я")[step.other % 2], step.numbers, "", "", "", None, DEFAULT_STATUS, None, None)

    async def _make_lead(self, step: Step) -> None:
        await create_lead(self.database, self._lead_edit(step), by=None, clock=lambda: NOW, region="UA")

    async def _save_lead(self, step: Step, merge_with: int | None = None) -> None:
        lead, version = await self.lead(step.one)
        edit = self._lead_edit(step)
        await save_lead(
            self.database, lead, version, edit, by=None, clock=lambda: NOW, region="UA", merge_with=merge_with
        )

    async def _save_and_merge(self, step: Step) -> None:
        other, _version = await self.lead(step.other)
        await self._save_lead(step, other if other != (await self.lead(step.one))[0] else None)

    async def _merge(self, step: Step) -> None:
        (lead, version), (other, _version) = await self.lead(step.one), await self.lead(step.other)
        await merge_leads(self.database, lead, version, other, by=None, clock=lambda: NOW)

    async def _reopen(self, step: Step) -> None:
        lead, version = await self.lead(step.one)
        await reopen_by_hand(self.database, lead, version, by=None, clock=lambda: NOW)

    async def _make_counterparty(self, step: Step, becoming: Becoming | None = None) -> None:
        person = PersonEdit(None, "Ія", "", None, None, step.more)
        edit = CounterpartyEdit("ТОВ", "", "", "", "", None, None, step.numbers, (person,))
        asked = frozenset(range(1000)) if step.other % 2 else None
        decided = None if asked is None else Decided(asked, frozenset({step.one, step.other}))
        await save_counterparty(
            self.database,
            None,
            0,
            edit,
            by=None,
            clock=lambda: NOW,
            region="UA",
            decided=decided,
            becoming=becoming,
        )

    async def _become(self, step: Step) -> None:
        await self._make_counterparty(step, Becoming(*await self.lead(step.one)))

    async def _save_counterparty(self, step: Step) -> None:
        identity = await self.company(step.one)
        async with self.database.read() as session:
            card = await load_counterparty(session, identity, None)
        persons = tuple(PersonEdit(one.id, one.name, "", None, None, step.more) for one in card.persons[: step.other])
        edit = CounterpartyEdit("ТОВ", "", "", "", "", None, None, step.numbers, persons)
        await save_counterparty(self.database, identity, card.version, edit, by=None, clock=lambda: NOW, region="UA")

    async def _choose(self, step: Step) -> None:
        lead, version = await self.lead(step.one)
        company = await self.company(step.other)
        async with self.database.read() as session:
            persons = (await load_counterparty(session, company, None)).persons
        person = persons[0].id if persons and step.numbers else None
        choice = Choice(company, person, NumbersTo.CONTACT_PERSON if step.more else None)
        await choose_counterparty(self.database, lead, version, choice, by=None, clock=lambda: NOW)

    async def _pin(self, step: Step) -> None:
        found = await self._one(step.one, select(PhoneNumber.id).order_by(PhoneNumber.id))
        if found:
            await pin(self.database, found[0], bool(step.other % 2), None)

    async def check(self, called: str | None) -> None:
        """The three invariants, and that leads say of themselves what their numbers say."""
        async with self.database.read() as session:
            held = (await session.scalars(select(PhoneNumber))).all()
            leads = {lead.id: lead for lead in await session.scalars(select(Lead))}
            orphans = await session.scalar(
                select(func.count()).where(Call.lead_id.is_(None), Call.counterparty_id.is_(None))
            )
        active = [row.number for row in held if row.on_active_lead]
        theirs = {row.number for row in held if row.lead_id is None}
        assert len(active) == len(set(active)), "(1) one active lead"
        assert not set(active) & theirs, "(2) never on an active lead and on a counterparty"
        assert called is None or called in theirs.union(active), "(3) a call's number is somebody's"
        assert not orphans
        for row in held:
            assert row.on_active_lead == (row.lead_id is not None and leads[row.lead_id].closed_at is None)
        for lead in leads.values():
            own = [row.number for row in held if row.lead_id == lead.id]
            assert len(own) == len(set(own))
            assert bool(own) == (lead.merged_into_id is None)
            assert not own or lead.main_number in own
            assert not own or all(number in lead.search_text for number in own)
            assert (lead.counterparty_id is None) == (lead.closed_at is None or lead.merged_into_id is not None)
            if lead.merged_into_id is not None:
                assert leads[lead.merged_into_id].merged_into_id is None
        assert len({row.number for row in held if row.pinned}) == sum(row.pinned for row in held)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One loop and one database for all examples: hypothesis runs outside of a test's loop."""
    loop = asyncio.new_event_loop()
    if request.param == "sqlite":
        folder: Path = tmp_path_factory.mktemp("life")
        url = f"sqlite+aiosqlite:///{folder}/leadline.db"
        loop.run_until_complete(upgrade(url))
    else:
        url = loop.run_until_complete(request.getfixturevalue("postgres").create("lead_life"))
    database = Database(url)
    writer = CallWriter(database, DirectoryCache(database), "UA", lambda: NOW)
    yield loop, World(database, writer)
    loop.run_until_complete(database.dispose())
    loop.close()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_a_number_has_one_kind_of_owner_after_every_step(world: Any, steps: list[Step]) -> None:
    loop, here = world

    async def run() -> None:
        await here.clear()
        for step in steps:
            await here.check(await here.do(step))

    loop.run_until_complete(run())
