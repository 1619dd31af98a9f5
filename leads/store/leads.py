"""Lists leads: searched, filtered and sorted, at the same cost among a thousand as among a million (L10)."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache, partial
from itertools import product
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    exists,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from leads.domain.statuses import StatusSet
from leads.domain.visibility import Scope
from leads.store.lead_rows import LeadRow, rows_of
from leads.store.list_paths import count_all
from leads.store.list_shapes import MOST_COUNTED, Condition, Group, Index, Segments, Source, Total
from leads.store.listing import Page, Request, held_by, read_page
from leads.store.models import Employee, Lead
from leads.store.models import Source as SourceWord
from leads.store.narrowing import Stretch, key_holds, named, number_holds, searches
from leads.store.search import search_patterns, sort_key
from leads.store.statuses import status_names
from leads.store.visibility import leads_in_charge, leads_of, leads_worked_on

NOBODY = 0
"""In filters: leads without a responsible, or without a source."""
_NEVER, _CALLED = 0, 1
"""Groups of the order by last call."""
_MOST_SEGMENTS = 100


class LeadState(StrEnum):
    """Which leads a list is about."""

    OPEN = "open"
    UNNAMED = "unnamed"
    NAMED = "named"
    CLOSED = "closed"
    ALL = "all"


class LeadOrder(StrEnum):
    """The columns of the list; each can sort it."""

    NAME = "name"
    NUMBER = "number"
    STATUS = "status"
    RESPONSIBLE = "responsible"
    CREATED = "created"
    LAST_CALL = "last-call"
    SOURCE = "source"


_CLOSED = 2
_STATES = {
    LeadState.OPEN: (0, 1),
    LeadState.UNNAMED: (0,),
    LeadState.NAMED: (1,),
    LeadState.CLOSED: (_CLOSED,),
    LeadState.ALL: (0, 1, _CLOSED),
}
_SEEN_STATES: dict[LeadState, tuple[ColumnElement[bool], ...]] = {
    LeadState.OPEN: (Lead.closed_at.is_(None),),
    LeadState.UNNAMED: (Lead.closed_at.is_(None), not_(Lead.named)),
    LeadState.NAMED: (Lead.closed_at.is_(None), Lead.named.is_(True)),
    LeadState.CLOSED: (Lead.closed_at.is_not(None), Lead.merged_into_id.is_(None)),
    LeadState.ALL: (Lead.merged_into_id.is_(None),),
}
"""The same, in what a row holds: the number of a state SQLite makes anew each time that it looks at one."""
_KEYS: dict[LeadOrder, InstrumentedAttribute[Any]] = {
    LeadOrder.NUMBER: Lead.main_number,
    LeadOrder.CREATED: Lead.created_at,
    LeadOrder.LAST_CALL: Lead.last_call_at,
}


_BY_SOURCE = (LeadOrder.NAME, LeadOrder.STATUS, LeadOrder.SOURCE)
"""Orders that stand ready in an index within each source too."""


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """What the list is narrowed to; `responsible_id` and `source_id` may be NOBODY, None is all.

    `name` and `number` are pieces of them, `created` and `last_call` when that was.
    """

    search: str = ""
    state: LeadState = LeadState.OPEN
    status_id: int | None = None
    responsible_id: int | None = None
    source_id: int | None = None
    name: str = ""
    number: str = ""
    created: Stretch | None = None
    last_call: Stretch | None = None


@dataclass(frozen=True, slots=True)
class LeadPage:
    """One page of the list, with the cursors of its neighbours."""

    rows: tuple[LeadRow, ...]
    before: str | None
    after: str | None
    total: Total


Find = Callable[[AsyncSession, LeadFilter, LeadOrder, Request, Scope], Awaitable[Page]]


async def list_leads(
    session: AsyncSession,
    wanted: LeadFilter,
    order: LeadOrder,
    request: Request,
    scope: Scope,
    *,
    find: Find | None = None,
) -> LeadPage:
    """Read one page of the leads that a viewer may see.

    Args:
        session: a reading one.
        wanted: search and filters.
        order: the column to sort by.
        request: which page, and the direction of the order.
        scope: of the viewer; see leads.store.visibility.
        find: finds the ids of the page; `find_leads` unless something quicker is at hand.
    """
    page = await (find or find_leads)(session, wanted, order, request, scope)
    return LeadPage(await rows_of(session, page.ids), page.before, page.after, page.total)


async def find_leads(
    session: AsyncSession, wanted: LeadFilter, order: LeadOrder, request: Request, scope: frozenset[int] | None
) -> Page:
    """The ids of one page of the list; the arguments are as for list_leads."""
    return await read_page(session, await _sources(session, wanted, order, scope), request)


async def leads_in_list(session: AsyncSession, wanted: LeadFilter, scope: Scope) -> ColumnElement[bool]:
    """The condition that a lead is in a list; the arguments are as for list_leads."""
    return held_by(await _sources(session, wanted, LeadOrder.NAME, scope))


async def count_open(session: AsyncSession, wanted: LeadFilter, scope: Scope) -> int:
    """How many open leads a list holds, to the last one, so that somebody can be asked about them all."""
    sources = await _sources(session, wanted, LeadOrder.NAME, scope)
    return sum([await count_all(session, source, Lead.closed_at.is_(None)) for source in sources])


async def status_counts(session: AsyncSession, wanted: LeadFilter, scope: Scope) -> dict[int, Total]:
    """How many leads each status has under the other filters, as far as MOST_COUNTED.

    Only where an index counts them at hardly any cost: nobody waits for a list because of its filters' figures. So
    there are none beside a search or other filters, and none for those who do not see all leads.
    """
    if scope is not None or replace(wanted, status_id=None) != LeadFilter(
        state=wanted.state, responsible_id=wanted.responsible_id
    ):
        return {}
    ids = [identity for identity, _name in await status_names(session, StatusSet.LEADS)]
    if not ids:
        return {}
    narrowed: list[ColumnElement[bool]] = [Lead.list_state.in_(_STATES[wanted.state])]
    if wanted.responsible_id is not None:
        narrowed.append(_charge(wanted.responsible_id))
    counts = [
        select(func.count())
        .select_from(select(Lead.id).where(*narrowed, Lead.status_id == one).limit(MOST_COUNTED + 1).subquery())
        .scalar_subquery()
        for one in ids
    ]
    found = (await session.execute(select(*counts))).one()
    return {
        identity: Total(min(number, MOST_COUNTED), number <= MOST_COUNTED)
        for identity, number in zip(ids, found, strict=True)
    }


async def employees(session: AsyncSession, *, active: bool = False) -> list[tuple[int, str]]:
    """Everybody who is or was responsible, by name; with `active` only those who work here now."""
    statement = select(Employee.id, Employee.name)
    rows = (await session.execute(statement.where(Employee.active) if active else statement)).all()
    return sorted(((row[0], row[1]) for row in rows), key=lambda row: (sort_key(row[1]), row[0]))


async def group_labels(session: AsyncSession, order: LeadOrder) -> list[int]:
    """The labels of an order's groups, in the order of their ranks; see leads.store.list_shapes."""
    match order:
        case LeadOrder.STATUS:
            return [identity for identity, _name in await status_names(session, StatusSet.LEADS)]
        case LeadOrder.RESPONSIBLE:
            return [NOBODY, *(identity for identity, _name in await employees(session))]
        case LeadOrder.SOURCE:
            words = (await session.execute(select(SourceWord.id, SourceWord.name))).all()
            return [NOBODY, *(row[0] for row in sorted(words, key=lambda row: (sort_key(row[1]), row[0])))]
        case LeadOrder.LAST_CALL:
            return [_NEVER, _CALLED]
    return [0]


async def _sources(
    session: AsyncSession, wanted: LeadFilter, order: LeadOrder, scope: frozenset[int] | None
) -> list[Source]:
    ordered_statuses = [identity for identity, _name in await status_names(session, StatusSet.LEADS)]
    if wanted.status_id is not None and wanted.status_id not in ordered_statuses:
        return []
    labels = ordered_statuses if order is LeadOrder.STATUS else await group_labels(session, order)
    dialect = (await session.connection()).dialect.name
    anywhere = (Lead.list_state.in_(_STATES[LeadState.ALL]), Lead.status_id.in_(ordered_statuses))
    found = (
        *searches(dialect, Lead, search_patterns(wanted.search), anywhere),
        *key_holds(dialect, Lead, Lead.sort_name, wanted.name, anywhere),
        *number_holds(dialect, Lead, wanted.number),
    )
    inside, outside = _by_columns(wanted, order, everybody=scope is None)
    found = (*found, *outside)
    shape = _Shape(wanted, order, ordered_statuses, labels, inside)
    if scope is None:
        return [shape.source(None, found)]
    combinations = len(scope) * len(ordered_statuses) * len(_STATES[wanted.state])
    if combinations > _MOST_SEGMENTS:
        return [shape.source(None, (*found, leads_of(scope)))]
    worked_on = leads_worked_on(scope)
    not_mine = or_(Lead.responsible_id.is_(None), ~leads_in_charge(scope))
    others = Condition(and_(worked_on.check, not_mine), worked_on.ids)
    sources = [shape.source(None, (*found, others), not_mine)]
    if wanted.responsible_id is None or wanted.responsible_id in scope:
        sources.append(shape.source(sorted(scope), found))
    return sources


def _by_columns(
    wanted: LeadFilter, order: LeadOrder, *, everybody: bool
) -> tuple[tuple[ColumnElement[bool], ...], tuple[Condition, ...]]:
    """The filters of single columns: those that the indexes of the order narrow by themselves, and the others."""
    inside = [] if order in _KEYS else [*named(Lead.sort_name, wanted.name)]
    outside: list[Condition] = []
    for sorted_by, moment, stretch in (
        (LeadOrder.CREATED, Lead.created_at, wanted.created),
        (LeadOrder.LAST_CALL, Lead.last_call_at, wanted.last_call),
    ):
        if stretch is not None and order is sorted_by:
            inside.append(stretch.holds(moment))
        elif stretch is not None:
            outside.append(_covered(stretch.holds(moment)))
    if wanted.source_id is not None:
        check = _of_source(wanted.source_id)
        if everybody and wanted.responsible_id is None and order in _BY_SOURCE:
            inside.append(check)
        else:
            outside.append(_covered(check))
    return tuple(inside), tuple(outside)


def _covered(check: ColumnElement[bool]) -> Condition:
    return Condition(check, select(Lead.id).where(check), Index.COVERING)


def _of_source(source_id: int) -> ColumnElement[bool]:
    return Lead.source_id.is_(None) if source_id == NOBODY else Lead.source_id == source_id


@dataclass(frozen=True, slots=True)
class _Shape:
    """The groups and segments of one list; see leads.store.listing and the indexes of Lead.

    `labels` are those of all its groups; `inside` narrows each segment.
    """

    wanted: LeadFilter
    order: LeadOrder
    statuses: list[int]
    labels: list[int]
    inside: tuple[ColumnElement[bool], ...]

    def source(
        self, responsibles: list[int] | None, conditions: tuple[Condition, ...], *more: ColumnElement[bool]
    ) -> Source:
        """The part of the list that `responsibles` are in charge of; None for everybody's. `more` filters besides."""
        if self.wanted.responsible_id is not None:
            responsibles = [self.wanted.responsible_id]
        states = _STATES[self.wanted.state]
        chosen = self.statuses if self.wanted.status_id is None else [self.wanted.status_id]
        others: list[ColumnElement[bool]] = [*self.inside, *more]
        if self.wanted.status_id is not None:
            others.append(Lead.status_id == self.wanted.status_id)
        elif self.inside:
            others.append(Lead.status_id.in_(chosen))  # As the indexes have it before what is inside.
        if responsibles is not None:
            others.append(_either(responsibles))
        filters = [Lead.list_state.in_(states), *others]
        if _CLOSED in states:
            # In this form it is looked up for closed leads only.
            filters.append(or_(Lead.list_state != _CLOSED, Lead.merged_into_id.is_(None)))
        key = _KEYS.get(self.order, Lead.sort_name)
        label: ColumnElement[int] | None = None
        in_use: Select[Any] | None = None
        ranks = {each: place for place, each in enumerate(self.labels)}
        match self.order:
            case LeadOrder.STATUS:
                groups = [_group(ranks[each], each, states, [each], responsibles, *self.inside) for each in chosen]
                label = Lead.status_id.expression
            case LeadOrder.RESPONSIBLE:
                groups = [
                    _group(place, each, states, chosen, [each], *self.inside)
                    for each, place in ranks.items()
                    if responsibles is None or each in responsibles
                ]
                label = func.coalesce(Lead.responsible_id, NOBODY)
                if responsibles is None:
                    theirs = [Lead.responsible_id == Employee.id, *filters, *self._stretches(chosen)]
                    in_use = select(Employee.id).where(exists().where(*theirs))
            case LeadOrder.SOURCE:
                groups = [
                    _group(place, each, states, chosen, responsibles, _of_source(each), *self.inside)
                    for each, place in ranks.items()
                    if self.wanted.source_id in (None, each)
                ]
                label = func.coalesce(Lead.source_id, NOBODY)
                if self.wanted.source_id is None:
                    in_use = select(SourceWord.id).where(exists().where(Lead.source_id == SourceWord.id, *filters))
            case LeadOrder.LAST_CALL:
                never, called = Lead.last_call_at.is_(None), Lead.last_call_at.is_not(None)
                groups = [
                    _group(ranks[each], each, states, chosen, responsibles, when, *self.inside)
                    for each, when in ((_NEVER, never), (_CALLED, called))
                    if self.wanted.last_call is None or when is called
                ]
                label = case((never, _NEVER), else_=_CALLED)
            case _:
                groups = [_group(0, 0, states, chosen, responsibles, *self.inside)]
        groups = [replace(group, held=self._held(group, responsibles)) for group in groups]
        return Source(
            id=Lead.id,
            key=key,
            groups=tuple(groups),
            filters=tuple(filters),
            seen=(*_SEEN_STATES[self.wanted.state], *others),
            conditions=conditions,
            label=label,
            labels_in_use=in_use,
        )

    def _held(self, group: Group, responsibles: list[int] | None) -> Callable[[], Segments] | None:
        """Where a group stands in an index that holds all that lists sort and filter by, if most there are wanted."""
        if responsibles is not None or self.wanted.status_id is not None:
            return None
        match self.order:
            case LeadOrder.SOURCE:
                return group.segments
            case LeadOrder.CREATED:
                return lambda: (self.inside,)
            case LeadOrder.LAST_CALL:
                called = Lead.last_call_at.is_not(None) if group.label else Lead.last_call_at.is_(None)
                return lambda: ((called, *self.inside),)
        return None

    def _stretches(self, statuses: list[int]) -> list[ColumnElement[bool]]:
        """The stretches of time that the list is narrowed to, as each responsible has an index for them."""
        moments = ((Lead.created_at, self.wanted.created), (Lead.last_call_at, self.wanted.last_call))
        within = [stretch.holds(moment) for moment, stretch in moments if stretch is not None]
        return [Lead.status_id.in_(statuses), *within] if within else []


def _group(
    rank: int,
    label: int,
    states: Iterable[int],
    statuses: Iterable[int],
    responsibles: list[int] | None,
    *more: ColumnElement[bool],
) -> Group:
    return Group(
        rank,
        label,
        partial(_segments, states, statuses, responsibles, *more),
        partial(_together, states, statuses, responsibles, *more),
    )


def _together(
    states: Iterable[int], statuses: Iterable[int], responsibles: list[int] | None, *more: ColumnElement[bool]
) -> tuple[ColumnElement[bool], ...]:
    """The stretches of an index that _segments gives, in one condition, and with merged leads."""
    whose = () if responsibles is None else (_either(responsibles),)
    return (*whose, Lead.list_state.in_(states), Lead.status_id.in_(statuses), *more)


def _segments(
    states: Iterable[int], statuses: Iterable[int], responsibles: Iterable[int] | None, *more: ColumnElement[bool]
) -> Segments:
    """One stretch of an index for each combination."""
    if responsibles is None:
        return tuple((*_in_state(a), _in_status(b), *more) for a, b in product(states, statuses))
    return tuple(
        (_charge(who), *_in_state(a), _in_status(b), *more) for who, a, b in product(responsibles, states, statuses)
    )


@cache  # As is _in_status: to make a condition takes as long as to pass a hundred entries of an index.
def _in_state(state: int) -> tuple[ColumnElement[bool], ...]:
    """Leads of one state; those that were merged away are in none, though they are closed too."""
    if state == _CLOSED:
        return (Lead.list_state == state, Lead.merged_into_id.is_(None))
    return (Lead.list_state == state,)


@lru_cache(maxsize=100)
def _in_status(status: int) -> ColumnElement[bool]:
    return Lead.status_id == status


def _charge(responsible: int) -> ColumnElement[bool]:
    return Lead.responsible_id.is_(None) if responsible == NOBODY else Lead.responsible_id == responsible


def _either(responsibles: list[int]) -> ColumnElement[bool]:
    if len(responsibles) == 1:
        return _charge(responsibles[0])
    return Lead.responsible_id.in_(responsibles)
