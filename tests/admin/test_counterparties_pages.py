"""The pages of counterparties, with and without scripts in the browser."""

import re

import pytest

from tests.admin.conftest import Company, Visitor
from tests.admin.test_leads_pages import FIELDS as LEAD
from tests.admin.test_leads_pages import _make, _text, _version

PERSON: dict[str, str] = {
    "person_id": "",
    "person_name": "Ольга",
    "person_email": "",
    "person_language": "",
    "person_responsible": "",
    "person_numbers": "067 111 22 33\n0671112244",
}
FIELDS: dict[str, object] = {
    "name": "ТОВ «Ромашка»",
    "number": ["044 123 45 67"],
    "folder": "Клієнти",
    "email": "",
    "address": "",
    "comment": "",
    "language": "",
    "responsible_id": "",
}


def _persons(*persons: dict[str, str]) -> dict[str, object]:
    return {column: [person[column] for person in persons] for column in PERSON}


async def _create(visitor: Visitor, *persons: dict[str, str], **fields: object) -> str:
    answer = await visitor.post("/counterparties", {**FIELDS, **_persons(*persons), **fields})
    assert answer.status == 303, _text(answer.text)
    return answer.location


def _ids(html: str) -> list[str]:
    shown = re.sub(r"<template>.*?</template>", "", html, flags=re.DOTALL)
    return re.findall(r'name="person_id" value="(\d*)"', shown)


async def test_a_counterparty_with_persons_is_made_found_and_edited(admin: Visitor) -> None:
    assert "No counterparties yet" in _text((await admin.get("/counterparties")).text)
    card = await _create(admin, PERSON)
    page = await admin.get(card)
    assert "+380 67 111 2244" in page.text
    for query in ("q=%D0%BE%D0%BB%D1%8C%D0%B3%D0%B0", "q=112233", "folder=%D0%9A%D0%BB%D1%96%D1%94%D0%BD%D1%82%D0%B8"):
        assert "ТОВ «Ромашка»" in _text((await admin.get(f"/counterparties?{query}")).text)
    (identity,) = _ids(page.text)
    kept = {**PERSON, "person_id": identity, "person_name": "Ольга Директор"}
    more = {**PERSON, "person_name": "Ія", "person_numbers": ""}
    saved = await admin.post(card, {**FIELDS, **_persons(kept, more), "version": _version(page.text)})
    assert saved.status == 303
    page = await admin.get(card)
    assert _ids(page.text)[0] == identity
    assert 'value="Ія"' in page.text


async def test_persons_come_and_go_without_scripts(admin: Visitor) -> None:
    card = await _create(admin)
    version = _version((await admin.get(card)).text)
    typed = {**FIELDS, "comment": "не загубити", "version": version}
    more = await admin.post(card, {**typed, "do": "add"})
    assert (more.status, _ids(more.text)) == (200, [""])
    assert "не загубити" in more.text
    less = await admin.post(card, {**typed, **_persons(PERSON, {**PERSON, "person_name": "Ія"}), "do": "remove-0"})
    assert _ids(less.text) == [""]
    assert 'value="Ія"' in less.text
    assert _ids((await admin.get(card)).text) == []
    for forged in ("x", "remove-9", "remove-x"):
        assert (await admin.post(card, {**typed, **_persons(PERSON), "do": forged})).status == 400


async def test_a_lead_with_the_number_is_asked_about_and_closed_and_the_page_says_so(
    admin: Visitor, yurii: Visitor, company: Company
) -> None:
    lead = await _make(admin, name="Колишній лід", number=["0441234567"])
    asked = await admin.post("/counterparties", {**FIELDS, "comment": "не загубити"})
    assert (asked.status, "Leads have these numbers" in asked.text, "не загубити" in asked.text) == (422, True, True)
    identity = lead.rpartition("/")[2]
    assert f'name="close_lead" value="{identity}" checked' in asked.text
    card = await _create(admin, asked_lead=identity, close_lead=identity, responsible_id=company.yurii)
    assert "A lead had this number and is closed now: Колишній лід." in _text((await admin.get(card)).text)
    closed = await admin.get(lead)
    assert "This lead is closed" in _text(closed.text)
    assert f'href="{card}"' in closed.text
    assert f'href="{lead}"' in (await admin.get(card)).text
    his = (await yurii.get(card)).text
    assert ("Колишній лід" in his, f'href="{lead}"' in his) == (True, False), "nobody's lead was not his to open"
    assert (await admin.post(lead, {**LEAD, "version": "9"})).status in (409, 422)
    refused = await admin.post("/leads", {**LEAD, "number": ["0441234567"]})
    assert "belongs to a counterparty" in _text(refused.text)


async def test_the_second_of_two_is_told_and_keeps_both_persons(admin: Visitor) -> None:
    card = await _create(admin)
    version = _version((await admin.get(card)).text)
    assert (await admin.post(card, {**FIELDS, **_persons(PERSON), "version": version})).status == 303
    mine = {**FIELDS, "name": "Моя назва", **_persons({**PERSON, "person_name": "Моя особа", "person_numbers": ""})}
    answer = await admin.post(card, {**mine, "version": version})
    assert answer.status == 409
    assert "saved this card while you were typing" in _text(answer.text)
    assert 'value="Моя назва"' in answer.text
    assert 'value="Моя особа"' in answer.text
    assert 'value="Ольга"' in answer.text
    assert "Saved meanwhile: ТОВ «Ромашка»" in _text(answer.text)


async def test_a_person_whom_the_second_of_two_removed_stays_removed(admin: Visitor) -> None:
    other = {**PERSON, "person_name": "Петро", "person_numbers": ""}
    card = await _create(admin, PERSON, other)
    opened = (await admin.get(card)).text
    olha, petro = _ids(opened)
    seen = {"version": _version(opened), "persons_version": f"{olha},{petro}"}
    assert f'name="persons_version" value="{olha},{petro}"' in opened
    theirs = [{**PERSON, "person_id": olha}, {**other, "person_id": petro}, {**other, "person_name": "Нова"}]
    assert (await admin.post(card, {**FIELDS, **_persons(*theirs), **seen})).status == 303
    mine = {**FIELDS, **_persons({**PERSON, "person_id": olha}), "comment": "моє"}
    answer = await admin.post(card, {**mine, **seen})
    assert answer.status == 409
    shown = re.sub(r"<template>.*?</template>", "", answer.text, flags=re.DOTALL)
    # Whom the first one added is in the form now; whom the second one took out is not.
    assert re.findall(r'name="person_name"[^>]* value="(.*?)"', shown) == ["Ольга", "Нова"]
    assert "Петро" in _text(answer.text)
    assert f'name="persons_version" value="{olha},{petro},' in answer.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "Fill this in."),
        ({"number": ["abc"]}, "Not a public telephone number."),
        (_persons({**PERSON, "person_name": ""}), "Fill this in."),
        (_persons({**PERSON, "person_numbers": "12"}), "Not a public telephone number."),
        (_persons({**PERSON, "person_email": "x"}), "An e-mail address looks like"),
        ({"responsible_id": "99"}, "Choose one of the list."),
    ],
)
async def test_mistakes_are_explained(admin: Visitor, fields: dict[str, object], message: str) -> None:
    answer = await admin.post("/counterparties", {**FIELDS, "comment": "довгий текст", **fields})
    assert answer.status == 422
    assert message in _text(answer.text)
    assert "довгий текст" in answer.text


async def test_repeated_fields_that_do_not_fit_are_refused(admin: Visitor) -> None:
    broken = {**_persons(PERSON), "person_name": ["a", "b"]}
    assert (await admin.post("/counterparties", {**FIELDS, **broken})).status == 400


async def test_an_employee_sees_only_his_own(admin: Visitor, yurii: Visitor, company: Company) -> None:
    card = await _create(admin, responsible_id=str(company.maria))
    assert (await yurii.get(card)).status == 404
    assert "Ромашка" not in (await yurii.get("/counterparties")).text
    own = await _create(admin, name="Моя", responsible_id=str(company.yurii))
    assert (await yurii.get(own)).status == 200


async def test_markup_shows_as_text(admin: Visitor) -> None:
    evil = "<script>alert(1)</script>"
    card = await _create(admin, {**PERSON, "person_name": evil}, name=evil, folder=evil)
    for path in (card, "/counterparties"):
        page = (await admin.get(path)).text
        assert "&lt;script&gt;alert(1)" in page
        assert evil not in page


async def test_the_list_is_narrowed_and_ordered_by_status(admin: Visitor) -> None:
    await _create(admin, name="Гаряча", status_id="1")
    await _create(admin, name="Холодна", number=["044 123 45 68"], status_id="3")
    page = (await admin.get("/counterparties?sort=status&order=desc")).text
    assert page.index(">Холодна<") < page.index(">Гаряча<")
    assert 'href="/counterparties?status=3"' in (await admin.get("/counterparties")).text
    page = (await admin.get("/counterparties?status=3&sort=created")).text
    assert ("Холодна" in page, "Гаряча" in page) == (True, False)
    assert "No counterparty fits" in _text((await admin.get("/counterparties?status=2")).text)


async def test_only_folders_of_ones_own_counterparties_are_offered(
    admin: Visitor, yurii: Visitor, company: Company
) -> None:
    await _create(admin, folder="Свої", responsible_id=company.yurii)
    await _create(admin, folder="Чужі", name="ТОВ «Клен»", number=["044 123 45 68"], responsible_id=company.maria)
    for address in ("/counterparties", "/counterparties/new"):
        page = (await yurii.get(address)).text
        assert ("Свої" in page, "Чужі" in page) == (True, False)
        assert "Чужі" in (await admin.get(address)).text
