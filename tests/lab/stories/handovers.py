"""Hand-overs in the other roles: by who called, to the outside, back to who handed over, and given up meanwhile."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.stage.ends import Caller, Phone, Ringing, Talk
from tests.lab.stage.expected import ExpectedCall, ExpectedLeg, ExpectedTransfer, seconds, total
from tests.lab.stage.stage import Scene
from tests.lab.stories.common import TALK, conversation, leg_of

Story = Callable[[Scene], list[ExpectedCall]]


@dataclass
class _CallOut:
    """An employee, Olena, talks with whom she called: the person outside, or a colleague."""

    scene: Scene
    olena: Phone
    caller: Caller
    far: Ringing
    dialled: str

    def expected(
        self, talks: list[Ringing], legs: list[ExpectedLeg], transfers: list[ExpectedTransfer]
    ) -> ExpectedCall:
        is_outside = self.dialled == self.scene.outside
        return ExpectedCall(
            "outbound" if is_outside else "internal",
            self.olena.user,
            self.dialled,
            "answered",
            seconds(self.caller.seen.started_at, self.far.seen.answered_at),
            self.dialled,
            total([self.caller.heard(), *(talk.heard() for talk in talks)]),
            [ExpectedLeg(self.dialled, "answered"), *legs],
            transfers,
            lead=f"+38{self.dialled}" if is_outside else None,
        )


def _call_out(scene: Scene, to: Phone | None = None) -> _CallOut:
    olena = scene.phone()
    dialled = to.user if to else scene.outside
    caller = scene.call_from(olena, dialled)
    far = (to.await_call() if to else scene.line()).answer()
    caller.await_answer()
    time.sleep(TALK)
    return _CallOut(scene, olena, caller, far, dialled)


def _consultation(olena: Phone, to: str, asking: Caller, target: Ringing, *, talked: bool) -> ExpectedCall:
    """What Olena's question to the target is on record as."""
    end = target.seen.answered_at if talked else asking.seen.ended_at
    return ExpectedCall(
        "internal" if len(to) < 6 else "outbound",
        olena.user,
        to,
        "answered" if talked else "cancelled",
        seconds(asking.seen.started_at, end),
        to if talked else None,
        seconds(asking.seen.answered_at, asking.seen.ended_at) if talked else 0.0,
        [ExpectedLeg(to, "answered")],
        role="consultation",
        parent=0,
    )


def caller_sends_on(scene: Scene) -> list[ExpectedCall]:
    """The employee who called out sends the other on to a colleague, by her phone's key."""
    call = _call_out(scene)
    andriy = scene.phone()
    call.caller.refer(andriy.user)
    target = andriy.await_call().answer()
    return _taken(call, andriy.user, target, "blind")


def caller_sends_on_to_busy(scene: Scene) -> list[ExpectedCall]:
    """The same, but the colleague is busy: the conversation is over."""
    call = _call_out(scene)
    andriy = scene.phone()
    call.caller.refer(andriy.user)
    target = andriy.await_call()
    target.refuse(486)
    call.far.await_over()
    transfer = ExpectedTransfer("blind", call.olena.user, andriy.user, "busy")
    return [call.expected([], [leg_of(target, andriy, "transferred")], [transfer])]


def caller_joins(scene: Scene) -> list[ExpectedCall]:
    """The employee who called out asks a colleague, and joins the two."""
    return _caller_joins(scene, _call_out(scene))


def internal_caller_joins(scene: Scene) -> list[ExpectedCall]:
    """She called a colleague, asks another one, and joins the two."""
    return _caller_joins(scene, _call_out(scene, scene.phone()))


def _caller_joins(scene: Scene, call: _CallOut) -> list[ExpectedCall]:
    andriy = scene.phone()
    call.caller.hold()
    asking = scene.call_from(call.olena, andriy.user)
    target = andriy.await_call().answer()
    asking.await_answer()
    time.sleep(TALK)
    call.caller.refer(andriy.user, replaces=asking)
    asking.await_over()
    calls = _taken(call, andriy.user, target, "attended")
    return [*calls, _consultation(call.olena, andriy.user, asking, target, talked=True)]


def caller_joins_while_it_rings(scene: Scene) -> list[ExpectedCall]:
    """The employee who called out rings a colleague, and joins the two before he answers."""
    call = _call_out(scene)
    andriy = scene.phone()
    call.caller.hold()
    asking = scene.call_from(call.olena, andriy.user)
    target = andriy.await_call()
    asking.await_ringing()
    time.sleep(0.5)
    call.caller.refer(andriy.user, replaces=asking)
    call.caller.await_over()
    target.answer()
    calls = _taken(call, andriy.user, target, "semi-attended")
    return [*calls, _consultation(call.olena, andriy.user, asking, target, talked=False)]


def _taken(call: _CallOut, to: str, target: Ringing, kind: str) -> list[ExpectedCall]:
    """The target talks with the one who was handed over, who ends it."""
    time.sleep(TALK)
    call.far.bye()
    target.await_over()
    transfer = ExpectedTransfer(kind, call.olena.user, to, "answered", to)
    return [call.expected([target], [ExpectedLeg(to, "answered", "transferred")], [transfer])]


def _to_outside(end: Callable[[Ringing], object], result: str) -> Story:
    def story(scene: Scene) -> list[ExpectedCall]:
        talk = conversation(scene)
        talk.ringing.refer(scene.outside)
        line = scene.line()
        end(line)
        answered = result == "answered"
        if answered:
            time.sleep(TALK)
            talk.caller.bye()
            line.await_over()
        else:
            talk.caller.await_over()
        leg = ExpectedLeg(scene.outside, result, "transferred")
        transfer = ExpectedTransfer(
            "blind", talk.olena.user, scene.outside, result, scene.outside if answered else None
        )
        return [talk.expected([line] if answered else [], [leg], [transfer])]

    return story


def to_outside_joined(scene: Scene) -> list[ExpectedCall]:
    """She asks somebody outside, and joins the caller with him."""
    talk = conversation(scene)
    talk.ringing.hold()
    asking = scene.call_from(talk.olena, scene.outside)
    line = scene.line().answer()
    asking.await_answer()
    time.sleep(TALK)
    talk.ringing.refer(scene.outside, replaces=asking)
    asking.await_over()
    time.sleep(TALK)
    talk.caller.bye()
    line.await_over()
    leg = ExpectedLeg(scene.outside, "answered", "transferred")
    transfer = ExpectedTransfer("attended", talk.olena.user, scene.outside, "answered", scene.outside)
    main = talk.expected([line], [leg], [transfer])
    return [main, _consultation(talk.olena, scene.outside, asking, line, talked=True)]


def back_to_the_first(scene: Scene) -> list[ExpectedCall]:
    """She sends the caller on to a colleague, who sends him back to her."""
    talk = conversation(scene)
    andriy = scene.phone()
    talk.ringing.refer(andriy.user)
    target = andriy.await_call().answer()
    time.sleep(TALK)
    target.refer(talk.olena.user)
    again = talk.olena.await_call(2).answer()
    time.sleep(TALK)
    talk.caller.bye()
    again.await_over()
    olena, other = talk.olena.user, andriy.user
    return [
        talk.expected(
            [target, again],
            [ExpectedLeg(other, "answered", "transferred"), ExpectedLeg(olena, "answered", "transferred")],
            [
                ExpectedTransfer("blind", olena, other, "answered", other),
                ExpectedTransfer("blind", other, olena, "answered", olena),
            ],
        )
    ]


def joined_twice(scene: Scene) -> list[ExpectedCall]:
    """She asks a colleague and joins him with the caller; he asks her back and joins them again."""
    talk = conversation(scene)
    andriy = scene.phone()
    first, target = _join(scene, talk.olena, talk.ringing, andriy, 1)
    time.sleep(TALK)
    second, again = _join(scene, andriy, target, talk.olena, 2)
    time.sleep(TALK)
    talk.caller.bye()
    again.await_over()
    olena, other = talk.olena.user, andriy.user
    main = talk.expected(
        [target, again],
        [ExpectedLeg(other, "answered", "transferred"), ExpectedLeg(olena, "answered", "transferred")],
        [
            ExpectedTransfer("attended", olena, other, "answered", other),
            ExpectedTransfer("attended", other, olena, "answered", olena),
        ],
    )
    return [
        main,
        _consultation(talk.olena, other, first, target, talked=True),
        _consultation(andriy, olena, second, again, talked=True),
    ]


def _join(scene: Scene, who: Phone, held: Talk, other: Phone, count: int) -> tuple[Caller, Ringing]:
    held.hold()
    asking = scene.call_from(who, other.user)
    target = other.await_call(count).answer()
    asking.await_answer()
    time.sleep(TALK)
    held.refer(other.user, replaces=asking)
    asking.await_over()
    return asking, target


def given_up_meanwhile(scene: Scene) -> list[ExpectedCall]:
    """The caller who was sent on does not wait for the colleague."""
    talk = conversation(scene)
    andriy = scene.phone()
    talk.ringing.refer(andriy.user)
    target = andriy.await_call()
    time.sleep(0.5)
    talk.caller.bye()
    target.await_cancelled()
    leg = leg_of(target, andriy, "transferred", stopped="cancelled")
    transfer = ExpectedTransfer("blind", talk.olena.user, andriy.user, "cancelled")
    return [talk.expected([], [leg], [transfer])]


def colleague_sends_on(scene: Scene) -> list[ExpectedCall]:
    """A colleague calls her, and she sends him on to another."""
    olena, andriy = scene.phones(2)
    call = _call_out(scene, olena)
    call.far.refer(andriy.user)
    target = andriy.await_call().answer()
    time.sleep(TALK)
    call.caller.bye()
    target.await_over()
    transfer = ExpectedTransfer("blind", olena.user, andriy.user, "answered", andriy.user)
    told = call.expected([], [ExpectedLeg(andriy.user, "answered", "transferred")], [transfer])
    told.talk_seconds = total([call.far.heard(), target.heard()])
    return [told]


def _answers(ringing: Ringing) -> object:
    return ringing.answer()


def _is_busy(ringing: Ringing) -> None:
    ringing.refuse(486)


STORIES: dict[str, Story] = {
    story.__name__: story
    for story in (
        caller_sends_on,
        caller_sends_on_to_busy,
        caller_joins,
        internal_caller_joins,
        caller_joins_while_it_rings,
        to_outside_joined,
        back_to_the_first,
        joined_twice,
        given_up_meanwhile,
        colleague_sends_on,
    )
} | {"to_outside_answered": _to_outside(_answers, "answered"), "to_outside_busy": _to_outside(_is_busy, "busy")}
