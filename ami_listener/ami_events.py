"""Reads AMI events into the vocabulary of channel events: here, once, what the network says becomes typed and bounded.

Only what the tracker needs is read; `WANTED` lets the wire decoder skip everything else by its first line.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from ami_listener import events as e
from ami_listener.model import HOLDING

Headers = Mapping[str, str]
Reader = Callable[[Headers, "datetime | None"], "e.ChannelEvent | None"]

UNKNOWN = ("", "<unknown>", "<none>")
MAX_ID = 150
MAX_TEXT = 80
_RESTRICTED = 0x20
_STATES = {"4": e.State.CALLING, "5": e.State.RINGING, "6": e.State.UP}
_DIAL_STATES = ("RINGING", "PROGRESS")
_ESCAPED = re.compile(r"""\\([abfnrtv\\'"?])""")


def read_event(headers: Headers, arrived_at: datetime | None) -> e.ChannelEvent | None:
    """Read one AMI event; None where it means nothing to a call or lacks what would identify its channel.

    Args:
        headers: the event, as the wire decoder gives it.
        arrived_at: when it came; an event's own Timestamp header (timestampevents=yes) beats it.
    """
    reader = READERS.get(headers.get("Event", ""))
    if reader is None:
        return None
    stamp = headers.get("Timestamp")
    return reader(headers, (_moment(stamp) or arrived_at) if stamp else arrived_at)


def _moment(stamp: str) -> datetime | None:
    try:
        seconds = float(stamp)
    except ValueError:
        return None
    if not math.isfinite(seconds) or not 0 < seconds < 1e10:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _text(headers: Headers, name: str, limit: int = MAX_TEXT) -> str | None:
    """A value that people will see: without control characters, of bounded length; None where Asterisk knew none."""
    value = headers.get(name, "")
    if value in UNKNOWN:
        return None
    if not value.isprintable():
        value = "".join(c for c in value if c.isprintable())
    return value[:limit].strip() or None


def _name(headers: Headers) -> str | None:
    """A caller's name, which alone among the values Asterisk writes as C does: O'Neil comes as O\\'Neil."""
    value = headers.get("CallerIDName", "")
    if "\\" not in value:
        return _text(headers, "CallerIDName")
    return _text({"CallerIDName": _ESCAPED.sub(_unescaped, value)}, "CallerIDName")


def _unescaped(escape: re.Match[str]) -> str:
    """Letters stand for control characters, none of which is kept."""
    return "" if escape[1].isalpha() else escape[1]


def _identity(headers: Headers, prefix: str = "") -> tuple[str, str] | None:
    """Uniqueid and linkedid of a channel; one without the other, or too long to be Asterisk's, identifies nothing."""
    uniqueid, linkedid = headers.get(prefix + "Uniqueid", ""), headers.get(prefix + "Linkedid", "")
    if not uniqueid or not linkedid or len(uniqueid) > MAX_ID or len(linkedid) > MAX_ID:
        return None
    return uniqueid, linkedid


def new_channel(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """Newchannel: a channel was made. For a caller, Exten is what he dialled."""
    ids = _identity(h)
    name = _text(h, "Channel", MAX_ID)
    if ids is None or name is None:
        return None
    return e.ChannelCreated(
        at,
        *ids,
        name,
        _text(h, "CallerIDNum"),
        _name(h),
        _text(h, "Exten"),
        _STATES.get(h.get("ChannelState", "")),
    )


def new_callerid(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """NewCallerid: a channel's caller id changed. The dialplan sets a phone's real extension this way."""
    ids = _identity(h)
    if ids is None:
        return None
    presentation = h.get("CID-CallingPres", "").split(" ", 1)[0]
    hidden = presentation.isdecimal() and int(presentation[:4]) & 0x60 == _RESTRICTED
    return e.CallerIdentified(at, *ids, _text(h, "CallerIDNum"), _name(h), hidden)


def new_state(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """Newstate: a caller is calling us (Ring), a line that we dialled rings (Ringing), or a channel went up."""
    ids, state = _identity(h), _STATES.get(h.get("ChannelState", ""))
    return e.StateChanged(at, *ids, state) if ids and state else None


def dial_state(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """DialState: the far end rings or sends early media; many carriers say nothing else before the answer."""
    target = _identity(h, "Dest")
    return e.StateChanged(at, *target, e.State.RINGING) if target and h.get("DialStatus") in _DIAL_STATES else None


def local_bridge(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """LocalBridge: two Local channels ;1 and ;2 are the ends of one pipe."""
    one, two = _identity(h, "LocalOne"), _identity(h, "LocalTwo")
    return e.LocalPaired(at, *one, two[0]) if one and two else None


def dial_begin(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """DialBegin: a channel calls another; without a calling channel it is Asterisk's own Originate."""
    target = _identity(h, "Dest")
    if target is None:
        return None
    source = _identity(h) or ("", "")
    return e.DialStarted(at, *source, *target, _text(h, "DestCallerIDNum"), _text(h, "DialString", 300) or "")


def dial_end(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """DialEnd: the attempt is over. Its status alone is no result: the hangup cause that follows tells more."""
    target = _identity(h, "Dest")
    if target is None:
        return None
    source = _identity(h) or ("", "")
    return e.DialEnded(at, *source, target[0], h.get("DialStatus", "")[:20], bool(h.get("Forward")))


def bridge_enter(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """BridgeEnter: a channel hears the others in the bridge. Parked callers share a holding bridge and hear nobody."""
    ids = _identity(h)
    bridge = h.get("BridgeUniqueid", "")[:MAX_ID]
    if ids is None or not bridge or h.get("BridgeTechnology") == HOLDING:
        return None
    return e.BridgeEntered(at, *ids, bridge, h.get("BridgeCreator") == "ConfBridge")


def bridge_leave(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """BridgeLeave: a channel no longer hears the others."""
    ids = _identity(h)
    return e.BridgeLeft(at, *ids, h.get("BridgeUniqueid", "")[:MAX_ID]) if ids else None


def blind_transfer(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """BlindTransfer: the transferer sends the transferee to an extension and leaves."""
    ids, to = _identity(h, "Transferer"), _text(h, "Extension")
    return e.BlindTransferred(at, *ids, to) if ids and to and _succeeded(h) else None


def attended_transfer(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """AttendedTransfer: the transferer joins his two calls, after talking to the target or while it still rings."""
    first, second = _identity(h, "OrigTransferer"), _identity(h, "SecondTransferer")
    if not first or not second or not _succeeded(h):
        return None
    return e.AttendedTransferred(at, *first, *second, h.get("TransferTargetUniqueid") or None)


def _succeeded(h: Headers) -> bool:
    return h.get("Result", "Success") == "Success"


def pickup(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """Pickup: a phone took the call that rang at another."""
    ids, target = _identity(h), _identity(h, "Target")
    return e.PickedUp(at, *ids, target[0]) if ids and target else None


def parked(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """ParkedCall: a caller waits on a parking space."""
    ids = _identity(h, "Parkee")
    return e.Parked(at, *ids, _text(h, "ParkingSpace") or "") if ids else None


def unparked(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """UnParkedCall, ParkedCallTimeOut, ParkedCallGiveUp: a parked caller waits no longer."""
    ids = _identity(h, "Parkee")
    retriever = _identity(h, "Retriever") or ("", "")
    return e.Unparked(at, *ids, retriever[0], h.get("Event") == "ParkedCallGiveUp") if ids else None


def message_waiting(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """MessageWaiting: a mailbox changed; where it names a channel, its caller has left a message."""
    ids = _identity(h)
    return e.VoicemailReached(at, *ids, (_text(h, "Mailbox") or "").partition("@")[0]) if ids else None


def queue_join(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """QueueCallerJoin: a caller waits in a queue; that the queue answered the channel is no conversation."""
    ids = _identity(h)
    return e.QueueJoined(at, *ids, _text(h, "Queue") or "") if ids else None


def queue_leave(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """QueueCallerLeave: a caller was answered, ran out of time or chose another way."""
    ids = _identity(h)
    return e.QueueLeft(at, *ids, False) if ids else None


def queue_abandon(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """QueueCallerAbandon: a caller hung up before an agent answered."""
    ids = _identity(h)
    return e.QueueLeft(at, *ids, True) if ids else None


def hangup(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """Hangup: the channel is gone, with the cause that its network or Asterisk gave."""
    ids = _identity(h)
    cause = h.get("Cause", "")
    return e.ChannelEnded(at, *ids, int(cause) if cause.isdecimal() and len(cause) < 5 else 0) if ids else None


def listed_channel(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """CoreShowChannel: one running channel, in the answer to our question after a connect; Duration is its age.

    Its Exten is where the dialplan is now, no longer what the caller dialled.
    """
    made = new_channel(h, at)
    if not isinstance(made, e.ChannelCreated):
        return None
    return e.ChannelListed(
        at - _age(h.get("Duration", "")) if at else None,
        made.uniqueid,
        made.linkedid,
        made.name,
        made.number,
        made.caller_name,
        None,
        made.state,
        h.get("BridgeId", "")[:MAX_ID] or None,
        h.get("Application") or None,
    )


def _age(duration: str) -> timedelta:
    parts = duration.split(":")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 7 for part in parts):
        return timedelta()
    return timedelta(hours=int(parts[0]), minutes=int(parts[1]), seconds=int(parts[2]))


def listing_complete(_: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """CoreShowChannelsComplete: the list is whole."""
    return e.ListingEnded(at, "", "")


def fully_booted(h: Headers, at: datetime | None) -> e.ChannelEvent | None:
    """FullyBooted: comes with each login, and tells for how many whole seconds Asterisk has run."""
    uptime = h.get("Uptime", "")
    if at is None or not uptime.isdecimal() or len(uptime) > 9:
        return None
    return e.Booted(at - timedelta(seconds=int(uptime)) - e.BOOTED_WITHIN, "", "")


READERS: Mapping[str, Reader] = {
    "Newchannel": new_channel,
    "NewCallerid": new_callerid,
    "Newstate": new_state,
    "DialState": dial_state,
    "LocalBridge": local_bridge,
    "DialBegin": dial_begin,
    "DialEnd": dial_end,
    "BridgeEnter": bridge_enter,
    "BridgeLeave": bridge_leave,
    "BlindTransfer": blind_transfer,
    "AttendedTransfer": attended_transfer,
    "Pickup": pickup,
    "ParkedCall": parked,
    "UnParkedCall": unparked,
    "ParkedCallTimeOut": unparked,
    "ParkedCallGiveUp": unparked,
    "MessageWaiting": message_waiting,
    "QueueCallerJoin": queue_join,
    "QueueCallerLeave": queue_leave,
    "QueueCallerAbandon": queue_abandon,
    "Hangup": hangup,
    "CoreShowChannel": listed_channel,
    "CoreShowChannelsComplete": listing_complete,
    "FullyBooted": fully_booted,
}
WANTED = frozenset(name.encode() for name in READERS)
