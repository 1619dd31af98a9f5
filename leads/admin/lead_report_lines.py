"""Puts the groups of the report on leads in order and in words, with their subtotals, as lines and as rows of a file.

Groups that single leads make are as many as the company has leads: of these a page takes the first only, which the
database finds, and counts the rest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from leads.admin.rendering import number_text
from leads.admin.report_groups import MOST_LINES, Report, lines_of, with_subtotals
from leads.domain.periods import Period
from leads.domain.visibility import Scope
from leads.store.lead_report import (
    Dimension,
    Figure,
    Key,
    LeadFigures,
    count_groups,
    count_leads,
    first_groups,
    groups_in_order,
    groups_of_leads,
)
from leads.store.reported_leads import lead_names

MOST_BARS = 20
Words = dict[Dimension, dict[Key, str]]
Keys = tuple[Key, ...]
Groups = Mapping[Keys, LeadFigures]
Node = tuple[Keys, LeadFigures]
"""A group, or a subtotal of groups, by its keys from the outermost on."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is read, and how its groups are called."""

    connection: Connection
    period: Period
    by: Sequence[Dimension]
    scope: Scope
    words: Words


def make_report(
    connection: Connection, period: Period, by: Sequence[Dimension], scope: Scope, words: Words
) -> Report[LeadFigures]:
    """The lines of a page: each group with the groups within it below it, those with most leads first."""
    asked = _Asked(connection, period, by, scope, words)
    if Dimension.LEAD in by:
        return _report_by_lead(asked, list(by).index(Dimension.LEAD))
    groups = count_leads(connection, period, by, scope)
    nodes = with_subtotals(groups, _rank(by, words))
    return _report(asked, nodes, nodes, len(nodes), sum(groups.values(), LeadFigures()))


def _report_by_lead(asked: _Asked, place: int) -> Report[LeadFigures]:
    """The lines where single leads are groups, the dimension at `place`."""
    outer, heads = asked.by[:place], list[Node]()
    if outer:
        groups = count_leads(asked.connection, asked.period, outer, asked.scope)
        heads = with_subtotals(groups, _rank(outer, asked.words))
    first = first_groups(
        *(asked.connection, asked.period, asked.by[: place + 1], asked.scope),
        within=[_where(asked.by, keys) for keys in _enough(heads, place)],
        most=MOST_LINES,
    )
    nodes = _with_leads(asked, place, heads, first.groups)
    many = len(heads) + first.many
    if place + 1 < len(asked.by):
        nodes = _with_parts(asked, place, nodes)
        # Of the parts only a page's are known.
        many = len(heads) + _count_from(asked, place) if len(nodes) > MOST_LINES or many > MOST_LINES else len(nodes)
    shown = nodes[:MOST_LINES]
    leads = {keys[place] or 0 for keys, _figures in shown if len(keys) > place}
    words = asked.words | {Dimension.LEAD: _lead_names(asked.connection, leads, asked.scope, asked.words)}
    return _report(replace(asked, words=words), shown, heads or shown, many, first.total)


def _report(
    asked: _Asked, nodes: Sequence[Node], tops: Sequence[Node], many: int, total: LeadFigures
) -> Report[LeadFigures]:
    shown = nodes[:MOST_LINES]
    first = [node for node in tops if len(node[0]) == 1][:MOST_BARS]
    lines, bars = (lines_of(some, asked.by, partial(label, asked.words)) for some in (shown, first))
    return Report(total, lines, many - len(shown), bars)


def report_rows(
    connection: Connection, period: Period, by: Sequence[Dimension], scope: Scope, words: Words
) -> Iterator[list[tuple[str, ...]]]:
    """Each innermost group as a row of a file, some at a time: what it is called, and its figures."""
    place = list(by).index(Dimension.LEAD) if Dimension.LEAD in by else None
    for groups in groups_in_order(connection, period, by, scope):
        named = words
        if place is not None:
            leads = {keys[place] or 0 for keys, _figures in groups}
            named = words | {Dimension.LEAD: _lead_names(connection, leads, scope, words)}
        yield [
            (
                *(label(named, *pair) for pair in zip(by, keys, strict=True)),
                *(str(getattr(figures, one)) for one in Figure),
                "" if figures.conversion is None else f"{100 * figures.conversion:.1f}",
            )
            for keys, figures in groups
        ]


def label(words: Words, dimension: Dimension, key: Key) -> str:
    """What a group is called."""
    return words[dimension].get(key, str(key))


def _with_leads(asked: _Asked, place: int, heads: Sequence[Node], leads: Groups) -> list[Node]:
    """As many nodes as a page takes: below each head its leads."""
    below: dict[Keys, list[Node]] = {}
    for node in _ranked(leads, asked.by, asked.words):
        below.setdefault(node[0][:place], []).append(node)
    nodes: list[Node] = [] if place else below.get((), [])
    for keys, figures in heads:
        nodes += [(keys, figures), *(below.get(keys, ()) if len(keys) == place else ())]
        if len(nodes) >= MOST_LINES:
            break
    return nodes[:MOST_LINES]


def _with_parts(asked: _Asked, place: int, nodes: Sequence[Node]) -> list[Node]:
    """The nodes, and below each lead the groups that it is made of."""
    by = asked.by
    leads = {keys[place] or 0 for keys, _figures in nodes if len(keys) > place}
    of_lead: dict[Keys, dict[Keys, LeadFigures]] = {}
    for keys, figures in groups_of_leads(asked.connection, asked.period, by, asked.scope, leads).items():
        of_lead.setdefault(keys[: place + 1], {})[keys[place + 1 :]] = figures
    found: list[Node] = []
    for keys, figures in nodes:
        found.append((keys, figures))
        inner = of_lead.get(keys, {}) if len(keys) > place else {}
        below = with_subtotals(inner, _rank(by[place + 1 :], asked.words)) if inner else ()
        found += [((*keys, *more), counted) for more, counted in below]
    return found


def _enough(heads: Sequence[Node], place: int) -> list[Keys]:
    """The innermost of the heads whose leads fill a page."""
    if not place:
        return [()]
    chosen: list[Keys] = []
    leads = 0
    for keys, figures in heads[:MOST_LINES]:
        if len(keys) == place:
            chosen.append(keys)
            leads += figures.leads
        if leads >= MOST_LINES:
            break
    return chosen


def _count_from(asked: _Asked, place: int) -> int:
    """How many lines the whole report has for the dimension at `place`, and for those within it."""
    levels = range(place + 1, len(asked.by) + 1)
    return sum(count_groups(asked.connection, asked.period, asked.by[:level], asked.scope) for level in levels)


def _rank(by: Sequence[Dimension], words: Words) -> Callable[[int, Key, LeadFigures], tuple[int, int, str]]:
    """Those with most leads first, then those with most calls."""
    return lambda level, key, figures: (-figures.leads, -figures.calls, label(words, by[level], key))


def _ranked(groups: Groups, by: Sequence[Dimension], words: Words) -> list[Node]:
    rank = _rank(by, words)
    return sorted(groups.items(), key=lambda node: rank(len(node[0]) - 1, node[0][-1], node[1]))


def _where(by: Sequence[Dimension], keys: Keys) -> dict[Dimension, Key]:
    return dict(zip(by, keys, strict=False))


def _lead_names(connection: Connection, leads: Set[int], scope: Scope, words: Words) -> dict[Key, str]:
    """What each lead is called; one word for all that may not be seen now, though they count."""
    found = lead_names(connection, sorted(leads), scope)
    names: dict[Key, str] = {key: name if named else number_text(name) for key, (name, named) in found.items()}
    return {key: names.get(key, words[Dimension.LEAD][None]) for key in leads}
