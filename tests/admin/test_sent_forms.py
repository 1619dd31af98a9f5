"""What is pressed twice is done once, also where the browser runs no scripts (X2)."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

import aiohttp_jinja2
import pytest
from aiohttp import web
from jinja2 import BytecodeCache
from sqlalchemy import Connection, func, select

from leads.admin import CallFeed, create_panel, sent_forms
from leads.admin.sent_forms import SentForms
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.models import Counterparty
from leads.store.sent_forms import SentForm, claim, settle
from tests.admin.conftest import Clock, Visitor, served
from tests.admin.test_counterparties_pages import FIELDS

_MARK = re.compile(r'name="once" value="([^"]+)"')


async def _mark(admin: Visitor) -> str:
    found = _MARK.search((await admin.get("/counterparties/new")).text)
    assert found is not None
    return found[1]


async def _made(database: Database) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(Counterparty)) or 0


async def test_a_second_press_leads_to_what_the_first_one_made(admin: Visitor, database: Database) -> None:
    sent = {**FIELDS, "once": await _mark(admin)}
    answers = await asyncio.gather(*(admin.post("/counterparties", sent) for _press in range(3)))
    answers.append(await admin.post("/counterparties", sent))
    assert await _made(database) == 1
    assert [answer.status for answer in answers] == [303] * 4
    assert len({answer.location for answer in answers}) == 1
    assert all("leadline_flash" in answer.headers["Set-Cookie"] for answer in answers)


async def test_what_somebody_means_to_send_again_is_done_again(
    admin: Visitor, database: Database, clock: Clock
) -> None:
    mark = await _mark(admin)
    assert (await admin.post("/counterparties", {**FIELDS, "once": mark})).status == 303
    # Other words, the form opened anew, or a while later: each is another card.
    assert (await admin.post("/counterparties", {**FIELDS, "name": "Інша", "once": mark})).status == 303
    assert (await admin.post("/counterparties", {**FIELDS, "once": await _mark(admin)})).status == 303
    clock.move(seconds=11)
    assert (await admin.post("/counterparties", {**FIELDS, "once": mark})).status == 303
    assert await _made(database) == 4


async def test_a_form_that_was_not_taken_is_looked_at_again(admin: Visitor, database: Database) -> None:
    sent = {**FIELDS, "name": "", "once": await _mark(admin)}
    answers = await asyncio.gather(*(admin.post("/counterparties", sent) for _press in range(2)))
    assert [answer.status for answer in answers] == [422, 422]
    assert all("Fill this in." in answer.text for answer in answers)
    assert await _made(database) == 0


@pytest.fixture
async def elsewhere(
    admin: Visitor, database_url: str, clock: Clock, compiled_templates: BytecodeCache
) -> AsyncIterator[Visitor]:
    """The administrator in the same session at another server of the same database."""
    database = Database(database_url)
    directory = DirectoryCache(database)
    await directory.refresh()
    zone = ZoneInfo("Europe/Kyiv")
    made = create_panel(database, directory, CallFeed(), zone=zone, region="UA", secure=False, clock=clock)
    aiohttp_jinja2.get_env(made).bytecode_cache = compiled_templates
    async with served(made) as base:
        yield Visitor(base, admin.client, admin.csrf)
    await database.dispose()


async def test_two_presses_that_come_to_two_servers_make_one_card(
    admin: Visitor, elsewhere: Visitor, database: Database, clock: Clock
) -> None:
    sent = {**FIELDS, "once": await _mark(admin)}
    elsewhere.csrf = admin.csrf
    answers = await asyncio.gather(*(one.post("/counterparties", sent) for one in (admin, elsewhere, elsewhere)))
    answers.append(await elsewhere.post("/counterparties", sent))
    assert await _made(database) == 1
    assert [answer.status for answer in answers] == [303] * 4
    assert len({answer.location for answer in answers}) == 1
    clock.move(seconds=11)
    assert (await elsewhere.post("/counterparties", sent)).status == 303
    assert await _made(database) == 2


async def test_a_form_that_another_server_did_not_take_is_looked_at_here(
    admin: Visitor, elsewhere: Visitor, database: Database
) -> None:
    sent = {**FIELDS, "name": "", "once": await _mark(admin)}
    elsewhere.csrf = admin.csrf
    answers = await asyncio.gather(*(one.post("/counterparties", sent) for one in (admin, elsewhere)))
    assert [answer.status for answer in answers] == [422, 422]
    async with database.read() as session:
        assert (await session.scalars(select(SentForm.key))).all() == []


async def test_a_form_of_a_server_that_ended_is_carried_out_after_a_minute(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_forms, "LOOK_SECONDS", 0.0)
    looked: list[None] = []

    def at() -> object:
        looked.append(None)
        return clock.now + timedelta(seconds=len(looked))

    key = sha256(b"who\0/x\0once=1").hexdigest()
    assert await database.run_write(lambda connection: claim(connection, key, clock()))

    async def work() -> web.StreamResponse:
        return web.Response(status=303, headers={"Location": "/done"})

    response = await SentForms(database, at).answer("who", "/x", b"once=1", work)  # type: ignore[arg-type]
    assert response.headers["Location"] == "/done"
    assert len(looked) > 60


async def test_few_forms_are_kept(database: Database, clock: Clock) -> None:
    def send(connection: Connection) -> None:
        for place in range(3):
            assert claim(connection, f"{place}", clock())
        settle(connection, "0", clock(), "/leads/1")
        assert not claim(connection, "0", clock())

    await database.run_write(send)
    clock.move(seconds=11)
    assert await database.run_write(lambda connection: claim(connection, "new", clock()))
    async with database.read() as session:
        assert set(await session.scalars(select(SentForm.key))) == {"1", "2", "new"}
