"""Who hears whom: people in one bridge, and people at the two ends of a chain of bridges and Local pairs."""

from collections.abc import Mapping

from ami_listener.model import Channel, Kind


class Bridges:
    """The bridges that hold channels now; an empty bridge is forgotten.

    Args:
        channels: the living channels by uniqueid, shared with the tracker.
    """

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = channels
        self._members: dict[str, dict[str, Channel]] = {}

    def __len__(self) -> int:
        return len(self._members)

    def enter(self, channel: Channel, bridge: str) -> bool:
        """Put a channel into a bridge; says whether it thereby left another."""
        left = channel.bridge is not None and channel.bridge != bridge
        if left:
            self.leave(channel)
        channel.bridge = bridge
        self._members.setdefault(bridge, {})[channel.uniqueid] = channel
        return left

    def leave(self, channel: Channel) -> None:
        """Take a channel out of its bridge."""
        if channel.bridge is None:
            return
        members = self._members.get(channel.bridge, {})
        members.pop(channel.uniqueid, None)
        if not members:
            self._members.pop(channel.bridge, None)
        channel.bridge = None

    def people_heard_by(self, start: Channel) -> list[Channel]:
        """All people who hear the one on `start`, himself among them, through any chain of bridges and Local pairs."""
        people: list[Channel] = []
        seen = {start.uniqueid}
        bridges: set[str] = set()
        waiting = [start]
        while waiting:
            channel = waiting.pop()
            if channel.kind is not Kind.PSEUDO:
                people.append(channel)
            if channel.bridge is None:
                continue
            # Who is in a bridge is gone through once, not again for each who is in it.
            near = [] if channel.bridge in bridges else list(self._members.get(channel.bridge, {}).values())
            bridges.add(channel.bridge)
            pair = self._channels.get(channel.pair or "")
            if pair is not None and pair.bridge is not None:
                near.append(pair)
            for other in near:
                if other.uniqueid not in seen:
                    seen.add(other.uniqueid)
                    waiting.append(other)
        return people
