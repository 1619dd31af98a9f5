"""What all rows of a call together tell of its channels, so that what came later explains what came before."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ami_listener.cel_rows import CelRow
from ami_listener.model import Kind, kind_of
from ami_listener.results import says_why

BRIDGED = frozenset({"BRIDGE_ENTER", "BRIDGE_START", "BRIDGE_UPDATE"})
ENDS = frozenset({"HANGUP", "CHAN_END"})
TOGETHER = timedelta(seconds=1)
"""Ends as near as this have one cause; tables of whole seconds tell no better."""
NO_NUMBERS = frozenset({None, "s", "h"})
"""What the dialplan has in the place of a dialled number."""
_ORIGINATED = "appdial2"
_DIALLED = frozenset({"appdial", "appqueue", _ORIGINATED})
_DIAL_LIMIT, _QUEUE_LIMIT = 1, 4
"""Which of their arguments tells for how long they ring."""
_TARGET = re.compile(r"([A-Za-z0-9]+)/([^,&]+)")


@dataclass(slots=True)
class Facts:
    """What all rows together tell of one channel."""

    first: CelRow
    last: CelRow
    dialled: bool = False
    originated: bool = False
    begun: bool = False
    answer: CelRow | None = None
    ended_at: datetime | None = None
    hangup: CelRow | None = None
    own_bridges: bool = False
    last_app: str = ""
    forwarded: bool = False
    instead: bool = False
    in_voicemail: bool = False
    in_queue: bool = False
    queued_until: datetime | None = None
    parked: bool = False
    number: str | None = None
    name: str | None = None
    made: bool = False
    gone: bool = False

    @property
    def answered_at(self) -> datetime | None:
        """When it went up."""
        return self.answer.at if self.answer is not None else None

    @property
    def is_person(self) -> bool:
        """Whether somebody is at its end: not a Local channel and the like."""
        return kind_of(self.first.channel, False) is not Kind.PSEUDO

    @property
    def cause(self) -> int:
        """The Q.850 cause of its end; 0 where none is told."""
        told = self.hangup.extra.get("hangupcause", "") if self.hangup is not None else ""
        return int(told) if told.isdecimal() and len(told) < 5 else 0

    @property
    def says_why(self) -> bool:
        """Whether its end tells more than that it ended."""
        return self.hangup is not None and bool(self.hangup.extra)

    def gave_up(self) -> bool:
        """Whether this caller hung up himself before anybody answered, as far as CEL tells."""
        if self.hangup is None or not self.hangup.extra:
            limit, ended = self.queued_until, self.ended_at
            return limit is None or ended is None or ended < limit - TOGETHER
        extra = self.hangup.extra
        if self.is_person and extra.get("hangupsource"):
            return extra["hangupsource"] == self.first.channel
        return extra.get("dialstatus") == "CANCEL"


class CallFacts:
    """What the rows of one call, or of calls that met, tell of it.

    Args:
        rows: in their order; see `cel_rows.in_order`.

    Attributes:
        channels: by uniqueid, in the order in which they were first told of.
        names: the uniqueid of a channel by its name.
        joins: the two channels of who joined his calls and left, by either's uniqueid, where no row says that he did.
    """

    def __init__(self, rows: Sequence[CelRow]) -> None:
        self.rows = rows
        self.channels: dict[str, Facts] = {}
        self.names: dict[str, str] = {}
        self.has_bridges = any(row.event in BRIDGED for row in rows)
        self.has_peers = any(row.event in BRIDGED and row.peer for row in rows)
        self.has_parking = any(row.event == "PARK_START" for row in rows)
        self.joins: dict[str, tuple[Facts, Facts]] = {}
        self._targets: dict[tuple[str, str, str], timedelta | None] = {}
        for row in rows:
            self._learn(row)
        self._learn_forwards()
        if not any(row.event == "ATTENDEDTRANSFER" for row in rows):
            self._learn_joins()

    def _learn(self, row: CelRow) -> None:
        facts = self.channels.get(row.uniqueid)
        if facts is None:
            facts = self.channels[row.uniqueid] = Facts(row, row, dialled=row.uniqueid != row.linkedid)
        facts.last = row
        facts.begun = facts.begun or row.event == "CHAN_START"
        if row.channel:
            self.names.setdefault(row.channel, row.uniqueid)
        if row.app in _DIALLED:
            # Who picks up a call takes the place of the phone that was dialled, and the words for it.
            facts.dialled = facts.dialled or not (facts.last_app or facts.first.exten not in (None, "s"))
            facts.originated = facts.originated or (row.app == _ORIGINATED and row.uniqueid == facts.first.linkedid)
        elif row.app:
            facts.last_app = row.app
        if row.event == "ANSWER" and facts.answer is None:
            facts.answer = row
        elif row.event in ENDS:
            facts.ended_at = max(facts.ended_at or row.at, row.at)
            facts.hangup = row if row.event == "HANGUP" else facts.hangup
        elif row.event in BRIDGED:
            facts.own_bridges = True
        if row.app == "queue" and facts.queued_until is None and (waits := _seconds(row.appdata, _QUEUE_LIMIT)):
            facts.queued_until = row.at + waits
        if row.app == "dial":
            limit = _seconds(row.appdata, _DIAL_LIMIT)
            self._targets |= {(row.uniqueid, *target): limit for target in _TARGET.findall(row.appdata)}

    def _learn_forwards(self) -> None:
        """A phone that sent its call elsewhere is the next to end without an answer; CEL names only the caller.

        What is called in its place is the next to begin.
        """
        for place, row in enumerate(self.rows):
            if row.event != "FORWARD":
                continue
            for later in self.rows[place:]:
                facts = self.channels[later.uniqueid]
                if later.event in ENDS and facts.dialled and facts.is_person and facts.answered_at is None:
                    facts.forwarded = True
                    break
            began = (self.channels[later.uniqueid] for later in self.rows[place:] if later.event == "CHAN_START")
            instead = next((one for one in began if one.dialled and one.is_person and not one.instead), None)
            if instead is not None:
                instead.instead = True

    def _learn_joins(self) -> None:
        """Who was called in one call and stays in another: who called him left both at once, and so joined them."""
        for facts in self.channels.values():
            second = self.channels.get(facts.first.linkedid)
            stays = facts.last.linkedid != facts.first.linkedid
            first = self._left_with(second) if stays and second is not None and second is not facts else None
            if first is not None and second is not None:
                self.joins[first.first.uniqueid] = self.joins[second.first.uniqueid] = (first, second)

    def _left_with(self, second: Facts) -> Facts | None:
        """The older channel of the same phone that ended when this one did."""
        phone, ended = second.first.channel.rpartition("-")[0], second.ended_at
        older = [one for one in self.channels.values() if one.first.order < second.first.order]
        same = (one for one in reversed(older) if one.first.channel.rpartition("-")[0] == phone)
        together = (one for one in same if one.ended_at and ended and abs(one.ended_at - ended) <= TOGETHER)
        return next(together, None)

    # Who dialled whom, and who else was there

    def dialled_by(self, facts: Facts) -> str | None:
        """What a caller dialled, as his first row tells, or a later one where that has no such column."""
        if facts.first.exten is not None:
            return facts.first.exten
        return next((row.exten for row in self.rows if row.uniqueid == facts.first.uniqueid and row.exten), None)

    def dial_string(self, channel: str) -> str:
        """What Dial was told for this line."""
        return next((resource for _, resource, _ in self._asked_for(channel)), "")

    def _asked_for(self, channel: str) -> Iterator[tuple[str, str, timedelta | None]]:
        """Who told Dial to call this line, what, and for how long, the last first."""
        technology, _, rest = channel.rpartition("-")[0].partition("/")
        for (dialler, asked, resource), limit in reversed(self._targets.items()):
            _, at, line = resource.partition("@")
            is_local = asked == "Local" and resource.partition("/")[0] == rest
            if asked == technology and (is_local or (line == rest if at else resource.partition("/")[0] == rest)):
                yield dialler, resource, limit

    def _diallers(self, facts: Facts) -> Iterator[tuple[Facts, timedelta | None]]:
        """Whose Dial called this line, and for how long; behind a Local channel whose called that, and so on."""
        seen: set[str] = set()
        while facts.first.uniqueid not in seen:
            seen.add(facts.first.uniqueid)
            dialler, limit = self._dialler(facts)
            if dialler is None or dialler is facts:
                return
            yield dialler, limit
            base, mark, half = dialler.first.channel.rpartition(";")
            other = self.names.get(f"{base};1") if mark and half == "2" else None
            if other is None:
                return
            facts = self.channels[other]

    def _dialler(self, facts: Facts) -> tuple[Facts | None, timedelta | None]:
        for dialler, _, limit in self._asked_for(facts.first.channel):
            one = self.channels[dialler]
            if one.first.at <= facts.first.at:
                return one, limit
        return self.channels.get(facts.first.linkedid), None

    def goes_on(self, end: CelRow) -> bool:
        """Whether a queue only seems to end: it is logged anew when it answers for a member who does."""
        following = (row for row in self.rows if row.uniqueid == end.uniqueid and row.order > end.order)
        after = next(following, None)
        return after is not None and (after.event, after.app, after.appdata) == ("APP_START", end.app, end.appdata)

    def sent_to(self, transfer: CelRow) -> str | None:
        """Where a blind transfer went that does not say so: what the other one dials next."""
        before: dict[str, str | None] = {}
        for row in self.rows:
            if row.uniqueid == transfer.uniqueid:
                continue
            if row.order <= transfer.order:
                before[row.uniqueid] = row.exten
            elif row.uniqueid in before and row.exten not in NO_NUMBERS and row.exten != before[row.uniqueid]:
                return row.exten
        return None

    def second_of(self, transfer: CelRow) -> str:
        """The other channel of who joins his two calls, where nothing names it; his own where he has but one."""
        endpoint = transfer.channel.rpartition("-")[0]
        others = [
            uniqueid
            for uniqueid, facts in self.channels.items()
            if uniqueid != transfer.uniqueid
            and facts.first.channel.rpartition("-")[0] == endpoint
            and facts.first.order < transfer.order <= facts.last.order
        ]
        return others[-1] if others else transfer.uniqueid

    def picker_of(self, pickup: CelRow) -> str | None:
        """Who took a call that rang elsewhere, where nothing names him: who comes into it from a call of his own."""
        came = (row for row in self.rows if row.order >= pickup.order and row.linkedid == pickup.linkedid)
        return next((row.uniqueid for row in came if self._came_in(row.uniqueid, pickup)), None)

    def _came_in(self, uniqueid: str, pickup: CelRow) -> bool:
        first = self.channels[uniqueid].first
        return first.linkedid != pickup.linkedid and first.order < pickup.order

    # Why it ended

    def why_it_stopped(self, facts: Facts, at: datetime) -> str | None:
        """Why a line that was dialled stopped ringing, where its own cause does not tell."""
        tells = says_why(facts.cause)
        if facts.forwarded or (not tells and self._answered_elsewhere(facts)):
            return "CANCEL"
        if tells or not self._was_tried_last(facts, at):
            return None
        told = None
        for dialler, limit in self._diallers(facts):
            told = self._told_by(dialler, limit, facts.first.at, at)
            if told != "CANCEL":
                break  # else the Local channel by which it was called ended first: whoever called that tells why
        return told

    def _told_by(self, caller: Facts, limit: timedelta | None, began: datetime, at: datetime) -> str | None:
        """Why a dialler stopped calling a line."""
        if caller.ended_at is None:
            return None
        told = caller.hangup.extra.get("dialstatus", "") if caller.hangup is not None else ""
        if not caller.says_why and limit is not None and at - began >= limit - TOGETHER:
            return "NOANSWER"
        # Of several attempts the answered one is told, whatever became of the last.
        if caller.ended_at - at <= TOGETHER and told in ("", "ANSWER", "CANCEL") and caller.gave_up():
            return "CANCEL"
        return told if told in ("BUSY", "CHANUNAVAIL", "CONGESTION", "NOANSWER") else None

    def _answered_elsewhere(self, facts: Facts) -> bool:
        """Whether another line was answered while this one rang: by the rows' order, as seconds may tell too little."""
        began, ended = facts.first.order, facts.last.order
        return any(
            other.answer is not None and began <= other.answer.order <= ended
            for other in self.channels.values()
            if other is not facts and other.dialled and other.is_person and other.first.linkedid == facts.first.linkedid
        )

    def _was_tried_last(self, facts: Facts, at: datetime) -> bool:
        return not any(
            other.first.at > facts.first.at and other.first.at >= at
            for other in self.channels.values()
            if other.dialled and other.first.linkedid == facts.first.linkedid
        )


def _seconds(appdata: str, place: int) -> timedelta | None:
    """For how long Dial or Queue was to ring."""
    words = appdata.split(",")
    seconds = words[place].strip() if len(words) > place else ""
    return timedelta(seconds=int(seconds)) if seconds.isdecimal() and len(seconds) < 7 else None
