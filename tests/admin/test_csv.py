"""Export and import as people use them: columns in three languages, other people's files, refusals, undo (L10)."""

import asyncio
import codecs
import csv
import io
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from sqlalchemy import select, update

from leads.admin import csv_files, import_runner, imports
from leads.admin.context import PANEL
from leads.store.counterparty_card import CounterpartyEdit, save_counterparty
from leads.store.engine import Database
from leads.store.import_tables import ImportBatch, ImportState
from leads.store.lead_card import LeadEdit, load_lead
from leads.store.models import Employee, Lead
from leads.store.planning_tables import PlannedCall, PlanningSetting
from tests.admin.conftest import Clock, Company, Visitor
from tests.admin.csv_cards import HEAD, clear, counts_of, make_lead
from tests.admin.importing import Importer, text_of

EDIT = LeadEdit("Щербань", ("0501234567",), "", "", "", None, 1, None, None)


async def _leads(database: Database) -> dict[str, Lead]:
    async with database.read() as session:
        return {lead.main_number: lead for lead in await session.scalars(select(Lead))}


async def test_an_export_is_the_list_as_it_is_narrowed(admin: Visitor, database: Database, company: Company) -> None:
    await make_lead(
        database,
        LeadEdit("=1+1", ("0501234567", "0671112233"), "a@b.c", "Київ", "-\nдва", "uk", 1, company.yurii, None),
    )
    await make_lead(database, LeadEdit("Коваль", ("0502222222",), "", "", "", None, 2, None, None))
    answer = await admin.get("/leads/export.csv?sort=name&order=desc", Accept_Language="en")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="leads-\d{4}-\d\d-\d\d\.csv"', answer.headers["Content-Disposition"])
    assert answer.text.startswith("\ufeff")
    head, *rows = csv.reader(io.StringIO(answer.text[1:], newline=""))
    assert head[:4] == ["Name", "Number", "Other numbers", "E-mail"]
    assert [row[0] for row in rows] == ["'=1+1", "Коваль"]
    assert rows[0][1:10] == [
        *("+380501234567", "+380671112233", "a@b.c", "Київ", "'-\nдва", "Ukrainian", "Hot", "", "Щербань Юрій"),
    ]
    narrowed = await admin.get("/leads/export.csv?status=2")
    assert [row[0] for row in csv.reader(io.StringIO(narrowed.text[1:]))][1:] == ["Коваль"]
    ukrainian = (await admin.get("/leads/export.csv", Accept_Language="uk")).text
    assert ukrainian.startswith("\ufeffНазва;") or ";" in ukrainian.splitlines()[0]


async def test_files_are_for_administrators(yurii: Visitor, app: web.Application, database: Database) -> None:
    for path in ("/leads/export.csv", "/imports", "/imports/preview", "/imports/1"):
        assert (await yurii.get(path)).status == 403, path
    assert (await Importer(yurii, app).send(b"Name,Number\nx,0501234567\n"))[0] == 403
    assert "export.csv" not in (await yurii.get("/leads")).text


async def test_a_file_needs_the_token_and_comes_from_our_page(importer: Importer) -> None:
    assert (await importer.send(b"Name,Number\n", csrf="x" * 43))[0] == 403
    broken = await importer.visitor.post_bytes(
        "/imports", b"--x\r\nnonsense", Content_Type="multipart/form-data; boundary=x"
    )
    assert broken.status in (400, 403)
    assert (await importer.visitor.post("/imports", {"kind": "leads"})).status == 422


@pytest.mark.parametrize("wrong", [["number", "email", "email"], ["name", "", "email"]])
async def test_columns_stay_as_they_were_chosen_when_one_is_wrong(importer: Importer, wrong: list[str]) -> None:
    await importer.send("a,b,c\nІван,0501234567,x@y.example\n".encode())
    answer = await importer.visitor.post("/imports/preview", {"column": wrong, "known": "update"})
    assert answer.status == 422
    assert re.findall(r'value="(\w+)" selected', answer.text) == [column for column in wrong if column]
    assert 'name="known" value="update" checked' in answer.text


@pytest.mark.parametrize(("encoding", "separator"), [("utf-8", ","), ("utf-8-sig", ";"), ("cp1251", ";")])
async def test_other_peoples_files_are_read(
    importer: Importer, database: Database, encoding: str, separator: str, company: Company
) -> None:
    head = separator.join(["ПІБ", "Телефон", "Телефон 2", "Ел. пошта", "Відповідальний", "Статус", "Щось"])
    row = separator.join(
        ['"Щербань, Ольга"', "050 123-45-67", "(067) 111 22 33", "o@b.ua", "марія коваленко", "Холодний", "x"]
    )
    assert (await importer.send(f"{head}\n{row}\n".encode(encoding)))[0] == 303
    assert await importer.columns() == ["name", "number", "number", "email", "responsible", "status", ""]
    await importer.run()
    lead = (await _leads(database))["+380501234567"]
    assert (lead.name, lead.named, lead.email, lead.status_id) == ("Щербань, Ольга", True, "o@b.ua", 3)
    assert (lead.responsible_id, lead.responsible_by_hand) == (company.maria, True)
    async with database.read() as session:
        card = await load_lead(session, lead.id, None)
    assert card.numbers == ("+380501234567", "+380671112233")
    found = await importer.visitor.get(f"/leads?q={quote('щербань')}")
    assert "Щербань, Ольга" in unescape(found.text)


async def test_known_leads_are_left_or_updated_as_chosen(importer: Importer, database: Database) -> None:
    known = await make_lead(database, EDIT)
    content = "Name;Number;E-mail\nІнша;0501234567;new@b.ua\n;0509999999;\n;0501234567;\n"
    assert counts_of(await importer.bring(content)) == [1, 0, 2, 0]
    assert (await _leads(database))["+380501234567"].name == "Щербань"
    assert counts_of(await importer.bring(content, known="update")) == [0, 1, 2, 0]
    async with database.read() as session:
        card = await load_lead(session, known, None)
    assert (card.name, card.email, card.version) == ("Інша", "new@b.ua", 2)
    unnamed = (await _leads(database))["+380509999999"]
    assert (unnamed.name, unnamed.named) == ("+380509999999", False)


async def test_an_import_that_changes_statuses_plans_no_more_a_day_than_the_cap(
    importer: Importer, database: Database, company: Company
) -> None:
    async with database.write() as session:
        await session.execute(update(PlanningSetting).values(daily_cap=2))
    numbers = [f"05012345{place:02}" for place in range(6)]
    for number in numbers[:5]:
        await make_lead(database, replace(EDIT, numbers=(number,), responsible_id=company.yurii))
    await make_lead(database, replace(EDIT, numbers=(numbers[5],), responsible_id=company.maria))
    rows = "".join(f"{number};Warm\n" for number in numbers)
    assert counts_of(await importer.bring(f"Number;Status\n{rows}", known="update")) == [0, 6, 0, 0]
    async with database.read() as session:
        days = list(await session.execute(select(PlannedCall.employee_id, PlannedCall.day)))
    load = Counter((employee, day.isoformat()) for employee, day in days)
    assert load == {
        (company.yurii, "2026-03-09"): 2,
        (company.yurii, "2026-03-10"): 2,
        (company.yurii, "2026-03-11"): 1,
        (company.maria, "2026-03-09"): 1,
    }


async def test_refused_rows_come_with_line_and_reason(importer: Importer, database: Database, company: Company) -> None:
    await make_lead(database, EDIT)
    await make_lead(database, LeadEdit("Друга", ("0502222222",), "", "", "", None, 1, None, None))
    edit = CounterpartyEdit("ТОВ «Ромашка»", "", "", "", "", None, None, ("0441234567",), ())
    await save_counterparty(database, None, 0, edit, by=None, clock=Clock(), region="UA")
    rows = [
        "Назва;Телефон;Email;Статус;Відповідальний",
        "Без номера;;;;",
        '"Два\nрядки";05o;;;',
        "Пошта;0503333333;не пошта;;",
        "Статус;0503333333;;Невідомий;",
        "Хто;0503333333;;;Ніхто",
        "Їхній;0441234567;;;",
        "",
        "Обидва;0501234567, 0502222222;;;",
        "=cmd;0504444444;;;",
        f"{'x' * 201};0503333333;;;",
    ]
    page = await importer.bring("\n".join(rows), known="update")
    assert counts_of(page) == [1, 0, 0, 8]
    async with database.read() as session:
        batch = await session.scalar(select(ImportBatch.id))
    refused = (await importer.visitor.get(f"/imports/{batch}/refused.csv")).text[1:]
    assert [row[0] for row in csv.reader(io.StringIO(refused))][1:] == ["2", "3", "5", "6", "7", "8", "10", "12"]
    for reason in (
        "A lead has at least one number.",
        "“05o” is no public telephone number.",
        "“не пошта” is no e-mail address.",
        "Status: there is no “Невідомий” here.",
        "Responsible: there is no “Ніхто” here.",
        "+380 44 123 4567 belongs to the counterparty ТОВ «Ромашка».",
        "Its numbers are on several open leads; merge these first.",
        "Name: at most 200 characters.",
    ):
        assert reason in page


async def test_a_refused_row_tells_all_that_is_wrong_with_it(importer: Importer) -> None:
    rows = (
        "Name,Number,E-mail,Status,Responsible,Created",
        f"{'x' * 201},0501,no mail,Luke,Nobody here,yesterday",
        "No number,,no mail,,,",
    )
    page = unescape(await importer.bring("\n".join(rows)))
    assert counts_of(page) == [0, 0, 0, 2]
    assert (
        "Name: at most 200 characters. “no mail” is no e-mail address. “0501” is no public telephone number. "
        "Status: there is no “Luke” here. Responsible: there is no “Nobody here” here. "
        "Created: “yesterday” is no time. Write it like 2026-12-31 18:00."
    ) in page
    assert "“no mail” is no e-mail address. A lead has at least one number." in page


async def test_our_own_numbers_make_no_leads(importer: Importer, database: Database, admin: Visitor) -> None:
    assert (await admin.post("/company/ignored", {"number": "0501234567", "note": ""})).status == 303
    page = await importer.bring(f"{HEAD}Ми;0501234567\r\n")
    assert counts_of(page) == [0, 0, 0, 1]
    assert "+380501234567 is one of our own or an ignored number" in page


async def test_a_preview_is_its_senders_alone(
    importer: Importer, app: web.Application, visitor: Callable[[], Visitor], database: Database
) -> None:
    assert (await importer.send(f"{HEAD}Таємна Особа;0501234567".encode()))[0] == 303
    assert "Таємна Особа" in (await importer.visitor.get("/imports/preview")).text
    async with database.write() as session:
        await session.execute(select(Lead))
    other = visitor()
    await other.sign_in("boss")
    assert (await other.get("/imports/preview")).status == 403
    upload = app[PANEL].imports.upload_of(10**6)
    assert upload is None
    answer = await importer.visitor.post("/imports/preview", {"do": "cancel"})
    assert answer.status == 303
    assert (await importer.visitor.get("/imports/preview")).location == "/imports"


async def test_a_file_is_forgotten_after_an_hour(importer: Importer, app: web.Application, clock: Clock) -> None:
    await importer.send(f"{HEAD}Особа;0501234567".encode())
    upload = next(iter(app[PANEL].imports._uploads.values()))
    assert upload.file.path.stat().st_mode & 0o077 == 0
    clock.move(minutes=61)
    assert (await importer.visitor.get("/imports/preview")).location == "/imports"
    assert not upload.file.path.exists()


BAD_FILES = [
    (b"PK\x03\x04rest", "no CSV file"),
    (codecs.BOM_UTF16_LE + "Name".encode("utf-16-le"), "no CSV file"),
    (b"", "must name the columns"),
    (b"\n\n\n", "must name the columns"),
    (b"sep=;\r\n", "must name the columns"),
    (b"a" * 300_000, "longer than any"),
    (b",".join([b"c"] * 101), "at most 100 columns"),
]


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_a_column_may_be_named_as_workbooks_begin(importer: Importer, database: Database) -> None:
    assert counts_of(await importer.bring("PK;Name;Number\r\n7;Ія;0501234567\r\n")) == [1, 0, 0, 0]


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_numbers_are_read_as_programs_and_address_books_write_them(
    importer: Importer, database: Database
) -> None:
    """As fractions, and with signs for the direction of writing, which nobody sees."""
    rows = "А;380501234567.0\r\nБ;\u202a+380671234567\u202c\r\nВ;050.123.45.00\r\n"
    assert counts_of(await importer.bring(f"{HEAD}{rows}")) == [3, 0, 0, 0]
    assert set(await _leads(database)) == {"+380501234567", "+380671234567", "+380501234500"}


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
async def test_files_are_long_however_their_lines_end(end: str) -> None:
    row = f"Лід;0501234567;{'про вікна ' * 20}"
    content = end.join(["Name;Number;Comment", *([row] * 1000), ""]).encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 65536):
            yield content[start : start + 65536]

    file = await csv_files.receive("a.csv", chunks())
    try:
        rows = csv_files.CsvRows(file)
        assert (file.header, sum(1 for _row in rows), rows.broken) == (("Name", "Number", "Comment"), 1000, None)
        rows.close()
    finally:
        file.remove()


@pytest.mark.parametrize(
    ("told", "separator"),
    [("sep=;", ";"), ("SEP=,", ","), ("sep=\t", "\t"), ('"sep=;"', ";"), ("\ufeffsep=|", "|"), ("sep=;\r", ";")],
)
async def test_a_first_line_that_names_the_separator_is_no_heading(told: str, separator: str) -> None:
    rows = "".join(f"{separator.join(cells)}\r\n" for cells in [("Name", "Number"), ("А,Б;В", "0501234567")])
    if separator in ",;":
        rows = rows.replace("А,Б;В", '"А,Б;В"')

    async def chunks() -> AsyncIterator[bytes]:
        yield f"{told}\r\n{rows}".replace("\r\r\n", "\r").encode()

    file = await csv_files.receive("a.csv", chunks())
    try:
        below = csv_files.CsvRows(file)
        assert (file.separator, file.header) == (separator, ("Name", "Number"))
        assert list(below) == [(3, ["А,Б;В", "0501234567"])]
        below.close()
    finally:
        file.remove()


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("content", "why"), BAD_FILES)
async def test_what_is_no_table_is_refused_at_once(importer: Importer, content: bytes, why: str) -> None:
    status, page = await importer.send(content)
    assert status == 422
    assert why in text_of(page)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_file_that_is_too_large_is_refused(importer: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "LARGEST_FILE", 1024 * 1024)
    status, page = await importer.send(b"Name;Number\n" + b"x;1\n" * 300_000)
    assert status == 422
    assert "at most 1 MB" in text_of(page)


async def test_an_open_quotation_mark_stops_the_import_where_it_is(importer: Importer, database: Database) -> None:
    content = f'{HEAD}Перша;0501234567\n"Друга;0502222222\n' + "Третя;0503333333\n" * 10_000
    page = await importer.bring(content)
    assert "Stopped" in page
    assert "3 – From here on the file is no CSV" in page
    assert set(await _leads(database)) == {"+380501234567"}


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_an_open_quotation_mark_near_the_end_is_told_too(importer: Importer, database: Database) -> None:
    page = await importer.bring(f'{HEAD}Перша;0501234567\n"Друга;0502222222\nТретя;0503333333\n')
    assert "3 – From here on the file is no CSV" in page
    assert set(await _leads(database)) == {"+380501234567"}


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_the_longest_comment_comes_back_line_by_line(importer: Importer, database: Database) -> None:
    comment = "\n".join("·" * 5000)
    await make_lead(database, replace(EDIT, comment=comment))
    await make_lead(database, replace(EDIT, name="Перший", numbers=("0502222222",)))
    content = (await importer.visitor.get("/leads/export.csv?sort=name")).text
    async with database.write() as session:
        await clear(session)
    assert counts_of(await importer.bring(content)) == [2, 0, 0, 0]
    assert (await _leads(database))["+380501234567"].comment == comment


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_row_of_a_whole_file_stops_the_import(importer: Importer, database: Database) -> None:
    page = await importer.bring(f"{HEAD}Перша;0501234567\nДруга;0502222222;" + '"\n";' * 20_000)
    assert "3 – From here on the file is no CSV" in page
    assert set(await _leads(database)) == {"+380501234567"}


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_preview_reads_only_the_beginning_and_lets_the_server_go_on(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    class Watched(csv_files.CsvRows):
        def __init__(self, *given: Any, **named: Any) -> None:
            threads.append(threading.current_thread())
            super().__init__(*given, **named)

    monkeypatch.setattr(imports, "CsvRows", Watched)
    await importer.send((f"{HEAD}Перша;0501234567\n" + ";\n" * 2000 + "Друга;0502222222\n").encode())
    page = (await importer.visitor.get("/imports/preview")).text
    assert "Перша" in page
    assert "Друга" not in page
    assert threading.main_thread() not in threads


async def test_a_double_click_imports_once(importer: Importer, database: Database) -> None:
    await importer.send(f"{HEAD}Перша;0501234567".encode())
    fields = {"column": await importer.columns(), "known": "skip"}
    answers = await asyncio.gather(*(importer.visitor.post("/imports/preview", fields) for _click in range(2)))
    await importer.app[PANEL].imports.wait()
    assert {answer.status for answer in answers} == {303}
    async with database.read() as session:
        (batch,) = await session.scalars(select(ImportBatch))
    assert (batch.state, batch.made, batch.refused) == (ImportState.DONE, 1, 0)


async def test_a_file_that_is_gone_stops_the_import(importer: Importer, database: Database) -> None:
    await importer.send(f"{HEAD}Перша;0501234567".encode())
    columns = await importer.columns()
    next(iter(importer.app[PANEL].imports._uploads.values())).file.remove()
    assert "Stopped" in text_of((await importer.visitor.get(await importer.run(columns=columns))).text)


async def test_columns_must_be_named(importer: Importer) -> None:
    await importer.send(b"A;B\nx;0501234567")
    assert await importer.columns() == ["", ""]
    post = importer.visitor.post
    answer = await post("/imports/preview", {"column": ["name", ""], "known": "skip"})
    assert answer.status == 422
    assert "Say which column is “Number”." in text_of(answer.text)
    assert 'value="name" selected' in answer.text
    answer = await post("/imports/preview", {"column": ["name", "name"], "known": "skip"})
    assert "Two columns cannot both be “Name”." in text_of(answer.text)
    for forged in (
        {"column": ["name"], "known": "skip"},
        {"column": ["x", "y"], "known": "skip"},
        {"column": ["number", ""]},
    ):
        assert (await post("/imports/preview", forged)).status == 400


async def test_who_leaves_while_a_file_is_imported_gets_no_more_of_it(
    importer: Importer, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leaves(_began: float) -> None:
        async with database.write() as session:
            await session.execute(update(Employee).where(Employee.id == company.yurii).values(active=False))

    await make_lead(database, replace(EDIT, numbers=("0501234569",)))
    monkeypatch.setattr(import_runner, "CHUNK", 1)
    monkeypatch.setattr(import_runner, "breathe", leaves)
    rows = "".join(f"Лід {place},050123456{place},Щербань Юрій\n" for place in (7, 8, 9))
    page = await importer.bring(f"Name,Number,Responsible\n{rows}", known="update")
    assert counts_of(page) == [1, 0, 0, 2]
    assert "Responsible: there is no “Щербань Юрій” here." in page
    assert "Responsible: not there any more." in page
