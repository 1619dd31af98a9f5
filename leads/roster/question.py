"""What a list is narrowed to, in the terms of the roster: the same rule for one lead and for a million columns."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leads.domain.visibility import Scope
from leads.roster.snapshot import MERGED, NEVER, ListedLead, Slots, Snapshot
from leads.store.leads import LeadFilter, LeadState
from leads.store.narrowing import Stretch, name_asked, number_asked
from leads.store.search import IE_IN_KEYS, IO_IN_KEYS, SHORTEST_INNER, search_patterns, search_trigrams

_STATES = {
    LeadState.OPEN: (0, 1),
    LeadState.UNNAMED: (0, 0),
    LeadState.NAMED: (1, 1),
    LeadState.CLOSED: (2, 2),
    LeadState.ALL: (0, MERGED - 1),
}
_IO, _IE = IO_IN_KEYS.encode(), IE_IN_KEYS.encode()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST = 2**63 - 1

_NOWHERE = np.zeros(0, np.int32)

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Question:
    """A filter with who asks: `scope` is whose leads he may see, and whom these talked with or have to do with.

    `patterns` are what all search texts hold, `name_pieces` what all names hold, `digits` what one number holds.
    """

    wanted: LeadFilter
    scope: Scope
    patterns: tuple[str, ...]
    name_pieces: tuple[str, ...]
    digits: str

    @property
    def trigrams(self) -> tuple[str, ...]:
        """What tells which leads come into question; none where all do."""
        return tuple(dict.fromkeys(trigram for pattern in self.patterns for trigram in search_trigrams(pattern)))

    def columns_met(self, snapshot: Snapshot, slots: Slots | None) -> Mask:
        """Which of the leads at some places, or of all, the columns do not leave out."""
        wanted = self.wanted

        def column(name: str) -> NDArray[Any]:
            values = snapshot.columns[name]
            return values if slots is None else values[slots]

        first, last = _STATES[wanted.state]
        met: Mask = column("state") <= last
        if first:
            met &= column("state") >= first
        if wanted.status_id is not None:
            met &= column("status") == wanted.status_id
        if wanted.responsible_id is not None:
            met &= column("responsible") == wanted.responsible_id
        if wanted.source_id is not None:
            met &= column("source") == wanted.source_id
        for name, stretch in (("created", wanted.created), ("last_call", wanted.last_call)):
            if stretch is not None:
                begin, end = _bounds(stretch)
                met &= (column(name) >= begin) & (column(name) < end)
        if self.scope is not None:
            met &= self._visible(snapshot, slots, column("responsible"))
        return met

    def _visible(self, snapshot: Snapshot, slots: Slots | None, responsible: NDArray[Any]) -> Mask:
        visible = np.zeros(len(responsible), bool)
        besides = np.zeros(len(snapshot), bool)
        for who in self.scope or ():
            visible |= responsible == who
            besides[snapshot.workers.get(who, _NOWHERE)] = True
        return visible | (besides if slots is None else besides[slots])

    @property
    def looks_at_texts(self) -> bool:
        """Whether trigrams and columns do not tell all."""
        return bool(self.digits or self.name_pieces or self._longer)

    @property
    def _longer(self) -> list[bytes]:
        """The patterns of which trigrams tell only that their parts are there."""
        return [pattern.encode() for pattern in self.patterns if len(pattern) > SHORTEST_INNER]

    def texts_met(self, snapshot: Snapshot, slots: Slots) -> Slots:
        """Those of some places that trigrams and columns leave in whose texts hold all that is asked for."""
        texts = snapshot.texts
        for pattern in self._longer:
            slots = slots[[pattern in text for text in texts["search"].some(slots)]]
        for piece in map(str.encode, self.name_pieces):
            slots = slots[[piece in text.replace(_IO, _IE) for text in texts["name"].some(slots)]]
        if self.digits:
            digits = self.digits.encode()
            both = zip(texts["number"].some(slots), texts["numbers"].some(slots), strict=True)
            slots = slots[[digits in main or digits in others for main, others in both]]
        return slots

    def meets(self, lead: ListedLead) -> bool:
        """Whether one lead is in the list."""
        wanted = self.wanted
        first, last = _STATES[wanted.state]
        return (
            first <= lead.state <= last
            and wanted.status_id in (None, lead.status)
            and wanted.responsible_id in (None, lead.responsible)
            and wanted.source_id in (None, lead.source)
            and _within(lead.created, wanted.created)
            and _within(lead.last_call, wanted.last_call)
            and (self.scope is None or lead.responsible in self.scope or bool(lead.workers & self.scope))
            and all(pattern in lead.search for pattern in self.patterns)
            and all(piece in _plain(lead.name) for piece in self.name_pieces)
            and (self.digits in lead.number or self.digits in lead.numbers)
        )


def question(wanted: LeadFilter, scope: Scope) -> Question:
    """Put a filter into the roster's terms; the arguments are as the fields of a Question."""
    pieces, of_name = name_asked(wanted.name)
    digits, of_number = number_asked(wanted.number)
    patterns = (*search_patterns(wanted.search), *of_name, *of_number)
    return Question(wanted, scope, patterns, pieces, digits)


def microseconds(moment: datetime) -> int:
    """A moment as columns have it."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(value: int) -> datetime | None:
    """What `microseconds` made a number of; None for NEVER."""
    return None if value == NEVER else _EPOCH + value * _MICROSECOND


def _bounds(stretch: Stretch) -> tuple[int, int]:
    """From the first on and before the second; a moment that never was is before all."""
    begin = NEVER + 1 if stretch.begin is None else microseconds(stretch.begin)
    return begin, _LAST if stretch.end is None else microseconds(stretch.end)


def _within(value: int, stretch: Stretch | None) -> bool:
    if stretch is None:
        return True
    begin, end = _bounds(stretch)
    return begin <= value < end


def _plain(name: str) -> str:
    return name.replace(IO_IN_KEYS, IE_IN_KEYS)
