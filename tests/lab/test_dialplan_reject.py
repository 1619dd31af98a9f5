"""Reject in the very instant of an answer, on a real Asterisk: nobody is connected, and the caller goes on (C10).

Asterisk has received the phone's answer and not yet read it when the reject comes. Others who want the channel's lock
all the time make that instant long enough to be met.
"""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from ami_listener.connection import AmiAccount
from ami_listener.control import ControlConnection
from ami_listener.phone_control import PhoneControl
from dialplan.words import ORIGINATE, REJECT
from leadline.demo.phones import Outcome, Phone
from leadline.demo.scenarios import Behaviour
from leadline.demo.sipp import await_value
from leads.domain.rings import Rejection, Ring, RingState
from routing.decision import Step
from tests.lab.dialplan_lab import CALLER, DialplanLab, phones, plan, queue, ring

pytestmark = pytest.mark.lab

ANSWERS = Behaviour(ring_seconds=0.2)
TIMES = 12
TALK = 0.4


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialplanLab]:
    lab = DialplanLab(tmp_path_factory.mktemp("reject"))
    for file, text in (
        ("asterisk.conf", "live_dangerously = yes"),
        ("modules.conf", "load = func_shell.so"),
        ("queues.conf", "[team]\nstrategy = ringall\ntimeout = 15\nretry = 1\njoinempty = yes"),
    ):
        with (lab.asterisk.etc / file).open("a") as opened:
            opened.write(f"\n{text}\n")
    with lab:
        yield lab
        lab.await_quiet()


@asynccontextmanager
async def phone_control(lab: DialplanLab) -> AsyncIterator[PhoneControl]:
    """What the panel rejects calls with."""
    control = ControlConnection(
        AmiAccount("127.0.0.1", lab.values.ami_port, "leadline-control", lab.values.ami_control_secret or "")
    )
    connected = asyncio.Event()
    control.on_connected(connected.set)
    running = asyncio.create_task(control.run())
    try:
        await asyncio.wait_for(connected.wait(), 20)
        yield PhoneControl(
            control, reject_context=REJECT, originate_context=ORIGINATE, display=lambda name, _l, _e: name
        )
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def ringing_at(lab: DialplanLab, number: str) -> Ring:
    """The call that rings at a phone."""

    def channel() -> tuple[str, str] | None:
        rows = lab.asterisk.channel_rows()
        return next(((row[0], row[-1]) for row in rows if row[0].startswith(f"PJSIP/{number}-")), None)

    name, uniqueid = await_value(channel, 20, f"{number} to ring")
    return Ring(
        *("main", uniqueid, uniqueid, name, f"PJSIP/{number}"),
        *(None, CALLER, None, False, None, RingState.RINGING),
    )


@asynccontextmanager
async def crowded(lab: DialplanLab, channel: str) -> AsyncIterator[None]:
    """Hold the channel's lock for most of the next half second, a hundredth at a time."""
    with socket.create_connection(("127.0.0.1", lab.values.ami_port), 5) as ami:
        ami.sendall(
            f"Action: Login\r\nUsername: leadline-control\r\nSecret: {lab.values.ami_control_secret}\r\n"
            "Events: off\r\n\r\n".encode()
            + f"Action: Getvar\r\nVariable: IMPORT({channel},EVAL(${{SHELL(sleep 0.01)}}))\r\n\r\n".encode() * 50
        )
        yield


def await_its_answer(phone: Phone) -> None:
    """Wait until the phone has sent its 200, which is before Asterisk has read it."""

    def sent() -> bool | None:
        return any(m.sent and m.status == 200 for call in phone.calls() for m in call.messages) or None

    await_value(sent, 20, "the phone's answer")


def talked(outcome: Outcome) -> bool:
    """Whether the caller had one conversation, which he ended himself."""
    assert outcome.answered_at is not None
    assert outcome.ended_at is not None
    seconds = (outcome.ended_at - outcome.answered_at).total_seconds()
    # One that is answered late is sent again, and is the same.
    invites = {(m.sent, m.header("CSeq")) for m in outcome.messages if m.method == "INVITE"}
    return outcome.hung_up_by == "caller" and seconds > TALK - 0.1 and len(invites) == 1


@pytest.mark.parametrize(
    "steps",
    [(phones(ring("101")), phones(ring("102"))), (queue("team", 20),)],
    ids=["phones", "queue"],
)
async def test_an_answer_that_asterisk_had_not_read_connects_nobody(lab: DialplanLab, steps: tuple[Step, ...]) -> None:
    """Whoever rejects in time loses the caller to the next phone, in whatever instant his own was picked up."""
    lab.agi.answers["0441"] = plan(*steps)
    said: Counter[Rejection] = Counter()
    async with phone_control(lab) as control:
        for turn in range(TIMES):
            rings_on = turn == 0  # in time for sure: on a busy machine all others may come too late
            behaviour = Behaviour(status=None) if rings_on else ANSWERS
            lab.asterisk.cli("queue add member PJSIP/101 to team")
            with lab.phone("101", behaviour) as rejecting, lab.phone("102", ANSWERS) as next_one:
                calls = lab.call("0441", talk_seconds=TALK)
                ring_here = await asyncio.to_thread(ringing_at, lab, "101")
                # Whom the queue rings next: it does so at once, and whoever is still its member then may be rung again.
                lab.asterisk.cli("queue remove member PJSIP/101 from team")
                lab.asterisk.cli("queue add member PJSIP/102 to team")
                async with crowded(lab, ring_here.channel):
                    if not rings_on:
                        await asyncio.to_thread(await_its_answer, rejecting)
                        await asyncio.sleep(random.uniform(0, 0.06))
                    said[(rejection := await control.reject(ring_here))] += 1
                    outcome = await asyncio.to_thread(calls.wait_one)
                lab.asterisk.cli("queue remove member PJSIP/102 from team")
                assert talked(outcome), rejection
                assert len(next_one.calls()) == (1 if rejection is Rejection.DONE else 0)
    assert said[Rejection.DONE] > 0


def test_the_others_of_a_group_ring_on(lab: DialplanLab) -> None:
    """Here the mark that Reject leaves is set by hand, as the right instant is rarely met."""
    lab.agi.answers["0442"] = plan(phones(ring("101"), ring("102")))
    with (
        lab.phone("101", Behaviour(ring_seconds=1.0)) as rejecting,
        lab.phone("102", Behaviour(ring_seconds=2.0)) as other,
    ):
        calls = lab.call("0442", talk_seconds=TALK)
        channel = ringing_at(lab, "101").channel
        lab.asterisk.cli(f"dialplan set chanvar {channel} GOSUB_RESULT CONTINUE")
        outcome = calls.wait_one()
        # A phone may hear of the end after the caller.
        ends = [rejecting.await_end(), other.await_end(1), other.await_end(2)]
        assert [call.end for call in ends] == ["ended", "cancelled", "ended"]
        assert (len(rejecting.calls()), len(other.calls())) == (1, 2)
    assert talked(outcome)
