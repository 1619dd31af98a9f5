"""Calls that our phones make: to the public network, to each other, and by a click."""

import time

from tests.lab.stage.expected import ExpectedCall, ExpectedLeg, ExpectedTransfer, seconds, total
from tests.lab.stage.stage import Scene
from tests.lab.stories.common import REFUSED, TALK


def answered(scene: Scene) -> list[ExpectedCall]:
    """An employee calls out and is answered."""
    olena = scene.phone()
    caller = scene.call_from(olena, scene.outside)
    line = scene.line()
    time.sleep(1)
    line.answer()
    time.sleep(TALK)
    caller.await_answer().bye()
    line.await_over()
    return [
        ExpectedCall(
            "outbound",
            olena.user,
            scene.outside,
            "answered",
            seconds(caller.seen.started_at, line.seen.answered_at),
            scene.outside,
            total([line.heard()]),
            [ExpectedLeg(scene.outside, "answered")],
            lead=_e164(scene.outside),
        )
    ]


def _refused(scene: Scene, status: int) -> list[ExpectedCall]:
    olena = scene.phone()
    caller = scene.call_from(olena, scene.outside)
    line = scene.line()
    time.sleep(0.5)
    line.refuse(status)
    caller.await_refusal()
    result = REFUSED[status]
    return [
        ExpectedCall(
            "outbound",
            olena.user,
            scene.outside,
            result,
            seconds(caller.seen.started_at, caller.seen.ended_at),
            legs=[ExpectedLeg(scene.outside, result)],
            lead=None if result == "failed" else _e164(scene.outside),
        )
    ]


def busy(scene: Scene) -> list[ExpectedCall]:
    """The person called is in a call."""
    return _refused(scene, 486)


def declined(scene: Scene) -> list[ExpectedCall]:
    """The person called presses the red button."""
    return _refused(scene, 603)


def not_answered(scene: Scene) -> list[ExpectedCall]:
    """The network says that nobody answers."""
    return _refused(scene, 480)


def no_such_number(scene: Scene) -> list[ExpectedCall]:
    """The network knows no such number."""
    return _refused(scene, 404)


def network_failed(scene: Scene) -> list[ExpectedCall]:
    """The network cannot carry the call."""
    return _refused(scene, 503)


def given_up(scene: Scene) -> list[ExpectedCall]:
    """The employee does not wait for an answer."""
    olena = scene.phone()
    caller = scene.call_from(olena, scene.outside)
    line = scene.line()
    caller.await_ringing()
    time.sleep(0.5)
    caller.cancel()
    line.await_cancelled()
    return [
        ExpectedCall(
            "outbound",
            olena.user,
            scene.outside,
            "cancelled",
            seconds(caller.seen.started_at, caller.seen.ended_at),
            legs=[ExpectedLeg(scene.outside, "cancelled")],
            lead=_e164(scene.outside),
        )
    ]


def internal(scene: Scene) -> list[ExpectedCall]:
    """One phone calls another."""
    olena, andriy = scene.phones(2)
    caller = scene.call_from(olena, andriy.user)
    ringing = andriy.await_call()
    time.sleep(0.5)
    ringing.answer()
    time.sleep(TALK)
    ringing.bye()
    caller.await_over()
    return [
        ExpectedCall(
            "internal",
            olena.user,
            andriy.user,
            "answered",
            seconds(caller.seen.started_at, ringing.seen.answered_at),
            andriy.user,
            total([ringing.heard()]),
            [ExpectedLeg(andriy.user, "answered")],
        )
    ]


def internal_busy(scene: Scene) -> list[ExpectedCall]:
    """One phone calls another that is busy."""
    olena, andriy = scene.phones(2)
    caller = scene.call_from(olena, andriy.user)
    andriy.await_call().refuse(486)
    caller.await_refusal()
    waited = seconds(caller.seen.started_at, caller.seen.ended_at)
    return [ExpectedCall("internal", olena.user, andriy.user, "busy", waited, legs=[ExpectedLeg(andriy.user, "busy")])]


def transferred(scene: Scene) -> list[ExpectedCall]:
    """The employee who called out hands the call to a colleague by keys."""
    olena, andriy = scene.phones(2)
    caller = scene.call_from(olena, scene.outside)
    line = scene.line().answer()
    caller.await_answer()
    time.sleep(TALK)
    caller.dtmf("##" + andriy.user)
    ringing = andriy.await_call().answer()
    time.sleep(TALK)
    line.bye()
    ringing.await_over()
    return [
        ExpectedCall(
            "outbound",
            olena.user,
            scene.outside,
            "answered",
            seconds(caller.seen.started_at, line.seen.answered_at),
            scene.outside,
            total([caller.heard(), ringing.heard()]),
            [ExpectedLeg(scene.outside, "answered"), ExpectedLeg(andriy.user, "answered", "transferred")],
            [ExpectedTransfer("blind", olena.user, andriy.user, "answered", andriy.user)],
            lead=_e164(scene.outside),
        )
    ]


def click_phone_first(scene: Scene) -> list[ExpectedCall]:
    """A click: the employee's phone rings, then the person outside."""
    olena = scene.phone()
    scene.stage.originate(f"PJSIP/{olena.user}", scene.outside, f"<{olena.user}>")
    own = olena.await_call()
    time.sleep(0.5)
    own.answer()
    line = scene.line()
    time.sleep(0.5)
    line.answer()
    time.sleep(TALK)
    own.bye()
    line.await_over()
    return [
        ExpectedCall(
            "outbound",
            olena.user,
            scene.outside,
            "answered",
            seconds(own.seen.invited_at, line.seen.answered_at),
            scene.outside,
            total([line.heard()]),
            [ExpectedLeg(scene.outside, "answered")],
            lead=_e164(scene.outside),
        )
    ]


def click_phone_not_answered(scene: Scene) -> list[ExpectedCall]:
    """A click, but the employee declines the ringing of his own phone."""
    olena = scene.phone()
    scene.stage.originate(f"PJSIP/{olena.user}", scene.outside, f"<{olena.user}>")
    own = olena.await_call()
    own.refuse(603)
    rung = seconds(own.seen.invited_at, own.seen.ended_at)
    return [ExpectedCall("internal", olena.user, None, "rejected", rung)]


def click_outside_busy(scene: Scene) -> list[ExpectedCall]:
    """A click: the person outside is busy."""
    olena = scene.phone()
    scene.stage.originate(f"PJSIP/{olena.user}", scene.outside, f"<{olena.user}>")
    own = olena.await_call().answer()
    scene.line().refuse(486)
    own.await_over()
    return [
        ExpectedCall(
            "outbound",
            olena.user,
            scene.outside,
            "busy",
            seconds(own.seen.invited_at, own.seen.ended_at),
            legs=[ExpectedLeg(scene.outside, "busy")],
            lead=_e164(scene.outside),
        )
    ]


def click_outside_first(scene: Scene) -> list[ExpectedCall]:
    """A call-back: the person outside is called first, then the employee's phone."""
    olena = scene.phone()
    scene.stage.originate(f"Local/{scene.outside}@leadline-originate", olena.user, f"<{olena.user}>")
    line = scene.line()
    time.sleep(0.5)
    line.answer()
    own = olena.await_call()
    time.sleep(0.5)
    own.answer()
    time.sleep(TALK)
    line.bye()
    own.await_over()
    return [
        ExpectedCall(
            "outbound",
            olena.user,
            scene.outside,
            "answered",
            seconds(line.seen.invited_at, own.seen.answered_at),
            scene.outside,
            total([own.heard()]),
            [ExpectedLeg(scene.outside, "answered")],
            lead=_e164(scene.outside),
        )
    ]


def _e164(number: str) -> str:
    return "+38" + number


STORIES = {
    story.__name__: story
    for story in (
        answered,
        busy,
        declined,
        not_answered,
        no_such_number,
        network_failed,
        given_up,
        internal,
        internal_busy,
        transferred,
        click_phone_first,
        click_phone_not_answered,
        click_outside_busy,
        click_outside_first,
    )
}
