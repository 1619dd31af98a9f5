"""`leadline check` reads in Asterisk's own files what makes records wrong without a word; answers are Asterisk 22's."""

import pytest
from pydantic import SecretStr

from leadline.check_control import look_by_control
from leadline.check_pbx import logged_in
from leadline.findings import Finding, Level
from leadline.pbx_settings import PbxSettings
from tests.ami_listener.fake_ami import FakeAmi, Peer

FILES = {
    ("manager.conf", "general"): "timestampevents=yes",
    ("manager.conf", "leadline-events"): "read=call,agent,system|write=reporting",
    (
        "cel.conf",
        "general",
    ): "enable=yes|events=CHAN_START,CHAN_END,ANSWER,HANGUP,BRIDGE_ENTER,BRIDGE_EXIT",
}


async def _look(files: dict[tuple[str, str], str], bypass: str = "", **settings: object) -> dict[str, Finding]:
    """What is found in an Asterisk with these files and an endpoint `mytrunk`, but what is good."""

    async def script(peer: Peer) -> None:
        await peer.log_in()
        while True:
            action = await peer.action()
            mark = f"ActionID: {action['ActionID']}"
            if action["Action"] == "GetConfig":
                lines = files.get((action["Filename"], action["Category"]))
                if lines is None:
                    peer.answer(action, "Error", "No category found")
                    continue
                told = "".join(f"Line-000000-{at:06}: {line}\n" for at, line in enumerate(lines.split("|")))
                peer.send(f"Response: Success\n{mark}\nCategory-000000: {action['Category']}\n{told}\n")
            elif action["Action"] == "PJSIPShowEndpoints":
                peer.answer(action)
                peer.send(f"Event: EndpointList\n{mark}\nObjectType: endpoint\nObjectName: mytrunk\n\n")
                peer.send(f"Event: EndpointListComplete\n{mark}\nEventList: Complete\nListItems: 1\n\n")
            elif bypass:
                peer.answer(action)
                peer.send(f"Event: DBGetResponse\n{mark}\nFamily: leadline\nKey: bypass\nVal: {bypass}\n\n")
                peer.send(f"Event: DBGetComplete\n{mark}\nEventList: Complete\nListItems: 1\n\n")
            else:
                peer.answer(action, "Error", "Database entry not found")

    async with FakeAmi(script) as ami:
        pbx = PbxSettings(ami_port=ami.port, trunks=("PJSIP/mytrunk*",)).model_copy(update=settings)
        async with logged_in(pbx, "leadline-control", SecretStr("secret")) as control:
            found = await look_by_control(control, pbx)
    return {one.name: one for one in found if one.level is not Level.GOOD}


async def test_where_all_is_as_it_should_be_nothing_is_said() -> None:
    assert await _look(FILES) == {}


@pytest.mark.parametrize(
    ("file", "section", "lines", "name", "told"),
    [
        ("manager.conf", "leadline-events", "read=call,system", "call events", "does not hear of agent"),
        ("manager.conf", "general", "enabled=yes", "call events", "no time of their own"),
        ("cel.conf", "general", "enable=no|events=all", "CEL", "is off"),
        ("cel.conf", "general", "enable=yes|events=CHAN_START,CHAN_END,HANGUP", "CEL", "keeps no ANSWER, BRIDGE_ENTER"),
    ],
)
async def test_what_a_file_lacks_is_told(file: str, section: str, lines: str, name: str, told: str) -> None:
    found = await _look(FILES | {(file, section): lines})
    assert found.keys() == {name}
    assert told in found[name].detail


async def test_all_is_a_list_of_everything() -> None:
    files = {("manager.conf", "leadline-events"): "read=all", ("cel.conf", "general"): "enable=true|events=ALL"}
    assert await _look(FILES | files) == {}


@pytest.mark.parametrize(
    ("trunks", "level"),
    [
        (("PJSIP/other*",), Level.TROUBLE),
        (("PJSIP/mytrunk*", "PJSIP/other*"), Level.NOTE),
        (("PJSIP/mytrunk*", "DAHDI/*"), None),
    ],
)
async def test_trunks_that_asterisk_does_not_have_are_told(trunks: tuple[str, ...], level: Level | None) -> None:
    found = await _look(FILES, trunks=trunks)
    assert [one.level for one in found.values()] == ([level] if level else [])


async def test_that_calls_are_led_past_us_is_told() -> None:
    found = await _look(FILES, bypass="1")
    assert found["bypass"].level is Level.NOTE
    assert await _look(FILES, bypass="0") == {}
