"""A company whose calls are written as the recorder writes them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from leads.domain.calls import CallView
from leads.store import models
from leads.store.calls import CallWriter, RecordedDecision
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.models import Call, Lead, PhoneNumber
from tests.leads.views import DID, NOW

OTHER = "+380671234567"


class Desk:
    """A company with phones 101 and 102 (employees 1 and 2), our number in the charge of 2, and the writer."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.writer = CallWriter(database, DirectoryCache(database), "UA", lambda: NOW)

    async def open(self) -> "Desk":
        async with self.database.write() as session:
            session.add_all([models.Employee(id=key, name=f"e{key}", created_at=NOW) for key in (1, 2)])
            await session.flush()
            session.add_all(
                [
                    models.Extension(number="101", endpoint="PJSIP/101", employee_id=1),
                    models.Extension(number="102", endpoint="PJSIP/102", employee_id=2),
                    models.Did(number=DID, responsible_id=2),
                    models.IgnoredNumber(number="+380800500500"),
                ]
            )
        return self

    async def write(self, *views: CallView, decisions: Sequence[RecordedDecision] = ()) -> None:
        await self.writer.write(views, decisions)

    async def calls(self) -> list[Call]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Call).order_by(Call.linkedid)))

    async def call(self, linkedid: str = "1.1") -> Call:
        return next(call for call in await self.calls() if call.linkedid == linkedid)

    async def leads(self) -> list[Lead]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Lead).order_by(Lead.main_number)))

    async def lead(self) -> Lead:
        (lead,) = await self.leads()
        return lead

    async def change(self, *statements: Any) -> None:
        async with self.database.write() as session:
            for statement in statements:
                await session.execute(statement)

    async def numbers(self) -> list[tuple[str, bool]]:
        async with self.database.read() as session:
            rows = await session.execute(
                select(PhoneNumber.number, PhoneNumber.on_active_lead).order_by(PhoneNumber.number, PhoneNumber.id)
            )
            return [(number, active) for number, active in rows]
