"""What reports are grouped by, one thing within the other in any order: as addresses say it, and with subtotals."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import add
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from leads.admin.forms import BIGGEST_ID, Query
from leads.admin.refusals import strange_address
from leads.store.figures import Figures

D = TypeVar("D", bound=StrEnum)
F = TypeVar("F", bound=Figures)
K = TypeVar("K", bound=int | str | None)
NONE = "none"
"""In addresses, the key of the group of what belongs to nobody, or to none."""
MOST_LINES = 400


@dataclass(frozen=True, slots=True)
class Line(Generic[F]):
    """One group or subtotal; `behind` is the address's part that tells what it is about."""

    level: int
    label: str
    figures: F
    behind: str


@dataclass(frozen=True, slots=True)
class Report(Generic[F]):
    """The figures of all, the lines that the page shows, how many more there are, and the first outermost groups."""

    total: F
    lines: Sequence[Line[F]] = ()
    cut: int = 0
    tops: Sequence[Line[F]] = ()


def asked_dimensions(query: Query, dimensions: Mapping[D, str]) -> tuple[D, ...]:
    """What a report is grouped by, in its order; one that is named twice counts once."""
    known = {each.value: each for each in dimensions}
    named = [name for place in range(1, len(dimensions) + 1) if (name := query.text(f"by{place}", 10))]
    if not known.keys() >= set(named):
        raise strange_address()
    return tuple(dict.fromkeys(known[name] for name in named))


def choices(by: Sequence[D], dimensions: Mapping[D, str]) -> list[str]:
    """What the page's selects show: all that is chosen, and one more where there is more to choose."""
    return [*(each.value for each in by), *([""] if len(by) < len(dimensions) else [])]


def dimensions_part(by: Sequence[StrEnum]) -> dict[str, str]:
    """What an address says of `by`, for the way back to the report."""
    return {f"by{place}": each.value for place, each in enumerate(by, 1)}


def number_key(text: str) -> int:
    """A key that is a number, from an address."""
    if text.isascii() and text.isdigit() and int(text) <= BIGGEST_ID:
        return int(text)
    raise strange_address()


def with_subtotals(
    groups: Mapping[tuple[K, ...], F], rank: Callable[[int, K, F], Any], outer: tuple[K, ...] = ()
) -> list[tuple[tuple[K, ...], F]]:
    """Each group with its subtotal, and below it the groups within it.

    Args:
        groups: the innermost ones by their keys; one with fewer keys than others has none within it.
        rank: what those of one level are put in order by: of the level's number, the last key, and the figures.
        outer: keys of the group that all of these are within.
    """
    parts: dict[K, dict[tuple[K, ...], F]] = {}
    for keys, figures in groups.items():
        parts.setdefault(keys[0], {})[keys[1:]] = figures
    sums = {key: total(part.values()) for key, part in parts.items()}
    nodes: list[tuple[tuple[K, ...], F]] = []
    for key, figures in sorted(sums.items(), key=lambda one: rank(len(outer), *one)):
        nodes.append(((*outer, key), figures))
        if () not in parts[key]:
            nodes += with_subtotals(parts[key], rank, (*outer, key))
    return nodes


def total(figures: Iterable[F]) -> F:
    """The figures of all together, of which there is at least one."""
    return reduce(add, figures)


def lines_of(nodes: Iterable[tuple[tuple[K, ...], F]], by: Sequence[D], label: Callable[[D, K], str]) -> list[Line[F]]:
    """Groups and subtotals in words; `label` says what one of a dimension is called."""
    lines = []
    for keys, figures in nodes:
        level = len(keys) - 1
        behind = {each.value: NONE if key is None else key for each, key in zip(by, keys, strict=False)}
        lines.append(Line(level, label(by[level], keys[-1]), figures, urlencode(behind)))
    return lines
