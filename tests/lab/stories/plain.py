"""Calls that ring once: answered, refused, given up."""

import time

from tests.lab.stage.expected import ExpectedCall, ExpectedLeg, seconds, total
from tests.lab.stage.stage import Scene


def answered(scene: Scene) -> list[ExpectedCall]:
    """A stranger calls, one phone rings, is answered, and he hangs up."""
    (olena,) = scene.phones(1)
    scene.rings([olena])
    caller = scene.call_in(name="KYIVSTAR")
    ringing = olena.await_call()
    time.sleep(1.2)
    ringing.answer()
    time.sleep(1.5)
    caller.await_answer().bye()
    ringing.await_over()
    return [
        ExpectedCall(
            "inbound",
            scene.stranger,
            scene.did,
            "answered",
            seconds(caller.seen.started_at, ringing.seen.answered_at),
            olena.user,
            total([ringing.heard()]),
            [ExpectedLeg(olena.user, "answered")],
            lead=scene.stranger,
        )
    ]


def _refused(scene: Scene, status: int, result: str) -> list[ExpectedCall]:
    (olena,) = scene.phones(1)
    scene.rings([olena])
    caller = scene.call_in()
    ringing = olena.await_call()
    time.sleep(0.5)
    ringing.refuse(status)
    caller.await_refusal()
    waited = seconds(caller.seen.started_at, caller.seen.ended_at)
    return [
        ExpectedCall(
            "inbound",
            scene.stranger,
            scene.did,
            result,
            waited,
            legs=[ExpectedLeg(olena.user, result)],
            lead=scene.stranger,
        )
    ]


def busy(scene: Scene) -> list[ExpectedCall]:
    """The phone says 486."""
    return _refused(scene, 486, "busy")


def busy_everywhere(scene: Scene) -> list[ExpectedCall]:
    """The phone says 600."""
    return _refused(scene, 600, "busy")


def declined(scene: Scene) -> list[ExpectedCall]:
    """The employee presses the red button: 603."""
    return _refused(scene, 603, "rejected")


def unavailable(scene: Scene) -> list[ExpectedCall]:
    """The phone says 480, as one whose owner does not answer."""
    return _refused(scene, 480, "no-answer")


def no_answer(scene: Scene) -> list[ExpectedCall]:
    """The phone rings its time in vain."""
    (olena,) = scene.phones(1)
    scene.rings([olena], seconds=3)
    caller = scene.call_in()
    olena.await_call().await_cancelled()
    caller.await_refusal()
    waited = seconds(caller.seen.started_at, caller.seen.ended_at)
    return [
        ExpectedCall(
            "inbound",
            scene.stranger,
            scene.did,
            "no-answer",
            waited,
            legs=[ExpectedLeg(olena.user, "no-answer")],
            lead=scene.stranger,
        )
    ]


def gives_up(scene: Scene) -> list[ExpectedCall]:
    """The caller does not wait for the answer."""
    (olena,) = scene.phones(1)
    scene.rings([olena])
    caller = scene.call_in()
    olena.await_call()
    time.sleep(1)
    caller.await_ringing().cancel()
    waited = seconds(caller.seen.started_at, caller.seen.ended_at)
    return [
        ExpectedCall(
            "inbound",
            scene.stranger,
            scene.did,
            "cancelled",
            waited,
            legs=[ExpectedLeg(olena.user, "cancelled")],
            lead=scene.stranger,
        )
    ]


STORIES = {
    story.__name__: story for story in (answered, busy, busy_everywhere, declined, unavailable, no_answer, gives_up)
}
