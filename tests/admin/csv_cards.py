"""Cards of all kinds that files must bring back whole, and what an import says of a file."""

import asyncio
import re
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.store.engine import Database
from leads.store.import_tables import ImportBatch
from leads.store.lead_card import LeadEdit, create_lead
from leads.store.models import Counterparty, Lead
from tests.admin.conftest import Clock

HEAD = "Name;Number\r\n"
PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12).map(str.strip)
RISKY = st.sampled_from(["=1+1", "+1", "-", "@x", "'=1", "'", '"', ";", ",", "a,b;c", "«Лапки»", "x  y", "0501234567"])
NAMES = st.one_of(PLAIN, RISKY)
LINES = st.lists(NAMES, max_size=3).map("\n".join).map(str.strip)
LANGUAGES = st.sampled_from([None, "uk", "ru", "other"])


async def make_lead(database: Database, edit: LeadEdit) -> int:
    return await create_lead(database, edit, by=None, clock=Clock(), region="UA")


def counts_of(page: str) -> list[int]:
    found = re.search(r"New (\d+) Changed (\d+) Left as they are (\d+) Refused (\d+)", page)
    assert found, page
    return [int(count) for count in found.groups()]


async def clear(session: AsyncSession) -> None:
    for model in (Lead, Counterparty, ImportBatch):
        for one in await session.scalars(select(model)):
            await session.delete(one)


async def for_all(strategy: st.SearchStrategy[object], check: Callable[..., object], examples: int) -> None:
    """Run an asynchronous check for many values, each on the running loop, from hypothesis' own thread."""
    loop = asyncio.get_running_loop()

    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(value: object) -> None:
        asyncio.run_coroutine_threadsafe(check(value), loop).result(60)  # type: ignore[arg-type]

    await asyncio.to_thread(run)
