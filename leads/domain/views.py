"""Which of several views of one call is the fuller, so that views may come late, twice, or from several who saw it.

A tracker sees a call from its beginning, or, when Leadline was away meanwhile, only from then on (`incomplete`); and
what Asterisk kept of it (`recovered`) tells it afterwards. What is kept is the best view of each of these three kinds;
what is shown is their sum. Both follow from the set of views alone, whatever their order.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from leads.domain.calls import CallView, Leg, Phase, Result, Transfer


@dataclass(frozen=True, slots=True)
class Halves:
    """The best view from a tracker that saw the call begin, from one that did not, and from what Asterisk kept."""

    whole: CallView | None = None
    later: CallView | None = None
    recovered: CallView | None = None

    @property
    def all(self) -> tuple[CallView, ...]:
        """The views that there are."""
        return tuple(view for view in (self.whole, self.later, self.recovered) if view is not None)

    def with_view(self, view: CallView) -> "Halves":
        """Take in one more view; the same value when it tells nothing new."""
        kind = "recovered" if view.recovered else "later" if view.incomplete else "whole"
        known: CallView | None = getattr(self, kind)
        if known is not None and _rank(view) <= _rank(known):
            return self
        return replace(self, **{kind: view})

    def sum(self) -> CallView:
        """The call as far as all together tell it. Who saw all of it live knows it best."""
        live, kept = self._live(), self.recovered
        if kept is None or (live is not None and live.phase is Phase.ENDED and not live.incomplete):
            assert live is not None, "no view was taken in"
            return live
        if live is None:
            return kept
        if kept.phase is Phase.ENDED and (not kept.incomplete or _tells_more(kept, live)):
            return replace(kept, caller_hidden=kept.caller_hidden or live.caller_hidden)
        if self.whole is None and kept.phase is not Phase.ENDED and not kept.incomplete:
            return replace(_joined(kept, live), recovered=True)
        return live

    def _live(self) -> CallView | None:
        whole, later = self.whole, self.later
        if later is None or (whole is not None and (whole.phase is Phase.ENDED or whole.phase > later.phase)):
            return whole
        return later if whole is None else _joined(whole, later)


def _tells_more(kept: CallView, live: CallView) -> bool:
    """Whether of two views that both missed something the one that Asterisk kept tells the end better."""
    if live.phase is not Phase.ENDED:
        return False
    if (kept.result is Result.ANSWERED) is not (live.result is Result.ANSWERED):
        return kept.result is Result.ANSWERED
    return live.talk_seconds is None


def ended_unseen(view: CallView, at: datetime | None) -> CallView:
    """The call that `view` shows as running, once it is known to be over but not how; `at` is when that was noticed.

    Live events say so, also of a call whose beginning is told by what Asterisk kept.
    """
    talked = view.phase is Phase.TALKING
    legs = tuple(
        leg if leg.result else replace(leg, result=Result.CANCELLED if talked else Result.NO_ANSWER)
        for leg in view.legs
    )
    return replace(
        view,
        phase=Phase.ENDED,
        progress=view.progress + 1,
        result=Result.ANSWERED if talked else Result.NO_ANSWER,
        ended_at=at,
        talk_seconds=None,
        legs=legs,
        incomplete=True,
        recovered=False,
    )


def _rank(view: CallView) -> tuple[bool, Phase, int, bool]:
    """Phase before progress: a tracker that was restarted counts its views from one again."""
    return view.phase is Phase.ENDED and not view.incomplete, view.phase, view.progress, not view.incomplete


def _joined(whole: CallView, later: CallView) -> CallView:
    """How the call began, from the one who saw it; how it went on and ended, from the other."""
    return replace(
        later,
        role=whole.role,
        direction=whole.direction or later.direction,
        caller=whole.caller or later.caller,
        caller_name=whole.caller_name or later.caller_name,
        caller_hidden=whole.caller_hidden or later.caller_hidden,
        dialled=whole.dialled or later.dialled,
        started_at=whole.started_at or later.started_at,
        answered_at=whole.answered_at or later.answered_at,
        answered_by=later.answered_by or whole.answered_by,
        ring_seconds=whole.ring_seconds if whole.answered_at else later.ring_seconds,
        talk_seconds=_talk_seconds(whole, later),
        parent_linkedid=whole.parent_linkedid or later.parent_linkedid,
        legs=_all_legs(whole.legs, later.legs),
        transfers=_all_transfers(whole.transfers, later.transfers),
    )


def _talk_seconds(whole: CallView, later: CallView) -> float | None:
    """Who saw only the end of a conversation does not know how long it was; both together do."""
    if later.answered_at is None and whole.answered_at is not None and later.ended_at is not None:
        return max(0.0, round((later.ended_at - whole.answered_at).total_seconds(), 3))
    return later.talk_seconds


def _all_legs(before: tuple[Leg, ...], after: tuple[Leg, ...]) -> tuple[Leg, ...]:
    """Those that only the first tracker saw, then all of the second's, which know their ends."""
    seen_again = {leg.endpoint for leg in after}
    return (*(leg for leg in before if leg.endpoint not in seen_again), *after)


def _all_transfers(before: tuple[Transfer, ...], after: tuple[Transfer, ...]) -> tuple[Transfer, ...]:
    """Those that only the first tracker saw, then all of the second's, which know how the open ones ended."""
    seen_again = {(transfer.type, transfer.by, transfer.to) for transfer in after}

    def only_seen_before(one: Transfer) -> bool:
        return one not in after and (one.result is not None or (one.type, one.by, one.to) not in seen_again)

    return (*filter(only_seen_before, before), *after)
