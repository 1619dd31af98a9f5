"""The status directory: two sets, edits that know what they replace, and no card without a status (P1)."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, insert, select

from leads.domain.statuses import StatusSet
from leads.store import statuses
from leads.store.cards import WrongFieldError, history
from leads.store.company import GoneError, SavedMeanwhileError, TakenError
from leads.store.counterparty_card import CounterpartyEdit, load_counterparty, save_counterparty
from leads.store.engine import Database
from leads.store.models import Counterparty, CounterpartyStatus, Lead
from leads.store.statuses import (
    LastStatusError,
    NeedsReplacementError,
    StatusEdit,
    StatusRow,
    remove_status,
    save_status,
    status_rows,
)

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
SETS = pytest.mark.parametrize("which", list(StatusSet))


async def _rows(database: Database, which: StatusSet) -> list[StatusRow]:
    async with database.read() as session:
        return await status_rows(session, which)


async def _row(database: Database, which: StatusSet, name: str) -> StatusRow:
    return next(row for row in await _rows(database, which) if row.name == name)


async def _cards(database: Database, which: StatusSet, status_id: int, count: int) -> None:
    card = Lead if which is StatusSet.LEADS else Counterparty
    values = {"name": "x", "status_id": status_id, "created_at": NOW, "updated_at": NOW}
    async with database.write() as session:
        await session.execute(insert(card), [values] * count)


@SETS
async def test_the_directory_begins_with_four_that_plan_as_sales_does(database: Database, which: StatusSet) -> None:
    begun = [(row.name, row.plans, row.plan_days) for row in await _rows(database, which)]
    assert begun == [("Hot", True, 1), ("Warm", True, 7), ("Cold", True, 30), ("Unpromising", False, 7)]


@SETS
async def test_a_status_is_made_changed_and_put_in_its_place(database: Database, which: StatusSet) -> None:
    async with database.write() as session:
        key = await save_status(session, which, None, 1, StatusEdit("Думає", 1, True, 3))
    async with database.write() as session:
        await save_status(session, which, key, 1, StatusEdit("Думає довго", 9, False, 0))
    assert [row.name for row in await _rows(database, which)][-1] == "Думає довго"
    with pytest.raises(SavedMeanwhileError):
        async with database.write() as session:
            await save_status(session, which, key, 1, StatusEdit("Думаю", 1, True, 3))


@SETS
async def test_names_are_unique_within_a_set_whatever_the_case(database: Database, which: StatusSet) -> None:
    with pytest.raises(TakenError):
        async with database.write() as session:
            await save_status(session, which, None, 1, StatusEdit("hot", 9, True, 3))


@SETS
async def test_one_in_use_goes_only_with_a_replacement_that_each_card_tells(
    database: Database, which: StatusSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statuses, "AT_ONCE", 2)
    warm, cold = await _row(database, which, "Warm"), await _row(database, which, "Cold")
    await _cards(database, which, warm.id, 5)
    for missing in (None, warm.id):
        with pytest.raises(NeedsReplacementError) as needed:
            await remove_status(database, which, warm.id, warm.version, missing, by=None, now=NOW)
        assert needed.value.count == 5
    with pytest.raises(GoneError):
        await remove_status(database, which, warm.id, warm.version, 999, by=None, now=NOW)
    assert await remove_status(database, which, warm.id, warm.version, cold.id, by=None, now=NOW) == 5
    assert [(row.name, row.used) for row in await _rows(database, which)] == [
        ("Hot", 0),
        ("Cold", 5),
        ("Unpromising", 0),
    ]
    async with database.read() as session:
        card = Lead if which is StatusSet.LEADS else Counterparty
        first, version = (await session.execute(select(func.min(card.id), func.max(card.version)))).one()
        key = "lead_id" if which is StatusSet.LEADS else "counterparty_id"
        (told,) = await history(session, **{key: first})
    assert (told.field, told.before, told.after) == ("status", "Warm", "Cold")
    assert version == 2


@SETS
async def test_the_last_one_stays(database: Database, which: StatusSet) -> None:
    hot, *others = await _rows(database, which)
    for row in others:
        await remove_status(database, which, row.id, row.version, None, by=None, now=NOW)
    with pytest.raises(LastStatusError):
        await remove_status(database, which, hot.id, hot.version, None, by=None, now=NOW)


async def test_a_counterparty_begins_with_the_first_of_its_set(database: Database) -> None:
    async with database.write() as session:
        status = (await session.scalars(select(CounterpartyStatus).where(CounterpartyStatus.name == "Cold"))).one()
        status.sort_order = 0
    edit = CounterpartyEdit("ТОВ", "", "", "", "", None, None, (), ())
    saved = await save_counterparty(database, None, 0, edit, by=None, clock=lambda: NOW, region="UA")
    async with database.write() as session:
        session.add(Counterparty(name="made otherwise", created_at=NOW, updated_at=NOW))
    async with database.read() as session:
        card = await load_counterparty(session, saved.id, None)
        assert card.status == "Cold"
        assert set(await session.scalars(select(Counterparty.status_id))) == {status.id}
    wrong = CounterpartyEdit("ТОВ", "", "", "", "", None, None, (), (), status_id=99)
    with pytest.raises(WrongFieldError):
        await save_counterparty(database, saved.id, card.version, wrong, by=None, clock=lambda: NOW, region="UA")
