"""What an ended call means for what is still to be done with its person (P3, P7)."""

from enum import StrEnum

from leads.domain.calls import Direction, Phase, Result, Role


class TaskKind(StrEnum):
    """Where a task comes from: somebody typed it, or a call was missed."""

    TYPED = "typed"
    MISSED = "missed"


class Outcome(StrEnum):
    """A conversation fulfils, a missed call asks to be called back, an attempt was in vain."""

    CONVERSATION = "conversation"
    MISSED = "missed"
    ATTEMPT = "attempt"


def outcome_of(role: Role, phase: Phase, direction: Direction | None, result: Result | None) -> Outcome | None:
    """How a call with somebody outside ended; None while it lasts, for consultations, and between colleagues.

    A call out that failed rang nowhere, so it was no attempt.
    """
    if role is not Role.CALL or phase is not Phase.ENDED or direction not in (Direction.INBOUND, Direction.OUTBOUND):
        return None
    if result is Result.ANSWERED:
        return Outcome.CONVERSATION
    if direction is Direction.INBOUND:
        return Outcome.MISSED
    return None if result is Result.FAILED else Outcome.ATTEMPT
