"""Finds a page of a list among leads in memory: those of a snapshot, and the few that changed since it was taken."""

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leads.roster.question import Mask, Question, microseconds, moment_of
from leads.roster.snapshot import GROUPED, MOMENTS, NEVER, ListedLead, Slots, Snapshot
from leads.store.leads import LeadOrder
from leads.store.list_shapes import MOST_COUNTED, Key, Place, Total

_FEW = 1 << 15
"""So many places are sorted; where there are more, the order is walked along."""
_FIRST_PIECE, _LONGEST_PIECE = 1 << 10, 1 << 14
"""An order is walked in growing pieces, none greater than what a processor keeps at hand."""
_FIELDS = {LeadOrder.NAME: "name", LeadOrder.NUMBER: "number", **MOMENTS}
"""What a lead's key in an order is, within its group."""
_Standing = tuple[int, bytes | int, int]
"""A place as places are compared: its group's rank, its key as the snapshot has it, its id."""
_MOST_LOOKED_AT = 20_000
"""Texts of so many leads are looked at for one page, which takes some milliseconds."""


class TooManyError(Exception):
    """More texts would have to be looked at than the event loop's neighbour should take."""


@dataclass(frozen=True, slots=True)
class Leads:
    """A snapshot and what changed since: the leads as they are now by their id, None for one that is gone.

    `stale` marks those of the snapshot that are not to be looked at any more.
    """

    snapshot: Snapshot
    stale: Mask
    changed: Mapping[int, ListedLead | None]

    def with_changes(self, changed: Mapping[int, ListedLead | None]) -> "Leads":
        """The leads after further changes."""
        stale = self.stale.copy()
        stale[self.snapshot.places_of(sorted(changed))] = True
        return Leads(self.snapshot, stale, {**self.changed, **changed})

    def became(self, scope: frozenset[int]) -> list[int]:
        """The counterparties that leads became with which somebody of `scope` had talked."""
        snapshot = self.snapshot
        column = snapshot.columns["counterparty"]
        found = {lead.counterparty for lead in self.changed.values() if lead is not None and lead.workers & scope}
        for places in (snapshot.workers[who] for who in scope if who in snapshot.workers):
            # What is to be done goes along when a lead ends (L15): so whoever worked on one of these talked with it.
            found.update(np.unique(column[places[~self.stale[places]]]).tolist())
        return sorted(found - {0})


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order with the ranks of its groups by their labels, as in leads.store.listing."""

    order: LeadOrder
    ranks: Mapping[int, int]
    descending: bool

    @property
    def within(self) -> LeadOrder:
        """How leads of one group go."""
        return LeadOrder.NAME if self.order in GROUPED else self.order


class Finding:
    """One look at the leads for one page: `limit` places after `start`."""

    def __init__(self, leads: Leads, question: Question, ordered: Ordered, start: Place | None, limit: int) -> None:
        self._leads, self._snapshot, self._question = leads, leads.snapshot, question
        self._ordered, self._start, self._limit = ordered, start, limit
        self._begin = None if start is None else self._by_place(start)
        self._looked_at = 0

    def places(self) -> tuple[list[Place], Total]:
        """The places in the order asked for, and how many leads the whole list has.

        Raises:
            TooManyError: too many texts would have to be looked at.
        """
        changed = [lead for lead in self._leads.changed.values() if lead is not None and self._question.meets(lead)]
        chosen = self._chosen()
        number = self._count(chosen) + len(changed)
        found = [self._place(slot) for slot in self._first(self._in_order(chosen))]
        found += [self._place_of(lead) for lead in self._first_of(changed)]
        found.sort(key=self._by_place, reverse=self._ordered.descending)
        return found[: self._limit], Total(min(number, MOST_COUNTED), number <= MOST_COUNTED)

    # ---- Which leads

    def _chosen(self) -> Slots | Mask:
        """The leads that come into question: their places where they are few, else a mask of all."""
        trigrams = self._question.trigrams
        slots = self._snapshot.holding(trigrams) if trigrams else None
        met = self._question.columns_met(self._snapshot, slots)
        met &= ~(self._leads.stale if slots is None else self._leads.stale[slots])
        if slots is None:
            return met if np.count_nonzero(met) > _FEW else np.flatnonzero(met).astype(np.int32)
        if len(slots) <= _FEW:
            return slots[met]
        mask = np.zeros(len(self._snapshot), bool)
        mask[slots[met]] = True
        return mask

    def _count(self, chosen: Slots | Mask) -> int:
        """How many there are; more than MOST_COUNTED may be any number."""
        if not self._question.looks_at_texts:
            return int(np.count_nonzero(chosen)) if chosen.dtype == np.bool_ else len(chosen)
        places = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        number = 0
        for begin in range(0, len(places), MOST_COUNTED + 1):
            number += len(self._checked(places[begin : begin + MOST_COUNTED + 1]))
            if number > MOST_COUNTED:
                break
        return number

    def _checked(self, slots: NDArray[Any]) -> NDArray[Any]:
        """Those of some places whose texts hold what is looked for."""
        if not self._question.looks_at_texts:
            return slots
        self._looked_at += len(slots)
        if self._looked_at > _MOST_LOOKED_AT:
            raise TooManyError
        return self._question.texts_met(self._snapshot, slots)

    # ---- In which order

    def _first(self, pieces: Iterator[Slots]) -> list[int]:
        found: list[int] = []
        for piece in pieces:
            found += self._checked(piece).tolist()
            if len(found) >= self._limit:
                break
        return found[: self._limit]

    def _first_of(self, changed: Iterable[ListedLead]) -> list[ListedLead]:
        """The first leads after the start, without putting all in order: nobody else runs while many are sorted."""
        standing = ((self._standing(lead), lead) for lead in changed)
        ahead = (each for each in standing if self._is_ahead(each[0]))
        first = heapq.nlargest if self._ordered.descending else heapq.nsmallest
        return [lead for _standing, lead in first(self._limit, ahead)]

    def _in_order(self, chosen: Slots | Mask) -> Iterator[Slots]:
        """The places after the start, piece by piece, each in order."""
        if chosen.dtype != np.bool_:
            yield from self._sorted(chosen)
            return
        for stretch in self._stretches():
            yield from self._walk(stretch, chosen)

    def _sorted(self, slots: NDArray[Any]) -> Iterator[Slots]:
        snapshot, ordered = self._snapshot, self._ordered
        keys = snapshot.ranks[ordered.within][slots].astype(np.int64)
        if ordered.order in GROUPED:
            labels = np.array(sorted(ordered.ranks))
            of_slots = snapshot.columns[GROUPED[ordered.order]][slots]
            at_label = np.minimum(np.searchsorted(labels, of_slots), len(labels) - 1)
            known = labels[at_label] == of_slots
            ranks = np.array([ordered.ranks[label] for label in labels.tolist()], np.int64)
            slots, keys = slots[known], (keys + (ranks[at_label] << 32))[known]
        start = self._start
        if start is not None:
            at = self._rank_of(start) + (start.rank << 32 if ordered.order in GROUPED else 0)
            ahead = keys < at if ordered.descending else keys >= at
            slots, keys = slots[ahead], keys[ahead]
        if ordered.descending:
            keys = -keys
        first = self._limit * 2
        if len(slots) > first * 2:
            parted = np.argpartition(keys, first)
            first_places, others = parted[:first], parted[first:]
            yield slots[first_places[np.argsort(keys[first_places])]]
            slots, keys = slots[others], keys[others]
        yield slots[np.argsort(keys)]

    def _stretches(self) -> Iterator[Slots]:
        """The parts of the order ahead of the start, each in order, the last lead first where it descends."""
        ordered, start = self._ordered, self._start
        if ordered.order not in GROUPED:
            yield self._ahead(self._snapshot.orders[ordered.order], start)
            return
        grouped = self._snapshot.groups[ordered.order]
        for label, rank in sorted(ordered.ranks.items(), key=lambda item: item[1], reverse=ordered.descending):
            if label not in grouped.bounds:
                continue
            if start is None or (rank < start.rank if ordered.descending else rank > start.rank):
                yield self._ahead(grouped.order[slice(*grouped.bounds[label])], None)
            elif rank == start.rank:
                yield self._ahead(grouped.order[slice(*grouped.bounds[label])], start)

    def _ahead(self, stretch: Slots, start: Place | None) -> Slots:
        descending = self._ordered.descending
        if start is not None:
            ranks = self._snapshot.ranks[self._ordered.within]
            at = bisect_left(stretch, self._rank_of(start), key=lambda slot: int(ranks[slot]))
            stretch = stretch[:at] if descending else stretch[at:]
        return stretch[::-1] if descending else stretch

    def _walk(self, stretch: Slots, mask: NDArray[Any]) -> Iterator[Slots]:
        begin, length = 0, max(_FIRST_PIECE, self._limit)
        while begin < len(stretch):
            piece = stretch[begin : begin + length]
            yield piece[mask.take(piece)]
            begin, length = begin + length, min(length * 2, _LONGEST_PIECE)

    def _rank_of(self, start: Place) -> int:
        """How many leads of all groups stand before the start by key and id, itself among them unless it descends."""
        within = self._ordered.within
        order, ids = self._snapshot.orders[within], self._snapshot.columns["id"]
        bisect = bisect_left if self._ordered.descending else bisect_right
        key_of = self._key_of(within)
        return bisect(order, (self._comparable(start.key), start.id), key=lambda slot: (key_of(slot), int(ids[slot])))

    def _key_of(self, order: LeadOrder) -> Callable[[int], Any]:
        if order not in MOMENTS:
            return self._snapshot.texts["name" if order is LeadOrder.NAME else "number"].__getitem__
        moments = self._snapshot.columns[MOMENTS[order]]
        return lambda slot: int(moments[slot])

    # ---- Their places

    def _place(self, slot: int) -> Place:
        columns = self._snapshot.columns
        label = self._label(lambda name: int(columns[name][slot]))
        key = self._key_of(self._ordered.within)(slot)
        return Place(self._ordered.ranks[label], label, _key(key), int(columns["id"][slot]))

    def _place_of(self, lead: ListedLead) -> Place:
        rank, key, identity = self._standing(lead)
        return Place(rank, self._label(partial(getattr, lead)), _key(key), identity)

    def _standing(self, lead: ListedLead) -> _Standing:
        key: str | int = getattr(lead, _FIELDS[self._ordered.within])
        rank = self._ordered.ranks.get(self._label(partial(getattr, lead)), -1)
        return rank, key.encode() if isinstance(key, str) else key, lead.id

    def _label(self, value: Callable[[str], int]) -> int:
        """The label of the group of a lead whose values in columns are told by their names."""
        order = self._ordered.order
        if order is LeadOrder.LAST_CALL:
            return int(value("last_call") != NEVER)
        return value(GROUPED[order]) if order in GROUPED else 0

    def _is_ahead(self, standing: _Standing) -> bool:
        if standing[0] < 0:
            return False
        if self._begin is None:
            return True
        return standing < self._begin if self._ordered.descending else standing > self._begin

    def _by_place(self, place: Place) -> _Standing:
        return place.rank, self._comparable(place.key), place.id

    def _comparable(self, key: Key) -> bytes | int:
        """A key as the snapshot has it; that of a cursor may be empty where no lead's is."""
        if isinstance(key, datetime):
            return microseconds(key)
        return NEVER if self._ordered.within in MOMENTS else (key or "").encode()


def _key(value: bytes | int) -> Key:
    return value.decode() if isinstance(value, bytes) else moment_of(value)
