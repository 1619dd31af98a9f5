"""Reports as supervisors and administrators read them: figures in words, charts, files, errors."""

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import update

from leads.admin import call_report_lines, contact_report, lead_report_lines
from leads.admin.charts import HEIGHT, Series, bars, columns, nice_top
from leads.domain.calls import Direction, Phase, Result
from leads.store import call_report, lead_report
from leads.store.engine import Database
from leads.store.models import Call, Counterparty, Employee, Lead, Source
from tests.admin.calls import add_call
from tests.admin.conftest import Clock, Company, Visitor


def _cells(html: str, title: str) -> list[str]:
    """The cells of the line with that title."""
    for line in re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL):
        cells = [
            " ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split())
            for cell in re.findall(r"<td[^>]*>(.*?)</td>", line, re.DOTALL)
        ]
        if cells and cells[0] == title:
            return cells[1:]
    raise AssertionError(f"no line {title}")


@pytest.fixture
async def calls(database: Database, clock: Clock, company: Company) -> None:
    """On 2 March, from 9:00 UTC on: a call that Yurii answered, a missed one and its call-back."""
    over = {"phase": Phase.ENDED, "ended_at": clock() + timedelta(minutes=5)}
    await add_call(
        *(database, clock, "1"),
        **{**over, "result": Result.ANSWERED, "employee_id": company.yurii, "ring_seconds": 12.0, "talk_seconds": 95.0},
    )
    await add_call(database, clock, "2", **over, result=Result.NO_ANSWER)
    clock.move(minutes=70)
    back = {"direction": Direction.OUTBOUND, "did": None, "employee_id": company.maria, "talk_seconds": 0.0}
    await add_call(database, clock, "3", **over, **back, result=Result.BUSY)


@pytest.mark.usefixtures("calls")
async def test_calls_by_hour_day_employee_and_number(admin: Visitor) -> None:
    by_day = (await admin.get("/reports/calls")).text
    assert _cells(by_day, "2 Mar 2026") == ["2", "1", "1 50 %", "1", "0:12", "1 · 0 answered", "1:35"]
    assert _cells(by_day, "Together") == _cells(by_day, "2 Mar 2026")
    assert _cells(by_day, "1 Mar 2026")[0] == "0"
    assert 'role="img"' in by_day
    by_hour = (await admin.get("/reports/calls?by1=hour")).text
    assert _cells(by_hour, "11:00")[:3] == ["2", "1", "1 50 %"]
    assert _cells(by_hour, "12:00")[5] == "1 · 0 answered"
    by_employee = (await admin.get("/reports/calls?by1=employee")).text
    assert _cells(by_employee, "Щербань Юрій")[1] == "1"
    assert _cells(by_employee, "Марія Коваленко")[5] == "1 · 0 answered"
    assert _cells(by_employee, "Nobody")[2] == "1 100 %"
    by_number = (await admin.get("/reports/calls?by1=number")).text
    assert _cells(by_number, "+380 44 123 4567")[0] == "2"
    assert _cells(by_number, "Without a number of ours")[5] == "1 · 0 answered"


@pytest.mark.usefixtures("calls")
async def test_the_calls_behind_each_figure_are_as_many_as_it_says(
    admin: Visitor, visitor: Callable[[], Visitor], company: Company, database: Database
) -> None:
    for by in ("by1=hour", "by1=number", "by1=day&by2=employee&by3=hour&by4=number"):
        page = (await admin.get(f"/reports/calls?{by}&from=2026-03-01&to=2026-03-02")).text
        links = re.findall(r'href="(/reports/calls/behind[^"]+)">(\d+)', page)
        assert len(links) >= 10, by
        for link, figure in links:
            behind = await admin.get(unescape(link))
            assert (behind.status, behind.text.count('id="call-')) == (200, int(figure)), link
            assert f"&{by}" in unescape(behind.text), "the way back to this report"
    by_day = (await admin.get("/reports/calls/behind?figure=missed&day=2026-03-02&employee=none")).text
    assert "Missed" in by_day
    assert "2 Mar 2026 · Nobody" in by_day
    for wrong in ("day=x", "hour=none", "employee=x", "from=x"):
        assert (await admin.get(f"/reports/calls/behind?{wrong}")).status == 400, wrong
    # What was missed at the phone of somebody else's is counted for whose the caller is, and told to nobody else.
    async with database.write() as session:
        lead = {
            "status_id": 1,
            "created_at": datetime(2026, 3, 1, tzinfo=UTC),
            "updated_at": datetime(2026, 3, 1, tzinfo=UTC),
        }
        session.add(Lead(id=1, name="Ольга", named=True, responsible_id=company.yurii, **lead))
        await session.flush()
        missed = {"lead_id": 1, "legs": [{"endpoint": "PJSIP/102", "number": "102", "result": None}]}
        await session.execute(update(Call).where(Call.result == Result.NO_ANSWER).values(missed))
    boss = visitor()
    assert (await boss.sign_in("boss")).status == 303
    behind = (await boss.get("/reports/calls/behind?figure=missed")).text
    assert (behind.count("Not yours to see"), "Ольга" in behind) == (1, False)


@pytest.mark.usefixtures("calls")
async def test_a_report_is_saved_as_a_file(admin: Visitor) -> None:
    answer = await admin.get("/reports/calls.csv?by1=employee&from=2026-03-01&to=2026-03-02")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="calls-2026-03-01-2026-03-02.csv"' in answer.headers["Content-Disposition"]
    lines = answer.text.removeprefix("\ufeff").splitlines()
    assert lines[0].startswith("Employee,Inbound calls,Answered calls,Missed,Called back,")
    assert "Щербань Юрій,1,1,0,0,12.0,0,0,95" in lines
    file = (await admin.get("/reports/calls.csv?by1=day&by2=employee&by3=hour&from=2026-03-01&to=2026-03-02")).text
    assert [line.split(",")[:4] for line in file.splitlines()[1:]] == [
        ["2 Mar 2026", "Nobody", "11:00", "1"],
        ["2 Mar 2026", "Марія Коваленко", "12:00", "0"],
        ["2 Mar 2026", "Щербань Юрій", "11:00", "1"],
    ]


@pytest.mark.usefixtures("calls")
async def test_calls_are_grouped_in_any_order_with_subtotals(admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    period = "from=2026-03-01&to=2026-03-02"
    lines, total, _bars = _lines((await admin.get(f"/reports/calls?by1=day&by2=employee&by3=hour&{period}")).text)
    assert [[*line[:3], line[6]] for line in lines] == [
        ["1 Mar 2026", "0", "0", "0"],
        ["2 Mar 2026", "2", "1", "1 · 0 answered"],
        ["Nobody", "1", "0", "0"],
        ["11:00", "1", "0", "0"],
        ["Марія Коваленко", "0", "0", "1 · 0 answered"],
        ["12:00", "0", "0", "1 · 0 answered"],
        ["Щербань Юрій", "1", "1", "0"],
        ["11:00", "1", "1", "0"],
    ]
    assert total[:3] == ["Together", "2", "1"]
    address = f"/reports/calls?by1=employee&by2=employee&by3=number&{period}"
    lines, total, bars = _lines((await admin.get(address)).text)
    assert [line[:2] for line in lines] == [
        ["Nobody", "1"],
        ["+380 44 123 4567", "1"],
        ["Марія Коваленко", "0"],
        ["Without a number of ours", "0"],
        ["Щербань Юрій", "1"],
        ["+380 44 123 4567", "1"],
    ]
    assert len(bars) == 3
    monkeypatch.setattr(call_report_lines, "MOST_LINES", 2)
    page = (await admin.get(address)).text
    assert (_lines(page), "4 rows more are left out" in page) == ((lines[:2], total, bars), True)
    monkeypatch.setattr(call_report, "MOST_GROUPS", 1)
    answer = await admin.get(address)
    assert (answer.status, "Choose a shorter period" in answer.text) == (503, True)


@pytest.fixture
async def leads(database: Database, clock: Clock, company: Company) -> None:
    """Yurii's lead of February, with a call of today; Maria's new one, unnamed, and her new one that was converted."""
    now = clock()
    before = now - timedelta(days=20)
    async with database.write() as session:
        session.add(Source(id=1, name="Radio"))
        session.add(Counterparty(id=1, name="C", created_at=now, updated_at=now))
        await session.flush()
        old = {"status_id": 1, "responsible_id": company.yurii, "created_at": before, "updated_at": before}
        new = {"status_id": 2, "responsible_id": company.maria, "created_at": now, "updated_at": now}
        session.add_all(
            [
                Lead(id=1, name="Ольга", named=True, source_id=1, **old),
                Lead(id=2, name="+380501234567", **new),
                Lead(id=3, name="Іван", named=True, closed_at=now, counterparty_id=1, **new),
            ]
        )
    over = {"phase": Phase.ENDED, "result": Result.NO_ANSWER, "ended_at": now}
    await add_call(database, clock, "9", lead_id=1, **over)


@pytest.mark.usefixtures("leads")
async def test_leads_in_any_order_with_subtotals_and_those_behind_each_figure(
    admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_report, "_AT_ONCE", 1)  # A file is read some groups at a time.
    period = "from=2026-03-01&to=2026-03-31"
    page = (await admin.get(f"/reports/leads?by1=employee&by2=status&{period}")).text
    assert _cells(page, "Щербань Юрій") == ["1", "0", "1", "0", "–"]
    assert _cells(page, "Марія Коваленко") == ["2", "2", "0", "1", "50 % · 1"]
    assert _cells(page, "Together") == ["3", "2", "1", "1", "50 % · 1"]
    assert "+380 50 123 4567" in (await admin.get(f"/reports/leads?by1=state&by2=lead&{period}")).text
    links = [unescape(link) for link in re.findall(r'href="(/reports/leads/behind[^"]+)"', page)]
    converted = next(link for link in links if "figure=converted&" in link and "employee" in link)
    behind = (await admin.get(converted)).text
    assert ("Іван" in behind, "Ольга" in behind, "380" in behind) == (True, False, False)
    for link in links:
        assert (await admin.get(link)).status == 200, link
    file = (await admin.get(f"/reports/leads.csv?by1=source&by2=lead&{period}")).text.splitlines()
    assert file[0].endswith('Source,Lead,Leads,New leads,Calls,Converted,New and converted,"Conversion, %"')
    assert "Radio,Ольга,1,0,1,0,0," in file
    assert "No source,Іван,1,1,0,1,1,100.0" in file
    assert (await admin.get("/reports/leads?by1=moon")).status == 400
    assert (await admin.get(f"/reports/leads/behind?{period}&employee=x")).status == 400


@pytest.mark.usefixtures("leads")
async def test_first_contact_finds_the_unnamed_and_those_never_called_back(
    admin: Visitor, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = {"phase": Phase.ENDED, "result": Result.ANSWERED, "ended_at": clock()}
    for linkedid in ("a", "b"):
        await add_call(database, clock, linkedid, lead_id=2, **over)
    assert _cells((await admin.get("/reports/contact")).text, "Щербань Юрій") == ["0", "1"]
    await add_call(database, clock, "c", lead_id=2, **over)
    page = (await admin.get("/reports/contact")).text
    assert _cells(page, "Марія Коваленко") == ["1", "0"]
    assert _cells(page, "Щербань Юрій") == ["0", "1"]
    links = [unescape(link) for link in re.findall(r'href="(/reports/contact/behind[^"]+)">1<', page)]
    assert len(links) == 2
    for link, name in zip(sorted(links), ("+380 50 123 4567", "Ольга"), strict=True):
        behind = (await admin.get(link)).text
        assert (behind.count("<tr>"), name in behind) == (2, True), link
    monkeypatch.setattr(contact_report, "MOST_SHOWN", 0)
    assert "All 1" in (await admin.get("/reports/contact")).text
    assert (await admin.get("/reports/contact/behind?figure=moon")).status == 400
    file = (await admin.get("/reports/contact.csv")).text.splitlines()
    assert file[1:] == [
        "Unnamed,+380501234567,,Марія Коваленко,3",
        "Never called back,+380501234567,Ольга,Щербань Юрій,1",
    ]
    clock.move(minutes=5)
    await add_call(database, clock, "d", direction=Direction.OUTBOUND, did=None, **over)
    assert "Never called back,+380" not in (await admin.get("/reports/contact.csv")).text


@pytest.mark.usefixtures("leads")
async def test_a_supervisor_counts_his_groups_only(visitor: Callable[[], Visitor]) -> None:
    boss = visitor()
    assert (await boss.sign_in("boss")).status == 303
    page = (await boss.get("/reports/leads?from=2026-03-01&to=2026-03-31")).text
    assert _cells(page, "Together") == ["1", "0", "1", "0", "–"]
    assert "Марія" not in page


@pytest.mark.usefixtures("leads")
async def test_leads_that_changed_hands_are_counted_but_not_named(
    visitor: Callable[[], Visitor], admin: Visitor, database: Database, clock: Clock, company: Company
) -> None:
    clock.now += timedelta(days=40)
    async with database.write() as session:
        lead = await session.get_one(Lead, 1)
        lead.responsible_id, lead.updated_at = company.maria, clock()
    boss = visitor()
    assert (await boss.sign_in("boss")).status == 303
    await admin.sign_in("admin")
    period = "from=2026-03-01&to=2026-03-31"
    grouped = f"?by1=lead&{period}"
    for path in (f"/reports/leads/behind?figure=leads&{period}", f"/reports/leads{grouped}"):
        told, hidden = (await admin.get(path)).text, (await boss.get(path)).text
        assert "Ольга" in told
        assert "Not yours to see" in hidden
        assert ("Ольга" in hidden, "Марія" in hidden, 'href="/leads/1"' in hidden) == (False, False, False)
    async with database.write() as session:
        (await session.get_one(Employee, company.boss)).may_export = True
    file = (await boss.get(f"/reports/leads.csv{grouped}")).text
    assert file.splitlines()[1:] == ["Not yours to see,1,0,1,0,0,"]


@pytest.mark.usefixtures("leads")
async def test_too_many_groups_are_refused_with_what_to_do(admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    period = "from=2026-03-01&to=2026-03-31"
    monkeypatch.setattr(lead_report, "MOST_GROUPS", 1)
    answer = await admin.get(f"/reports/leads?by1=employee&{period}")
    assert (answer.status, "Choose a shorter period" in answer.text) == (503, True)
    assert (await admin.get("/reports/leads?by1=state&by2=lead&from=2026-01-01&to=2026-01-02")).status == 200


@pytest.mark.usefixtures("leads")
async def test_of_more_leads_than_a_page_takes_the_first_are_shown_and_all_are_counted(
    admin: Visitor, database: Database, clock: Clock, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock()
    async with database.write() as session:
        more = {"status_id": 1, "created_at": now, "updated_at": now, "name": "x"}
        people = (company.yurii, company.maria, None)
        session.add_all([Lead(id=key, responsible_id=people[key % 3], **more) for key in range(4, 10)])
    for key in (5, 8, 8):
        clock.move(minutes=1)
        over = {"phase": Phase.ENDED, "result": Result.ANSWERED, "ended_at": now, "employee_id": company.yurii}
        await add_call(database, clock, f"{clock():%M}", lead_id=key, **over)
    monkeypatch.setattr(lead_report, "MOST_GROUPS", 6)  # There are more leads than that.
    for by, most in ((("lead",), 2), (("employee", "status", "lead"), 5), (("state", "lead", "employee"), 4)):
        address = "/reports/leads?" + "&".join(f"by{place}={one}" for place, one in enumerate(by, 1))
        whole, total, bars = _lines((await admin.get(address)).text)
        assert ([len(line) for line in whole], total[1]) == ([6] * len(whole), "9"), by
        monkeypatch.setattr(lead_report_lines, "MOST_LINES", most)
        page = (await admin.get(address)).text
        assert _lines(page) == (whole[:most], total, bars if by[0] != "lead" else bars[:most]), by
        left_out = re.search(r"(\d+) rows? more", page)
        assert left_out is not None, by
        assert int(left_out[1]) == len(whole) - most, by
        monkeypatch.setattr(lead_report_lines, "MOST_LINES", 400)


def _lines(html: str) -> tuple[list[list[str]], list[str], list[str]]:
    """Each line of the table of groups, the total below them, and what the chart's bars say."""
    found = [
        [" ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split()) for cell in re.findall(r"<td[^>]*>(.*?)</td>", line)]
        for line in re.findall(r'<tr class="(?:level-\d|total)">(.*?)</tr>', html, re.DOTALL)
    ]
    return found[:-1], found[-1], re.findall(r"<title>([^<]*)</title>", html.partition("<main")[2])


@pytest.mark.usefixtures("leads")
async def test_lines_of_a_report_are_made_off_the_event_loop(admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def noting(made: Callable[..., object]) -> Callable[..., object]:
        def note(*given: object) -> object:
            threads.append(threading.current_thread().name)
            return made(*given)

        return note

    for lines in (lead_report_lines, call_report_lines):
        for name in ("with_subtotals", "label"):
            monkeypatch.setattr(lines, name, noting(getattr(lines, name)))
    for page in ("/reports/leads?by2=lead", "/reports/leads.csv?by2=lead", "/reports/calls?", "/reports/calls.csv?"):
        assert (await admin.get(f"{page}&by1=employee")).status == 200
    assert threads
    assert {name.partition("_")[0] for name in threads} == {"long-read"}


async def test_an_empty_period_and_wrong_days_say_what_to_do(admin: Visitor) -> None:
    assert "No calls in this period" in (await admin.get("/reports/calls")).text
    for query, message in (
        ("from=2026-03-05&to=2026-03-01", "The first day is after the last one."),
        ("from=2020-01-01&to=2026-03-01", "A report covers three years at most."),
        ("from=yesterday", "A day is written as 2026-03-02."),
    ):
        answer = await admin.get(f"/reports/calls?{query}")
        assert (answer.status, message in answer.text) == (422, True)
    assert 'value="2026-03-05"' in (await admin.get("/reports/calls?from=2026-03-05&to=2026-03-01")).text
    assert (await admin.get("/reports/calls?by1=moon")).status == 400


def test_charts_fill_their_box() -> None:
    good, bad = Series("Good", "good", [3, 0]), Series("Bad", "bad", [1, 2])
    chart = columns(["a", "b"], [good, bad], ["a", "b"])
    assert chart.top == 5
    assert [(one.y, one.height, one.colour) for one in chart.shapes] == [
        (40, 60, "good"),
        (20, 20, "bad"),
        (60, 40, "bad"),
    ]
    assert all(one.y + one.height <= HEIGHT for one in chart.shapes)
    first, second = bars(["a", "b"], [good, bad])
    assert [(one.x, one.width) for one in first.shapes] == [(0, 75), (75, 25)]
    assert [(one.x, one.width) for one in second.shapes] == [(0, 50)]
    many = Series("Good", "good", [1_234_567])
    assert bars(["a"], [many])[0].shapes[0].title == columns(["a"], [many], ["a"]).shapes[0].title == "a: Good 1234567"
    assert [nice_top(value) for value in (0, 1, 3, 11, 500, 501)] == [1, 1, 5, 20, 500, 1000]
