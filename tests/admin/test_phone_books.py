"""Phone books of desk phones: opened by a key, of what the owner may see, in the letters of the display (C14)."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiohttp import web
from sqlalchemy import select, text

from leadline.server import _phone_names
from leads.admin import downloads, phone_books
from leads.admin.context import PANEL
from leads.admin.phone_book_formats import Line, cisco, grandstream, vcards, yealink
from leads.domain.directory import DisplayMode, Role
from leads.store.company import EmployeeEdit, PhoneEdit, save_employee
from leads.store.counterparty_card import CounterpartyEdit, PersonEdit, save_counterparty
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead
from leads.store.models import Employee, Extension
from leads.store.phone_book_tables import PhoneBookKey
from tests.admin.conftest import Clock, Company, Visitor
from tests.admin.downloading import download

EVIL = Line('A & <b> "c"', ("+380501234567", "+380671112233"), "Клен; Ко, \\ТОВ")


@pytest.fixture
def app(app: web.Application) -> web.Application:
    """A panel that writes names as a real server does."""
    panel = app[PANEL]
    names = _phone_names(SimpleNamespace(name_language="uk"))  # type: ignore[arg-type]
    app[PANEL] = replace(panel, phone_books=replace(panel.phone_books, names=names))
    return app


async def _fill(database: Database, company: Company) -> None:
    people = (("Щербань Юрій", "0501111111", company.yurii), ("Згурська Ганна", "0502222222", company.maria))
    for name, number, responsible in people:
        edit = LeadEdit(name, (number,), "", "", "", None, 1, responsible, None)
        await create_lead(database, edit, by=None, clock=Clock(), region="UA")
    unnamed = LeadEdit("", ("0503333333",), "", "", "", None, 1, company.yurii, None)
    await create_lead(database, unnamed, by=None, clock=Clock(), region="UA")
    person = PersonEdit(None, "Олена Ребрик", "", None, None, ("0671112233",))
    firm = CounterpartyEdit("ТОВ «Ґава»", "", "", "", "", None, company.yurii, ("0441234567",), (person,))
    await save_counterparty(database, None, 0, firm, by=None, clock=Clock(), region="UA")


async def _key(visitor: Visitor, phone: int) -> str:
    """A new key for a phone, as its page shows it."""
    await visitor.get("/phone-book")
    page = await visitor.post(f"/phone-book/{phone}/key")
    found = re.search(r"/phonebook/([0-9a-f]{32})/yealink\.xml", page.text)
    assert found, page.text
    return found[1]


def _names(xml: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(xml).iter() if element.tag in ("Name", "LastName")]


async def test_a_phone_gets_what_its_owner_may_see_in_its_letters(
    yurii: Visitor, visitor: Callable[[], Visitor], database: Database, company: Company
) -> None:
    await _fill(database, company)
    key = await _key(yurii, company.phone_101)
    phone = visitor()
    answer = await phone.get(f"/phonebook/{key}/yealink.xml")
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert _names(answer.text) == ["TOV Gava", "Olena Rebryk", "Shcherban Yurii"]
    assert "+380501111111" in answer.text
    assert "+380502222222" not in answer.text
    found = await phone.get(f"/phonebook/{key}/yealink.xml?q=0501111111")
    assert _names(found.text) == ["Shcherban Yurii"]
    vcf = (await phone.get(f"/phonebook/{key}/contacts.vcf")).text
    assert "FN:Olena Rebryk\r\nORG:TOV Gava\r\nTEL;TYPE=WORK,VOICE:+380671112233\r\n" in vcf
    assert _names((await phone.get(f"/phonebook/{key}/phonebook.xml")).text)[-1] == "Shcherban Yurii"
    cisco_names = _names((await phone.get(f"/phonebook/{key}/cisco.xml")).text)
    assert cisco_names == ["TOV Gava", "Olena Rebryk", "Shcherban Yurii", "Dial", "Exit"]


async def test_each_phone_has_its_own_form_and_scope(
    admin: Visitor, visitor: Callable[[], Visitor], database: Database, company: Company
) -> None:
    await _fill(database, company)
    key = await _key(admin, company.phone_102)
    answer = await visitor().get(f"/phonebook/{key}/yealink.xml")
    assert _names(answer.text) == ["Згурська Ганна"]


async def test_only_a_hash_of_a_key_is_kept(yurii: Visitor, database: Database, company: Company) -> None:
    key = await _key(yurii, company.phone_101)
    async with database.read() as session:
        kept = await session.scalar(select(PhoneBookKey.key_hash))
    assert kept is not None
    assert len(kept) == 64
    assert key not in kept
    assert key not in (await yurii.get("/phone-book")).text


async def test_a_key_ends_with_a_new_one_a_revocation_and_its_owner(
    yurii: Visitor, visitor: Callable[[], Visitor], database: Database, company: Company
) -> None:
    phone = visitor()

    async def opens(key: str) -> bool:
        status = (await phone.get(f"/phonebook/{key}/yealink.xml")).status
        assert status in (200, 404)
        return status == 200

    first = await _key(yurii, company.phone_101)
    second = await _key(yurii, company.phone_101)
    assert (await opens(first), await opens(second)) == (False, True)
    assert (await yurii.post(f"/phone-book/{company.phone_101}/revoke")).status == 303
    assert not await opens(second)
    third = await _key(yurii, company.phone_101)
    assert await opens(third)
    async with database.write() as session:
        (await session.get_one(Employee, company.yurii)).active = False
    assert not await opens(third)


async def test_a_key_ends_when_its_phone_goes_to_somebody_else(
    yurii: Visitor, visitor: Callable[[], Visitor], database: Database, company: Company
) -> None:
    key, phone = await _key(yurii, company.phone_101), PhoneEdit("101", "PJSIP/101", DisplayMode.LATIN, 24)
    rights = (Role.EMPLOYEE, True, 20, False, False, False)
    statuses = []
    for employee, login, phones in (
        (company.yurii, "yurii", (phone,)),
        (company.yurii, "yurii", ()),
        (company.maria, "maria", (phone,)),
    ):
        async with database.write() as session:
            version = (await session.get_one(Employee, employee)).version
            await save_employee(
                session, employee, version, EmployeeEdit(login, login, None, *rights, phones, ()), Clock()()
            )
        statuses.append((await visitor().get(f"/phonebook/{key}/yealink.xml")).status)
    assert statuses == [200, 404, 404]


async def test_nobody_makes_keys_for_phones_of_others(
    yurii: Visitor, visitor: Callable[[], Visitor], company: Company
) -> None:
    assert (await yurii.post(f"/phone-book/{company.phone_102}/key")).status == 404
    assert (await yurii.post(f"/phone-book/{company.phone_102}/revoke")).status == 404
    page = unescape((await yurii.get("/phone-book")).text)
    assert "Марія Коваленко" not in page


async def test_a_phone_is_never_asked_to_sign_in(
    yurii: Visitor, visitor: Callable[[], Visitor], company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, phone = await _key(yurii, company.phone_101), visitor()
    unknown, cut, beyond = f"{'0' * 32}/yealink.xml", f"{key[:-1]}/cisco.xml", f"{key}/100/phonebook.xml"
    for path in ("1/yealink.xml", unknown, cut, f"{key}/x.xml", beyond):
        answer = await phone.get(f"/phonebook/{path}")
        assert (answer.status, "Set-Cookie" in answer.headers) == (404, False)
    assert "Set-Cookie" not in (await phone.get(f"/phonebook/{key}/yealink.xml")).headers
    monkeypatch.setattr(phone_books, "FETCHES", 1)
    assert (await phone.get(f"/phonebook/{key}/yealink.xml")).headers["Retry-After"] == "2"


async def test_long_books_come_in_parts(
    *,
    yurii: Visitor,
    visitor: Callable[[], Visitor],
    database: Database,
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await _fill(database, company)
    for place in range(5):
        edit = LeadEdit(f"Ліс {place}", (f"050444444{place}",), "", "", "", None, 1, company.yurii, None)
        await create_lead(database, edit, by=None, clock=Clock(), region="UA")
    monkeypatch.setattr(phone_books, "ENTRIES", dict.fromkeys(phone_books.ENTRIES, 2))
    key = await _key(yurii, company.phone_101)
    phone = visitor()
    wanted = ["TOV Gava", "Olena Rebryk", *(f"Lis {place}" for place in range(5)), "Shcherban Yurii"]

    menu = ET.fromstring((await phone.get(f"/phonebook/{key}/yealink.xml")).text)
    assert [name.text for name in menu.iter("Name")] == ["TOV Gava …", "Lis 0 …", "Lis 2 …", "Lis 4 …"]
    parts = [item.findtext("URL", "").removeprefix(phone.base) for item in menu.iter("MenuItem")]
    assert [name for part in parts for name in _names((await phone.get(part)).text)] == wanted

    read, path = [], f"/phonebook/{key}/cisco.xml"
    while path:
        page = ET.fromstring((await phone.get(path)).text)
        read += [entry.findtext("Name") for entry in page.iter("DirectoryEntry")]
        links = [key.findtext("URL", "") for key in page.iter("SoftKeyItem") if key.findtext("Name") == "Next"]
        path = links[0].removeprefix(phone.base) if links else ""
    assert read == wanted

    numbered = [(await phone.get(f"/phonebook/{key}/{place}/phonebook.xml")).text for place in range(1, 6)]
    assert [name for part in numbered for name in _names(part)] == wanted
    vcf = (await phone.get(f"/phonebook/{key}/contacts.vcf")).text
    assert re.findall(r"FN:(.*)\r", vcf) == wanted


async def test_a_ciscos_directories_get_a_menu_that_leads_to_the_book(
    yurii: Visitor, visitor: Callable[[], Visitor], database: Database, company: Company
) -> None:
    await _fill(database, company)
    key, phone = await _key(yurii, company.phone_101), visitor()
    menu = ET.fromstring((await phone.get(f"/phonebook/{key}/cisco-menu.xml")).text)
    assert menu.tag == "CiscoIPPhoneMenu"
    (path,) = [item.findtext("URL", "").removeprefix(phone.base) for item in menu.iter("MenuItem")]
    assert ET.fromstring((await phone.get(path)).text).tag == "CiscoIPPhoneDirectory"
    assert (await phone.get(f"/phonebook/{key[::-1]}/cisco-menu.xml")).status == 404


async def test_a_cisco_gets_each_number_by_itself_and_32_at_most(
    yurii: Visitor, visitor: Callable[[], Visitor], database: Database, company: Company
) -> None:
    for place in range(20):
        numbers = (f"+3805044444{place:02}", f"+3805055555{place:02}")
        edit = LeadEdit(f"Ліс {place:02}", numbers, "", "", "", None, 1, company.yurii, None)
        await create_lead(database, edit, by=None, clock=Clock(), region="UA")
    key, phone = await _key(yurii, company.phone_101), visitor()
    first = ET.fromstring((await phone.get(f"/phonebook/{key}/cisco.xml")).text)
    entries = [[each.text for each in entry] for entry in first.iter("DirectoryEntry")]
    assert len(entries) == 32
    assert entries[:3] == [["Lis 00", "+380504444400"], ["Lis 00", "+380505555500"], ["Lis 01", "+380504444401"]]
    following = next(item.findtext("URL", "") for item in first.iter("SoftKeyItem") if item.findtext("Name") == "Next")
    rest = ET.fromstring((await phone.get(following.removeprefix(phone.base))).text)
    assert [each.text for each in rest.iter("Telephone")][::7] == ["+380504444416", "+380505555519"]


async def test_guessing_and_hurrying_are_slowed_down(
    yurii: Visitor, visitor: Callable[[], Visitor], company: Company, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await _key(yurii, company.phone_101)
    monkeypatch.setattr(phone_books, "FETCHES", 3)
    phone = visitor()
    path = f"/phonebook/{key}/yealink.xml"
    assert [(await phone.get(path)).status for _ in range(4)] == [200, 200, 200, 429]
    clock.move(seconds=1)
    assert (await phone.get(path)).status == 200
    said = [(await phone.get(f"/phonebook/{place:032x}/yealink.xml")).status for place in range(22)]
    assert said == [404] * 20 + [429] * 2
    clock.move(seconds=16)
    assert (await phone.get(path)).status == 200


async def test_phones_are_not_slowed_down_by_one_that_asks_on_with_an_old_key(
    admin: Visitor, yurii: Visitor, visitor: Callable[[], Visitor], company: Company, clock: Clock
) -> None:
    old = await _key(yurii, company.phone_101)
    new, other = await _key(yurii, company.phone_101), await _key(admin, company.phone_102)
    office = visitor()
    for _minute in range(600):
        clock.move(minutes=1)
        assert (await office.get(f"/phonebook/{old}/yealink.xml")).status in (404, 429)
    for key in (new, other):
        assert (await office.get(f"/phonebook/{key}/yealink.xml")).status == 200


async def test_a_key_that_opened_its_book_is_not_slowed_down_by_who_guesses_beside_it(
    yurii: Visitor, visitor: Callable[[], Visitor], company: Company
) -> None:
    key, office = await _key(yurii, company.phone_101), visitor()
    assert (await office.get(f"/phonebook/{key}/yealink.xml")).status == 200
    said = [(await office.get(f"/phonebook/{place:032x}/yealink.xml")).status for place in range(30)]
    assert said[-1] == 429
    assert (await office.get(f"/phonebook/{key}/yealink.xml")).status == 200
    assert (await yurii.post(f"/phone-book/{company.phone_101}/revoke")).status == 303
    assert [(await office.get(f"/phonebook/{key}/yealink.xml")).status for _ in range(2)] == [404, 429]


@pytest.mark.parametrize("ends", ["revoked", "moved", None])
async def test_a_book_goes_on_only_while_its_key_opens_it(
    *,
    yurii: Visitor,
    visitor: Callable[[], Visitor],
    database: Database,
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
    ends: str | None,
) -> None:
    await _fill(database, company)
    key = await _key(yurii, company.phone_101)
    monkeypatch.setattr(downloads, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(phone_books, "ENTRIES", phone_books.ENTRIES | {"vcard": 1})
    read = phone_books.read_book

    async def read_book(*args: Any, **named: Any) -> Any:
        if args[3] is not None and ends == "revoked":
            await yurii.post(f"/phone-book/{company.phone_101}/revoke")
        elif args[3] is not None and ends == "moved":
            async with database.write() as session:
                phone = await session.get_one(Extension, company.phone_101)
                phone.employee_id = company.maria
        return await read(*args, **named)

    monkeypatch.setattr(phone_books, "read_book", read_book)
    taken = await download(visitor(), f"/phonebook/{key}/contacts.vcf", whole=ends is None)
    assert (b"Shcherban" in taken) is (ends is None)


async def test_no_key_gets_into_the_log(
    yurii: Visitor, visitor: Callable[[], Visitor], database: Database, company: Company
) -> None:
    key = await _key(yurii, company.phone_101)
    async with database.write() as session:
        await session.execute(text("ALTER TABLE phone_book_key RENAME TO gone"))
    with structlog.testing.capture_logs() as logs:
        assert (await visitor().get(f"/phonebook/{key}/yealink.xml")).status == 503
    assert [one["path"] for one in logs] == ["/phonebook/…/yealink.xml"]
    assert key not in str(logs).replace(str(logs[0].get("error")), "")


def test_a_grandstreams_contact_has_one_number_of_each_type() -> None:
    numbers = tuple(f"+38050111111{place}" for place in range(5))
    book = ET.fromstring(grandstream([Line("Клен", numbers), Line("Ясен", numbers[:1])]))
    contacts = [
        (one.findtext("LastName"), [(phone.get("type"), phone.findtext("phonenumber")) for phone in one.iter("Phone")])
        for one in book.iter("Contact")
    ]
    assert contacts == [
        ("Клен", [("Work", numbers[0]), ("Home", numbers[1]), ("Mobile", numbers[2])]),
        ("Клен", [("Work", numbers[3]), ("Home", numbers[4])]),
        ("Ясен", [("Work", numbers[0])]),
    ]
    assert [one.findtext("id") for one in book.iter("Contact")] == ["1", "2", "3"]


def test_names_cannot_break_out_of_a_format() -> None:
    for xml in (yealink([EVIL]), grandstream([EVIL]), cisco([EVIL], "http://x/?a=1&b=<2>", ("Dial", "Next", "Exit"))):
        assert EVIL.name in _names(xml)
        assert [
            one.text for one in ET.fromstring(xml).iter() if one.tag.lower() in ("telephone", "phonenumber")
        ] == list(EVIL.numbers)
    card = vcards([EVIL])
    assert "ORG:Клен\\; Ко\\, \\\\ТОВ\r\n" in card
    long = vcards([Line("Ї" * 100, ("+380501234567",))])
    assert all(len(line.encode()) <= 75 for line in long.split("\r\n"))
    assert f"FN:{'Ї' * 100}" in long.replace("\r\n ", "")
