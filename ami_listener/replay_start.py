"""What a recording of AMI that begins in the midst of calls lacks: the list of the channels that run already.

A live listener asks Asterisk for it after each connect. In a recording the later events tell it: who is told of without
having been made, and who leaves a bridge without having entered it, was there before.
"""

from collections.abc import Iterable, Iterator, Mapping

from ami_listener.model import HOLDING, Kind, kind_of

Event = Mapping[str, str]
_UP = "6"
_PREFIXES = ("", "Dest")
_LATE = frozenset({"NewCallerid"})
"""May be told of a channel that has ended, so it tells of none that runs."""
_LISTED = "CoreShowChannelsComplete"


def missing_listing(events: Iterable[Event]) -> list[dict[str, str]]:
    """The rows of the list, as Asterisk would have sent them before the first event; none where all were made later.

    Args:
        events: the whole recording; where it holds such a list already, nothing is missing.
    """
    known: set[str] = set()
    running: dict[str, dict[str, str]] = {}
    in_bridges: set[str] = set()
    for event in events:
        name = event.get("Event", "")
        if name == _LISTED:
            return []
        for prefix in () if name in _LATE else _PREFIXES:
            uniqueid = event.get(f"{prefix}Uniqueid", "")
            if uniqueid and uniqueid not in known:
                known.add(uniqueid)
                if name != "Newchannel":
                    running[uniqueid] = _row(event, prefix)
        _note_bridge(event, name, running, in_bridges)
    _note_conversations(running, in_bridges)
    return [*running.values(), {"Event": _LISTED}] if running else []


def _row(event: Event, prefix: str) -> dict[str, str]:
    headers = dict(_headers(event, prefix))
    is_dialled = headers["Uniqueid"] != headers["Linkedid"] and kind_of(headers["Channel"], False) is not Kind.PSEUDO
    if event.get("Event") == "Newstate":
        headers["ChannelState"] = ""  # that is what it changes to
    return {"Event": "CoreShowChannel", **headers, "Application": "AppDial" if is_dialled else ""}


def _headers(event: Event, prefix: str) -> Iterator[tuple[str, str]]:
    for name in ("Channel", "Uniqueid", "Linkedid", "CallerIDNum", "CallerIDName", "ChannelState"):
        yield name, event.get(prefix + name, "")


def _note_conversations(running: Mapping[str, dict[str, str]], seen: set[str]) -> None:
    """People of one call who are up and of whom no bridge tells any more were in one before, with those still there."""
    bridges = {row["Linkedid"]: row["BridgeId"] for row in running.values() if "BridgeId" in row}
    for uniqueid, row in running.items():
        is_person = kind_of(row["Channel"], False) is not Kind.PSEUDO
        if is_person and row["ChannelState"] == _UP and uniqueid not in seen:
            row["BridgeId"] = bridges.get(row["Linkedid"], f"before {row['Linkedid']}")


def _note_bridge(event: Event, name: str, running: Mapping[str, dict[str, str]], seen: set[str]) -> None:
    """A channel's first word of a bridge tells whether it was in it before."""
    uniqueid = event.get("Uniqueid", "")
    if name not in ("BridgeEnter", "BridgeLeave") or uniqueid in seen:
        return
    seen.add(uniqueid)
    if name == "BridgeLeave" and uniqueid in running and event.get("BridgeTechnology") != HOLDING:
        running[uniqueid] |= {"BridgeId": event.get("BridgeUniqueid", ""), "ChannelState": _UP}
