"""Passages that many stories share, and the tellings that follow from them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.lab.stage.ends import Caller, Phone, Ringing
from tests.lab.stage.expected import ExpectedCall, ExpectedLeg, ExpectedTransfer, seconds, total
from tests.lab.stage.stage import Scene

TALK = 1.2
"""Seconds of a conversation in which something else happens next."""


@dataclass
class Conversation:
    """A stranger talks with the employee who took his call."""

    scene: Scene
    caller: Caller
    olena: Phone
    ringing: Ringing

    def expected(
        self,
        talks: Iterable[Ringing] = (),
        legs: Iterable[ExpectedLeg] = (),
        transfers: Iterable[ExpectedTransfer] = (),
    ) -> ExpectedCall:
        """The call, which went on in `talks` after the first one."""
        scene = self.scene
        return ExpectedCall(
            "inbound",
            scene.stranger,
            scene.did,
            "answered",
            seconds(self.caller.seen.started_at, self.ringing.seen.answered_at),
            self.olena.user,
            total([self.ringing.heard(), *(talk.heard() for talk in talks)]),
            [ExpectedLeg(self.olena.user, "answered"), *legs],
            list(transfers),
            lead=scene.stranger,
        )


def conversation(scene: Scene, olena: Phone | None = None) -> Conversation:
    """A stranger calls our number and is answered."""
    olena = olena or scene.phone()
    scene.rings([olena])
    caller = scene.call_in()
    ringing = olena.await_call().answer()
    caller.await_answer()
    time.sleep(TALK)
    return Conversation(scene, caller, olena, ringing)


def unanswered(scene: Scene, caller: Caller, result: str, legs: list[ExpectedLeg]) -> ExpectedCall:
    """A stranger's call that nobody took."""
    return ExpectedCall(
        "inbound",
        scene.stranger,
        scene.did,
        result,
        seconds(caller.seen.started_at, caller.seen.ended_at),
        legs=legs,
        lead=scene.stranger,
    )


REFUSED = {486: "busy", 600: "busy", 603: "rejected", 480: "no-answer", 404: "failed", 503: "failed"}


def leg_of(ringing: Ringing, phone: Phone, kind: str = "rang", stopped: str = "no-answer") -> ExpectedLeg:
    """What a phone saw of a call; `stopped` is what it means that Asterisk stopped ringing it."""
    seen = ringing.await_decided()
    if seen.answered_at:
        result = "answered"
    elif seen.end == "cancelled":
        result = stopped
    else:
        result = REFUSED[next(m.status or 0 for m in ringing.messages() if m.sent and (m.status or 0) >= 300)]
    return ExpectedLeg(phone.user, result, kind, round(seen.invited_at.timestamp(), 2))


def rung(phones: list[Phone], stopped: str) -> list[ExpectedLeg]:
    """All that these phones saw, in the order in which they rang."""
    calls = [(ringing, phone) for phone in phones for ringing in phone.calls()]
    calls.sort(key=lambda call: call[0].seen.invited_at)
    return [leg_of(ringing, phone, stopped=stopped) for ringing, phone in calls]
