"""What goes to Asterisk when an employee answers, rejects or calls from the screen, and what never does (C10, C11)."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ami_listener.control import AmiLostError, AmiRefusedError, Headers
from ami_listener.phone_control import PhoneControl
from leads.domain.directory import DisplayMode, Extension
from leads.domain.rings import PhonesUnavailableError, Rejection, Ring, RingState

RING = Ring(
    pbx="pbx",
    uniqueid="1795301722.1",
    linkedid="1795301722.0",
    channel="PJSIP/101-0000002a",
    endpoint="PJSIP/101",
    direction=None,
    party=None,
    party_name=None,
    hidden=False,
    dialled=None,
    state=RingState.RINGING,
)
PHONE = Extension("101", "PJSIP/101", DisplayMode.LATIN, 24, 1)
NUMBER = "+380501234567"


class FakeControl:
    """A control connection that notes what is asked, and answers as a test says."""

    is_connected = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str | Sequence[str]]]] = []
        self.answer: dict[str, str] | Exception = {}

    async def ask(self, name: str, headers: Headers | None = None, seconds: float = 10.0) -> dict[str, str]:
        self.asked.append((name, dict(headers or {})))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def phones(control: FakeControl) -> PhoneControl:
    return PhoneControl(
        control,  # type: ignore[arg-type]
        reject_context="reject",
        originate_context="originate",
        display=lambda name, _language, _phone: name,
    )


async def test_a_phone_is_asked_within_its_dialog(phones: PhoneControl, control: FakeControl) -> None:
    await phones.answer(RING)
    assert control.asked == [("PJSIPNotify", {"Channel": "PJSIP/101-0000002a", "Variable": "Event=talk"})]


@pytest.mark.parametrize(
    ("said", "rejection"),
    [
        ("Ringing 1795301722.1 1518", Rejection.DONE),
        ("Down 1795301722.1 1518", Rejection.DONE),
        ("Up 1795301722.1 1518", Rejection.LATE),
        ("Ringing 1795301799.7 1518", Rejection.GONE),
        ("", Rejection.GONE),
    ],
)
async def test_what_asterisk_says_of_a_reject(
    phones: PhoneControl, control: FakeControl, said: str, rejection: Rejection
) -> None:
    control.answer = {"Value": said}
    assert await phones.reject(RING) is rejection
    ((action, headers),) = control.asked
    assert action == "Getvar"
    assert str(headers["Variable"]).startswith("IMPORT(PJSIP/101-0000002a,EVAL(")


@pytest.mark.parametrize(
    "hostile", [{"channel": "PJSIP/101-0000002a,EVAL(x)"}, {"channel": "Local/1;2"}, {"uniqueid": '1"]${SHELL(id)}'}]
)
async def test_names_that_asterisk_gives_no_channel_go_nowhere(
    phones: PhoneControl, control: FakeControl, hostile: dict[str, str]
) -> None:
    ring = replace(RING, **hostile)  # type: ignore[arg-type]
    assert await phones.reject(ring) is Rejection.GONE
    if "channel" in hostile:
        await phones.answer(ring)
    assert control.asked == []


async def test_a_call_rings_the_own_phone_first_and_shows_who_is_called(
    phones: PhoneControl, control: FakeControl
) -> None:
    await phones.call(PHONE, NUMBER, 'Olha "x", ${SHELL(id)}', None)
    ((action, headers),) = control.asked
    assert action == "Originate"
    assert (headers["Channel"], headers["Context"], headers["Exten"]) == ("PJSIP/101", "originate", NUMBER)
    assert headers["Variable"] == [f"CONNECTEDLINE(num,i)={NUMBER}", "CONNECTEDLINE(name,i)=Olha x SHELL id"]


@pytest.mark.parametrize("number", ["", "abc", "1&PJSIP/102", "0441234567@trunk", "+1\r\nAction: Logoff"])
async def test_only_numbers_are_called(phones: PhoneControl, control: FakeControl, number: str) -> None:
    with pytest.raises(ValueError, match="no phone or number"):
        await phones.call(PHONE, number, None, None)
    assert control.asked == []


async def test_trouble_with_asterisk_is_told(phones: PhoneControl, control: FakeControl) -> None:
    control.answer = AmiLostError("away")
    with pytest.raises(PhonesUnavailableError):
        await phones.reject(RING)
    control.answer = AmiRefusedError("no such channel")
    assert await phones.reject(RING) is Rejection.GONE
    with pytest.raises(PhonesUnavailableError):
        await phones.call(PHONE, NUMBER, None, None)
