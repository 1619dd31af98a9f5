"""The FreePBX files on a real Asterisk, with stand-ins for the two contexts of FreePBX that they use (O4)."""

from collections.abc import Iterator

import pytest

from dialplan.render import SOURCE
from leadline.demo import scenarios
from leadline.demo.scenarios import Behaviour
from leadline.demo.sip_messages import read_address
from leadline.demo.sipp import Sipp
from leads.domain.directory import DisplayMode
from tests.lab.dialplan_lab import RINGS_ON, DialplanLab, phones, plan, ring
from tests.lab.scripted_agi import CLOSES, SILENT

pytestmark = pytest.mark.lab

HOOK = """
[macro-dialout-trunk-predial-hook]
exten => s,1,Gosub(leadline-callee,s,1(${FILTER(+0-9,${OUTNUM})}))
 same => n,Set(DIAL_TRUNK_OPTIONS=${DIAL_TRUNK_OPTIONS}I)
 same => n,Return()
"""
"""What README.md gives FreePBX's users for the name of whom they call."""

IGNORED = "ignore_uri_user_options = yes\n"
"""What FreePBX's pjsip.conf has not."""
FREEPBX = """
[leadline-internal](+)
exten = _9X.,1,Set(OUTNUM=${FILTER(0-9,${EXTEN:1})})
 same = n,Gosub(macro-dialout-trunk-predial-hook,s,1())
 same = n,Dial(PJSIP/${OUTNUM}@trunk,30,${DIAL_TRUNK_OPTIONS})

[from-trunk]
exten = _[+0-9]!,1,Set(CALLERID(name)=${CALLERID(name)} to ${EXTEN})
 same = n,Dial(PJSIP/103,20)
 same = n,Hangup()
exten = _[a-z].,1,Goto(0,1)

[ext-local]
exten = _1XX,1,Dial(PJSIP/${EXTEN},20)
 same = n,Hangup(${HANGUPCAUSE})
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialplanLab]:
    lab = DialplanLab(tmp_path_factory.mktemp("freepbx"))
    with (lab.asterisk.etc / "extensions.conf").open("a") as extensions:
        extensions.write((SOURCE / "freepbx/leadline-freepbx.conf").read_text() + FREEPBX + HOOK)
    globals_conf = (SOURCE / "freepbx/globals_custom.conf").read_text()
    (lab.asterisk.etc / "leadline-globals.conf").write_text(
        globals_conf.replace(":4573", f":{lab.values.fastagi_port}")
    )
    pjsip = lab.asterisk.etc / "pjsip.conf"
    ours = pjsip.read_text().replace("context = leadline-inbound", "context = leadline-freepbx")
    assert IGNORED in ours
    pjsip.write_text(ours.replace(IGNORED, ""))
    with lab:
        yield lab
        lab.await_quiet()
        assert lab.complaints() == []


def test_the_responsible_rings_through_freepbx_with_our_name(lab: DialplanLab) -> None:
    lab.agi.answers["0441"] = plan(phones(ring("101")), name="Щербань Ольга")
    with lab.phone("101") as responsible, lab.phone("103") as route:
        assert lab.call("0441").wait_one().status == 200
        call = responsible.await_end()
        assert (call.name, call.number) == ("Shcherban Olha", "+380501234567")
        assert route.calls() == []


def test_each_phone_shows_its_own_form_through_freepbx(lab: DialplanLab) -> None:
    lab.agi.answers["0442"] = plan(phones(ring("101"), ring("102", DisplayMode.UTF8)), name="Щербань Ольга")
    with lab.phone("101", Behaviour(ring_seconds=0.5)) as latin, lab.phone("102", RINGS_ON) as utf8:
        assert lab.call("0442").wait_one().status == 200
        assert latin.await_end().name == "Shcherban Olha"
        assert utf8.await_end().name == "Щербань Ольга"


def test_who_does_not_answer_leaves_the_call_to_the_inbound_route(lab: DialplanLab) -> None:
    lab.agi.answers["+380443"] = plan(phones(ring("101"), seconds=1), phones(ring("102")), name="Ольга")
    with lab.phone("101", RINGS_ON), lab.phone("102", Behaviour(status=486)), lab.phone("103") as route:
        assert lab.call("+380443").wait_one().status == 200
        assert route.await_end().name == "Olha to +380443"


def test_what_a_network_writes_behind_the_dialled_number_reaches_no_route(lab: DialplanLab) -> None:
    lab.agi.answers["0445"] = "L1||"
    with lab.phone("103") as route:
        assert lab.call("0445;rn=+380501112233;npdi=yes", display_name="Trunk").wait_one().status == 200
        assert route.await_end().name == "Trunk to 0445"


@pytest.mark.parametrize("answer", ["L1||", CLOSES, SILENT])
def test_without_a_decision_the_inbound_route_has_the_call(lab: DialplanLab, answer: str) -> None:
    lab.agi.answers["0444"] = answer
    with lab.phone("101") as phone, lab.phone("103") as route:
        assert lab.call("0444", display_name="Trunk").wait_one().status == 200
        assert route.await_end().name == "Trunk to 0444"
        assert phone.calls() == []


def test_an_accounts_name_goes_to_the_inbound_route(lab: DialplanLab) -> None:
    with lab.phone("103"):
        assert lab.call("account-7").wait_one().status == 200


def test_freepbx_shows_whom_a_phone_calls(lab: DialplanLab) -> None:
    documented = "\n".join(line.strip() for line in (SOURCE / "README.md").read_text().splitlines())
    assert "\n".join(line.strip() for line in HOOK.strip().splitlines()) in documented
    lab.agi.answers["to:0501234567"] = "L1|Shcherban Olha~u24~Щербань Ольга|u24"
    network = Sipp(
        scenarios.phone("network", Behaviour()),
        pbx=lab.pbx,
        local=("127.0.0.1", lab.values.trunk_port),
        arguments=("-aa",),
    )
    try:
        outcome = lab.call_between("101", "90501234567").wait_one()
    finally:
        network.discard()
    addresses = (read_address(message.header("P-Asserted-Identity")) for message in outcome.messages)
    assert {(shown.name, shown.number) for shown in addresses if shown} == {("Щербань Ольга", "0501234567")}
