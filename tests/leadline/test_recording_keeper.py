"""Recordings come on record and go by age, each once, whoever else does the same (C12)."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from leadline.recording_keeper import RecordingKeeper
from leads.domain.calls import Phase, Role
from leads.store.engine import Database
from leads.store.models import Call, Recording, RecordingSetting
from leads.store.recording_files import RecordingFolder
from tests.leads.test_recording_files import write_recording

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TODAY = "2026-03-02/1772442000.7/1772442000.7.wav"
LONG_AGO = "2025-11-02/1762081200.5/1762081200.5.wav"

Make = Callable[[], RecordingKeeper]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "recordings"
    root.mkdir()
    return root


@pytest.fixture
def keeper(database: Database, root: Path) -> Make:
    """Makes keepers, each as of a server of its own."""
    return lambda: RecordingKeeper(database, {"pbx": RecordingFolder(root)}, clock=lambda: NOW)


def written(root: Path, path: str, at: datetime, seconds: float = 1.0) -> Path:
    file = write_recording(root, path, seconds)
    os.utime(file, (at.timestamp(), at.timestamp()))
    return file


def there(file: Path) -> bool:
    return file.exists()


async def rows(database: Database) -> list[Recording]:
    async with database.read() as session:
        return list(await session.scalars(select(Recording).order_by(Recording.path)))


async def add_call(database: Database, linkedid: str, started_at: datetime, phase: Phase = Phase.ENDED) -> None:
    async with database.write() as session:
        session.add(Call(pbx="pbx", linkedid=linkedid, role=Role.CALL, phase=phase, progress=1, started_at=started_at))


async def test_what_is_in_the_folder_comes_on_record_once(database: Database, root: Path, keeper: Make) -> None:
    written(root, TODAY, NOW)
    written(root, LONG_AGO, NOW - timedelta(days=120))
    one, other = keeper(), keeper()
    await asyncio.gather(one.look(), other.look())
    await one.look()
    found = await rows(database)
    assert [(row.pbx, row.linkedid, row.path) for row in found] == [
        ("pbx", "1762081200.5", LONG_AGO),
        ("pbx", "1772442000.7", TODAY),
    ]
    second = "2026-03-02/1772442000.7/1772442050.9.wav"
    written(root, second, NOW)
    await one.look()
    assert [row.path for row in await rows(database)] == [LONG_AGO, TODAY, second]


async def test_a_new_server_looks_at_what_came_while_none_ran(database: Database, root: Path, keeper: Make) -> None:
    written(root, LONG_AGO, NOW - timedelta(days=120))
    await keeper().look()
    missed = "2026-01-05/1767600000.1/1767600000.1.wav"
    written(root, missed, NOW - timedelta(days=56))
    await keeper().look()
    assert [row.path for row in await rows(database)] == [LONG_AGO, missed]


async def test_the_file_of_a_call_that_nobody_answered_goes(database: Database, root: Path, keeper: Make) -> None:
    before = NOW - timedelta(minutes=1)
    over, ringing = (written(root, f"2026-03-02/{n}.1/{n}.1.wav", before, 0) for n in (1, 2))
    await add_call(database, "1.1", before)
    await add_call(database, "2.1", before, Phase.RINGING)
    await keeper().look()
    assert (there(over), there(ringing)) == (False, True)
    assert await rows(database) == []


async def test_what_was_kept_for_long_enough_is_deleted_on_record_once(
    database: Database, root: Path, keeper: Make
) -> None:
    old, new = written(root, LONG_AGO, NOW - timedelta(days=120)), written(root, TODAY, NOW)
    one, other = keeper(), keeper()
    await one.look()
    await asyncio.gather(one.clear(), other.clear())
    assert (there(old), there(new), there(old.parents[1])) == (False, True, False)
    gone, kept = await rows(database)
    assert (gone.deleted_at, gone.deleted_after_days, gone.deleted_by_id) == (NOW, 90, None)
    assert (kept.deleted_at, kept.deleted_after_days) == (None, None)


async def test_the_days_are_the_companys_choice_and_count_from_the_call(
    database: Database, root: Path, keeper: Make
) -> None:
    file = written(root, TODAY, NOW)
    await add_call(database, "1772442000.7", NOW - timedelta(days=8))
    await keeper().look()
    await keeper().clear()
    assert there(file)
    async with database.write() as session:
        await session.execute(update(RecordingSetting).values(keep_days=7))
    await keeper().clear()
    assert not there(file)
    assert [row.deleted_after_days for row in await rows(database)] == [7]


async def test_a_file_that_is_gone_already_is_on_record_as_deleted(
    database: Database, root: Path, keeper: Make
) -> None:
    file = written(root, LONG_AGO, NOW - timedelta(days=120))
    await keeper().look()
    file.unlink()
    await keeper().clear()
    assert [row.deleted_at for row in await rows(database)] == [NOW]


async def test_a_path_on_record_that_leads_outside_deletes_nothing(
    database: Database, root: Path, keeper: Make
) -> None:
    secret = root.parent / "secret.wav"
    write_recording(root.parent, "secret.wav")
    async with database.write() as session:
        old = NOW - timedelta(days=120)
        session.add(Recording(pbx="pbx", linkedid="1.1", path="../secret.wav", recorded_at=old))
    await keeper().clear()
    assert there(secret)


async def test_without_a_choice_on_record_nothing_is_deleted(database: Database, root: Path, keeper: Make) -> None:
    file = written(root, LONG_AGO, NOW - timedelta(days=120))
    await keeper().look()
    async with database.write() as session:
        await session.delete((await session.scalars(select(RecordingSetting))).one())
    await keeper().clear()
    assert there(file)
