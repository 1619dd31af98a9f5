"""The pages of leads: lists and cards as people, and people who mean harm, meet them."""

import gettext
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import aiohttp_jinja2
import pytest
from aiohttp import web
from markupsafe import Markup
from sqlalchemy import select, update

from leads.admin.context import PANEL
from leads.admin.lines import LeadLines
from leads.roster import roster
from leads.store.engine import Database
from leads.store.lead_rows import LeadRow
from leads.store.models import Call, Change, Employee, Lead, LeadStatus, RoutingDecision, Source
from leads.store.planning_tables import PlannedCall
from leads.store.task_tables import Task
from tests.admin.conftest import Clock, Company, Visitor

FIELDS: dict[str, object] = {
    "name": "",
    "number": ["050 123 45 67"],
    "email": "",
    "address": "",
    "comment": "",
    "language": "",
    "status_id": "1",
    "responsible_id": "",
}


def _text(html: str) -> str:
    """What a person reads."""
    html = re.sub(r"<(script|style|template|noscript).*?</\1>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


async def _make(visitor: Visitor, **fields: object) -> str:
    answer = await visitor.post("/leads", {**FIELDS, **fields})
    assert answer.status == 303, _text(answer.text)
    return answer.location


def _version(html: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', html)
    assert found
    return found[1]


async def test_an_empty_list_says_what_to_do(admin: Visitor) -> None:
    page = _text((await admin.get("/leads")).text)
    assert "No leads yet" in page
    assert "New lead" in page
    assert "No lead fits" in _text((await admin.get("/leads?q=xyz")).text)


async def test_a_list_shows_whatever_people_typed_as_they_typed_it(
    admin: Visitor, company: Company, database: Database
) -> None:
    async with database.write() as session:
        await session.execute(update(Employee).where(Employee.id == company.yurii).values(name='Юрій <"Ю"> & Ко'))
        await session.execute(update(LeadStatus).where(LeadStatus.id == 1).values(name="<i>Свій</i>"))
        session.add(Source(id=1, name="A & <B>"))
        await session.flush()
    numbers = ["050 123 45 67", "067 222 33 44", "063 111 22 33"]
    await _make(admin, name='<b>"О\'Ніл"</b>', number=numbers, responsible_id=str(company.yurii))
    await _make(admin, name="", number=["063 123 45 67"])
    async with database.write() as session:
        await session.execute(update(Lead).where(Lead.named).values(source_id=1))
    page = (await admin.get("/leads?sort=created&order=asc")).text
    first, second = re.findall(r"<tr>\s*<td.*?</tr>", page, flags=re.DOTALL)
    for drawn in (
        'aria-label="&lt;b&gt;&#34;О&#39;Ніл&#34;&lt;/b&gt;"',
        ">&lt;b&gt;&#34;О&#39;Ніл&#34;&lt;/b&gt;</a></td>",
        '<td data-label="Number"><span><a class="soft" href="tel:+380501234567"><span class="number">+380 50 123 4567'
        '</span></a> <span class="faint" title="+380672223344 +380631112233 ">+2</span></span></td>',
        '<td data-label="Status"><span class="badge">&lt;i&gt;Свій&lt;/i&gt;</span></td>',
        '<td data-label="Responsible">Юрій &lt;&#34;Ю&#34;&gt; &amp; Ко</td>',
        '<td data-label="Source">A &amp; &lt;B&gt;</td>',
    ):
        assert drawn in first
    assert '<span class="unnamed"><span class="number">+380 63 123 4567</span></span>' in second
    assert '<td data-label="Responsible"><span class="faint">Nobody</span></td>' in second


async def test_the_words_of_a_lists_columns_are_looked_up_once_and_not_for_each_row(
    admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()
    look_up = gettext.NullTranslations.gettext

    def counted(words: gettext.NullTranslations, message: str) -> str:
        asked[message] += 1
        return look_up(words, message)

    monkeypatch.setattr(gettext.NullTranslations, "gettext", counted)
    per_page = []
    for number in ("0501234501", "0501234502", "0501234503"):
        await _make(admin, number=[number])
        asked.clear()
        await admin.get("/leads")
        per_page.append([asked[word] for word in ("Number", "Status", "Responsible", "Source", "Last call", "Created")])
    assert per_page[0] == per_page[1] == per_page[2]


async def test_a_line_that_was_drawn_is_kept_as_long_as_it_would_be_drawn_alike(
    *,
    app: web.Application,
    admin: Visitor,
    yurii: Visitor,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[str] = []
    draw = LeadLines._draw

    def counted(lines: LeadLines, lead: LeadRow, *how: Any) -> Markup:
        drawn.append(lead.name)
        return draw(lines, lead, *how)

    monkeypatch.setattr(LeadLines, "_draw", counted)
    lines = LeadLines(aiohttp_jinja2.get_env(app))
    monkeypatch.setitem(aiohttp_jinja2.get_env(app).globals, "lead_line", lines)

    async def made() -> datetime:
        async with app[PANEL].database.read() as session:
            return (await session.get_one(Lead, int(card.rsplit("/", 1)[1]))).created_at

    card = await _make(admin, name="Щербань", responsible_id=str(company.yurii))
    local = (await made()).astimezone(ZoneInfo("Europe/Kyiv"))
    for _again in range(2):
        assert f">{local:%H:%M}</time>" in (await admin.get("/leads")).text
    assert drawn == ["Щербань"]
    assert 'name="lead"' not in (await yurii.get("/leads")).text  # He has no boxes to tick.
    await admin.post("/me", {"language": "uk", "time_zone": ""})
    assert 'data-label="Створено"' in (await admin.get("/leads")).text
    await admin.post("/me", {"language": "uk", "time_zone": "America/New_York"})
    page = (await admin.get("/leads")).text
    assert f">{local.astimezone(ZoneInfo('America/New_York')):%H:%M}</time>" in page
    for _six_hours in range(4):
        clock.move(hours=6)
        tomorrow = (await admin.get("/leads")).text
    assert "Щербань" in tomorrow
    assert f">{local.astimezone(ZoneInfo('America/New_York')):%H:%M}</time>" not in tomorrow
    assert len(drawn) == 5


async def test_a_lead_is_made_found_and_edited(admin: Visitor, company: Company) -> None:
    card = await _make(admin, name="Щербаньков Іван", number=["050 123 45 67", "", "+380672223344"])
    page = await admin.get(card)
    assert "+380 50 123 4567" in page.text
    assert 'href="tel:+380672223344"' in page.text
    for query in ("q=%D1%89%D0%B5%D1%80%D0%B1%D0%B0%D0%BD%D1%8C", "q=223", "q=067+222-33"):
        assert "Щербаньков Іван" in _text((await admin.get(f"/leads?{query}")).text)
    assert "Щербаньков" not in _text((await admin.get("/leads?q=224")).text)
    changed = {**FIELDS, "name": "Нове Ім'я", "version": _version(page.text), "responsible_id": str(company.yurii)}
    answer = await admin.post(card, changed)
    assert (answer.status, answer.location) == (303, card)
    page = await admin.get(card)
    assert "Saved." in _text(page.text)
    assert "Щербаньков Іван → Нове Ім'я" in _text(page.text)
    assert "Нове Ім'я" in _text((await admin.get(f"/leads?responsible={company.yurii}")).text)
    assert "Нове Ім'я" not in _text((await admin.get("/leads?responsible=nobody")).text)
    assert "Нове Ім'я" not in _text((await admin.get("/leads?state=unnamed")).text)


async def test_a_name_without_a_letter_stays_though_it_names_nobody(admin: Visitor) -> None:
    card = await _make(admin, name="007", number=["0501234567"])
    page = await admin.get(card)
    assert "Without a name" in _text(page.text)
    assert 'id="name" name="name" type="text" value="007"' in page.text
    changed = {**FIELDS, "name": "007", "number": ["0501234567"], "version": _version(page.text), "comment": "бар"}
    assert (await admin.post(card, changed)).status == 303
    assert 'type="text" value="007"' in (await admin.get(card)).text


async def test_the_second_of_two_is_told_and_loses_nothing(
    admin: Visitor, yurii: Visitor, company: Company, clock: Clock
) -> None:
    card = await _make(admin, name="Перша", responsible_id=str(company.yurii))
    version = _version((await admin.get(card)).text)
    theirs = {**FIELDS, "name": "Від Юрія", "responsible_id": str(company.yurii), "comment": "його"}
    assert (await yurii.post(card, {**theirs, "version": version})).status == 303
    mine = {**FIELDS, "name": "Моя <b>назва</b>", "number": ["0672223344"], "responsible_id": "", "comment": "моє"}
    answer = await admin.post(card, {**mine, "version": version})
    assert answer.status == 409
    text = _text(answer.text)
    assert "Щербань Юрій saved this card while you were typing." in text
    for typed in ('value="Моя &lt;b&gt;назва&lt;/b&gt;"', 'value="0672223344"', ">\nмоє</textarea>"):
        assert typed in answer.text
    for saved in ("Saved meanwhile: Від Юрія", "Saved meanwhile: його", "Saved meanwhile: +380 50 123 4567"):
        assert saved in text
    assert "Від Юрія" in (await admin.get(card)).text
    again = await admin.post(card, {**mine, "version": _version(answer.text)})
    assert again.status == 303
    assert "Моя &lt;b&gt;назва&lt;/b&gt;" in (await admin.get(card)).text


async def test_a_conversation_while_a_card_is_open_is_no_conflict_and_keeps_whom_it_gave_the_lead(
    admin: Visitor, company: Company, database: Database
) -> None:
    card = await _make(admin, name="", responsible_id="")
    typed = {**FIELDS, "version": _version((await admin.get(card)).text), "responsible_seen": ""}
    async with database.write() as session:
        # As the recorder gives a lead to whoever talks in its first conversation: without a new version.
        await session.execute(update(Lead).values(responsible_id=company.yurii))
    assert (await admin.post(card, {**typed, "name": "Іван", "responsible_id": ""})).status == 303
    page = (await admin.get(card)).text
    assert f'<option value="{company.yurii}" selected>' in page
    assert f'name="responsible_seen" value="{company.yurii}"' in page
    async with database.read() as session:
        assert await session.scalar(select(Lead.responsible_by_hand)) is False
    typed |= {"version": _version(page), "responsible_seen": company.yurii, "responsible_id": ""}
    assert (await admin.post(card, typed)).status == 303
    async with database.read() as session:
        lead = await session.scalar(select(Lead))
        assert lead is not None
        assert (lead.responsible_id, lead.responsible_by_hand) == (None, True)


async def test_a_taken_number_is_named_with_its_lead(admin: Visitor) -> None:
    first = await _make(admin, name="Перша")
    answer = await admin.post("/leads", {**FIELDS, "name": "Друга", "number": ["0672223344", "+38 (050) 1234567"]})
    assert answer.status == 422
    assert "+380 50 123 4567 is on another open lead." in _text(answer.text)
    assert f'href="{first}"' in answer.text
    assert 'value="Друга"' in answer.text


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_a_number_that_makes_no_lead_is_on_none_but_what_a_lead_has_it_keeps(admin: Visitor) -> None:
    """An ignored number, as one of ours or an employee's mobile (L2)."""
    ignored = {"number": "067 111 00 00"}
    made = await _make(admin, number=["067 111 00 00", "067 111 00 01"])
    await admin.post("/company/ignored", ignored)
    refused = await admin.post("/leads", {**FIELDS, "name": "Кур'єр", **ignored})
    assert refused.status == 422
    assert "+380 67 111 0000 is one of our own or an ignored number; it makes no lead." in _text(refused.text)
    assert 'value="067 111 00 00"' in refused.text
    other = await _make(admin, number=["067 111 00 02"])
    for card, numbers, status in ((made, ["067 111 00 00"], 303), (other, ["067 111 00 02", "067 111 00 00"], 422)):
        version = _version((await admin.get(card)).text)
        assert (await admin.post(card, {**FIELDS, "version": version, "number": numbers})).status == status


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"number": [""]}, "A lead has at least one number."),
        ({"number": ["101"]}, "Not a public telephone number."),
        ({"email": "no"}, "An e-mail address looks like"),
        ({"name": "я" * 201}, "At most 200 characters."),
        ({"language": "xx"}, "Choose one of the list."),
        ({"status_id": ""}, "Choose one of the list."),
        ({"status_id": "99"}, "Choose one of the list."),
        ({"responsible_id": "99"}, "Choose one of the list."),
    ],
)
async def test_mistakes_are_explained_and_typing_is_kept(
    admin: Visitor, fields: dict[str, object], message: str
) -> None:
    answer = await admin.post("/leads", {**FIELDS, "comment": "довгий текст", **fields})
    assert answer.status == 422
    assert message in _text(answer.text)
    assert "довгий текст" in answer.text


async def test_markup_shows_as_text_everywhere(admin: Visitor, database: Database) -> None:
    evil = "<script>alert('x')</script>\"><img src=x>"
    card = await _make(admin, name=evil, comment=evil, address=evil)
    async with database.write() as session:
        lead = await session.scalar(select(Lead))
        assert lead is not None
        began = datetime(2026, 3, 2, 8, tzinfo=UTC)
        session.add(
            Call(
                pbx="pbx",
                linkedid="1.1",
                role="call",
                phase=3,
                progress=1,
                direction="inbound",
                caller="+380501234567",
                caller_name=evil,
                dialled=evil,
                lead_id=lead.id,
                started_at=began,
                legs=[{"endpoint": evil, "number": evil, "result": None}],
            )
        )
        session.add(RoutingDecision(pbx="pbx", linkedid="1.1", decided_at=began, decision={"reasons": [evil]}))
    for path in (card, "/leads", "/leads?q=script&state=all", "/leads/new?number=%3Cscript%3E"):
        answer = await admin.get(path)
        assert answer.status == 200
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
    assert _text((await admin.get(card)).text).count(evil) >= 3


async def test_an_employee_sees_only_his_own(
    admin: Visitor, yurii: Visitor, company: Company, visitor: Callable[[], Visitor]
) -> None:
    card = await _make(admin, name="Чужий", responsible_id=str(company.maria))
    assert "Чужий" not in (await yurii.get("/leads")).text
    assert (await yurii.get(card)).status == 404
    version = _version((await admin.get(card)).text)
    assert (await yurii.post(card, {**FIELDS, "version": version})).status == 404
    maria = visitor()
    await maria.sign_in("maria")
    assert "Чужий" in (await maria.get("/leads")).text
    given = await maria.post(card, {**FIELDS, "name": "Віддано", "version": version, "responsible_id": company.yurii})
    assert given.location == "/leads"
    assert "somebody else's hands" in _text((await maria.get("/leads")).text)
    assert (await yurii.get(card)).status == 200


async def test_our_statuses_are_said_in_the_viewers_language_and_the_companys_own_as_they_are(
    admin: Visitor, database: Database
) -> None:
    async with database.write() as session:
        (await session.get_one(LeadStatus, 2)).name = "Live"  # A word that the panel itself says and translates.
    lead = await _make(admin, name="Гарний Петро")
    changed = {**FIELDS, "name": "Гарний Петро", "version": _version((await admin.get(lead)).text), "status_id": "2"}
    assert (await admin.post(lead, changed)).status == 303
    for path in (lead, "/leads"):
        page = _text((await admin.get(path, Accept_Language="uk")).text)
        assert "Гарячий" in page
        assert "Live" in page
        assert "Hot" not in page
    theirs = await admin.post(lead, {**changed, "status_id": "3"}, Accept_Language="uk")
    assert theirs.status == 409
    assert "Live" in _text(theirs.text)


@pytest.mark.parametrize(
    "query",
    [
        "sort=x",
        "order=up",
        "state=x",
        "status=x",
        "responsible=x",
        "status=99999999999",
        "q=a&q=b",
        "created-to=x",
    ],
)
async def test_addresses_that_no_page_makes_are_refused(admin: Visitor, query: str) -> None:
    assert (await admin.get(f"/leads?{query}")).status == 400


@pytest.mark.parametrize(
    "query",
    [
        "after=WzEsIjk5OTktMTItMzFUMjM6NTk6NTktMjM6NTkiLDFd",  # 9999-12-31T23:59:59-23:59: beyond the calendar in UTC
        "before=WzEsIjAwMDEtMDEtMDFUMDA6MDA6MDArMjM6NTkiLDFd",
        "q=%25%27%22%5C",
        "after=!!",
        "before=W10",
        "q=NEAR%28",
        "status=77",
        "responsible=77&sort=responsible",
        "q=+",
    ],
)
async def test_odd_questions_get_an_answer(admin: Visitor, query: str) -> None:
    await _make(admin, name="Один")
    assert (await admin.get(f"/leads?{query}")).status == 200


async def test_every_column_filters_and_says_so(admin: Visitor, clock: Clock) -> None:
    today = clock.now.date()
    await _make(admin, name="Щербаньков Іван", number=["050 123 45 67"])
    await _make(admin, name="Мороз Зоя", number=["067 222 33 44"])
    for query, found in (
        (f"name={quote('щерб')}", {"Щербаньков Іван"}),
        ("number=222-33", {"Мороз Зоя"}),
        ("number=0672223344&sort=source", {"Мороз Зоя"}),
        ("created-from=2000-01-01&created-to=2100-12-31", {"Щербаньков Іван", "Мороз Зоя"}),
        (f"created-from={today}&created-to={today}", {"Щербаньков Іван", "Мороз Зоя"}),
        ("created-to=2000-01-01", set()),
        ("last-call-from=2000-01-01", set()),
    ):
        page = await admin.get(f"/leads?{query}")
        text = _text(page.text)
        assert {name for name in ("Щербаньков Іван", "Мороз Зоя") if name in text} == found, query
        assert "Without these filters" in text
        assert '<details class="column-filters" open>' in page.text
    assert "Without these filters" not in _text((await admin.get("/leads?sort=source&order=desc")).text)


async def test_pages_lead_forth_and_back_and_keep_the_filter(admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leads.admin.cards.LIST_SIZE", 3)
    for line in range(7):
        await _make(admin, name=f"Лід {line}", number=[f"05011122{line:02d}"])
    path, seen = "/leads?sort=name&order=desc&q=%D0%BB%D1%96%D0%B4", []
    for _page in range(3):
        answer = await admin.get(path)
        seen += re.findall(r">(Лід \d)</a>", answer.text)
        assert "7 found" in _text(answer.text)
        following = re.search(r'rel="next" href="([^"]+)"', answer.text)
        if following:
            path = unescape(following[1])
            assert "sort=name" in path
            assert "q=" in path
    assert seen == [f"Лід {line}" for line in range(6, -1, -1)]
    back = re.search(r'rel="prev" href="([^"]+)"', answer.text)
    assert back
    assert re.findall(r">(Лід \d)</a>", (await admin.get(unescape(back[1]))).text) == ["Лід 3", "Лід 2", "Лід 1"]


@pytest.mark.parametrize("dialect", ["sqlite"])
@pytest.mark.parametrize("of", ["lead_id", "counterparty_id"])
async def test_all_that_happened_is_found_in_pages_of_each_kind(
    admin: Visitor, database: Database, clock: Clock, of: str
) -> None:
    """A person of years: calls, planned calls, tasks and changes beyond those that the card begins with (L9)."""
    card = await _make(admin) if of == "lead_id" else (await admin.post("/counterparties", {"name": "ТОВ"})).location
    whose = {of: int(card.rpartition("/")[2])}
    ended = {"pbx": "asterisk", "role": "call", "phase": 3, "progress": 9, "direction": "inbound"}
    calls = [Call(linkedid=f"{place}.1", **ended, **whose, started_at=clock()) for place in range(60)]
    async with database.write() as session:
        session.add_all(calls)
        for place in range(60):
            at = clock() + timedelta(minutes=place)
            plan = {"day": at.date(), "set_at": at, "made_at": at, "closed_at": at, "state": "done", "by_hand": False}
            task = {"kind": "typed", "made_at": at, "done_at": at, "missed": 0, "attempts": 0, "reason": ""}
            session.add(PlannedCall(**whose, **plan, note=f"план {place}."))
            session.add(Task(**whose, **task, text=f"завдання {place}."))
            session.add(Change(**whose, at=at, field="comment", after=f"зміна {place}."))
    assert "all of each kind are under its name" in (await admin.get(card)).text
    words = {"plans": "план", "tasks": "завдання", "changes": "зміна"}
    for kind in ("calls", *words):
        first = (await admin.get(f"{card}?events={kind}")).text
        assert f'href="{card}?events={kind}&amp;page=1#events"' in first
        second = (await admin.get(f"{card}?events={kind}&page=1")).text
        events = second.partition('id="events"')[2].partition("</ol>")[0]
        if kind == "calls":
            assert [call for call in calls if f'href="/calls/{call.id}"' in events] == calls[:10]
        else:
            found = [place for place in range(60) if f"{words[kind]} {place}." in events]
            assert found == [*range(10)]
        assert "page=2" not in second


async def test_a_call_shows_its_result_and_why(admin: Visitor, database: Database, company: Company) -> None:
    card = await _make(admin, name="Клієнт")
    began = datetime(2026, 3, 2, 8, tzinfo=UTC)
    async with database.write() as session:
        call = Call(pbx="pbx", linkedid="7.1", role="call", phase=3, progress=1, direction="inbound", result="busy")
        call.caller, call.outside_number, call.started_at = "+380501234567", "+380501234567", began
        call.lead_id = int(card.rpartition("/")[2])
        call.legs = [{"endpoint": "PJSIP/101", "number": "101", "result": "busy"}]
        session.add(call)
        reasons = ["Юрій is responsible.", "Then group Sales."]
        session.add(RoutingDecision(pbx="pbx", linkedid="7.1", decided_at=began, decision={"reasons": reasons}))
    text = _text((await admin.get(card)).text)
    assert "Busy" in text
    assert "Щербань Юрій · 101" in text
    assert "Why it went there Юрій is responsible. Then group Sales." in text


async def test_lists_and_files_from_memory_show_what_was_saved_a_moment_ago(
    app: web.Application, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a big company: the database is not asked which leads a list has."""

    async def refuse(*_arguments: object) -> None:
        raise AssertionError("the database was asked")

    kept = await _make(admin, name="Щербань")
    await app[PANEL].roster.read_all()
    monkeypatch.setattr(roster, "find_leads", refuse)
    search = f"/leads?q={quote('щерб')}"
    assert "Щербань" in (await admin.get(search)).text
    await _make(admin, name="Ґалаган", number=["063 111 22 33"])
    page = (await admin.get(kept)).text
    fields = {**FIELDS, "name": "Їжак", "version": _version(page), "responsible_seen": ""}
    assert (await admin.post(kept, fields)).status == 303
    shown = _text((await admin.get("/leads?sort=name&order=asc")).text)
    assert shown.index("Ґалаган") < shown.index("Їжак")
    assert "No lead fits" in (await admin.get(search)).text
    file = (await admin.get("/leads/export.csv?sort=name&order=asc")).text
    assert file.index("Ґалаган") < file.index("Їжак")
    assert "Щербань" not in file
