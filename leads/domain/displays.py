"""Which kinds of displays a company's phones have: a name goes with its call to phones that nobody knows beforehand."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from leads.domain.directory import DisplayMode, Extension

USUAL_LENGTH = 24
"""Room on a display where no phone says otherwise."""

Kind = tuple[DisplayMode, int]
"""What a display can draw, and its room in characters."""


@dataclass(frozen=True, slots=True)
class Displays:
    """The displays of a company: the usual one draws `usual_length` Latin letters; `others` are the commonest first.

    Displays that show no names are in neither.
    """

    usual_length: int
    others: tuple[Kind, ...]


def displays_of(phones: Iterable[Extension]) -> Displays:
    """Count the displays of `phones`."""
    kinds = Counter((phone.display_mode, phone.display_length) for phone in phones)
    latin = Counter({length: count for (mode, length), count in kinds.items() if mode is DisplayMode.LATIN})
    usual = max(latin, key=latin.__getitem__, default=USUAL_LENGTH)
    others = [kind for kind, _ in kinds.most_common() if kind[0] is not DisplayMode.OFF]
    return Displays(usual, tuple(kind for kind in others if kind != (DisplayMode.LATIN, usual)))
