"""Remembers a bounded number of ids that are over, so that what comes late or twice does not start them again."""

from collections import OrderedDict


class Memory:
    """The newest ids of a kind, so that what comes late or twice is known to be over; bounded."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, identity: str) -> bool:
        return identity in self._ids

    def add(self, identity: str) -> None:
        """Remember one more, forgetting the oldest when full."""
        self._ids[identity] = None
        if len(self._ids) > self._size:
            self._ids.popitem(last=False)
