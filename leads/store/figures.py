"""Figures of reports add up, field by field, so that a total is made of the rows that it stands under."""

from dataclasses import dataclass, fields
from typing import Self


class TooManyGroupsError(Exception):
    """There are more groups than a report shows; ask for less."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is counted of one group; a subclass has a field for each figure."""

    def __add__(self, other: Self) -> Self:
        """The figures of both."""
        return type(self)(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))
