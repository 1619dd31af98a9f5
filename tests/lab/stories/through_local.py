"""Phones that are rung through Local channels, as FreePBX rings groups, queues and extensions that follow somebody."""

import time
from collections.abc import Callable

from tests.lab.stage.ends import Caller, Phone, Ringing
from tests.lab.stage.expected import ExpectedCall, ExpectedStation, seconds
from tests.lab.stage.stage import Scene
from tests.lab.stories.common import TALK, rung, unanswered

Story = Callable[[Scene], list[ExpectedCall]]
KEPT, OPTIMISED, FOLLOWED = 95, 96, 97
"""Kinds of numbers, see the stage's dialplan."""


def ring_through_local(scene: Scene, kind: int, phones: list[Phone]) -> Caller:
    """A stranger calls a number at which the stage rings these phones through Local channels."""
    scene.did = f"{kind}{''.join(phone.user for phone in phones)}{scene.did[4:7]}"
    scene.numbers.append(scene.did)
    return scene.call_to(scene.did)


def through_local_queue(scene: Scene, phones: list[Phone], seconds: int = 20) -> str:
    """Our number leads to a queue of these phones, each a member by its extension."""
    name = scene.stage.take_queue("ringall")
    for phone in phones:
        scene.stage.asterisk.cli(f"queue add member Local/{phone.user}@stage-extension/n to {name}")
    scene.rings(name, seconds=seconds)
    return name


def _answered(scene: Scene, caller: Caller, phones: list[Phone], ringing: Ringing, by: Phone) -> list[ExpectedCall]:
    """One answers, they talk, and the caller hangs up."""
    time.sleep(0.5)
    ringing.answer()
    caller.await_answer()
    time.sleep(TALK)
    caller.bye()
    ringing.await_over()
    talk = ringing.heard()
    waited = seconds(caller.seen.started_at, talk.start)
    spoken = seconds(talk.start, talk.end)
    legs = rung(phones, "cancelled")
    return [
        ExpectedCall(
            "inbound", scene.stranger, scene.did, "answered", waited, by.user, spoken, legs, lead=scene.stranger
        )
    ]


def _waited(calls: list[ExpectedCall], queue: str, result: str) -> list[ExpectedCall]:
    calls[0].stations = [ExpectedStation("queue", queue, result)]
    return calls


def _second_answers(scene: Scene, kind: int) -> list[ExpectedCall]:
    phones = scene.phones(2)
    caller = ring_through_local(scene, kind, phones)
    ringing = [phone.await_call() for phone in phones]
    return _answered(scene, caller, phones, ringing[1], phones[1])


def _nobody_answers(scene: Scene, kind: int) -> list[ExpectedCall]:
    phones = scene.phones(2)
    caller = ring_through_local(scene, kind, phones)
    caller.await_refusal()
    return [unanswered(scene, caller, "no-answer", rung(phones, "no-answer"))]


def group_answered(scene: Scene) -> list[ExpectedCall]:
    """A group of two extensions rings, the second answers, and the Local channels stay."""
    return _second_answers(scene, KEPT)


def group_answered_optimised(scene: Scene) -> list[ExpectedCall]:
    """A group of two extensions rings, the second answers, and the Local channels leave."""
    return _second_answers(scene, OPTIMISED)


def group_not_answered(scene: Scene) -> list[ExpectedCall]:
    """A group of two extensions rings until its time is over, which is shorter than theirs."""
    return _nobody_answers(scene, KEPT)


def group_given_up(scene: Scene) -> list[ExpectedCall]:
    """The caller gives up while a group of two extensions rings."""
    phones = scene.phones(2)
    caller = ring_through_local(scene, KEPT, phones)
    for phone in phones:
        phone.await_call()
    time.sleep(0.5)
    caller.cancel()
    return [unanswered(scene, caller, "cancelled", rung(phones, "cancelled"))]


def group_refuses(scene: Scene) -> list[ExpectedCall]:
    """A group of two extensions: one is busy, one declines."""
    phones = scene.phones(2)
    caller = ring_through_local(scene, KEPT, phones)
    phones[0].await_call().refuse(486)
    phones[1].await_call().refuse(603)
    caller.await_refusal()
    return [unanswered(scene, caller, "busy", rung(phones, "no-answer"))]


def follower_answers(scene: Scene) -> list[ExpectedCall]:
    """A group of extensions that are followed, a Local channel behind another: the second answers."""
    return _second_answers(scene, FOLLOWED)


def followers_do_not_answer(scene: Scene) -> list[ExpectedCall]:
    """A group of extensions that are followed rings until its time is over."""
    return _nobody_answers(scene, FOLLOWED)


def queue_answered(scene: Scene) -> list[ExpectedCall]:
    """A queue rings its members by their extensions, one answers."""
    phones = scene.phones(2)
    queue = through_local_queue(scene, phones)
    caller = scene.call_in()
    ringing = [phone.await_call() for phone in phones]
    return _waited(_answered(scene, caller, phones, ringing[0], phones[0]), queue, "answered")


def queue_member_declines(scene: Scene) -> list[ExpectedCall]:
    """A queue rings its members by their extensions: one declines, the other answers."""
    phones = scene.phones(2)
    queue = through_local_queue(scene, phones)
    caller = scene.call_in()
    phones[0].await_call().refuse(603)
    return _waited(_answered(scene, caller, phones, phones[1].await_call(), phones[1]), queue, "answered")


def queue_not_answered(scene: Scene) -> list[ExpectedCall]:
    """A queue rings its members by their extensions until its time is over."""
    phones = scene.phones(2)
    queue = through_local_queue(scene, phones, seconds=5)
    caller = scene.call_in()
    caller.await_refusal()
    return _waited([unanswered(scene, caller, "no-answer", rung(phones, "no-answer"))], queue, "no-answer")


def queue_given_up(scene: Scene) -> list[ExpectedCall]:
    """The caller gives up while a queue rings its members by their extensions."""
    phones = scene.phones(2)
    queue = through_local_queue(scene, phones)
    caller = scene.call_in()
    for phone in phones:
        phone.await_call()
    time.sleep(0.5)
    caller.cancel()
    return _waited([unanswered(scene, caller, "cancelled", rung(phones, "cancelled"))], queue, "cancelled")


STORIES: dict[str, Story] = {
    story.__name__: story
    for story in (
        group_answered,
        group_answered_optimised,
        group_not_answered,
        group_given_up,
        group_refuses,
        follower_answers,
        followers_do_not_answer,
        queue_answered,
        queue_member_declines,
        queue_not_answered,
        queue_given_up,
    )
}
