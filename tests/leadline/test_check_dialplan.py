"""`leadline check` tells whether Asterisk holds the dialplan that this Leadline brings; answers are Asterisk 22's."""

import pytest
from pydantic import SecretStr

from dialplan.words import CHECK, DIALPLAN, DIALPLAN_TOLD_BY
from leadline.check_pbx import look_at_ami
from leadline.findings import Finding, Level
from leadline.pbx_settings import PbxSettings
from tests.ami_listener.fake_ami import FakeAmi, Peer

STEP = "Context: leadline-check\nExtension: version\nPriority: 1\nApplication: NoOp\nAppData: {}\nRegistrar: pbx_config"


async def _look(step: str = "", refusal: str = "") -> list[Finding]:
    """What the check says of an Asterisk whose dialplan names this version, or that refuses so to tell it."""

    async def script(peer: Peer) -> None:
        await peer.log_in()
        while True:
            action = await peer.action()
            if action["Action"] == "GetConfig" or (action["Action"] == "ShowDialPlan" and refusal):
                peer.answer(action, "Error", refusal)
                continue
            peer.answer(action)
            if action["Action"] in ("CoreShowChannels", "ShowDialPlan"):
                if action["Action"] == "ShowDialPlan":
                    assert (action["Context"], action["Extension"]) == (CHECK, DIALPLAN_TOLD_BY)
                    peer.send(f"Event: ListDialplan\nActionID: {action['ActionID']}\n{STEP.format(step)}\n\n")
                peer.send(f"Event: ListComplete\nActionID: {action['ActionID']}\nEventList: Complete\n\n")

    async with FakeAmi(script) as ami:
        found = await look_at_ami(PbxSettings(ami_port=ami.port, ami_secret=SecretStr("secret")))
    return [one for one in found if one.name == "leadline.conf"]


async def test_the_dialplan_of_this_version_is_good() -> None:
    (found,) = await _look(str(DIALPLAN))
    assert found.level is Level.GOOD


@pytest.mark.parametrize(
    ("step", "refusal", "detail", "mend"),
    [
        (str(DIALPLAN - 1), "", "is older", "copy asterisk-conf/leadline.conf"),
        ("", "Did not find extension version@leadline-check", "is older, of before", "dialplan reload"),
        (str(DIALPLAN + 1), "", f"is newer, version {DIALPLAN + 1}", "install the newer Leadline"),
        ("", "Did not find context leadline-check", "is not in Asterisk's dialplan", "include leadline.conf"),
    ],
    ids=["older", "older than versions", "newer", "none"],
)
async def test_another_dialplan_is_told_with_the_mend(step: str, refusal: str, detail: str, mend: str) -> None:
    (found,) = await _look(step, refusal)
    assert found.level is Level.TROUBLE
    assert detail in found.detail
    assert mend in found.mend


async def test_an_account_that_may_not_look_says_nothing_of_the_dialplan() -> None:
    assert await _look(refusal="Permission denied") == []
