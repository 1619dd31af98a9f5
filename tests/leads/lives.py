"""Leads and counterparties, and what people do with them, for the stories of a lead's life."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import insert, select

from leads.domain.visibility import Scope
from leads.store.at_stake import Decided
from leads.store.calls import CallWriter
from leads.store.closing import Choice, choose_counterparty
from leads.store.counterparty_card import (
    Becoming,
    CounterpartyEdit,
    PersonEdit,
    Saved,
    load_counterparty,
    save_counterparty,
)
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead
from leads.store.merging import merge_leads
from leads.store.models import ContactPerson, Employee, Extension, Lead, PhoneNumber
from leads.store.pins import Sharer, pin
from leads.store.reopening_by_hand import reopen_by_hand
from tests.leads.views import NOW

MOBILE, OFFICE, HOME = "+380501112233", "+380504445566", "+380671112233"
EDIT = LeadEdit("Лід", (MOBILE, OFFICE), "", "", "", None, 1, None, None)
COMPANY = CounterpartyEdit("ТОВ", "", "", "", "", None, None, ("+380441230000",), ())
OLHA = PersonEdit(None, "Ольга", "", None, None, ())


class Life:
    """The store's functions with the arguments that do not matter here."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW

    def clock(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    async def staff(self) -> None:
        """Employees 1 and 2; phone 101 is the first one's."""
        async with self.database.write() as session:
            await session.execute(insert(Employee), [{"id": i, "name": f"e{i}", "created_at": NOW} for i in (1, 2)])
            await session.execute(insert(Extension), [{"number": "101", "endpoint": "PJSIP/101", "employee_id": 1}])

    async def lead(self, *numbers: str, **fields: object) -> int:
        edit = replace(EDIT, **{**({"numbers": numbers} if numbers else {}), **fields})  # type: ignore[arg-type]
        return await create_lead(self.database, edit, by=None, clock=self.clock, region="UA")

    async def pin(self, holding: Sharer, *, pinned: bool = True, scope: frozenset[int] | None = None) -> int:
        return await pin(self.database, holding.holding, pinned, scope, by=1, clock=self.clock)

    async def company(
        self,
        *numbers: str,
        decided: Decided | None = None,
        becoming: Becoming | None = None,
        scope: frozenset[int] | None = None,
        responsible: int | None = None,
    ) -> Saved:
        edit = replace(COMPANY, numbers=numbers or COMPANY.numbers, persons=(OLHA,), responsible_id=responsible)
        return await save_counterparty(
            self.database,
            None,
            0,
            edit,
            by=None,
            clock=self.clock,
            region="UA",
            decided=decided,
            becoming=becoming,
            scope=scope,
        )

    async def get(self, lead_id: int) -> Lead:
        async with self.database.read() as session:
            return await session.get_one(Lead, lead_id)

    async def numbers(self, lead_id: int) -> list[tuple[str, bool]]:
        async with self.database.read() as session:
            rows = await session.scalars(
                select(PhoneNumber).where(PhoneNumber.lead_id == lead_id).order_by(PhoneNumber.position)
            )
            return [(row.number, row.on_active_lead) for row in rows]

    async def owned(self, counterparty_id: int) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        async with self.database.read() as session:
            card = await load_counterparty(session, counterparty_id, None)
        return card.numbers, [person.numbers for person in card.persons]

    async def last_talkers(self, number: str) -> set[int | None]:
        async with self.database.read() as session:
            return set(await session.scalars(select(PhoneNumber.last_talker_id).where(PhoneNumber.number == number)))

    async def person(self) -> int:
        async with self.database.read() as session:
            return (await session.scalars(select(ContactPerson.id))).one()

    async def choose(self, lead_id: int, choice: Choice, version: int = 1, scope: Scope = None) -> None:
        await choose_counterparty(self.database, lead_id, version, choice, by=None, clock=self.clock, scope=scope)

    async def reopen(self, lead_id: int, by: int | None = None) -> None:
        version = (await self.get(lead_id)).version
        await reopen_by_hand(self.database, lead_id, version, by=by, clock=self.clock)

    async def merge(self, lead_id: int, other: int) -> int:
        version = (await self.get(lead_id)).version
        return await merge_leads(self.database, lead_id, version, other, by=None, clock=self.clock)

    async def writer(self) -> CallWriter:
        directory = DirectoryCache(self.database)
        await directory.refresh()
        return CallWriter(self.database, directory, "UA", lambda: NOW)
