"""Ring groups and queues: one answers, none does, the caller gives up."""

import time
from collections.abc import Callable

from tests.lab.stage.ends import Phone, Ringing
from tests.lab.stage.expected import ExpectedCall, ExpectedStation, seconds
from tests.lab.stage.stage import STRATEGIES, Scene
from tests.lab.stories.common import TALK, rung, unanswered

Story = Callable[[Scene], list[ExpectedCall]]


def _one_answers(scene: Scene, phones: list[Phone], who: int) -> list[ExpectedCall]:
    """All ring at once, and one of them answers."""
    caller = scene.call_in()
    ringing = [phone.await_call() for phone in phones]
    ringing[who].answer()
    caller.await_answer()
    time.sleep(TALK)
    caller.bye()
    ringing[who].await_over()
    return [_answered(scene, seconds(caller.seen.started_at, ringing[who].seen.answered_at), phones, who)]


def _answered(scene: Scene, waited: float, phones: list[Phone], who: int, missed: str = "cancelled") -> ExpectedCall:
    talk = phones[who].calls()[-1].heard()
    return ExpectedCall(
        "inbound",
        scene.stranger,
        scene.did,
        "answered",
        waited,
        phones[who].user,
        seconds(talk.start, talk.end),
        rung(phones, missed),
        lead=scene.stranger,
    )


def group_answered(scene: Scene) -> list[ExpectedCall]:
    """Three phones ring, the second answers."""
    phones = scene.phones(3)
    scene.rings(phones)
    return _one_answers(scene, phones, 1)


def group_not_answered(scene: Scene) -> list[ExpectedCall]:
    """Three phones ring in vain."""
    phones = scene.phones(3)
    scene.rings(phones, seconds=3)
    caller = scene.call_in()
    caller.await_refusal()
    return [unanswered(scene, caller, "no-answer", rung(phones, "no-answer"))]


def group_all_refuse(scene: Scene) -> list[ExpectedCall]:
    """One is busy, one declines: nobody is there, and the caller is told that it is busy."""
    phones = scene.phones(2)
    scene.rings(phones)
    caller = scene.call_in()
    phones[0].await_call().refuse(486)
    phones[1].await_call().refuse(603)
    caller.await_refusal()
    return [unanswered(scene, caller, "busy", rung(phones, "no-answer"))]


def chain(scene: Scene) -> list[ExpectedCall]:
    """The first is busy, the second does not answer, the third does."""
    phones = scene.phones(3)
    scene.rings(*([phone] for phone in phones), seconds=3)
    caller = scene.call_in()
    phones[0].await_call().refuse(486)
    last = phones[2].await_call().answer()
    caller.await_answer()
    time.sleep(TALK)
    last.bye()
    caller.await_over()
    return [_answered(scene, seconds(caller.seen.started_at, last.seen.answered_at), phones, 2, "no-answer")]


def _waited(calls: list[ExpectedCall], queue: str, result: str) -> list[ExpectedCall]:
    """The caller waited in this queue first."""
    calls[0].stations = [ExpectedStation("queue", queue, result)]
    return calls


def _queue_answered(strategy: str) -> Story:
    def story(scene: Scene) -> list[ExpectedCall]:
        phones = scene.phones(2)
        queue = scene.queue(strategy, phones)
        scene.rings(queue)
        if strategy == "ringall":
            return _waited(_one_answers(scene, phones, 1), queue, "answered")
        caller = scene.call_in()
        _first, ringing = _whoever_rings(phones)
        ringing.await_cancelled()
        who, ringing = _whoever_rings(phones, but=ringing)
        ringing.answer()
        caller.await_answer()
        time.sleep(TALK)
        caller.bye()
        ringing.await_over()
        waited = seconds(caller.seen.started_at, ringing.seen.answered_at)
        return _waited([_answered(scene, waited, phones, who, "no-answer")], queue, "answered")

    story.__doc__ = f"A queue of two, {strategy}: " + (
        "both ring, one answers." if strategy == "ringall" else "one rings in vain, then one answers."
    )
    return story


def _whoever_rings(phones: list[Phone], but: Ringing | None = None, seconds: float = 10) -> tuple[int, Ringing]:
    """The phone that rings now, by its place."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for place, phone in enumerate(phones):
            for ringing in phone.calls():
                if ringing.seen.end == "ringing" and (but is None or ringing.call_id != but.call_id):
                    return place, ringing
        time.sleep(0.02)
    raise AssertionError("no phone rings")


def queue_not_answered(scene: Scene) -> list[ExpectedCall]:
    """A queue rings its two phones until its time is over."""
    phones = scene.phones(2)
    queue = scene.queue("ringall", phones)
    scene.rings(queue, seconds=5)
    caller = scene.call_in()
    caller.await_refusal()
    return _waited([unanswered(scene, caller, "no-answer", rung(phones, "no-answer"))], queue, "no-answer")


def queue_given_up(scene: Scene) -> list[ExpectedCall]:
    """The caller gives up while a queue rings."""
    phones = scene.phones(2)
    queue = scene.queue("ringall", phones)
    scene.rings(queue)
    caller = scene.call_in()
    for phone in phones:
        phone.await_call()
    time.sleep(0.5)
    caller.cancel()
    for phone in phones:
        phone.await_call().await_cancelled()
    return _waited([unanswered(scene, caller, "cancelled", rung(phones, "cancelled"))], queue, "cancelled")


def queue_member_declines(scene: Scene) -> list[ExpectedCall]:
    """One declines, the other answers."""
    phones = scene.phones(2)
    queue = scene.queue("ringall", phones)
    scene.rings(queue)
    caller = scene.call_in()
    phones[0].await_call().refuse(603)
    answering = phones[1].await_call().answer()
    caller.await_answer()
    time.sleep(TALK)
    caller.bye()
    answering.await_over()
    waited = seconds(caller.seen.started_at, answering.seen.answered_at)
    return _waited([_answered(scene, waited, phones, 1)], queue, "answered")


def then_default(scene: Scene) -> list[ExpectedCall]:
    """Nobody of the queue answers, so the call goes on to a phone."""
    phones = scene.phones(2)
    queue = scene.queue("linear", phones[:1])
    scene.rings(queue, [phones[1]], seconds=3)
    caller = scene.call_in()
    answering = phones[1].await_call().answer()
    caller.await_answer()
    time.sleep(TALK)
    caller.bye()
    answering.await_over()
    waited = seconds(caller.seen.started_at, answering.seen.answered_at)
    return _waited([_answered(scene, waited, phones, 1, "no-answer")], queue, "no-answer")


STORIES: dict[str, Story] = {
    story.__name__: story
    for story in (
        group_answered,
        group_not_answered,
        group_all_refuse,
        chain,
        queue_not_answered,
        queue_given_up,
        queue_member_declines,
        then_default,
    )
} | {f"{strategy}_answered": _queue_answered(strategy) for strategy in STRATEGIES}
