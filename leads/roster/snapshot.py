"""All leads as they were at one moment, column by column, with the orders that their list offers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leads.roster.grams import BLOCK, Grams
from leads.roster.texts import Texts
from leads.store.leads import LeadOrder

NEVER = -(2**63)
"""Stands for no moment, before all others."""
MERGED = 3
"""The state of leads that stand in no list; the others' are as in the database."""

Slots = NDArray[np.int32]
"""Leads by their place in the snapshot, which goes by their ids."""


class ListedLead(NamedTuple):
    """What lists sort, filter and search by; moments in microseconds since 1970, 0 for nobody, no source, none.

    `counterparty` is the one that it became, `numbers` are all but the main one, in lines, `workers` the employees who
    talked in its calls, or have something to do about it.
    """

    id: int
    state: int
    status: int
    responsible: int
    source: int
    counterparty: int
    created: int
    last_call: int
    name: str
    number: str
    search: str
    numbers: str
    workers: frozenset[int]


COLUMNS = {"id": np.int32, "state": np.uint8, "status": np.int32, "responsible": np.int32, "source": np.int32}
COLUMNS |= {"counterparty": np.int32, "created": np.int64, "last_call": np.int64}
TEXTS = ("name", "number", "search", "numbers")
GROUPED = {LeadOrder.STATUS: "status", LeadOrder.RESPONSIBLE: "responsible", LeadOrder.SOURCE: "source"}
"""Orders by a column of ids, within which leads go by name."""


MOMENTS = {LeadOrder.CREATED: "created", LeadOrder.LAST_CALL: "last_call"}


@dataclass(frozen=True, slots=True)
class Grouped:
    """Leads by one column of ids and then by name, and where those of each id begin and end."""

    order: Slots
    bounds: dict[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Leads by place. `orders` has the places in each order, `ranks` the other way round, `workers` those of each."""

    columns: dict[str, NDArray[Any]]
    texts: dict[str, Texts]
    grams: Sequence[Grams]
    orders: dict[LeadOrder, Slots]
    ranks: dict[LeadOrder, Slots]
    groups: dict[LeadOrder, Grouped]
    workers: dict[int, Slots]

    def __len__(self) -> int:
        """How many leads there are."""
        return len(self.columns["id"])

    def places_of(self, ids: Sequence[int] | NDArray[np.int64]) -> Slots:
        """The places of those of some leads that were there."""
        return _places(self.columns["id"], ids)

    def holding(self, trigrams: Sequence[str]) -> Slots:
        """The places of leads whose search text holds all trigrams."""
        found = [block.find(trigrams).astype(np.int32) + number * BLOCK for number, block in enumerate(self.grams)]
        return np.concatenate(found) if found else np.zeros(0, np.int32)


@dataclass(slots=True)
class Gathering:
    """Takes leads, ordered by id, in pieces of any size, and makes a snapshot of them."""

    _columns: dict[str, list[NDArray[Any]]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    _texts: dict[str, list[bytes]] = field(default_factory=lambda: {name: [] for name in TEXTS})
    _lengths: dict[str, list[NDArray[Any]]] = field(default_factory=lambda: {name: [] for name in TEXTS})
    _grams: list[Grams] = field(default_factory=list)
    _block: list[str] = field(default_factory=list)

    def add(self, leads: Sequence[ListedLead]) -> None:
        """Take the next leads."""
        if not leads:
            return
        by_field = dict(zip(ListedLead._fields, zip(*leads, strict=True), strict=True))
        for name, kind in COLUMNS.items():
            self._columns[name].append(np.array(by_field[name], kind))
        for name in TEXTS:
            texts = [text.encode() for text in by_field[name]]
            self._texts[name].append(b"".join(texts))
            self._lengths[name].append(np.array([len(text) for text in texts], np.uint32))
        self._block.extend(by_field["search"])
        while len(self._block) >= BLOCK:
            self._grams.append(Grams(self._block[:BLOCK]))
            del self._block[:BLOCK]

    def finish(self, workers: Mapping[int, NDArray[np.int64]]) -> Snapshot:
        """Put all in order, with the ids of the leads that each employee talked with, or has something to do about."""
        if self._block:
            self._grams.append(Grams(self._block))
        columns = {name: _joined(self._columns[name], kind) for name, kind in COLUMNS.items()}
        texts = {name: Texts(self._texts[name], _joined(self._lengths[name], np.uint32)) for name in TEXTS}
        orders = {
            LeadOrder.NAME: texts["name"].order(),
            LeadOrder.NUMBER: texts["number"].order(),
            **{order: _order(columns[name]) for order, name in MOMENTS.items()},
        }
        groups = {order: _grouped(columns[name], orders[LeadOrder.NAME]) for order, name in GROUPED.items()}
        ranks = {name: _ranks(order) for name, order in orders.items()}
        worked_on = {who: _places(columns["id"], ids) for who, ids in workers.items()}
        return Snapshot(columns, texts, self._grams, orders, ranks, groups, worked_on)


def _places(there: NDArray[Any], ids: Sequence[int] | NDArray[np.int64]) -> Slots:
    wanted = np.asarray(ids, np.int64)
    at = np.searchsorted(there, wanted)
    inside = at < len(there)
    at, wanted = at[inside], wanted[inside]
    places: Slots = at[there[at] == wanted].astype(np.int32)
    return places


def _joined(pieces: list[NDArray[Any]], kind: type) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, kind), *pieces], dtype=kind)


def _order(column: NDArray[Any]) -> Slots:
    return np.argsort(column, kind="stable").astype(np.int32)


def _ranks(order: Slots) -> Slots:
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(len(order), dtype=np.int32)
    return ranks


def _grouped(column: NDArray[Any], by_name: Slots) -> Grouped:
    order = by_name[np.argsort(column[by_name], kind="stable")]
    ids, begins, counts = np.unique(column[order], return_index=True, return_counts=True)
    bounds = zip(begins.tolist(), (begins + counts).tolist(), strict=True)
    return Grouped(order, dict(zip(ids.tolist(), bounds, strict=True)))
