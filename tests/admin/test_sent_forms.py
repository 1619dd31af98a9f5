"""What is pressed twice is done once, also where the browser runs no scripts (X2)."""

import asyncio
import re

from sqlalchemy import func, select

from leads.store.engine import Database
from leads.store.models import Counterparty
from tests.admin.conftest import Clock, Visitor
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
