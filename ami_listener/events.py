"""The one vocabulary of channel events: live AMI, recordings of it and recovered CEL all speak it to the tracker.

`at` is when it happened (UTC), None where nothing told. `linkedid` is what the source said at that moment; Asterisk
changes a channel's linkedid when calls join.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

BOOTED_WITHIN = timedelta(seconds=1)
"""Asterisk tells for how many whole seconds it has run."""


class State(Enum):
    """What a channel does; how it came about is told by the other events."""

    CALLING = "calling"
    RINGING = "ringing"
    UP = "up"


@dataclass(slots=True)
class ChannelEvent:
    """Something happened to one channel."""

    at: datetime | None
    uniqueid: str
    linkedid: str


@dataclass(slots=True)
class ChannelCreated(ChannelEvent):
    """A channel was made: a phone or trunk sent an INVITE, or Asterisk is about to send one, or half a Local pair."""

    name: str
    number: str | None
    caller_name: str | None
    exten: str | None
    state: State | None


@dataclass(slots=True)
class ChannelListed(ChannelCreated):
    """A channel that runs already was listed to us after a connect; `application` tells whether it was dialled."""

    bridge: str | None
    application: str | None


@dataclass(slots=True)
class ListingEnded(ChannelEvent):
    """All running channels have been listed: whatever was known before and was not listed has ended unseen."""


@dataclass(slots=True)
class Booted(ChannelEvent):
    """Asterisk was started within BOOTED_WITHIN after `at`: all calls before have ended, though nothing told how."""


@dataclass(slots=True)
class CallerIdentified(ChannelEvent):
    """A channel's caller id was set or changed; `hidden` says that its number may not be presented."""

    number: str | None
    caller_name: str | None
    hidden: bool


@dataclass(slots=True)
class StateChanged(ChannelEvent):
    """A caller is calling us, a phone or line that we dialled rings, or a channel went up.

    A calling channel that goes up may have met a queue or a menu, so it is no conversation yet.
    """

    state: State


@dataclass(slots=True)
class LocalPaired(ChannelEvent):
    """Two Local channels are the two ends of one pipe."""

    other: str


@dataclass(slots=True)
class DialStarted(ChannelEvent):
    """A channel (`uniqueid`, empty when Asterisk itself originates) began to call another one.

    `instead` where that is known to be in the place of a phone that sent the call elsewhere.
    """

    target: str
    target_linkedid: str
    target_number: str | None
    dial_string: str
    instead: bool = False


@dataclass(slots=True)
class DialEnded(ChannelEvent):
    """The attempt to reach `target` is over, with DIALSTATUS `status`; `forwarded` when the phone sent it elsewhere."""

    target: str
    status: str
    forwarded: bool


@dataclass(slots=True)
class BridgeEntered(ChannelEvent):
    """A channel joined a bridge, where it hears the others; never used for bridges that only hold people.

    In a conference each stays in his own call.
    """

    bridge: str
    conference: bool = False


@dataclass(slots=True)
class BridgeLeft(ChannelEvent):
    """A channel left its bridge."""

    bridge: str


@dataclass(slots=True)
class BlindTransferred(ChannelEvent):
    """The party on `uniqueid` sent the other one to `to` without asking there."""

    to: str


@dataclass(slots=True)
class AttendedTransferred(ChannelEvent):
    """The party joined his two calls and left: `uniqueid` is his first channel, `second` the one to the target."""

    second: str
    second_linkedid: str
    target: str | None


@dataclass(slots=True)
class PickedUp(ChannelEvent):
    """The phone on `uniqueid` took the call that rang at another one, on channel `target`."""

    target: str


@dataclass(slots=True)
class Parked(ChannelEvent):
    """A caller was put on a parking space."""

    space: str


@dataclass(slots=True)
class Unparked(ChannelEvent):
    """A parked caller was taken back by channel `retriever`; empty: nobody did in time, or he hung up (`gave_up`)."""

    retriever: str
    gave_up: bool


@dataclass(slots=True)
class VoicemailReached(ChannelEvent):
    """A caller left a message (AMI), or was asked for one (CEL)."""

    mailbox: str


@dataclass(slots=True)
class QueueJoined(ChannelEvent):
    """A caller began to wait in a queue."""

    queue: str = ""


@dataclass(slots=True)
class QueueLeft(ChannelEvent):
    """A caller left the queue; `abandoned` when he gave up before anybody answered."""

    abandoned: bool


@dataclass(slots=True)
class ChannelEnded(ChannelEvent):
    """A channel is gone; `cause` is the Q.850 cause, 0 where there was none."""

    cause: int
