"""A text that is too long or holds a control character comes back in its form, with all that was typed and why."""

import html
import re
from urllib.parse import urlencode

import pytest

from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead
from leads.store.people_of_calls import CallPerson
from leads.store.tasks import give_task
from tests.admin.conftest import Clock, Company, Visitor

NUMBER = "+380501234567"
BELL = "до\x07після"
LONG = "д" * 21_000
SPOILT = [
    (BELL, "Character 3 is an invisible control character (U+0007), which cannot be kept. Remove it."),
    (LONG, "Here are 21000."),
]
EMPLOYEE = {"version": 1, "name": "x", "role": "employee", "active": 1, "ring_seconds": 20}
PERSON = {"person_id": "", "person_name": "x", "person_email": "", "person_language": "", "person_responsible": ""}
FORMS: list[tuple[str, dict[str, object], tuple[str, ...]]] = [
    ("/leads", {"number": NUMBER, "status_id": 1}, ("name", "email", "address", "comment")),
    ("/leads/1", {"number": NUMBER, "status_id": 1, "version": 1}, ("name", "email", "address", "comment")),
    ("/leads/1/notes", {}, ("note",)),
    ("/leads/1/tasks", {}, ("task_text",)),
    ("/leads/1/plan", {"plan_day": "2026-03-05"}, ("plan_note",)),
    ("/tasks/1/done", {}, ("reason",)),
    ("/counterparties", {"name": "x", "number": ""}, ("name", "folder", "email", "address", "comment")),
    ("/company/employees/new", EMPLOYEE, ("name", "login", "hours_0")),
    ("/company/groups/new", {"version": 1, "ring_seconds": 20}, ("name",)),
    ("/company/numbers/new", {"version": 1, "number": NUMBER, "queue_seconds": 60}, ("label", "channel", "queue")),
    ("/company/sources/new", {"version": 1}, ("name",)),
    ("/company/statuses/leads/new", {"version": 1, "plan_days": 1}, ("name",)),
    ("/company/statuses/counterparties/new", {"version": 1, "plan_days": 1}, ("name",)),
    ("/company/ignored", {"number": NUMBER}, ("note",)),
    ("/company/holidays", {"day": "2026-12-25"}, ("name",)),
    ("/sign-in", {"password": "x"}, ("login",)),
]


@pytest.fixture
async def lead(database: Database, company: Company, clock: Clock) -> int:
    """The first lead, with a task."""
    edit = LeadEdit("Петро", (NUMBER,), "", "", "", None, 1, company.admin, None)
    made = await create_lead(database, edit, by=None, clock=clock, region="UA")
    async with database.write() as session:
        await give_task(session, CallPerson(lead_id=made), company.admin, "x", None, by=company.admin, now=clock())
    return made


def _field(page: str, name: str) -> str:
    """What stands in a field of a page."""
    found = re.search(
        rf'<input[^>]* name="{name}"[^>]* value="([^"]*)"|<textarea[^>]* name="{name}"[^>]*>\n([^<]*)<', page
    )
    assert found, name
    return html.unescape(found[1] if found[1] is not None else found[2])


def _error(page: str, name: str) -> str:
    below, in_row = (
        rf'id="{name}-error">([^<]*)<',
        rf'name="{name}"[^>]*>[^<]*(?:</textarea>)?<span class="error">([^<]*)<',
    )
    found = re.search(f"{below}|{in_row}", page)
    assert found, name
    return html.unescape(found[1] or found[2])


@pytest.mark.parametrize(("spoilt", "message"), SPOILT)
async def test_every_form_comes_back_with_all_that_was_typed(
    admin: Visitor, lead: int, spoilt: str, message: str
) -> None:
    for path, rest, texts in FORMS:
        await admin.get("/sign-in" if path == "/sign-in" else "/me")
        for spoilt_name in texts:
            typed = {**rest, **dict.fromkeys(texts, "typed"), spoilt_name: spoilt}
            answer = await admin.post(path, typed)
            assert answer.status == 422, (path, spoilt_name)
            assert message in _error(answer.text, spoilt_name), (path, spoilt_name)
            for name in (*texts, *({"number", "day"} & rest.keys())):
                assert _field(answer.text, name) == typed[name], (path, name)


@pytest.mark.parametrize("spoilt", [BELL, LONG])
async def test_fields_with_a_shape_of_their_own_say_what_it_is(admin: Visitor, lead: int, spoilt: str) -> None:
    answer = await admin.post("/leads/1", {"number": [NUMBER, spoilt], "status_id": 1, "version": 1, "name": "Іван"})
    assert answer.status == 422
    assert "Not a public telephone number." in answer.text
    assert html.escape(spoilt) in answer.text
    assert _field(answer.text, "name") == "Іван"
    answer = await admin.post("/counterparties", {"name": "x", "number": "", **PERSON, "person_numbers": spoilt})
    assert answer.status == 422
    assert _error(answer.text, "person_numbers").startswith("Not a public telephone number.")
    assert _field(answer.text, "person_numbers") == spoilt
    answer = await admin.post(
        "/counterparties", {"name": "x", "number": "", **PERSON, "person_numbers": "", "person_name": spoilt}
    )
    assert answer.status == 422
    assert _field(answer.text, "person_name") == spoilt
    answer = await admin.post("/company/employees/new", {**EMPLOYEE, "mobile": spoilt})
    assert answer.status == 422
    assert spoilt in answer.text
    for name in ("card_key", "time_zone"):
        assert (await admin.post("/me", {name: spoilt})).status == 422
    passwords = {"old_password": spoilt, "new_password": f"0123456789{spoilt}"}
    assert (await admin.post("/me/password", passwords)).status == 422


async def test_a_control_character_is_no_part_of_a_password(admin: Visitor) -> None:
    answer = await admin.post("/me/password", {"old_password": "x", "new_password": "0123456789\x07"})
    assert "Character 11 is an invisible control character (U+0007)" in _error(answer.text, "new_password")


@pytest.mark.parametrize(("language", "said"), [("uk", "Символ 3 — невидимий"), ("ru", "Символ 3 — невидимый")])
async def test_it_is_said_in_the_viewers_language(admin: Visitor, lead: int, language: str, said: str) -> None:
    await admin.post("/me", {"language": language})
    await admin.get("/me")
    answer = await admin.post("/leads/1/notes", {"note": BELL})
    assert said in _error(answer.text, "note")


@pytest.mark.parametrize(("spoilt", "message"), [(BELL, SPOILT[0][1]), ("x" * 201, "At most 200 characters.")])
async def test_filters_keep_what_was_typed_too(admin: Visitor, lead: int, spoilt: str, message: str) -> None:
    lists = {
        "/leads": ("q", "name", "number"),
        "/counterparties": ("q", "name", "number", "person"),
        "/leads/1/close": ("q",),
        "/leads/1/merge": ("q",),
        "/company/route": ("number",),
    }
    for path, names in lists.items():
        for name in names:
            answer = await admin.get(f"{path}?{urlencode({name: spoilt})}")
            assert answer.status == 422, (path, name)
            assert _field(answer.text, name) == spoilt
            if path != "/company/route":
                assert message in _error(answer.text, name)


async def test_what_was_narrowed_wrongly_is_neither_saved_as_a_file_nor_given_away(
    admin: Visitor, company: Company, lead: int
) -> None:
    assert (await admin.get("/leads/export.csv?q=%07")).status == 400
    assert (await admin.get("/counterparties/export.csv?name=" + "x" * 201)).status == 400
    answer = await admin.post("/leads/give?q=%07", {"all": 1, "to": company.maria, "sure": 1})
    assert answer.status == 400
