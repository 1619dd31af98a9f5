"""Counts leads, their calls and conversions for a period, grouped in any order (R1).

Three kinds of facts are counted, each with whom and what it belongs to; figures of a group are their sums.

- A lead made before the period's end, as it was at its end (status, responsible, open or closed) and with its present
  source; new, if it was made in the period. A new lead is converted if it was closed by the period's end and is still.
- A conversion in the period belongs to who was responsible then. Only closing to a counterparty closes a lead here; a
  closed lead of a file counts where its counterparty is known, and one that was opened again as not converted.
- A call that began in the period belongs to who talked last in it, else to the lead's responsible.

Leads that were merged into others count nowhere; their calls are the others'.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Subquery,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    text,
    true,
    union_all,
)

from leads.domain.calls import Phase, Result, Role
from leads.domain.periods import Period
from leads.domain.visibility import Scope
from leads.store.figures import Figures, TooManyGroupsError
from leads.store.lead_past import LeadPast, leads_at
from leads.store.models import Call, Employee, Lead, LeadStatus, Source

MOST_GROUPS = 5000
"""More than anybody reads. Groups of single leads, of which there are more in a big company, are ranked instead."""
_AT_ONCE = 500
"""Groups that are read together where all are read one after the other, as for a file."""


class Dimension(StrEnum):
    """What the report can be grouped by."""

    EMPLOYEE = "employee"
    SOURCE = "source"
    STATUS = "status"
    STATE = "state"
    LEAD = "lead"


class Figure(StrEnum):
    """What is counted; CONVERTED_NEW are the new leads that were converted by the period's end."""

    LEADS = "leads"
    NEW = "new"
    CALLS = "calls"
    CONVERTED = "converted"
    CONVERTED_NEW = "converted_new"


@dataclass(frozen=True, slots=True)
class LeadFigures(Figures):
    """The figures of one group."""

    leads: int = 0
    new: int = 0
    calls: int = 0
    converted: int = 0
    converted_new: int = 0

    @property
    def conversion(self) -> float | None:
        """The share of the new leads that were converted by the period's end."""
        return self.converted_new / self.new if self.new else None


Key = int | None
"""The key of an employee, a source, a status or a lead, or 1 for closed and 0 for open; None for none."""
Where = Mapping[Dimension, Key]


@dataclass(frozen=True, slots=True)
class _Facts:
    """One kind of facts: where they are, what each belongs to, what each counts for."""

    tables: FromClause
    conditions: tuple[ColumnElement[bool], ...]
    belongs: Mapping[Dimension, ColumnElement[Any]]
    counts: Mapping[Figure, ColumnElement[int]]

    def narrowed(self, where: Where, scope: Scope) -> tuple[ColumnElement[bool], ...]:
        """The conditions of the facts that belong to these keys, and to an employee of `scope`."""
        mine = () if scope is None else (self.belongs[Dimension.EMPLOYEE].in_(scope),)
        return (*self.conditions, *_keys_are(self.belongs, where), *mine)


def count_leads(
    connection: Connection, period: Period, by: Sequence[Dimension], scope: Scope
) -> dict[tuple[Key, ...], LeadFigures]:
    """The figures of each group, by its keys in the order of `by`; without any, of all together under ().

    Args:
        connection: reads only, one consistent state for several statements.
        period: what is counted.
        by: what the groups are.
        scope: the employees whose facts count; None for everybody's and nobody's.

    Raises:
        TooManyGroupsError: as said there.
    """
    figures: dict[tuple[Key, ...], LeadFigures] = {}
    for facts in _all_facts(period):
        keys = [facts.belongs[each] for each in by]
        counts = [func.sum(facts.counts.get(each, literal(0))) for each in Figure]
        statement = select(*keys, *counts).select_from(facts.tables).where(*facts.narrowed({}, scope))
        if by:
            statement = statement.group_by(*(text(str(place + 1)) for place in range(len(by)))).limit(MOST_GROUPS + 1)
        for row in connection.execute(statement):
            key = tuple(row[: len(by)])
            counted = LeadFigures(*(value or 0 for value in row[len(by) :]))
            figures[key] = figures[key] + counted if key in figures else counted
        if len(figures) > MOST_GROUPS:
            raise TooManyGroupsError
    return figures


def groups_in_order(
    connection: Connection, period: Period, by: Sequence[Dimension], scope: Scope
) -> Iterator[list[tuple[tuple[Key, ...], LeadFigures]]]:
    """All groups, some at a time, as many as there are: ordered by what the keys stand for, leads by their age."""
    groups = _groups(period, by, scope)
    order = [each for one in by for each in _order_of(one, groups.c[one.value])]
    found = connection.execute(select(groups).order_by(*order), execution_options={"yield_per": _AT_ONCE})
    for some in found.partitions():
        yield [_group(row, by) for row in some]


def _order_of(dimension: Dimension, key: ColumnElement[Any]) -> tuple[ColumnElement[Any], ...]:
    """By what keys of a dimension are put in order; those of none come last."""
    words = {
        Dimension.EMPLOYEE: (Employee.name, Employee.id),
        Dimension.SOURCE: (Source.name, Source.id),
        Dimension.STATUS: (LeadStatus.sort_order, LeadStatus.id),
    }
    if dimension not in words:
        return (key.nulls_last(),)
    word, identity = words[dimension]
    return select(word).where(identity == key).scalar_subquery().nulls_last(), key.nulls_last()


@dataclass(frozen=True, slots=True)
class FirstGroups:
    """Some groups, how many there are of all, and the figures of all."""

    groups: Mapping[tuple[Key, ...], LeadFigures]
    many: int
    total: LeadFigures


def first_groups(
    connection: Connection,
    period: Period,
    by: Sequence[Dimension],
    scope: Scope,
    *,
    within: Iterable[Where],
    most: int,
) -> FirstGroups:
    """Of each group of all but the last of `by` its first parts: at most `most`, those with most leads, then calls.

    Args:
        connection: reads only.
        period: what is counted.
        by: what the groups are.
        scope: the employees whose facts count; None for everybody's and nobody's.
        within: the groups that are wanted.
        most: of each.
    """
    groups = _groups(period, by, scope)
    order = (groups.c.leads.desc(), groups.c.calls.desc(), groups.c[by[-1].value])
    outer = [groups.c[each.value] for each in by[:-1]]
    # All in one walk, as a big company's leads are counted for some seconds.
    ranked = select(
        groups,
        func.row_number().over(partition_by=outer or None, order_by=order).label("place"),
        func.count().over().label("many"),
        *(func.sum(groups.c[each.value]).over().label(f"all_{each}") for each in Figure),
    ).subquery("ranked")
    wanted = or_(false(), *(and_(true(), *_keys_are(ranked.c, where)) for where in within))
    rows = connection.execute(select(ranked).where(wanted, ranked.c.place <= most)).all()
    total = LeadFigures(*map(int, rows[0][-len(Figure) :])) if rows else LeadFigures()
    return FirstGroups(dict(_group(row, by) for row in rows), rows[0].many if rows else 0, total)


def groups_of_leads(
    connection: Connection,
    period: Period,
    by: Sequence[Dimension],
    scope: Scope,
    leads: Collection[int],
) -> dict[tuple[Key, ...], LeadFigures]:
    """The groups that a few leads make."""
    return dict(_group(row, by) for row in connection.execute(select(_groups(period, by, scope, leads))))


def count_groups(connection: Connection, period: Period, by: Sequence[Dimension], scope: Scope) -> int:
    """How many groups there are."""
    return connection.scalar(select(func.count()).select_from(_groups(period, by, scope))) or 0


def leads_behind(
    connection: Connection,
    period: Period,
    figure: Figure,
    where: Where,
    scope: Scope,
    *,
    after: int,
    most: int,
) -> list[tuple[int, int]]:
    """The leads that a figure counts, each with for how many; in the order of their keys, those after a key."""
    facts = next(facts for facts in _all_facts(period) if figure in facts.counts)
    lead, many = facts.belongs[Dimension.LEAD], func.sum(facts.counts[figure])
    statement: Select[Any] = (
        select(lead, many)
        .select_from(facts.tables)
        .where(*facts.narrowed(where, scope), lead > after)
        .group_by(lead)
        .having(many > 0)
        .order_by(lead)
        .limit(most)
    )
    return [(row[0], row[1]) for row in connection.execute(statement)]


def _groups(period: Period, by: Sequence[Dimension], scope: Scope, leads: Collection[int] | None = None) -> Subquery:
    """The figures of each group, added up by the database; columns are named as dimensions and figures.

    `leads`: of a few leads only.
    """
    every = union_all(
        *(
            select(
                *(facts.belongs[each].label(each.value) for each in by),
                *(facts.counts.get(each, literal(0)).label(each.value) for each in Figure),
            )
            .select_from(facts.tables)
            .where(*facts.narrowed({}, scope), true() if leads is None else facts.belongs[Dimension.LEAD].in_(leads))
            for facts in _all_facts(period)
        )
    ).subquery("every")
    keys = [every.c[each.value] for each in by]
    return (
        select(*keys, *(func.sum(every.c[each.value]).label(each.value) for each in Figure))
        .group_by(*keys)
        .subquery("groups")
    )


def _group(row: Sequence[Any], by: Sequence[Dimension]) -> tuple[tuple[Key, ...], LeadFigures]:
    return tuple(row[: len(by)]), LeadFigures(*map(int, row[len(by) : len(by) + len(Figure)]))


def _keys_are(columns: Any, where: Where) -> tuple[ColumnElement[bool], ...]:
    return tuple(columns[each].is_(None) if key is None else columns[each] == key for each, key in where.items())


def _all_facts(period: Period) -> Iterator[_Facts]:
    yield _leads(period)
    yield _conversions(period)
    yield _calls(period)


def _leads(period: Period) -> _Facts:
    then = leads_at(period.end)
    new = then.c.created_at >= period.begin
    converted = and_(new, then.c.converted_at < period.end)
    return _Facts(
        then,
        (then.c.created_at < period.end,),
        _belongs(then, then.c.responsible_id),
        {Figure.LEADS: literal(1), Figure.NEW: _one_if(new), Figure.CONVERTED_NEW: _one_if(converted)},
    )


def _conversions(period: Period) -> _Facts:
    """Leads closed in the period; who changed one that is closed changed nothing of whose conversion it was."""
    then = leads_at(period.end)
    place = func.row_number().over(partition_by=LeadPast.lead_id, order_by=LeadPast.id).label("place")
    since = (
        select(LeadPast.lead_id, LeadPast.responsible_id, place)
        .join(Lead, Lead.id == LeadPast.lead_id)
        .where(LeadPast.closed, LeadPast.until >= Lead.closed_at, Lead.closed_at >= period.begin)
        .subquery("since")
    )
    tables = then.join(Lead, Lead.id == then.c.id).outerjoin(
        since, and_(since.c.lead_id == Lead.id, since.c.place == 1)
    )
    responsible = case((since.c.lead_id.is_not(None), since.c.responsible_id), else_=Lead.responsible_id)
    return _Facts(
        tables,
        (Lead.closed_at >= period.begin, Lead.closed_at < period.end, Lead.counterparty_id.is_not(None)),
        _belongs(then, responsible),
        {Figure.CONVERTED: literal(1)},
    )


def _calls(period: Period) -> _Facts:
    """Calls are counted before it is looked up what their leads were: there are many times more of them."""
    then = leads_at(period.end)
    talked = or_(Call.result == Result.ANSWERED, Call.phase == Phase.TALKING)
    calls = (
        select(Call.lead_id, case((talked, Call.employee_id)).label("talker"), func.count().label("calls"))
        .where(Call.role == Role.CALL, Call.started_at >= period.begin, Call.started_at < period.end)
        .group_by(text("1"), text("2"))
        .subquery("counted")
    )
    return _Facts(
        calls.join(then, then.c.id == calls.c.lead_id),
        (),
        _belongs(then, func.coalesce(calls.c.talker, then.c.responsible_id)),
        {Figure.CALLS: calls.c.calls},
    )


def _belongs(then: FromClause, employee: ColumnElement[Any]) -> dict[Dimension, ColumnElement[Any]]:
    return {
        Dimension.EMPLOYEE: employee,
        Dimension.SOURCE: then.c.source_id,
        Dimension.STATUS: then.c.status_id,
        Dimension.STATE: _one_if(then.c.closed),
        Dimension.LEAD: then.c.id,
    }


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, literal(1)), else_=literal(0))
