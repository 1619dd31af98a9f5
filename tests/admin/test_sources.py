"""Sources as administrators keep them and as lists, cards and calls show them (S1)."""

import re
from datetime import timedelta

from leads.domain.calls import Phase, Result
from leads.domain.numbers import read_number
from leads.store.directory import load_directory
from leads.store.engine import Database
from leads.store.models import Lead, Source
from routing.decide import decide
from tests.admin.calls import add_call
from tests.admin.conftest import Clock, Company, Visitor


async def _new(admin: Visitor, name: str) -> int:
    answer = await admin.post("/company/sources/new", {"version": "1", "name": name, "active": "1"})
    assert answer.status == 303, answer.text
    page = await admin.get(answer.location)
    found = re.search(rf'href="/company/sources/(\d+)">{name}<', page.text)
    assert found, page.text
    return int(found[1])


async def test_a_source_is_made_renamed_and_taken_out_of_use(admin: Visitor) -> None:
    assert "No sources yet" in (await admin.get("/company/sources")).text
    radio = await _new(admin, "Radio")
    twin = await admin.post("/company/sources/new", {"version": "1", "name": "radio"})
    assert (twin.status, "There is a source of this name already." in twin.text) == (422, True)
    saved = await admin.post(f"/company/sources/{radio}", {"version": "1", "name": "Radio Kyiv"})
    assert saved.status == 303
    assert "Not in use" in (await admin.get("/company/sources")).text
    late = await admin.post(f"/company/sources/{radio}", {"version": "1", "name": "Radio Lviv", "active": "1"})
    assert (late.status, "Somebody else saved this meanwhile." in late.text) == (409, True)
    assert "Radio Lviv" in late.text
    assert "Radio Kyiv" in late.text
    assert (await admin.get("/company/sources/999")).status == 404


async def test_our_number_shows_its_channel_and_source(admin: Visitor) -> None:
    radio = await _new(admin, "Radio")
    fields = {"version": "1", "number": "044 123 45 67", "channel": "Broadcast", "source_id": radio}
    saved = await admin.post("/company/numbers/new", {**fields, "queue_seconds": "60"})
    assert saved.status == 303, saved.text
    card = await admin.get(saved.location)
    assert 'value="Broadcast"' in card.text
    assert f'<option value="{radio}" selected>Radio' in card.text
    assert "Broadcast · Radio" in (await admin.get("/company/numbers")).text


async def test_our_number_has_the_language_in_which_its_callers_hear_announcements(
    admin: Visitor, database: Database
) -> None:
    fields = {"version": "1", "number": "044 123 45 67", "queue_seconds": "60", "greeting_language": "uk|R"}
    wrong = await admin.post("/company/numbers/new", fields)
    assert (wrong.status, "As Asterisk names its sounds, such as uk, ru or en_GB." in wrong.text) == (422, True)
    assert 'value="uk|R"' in wrong.text
    saved = await admin.post("/company/numbers/new", {**fields, "greeting_language": "uk"})
    assert 'name="greeting_language" type="text" value="uk"' in (await admin.get(saved.location)).text
    async with database.read() as session:
        directory = await load_directory(session)
    number = directory.dids["+380441234567"]
    decision = decide(read_number(None, "UA"), (), number, number.number, directory, default_extension=None)
    assert decision.greeting_language == "uk"


async def test_a_dialled_number_that_nobody_entered_is_offered_to_be_entered(
    admin: Visitor, database: Database, clock: Clock
) -> None:
    assert "Dialled, but not entered" not in (await admin.get("/company/numbers")).text
    await add_call(database, clock, "1.1", did="+380440000001")
    page = await admin.get("/company/numbers")
    assert "Dialled, but not entered" in page.text
    href = re.search(r'href="(/company/numbers/new\?number=[^"]+)"', page.text)
    assert href
    assert 'value="+380 44 000 0001"' in (await admin.get(href[1])).text


async def test_calls_leads_and_cards_show_the_source(
    admin: Visitor, database: Database, clock: Clock, company: Company
) -> None:
    radio = await _new(admin, "Radio")
    assert await _new(admin, "Site")
    moment = clock()
    async with database.write() as session:
        assert await session.get(Source, radio)
        made = {"created_at": moment, "updated_at": moment, "last_call_at": moment, "status_id": 1}
        session.add_all(
            [
                Lead(id=1, name="Ольга", named=True, sort_name="ольга", source_id=radio, **made),
                Lead(id=2, name="Іван", named=True, sort_name="іван", **made),
            ]
        )
    over = {"phase": Phase.ENDED, "result": Result.ANSWERED, "ended_at": moment + timedelta(seconds=9)}
    call = await add_call(database, clock, "1.1", lead_id=1, channel="Broadcast", source_id=radio, **over)
    for path in (f"/calls/{call}", "/leads/1", "/live"):
        page = (await admin.get(path)).text
        assert "Broadcast" in page, path
        assert "Radio" in page, path
    from_radio = (await admin.get(f"/leads?source={radio}")).text
    assert ("Ольга" in from_radio, "Іван" in from_radio) == (True, False)
    from_nowhere = (await admin.get("/leads?source=none")).text
    assert ("Ольга" in from_nowhere, "Іван" in from_nowhere) == (False, True)


async def test_a_leads_source_is_changed_by_hand_and_in_its_history(admin: Visitor) -> None:
    radio, site = await _new(admin, "Radio"), await _new(admin, "Site")
    fields = {"name": "Ольга", "number": ["050 123 45 67"], "status_id": "1", "source_id": radio}
    made = await admin.post("/leads", fields)
    assert made.status == 303
    card = await admin.get(made.location)
    version = re.search(r'name="version" value="(\d+)"', card.text)
    assert version
    saved = await admin.post(made.location, {**fields, "version": version[1], "source_id": site})
    assert saved.status == 303, saved.text
    card = await admin.get(made.location)
    assert "<del>Radio</del>" in card.text
    assert "<ins>Site</ins>" in card.text
    unknown = await admin.post(made.location, {**fields, "version": "2", "source_id": "999"})
    assert (unknown.status, "Choose one of the list." in unknown.text) == (422, True)
