"""Every form of the panel keeps all that was typed and chosen when one of its fields is wrong."""

from html import unescape

import pytest

from leads.domain.calls import Phase, Result
from leads.domain.follow_up import TaskKind
from leads.store.engine import Database
from leads.store.task_tables import Task
from tests.admin.calls import add_call
from tests.admin.conftest import Clock, Company, Visitor
from tests.admin.pages_forms import Input, PageForm, forms_of
from tests.admin.test_counterparties_pages import FIELDS as COMPANY
from tests.admin.test_counterparties_pages import PERSON, _create
from tests.admin.test_leads_pages import FIELDS as LEAD
from tests.admin.test_leads_pages import _make

BELL = "до\x07після"
PAGES = [
    "/me",
    "/leads/new",
    "/leads/1",
    "/leads/1/close?counterparty=1",
    "/counterparties/new",
    "/counterparties/new?lead=1",
    "/counterparties/1",
    "/calls/1",
    "/company/employees/new",
    "/company/employees/2",
    "/company/employees/2/leave",
    "/company/groups/new",
    "/company/groups/1",
    "/company/numbers/new",
    "/company/numbers/1",
    "/company/sources/new",
    "/company/sources/1",
    "/company/ignored",
    "/company/holidays",
    "/company/statuses/leads/new",
    "/company/statuses/leads/1",
    "/company/statuses/counterparties/new",
    "/company/statuses/counterparties/1",
    "/company/planning",
    "/company/recordings",
    "/company/retention",
    "/day",
]
GOOD = {
    "number": "+380671110000",
    "person_numbers": "+380671110022\n+380671110033",
    "person_email": "a@b.example",
    "email": "a@b.example",
    "mobile": "+380671110044",
    "phone_number": "777",
    "phone_endpoint": "PJSIP/777",
    "phone_length": "20",
    "login": "another",
    "card_key": "F9",
    "until": "2026-12-31T18:00",
    "day": "2026-12-25",
    "plan_day": "2026-12-25",
    "plan_time": "14:30",
    "task_due": "2026-12-25",
    "greeting_language": "uk",
    "queue": "",
}
NUMBERS_FROM = 31
"""Whole numbers begin here: within the bounds of every field for them."""
SPOILT_CHOICE = "99"
CHOICES_THAT_CAN_BE_WRONG = {"responsible_id", "successor_id", "contact_person_id"}
NOT_SHOWN_AGAIN = {"password", "old_password", "new_password"}


@pytest.fixture
async def world(admin: Visitor, company: Company, database: Database, clock: Clock) -> None:
    """A lead with a missed call, a counterparty with a contact person, a source, and a number of ours."""
    await _make(admin, name="Лід")
    await _create(admin, {**PERSON, "person_numbers": ""})
    await add_call(database, clock, "7.7", lead_id=1, phase=Phase.ENDED, result=Result.NO_ANSWER)
    async with database.write() as session:
        session.add(Task(kind=TaskKind.MISSED, lead_id=1, employee_id=company.admin, made_at=clock(), missed=1))
    for path, fields in (
        ("/company/sources/new", {"version": 1, "name": "Сайт", "active": 1}),
        ("/company/numbers/new", {"version": 1, "number": "+380441234500", "queue_seconds": 60}),
    ):
        assert (await admin.post(path, fields)).status == 303, path


def _fill(form: PageForm) -> None:
    """Change everything that a person can change."""
    for place, one in enumerate(form.inputs):
        if one.kind == "select":
            one.value = next((option for option in reversed(one.options) if option), "")
        elif one.kind == "checkbox":
            one.on = not one.on
        elif one.kind == "radio":
            one.on = one is [other for other in form.inputs if other.name == one.name][-1]
        elif one.name in NOT_SHOWN_AGAIN:
            one.value = "0123456789ab"
        elif one.name.startswith("hours_"):
            one.value = f"{place % 9}:00–13:00"
        elif one.kind == "number":
            one.value = str(NUMBERS_FROM + place)
        elif one.typed:
            one.value = GOOD.get(one.name, f"typed {place}")


def _spoilt(form: PageForm) -> list[tuple[int, str]]:
    """Places of fields, and what they cannot hold: the first and the last that are typed, and some choices."""
    typed = [place for place, one in enumerate(form.inputs) if one.typed]
    ends = [(place, BELL) for place in sorted({*typed[:1], *typed[-1:]})]
    return ends + [
        (place, SPOILT_CHOICE) for place, one in enumerate(form.inputs) if one.name in CHOICES_THAT_CAN_BE_WRONG
    ]


def _shown(forms: list[PageForm], sent: PageForm) -> PageForm:
    """The answer's form that is the same again."""
    same = [form for form in forms if sent.names <= form.names]
    assert same, f"no form with {sorted(sent.names)}; there are {[sorted(form.names) for form in forms]}"
    return same[0]


def _values(form: PageForm, name: str) -> list[str]:
    return [one.value for one in form.inputs if one.name == name and one.on and one.value]


@pytest.mark.usefixtures("world")
async def test_one_wrong_field_costs_none_of_the_others(admin: Visitor) -> None:
    for path in PAGES:
        page = await admin.get(path)
        assert page.status == 200, path
        spoilt = [_spoilt(form) for form in forms_of(path, page.text)]
        assert any(spoilt), f"{path} has nothing to type"
        for number, places in enumerate(spoilt):
            for place, value in places:
                sent = forms_of(path, page.text)[number]
                _fill(sent)
                sent.inputs[place].value = value
                await _comes_back(admin, path, sent, sent.inputs[place])


async def _comes_back(admin: Visitor, path: str, sent: PageForm, wrong: Input) -> None:
    """Send one form with one field wrong, and look for all the others in the answer."""
    answer = await admin.post(sent.action, sent.sent())
    at = (path, sent.action, wrong.name)
    assert answer.status == 422, at
    again = _shown(forms_of(sent.action, answer.text), sent)
    # A choice that is none is the only one that cannot be shown again.
    for name in sent.names - NOT_SHOWN_AGAIN - ({wrong.name} if wrong.kind == "select" else set()):
        assert _values(again, name) == _values(sent, name), (*at, name)


async def test_a_card_that_is_given_away_while_it_is_typed_costs_none_of_it(
    admin: Visitor, yurii: Visitor, company: Company
) -> None:
    lead = await _make(admin, name="Лід", responsible_id=str(company.yurii))
    await yurii.get(lead)
    given = {**LEAD, "name": "Лід", "version": "1", "responsible_id": str(company.maria)}
    assert (await admin.post(lead, given)).status == 303
    typed = {**LEAD, "name": "Нове ім’я", "comment": "довгий\nрядок <b>", "version": "1"}
    texts = ("Нове ім’я", "довгий\nрядок <b>")
    for path, fields, kept in (
        (lead, typed, texts),
        (f"{lead}/notes", {"note": "любить чай"}, ("любить чай",)),
        (f"{lead}/tasks", {"task_text": "послати прайс", "task_employee": company.yurii}, ("послати прайс",)),
        (f"{lead}/plan", {"plan_day": "2026-12-25", "plan_note": "про двері"}, ("про двері",)),
    ):
        answer = await yurii.post(path, fields)
        assert answer.status == 404, path
        assert "What you typed is not saved" in answer.text, path
        for text in kept:
            assert text in unescape(answer.text), path
    assert "<b>" not in (await yurii.post(lead, typed)).text
    assert "Лід" not in answer.text


async def test_a_lead_that_is_closed_while_its_card_is_typed_costs_none_of_it(admin: Visitor) -> None:
    lead = await _make(admin, name="Лід")
    typed = {**LEAD, "name": "Нове ім’я", "comment": "довгий\nрядок", "address": "Київ", "version": "1"}
    plan = {"plan_day": "2026-12-25", "plan_note": "про двері", "plan_version": "9"}
    company = {**COMPANY, "number": ["0501234567"], "comment": "не загубити", "lead_id": "1", "lead_version": "1"}
    await _create(admin, number=["0501234567"], asked_lead="1", close_lead="1")
    answer = await admin.post(lead, typed)
    assert answer.status == 409
    assert "What you typed is not saved" in answer.text
    for text in ("Нове ім’я", "довгий\nрядок", "Київ"):
        assert text in unescape(answer.text)
    answer = await admin.post(f"{lead}/plan", plan)
    assert (answer.status, "closed meanwhile" in answer.text, "про двері" in answer.text) == (409, True, True)
    answer = await admin.post("/counterparties", company)
    assert (answer.status, "The lead was closed meanwhile" in answer.text) == (409, True)
    (form,) = [form for form in forms_of("/counterparties", answer.text) if "comment" in form.names]
    assert (_values(form, "comment"), _values(form, "lead_id")) == (["не загубити"], [])
    assert (await admin.post("/counterparties", {**form.sent(), "asked_lead": "1"})).status == 303
