"""Call records are read on from where they were left: files through rotation, tables on the real databases (C3)."""

import asyncio
import os
import sqlite3
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from shutil import chown, rmtree
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from ami_listener.cel_calls import calls_of_rows
from ami_listener.cel_rows import OUR_COLUMNS, CelRow
from ami_listener.cel_source import CelSource, Place, open_source
from ami_listener.trunks import trunk_matcher
from tests.ami_listener.test_cel import ANSWERED, rows_of
from tests.conftest import PostgresServer, run_apart

LINES = ANSWERED.read_text().splitlines(keepends=True)
IS_TRUNK = trunk_matcher(("PJSIP/trunk*",))


async def read_all(source: CelSource, place: Place) -> tuple[list[CelRow], Place, list[str]]:
    rows: list[CelRow] = []
    notes = []
    while True:
        found = await source.read(place)
        rows += [row for row, _ in found.rows]
        notes += [found.note] if found.note else []
        place = found.next
        if found.at_end:
            return rows, place, notes


def events(rows: Sequence[CelRow]) -> list[str]:
    return [row.event for row in rows]


ALL = [row["eventtype"] for row in rows_of(ANSWERED)]


# Files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cel" / "leadline.csv"


@pytest.fixture
def csv_source(file: Path) -> CelSource:
    file.parent.mkdir()
    return open_source(f"csv:{file}", UTC)


def write(file: Path, lines: Sequence[str]) -> None:
    with file.open("a") as writing:
        writing.writelines(lines)


async def test_a_file_is_read_on_from_its_place(csv_source: CelSource, file: Path) -> None:
    place = await csv_source.present()
    assert await read_all(csv_source, place) == ([], place, [])
    write(file, LINES[:3])
    rows, place, _ = await read_all(csv_source, place)
    assert events(rows) == ALL[:3]
    write(file, [*LINES[3:5], LINES[5][:40]])
    rows, place, _ = await read_all(csv_source, place)
    assert events(rows) == ALL[3:5]
    write(file, [LINES[5][40:], *LINES[6:]])
    rows, place, _ = await read_all(csv_source, place)
    assert events(rows) == ALL[5:]
    assert await csv_source.present() == place


async def test_each_row_has_the_place_to_come_by_it_again(csv_source: CelSource, file: Path) -> None:
    write(file, LINES)
    found = await csv_source.read(await open_source(f"csv:{file.parent}/none", UTC).present())
    for place, (_, at) in enumerate(found.rows):
        assert events((await read_all(csv_source, at))[0]) == ALL[place:]


async def test_what_was_written_before_and_after_a_rotation_is_read(csv_source: CelSource, file: Path) -> None:
    write(file, LINES[:4])
    _, place, _ = await read_all(csv_source, await csv_source.present())
    write(file, LINES[4:6])
    rename(file, "leadline.csv.1", age=1)
    write(file, LINES[6:9])
    rename(file.with_name("leadline.csv.1"), "leadline.csv.2", age=1)
    rename(file, "leadline.csv.1", age=2)
    write(file, LINES[9:])
    rows, _, notes = await read_all(csv_source, place)
    assert (events(rows), notes) == (ALL[4:], [])


def rename(file: Path, to: str, *, age: int) -> None:
    """As logrotate does; `age` orders the files, which all are of one moment here."""
    os.utime(file, ns=(age, age))
    file.rename(file.with_name(to))


async def test_a_file_that_is_gone_is_told(csv_source: CelSource, file: Path) -> None:
    write(file, LINES[:4])
    place = await csv_source.present()
    os.unlink(file)
    write(file, LINES[4:])
    rows, _, notes = await read_all(csv_source, place)
    assert events(rows) == ALL[4:]
    assert notes


async def test_a_file_that_was_emptied_is_read_from_its_beginning(csv_source: CelSource, file: Path) -> None:
    write(file, LINES)
    place = await csv_source.present()
    os.truncate(file, 0)
    write(file, LINES[2:4])
    rows, _, notes = await read_all(csv_source, place)
    assert events(rows) == ALL[2:4]
    assert notes


async def test_lines_that_are_no_rows_are_counted(csv_source: CelSource, file: Path) -> None:
    write(file, [LINES[0], "\n", "nonsense\n", '"half a quote\n', LINES[1]])
    found = await csv_source.read(await open_source(f"csv:{file}.none", UTC).present())
    assert (events([row for row, _ in found.rows]), found.unreadable) == (ALL[:2], 2)


FORGED = "\nCHAN_START,1795776831.1,,0931112233,,,,0441234567,,PJSIP/trunk-9,,,,,5.5,5.5\n"


@pytest.mark.parametrize("forged", [FORGED, FORGED.replace("\n", "\r"), FORGED[:-1], f'\n""{FORGED[1:]}', "\n" * 60])
async def test_a_callers_line_breaks_make_no_row_of_his_own(csv_source: CelSource, file: Path, forged: str) -> None:
    """Asterisk writes a number as it came; what is behind %0A in it is a part of it."""
    row = LINES[0].split(",")
    assert row[3].startswith('"+')
    row[3] = f'"067{forged}"'
    write(file, [",".join(row), *LINES[1:]])
    found = await csv_source.read(await open_source(f"csv:{file}.none", UTC).present())
    assert events([row for row, _ in found.rows]) == ALL
    assert {row.linkedid for row, _ in found.rows} == {found.rows[-1][0].linkedid}
    assert found.unreadable == 0


async def test_a_row_that_was_cut_spoils_no_other(csv_source: CelSource, file: Path) -> None:
    half = LINES[0][:40]
    assert half.count('"') % 2 == 1
    write(file, [half, "\n", *LINES[:2], half])
    rows, place, _ = await read_all(csv_source, await open_source(f"csv:{file}.none", UTC).present())
    assert events(rows) == ALL[:2]
    rename(file, "leadline.csv.1", age=1)
    write(file, LINES[2:])
    assert events((await read_all(csv_source, place))[0]) == ALL[2:]


# Tables

Insert = Callable[[Sequence[dict[str, str]]], Awaitable[None]]


@pytest.fixture(scope="session")
def mariadb() -> Iterator[str]:
    """A throw-away MariaDB; the address by which a reader and a writer come, without the database."""
    folder = Path(tempfile.mkdtemp(prefix="leadline-mariadb-", dir="/tmp"))
    user = "mysql" if os.geteuid() == 0 else None
    if user:
        chown(folder, user)
    install = [
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={folder}/data",
        "--auth-root-authentication-method=normal",
    ]
    as_user = [f"--user={user}"] if user else []
    subprocess.run([*install, *as_user], check=True, stdout=subprocess.DEVNULL, timeout=60)
    socket = folder / "socket"
    server = subprocess.Popen(
        ["mariadbd", "--no-defaults", f"--datadir={folder}/data", f"--socket={socket}", "--skip-networking", *as_user]
    )
    try:
        address = f"mysql+aiomysql://root@localhost/{{}}?unix_socket={socket}"
        run_apart(_await_mariadb(address.format("mysql")))
        yield address
    finally:
        server.terminate()
        server.wait(30)
        rmtree(folder, ignore_errors=True)


async def _await_mariadb(address: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await execute(address, "CREATE DATABASE asteriskcdrdb")
            except Exception:
                await asyncio.sleep(0.1)
            else:
                return


async def execute(address: str, *statements: str, rows: Sequence[dict[str, Any]] = ()) -> None:
    engine = create_async_engine(address)
    try:
        async with engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement), list(rows) if rows else None)
    finally:
        await engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres), "mariadb"])
async def table(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[CelSource, str]]:
    """An empty table of CEL as Asterisk's back end of each database has it, and the address for writing."""
    columns = [name for name in OUR_COLUMNS if name not in ("eventtype", "eventtime")]
    texts = ", ".join(f"{name} VARCHAR(512)" for name in columns)
    if request.param == "sqlite":
        path = tmp_path / "cel.db"
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"CREATE TABLE cel (AcctId INTEGER PRIMARY KEY, eventtype TEXT, eventtime TEXT, {texts})")
        connection.commit()
        source, writer = open_source(f"sqlite:{path}", UTC), f"sqlite+aiosqlite:///{path}"
        yield source, writer
        connection.close()
    elif request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        await server.execute("DROP DATABASE IF EXISTS cel WITH (FORCE)")
        writer = await server.create("cel", "template0")
        kinds = "id bigserial PRIMARY KEY, eventtype varchar(30), eventtime timestamp"
        await execute(writer, f"CREATE TABLE cel ({kinds}, {texts})")
        source = open_source(writer, UTC)
        yield source, writer
    else:
        writer = request.getfixturevalue("mariadb").format("asteriskcdrdb")
        kinds = "id int AUTO_INCREMENT PRIMARY KEY, eventtype varchar(30), eventtime datetime"
        await execute(writer, "DROP TABLE IF EXISTS cel", f"CREATE TABLE cel ({kinds}, {texts})")
        source = open_source(writer, UTC)
        yield source, writer
    await source.close()


async def insert(address: str, rows: Sequence[dict[str, str]]) -> None:
    """As Asterisk writes: MariaDB keeps whole seconds."""
    values: list[dict[str, Any]] = [dict(row) for row in rows]
    for row in values:
        moment = datetime.fromtimestamp(float(row["eventtime"]), UTC).replace(tzinfo=None)
        row["eventtime"] = moment if address.startswith(("postgres", "mysql")) else row["eventtime"]
    names = ", ".join(OUR_COLUMNS)
    marks = ", ".join(f":{name}" for name in OUR_COLUMNS)
    await execute(address, f"INSERT INTO cel ({names}) VALUES ({marks})", rows=values)


async def test_a_table_is_read_on_by_id(table: tuple[CelSource, str]) -> None:
    source, writer = table
    place = await source.present()
    assert await source.newest() is None
    await insert(writer, rows_of(ANSWERED)[:5])
    before, place, _ = await read_all(source, place)
    await insert(writer, rows_of(ANSWERED)[5:])
    after, place, _ = await read_all(source, place)
    assert events(before + after) == ALL
    assert place == await source.present()
    (view,) = calls_of_rows(before + after, "pbx", IS_TRUNK)
    (exact,) = calls_of_rows(await _of_file(ANSWERED), "pbx", IS_TRUNK)
    assert (view.direction, view.caller, view.result, view.answered_by, view.legs) == (
        exact.direction,
        exact.caller,
        exact.result,
        exact.answered_by,
        exact.legs,
    )
    assert view.talk_seconds == pytest.approx(exact.talk_seconds, abs=1.1)
    newest = await source.newest()
    assert newest is not None
    assert abs((newest - max(row.at for row in after)).total_seconds()) < 1.1


async def test_a_table_that_was_emptied_is_read_from_its_beginning(table: tuple[CelSource, str]) -> None:
    source, writer = table
    await insert(writer, rows_of(ANSWERED)[:5])
    place = await source.present()
    await execute(writer, "DELETE FROM cel" if writer.startswith("sqlite") else "TRUNCATE cel")
    if writer.startswith("postgres"):
        await execute(writer, "ALTER SEQUENCE cel_id_seq RESTART")
    found, place, notes = await read_all(source, place)
    assert (found, place) == ([], {"id": 0})
    await insert(writer, rows_of(ANSWERED)[5:])
    found, place, _ = await read_all(source, place)
    assert events(found) == ALL[5:]
    assert "the table was emptied" in notes[0]


async def _of_file(path: Path) -> list[CelRow]:
    source = open_source(f"csv:{path}", UTC)
    return (await read_all(source, await open_source("csv:/none", UTC).present()))[0]


async def test_a_table_cannot_be_changed_by_the_reader(table: tuple[CelSource, str]) -> None:
    source, writer = table
    await insert(writer, rows_of(ANSWERED)[:1])
    engine = source._table._engine  # type: ignore[attr-defined]
    with pytest.raises(Exception, match=r"(?i)read.?only"):
        async with engine.begin() as connection:
            await connection.execute(text("DELETE FROM cel"))


async def test_sqlite_without_wal_is_refused_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "cel.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE cel (eventtype TEXT)")
    connection.close()
    source = open_source(f"sqlite:{path}", UTC)
    wrong = await source.trouble()
    await source.close()
    assert wrong is not None
    assert "journal_mode=WAL" in wrong[1]


@pytest.mark.parametrize(
    "address", ["file:/x", "csv:x", "sqlite://x", "mysql://root@h/d", "mysql+aiomysql://root@h", ""]
)
def test_no_source_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"must be|address|database"):
        open_source(address, UTC)


async def test_call_detail_records_tell_calls_where_there_is_no_cel(tmp_path: Path) -> None:
    path = tmp_path / "Master.csv"
    start, channel = "2026-11-21 10:00:00", '"PJSIP/trunk-00000001"'
    who = '"","+380501234567","0441234567","leadline-inbound","""X"" <+380501234567>"'
    path.write_text(
        f'{who},{channel},"PJSIP/101-00000002","Dial","PJSIP/101,20","{start}","","2026-11-21 10:00:20",20,0,'
        '"NO ANSWER","DOCUMENTATION","1795255200.1","","","1795255200.1","1"\n'
        f'{who},{channel},"PJSIP/102-00000003","Dial","PJSIP/102,20","2026-11-21 10:00:20","2026-11-21 10:00:25",'
        '"2026-11-21 10:01:25",65,60,"ANSWERED","DOCUMENTATION","1795255200.1","","","1795255200.1","2"\n'
    )
    source = open_source(f"cdr+csv:{path}", UTC)
    rows, _, _ = await read_all(source, await open_source("csv:/none", UTC).present())
    (view,) = calls_of_rows(rows, "pbx", IS_TRUNK)
    assert (view.direction, view.caller, view.dialled, view.result) == (
        "inbound",
        "+380501234567",
        "0441234567",
        "answered",
    )
    assert (view.answered_by, view.ring_seconds, view.talk_seconds) == ("PJSIP/102", 25.0, 60.0)
    assert [leg.result for leg in view.legs] == ["no-answer", "answered"]
