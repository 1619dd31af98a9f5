"""Says which Asterisk asks, so that a decision goes to its call and not to another server's call of the same id (C13).

An Asterisk names itself in the question's path, `route/NAME`; where it does not, its address tells, if it can.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache

import structlog

from dialplan.words import ROUTE_PATH

_log = structlog.get_logger(__name__)


class Askers:
    """The Asterisk servers that may ask."""

    def __init__(self, networks: Mapping[str, Sequence[str]]) -> None:
        """`networks` are, by each Asterisk's name, those from which it may ask."""
        self._networks = {
            pbx: tuple(ipaddress.ip_network(network) for network in allowed) for pbx, allowed in networks.items()
        }
        # Both are asked for each call; cached they also tell the log but once of a peer that knocks for ever.
        self.may_ask = lru_cache(maxsize=1024)(self._may_ask)
        self.who_asks = lru_cache(maxsize=1024)(self._who_asks)

    def _may_ask(self, address: str) -> bool:
        """Whether any Asterisk is where this peer is."""
        allowed = bool(self._at(address))
        if not allowed:
            _log.warning("fastagi peer refused", peer=address)
        return allowed

    def _who_asks(self, script: str, address: str) -> str | None:
        """The name of the Asterisk that asks by this path from this address; None where that is not plain."""
        path, named, name = script.partition("/")
        if path != ROUTE_PATH:
            return None
        here = self._at(address)
        if named:
            here = [pbx for pbx in here if pbx == name]
        if len(here) == 1:
            return here[0]
        _log.warning("fastagi question refused: which Asterisk asks is not plain", script=script, peer=address)
        return None

    def _at(self, address: str) -> list[str]:
        peer = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return [pbx for pbx, allowed in self._networks.items() if any(peer in network for network in allowed)]
