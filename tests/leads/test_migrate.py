"""Migrations: from nothing and from each revision to the tables of the models, whoever else does it too."""

import asyncio
import re
import sqlite3
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text

from leads.store.engine import Database
from leads.store.migrate import MigrationError, _scripts, revisions, upgrade, upgrade_database, wrong_revision
from leads.store.models import Base, DirectoryVersion, LeadStatus
from leads.store.search import search_text, sort_key
from tests.conftest import PostgresServer

_names = count(1)
REVISIONS = [script.revision for script in _scripts().walk_revisions()]


@pytest.fixture
async def empty_url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any tables."""
    if dialect == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/below/empty.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return await server.create(f"empty_{next(_names)}", "template0")


def _differences(connection: Connection) -> list[object]:
    def ours(thing: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
        # SQLite's search index is a set of tables that no model describes.
        return not (kind == "table" and name is not None and "_search" in name) and (
            connection.dialect.name == "postgresql" or not (name or "").endswith("_search_text")
        )

    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True, "include_object": ours}
    )
    return list(compare_metadata(context, Base.metadata))


async def _check(url: str) -> None:
    database = Database(url)
    async with database.read() as session:
        assert await (await session.connection()).run_sync(_differences) == []
        names = await session.scalars(select(LeadStatus.name).order_by(LeadStatus.sort_order))
        assert list(names) == ["Hot", "Warm", "Cold", "Unpromising"]
        assert await session.scalar(select(DirectoryVersion.version)) == 1
    await database.dispose()


async def test_upgrades_from_nothing(empty_url: str) -> None:
    assert await revisions(empty_url) == (None, REVISIONS[0])
    await upgrade(empty_url)
    assert await revisions(empty_url) == (REVISIONS[0], REVISIONS[0])
    await _check(empty_url)


@pytest.mark.parametrize("revision", REVISIONS)
async def test_upgrades_from_each_revision(empty_url: str, revision: str) -> None:
    database = Database(empty_url)
    await upgrade_database(database, revision)
    await database.dispose()
    await upgrade(empty_url)
    await upgrade(empty_url)
    await _check(empty_url)


async def test_names_kept_by_an_older_version_stand_where_new_ones_do(empty_url: str) -> None:
    database = Database(empty_url)
    await upgrade_database(database, "0027")
    kept = (
        "INSERT INTO counterparty (name, folder, email, address, comment, created_at, updated_at, version, sort_name, "
        "search_text, sort_person, people_keys) VALUES ('Łukasz', '', '', '', '', '2026-01-01', '2026-01-01', 1, "
        "'łukasz', '', 'đura', 'đura\nsøren')"
    )
    async with database.write() as session:
        await session.execute(text(kept))
    await upgrade_database(database)
    async with database.read() as session:
        row = await session.execute(text("SELECT sort_name, sort_person, people_keys FROM counterparty"))
    assert tuple(row.one()) == (sort_key("Łukasz"), "dura", "dura\nsoren")
    await database.dispose()


async def test_names_with_invisible_signs_that_were_kept_before_are_found(empty_url: str) -> None:
    database = Database(empty_url)
    await upgrade_database(database, "0030")
    day = "'2026-01-01'"
    lead = "id, name, named, status_id, responsible_by_hand, email, address, comment, created_at, updated_at, version"
    party = "id, name, folder, email, address, comment, created_at, updated_at, version, sort_name, search_text"
    empty = f"'', '', '', '', {day}, {day}, 1, 'x'"
    kept = (
        f"INSERT INTO lead ({lead}, sort_name, main_number, search_text) VALUES (1, 'Щер\u00adбань', true, 1, false, "
        f"'', '', '', {day}, {day}, 1, 'x', '+380501112233', '  щер  бань  +380501112233')",
        f"INSERT INTO counterparty ({party}) VALUES (1, 'ТОВ', {empty}, '  тов  о  льга'), "
        f"(2, 'Мар´яна', {empty}, '  мар  яна'), (3, 'Ія', {empty}, 'as it was')",
        "INSERT INTO contact_person (id, counterparty_id, name, email) VALUES (1, 1, 'О\u200bльга', 'o@example.com')",
        "INSERT INTO phone_number (number, position, lead_id, on_active_lead) VALUES ('+380501112233', 0, 1, true)",
        "INSERT INTO phone_number (number, position, contact_person_id, on_active_lead) "
        "VALUES ('+380671112233', 0, 1, false)",
    )
    async with database.write() as session:
        for one in kept:
            await session.execute(text(one))
    await upgrade_database(database)
    async with database.read() as session:
        leads = (await session.scalars(text("SELECT search_text FROM lead"))).all()
        parties = (await session.scalars(text("SELECT search_text FROM counterparty ORDER BY id"))).all()
    assert leads == [search_text("Щербань", "", numbers=["+380501112233"])]
    ours = search_text("ТОВ", "", "Ольга", "o@example.com", numbers=["+380671112233"])
    assert parties == [ours, search_text("Мар'яна"), "as it was"]
    await database.dispose()


async def test_processes_that_start_together_upgrade_once(empty_url: str) -> None:
    program = "import asyncio, sys; from leads.store.migrate import upgrade; asyncio.run(upgrade(sys.argv[1]))"
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, empty_url, stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    outputs = [await process.communicate() for process in processes]
    assert [(process.returncode, output[1]) for process, output in zip(processes, outputs, strict=True)] == [
        (0, b"")
    ] * 4
    await _check(empty_url)


async def test_waits_for_one_that_upgrades_longer_than_writers_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leads.store.engine.BUSY_SECONDS", 0.01)
    url = f"sqlite+aiosqlite:///{tmp_path}/leadline.db"
    await upgrade(url)
    refusals: list[None] = []
    with sqlite3.connect(tmp_path / "leadline.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")

        async def let_go(seconds: float) -> None:
            refusals.append(None)
            if len(refusals) == 3:
                other.execute("ROLLBACK")

        monkeypatch.setattr("leads.store.migrate.asyncio.sleep", let_go)
        await upgrade(url)
    assert len(refusals) == 3


async def test_refuses_a_database_of_a_newer_version(database_url: str) -> None:
    database = Database(database_url)
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.dispose()
    with pytest.raises(MigrationError, match=r"newer than this Leadline.*9999.*restore the back-up"):
        await upgrade(database_url)


@pytest.mark.parametrize(
    ("current", "what", "mend"),
    [
        (None, f"no tables yet, and this Leadline needs {REVISIONS[0]}", "run `leadline migrate`"),
        (REVISIONS[1], f"at revision {REVISIONS[1]}, and this Leadline needs {REVISIONS[0]}", "run `leadline migrate`"),
        (
            "9999",
            f"newer than this Leadline: it is at revision 9999, .* none after {REVISIONS[0]}",
            "install the newer",
        ),
    ],
    ids=["no tables", "older", "newer"],
)
def test_what_is_wrong_with_a_revision_is_told_with_the_mend(current: str | None, what: str, mend: str) -> None:
    wrong = wrong_revision(current)
    assert wrong is not None
    assert re.search(what, wrong.what)
    assert wrong.mend.startswith(mend)


def test_nothing_is_wrong_with_the_newest_revision() -> None:
    assert wrong_revision(REVISIONS[0]) is None


async def test_says_what_postgresql_lacks(postgres: PostgresServer) -> None:
    url = await postgres.create(f"empty_{next(_names)}", "template0")
    await postgres.execute("CREATE ROLE plain LOGIN")
    try:
        with pytest.raises(MigrationError, match="CREATE EXTENSION pg_trgm"):
            await upgrade(url.replace("postgres@", "plain@"))
    finally:
        await postgres.execute("DROP ROLE plain")
    assert await revisions(url) == (None, REVISIONS[0])
