"""What a list is made of: groups, segments and conditions, in the words of leads.store.listing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, auto
from typing import Any

from sqlalchemy import ColumnElement, GenerativeSelect, Select, UnaryExpression
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import operators

MOST_COUNTED = 1000

Key = str | datetime | None
Segments = tuple[tuple[ColumnElement[bool], ...], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One row's place in a list: its group, its key there, its id."""

    rank: int
    label: int
    key: Key
    id: int


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that stand together, merged from segments; each is the conditions of one stretch of an index.

    `segments` makes them when they are needed, because most groups of a long list are not. `rank` is the group's place
    in the list; `label` stands for it in cursors, where ranks may change. `held` is the same stretch of an index that
    holds all that the list sorts and filters by, where there is one; what it has besides, the filters leave out.
    `together` is all segments in one condition, in no order; what it has besides, the filters leave out too.
    """

    rank: int
    label: int
    segments: Callable[[], Segments]
    together: Callable[[], tuple[ColumnElement[bool], ...]]
    held: Callable[[], Segments] | None = None


class Index(IntEnum):
    """How an index finds the rows that meet a condition; the greater, the less each of them costs."""

    NONE = auto()
    """There is none: each row must be looked at."""
    IDS = auto()
    """It gives their ids, some perhaps twice."""
    IDS_ONCE = auto()
    """It gives the id of each once."""
    COVERING = auto()
    """It holds all that the list sorts and filters by, so that no row is looked at."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of the order by `key`, from the first of its bounds to the other, in the whole table.

    `ahead` says of the columns that the order's index has before the key that they may hold anything.
    """

    id: InstrumentedAttribute[int]
    key: InstrumentedAttribute[str]
    bounds: tuple[ColumnElement[bool], ColumnElement[bool]]
    ahead: tuple[ColumnElement[bool], ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition in two forms: `check` looks at one row, `ids` takes the matching rows' ids from an index.

    Where the index finds some more rows, `rest` tells the right ones among them. All that it finds may stand in one
    `run`; see leads.store.list_runs.
    """

    check: ColumnElement[bool]
    ids: GenerativeSelect
    index: Index = Index.IDS
    rest: ColumnElement[bool] | None = None
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A list, or a part of one.

    `filters` say the same as all segments together, in columns of the indexes; `seen` says it in those of a row, where
    some of the indexes' are made of others each time that a row is looked at. `label` is that of a row's group, None
    where there is only one. `labels_in_use` finds the labels of groups that hold rows, where many may be empty.
    """

    id: InstrumentedAttribute[int]
    key: InstrumentedAttribute[Any]
    groups: tuple[Group, ...]
    filters: tuple[ColumnElement[bool], ...]
    seen: tuple[ColumnElement[bool], ...]
    conditions: tuple[Condition, ...] = ()
    label: ColumnElement[int] | None = None
    labels_in_use: Select[Any] | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """How many rows a list has; not `exact` means more than that."""

    number: int
    exact: bool


def unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column's value, for which no index is used: https://www.sqlite.org/optoverview.html (unary +)."""
    return UnaryExpression(column, operator=operators.custom_op("+"), type_=column.type)
