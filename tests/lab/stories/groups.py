"""Groups in which more happens: a phone sends the call elsewhere, or a caller is handed on to a group."""

import time
from collections.abc import Callable

from tests.lab.stage.ends import Caller, Phone, Ringing
from tests.lab.stage.expected import ExpectedCall, ExpectedLeg, ExpectedStation, ExpectedTransfer, seconds, total
from tests.lab.stage.stage import Scene
from tests.lab.stories.common import TALK, Conversation, conversation, leg_of, unanswered
from tests.lab.stories.through_local import KEPT, ring_through_local, through_local_queue

Story = Callable[[Scene], list[ExpectedCall]]


def _answered(scene: Scene, caller: Caller, talks: list[Ringing], by: Phone) -> ExpectedCall:
    """A stranger's call that was taken first by `by`, who heard him in the first of `talks`."""
    waited = seconds(caller.seen.started_at, talks[0].seen.answered_at)
    heard = total([talk.heard() for talk in talks])
    return ExpectedCall("inbound", scene.stranger, scene.did, "answered", waited, by.user, heard, lead=scene.stranger)


def _talk_then_hang_up(caller: Caller, ringing: Ringing) -> None:
    time.sleep(0.5)
    ringing.answer()
    caller.await_answer()
    time.sleep(TALK)
    caller.bye()
    ringing.await_over()


# A phone of a group sends the call elsewhere


def _first_forwards(scene: Scene, phones: list[Phone], seconds: int = 20) -> tuple[Caller, list[Ringing]]:
    """The first two phones ring; the first sends the call to the third (302), which then rings too."""
    scene.rings(phones[:2], seconds=seconds)
    caller = scene.call_in()
    first, second = (phone.await_call() for phone in phones[:2])
    first.refuse(302, phones[2].user)
    return caller, [second, phones[2].await_call()]


def _forwarded(phones: list[Phone], second: str, third: str) -> list[ExpectedLeg]:
    return [
        ExpectedLeg(phones[0].user, "cancelled"),
        ExpectedLeg(phones[1].user, second),
        ExpectedLeg(phones[2].user, third, "forwarded"),
    ]


def member_forwards(scene: Scene) -> list[ExpectedCall]:
    """One of a group sends the call to a third phone (302), which answers."""
    phones = scene.phones(3)
    caller, rings = _first_forwards(scene, phones)
    _talk_then_hang_up(caller, rings[1])
    call = _answered(scene, caller, rings[1:], phones[2])
    call.legs = _forwarded(phones, "cancelled", "answered")
    return [call]


def member_forwards_other_answers(scene: Scene) -> list[ExpectedCall]:
    """One of a group sends the call to a third phone (302), and the other answers first."""
    phones = scene.phones(3)
    caller, rings = _first_forwards(scene, phones)
    _talk_then_hang_up(caller, rings[0])
    call = _answered(scene, caller, rings[:1], phones[1])
    call.legs = _forwarded(phones, "answered", "cancelled")
    return [call]


def member_forwards_in_vain(scene: Scene) -> list[ExpectedCall]:
    """One of a group sends the call to a third phone (302), and nobody answers."""
    phones = scene.phones(3)
    caller, _rings = _first_forwards(scene, phones, seconds=3)
    caller.await_refusal()
    return [unanswered(scene, caller, "no-answer", _forwarded(phones, "no-answer", "no-answer"))]


# An employee hands a caller on to a group


def _talk_and_group(scene: Scene) -> tuple[Conversation, list[Phone], str]:
    """A conversation, and the number of a group that is rung through Local channels."""
    talk, phones = conversation(scene), scene.phones(2)
    group = f"{KEPT}{phones[0].user}{phones[1].user}"
    scene.numbers.append(group)
    return talk, phones, group


def _legs(rings: list[Ringing], phones: list[Phone], kind: str, stopped: str) -> list[ExpectedLeg]:
    return [leg_of(ringing, phone, kind, stopped) for ringing, phone in zip(rings, phones, strict=True)]


def sent_on_to_group(scene: Scene) -> list[ExpectedCall]:
    """She sends the caller to a group, of which one answers."""
    talk, phones, group = _talk_and_group(scene)
    talk.ringing.refer(group)
    rings = [phone.await_call() for phone in phones]
    _talk_then_hang_up(talk.caller, rings[1])
    transfer = ExpectedTransfer("blind", talk.olena.user, group, "answered", phones[1].user)
    return [talk.expected(rings[1:], _legs(rings, phones, "transferred", "cancelled"), [transfer])]


def sent_on_to_group_in_vain(scene: Scene) -> list[ExpectedCall]:
    """She sends the caller to a group that does not answer."""
    talk, phones, group = _talk_and_group(scene)
    talk.ringing.refer(group)
    rings = [phone.await_call() for phone in phones]
    talk.caller.await_over()
    transfer = ExpectedTransfer("blind", talk.olena.user, group, "no-answer")
    return [talk.expected([], _legs(rings, phones, "transferred", "no-answer"), [transfer])]


def joined_with_group(scene: Scene) -> list[ExpectedCall]:
    """She asks a group, of which one answers, and joins the calls: who rang in vain rang for her alone."""
    talk, phones, group = _talk_and_group(scene)
    talk.ringing.hold()
    asking = scene.call_from(talk.olena, group)
    rings = [phone.await_call() for phone in phones]
    time.sleep(0.5)
    rings[1].answer()
    asking.await_answer()
    time.sleep(TALK)
    talk.ringing.refer(group, replaces=asking)
    asking.await_over()
    time.sleep(TALK)
    talk.caller.bye()
    rings[1].await_over()
    transfer = ExpectedTransfer("attended", talk.olena.user, group, "answered", phones[1].user)
    main = talk.expected(rings[1:], _legs(rings[1:], phones[1:], "transferred", "cancelled"), [transfer])
    waited = seconds(asking.seen.started_at, rings[1].seen.answered_at)
    spoken = seconds(asking.seen.answered_at, asking.seen.ended_at)
    legs = _legs(rings, phones, "rang", "cancelled")
    own = ExpectedCall("internal", talk.olena.user, group, "answered", waited, phones[1].user, spoken, legs)
    own.role, own.parent = "consultation", 0
    return [main, own]


def picked_up_through_local(scene: Scene) -> list[ExpectedCall]:
    """A colleague takes the call that rings at a group's phones through Local channels."""
    phones, andriy = scene.phones(2), scene.phone()
    caller = ring_through_local(scene, KEPT, phones)
    rings = [phone.await_call() for phone in phones]
    time.sleep(0.5)
    picking = scene.call_from(andriy, f"*8{phones[0].user}").await_answer()
    caller.await_answer()
    time.sleep(TALK)
    caller.bye()
    picking.await_over()
    waited = seconds(caller.seen.started_at, picking.seen.answered_at)
    legs = [*_legs(rings, phones, "rang", "cancelled"), ExpectedLeg(andriy.user, "answered", "picked-up")]
    heard = total([picking.heard()])
    return [
        ExpectedCall(
            "inbound", scene.stranger, scene.did, "answered", waited, andriy.user, heard, legs, lead=scene.stranger
        )
    ]


def queue_member_sends_on(scene: Scene) -> list[ExpectedCall]:
    """The member who took a queue's caller through Local channels sends him on to a colleague."""
    phones, andriy = scene.phones(2), scene.phone()
    queue = through_local_queue(scene, phones)
    caller = scene.call_in()
    rings = [phone.await_call() for phone in phones]
    rings[0].answer()
    caller.await_answer()
    time.sleep(TALK)
    rings[0].refer(andriy.user)
    target = andriy.await_call()
    _talk_then_hang_up(caller, target)
    call = _answered(scene, caller, [rings[0], target], phones[0])
    call.legs = [*_legs(rings, phones, "rang", "cancelled"), ExpectedLeg(andriy.user, "answered", "transferred")]
    call.transfers = [ExpectedTransfer("blind", phones[0].user, andriy.user, "answered", andriy.user)]
    call.stations = [ExpectedStation("queue", queue, "answered")]
    return [call]


STORIES: dict[str, Story] = {
    story.__name__: story
    for story in (
        member_forwards,
        member_forwards_other_answers,
        member_forwards_in_vain,
        sent_on_to_group,
        sent_on_to_group_in_vain,
        joined_with_group,
        picked_up_through_local,
        queue_member_sends_on,
    )
}
