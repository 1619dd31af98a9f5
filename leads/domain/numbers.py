"""Reads a telephone number however a trunk, a phone or a person writes it, and says what kind of number it is."""

from dataclasses import dataclass
from enum import StrEnum


class NumberKind(StrEnum):
    """What a dialled or calling number can be."""

    OUTSIDE = "outside"
    SHORT = "short"
    HIDDEN = "hidden"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Number:
    """One number that was read: E.164 with `+` for OUTSIDE, bare digits for SHORT, else what is safe to show."""

    kind: NumberKind
    text: str


def read_number(raw: str | None, region: str) -> Number:
    """Read `raw` as seen from `region` (ISO 3166 alpha-2, which decides how national numbers are completed)."""
    raise NotImplementedError
