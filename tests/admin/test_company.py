"""Setting the company up: employees, phones, groups, our numbers, ignored numbers."""

from typing import Any

import pytest
from sqlalchemy import select

from leads.domain.directory import DisplayMode, Role
from leads.store import company as store
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.models import Did, Extension, PanelSession, RingGroup
from tests.admin.conftest import PASSWORD, Clock, Company, Visitor

NEW: dict[str, Any] = {
    "version": "1",
    "name": "Ірина",
    "login": "Iryna",
    "password": PASSWORD,
    "role": "employee",
    "active": "1",
    "ring_seconds": "15",
    "phone_number": ["105", "106"],
    "phone_endpoint": ["PJSIP/105", "SIP/106-a.b"],
    "phone_mode": ["utf8", "off"],
    "phone_length": ["12", "24"],
    "mobile": ["067 111 22 33"],
}


async def test_a_new_employee_can_sign_in_and_is_routed_to(
    admin: Visitor, directory: DirectoryCache, visitor: Any
) -> None:
    answer = await admin.post("/company/employees/new", NEW)
    assert answer.status == 303, answer.text
    page = await admin.get(answer.location)
    assert "Saved." in page.text
    assert "Saved." not in (await admin.get(answer.location)).text
    phone = directory.current.extensions["105"]
    assert (phone.endpoint, phone.display_mode, phone.display_length) == ("PJSIP/105", DisplayMode.UTF8, 12)
    employee = directory.current.employees[phone.employee_id or 0]
    assert (employee.name, employee.ring_seconds, employee.mobiles) == ("Ірина", 15, ("+380671112233",))
    assert (await visitor().sign_in("iryna")).status == 303


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": " "}, "Fill this in."),
        ({"name": "a\tb"}, "Line breaks and tabs do not belong here."),
        ({"login": "y u"}, "Latin letters, digits"),
        ({"login": "yurii"}, "Щербань Юрій has this login."),
        ({"password": ""}, "With a login goes a password."),
        ({"password": "short"}, "From 10 to 200 characters."),
        ({"ring_seconds": "4"}, "A whole number from 5 to 300."),
        ({"phone_number": ["1", "106"]}, "“1”: a phone&#39;s number has 2 to 8 digits."),
        ({"phone_number": ["105", "105"]}, "“105” is entered twice."),
        ({"phone_number": ["101", "106"]}, "“101” is Щербань Юрій&#39;s."),
        ({"phone_endpoint": ["PJSIP/105&PJSIP/1", "SIP/106"]}, "write the endpoint as Asterisk names it"),
        ({"phone_endpoint": ["Local/105", "SIP/106"]}, "write the endpoint as Asterisk names it"),
        ({"phone_endpoint": ["PJSIP/102", "SIP/106"]}, "“PJSIP/102” is Марія Коваленко&#39;s."),
        ({"phone_length": ["3", "24"]}, "A whole number from 4 to 80."),
        ({"mobile": ["101"]}, "Not a public telephone number."),
        ({"mobile": ["0671112233", "+380671112233"]}, "“+380671112233” is entered twice."),
    ],
)
async def test_a_mistake_is_told_beside_what_was_typed(admin: Visitor, changed: dict[str, Any], message: str) -> None:
    answer = await admin.post("/company/employees/new", NEW | changed)
    assert answer.status == 422
    assert message in answer.text
    assert 'value="15"' in answer.text or "ring_seconds" in changed
    assert PASSWORD not in answer.text


def _edit(**changed: Any) -> store.EmployeeEdit:
    values: dict[str, Any] = {
        "name": "Щербань Юрій",
        "login": "yurii",
        "password_hash": None,
        "role": Role.EMPLOYEE,
        "active": True,
        "ring_seconds": 20,
        "call_waiting": False,
        "may_listen": False,
        "may_export": False,
        "phones": (store.PhoneEdit("101", "PJSIP/101", DisplayMode.LATIN, 24),),
        "mobiles": (),
    }
    return store.EmployeeEdit(**(values | changed))


async def _phones(database: Database) -> dict[str, tuple[str, int | None, int]]:
    async with database.read() as session:
        return {one.number: (one.endpoint, one.employee_id, one.id) for one in await session.scalars(select(Extension))}


async def test_phones_keep_their_groups_whatever_is_renamed_swapped_or_let_go(
    database: Database, company: Company, clock: Clock
) -> None:
    async def save(version: int, *phones: tuple[str, str]) -> None:
        edits = tuple(store.PhoneEdit(number, endpoint, DisplayMode.LATIN, 24) for number, endpoint in phones)
        async with database.write() as session:
            await store.save_employee(session, company.yurii, version, _edit(phones=edits), clock())

    await save(1, ("101", "PJSIP/101"), ("108", "PJSIP/108"))
    key_108 = (await _phones(database))["108"][2]
    await save(2, ("101", "PJSIP/108"), ("108", "PJSIP/101"))
    phones = await _phones(database)
    assert phones["101"] == ("PJSIP/108", company.yurii, company.phone_101)
    assert phones["108"] == ("PJSIP/101", company.yurii, key_108)
    await save(3, ("109", "PJSIP/108"))
    phones = await _phones(database)
    assert phones["109"] == ("PJSIP/108", company.yurii, company.phone_101)
    assert phones["108"] == ("PJSIP/101", None, key_108)
    await save(4, ("108", "PJSIP/101"))
    phones = await _phones(database)
    assert phones["108"][1:] == (company.yurii, key_108)
    assert phones["109"][1] is None
    async with database.read() as session:
        group = await store.find_group(session, company.sales)
        assert group is not None
        assert [member.extension.number for member in group.members] == ["109", "103"]


async def test_a_phone_without_owner_can_be_removed_but_not_somebodys(
    admin: Visitor, database: Database, company: Company, clock: Clock
) -> None:
    async with database.write() as session:
        await store.save_employee(session, company.yurii, 1, _edit(phones=()), clock())
    assert "Phones without an owner" in (await admin.get("/company/employees")).text
    await admin.post(f"/company/phones/{company.phone_101}/remove")
    await admin.post(f"/company/phones/{company.phone_102}/remove")
    assert set(await _phones(database)) == {"102", "103"}


async def test_the_second_of_two_who_save_one_employee_is_told(
    admin: Visitor, database: Database, company: Company, clock: Clock
) -> None:
    path = f"/company/employees/{company.yurii}"
    await admin.get(path)
    async with database.write() as session:
        await store.save_employee(session, company.yurii, 1, _edit(name="Щербань Ю.", role=Role.SUPERVISOR), clock())
    mine = {
        "version": "1",
        "name": "Юрій Щербань",
        "login": "yurii",
        "role": "employee",
        "active": "1",
        "ring_seconds": "33",
        "phone_number": "101",
        "phone_endpoint": "PJSIP/101",
        "phone_mode": "latin",
        "phone_length": "24",
    }
    answer = await admin.post(path, mine)
    assert answer.status == 409
    assert "Somebody else saved this meanwhile." in answer.text
    assert 'value="Юрій Щербань"' in answer.text
    assert "<q>Щербань Ю.</q>" in answer.text
    assert "<q>Supervisor</q>" in answer.text
    assert 'name="version" value="2"' in answer.text
    async with database.read() as session:
        employee = await store.find_employee(session, company.yurii)
        assert employee is not None
        assert (employee.name, employee.ring_seconds) == ("Щербань Ю.", 20)
    assert (await admin.post(path, mine | {"version": "2"})).status == 303


async def test_a_right_that_somebody_took_away_is_not_given_back_unseen(admin: Visitor, company: Company) -> None:
    path = f"/company/employees/{company.maria}"
    page = (await admin.get(path)).text
    fields = {
        "version": "1",
        "name": "Марія Коваленко",
        "login": "maria",
        "role": "employee",
        "active": "1",
        "ring_seconds": "20",
        "phone_number": "102",
        "phone_endpoint": "PJSIP/102",
        "phone_mode": "utf8",
        "phone_length": "24",
    }
    assert 'name="version" value="1"' in page
    assert (await admin.post(path, fields | {"may_export": "1"})).status == 303
    assert (await admin.post(path, fields | {"version": "2"})).status == 303
    late = await admin.post(path, fields | {"version": "2", "may_export": "1"})
    assert late.status == 409
    assert "<q>without a tick</q>" in late.text
    same = await admin.post(path, fields | {"version": "2", "password": PASSWORD})
    assert same.status == 409
    assert "Somebody else saved this meanwhile." in same.text


async def test_a_change_of_phones_alone_counts_as_a_save(database: Database, company: Company, clock: Clock) -> None:
    async with database.write() as session:
        await store.save_employee(session, company.yurii, 1, _edit(phones=()), clock())
    with pytest.raises(store.SavedMeanwhileError):
        async with database.write() as session:
            await store.save_employee(session, company.yurii, 1, _edit(), clock())


async def test_deactivating_and_a_new_password_end_sessions(
    yurii: Visitor, admin: Visitor, database: Database, company: Company, clock: Clock
) -> None:
    async def sessions() -> int:
        async with database.read() as session:
            kept = await session.scalars(select(PanelSession).where(PanelSession.employee_id == company.yurii))
            return len(kept.all())

    assert await sessions() == 1
    async with database.write() as session:
        await store.save_employee(session, company.yurii, 1, _edit(password_hash="x"), clock())
    assert await sessions() == 0
    fields = {"version": "2", "name": "Ю", "login": "yurii", "role": "employee", "ring_seconds": "20"}
    assert (await admin.post(f"/company/employees/{company.yurii}", fields)).status == 303
    assert (await yurii.get("/live")).status == 303


@pytest.mark.parametrize("changed", [{"role": "employee"}, {"login": ""}])
async def test_the_last_administrator_cannot_lock_everybody_out(
    admin: Visitor, company: Company, changed: dict[str, str]
) -> None:
    fields = {"version": "1", "name": "О", "login": "admin", "role": "admin", "active": "1", "ring_seconds": "20"}
    answer = await admin.post(f"/company/employees/{company.admin}", fields | changed)
    assert answer.status == 422
    assert "Somebody must remain" in answer.text
    assert (await admin.get("/company/employees")).status == 200


async def test_groups_ring_their_phones_in_order(
    admin: Visitor, directory: DirectoryCache, database: Database, company: Company
) -> None:
    members = [str(company.phone_102), "", str(company.phone_101), str(company.phone_102)]
    fields = {"version": "1", "name": "Support", "ring_seconds": "30", "member": members}
    answer = await admin.post("/company/groups/new", fields)
    assert answer.status == 303
    group_id = int(answer.location.rpartition("/")[2])
    group = directory.current.groups[group_id]
    assert [phone.number for phone in group.extensions] == ["102", "101"]
    path = f"/company/groups/{group_id}"
    assert (await admin.post(path, fields | {"member": [str(company.phone_101)]})).status == 303
    conflict = await admin.post(path, fields)
    assert conflict.status == 409
    assert "<q>101 · Щербань Юрій</q>" in conflict.text
    assert (await admin.post("/company/groups/new", fields)).status == 422
    assert (await admin.post("/company/groups/new", fields | {"name": "X", "member": "12345"})).status == 422
    assert (await admin.post(f"{path}/remove", {"version": "1"})).status == 409
    assert (await admin.post(f"{path}/remove", {"version": "2"})).location == "/company/groups"
    assert group_id not in directory.current.groups
    async with database.read() as session:
        assert [one.name for one in await session.scalars(select(RingGroup))] == ["Sales"]


async def test_our_numbers_are_typed_in_any_writing_and_routed(
    admin: Visitor, directory: DirectoryCache, database: Database, company: Company
) -> None:
    fields = {
        "version": "1",
        "number": "(044) 123-45-67",
        "label": "Сайт",
        "group_id": str(company.sales),
        "queue": "",
        "queue_seconds": "60",
        "default_extension_id": str(company.phone_102),
        "responsible_id": str(company.maria),
    }
    answer = await admin.post("/company/numbers/new", fields)
    assert answer.status == 303
    did = directory.current.dids["+380441234567"]
    assert (did.group_id, did.default_extension, did.responsible_id) == (company.sales, "102", company.maria)
    assert (await admin.post("/company/numbers/new", fields | {"number": "+380441234567"})).status == 422
    path = answer.location
    both = await admin.post(path, fields | {"queue": "sales"})
    assert both.status == 422
    assert "Either a group or a queue, not both." in both.text
    assert (await admin.post(path, fields | {"queue": "a,b", "group_id": ""})).status == 422
    assert (await admin.post(path, fields | {"queue": "sales", "group_id": ""})).status == 303
    assert directory.current.dids["+380441234567"].queue == "sales"
    conflict = await admin.post(path, fields)
    assert conflict.status == 409
    assert "<q>sales</q>" in conflict.text
    assert (await admin.post(path, fields | {"version": "2", "responsible_id": "12345"})).status == 422
    assert (await admin.post(f"{path}/remove", {"version": "2"})).status == 303
    assert directory.current.dids == {}
    async with database.read() as session:
        assert (await session.scalars(select(Did))).all() == []


async def test_ignored_numbers_come_and_go(admin: Visitor, directory: DirectoryCache) -> None:
    assert (await admin.post("/company/ignored", {"number": "067 111 22 33", "note": "<b>courier</b>"})).status == 303
    assert directory.current.ignored == {"+380671112233"}
    page = await admin.get("/company/ignored")
    assert "&lt;b&gt;courier&lt;/b&gt;" in page.text
    assert (await admin.post("/company/ignored", {"number": "067 111 22 33", "note": "again"})).status == 303
    assert (await admin.post("/company/ignored", {"number": "101", "note": ""})).status == 422
    assert (await admin.post("/company/ignored/remove", {"number": "+380671112233"})).status == 303
    assert directory.current.ignored == frozenset()


async def test_lists_are_in_the_order_of_the_alphabet(database: Database, company: Company, clock: Clock) -> None:
    async with database.write() as session:
        for name in ("Ярема", "Іван", "Ґалаґан", "Зоя"):
            await store.save_employee(session, None, 1, _edit(name=name, login=None, phones=()), clock())
    async with database.read() as session:
        names = [one.name for one in await store.employees(session)]
    assert names == ["Big Boss", "Ґалаґан", "Зоя", "Іван", "Марія Коваленко", "Олена", "Щербань Юрій", "Ярема"]


async def test_an_empty_page_leads_on(admin: Visitor) -> None:
    for path, link in (
        ("/live", "/company/route"),
        ("/day", "/leads"),
        ("/plans", "/leads"),
        ("/handovers", "/leads"),
        ("/company/numbers", "/company/numbers/new"),
    ):
        empty = (await admin.get(path)).text.partition('class="empty"')[2]
        assert f'class="button" href="{link}"' in empty, path
