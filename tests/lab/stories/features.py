"""What else phones and the dialplan do: forwarding, pickup, parking, hold, voicemail, a menu, Local channels."""

import re
import time

from leadline.demo.sipp import await_value
from leadline.demo.voice import Voice
from tests.lab.stage.ends import Ringing
from tests.lab.stage.expected import ExpectedCall, ExpectedLeg, ExpectedStation, ExpectedTransfer, seconds, total
from tests.lab.stage.stage import Scene
from tests.lab.stories.common import TALK, conversation, unanswered

MESSAGE = 3.0
"""Seconds of speech after the tone: a shorter message would be thrown away."""


def _inbound(scene: Scene, dialled: str, waited: float, talk: list[Ringing], by: str) -> ExpectedCall:
    return ExpectedCall(
        "inbound",
        scene.stranger,
        dialled,
        "answered",
        waited,
        by,
        total([ringing.heard() for ringing in talk]),
        lead=scene.stranger,
    )


def forwarded_by_phone(scene: Scene) -> list[ExpectedCall]:
    """Her phone sends the call to a colleague (302), who answers."""
    olena, andriy = scene.phones(2)
    scene.rings([olena])
    caller = scene.call_in()
    olena.await_call().refuse(302, andriy.user)
    ringing = andriy.await_call()
    time.sleep(0.5)
    ringing.answer()
    time.sleep(TALK)
    caller.await_answer().bye()
    ringing.await_over()
    call = _inbound(scene, scene.did, seconds(caller.seen.started_at, ringing.seen.answered_at), [ringing], andriy.user)
    call.legs = [ExpectedLeg(olena.user, "cancelled"), ExpectedLeg(andriy.user, "answered", "forwarded")]
    return [call]


def forwarded_to_busy(scene: Scene) -> list[ExpectedCall]:
    """Her phone sends the call to a colleague, who is busy."""
    olena, andriy = scene.phones(2)
    scene.rings([olena])
    caller = scene.call_in()
    olena.await_call().refuse(302, andriy.user)
    andriy.await_call().refuse(486)
    caller.await_refusal()
    legs = [ExpectedLeg(olena.user, "cancelled"), ExpectedLeg(andriy.user, "busy", "forwarded")]
    return [unanswered(scene, caller, "busy", legs)]


def forwarded_outside(scene: Scene) -> list[ExpectedCall]:
    """Her phone sends the call to her mobile."""
    olena = scene.phone()
    scene.rings([olena])
    caller = scene.call_in()
    olena.await_call().refuse(302, scene.outside)
    line = scene.line()
    time.sleep(0.5)
    line.answer()
    time.sleep(TALK)
    caller.await_answer().bye()
    line.await_over()
    call = _inbound(scene, scene.did, seconds(caller.seen.started_at, line.seen.answered_at), [line], scene.outside)
    call.legs = [ExpectedLeg(olena.user, "cancelled"), ExpectedLeg(scene.outside, "answered", "forwarded")]
    return [call]


def _picked_up(scene: Scene, *, own_group: bool) -> list[ExpectedCall]:
    olena, andriy = scene.phone(own_group=own_group), scene.phone(own_group=own_group)
    scene.rings([olena])
    caller = scene.call_in()
    ringing = olena.await_call()
    time.sleep(0.5)
    picking = scene.call_from(andriy, "*8" if own_group else "*8" + olena.user).await_answer()
    ringing.await_cancelled()
    caller.await_answer()
    time.sleep(TALK)
    caller.bye()
    picking.await_over()
    call = _inbound(scene, scene.did, seconds(caller.seen.started_at, picking.seen.answered_at), [], andriy.user)
    call.talk_seconds = total([picking.heard()])
    call.legs = [ExpectedLeg(olena.user, "cancelled"), ExpectedLeg(andriy.user, "answered", "picked-up")]
    return [call]


def picked_up(scene: Scene) -> list[ExpectedCall]:
    """A colleague takes the call that rings at her phone: *8 and her number."""
    return _picked_up(scene, own_group=False)


def picked_up_in_group(scene: Scene) -> list[ExpectedCall]:
    """A colleague of her pickup group takes it: *8 alone."""
    return _picked_up(scene, own_group=True)


def _space(scene: Scene) -> str:
    """The parking space of the scene's stranger."""

    def look() -> str | None:
        for block in scene.stage.events.blocks():
            if "Event: ParkedCall\r" in block and f"ParkeeCallerIDNum: {scene.stranger}\r" in block:
                found = re.search(r"^ParkingSpace: (\d+)", block, re.MULTILINE)
                return found[1] if found else None
        return None

    return await_value(look, 10, "the parking space")


def parked(scene: Scene) -> list[ExpectedCall]:
    """She parks the caller; a colleague takes him back."""
    talk = conversation(scene)
    andriy = scene.phone()
    talk.ringing.refer("70")
    space = _space(scene)
    time.sleep(0.7)
    taking = scene.call_from(andriy, space).await_answer()
    time.sleep(TALK)
    talk.caller.bye()
    taking.await_over()
    call = talk.expected(
        legs=[ExpectedLeg(andriy.user, "answered", "taken-back")],
        transfers=[ExpectedTransfer("blind", talk.olena.user, "70", "answered", andriy.user)],
    )
    call.talk_seconds = total([talk.ringing.heard_until("REFER"), taking.heard()])
    call.stations = [ExpectedStation("parked", space, "answered")]
    return [call]


def parked_by_key(scene: Scene) -> list[ExpectedCall]:
    """She parks the caller with a key; a colleague takes him back."""
    talk = conversation(scene)
    andriy = scene.phone()
    talk.ringing.dtmf("*7")
    space = _space(scene)
    talk.ringing.await_over()
    taking = scene.call_from(andriy, space).await_answer()
    time.sleep(TALK)
    talk.caller.bye()
    taking.await_over()
    call = talk.expected(legs=[ExpectedLeg(andriy.user, "answered", "taken-back")])
    call.talk_seconds = total([talk.ringing.heard_until("INFO"), taking.heard()])
    call.stations = [ExpectedStation("parked", space, "answered")]
    return [call]


def parked_and_forgotten(scene: Scene) -> list[ExpectedCall]:
    """Nobody takes the parked caller back, so her phone rings again."""
    talk = conversation(scene)
    talk.ringing.refer("70")
    space = _space(scene)
    back = talk.olena.await_call(2, seconds=15)
    time.sleep(0.5)
    back.answer()
    time.sleep(TALK)
    talk.caller.bye()
    back.await_over()
    transfer = ExpectedTransfer("blind", talk.olena.user, "70", "no-answer")
    call = talk.expected([back], [ExpectedLeg(talk.olena.user, "answered", "taken-back")], [transfer])
    call.talk_seconds = total([talk.ringing.heard_until("REFER"), back.heard()])
    call.stations = [ExpectedStation("parked", space, "no-answer")]
    return [call]


def parked_and_gone(scene: Scene) -> list[ExpectedCall]:
    """The parked caller does not wait."""
    talk = conversation(scene)
    talk.ringing.refer("70")
    space = _space(scene)
    time.sleep(0.5)
    talk.caller.bye()
    call = talk.expected(transfers=[ExpectedTransfer("blind", talk.olena.user, "70", "cancelled")])
    call.talk_seconds = total([talk.ringing.heard_until("REFER")])
    call.stations = [ExpectedStation("parked", space, "cancelled")]
    return [call]


def held(scene: Scene) -> list[ExpectedCall]:
    """She puts the caller on hold and takes him back: one conversation."""
    talk = conversation(scene)
    talk.ringing.hold()
    time.sleep(TALK)
    talk.ringing.unhold()
    time.sleep(0.5)
    talk.caller.bye()
    talk.ringing.await_over()
    return [talk.expected()]


def second_call(scene: Scene) -> list[ExpectedCall]:
    """She holds one caller and talks with a second one: two calls."""
    talk = conversation(scene)
    talk.ringing.hold()
    scene.rings([talk.olena], second_call=True)
    other = scene.call_in(scene.second_stranger)
    ringing = talk.olena.await_call(2).answer()
    other.await_answer()
    time.sleep(TALK)
    other.bye()
    ringing.await_over()
    talk.ringing.unhold()
    time.sleep(0.5)
    talk.caller.bye()
    talk.ringing.await_over()
    second = _inbound(
        scene, scene.did, seconds(other.seen.started_at, ringing.seen.answered_at), [ringing], talk.olena.user
    )
    second.caller = second.lead = scene.second_stranger
    second.legs = [ExpectedLeg(talk.olena.user, "answered")]
    return [talk.expected(), second]


def twenty_at_once(scene: Scene) -> list[ExpectedCall]:
    """Twenty strangers call at the same moment; each talks as long as he likes."""
    olena = scene.phone()
    scene.rings([olena], second_call=True)
    numbers = [scene.stranger[:-2] + f"{place:02d}" for place in range(20)]
    callers = [scene.call_in(number) for number in numbers]
    by_number = {}
    for count in range(1, 21):
        ringing = olena.await_call(count).answer()
        by_number[ringing.seen.number] = ringing
    time.sleep(0.5)
    for caller in callers:
        caller.await_answer().bye()
    calls = []
    for caller, number in zip(callers, numbers, strict=True):
        ringing = by_number[number]
        ringing.await_over()
        waited = seconds(caller.seen.started_at, ringing.seen.answered_at)
        call = _inbound(scene, scene.did, waited, [ringing], olena.user)
        call.caller = call.lead = number
        call.legs = [ExpectedLeg(olena.user, "answered")]
        calls.append((caller.seen.started_at, call))
    return [call for _at, call in sorted(calls, key=lambda one: one[0])]


def _special(scene: Scene, kind: int, phone: str) -> str:
    """One of our numbers that the stage's trunk treats in its own way."""
    scene.did = f"{kind}{phone}{scene.did[4:7]}00"
    scene.numbers.append(scene.did)
    return scene.did


def _through_local(scene: Scene, kind: int) -> list[ExpectedCall]:
    olena = scene.phone()
    caller = scene.call_to(_special(scene, kind, olena.user))
    ringing = olena.await_call()
    time.sleep(0.5)
    ringing.answer()
    time.sleep(TALK)
    caller.await_answer().bye()
    ringing.await_over()
    waited = seconds(caller.seen.started_at, ringing.seen.answered_at)
    call = _inbound(scene, scene.did, waited, [ringing], olena.user)
    call.legs = [ExpectedLeg(olena.user, "answered")]
    return [call]


def local_optimised(scene: Scene) -> list[ExpectedCall]:
    """Her phone is rung through Local channels, which leave once she answers."""
    return _through_local(scene, 91)


def local_kept(scene: Scene) -> list[ExpectedCall]:
    """Her phone is rung through Local channels that stay (/n)."""
    return _through_local(scene, 92)


def voicemail(scene: Scene) -> list[ExpectedCall]:
    """Nobody takes the call, and the caller leaves a message with a machine."""
    olena = scene.phone()
    did = _special(scene, 93, olena.user)
    scene.rings([olena], seconds=2)
    caller = scene.call_to(did)
    ringing = olena.await_call()
    caller.await_answer()
    caller.dtmf("#")
    with Voice(caller.messages()):
        time.sleep(MESSAGE)
    caller.bye()
    assert ringing.seen.end == "cancelled"
    call = unanswered(scene, caller, "no-answer", [ExpectedLeg(olena.user, "no-answer")])
    call.stations = [ExpectedStation("voicemail", olena.user, None)]
    return [call]


def menu_given_up(scene: Scene) -> list[ExpectedCall]:
    """The caller hears a menu and hangs up."""
    caller = scene.call_to(_special(scene, 94, "100"))
    caller.await_answer()
    time.sleep(TALK)
    caller.bye()
    return [unanswered(scene, caller, "cancelled", [])]


def menu_answered(scene: Scene) -> list[ExpectedCall]:
    """The caller chooses in a menu, a phone rings, she answers: the time until then is no talk."""
    olena = scene.phone()
    did = _special(scene, 94, "100")
    scene.rings([olena])
    caller = scene.call_to(did).await_answer()
    time.sleep(0.5)
    caller.dtmf("1")
    ringing = olena.await_call().answer()
    time.sleep(TALK)
    caller.bye()
    ringing.await_over()
    waited = seconds(caller.seen.started_at, ringing.seen.answered_at)
    call = _inbound(scene, did, waited, [ringing], olena.user)
    call.legs = [ExpectedLeg(olena.user, "answered")]
    return [call]


def conference(scene: Scene) -> list[ExpectedCall]:
    """She brings the caller into a conference room, where a colleague waits."""
    andriy = scene.phone()
    room = "*6" + andriy.user[-1]
    waiting = scene.call_from(andriy, room).await_answer()
    time.sleep(0.5)
    talk = conversation(scene)
    talk.ringing.refer(room)
    time.sleep(TALK)
    talk.caller.bye()
    waiting.bye()
    together = seconds(talk.ringing.seen.ended_at, talk.caller.seen.ended_at)
    call = talk.expected(transfers=[ExpectedTransfer("blind", talk.olena.user, room, "answered")])
    call.talk_seconds = round(call.talk_seconds + together, 2)
    waited = seconds(waiting.seen.started_at, talk.ringing.seen.ended_at)
    return [ExpectedCall("internal", andriy.user, room, "answered", waited, None, together), call]


STORIES = {
    story.__name__: story
    for story in (
        forwarded_by_phone,
        forwarded_to_busy,
        forwarded_outside,
        picked_up,
        picked_up_in_group,
        parked,
        parked_by_key,
        parked_and_forgotten,
        parked_and_gone,
        held,
        second_call,
        twenty_at_once,
        local_optimised,
        local_kept,
        voicemail,
        menu_given_up,
        menu_answered,
        conference,
    )
}
