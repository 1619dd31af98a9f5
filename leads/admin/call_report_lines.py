"""Puts the groups of the report on calls in order and in words, with their subtotals, as lines and as rows of a file.

Hours and days stand in their order, everything else by how many calls it has. Of the outermost groups, hours and days
without a call are told too: that nobody called is worth to know.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection

from leads.admin.rendering import number_text
from leads.admin.report_groups import MOST_LINES, Report, lines_of, total, with_subtotals
from leads.domain.periods import Period
from leads.domain.visibility import Scope
from leads.store.call_report import CallFigures, CallGrouping, Key, count_calls

BY_TIME = (CallGrouping.HOUR, CallGrouping.DAY)
Words = dict[CallGrouping, dict[Key, str]]
Node = tuple[tuple[Key, ...], CallFigures]
"""A group, or a subtotal of groups, by its keys from the outermost on."""


def make_report(
    connection: Connection, period: Period, by: Sequence[CallGrouping], scope: Scope, words: Words
) -> Report[CallFigures]:
    """The lines of a page: each group with the groups within it below it.

    Raises:
        TooManyGroupsError: as leads.store.call_report.
    """
    nodes = _nodes(connection, period, by, scope, words)
    tops = [node for node in nodes if len(node[0]) == 1]
    lines, outermost = (lines_of(some, by, partial(label, words)) for some in (nodes[:MOST_LINES], tops))
    every = total(figures for _keys, figures in tops) if tops else CallFigures()
    return Report(every, lines, len(nodes) - len(lines), outermost)


def report_rows(
    connection: Connection, period: Period, by: Sequence[CallGrouping], scope: Scope, words: Words
) -> Iterator[list[str]]:
    """Each innermost group as a row of a file: what it is called, and its figures; times in seconds.

    Raises:
        TooManyGroupsError: as leads.store.call_report.
    """
    for keys, each in _nodes(connection, period, by, scope, words):
        if len(keys) == len(by):
            counts = (each.inbound, each.answered, each.missed, each.called_back)
            wait = "" if each.mean_wait is None else f"{each.mean_wait:.1f}"
            yield [
                *(label(words, *pair) for pair in zip(by, keys, strict=True)),
                *(*map(str, counts), wait),
                *(str(each.outgoing), str(each.reached), f"{each.talk_seconds:.0f}"),
            ]


def label(words: Words, grouping: CallGrouping, key: Key) -> str:
    """What a group is called."""
    return words[grouping].get(key) or number_text(str(key))


def _nodes(
    connection: Connection, period: Period, by: Sequence[CallGrouping], scope: Scope, words: Words
) -> list[Node]:
    groups = count_calls(connection, period, by, scope)
    return with_subtotals(_with_silent_times(groups, by[0], words), _rank(by, words))


def _with_silent_times(
    groups: Mapping[tuple[Key, ...], CallFigures], outermost: CallGrouping, words: Words
) -> Mapping[tuple[Key, ...], CallFigures]:
    """The groups, and each hour or day of the outermost level that has none."""
    if outermost not in BY_TIME:
        return groups
    silent = words[outermost].keys() - {keys[0] for keys in groups}
    return {**groups, **{(key,): CallFigures() for key in silent}}


def _rank(by: Sequence[CallGrouping], words: Words) -> Callable[[int, Key, CallFigures], tuple[Any, ...]]:
    def rank(level: int, key: Key, figures: CallFigures) -> tuple[Any, ...]:
        if by[level] in BY_TIME:
            return (key,)
        return -figures.inbound - figures.outgoing, label(words, by[level], key)

    return rank
