"""Tells trunk channels from phones, by the patterns that the installation names."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase


def trunk_matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Make the test whether a channel leads to the public network.

    Args:
        patterns: as in `PJSIP/trunk*`, with `*`, `?` and `[…]`; they match a channel's whole name, with or without the
            number that Asterisk gives each channel (`PJSIP/trunk-0000001a`).
    """
    known = tuple(patterns)

    def is_trunk(channel: str) -> bool:
        endpoint = channel.rpartition("-")[0]
        return any(fnmatchcase(channel, pattern) or fnmatchcase(endpoint, pattern) for pattern in known)

    return is_trunk
