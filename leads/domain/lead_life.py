"""How a lead's life goes on: to which card its numbers go when it closes, and what stays of two leads that become one.

Only facts about people are decided here; who may do it, and how it is kept, is asked elsewhere.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class NumbersTo(StrEnum):
    """Where the numbers of a lead go when it closes to a contact person: two cards could take them (L4)."""

    COUNTERPARTY = "counterparty"
    CONTACT_PERSON = "contact-person"


class Age(NamedTuple):
    """What tells the older of two leads: when it was made, and its key where both were made at once."""

    created_at: datetime
    id: int


def older_first(one: Age, other: Age) -> tuple[Age, Age]:
    """Which of two leads survives a merge, and which goes into it (L15)."""
    return (one, other) if one < other else (other, one)


def merged_name(name: str, named: bool, other_name: str, other_named: bool) -> tuple[str, bool]:
    """The name of what two leads become: the survivor's, unless only the other has one that a person typed (L13)."""
    return (other_name, True) if other_named and not named else (name, named)


def merged_text(text: str, other: str) -> str:
    """One line of a card: the survivor's, unless it is empty."""
    return text or other


def merged_comment(comment: str, other: str) -> str:
    """Both comments, each once: nothing that a person wrote is lost."""
    return comment if other in comment else "\n".join(part for part in (comment, other) if part)


def merged_numbers(numbers: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """The union of numbers, the survivor's first."""
    return tuple(dict.fromkeys((*numbers, *others)))


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The first of two moments, of which either may not have been."""
    return min((time for time in (one, other) if time is not None), default=None)


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """The last of two moments, of which either may not have been."""
    return max((time for time in (one, other) if time is not None), default=None)


def has_an_owner(*, named: bool, chosen: bool, talked: bool, saves: int) -> bool:
    """Whether a lead is somebody's already; one that only calls in vain have made so far is nobody's (L1).

    It has a provisional responsible then, from whom nothing is taken when it becomes another's counterparty.

    Args:
        named: a person typed its name.
        chosen: a person chose who is responsible for it.
        talked: somebody talked with it.
        saves: how often a person saved its card.
    """
    return named or chosen or talked or saves > 0
