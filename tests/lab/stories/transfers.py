"""An employee hands his conversation on: by the phone's own key (SIP REFER) or by keys in the conversation."""

import time
from collections.abc import Callable

from tests.lab.handed_over import await_handed_over, await_together
from tests.lab.stage.ends import Interval, Phone, Ringing
from tests.lab.stage.expected import ExpectedCall, ExpectedLeg, ExpectedTransfer, seconds, total
from tests.lab.stage.stage import Scene
from tests.lab.stories.common import TALK, Conversation, conversation, leg_of

End = Callable[[Ringing], None]
"""What the target does when he is rung."""


def _answers(ringing: Ringing) -> None:
    ringing.answer()


def _is_busy(ringing: Ringing) -> None:
    ringing.refuse(486)


def _declines(ringing: Ringing) -> None:
    ringing.refuse(603)


def _does_not_answer(ringing: Ringing) -> None:
    ringing.await_cancelled()


ENDS: dict[str, tuple[End, str]] = {
    "answered": (_answers, "answered"),
    "busy": (_is_busy, "busy"),
    "declined": (_declines, "rejected"),
    "not_answered": (_does_not_answer, "no-answer"),
}
Story = Callable[[Scene], list[ExpectedCall]]


def _handed_on(talk: Conversation, andriy: Phone, target: Ringing, kind: str) -> list[ExpectedCall]:
    """The stranger talks with the target, or was sent away; so he is on record."""
    if target.seen.answered_at:
        time.sleep(TALK)
        talk.caller.bye()
        target.await_over()
    else:
        talk.caller.await_over()
    leg = leg_of(target, andriy, "transferred")
    answered_by = andriy.user if leg.result == "answered" else None
    transfer = ExpectedTransfer(kind, talk.olena.user, andriy.user, leg.result, answered_by)
    return [talk.expected([target] if answered_by else [], [leg], [transfer])]


def _blind(end: End, by_keys: bool) -> Story:
    def story(scene: Scene) -> list[ExpectedCall]:
        talk = conversation(scene)
        andriy = scene.phone()
        if by_keys:
            talk.ringing.dtmf("##" + andriy.user)
        else:
            talk.ringing.refer(andriy.user)
        target = andriy.await_call()
        talk.ringing.await_over()
        end(target)
        return _handed_on(talk, andriy, target, "blind")

    return story


def _attended_by_keys(end: End) -> Story:
    """He asks first; where the target does not come to the phone, he goes on with the stranger himself."""

    def story(scene: Scene) -> list[ExpectedCall]:
        talk = conversation(scene)
        andriy = scene.phone()
        talk.ringing.dtmf("*2" + andriy.user)
        target = andriy.await_call()
        end(target)
        time.sleep(TALK)
        if target.seen.answered_at:
            await_together(scene.stage.asterisk, talk.olena.user, andriy.user)
            talk.ringing.bye()
            return _handed_on(talk, andriy, target, "attended")
        time.sleep(TALK)
        talk.caller.bye()
        talk.ringing.await_over()
        call = talk.expected(legs=[leg_of(target, andriy)])
        assert target.seen.ended_at
        heard = talk.ringing.heard()
        asked, back = target.seen.invited_at, target.seen.ended_at
        call.talk_seconds = total([Interval(heard.start, asked), Interval(back, heard.end)])
        return [call]

    return story


def _semi_attended_by_keys(end: End) -> Story:
    """He hangs up while the target rings; where that was in vain, Asterisk rings him again."""

    def story(scene: Scene) -> list[ExpectedCall]:
        talk = conversation(scene)
        andriy = scene.phone()
        talk.ringing.dtmf("*2" + andriy.user)
        target = andriy.await_call()
        time.sleep(0.5)
        talk.ringing.bye()
        await_handed_over(scene.stage.asterisk, talk.olena.user, scene.stranger)
        end(target)
        if target.seen.answered_at:
            return _handed_on(talk, andriy, target, "semi-attended")
        back = talk.olena.await_call(2).answer()
        time.sleep(TALK)
        talk.caller.bye()
        back.await_over()
        tried = leg_of(target, andriy, "transferred")
        transfer = ExpectedTransfer("semi-attended", talk.olena.user, andriy.user, tried.result)
        main = talk.expected([back], [tried, ExpectedLeg(talk.olena.user, "answered", "taken-back")], [transfer])
        rung = seconds(back.seen.invited_at, back.seen.answered_at)
        return [main, ExpectedCall("internal", talk.olena.user, None, "cancelled", rung, role="consultation", parent=0)]

    return story


def _attended(end: End) -> Story:
    def story(scene: Scene) -> list[ExpectedCall]:
        talk = conversation(scene)
        andriy = scene.phone()
        talk.ringing.hold()
        asking = scene.call_from(talk.olena, andriy.user)
        target = andriy.await_call()
        end(target)
        if not target.seen.answered_at:
            asking.await_refusal()
            talk.ringing.unhold()
            time.sleep(TALK)
            talk.caller.bye()
            talk.ringing.await_over()
            waited = seconds(asking.seen.started_at, asking.seen.ended_at)
            leg = leg_of(target, andriy)
            own = ExpectedCall("internal", talk.olena.user, andriy.user, leg.result, waited, legs=[leg])
            return [talk.expected(), own]
        asking.await_answer()
        time.sleep(TALK)
        talk.ringing.refer(andriy.user, replaces=asking)
        asking.await_over()
        talk.ringing.await_over()
        asked = ExpectedCall(
            "internal",
            talk.olena.user,
            andriy.user,
            "answered",
            seconds(asking.seen.started_at, target.seen.answered_at),
            andriy.user,
            seconds(asking.seen.answered_at, asking.seen.ended_at),
            [ExpectedLeg(andriy.user, "answered")],
            role="consultation",
            parent=0,
        )
        return [*_handed_on(talk, andriy, target, "attended"), asked]

    return story


def _semi_attended(end: End) -> Story:
    """He joins the two calls while the target still rings."""

    def story(scene: Scene) -> list[ExpectedCall]:
        talk = conversation(scene)
        andriy = scene.phone()
        talk.ringing.hold()
        asking = scene.call_from(talk.olena, andriy.user)
        target = andriy.await_call()
        asking.await_ringing()
        time.sleep(0.5)
        talk.ringing.refer(andriy.user, replaces=asking)
        talk.ringing.await_over()
        end(target)
        calls = _handed_on(talk, andriy, target, "semi-attended")
        (leg,) = [leg for leg in calls[0].legs if leg.who == andriy.user]
        asked = ExpectedCall(
            "internal",
            talk.olena.user,
            andriy.user,
            "cancelled",
            seconds(asking.seen.started_at, asking.seen.ended_at),
            legs=[ExpectedLeg(andriy.user, leg.result)],
            role="consultation",
            parent=0,
        )
        return [*calls, asked]

    return story


STORIES: dict[str, Story] = {}
for _name, (_end, _result) in ENDS.items():
    STORIES |= {
        f"blind_by_refer_{_name}": _blind(_end, by_keys=False),
        f"blind_by_keys_{_name}": _blind(_end, by_keys=True),
        f"attended_by_refer_{_name}": _attended(_end),
        f"attended_by_keys_{_name}": _attended_by_keys(_end),
        f"semi_attended_by_refer_{_name}": _semi_attended(_end),
        f"semi_attended_by_keys_{_name}": _semi_attended_by_keys(_end),
    }
