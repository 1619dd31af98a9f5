"""A phone of ours that rings at this moment: what the question on an employee's screen is about (C10)."""

from dataclasses import dataclass
from enum import StrEnum

from leads.domain.calls import Direction


class RingState(StrEnum):
    """How it stands with one ringing of one phone; each of the others ends it for good."""

    RINGING = "ringing"
    ANSWERED = "answered"
    ELSEWHERE = "elsewhere"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Ring:
    """One ringing of one phone; `pbx` and `uniqueid` name it for ever, `channel` is Asterisk's name while it lasts.

    `party` is who would be heard after answering: an outside number as Asterisk gave it, or a phone of ours by its
    number or endpoint; `party_name` is what came with the number, not what we know; `hidden`: he withheld his number.
    """

    pbx: str
    uniqueid: str
    linkedid: str
    channel: str
    endpoint: str
    direction: Direction | None
    party: str | None
    party_name: str | None
    hidden: bool
    dialled: str | None
    state: RingState

    @property
    def id(self) -> str:
        """Names this ringing towards browsers: the same on every server, for as long as anybody may ask."""
        return f"{self.pbx}/{self.uniqueid}"


class Rejection(StrEnum):
    """What became of the wish to end one ringing."""

    DONE = "done"
    LATE = "late"
    GONE = "gone"


class PhonesUnavailableError(Exception):
    """The Asterisk cannot be asked at this moment; what was asked for is not done, and not kept for later."""
