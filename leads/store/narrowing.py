"""Narrows lists by their columns: what a text or a number holds, and a stretch of time (L10).

Each condition is told in the two forms that lists need (leads.store.listing); where a trigram index can say which rows
come into question, only those are looked at.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, Text, and_, exists, func, literal_column, or_, select, table
from sqlalchemy import column as column_of
from sqlalchemy.orm import InstrumentedAttribute

from leads.store.list_shapes import Condition, Index, Run
from leads.store.models import ContactPerson, Counterparty, Lead, PhoneNumber
from leads.store.search import (
    AFTER_NAMES,
    IE_IN_KEYS,
    IO_IN_KEYS,
    SHORTEST_INNER,
    fts_query,
    key_pieces,
    like_pattern,
    search_patterns,
    sort_key,
)

Model = type[Lead] | type[Counterparty]
_END_OF_NUMBER = 9
"""So many of its digits hardly another number ends with."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time, UTC: from `begin` on and before `end`; None leaves that side open."""

    begin: datetime | None = None
    end: datetime | None = None

    def holds(self, moment: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """The condition that a moment is within it; one that never was is not."""
        sides: list[ColumnElement[bool]] = [moment.is_not(None) if self.begin is None else moment >= self.begin]
        if self.end is not None:
            sides.append(moment < self.end)
        return and_(*sides)


Ahead = tuple[ColumnElement[bool], ...]
"""As in leads.store.list_shapes.Run, of the index of names."""


def searches(dialect: str, model: Model, patterns: Sequence[str], ahead: Ahead = ()) -> tuple[Condition, ...]:
    """The condition that all `patterns` occur in a row's search text; none for an empty search."""
    if not patterns:
        return ()
    check = and_(*(_holds(dialect, model.search_text, pattern) for pattern in patterns))
    if dialect == "postgresql":
        return (Condition(check, select(model.id).where(check), Index.IDS_ONCE),)
    index = table(f"{model.__tablename__}_search", column_of("rowid", Integer))
    matches = literal_column(index.name, Text).bool_op("MATCH")(fts_query(patterns))
    whole = all(len(pattern) == SHORTEST_INNER for pattern in patterns)  # Then the index tells by itself.
    ids = select(index.c.rowid.label("id")).where(matches)
    return (Condition(check, ids, Index.IDS_ONCE, None if whole else check, _run(model, patterns, ahead)),)


def _run(model: Model, patterns: Sequence[str], ahead: Ahead) -> Run | None:
    """Where the names stand that begin with what is searched; None where no name can begin so."""
    begin = sort_key(" ".join(pattern.strip() for pattern in patterns))
    if begin.startswith(AFTER_NAMES):
        return None
    key: InstrumentedAttribute[str] = model.sort_name
    return Run(model.id, key, (key >= begin, key < begin + chr(sys.maxunicode)), ahead)


def name_asked(typed: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a name's sort key must hold for what is `typed` in its column, and what the card's search text holds then.

    Signs alone ask for nothing.
    """
    pieces = key_pieces(typed)
    return pieces, search_patterns(typed) if pieces else ()


def number_asked(typed: str) -> tuple[str, tuple[str, ...]]:
    """The digits that a number must hold for what is `typed` in its column, and what the search text holds then."""
    digits = "".join(letter for letter in typed if letter.isdigit())
    return digits, (digits,) if len(digits) >= SHORTEST_INNER else ()


def key_holds(
    dialect: str, model: Model, key: InstrumentedAttribute[str], typed: str, ahead: Ahead = ()
) -> tuple[Condition, ...]:
    """The condition that a column of sort keys holds each word of `typed`; none where no word is typed."""
    pieces, patterns = name_asked(typed)
    if not pieces:
        return ()
    alike = func.replace(key, IO_IN_KEYS, IE_IN_KEYS)
    here = and_(*(_holds(dialect, alike, piece) for piece in pieces))
    return _within_search(dialect, model, patterns, here, ahead)


def named(key: InstrumentedAttribute[str], typed: str) -> tuple[ColumnElement[bool], ...]:
    """The condition that a sort key stands among the names, where only names can hold what is `typed`."""
    letters = any(letter.isalpha() for piece in key_pieces(typed) for letter in piece)
    return (key < AFTER_NAMES,) if letters else ()


def number_holds(dialect: str, model: Model, typed: str) -> tuple[Condition, ...]:
    """The condition that a number of the card holds the digits of `typed`; none where no digit is typed."""
    digits, patterns = number_asked(typed)
    if not digits:
        return ()
    holds = _holds(dialect, PhoneNumber.number, digits)
    at_hand = _holds(dialect, model.main_number, digits)  # First, because most have no other number.
    if model is Lead:
        here: ColumnElement[bool] = or_(at_hand, exists().where(PhoneNumber.lead_id == Lead.id, holds))
    else:
        of_person = exists().where(
            ContactPerson.counterparty_id == Counterparty.id, PhoneNumber.contact_person_id == ContactPerson.id, holds
        )
        here = or_(at_hand, exists().where(PhoneNumber.counterparty_id == Counterparty.id, holds), of_person)
    return _within_search(dialect, model, patterns, here)


def _within_search(
    dialect: str, model: Model, patterns: Sequence[str], here: ColumnElement[bool], ahead: Ahead = ()
) -> tuple[Condition, ...]:
    """Look only at rows of which the search index says that they hold the patterns somewhere."""
    for found in searches(dialect, model, patterns, ahead):
        check = and_(found.check, here)
        if dialect == "postgresql":
            return (Condition(check, select(model.id).where(check), Index.IDS_ONCE),)
        return (Condition(check, found.ids, found.index, rest=check, run=found.run),)
    return (Condition(here, select(model.id).where(here), Index.NONE),)


def _holds(dialect: str, text: ColumnElement[str] | InstrumentedAttribute[str], piece: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        if len(piece) > _END_OF_NUMBER and piece.lstrip("+").isdigit():
            # What numbers begin with, those of a whole country have: its index would go through them all.
            end = text.like(like_pattern(piece[-_END_OF_NUMBER:]), escape="\\")
            return and_(end, func.strpos(text, piece) > 0)
        return text.like(like_pattern(piece), escape="\\")
    return func.instr(text, piece) > 0
