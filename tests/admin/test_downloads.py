"""Files that are long on their way end with the session of whoever takes them, or with the right to them (K2, X1)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import delete, update
from yarl import URL

from leads.admin import downloads, exports
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead
from leads.store.leads import LeadOrder
from leads.store.models import Employee, PanelSession
from leads.store.phone_book import make_key
from tests.admin.conftest import Clock, Company, Visitor
from tests.admin.downloading import download

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"])


@pytest.fixture
async def boss(visitor: Callable[[], Visitor], database: Database, company: Company) -> Visitor:
    """A supervisor who may export."""
    async with database.write() as session:
        await session.execute(update(Employee).where(Employee.id == company.boss).values(may_export=True))
    one = visitor()
    await one.sign_in("boss")
    return one


@pytest.mark.parametrize(
    "ends",
    [
        delete(PanelSession),
        update(Employee).where(Employee.login == "boss").values(may_export=False),
        None,
    ],
    ids=["session", "right", "nothing"],
)
async def test_an_export_goes_on_only_for_who_may_have_it(
    boss: Visitor, database: Database, monkeypatch: pytest.MonkeyPatch, ends: Any
) -> None:
    """The first leads have gone out when the session, or the right, is taken away."""
    monkeypatch.setattr(downloads, "LOOK_SECONDS", 0.0)

    async def two_chunks(*_args: Any, **_named: Any) -> AsyncIterator[list[str]]:
        yield ["first"]
        if ends is not None:
            async with database.write() as session:
                await session.execute(ends)
        yield ["second"]

    monkeypatch.setattr(exports, "exported_leads", two_chunks)
    monkeypatch.setattr(exports, "lead_row", lambda lead, *_words: [lead])
    taken = await download(boss, f"/leads/export.csv?sort={LeadOrder.NAME}", whole=ends is None)
    assert (b"second" in taken) is (ends is None)


@pytest.mark.parametrize("what", ["list", "phone book"])
async def test_whoever_asks_for_the_head_alone_gets_no_file(
    boss: Visitor, database: Database, company: Company, what: str
) -> None:
    """What follows on the connection would be taken for the next answer."""
    path, edit = "/leads/export.csv", LeadEdit("Ліс", ("0501111111",), "", "", "", None, 1, company.yurii, None)
    if what == "phone book":
        await create_lead(database, edit, by=None, clock=Clock(), region="UA")
        async with database.write() as session:
            path = f"/phonebook/{await make_key(session, company.phone_101, Clock()())}/contacts.vcf"
    host, port = boss.base.removeprefix("http://").split(":")
    cookie = boss.client.cookie_jar.filter_cookies(URL(boss.base)).output(header="Cookie:", sep="\r\n")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"HEAD {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{cookie}\r\n".encode())
    writer.write(b"Connection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")
