"""The chain of a plan on a real Asterisk: who is rung when, and what each display shows (C4, C6)."""

from collections.abc import Iterator

import pytest

from dialplan.names import display_form
from dialplan.plan import MOST_ANSWER_BYTES
from leadline.demo.scenarios import Behaviour
from leads.domain.directory import DisplayMode
from tests.lab.dialplan_lab import RINGS_ON, DialplanLab, phones, plan, queue, ring

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialplanLab]:
    with DialplanLab(tmp_path_factory.mktemp("chain")) as lab:
        yield lab
        lab.await_quiet()
        assert lab.complaints() == []


def test_each_phone_of_a_group_shows_its_own_form_of_the_name(lab: DialplanLab) -> None:
    lab.agi.answers["0441"] = plan(
        phones(ring("101"), ring("102", DisplayMode.UTF8), ring("103", DisplayMode.OFF)), name="Щербань Ольга"
    )
    with (
        lab.phone("101", Behaviour(ring_seconds=0.7)) as latin,
        lab.phone("102", RINGS_ON) as utf8,
        lab.phone("103", RINGS_ON) as off,
    ):
        outcome = lab.call("0441", display_name="KYIV CITY").wait_one()
        shown = [phone.await_end() for phone in (latin, utf8, off)]
    assert [call.name for call in shown] == ["Shcherban Olha", "Щербань Ольга", None]
    assert [call.asserted_name for call in shown] == ["Shcherban Olha", "Щербань Ольга", None]
    assert [call.end for call in shown] == ["ended", "cancelled", "cancelled"]
    assert outcome.status == 200


def test_the_name_of_the_trunk_stays_where_we_know_none(lab: DialplanLab) -> None:
    lab.agi.answers["0442"] = plan(phones(ring("101"), ring("102", DisplayMode.OFF)))
    with lab.phone("101") as keeps, lab.phone("102", RINGS_ON) as off:
        lab.call("0442", display_name="Київстар, Ltd.").wait_one()
        assert keeps.await_end().name == "Київстар, Ltd."
        assert off.await_end().name is None


def test_the_own_form_stays_after_the_answer(lab: DialplanLab) -> None:
    """With send_pai the PBX may tell the phone another name at any time; it must not."""
    lab.agi.answers["0456"] = plan(phones(ring("101", DisplayMode.UTF8)), name="Щербань Ольга")
    with lab.phone("101") as phone:
        lab.call("0456").wait_one()
        told = [message for message in phone.await_end().messages if not message.sent]
    # What is answered late is sent again, and tells nothing new.
    requests = dict.fromkeys((message.method, message.header("CSeq")) for message in told)
    assert [method for method, _ in requests] == ["INVITE", "ACK", "BYE"]
    assert {message.header("P-Asserted-Identity") for message in told[1:]} == {None}


def test_a_hidden_caller_stays_hidden(lab: DialplanLab) -> None:
    lab.agi.answers["0457"] = plan(phones(ring("101")))
    with lab.phone("101") as phone:
        assert lab.call("0457", hidden=True).wait_one().status == 200
        assert (phone.await_end().name, phone.await_end().number) == ("Anonymous", "anonymous")


def test_a_long_name_with_every_sign_arrives_as_it_was_fitted(lab: DialplanLab) -> None:
    name = "ТОВ «Ромашка+Ко», O'Neil & Söhne / №5 100%"
    lab.agi.answers["0443"] = plan(phones(ring("101"), ring("102", DisplayMode.UTF8, length=60)), name=name)
    with lab.phone("101") as latin, lab.phone("102", RINGS_ON) as utf8:
        lab.call("0443").wait_one()
        assert latin.await_end().name == display_form(name, "uk", DisplayMode.LATIN, 24)
        assert utf8.await_end().name == display_form(name, "uk", DisplayMode.UTF8, 60)


def test_busy_responsible_costs_no_ring_time(lab: DialplanLab) -> None:
    """In a call means busy: DEVICE_STATE tells, his phone is not even asked."""
    lab.agi.answers["0444"] = plan(phones(ring("101")), phones(ring("102")))
    with lab.phone("101") as responsible, lab.phone("102") as group:
        first = lab.call("0444", talk_seconds=None)
        first.await_answer()
        assert lab.call("0444").wait_one().status == 200
        assert len(responsible.calls()) == 1
        assert len(group.calls()) == 1
        first.break_off()
        responsible.vanish()
    lab.asterisk.cli("channel request hangup all")
    lab.await_quiet()


def test_call_waiting_rings_a_phone_that_is_in_a_call(lab: DialplanLab) -> None:
    lab.agi.answers["0445"] = plan(phones(ring("101", call_waiting=True)))
    with lab.phone("101") as phone:
        first = lab.call("0445", talk_seconds=None)
        first.await_answer()
        assert lab.call("0445").wait_one().status == 200
        assert len(phone.calls()) == 2
        first.break_off()
    lab.asterisk.cli("channel request hangup all")
    lab.await_quiet()


def test_a_phone_that_is_not_there_costs_no_ring_time(lab: DialplanLab) -> None:
    """The responsible's step would ring 300 s: were he dialled, the caller would give up before."""
    lab.agi.answers["0446"] = plan(phones(ring("101"), seconds=300), phones(ring("102")))
    with lab.phone("102") as group:
        assert lab.call("0446", patience_seconds=5).wait_one().status == 200
        assert group.await_end().end == "ended"


def test_only_those_of_a_group_who_can_take_it_are_rung(lab: DialplanLab) -> None:
    lab.agi.answers["0447"] = plan(phones(ring("101"), ring("102"), ring("103")))
    lab.agi.answers["0448"] = plan(phones(ring("101")))
    with lab.phone("101") as talking, lab.phone("103") as free:
        busy = lab.call("0448", talk_seconds=None)
        busy.await_answer()
        assert lab.call("0447").wait_one().status == 200
        assert free.await_end().end == "ended"
        assert len(talking.calls()) == 1
        busy.break_off()
    lab.asterisk.cli("channel request hangup all")
    lab.await_quiet()


@pytest.mark.parametrize("status", [486, 603, 480])
def test_a_refusal_sends_the_call_on(lab: DialplanLab, status: int) -> None:
    lab.agi.answers["0449"] = plan(phones(ring("101"), seconds=300), phones(ring("102"), ring("103")))
    with lab.phone("101", Behaviour(status=status)) as refuses, lab.phone("102") as next_one:
        assert lab.call("0449", patience_seconds=5).wait_one().status == 200
        assert refuses.await_end().end == "refused"
        assert next_one.await_end().end == "ended"


def test_no_answer_in_his_ring_time_sends_the_call_on_to_the_end(lab: DialplanLab) -> None:
    lab.agi.answers["0450"] = plan(
        phones(ring("101"), seconds=1), phones(ring("101"), ring("102"), seconds=1), phones(ring("103"), seconds=1)
    )
    with (
        lab.phone("101", RINGS_ON) as responsible,
        lab.phone("102", RINGS_ON) as group,
        lab.phone("103", RINGS_ON) as last,
    ):
        outcome = lab.call("0450").wait_one()
        alone, together, at_last = responsible.await_end(), group.await_end(), last.await_end()
        assert [len(phone.calls()) for phone in (responsible, group, last)] == [2, 1, 1]
    assert alone.invited_at < together.invited_at < at_last.invited_at
    assert {call.end for call in (alone, together, at_last)} == {"cancelled"}
    assert outcome.status == 480
    assert outcome.ringing


def test_the_caller_of_busy_phones_hears_busy(lab: DialplanLab) -> None:
    lab.agi.answers["0451"] = plan(phones(ring("101")))
    with lab.phone("101", Behaviour(status=486)):
        assert lab.call("0451").wait_one().status == 486
    with lab.phone("101"):
        first = lab.call("0451", talk_seconds=None)
        first.await_answer()
        assert lab.call("0451").wait_one().status == 486
        first.break_off()
    lab.asterisk.cli("channel request hangup all")
    lab.await_quiet()


def test_a_queue_rings_its_members_and_then_gives_the_call_back(lab: DialplanLab) -> None:
    lab.agi.answers["0452"] = plan(queue("sales", 2), phones(ring("103")), name="Ольга")
    with lab.phone("101", RINGS_ON) as member, lab.phone("103", Behaviour(ring_seconds=4)) as default:
        call = lab.call("0452")
        outcome = call.wait_one()
        assert outcome.ringing
        assert member.await_end().name == "Olha"
        assert len(default.calls()) == 2  # as a member, then as the default
    assert outcome.status == 200


def test_an_empty_queue_gives_the_call_back_at_once(lab: DialplanLab) -> None:
    lab.agi.answers["0453"] = plan(queue("sales", 300))
    assert lab.call("0453", patience_seconds=5).wait_one().status == 480


def test_an_answering_queue_ends_with_words(lab: DialplanLab) -> None:
    lab.agi.answers["0454"] = plan(queue("sales", 1))
    lab.set_global("LEADLINE_QUEUE_ANSWERS", "1")
    try:
        with lab.phone("101", RINGS_ON):
            outcome = lab.call("0454", talk_seconds=None).wait_one()
    finally:
        lab.set_global("LEADLINE_QUEUE_ANSWERS", "0")
    assert outcome.status == 200
    assert outcome.hung_up_by == "other"


def test_a_plan_of_the_greatest_length_is_walked_to_its_end(lab: DialplanLab) -> None:
    many = phones(*(ring(f"{number}-west") for number in range(200, 315)))
    text = plan(many, phones(ring("102")), name="Ж" * 20)
    assert MOST_ANSWER_BYTES - 50 < len(text.encode()) <= MOST_ANSWER_BYTES
    lab.agi.answers["0455"] = text
    with lab.phone("102") as last:
        assert lab.call("0455").wait_one().status == 200
        assert last.await_end().name == "ZH" * 12
