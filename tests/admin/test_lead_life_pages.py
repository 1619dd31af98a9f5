"""The pages of a lead's life: closing, opening again, merging, giving away, pins; who may, and what a mistake costs."""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

from sqlalchemy import update

from leads.domain.calls import Phase, Result
from leads.domain.planning import PlanState
from leads.store.engine import Database
from leads.store.models import Lead, Source
from leads.store.planning_tables import PlannedCall
from leads.store.task_tables import Task
from tests.admin.calls import add_call
from tests.admin.conftest import Clock, Company, Visitor
from tests.admin.test_counterparties_pages import FIELDS as COMPANY
from tests.admin.test_counterparties_pages import PERSON, _create, _ids
from tests.admin.test_leads_pages import FIELDS, _make, _text, _version


def _id(card: str) -> str:
    return card.rpartition("/")[2]


def _hidden(html: str, name: str) -> str:
    found = re.search(f'name="{name}" value="([^"]*)"', html)
    assert found, name
    return found[1]


async def test_a_lead_is_closed_to_a_counterparty_that_is_searched(admin: Visitor) -> None:
    lead = await _make(admin, name="Лід")
    company = await _create(admin, {**PERSON, "person_numbers": ""})
    assert "/close" in (await admin.get(lead)).text
    found = await admin.get(f"{lead}/close?q=%D1%80%D0%BE%D0%BC%D0%B0%D1%88")
    address = f"{lead}/close?counterparty={_id(company)}"
    assert f'href="{address}"' in found.text
    assert "No counterparty fits" in (await admin.get(f"{lead}/close?q=xyz")).text
    page = await admin.get(address)
    (person,) = _ids((await admin.get(company)).text)
    chosen = {"version": _version(page.text), "counterparty_id": _id(company), "contact_person_id": person}
    asked = await admin.post(f"{lead}/close", chosen)
    assert (asked.status, "Say which of the two gets" in _text(asked.text)) == (422, True)
    assert f'value="{person}" selected' in asked.text
    closed = await admin.post(f"{lead}/close", {**chosen, "numbers_to": "contact-person"})
    assert (closed.status, closed.location) == (303, company)
    card = await admin.get(company)
    assert "The lead is closed: it is the counterparty ТОВ «Ромашка» now." in _text(card.text)
    assert "+380 50 123 4567" in card.text
    assert "lead Лід" in _text(card.text)
    shown = await admin.get(lead)
    assert "This lead is closed" in _text(shown.text)
    assert (await admin.get(f"{lead}/close")).status == 409
    assert (await admin.get(f"{lead}/merge")).status == 409
    assert (await admin.post(f"{lead}/close", {**chosen, "numbers_to": "counterparty"})).status == 409


async def test_a_lead_that_somebody_saved_meanwhile_is_looked_at_again(admin: Visitor) -> None:
    lead, company = await _make(admin, name="Лід"), await _create(admin)
    page = await admin.get(f"{lead}/close?counterparty={_id(company)}")
    chosen = {"version": _version(page.text), "counterparty_id": _id(company)}
    await admin.post(lead, {**FIELDS, "name": "Інша назва", "version": _version(page.text)})
    again = await admin.post(f"{lead}/close", chosen)
    assert (again.status, "Somebody else saved this lead meanwhile" in _text(again.text)) == (422, True)
    assert (await admin.post(f"{lead}/close", {**chosen, "version": _version(again.text)})).status == 303


async def test_a_counterparty_is_made_of_a_lead(admin: Visitor) -> None:
    lead = await _make(
        admin, name="Іван", comment="передзвонити", email="i@example.com", number=["0501234567", "0672223344"]
    )
    form = await admin.get(f"/counterparties/new?lead={_id(lead)}")
    for known in ('value="Іван"', 'value="i@example.com"', "передзвонити", "+380 50 123 4567", "+380 67 222 3344"):
        assert known in form.text
    assert f'href="{lead}">Cancel' in form.text
    fields = {
        **COMPANY,
        "name": "Іван",
        "number": ["0501234567"],
        "lead_id": _id(lead),
        "lead_version": _hidden(form.text, "lead_version"),
    }
    await admin.post(lead, {**FIELDS, "name": "Іван II", "version": "1"})
    late = await admin.post("/counterparties", fields)
    assert (late.status, "saved the lead while you were typing" in _text(late.text)) == (409, True)
    made = await admin.post("/counterparties", {**fields, "lead_version": _hidden(late.text, "lead_version")})
    assert made.status == 303
    assert f'href="{made.location}"' in (await admin.get(lead)).text
    assert (await admin.post("/counterparties", fields)).status == 409
    assert (await admin.get(f"/counterparties/new?lead={_id(lead)}")).status == 409


async def test_a_counterpartys_source_is_the_leads_and_changes_by_hand_only(admin: Visitor, database: Database) -> None:
    async with database.write() as session:
        session.add_all([Source(id=1, name="Сайт"), Source(id=2, name="Виставка")])
    lead = await _make(admin, name="Лід", source_id="1")
    form = await admin.get(f"/counterparties/new?lead={_id(lead)}")
    assert 'value="1" selected>Сайт' in form.text
    fields = {**COMPANY, "number": ["0501234567"], "lead_id": _id(lead), "lead_version": "1"}
    made = await admin.post("/counterparties", {**fields, "source_id": "1"})
    page = await admin.get(made.location)
    assert 'value="1" selected>Сайт' in page.text
    await admin.post(
        made.location, {**COMPANY, "number": ["0501234567"], "source_id": "2", "version": _version(page.text)}
    )
    assert "Сайт → Виставка" in _text((await admin.get(made.location)).text)


async def test_who_makes_a_counterparty_sees_what_was_saved_of_the_lead_meanwhile(
    admin: Visitor, company: Company
) -> None:
    lead = await _make(admin, name="Іван")
    typed = {**COMPANY, "name": "Іван", "number": ["0501234567"], "lead_id": _id(lead), "lead_version": "1"}
    changed = {"name": "Іван", "comment": "дзвонити зранку", "language": "uk", "responsible_id": str(company.yurii)}
    await admin.post(lead, {**FIELDS, **changed, "version": "1"})
    late = await admin.post("/counterparties", typed)
    assert late.status == 409
    saved = re.findall(r"Saved meanwhile: <q>(.*?)</q>", late.text)
    assert sorted(saved) == sorted(["дзвонити зранку", "Ukrainian", "Щербань Юрій"])


async def test_an_unticked_lead_stays(admin: Visitor) -> None:
    lead = await _make(admin, name="Лишається", number=["0441234567"])
    fields = {**COMPANY, "number": ["0441234567", "0441234568"]}
    card = await admin.post("/counterparties", {**fields, "asked_lead": _id(lead)})
    page = _text((await admin.get(card.location)).text)
    assert "Left with their leads, and so not added here: +380 44 123 4567." in page
    assert "This lead is closed" not in _text((await admin.get(lead)).text)


async def test_supervisors_open_leads_again(admin: Visitor, visitor: Callable[[], Visitor], company: Company) -> None:
    lead = await _make(admin, name="Лід", number=["0441234567"], responsible_id=str(company.yurii))
    card = await _create(admin, asked_lead=_id(lead), close_lead=_id(lead))
    yurii, boss = visitor(), visitor()
    await yurii.sign_in("yurii")
    await boss.sign_in("boss")
    assert "/reopen" not in (await yurii.get(lead)).text
    version = _hidden((await boss.get(lead)).text, "version")
    assert (await yurii.post(f"{lead}/reopen", {"version": version})).status == 403
    await boss.post(f"{lead}/reopen", {"version": version})
    assert "all of its numbers belong to others" in _text((await boss.get(lead)).text)
    page = await admin.get(card)
    await admin.post(card, {**COMPANY, "number": [], "version": _version(page.text)})
    await boss.post(f"{lead}/reopen", {"version": version})
    page = await boss.get(lead)
    assert "The lead is open again. A call is planned for Tue, 3 Mar." in _text(page.text)
    assert "No call is planned." not in page.text


async def test_two_leads_are_merged_and_the_address_of_the_other_leads_on(admin: Visitor) -> None:
    older = await _make(admin, name="Старший")
    younger = await _make(admin, name="Молодший", number=["0672223344"], comment="від молодшого")
    found = await admin.get(f"{younger}/merge?q=%D1%81%D1%82%D0%B0%D1%80%D1%88")
    address = f"{younger}/merge?other={_id(older)}"
    assert f'href="{address}"' in found.text
    page = await admin.get(address)
    assert "Старший Stays" in _text(page.text)
    merged = await admin.post(f"{younger}/merge", {"version": _version(page.text), "other": _id(older)})
    assert (merged.status, merged.location) == (303, older)
    assert "від молодшого" in (await admin.get(older)).text
    gone = await admin.get(younger)
    assert (gone.status, gone.location) == (303, older)
    assert "Молодший" not in (await admin.get("/leads?state=all")).text
    assert (await admin.post(younger, {**FIELDS, "version": "1"})).status == 409


async def test_a_card_with_the_numbers_of_several_is_saved_like_any_other(admin: Visitor) -> None:
    of_each = [[f"05055500{lead}{place:02d}" for place in range(15)] for lead in range(2)]
    older, younger = [await _make(admin, number=numbers) for numbers in of_each]
    page = await admin.get(f"{younger}/merge?other={_id(older)}")
    merged = await admin.post(f"{younger}/merge", {"version": _version(page.text), "other": _id(older)})
    assert merged.location == older
    page = await admin.get(older)
    fields = {**FIELDS, "number": [*of_each[0], *of_each[1]], "comment": "про вікна"}
    assert (await admin.post(older, {**fields, "version": _version(page.text)})).status == 303
    assert "про вікна" in (await admin.get(older)).text


async def test_who_may_not_see_the_other_lead_is_not_led_to_it(
    admin: Visitor, yurii: Visitor, company: Company
) -> None:
    older = await _make(admin, name="Старший", responsible_id=str(company.maria))
    fields = {"number": ["0672223344"], "responsible_id": str(company.yurii)}
    younger = await _make(admin, name="Молодший", **fields)
    page = await admin.get(f"{younger}/merge?other={_id(older)}")
    await admin.post(f"{younger}/merge", {"version": _version(page.text), "other": _id(older)})
    gone = await yurii.get(younger)
    assert (gone.status, gone.location) == (404, "")


async def test_a_number_of_another_lead_offers_to_merge(admin: Visitor) -> None:
    older = await _make(admin, name="Старший")
    typed = {**FIELDS, "name": "Друга", "number": ["0672223344", "0501234567"]}
    refused = await admin.post("/leads", typed)
    assert f'name="merge" value="{_id(older)}"' in refused.text
    merged = await admin.post("/leads", {**typed, "merge": _id(older)})
    assert merged.location == older
    assert "+380 67 222 3344" in (await admin.get(older)).text


async def test_many_leads_change_hands(admin: Visitor, yurii: Visitor, company: Company) -> None:
    leads = [await _make(admin, number=[f"05012345{place:02d}"]) for place in range(3)]
    fields = {"lead": [_id(lead) for lead in leads[:2]], "to": str(company.yurii)}
    assert (await yurii.post("/leads/give", fields)).status == 403
    given = await admin.post("/leads/give?sort=name", fields)
    assert given.location == "/leads?sort=name"
    assert "2 leads changed hands." in _text((await admin.get("/leads")).text)
    assert [(await yurii.get(lead)).status for lead in leads] == [200, 200, 404]
    assert 'name="lead"' not in (await yurii.get("/leads")).text
    assert (await admin.post("/leads/give", {**fields, "to": "99"})).status == 400


async def test_ticks_stay_when_it_was_not_said_who_gets_the_leads(admin: Visitor, company: Company) -> None:
    leads = [await _make(admin, number=[f"05012345{place:02d}"]) for place in range(3)]
    fields = {"lead": [_id(lead) for lead in leads[:2]], "to": ""}
    refused = await admin.post("/leads/give?sort=name&status=1", fields)
    assert refused.status == 422
    assert "Choose who gets the leads." in refused.text
    ticked = re.findall(r'name="lead" value="(\d+)" form="give" checked', refused.text)
    assert sorted(ticked) == sorted(fields["lead"])
    # It is the same list, whose links lead on in it.
    assert 'action="/leads/give?sort=name&amp;status=1"' in refused.text
    assert 'href="/leads?sort=name"' in refused.text
    nothing_ticked = await admin.post("/leads/give", {"to": str(company.yurii)})
    assert "Tick the leads" in nothing_ticked.text
    assert f'<option value="{company.yurii}" selected>' in nothing_ticked.text


async def test_a_whole_list_changes_hands_once_its_length_was_seen(
    admin: Visitor, yurii: Visitor, company: Company
) -> None:
    leads = [await _make(admin, name=f"Лід {place}", number=[f"05012345{place:02d}"]) for place in range(3)]
    other = await _make(admin, name="Інша", number=["0672223344"])
    fields, whole = {"all": "1", "to": str(company.yurii)}, f"/leads/give?q={quote('Лід')}"
    assert (await yurii.post(whole, {**fields, "sure": "1"})).status == 403
    asked = await admin.post(whole, fields)
    assert asked.status == 200
    assert "3 open leads fit the list’s filters." in _text(asked.text)
    assert f'action="{whole}"' in asked.text
    assert (await yurii.get(leads[0])).status == 404
    given = await admin.post(whole, {**fields, "sure": "1"})
    assert given.status == 303
    assert "3 leads changed hands." in _text((await admin.get("/leads")).text)
    assert [(await yurii.get(lead)).status for lead in (leads[0], leads[-1], other)] == [200, 200, 404]
    assert (await admin.post("/leads/give?state=closed", fields)).status == 303
    assert "no open lead" in _text((await admin.get("/leads")).text)
    assert (await admin.post("/leads/give", {**fields, "to": "99"})).status == 400
    assert (await admin.post("/leads/give", {**fields, "to": "99", "sure": "1"})).status == 400


async def test_a_shared_number_is_pinned_on_its_card(admin: Visitor) -> None:
    first = await _create(admin, name="Перша")
    second = await _create(admin, {**PERSON, "person_numbers": "0441234567"}, name="Друга", number=[])
    page = await admin.get(second)
    assert "Also: Перша" in _text(page.text)
    answer = await admin.post(
        "/numbers/pin", {"holding": _hidden(page.text, "holding"), "card": _id(second), "pinned": "1"}
    )
    assert answer.location == second
    assert "Pinned here" in (await admin.get(second)).text
    assert "Pinned elsewhere" in (await admin.get(first)).text
    assert (await admin.post("/numbers/pin", {"holding": "999", "pinned": "1"})).status == 404


async def test_other_peoples_leads_are_out_of_reach(admin: Visitor, yurii: Visitor, company: Company) -> None:
    theirs = await _make(admin, name="Чужий", responsible_id=str(company.maria))
    mine = await _make(admin, name="Мій", number=["0672223344"], responsible_id=str(company.yurii))
    for path in (f"{theirs}/close", f"{theirs}/merge", f"{mine}/merge?other={_id(theirs)}"):
        assert (await yurii.get(path)).status == 404
    assert (await yurii.get(f"/counterparties/new?lead={_id(theirs)}")).status == 404
    assert (await yurii.post(f"{mine}/merge", {"version": "1", "other": _id(theirs)})).status == 404
    typed = {**FIELDS, "name": "Мій", "number": ["0501234567"], "version": "1"}
    refused = await yurii.post(mine, typed)
    assert "is on another open lead" in _text(refused.text)
    assert 'name="merge"' not in refused.text
    assert (await yurii.post(mine, {**typed, "merge": _id(theirs)})).status == 404
    asked = await yurii.post("/counterparties", {**COMPANY, "number": ["0501234567"]})
    assert "another employee's lead · responsible: Марія Коваленко" in _text(asked.text)
    assert f'name="close_lead" value="{_id(theirs)}" disabled' in asked.text
    assert "Чужий" not in asked.text
    forged = {"number": ["0501234567", "0443334455"], "asked_lead": _id(theirs), "close_lead": _id(theirs)}
    made = await yurii.post("/counterparties", {**COMPANY, **forged, "responsible_id": str(company.yurii)})
    assert "Left with their leads, and so not added here: +380 50 123 4567." in _text(
        (await yurii.get(made.location)).text
    )
    assert "This lead is closed" not in _text((await admin.get(theirs)).text)


async def test_events_are_calls_planned_calls_tasks_and_changes_and_are_narrowed(
    *, admin: Visitor, company: Company, database: Database, clock: Clock
) -> None:
    lead = await _make(admin, name="Лід")
    await add_call(database, clock, "7.7", lead_id=int(_id(lead)), phase=Phase.ENDED, result=Result.NO_ANSWER)
    planned = re.search(r'name="plan_version" value="(\d*)"', (await admin.get(lead)).text)
    assert planned
    day = (clock() + timedelta(days=40)).date()
    await admin.post(f"{lead}/plan", {"plan_version": planned[1], "plan_day": day, "plan_note": "про двері"})
    await admin.post(f"{lead}/tasks", {"task_text": "надіслати прайс", "task_employee": company.admin})
    told = {"calls": "No answer", "plans": "про двері", "tasks": "надіслати прайс", "changes": "event-change"}
    page = _events((await admin.get(lead)).text)
    assert [text for text in told.values() if text not in page] == []
    for kind, text in told.items():
        page = _events((await admin.get(f"{lead}?events={kind}")).text)
        assert {shown for shown, other in told.items() if other in page} == {kind}, text
    assert (await admin.get(f"{lead}?events=x")).status == 400


async def test_what_was_done_with_a_lead_shows_on_the_counterparty_that_it_became(
    *, admin: Visitor, company: Company, database: Database, clock: Clock
) -> None:
    lead, key = int(_id(await _make(admin, name="Лід"))), int(_id(await _create(admin)))
    done = {"lead_id": lead, "made_at": clock(), "employee_id": company.yurii}
    async with database.write() as session:
        session.add(PlannedCall(**done, state=PlanState.DONE, day=clock().date(), set_at=clock(), closed_at=clock()))
        session.add(Task(**done, text="надіслати прайс", done_at=clock()))
        await session.execute(update(Lead).where(Lead.id == lead).values(counterparty_id=key, closed_at=clock()))
    page = (await admin.get(f"/counterparties/{key}?events=plans")).text
    assert "Planned for" in _events(page)
    assert "надіслати прайс" in _events((await admin.get(f"/counterparties/{key}?events=tasks")).text)


def _events(html: str) -> str:
    """The part of a card that tells what happened."""
    return html.partition('id="events"')[2].partition("</section>")[0]
