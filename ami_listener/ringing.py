"""Tells which of our phones ring, as soon as the tracker knows: the question on the screen waits for no database (C10).

Pure, as the tracker is: it keeps the ringing channels and says what changed since it was asked last.
"""

from collections import deque
from collections.abc import Container, Iterator

from ami_listener.model import Channel, Kind
from ami_listener.results import ANSWERED_ELSEWHERE
from ami_listener.views import caller_of, direction_of, number_of
from leads.domain.calls import Direction
from leads.domain.rings import Ring, RingState

MOST_ENDED = 10_000
"""A replay asks nobody, so nobody takes them."""


class Ringing:
    """The phones that are being rung; a channel enters with its first sound and leaves when it is answered or ends.

    Args:
        pbx: the name of their Asterisk.
    """

    def __init__(self, pbx: str) -> None:
        self._pbx = pbx
        self._channels: dict[str, Channel] = {}
        self._told: dict[str, Ring] = {}
        self._ended: deque[Ring] = deque(maxlen=MOST_ENDED)

    def __len__(self) -> int:
        return len(self._channels)

    def begins(self, channel: Channel) -> None:
        """A channel rings; only a phone asks a person, and not one that rings for its owner's own click to call."""
        if channel.kind is Kind.PHONE and channel.dialled and not channel.up and channel is not channel.call.caller:
            self._channels[channel.uniqueid] = channel

    def ends(self, channel: Channel) -> None:
        """A channel went up or is gone."""
        if self._channels.pop(channel.uniqueid, None) is None:
            return
        self._told.pop(channel.uniqueid, None)
        if channel.up:
            state = RingState.ANSWERED
        elif channel.cause == ANSWERED_ELSEWHERE or channel.call.answered:
            state = RingState.ELSEWHERE
        else:
            state = RingState.OVER
        self._ended.append(self._ring(channel, state))

    def changes(self, touched: Container[str]) -> Iterator[Ring]:
        """What changed since this was asked last; a call that is handed on while it rings changes who is asking.

        Args:
            touched: the linkedids of the calls that changed.
        """
        while self._ended:
            yield self._ended.popleft()
        for uniqueid, channel in self._channels.items():
            if uniqueid in self._told and channel.call.linkedid not in touched:
                continue
            ring = self._ring(channel, RingState.RINGING)
            if self._told.get(uniqueid) != ring:
                self._told[uniqueid] = ring
                yield ring

    def _ring(self, channel: Channel, state: RingState) -> Ring:
        handed_to = channel.leg.handed_to if channel.leg else None
        call = handed_to or channel.call
        caller, direction = call.caller, direction_of(call)
        party, name, hidden = None, None, False
        if direction is Direction.OUTBOUND:  # ours called somebody outside and hands him on to this phone
            outside = next((leg for leg in call.legs if leg.channel.kind is Kind.TRUNK), None)
            party = number_of(outside.channel, call) if outside else None
        elif caller is not None:
            party, name, hidden = caller_of(caller, call), caller.caller_name, caller.hidden
        return Ring(
            pbx=self._pbx,
            uniqueid=channel.uniqueid,
            linkedid=channel.call.linkedid,
            channel=channel.name,
            endpoint=channel.endpoint,
            direction=direction,
            party=None if hidden else party,
            party_name=None if hidden else name,
            hidden=hidden,
            dialled=None if caller is None or caller.dialled else caller.exten,
            state=state,
        )
