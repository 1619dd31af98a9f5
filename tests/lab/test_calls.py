"""Calls through a real Asterisk and the real server: what the phones saw, the database tells (C1, C4, C6, L1, L2)."""

import json
from datetime import UTC, datetime

import pytest

from leadline.demo.outside_line import OutsideLine
from leadline.demo.phones import Outcome, PhoneCall
from leadline.demo.scenarios import Behaviour
from leads.admin.reasons import tell_kept
from tests.lab.conftest import Call, LeadlineServer, Pbx, Phones

STRANGER = "+380501234567"
MAIN = "0441234567"
MAIN_E164 = "+380441234567"
SHOP = "0443334455"
SHCHERBAN = "+380501112233"
MELNYCHENKO = "+380672223344"
SHCHUROV = "+380933334455"
ACCOUNTANT = "+380631234500"

RINGS_ON = Behaviour(status=None)
BUSY = Behaviour(status=486, ring_seconds=0.1)
CLOCKS_DIFFER = 0.7
"""Seconds by which two programs may tell one moment differently on a loaded machine."""


def stored(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def same_moment(text: str, seen: datetime | None) -> bool:
    assert seen is not None
    return abs((stored(text) - seen).total_seconds()) < CLOCKS_DIFFER


def assert_times_agree(row: dict[str, object], outcome: Outcome, answered: PhoneCall | None) -> None:
    """The record against what the caller and the phone that answered saw."""
    assert same_moment(str(row["started_at"]), outcome.started_at)
    assert same_moment(str(row["ended_at"]), outcome.ended_at)
    if answered is None:
        assert (row["answered_at"], row["talk_seconds"] or 0) == (None, 0)
        return
    assert same_moment(str(row["answered_at"]), answered.answered_at)
    assert answered.answered_at is not None
    assert answered.ended_at is not None
    talked = (answered.ended_at - answered.answered_at).total_seconds()
    assert row["talk_seconds"] == pytest.approx(talked, abs=CLOCKS_DIFFER)


def test_an_unknown_caller_is_answered_and_becomes_a_lead_of_who_answered(
    leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    olena, andriy = phones("101", RINGS_ON), phones("102", Behaviour(ring_seconds=1.0))
    outcome = call(STRANGER, MAIN, talk_seconds=1.5).wait_one()
    answered = andriy.await_end()
    (row,) = leadline_server.await_ended_calls()
    (lead,) = leadline_server.await_rows("SELECT * FROM lead WHERE id = ?", row["lead_id"])
    assert (outcome.status, outcome.hung_up_by) == (200, "caller")
    assert (answered.name, answered.number) == (None, STRANGER)
    assert olena.await_end().end == "cancelled"
    assert (row["direction"], row["outside_number"], row["did"], row["result"], row["employee_id"]) == (
        "inbound",
        STRANGER,
        MAIN_E164,
        "answered",
        2,
    )
    assert_times_agree(row, outcome, answered)
    assert (lead["name"], lead["named"], lead["main_number"], lead["responsible_id"]) == (STRANGER, 0, STRANGER, 2)
    assert leadline_server.rows("SELECT name FROM lead_status WHERE id = ?", lead["status_id"]) == [{"name": "Hot"}]


@pytest.mark.parametrize(
    "story",
    [
        (MELNYCHENKO, "101", "Olha Melnychenko"),
        ("0672223344", "101", "Olha Melnychenko"),
        ("00380672223344", "101", "Olha Melnychenko"),
        (SHCHUROV, "101", "Iurii Shchurov"),
        (SHCHERBAN, "102", "Юрій Щербань"),
        (ACCOUNTANT, "103", "Nataliia Zghurska"),
    ],
)
def test_a_known_caller_rings_only_his_responsible_whose_phone_shows_the_name(
    leadline_server: LeadlineServer, phones: Phones, call: Call, story: tuple[str, str, str]
) -> None:
    caller, phone, shown = story
    everybody = {number: phones(number, Behaviour(ring_seconds=0.1)) for number in ("101", "102", "103")}
    call(caller, MAIN, display_name="KYIVSTAR", talk_seconds=0.2).wait_one()
    ringing = everybody[phone].await_end()
    assert (ringing.name, ringing.asserted_name) == (shown, shown)
    assert {number: len(each.calls()) for number, each in everybody.items() if each.calls()} == {phone: 1}
    (row,) = leadline_server.await_ended_calls()
    assert (row["result"], row["employee_id"]) == ("answered", int(phone) - 100)


def test_a_contact_persons_call_is_his_and_makes_no_lead(
    leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("103", Behaviour(ring_seconds=0.1))
    leads = leadline_server.rows("SELECT count(*) AS n FROM lead")
    call(ACCOUNTANT, MAIN, talk_seconds=0.2).wait_one()
    (row,) = leadline_server.await_ended_calls()
    assert (row["counterparty_id"], row["contact_person_id"], row["lead_id"]) == (1, 1, None)
    assert leadline_server.rows("SELECT count(*) AS n FROM lead") == leads


def test_no_answer_goes_from_the_responsible_to_the_group_to_the_default(
    leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    leadline_server.execute("UPDATE employee SET ring_seconds = 5")
    leadline_server.execute("UPDATE ring_group SET ring_seconds = 5")
    responsible, colleague = phones("101", RINGS_ON), phones("102", RINGS_ON)
    reception = phones("103", Behaviour(ring_seconds=0.1))
    outcome = call(MELNYCHENKO, MAIN, talk_seconds=0.3).wait_one()
    assert outcome.status == 200
    assert [len(each.calls()) for each in (responsible, colleague, reception)] == [2, 1, 1]
    assert responsible.calls()[0].invited_at < colleague.calls()[0].invited_at < reception.calls()[0].invited_at
    (row,) = leadline_server.await_ended_calls()
    assert (row["result"], row["employee_id"]) == ("answered", 3)
    assert sorted((leg["endpoint"], leg["result"]) for leg in json.loads(row["legs"])) == [
        ("PJSIP/101", "no-answer"),
        ("PJSIP/101", "no-answer"),
        ("PJSIP/102", "no-answer"),
        ("PJSIP/103", "answered"),
    ]


def test_a_responsible_who_talks_is_not_rung_but_the_group_is(
    asterisk: Pbx, leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    busy = phones("101", Behaviour(ring_seconds=0.1))
    first = call(SHCHUROV, MAIN, talk_seconds=None)
    first.await_answer()
    colleague = phones("102", Behaviour(ring_seconds=0.1))
    outcome = call(MELNYCHENKO, MAIN, talk_seconds=0.3).wait_one()
    assert outcome.status == 200
    assert (len(busy.calls()), colleague.await_end().name) == (1, "Ольга Мельниченко")
    asterisk.instance.cli("channel request hangup all")
    assert first.wait_one().hung_up_by == "other"


def test_a_responsible_who_declines_sends_the_call_on(
    leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("101", Behaviour(status=603, ring_seconds=0.1))
    phones("102", Behaviour(ring_seconds=0.1))
    call(MELNYCHENKO, MAIN, talk_seconds=0.3).wait_one()
    (row,) = leadline_server.await_ended_calls()
    assert (row["result"], row["employee_id"]) == ("answered", 2)
    assert ("PJSIP/101", "rejected") in [(leg["endpoint"], leg["result"]) for leg in json.loads(row["legs"])]


def test_when_all_are_busy_the_caller_hears_it_and_the_record_says_so(
    leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    for number in ("101", "102", "103"):
        phones(number, BUSY)
    outcome = call(STRANGER, MAIN).wait_one()
    (row,) = leadline_server.await_ended_calls()
    (lead,) = leadline_server.await_rows("SELECT * FROM lead WHERE id = ?", row["lead_id"])
    assert (outcome.status, row["result"]) == (486, "busy")
    assert_times_agree(row, outcome, None)
    # A missed call's lead is owned by whom the dialled number names.
    assert lead["responsible_id"] == 1


def test_a_caller_who_gives_up_is_on_record_and_becomes_a_lead(
    leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("101", RINGS_ON)
    outcome = call(STRANGER, MAIN, patience_seconds=1).wait_one()
    (row,) = leadline_server.await_ended_calls()
    assert (outcome.status, row["direction"], row["employee_id"]) == (487, "inbound", None)
    assert row["result"] in ("cancelled", "no-answer")
    assert row["lead_id"] is not None
    assert_times_agree(row, outcome, None)


def test_a_call_is_on_record_while_it_rings_and_is_completed_when_it_ends(
    leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("101", RINGS_ON)
    calls = call(STRANGER, MAIN, patience_seconds=3)
    calls.await_ringing()
    (ringing,) = leadline_server.await_rows("SELECT * FROM call")
    assert (ringing["phase"], ringing["ended_at"], ringing["outside_number"]) == (1, None, STRANGER)
    assert calls.outcomes()[0].ended_at is None, "the record came after the call"
    calls.wait()
    (ended,) = leadline_server.await_ended_calls()
    assert (ended["id"], ended["phase"]) == (ringing["id"], 3)


def test_ten_calls_at_once_from_one_unknown_number_make_one_lead(
    leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("101", BUSY)
    call(STRANGER, MAIN, count=10).wait()
    rows = leadline_server.await_ended_calls(10)
    assert len(rows) == 10
    assert len({row["linkedid"] for row in rows}) == 10
    assert len({row["lead_id"] for row in rows}) == 1
    assert leadline_server.rows("SELECT count(*) AS n FROM lead WHERE main_number = ?", STRANGER) == [{"n": 1}]


def test_after_the_responsible_is_changed_the_next_call_goes_to_the_other(
    leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    olena, andriy = phones("101", Behaviour(ring_seconds=0.1)), phones("102", Behaviour(ring_seconds=0.1))
    call(MELNYCHENKO, MAIN, talk_seconds=0.2).wait_one()
    leadline_server.await_ended_calls()
    leadline_server.execute("UPDATE lead SET responsible_id = 2 WHERE main_number = ?", MELNYCHENKO)
    call(MELNYCHENKO, MAIN, talk_seconds=0.2).wait_one()
    assert (len(olena.calls()), len(andriy.calls())) == (1, 1)
    assert [row["employee_id"] for row in leadline_server.await_ended_calls(2)] == [1, 2]


def test_a_hidden_caller_is_a_call_and_no_lead(leadline_server: LeadlineServer, phones: Phones, call: Call) -> None:
    phone = phones("101", Behaviour(ring_seconds=0.1))
    leads = leadline_server.rows("SELECT count(*) AS n FROM lead")
    call(STRANGER, MAIN, hidden=True, talk_seconds=0.2).wait_one()
    (row,) = leadline_server.await_ended_calls()
    assert STRANGER not in phone.await_end().number
    assert (row["direction"], row["outside_number"], row["lead_id"], row["result"]) == (
        "inbound",
        None,
        None,
        "answered",
    )
    assert leadline_server.rows("SELECT count(*) AS n FROM lead") == leads


def test_an_internal_call_is_on_record_and_no_lead(
    asterisk: Pbx, leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("102", Behaviour(ring_seconds=0.2))
    leads = leadline_server.rows("SELECT count(*) AS n FROM lead")
    outcome = call("101", "102", account=asterisk.account("101"), talk_seconds=0.5).wait_one()
    (row,) = leadline_server.await_ended_calls()
    assert (row["direction"], row["caller"], row["dialled"], row["result"], row["lead_id"]) == (
        "internal",
        "101",
        "102",
        "answered",
        None,
    )
    assert_times_agree(row, outcome, phones("102").await_end())
    assert leadline_server.rows("SELECT count(*) AS n FROM lead") == leads


def test_an_outgoing_call_makes_a_lead_of_the_one_who_called(
    asterisk: Pbx, leadline_server: LeadlineServer, call: Call
) -> None:
    with OutsideLine(asterisk.values.trunk_port, Behaviour(ring_seconds=0.3)) as outside:
        outcome = call("102", "0675554433", account=asterisk.account("102"), talk_seconds=0.5).wait_one()
        seen = outside.await_end()
        assert outside.calls() == [seen]
    (row,) = leadline_server.await_ended_calls()
    (lead,) = leadline_server.await_rows("SELECT * FROM lead WHERE id = ?", row["lead_id"])
    assert (outcome.status, seen.name) == (200, None)
    assert (row["direction"], row["outside_number"], row["result"], row["employee_id"]) == (
        "outbound",
        "+380675554433",
        "answered",
        2,
    )
    assert (lead["name"], lead["responsible_id"]) == ("+380675554433", 2)
    assert_times_agree(row, outcome, seen)


@pytest.mark.parametrize(("status", "result", "stays"), [(404, "failed", False), (486, "busy", True)])
def test_an_outgoing_call_that_rings_makes_a_lead_and_one_that_then_fails_takes_it_back(
    *, asterisk: Pbx, leadline_server: LeadlineServer, call: Call, status: int, result: str, stays: bool
) -> None:
    line = Behaviour(status=status, ring_seconds=2)
    with OutsideLine(asterisk.values.trunk_port, line):
        calls = call("102", "0675554433", account=asterisk.account("102"))
        (ringing,) = leadline_server.await_rows(
            "SELECT call.phase, call.lead_id, responsible_id, lead.source_id FROM call JOIN lead ON lead.id = lead_id"
        )
        calls.wait()
    (row,) = leadline_server.await_ended_calls()
    lead = ringing["lead_id"]
    assert ringing == {"phase": 1, "lead_id": lead, "responsible_id": 2, "source_id": None}
    assert (row["direction"], row["result"], row["lead_id"]) == ("outbound", result, lead if stays else None)
    assert len(leadline_server.rows("SELECT id FROM lead WHERE id = ?", lead)) == stays


def test_a_queue_of_the_dialled_number_rings_its_members(
    leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("101", RINGS_ON)
    phones("103", Behaviour(ring_seconds=0.5))
    outcome = call(STRANGER, SHOP, talk_seconds=0.5).wait_one()
    (row,) = leadline_server.await_ended_calls()
    assert outcome.ringing
    assert (row["did"], row["result"], row["employee_id"]) == ("+380443334455", "answered", 3)


@pytest.mark.parametrize(
    ("own", "shown"), [("ru", "Galina Gorkaia"), ("uk", "Halyna Horkaia"), (None, "Halyna Horkaia")]
)
def test_a_lead_is_shown_in_her_language_and_hears_that_of_the_dialled_number(
    *, asterisk: Pbx, leadline_server: LeadlineServer, phones: Phones, call: Call, own: str | None, shown: str
) -> None:
    leadline_server.execute("UPDATE did SET greeting_language = 'uk' WHERE number = ?", MAIN_E164)
    leadline_server.execute(
        "UPDATE lead SET name = 'Галина Горькая', language = ? WHERE main_number = ?", own, MELNYCHENKO
    )
    phone = phones("101", RINGS_ON)
    for count, (number, heard) in enumerate(((MAIN, "uk"), (SHOP, "en")), 1):
        calls = call(MELNYCHENKO, number, patience_seconds=2)
        assert phone.await_call(count).name == shown
        (hers,) = [name for name in asterisk.channels() if not name.startswith("PJSIP/101-")]
        told = asterisk.instance.cli(f"core show channel {hers}").split()
        assert told[told.index("Language:") + 1] == heard
        calls.wait()
        asterisk.await_idle()


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"; DROP TABLE lead; --', "${SHELL(id)}", "Щусь\\", "a" * 300]
)
def test_a_hostile_name_from_the_trunk_is_only_text(
    leadline_server: LeadlineServer, phones: Phones, call: Call, name: str
) -> None:
    phones("101", Behaviour(ring_seconds=0.1))
    outcome = call(STRANGER, MAIN, display_name=name, talk_seconds=0.2).wait_one()
    (row,) = leadline_server.await_ended_calls()
    (lead,) = leadline_server.await_rows("SELECT * FROM lead WHERE id = ?", row["lead_id"])
    assert (outcome.status, row["result"], lead["name"], lead["named"]) == (200, "answered", STRANGER, 0)


def test_every_decision_is_kept_on_the_call_with_its_reasons(
    leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("101", Behaviour(ring_seconds=0.1))
    call(MELNYCHENKO, MAIN, talk_seconds=0.2).wait_one()
    (row,) = leadline_server.await_ended_calls()
    (kept,) = leadline_server.await_rows("SELECT * FROM routing_decision WHERE linkedid = ?", row["linkedid"])
    decision = json.loads(kept["decision"])
    assert decision["name"] == "Ольга Мельниченко"
    told = [tell_kept(reason) for reason in decision["reasons"]]
    assert any("Олена Коваль" in reason or "Ольга Мельниченко" in reason for reason in told)


@pytest.mark.parametrize("failure", ["killed", "frozen"])
def test_without_the_server_the_default_phone_rings_within_three_seconds(
    leadline_server: LeadlineServer, phones: Phones, call: Call, failure: str
) -> None:
    phone = phones("103", Behaviour(ring_seconds=0.1))
    if failure == "killed":
        leadline_server.process.kill()
    else:
        leadline_server.process.pause()
    outcome = call(MELNYCHENKO, MAIN, talk_seconds=0.2).wait_one()
    rung = phone.await_call()
    assert outcome.status == 200
    assert (rung.invited_at - outcome.started_at).total_seconds() < 3


def test_a_call_that_ended_while_the_server_was_away_does_not_ring_for_ever(
    asterisk: Pbx, leadline_server: LeadlineServer, phones: Phones, call: Call
) -> None:
    phones("101", RINGS_ON)
    calls = call(STRANGER, MAIN, patience_seconds=2)
    calls.await_ringing()
    leadline_server.await_rows("SELECT * FROM call WHERE phase = 1")
    leadline_server.process.kill()
    calls.wait()
    asterisk.await_idle()
    # What Asterisk kept of it tells more, seconds after the call's end: sooner or later than this server has begun.
    leadline_server.settings["LEADLINE_CEL_SOURCE"] = ""
    leadline_server.process.start()
    leadline_server.process.await_health()
    (row,) = leadline_server.await_ended_calls()
    assert (row["result"], row["incomplete"], row["outside_number"]) == ("no-answer", 1, STRANGER)
