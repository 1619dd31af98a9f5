"""How a leg and a call ended: the one place that weighs DIALSTATUS against the hangup cause."""

from collections.abc import Sequence

from leads.domain.calls import Result

ANSWERED_ELSEWHERE = 26
_SAID_BY_CAUSE = {17: Result.BUSY, 18: Result.NO_ANSWER, 19: Result.NO_ANSWER, 21: Result.REJECTED}
_SAY_NOTHING = frozenset({0, 16, 26, 31, 127})
"""Q.850 causes of an end by which no far end tells why."""
_SAID_BY_STATUS = {
    "BUSY": Result.BUSY,
    "CHANUNAVAIL": Result.FAILED,
    "CONGESTION": Result.FAILED,
    "DONTCALL": Result.REJECTED,
    "TORTURE": Result.REJECTED,
}
_WEIGHT = (Result.NO_ANSWER, Result.BUSY, Result.REJECTED, Result.FAILED)


def says_why(cause: int) -> bool:
    """Whether a hangup cause tells more than that the call is over."""
    return cause not in _SAY_NOTHING


def leg_result(status: str | None, cause: int) -> Result:
    """How a leg ended in which nobody talked.

    The cause is the far end's own word where it says anything (a decline reaches DialEnd as NOANSWER, an unreachable
    phone as BUSY); the status decides the rest. ANSWER without a conversation is a mobile that never accepted.

    Args:
        status: DIALSTATUS of DialEnd, None where none came.
        cause: the Q.850 cause of the hangup.
    """
    if status == "CANCEL":
        return Result.CANCELLED
    if cause in _SAID_BY_CAUSE:
        return _SAID_BY_CAUSE[cause]
    if cause == ANSWERED_ELSEWHERE:
        return Result.CANCELLED
    if says_why(cause):
        return Result.FAILED
    return _SAID_BY_STATUS.get(status or "", Result.NO_ANSWER)


def unanswered_result(legs: Sequence[Result]) -> Result | None:
    """What a caller whom nobody answered met, from his legs in the order in which they ended; None without legs.

    A cancelled last leg means that he gave up. Otherwise a phone that rang in vain says more than a busy one, and
    that more than one that could not be reached.
    """
    if not legs:
        return None
    if legs[-1] is Result.CANCELLED:
        return Result.CANCELLED
    return next((result for result in _WEIGHT if result in legs), Result.CANCELLED)


def result_without_legs(cause: int, was_up: bool, inbound: bool, waited_in_queue: bool) -> Result:
    """How a call ended that rang nowhere: given up in a queue or menu, refused by the dialplan, or an internal service.

    Args:
        cause: the caller's own hangup cause.
        was_up: whether Asterisk answered the caller.
        inbound: whether he came over a trunk.
        waited_in_queue: whether he waited for people rather than for a machine.
    """
    if was_up:
        return Result.CANCELLED if inbound or waited_in_queue else Result.ANSWERED
    if cause in _SAY_NOTHING:
        return Result.CANCELLED
    return _SAID_BY_CAUSE.get(cause, Result.FAILED)
