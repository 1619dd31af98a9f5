"""What AMI says of people is read as they wrote it, not as Asterisk spells it."""

import pytest

from ami_listener.ami_events import read_event
from ami_listener.events import CallerIdentified, ChannelCreated

IDS = {"Uniqueid": "1.1", "Linkedid": "1.1"}


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (r"O\'Neil", "O'Neil"),
        (r"Мар\'яна \"Зоря\"", 'Мар\'яна "Зоря"'),
        (r"Who\?", "Who?"),
        (r"a\\nb", r"a\nb"),
        (r"two\nlines\rand\ta tab", "twolinesanda tab"),
        ("back\\", "back\\"),
        (r"\d is none", r"\d is none"),
        (r"\"", '"'),
    ],
)
def test_a_name_is_read_without_the_backslashes_that_asterisk_puts_into_it(told: str, name: str) -> None:
    created = read_event(
        {"Event": "Newchannel", **IDS, "Channel": "PJSIP/trunk-1", "CallerIDName": told, "ChannelState": "4"}, None
    )
    assert isinstance(created, ChannelCreated)
    assert created.caller_name == name
    identified = read_event({"Event": "NewCallerid", **IDS, "CallerIDName": told}, None)
    assert isinstance(identified, CallerIdentified)
    assert identified.caller_name == name
