"""The status directory: one set for leads, one for counterparties; what is in use is never just removed (P1)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.statuses import StatusSet
from leads.store.company import CompanyError, GoneError, SavedMeanwhileError, TakenError
from leads.store.engine import Database
from leads.store.lock_order import locked_in_order
from leads.store.models import Change, Counterparty, CounterpartyStatus, Lead, LeadStatus
from leads.store.planning_settings import planning_choice
from leads.store.plans import cancel_plans_with

AT_ONCE = 500
"""Cards that get another status in one transaction: calls are written in between."""
Status = LeadStatus | CounterpartyStatus
_STATUS: dict[StatusSet, type[LeadStatus] | type[CounterpartyStatus]] = {
    StatusSet.LEADS: LeadStatus,
    StatusSet.COUNTERPARTIES: CounterpartyStatus,
}
_CARD: dict[StatusSet, type[Lead] | type[Counterparty]] = {
    StatusSet.LEADS: Lead,
    StatusSet.COUNTERPARTIES: Counterparty,
}


class LastStatusError(CompanyError):
    """Every card has a status, so one is left."""


class NeedsReplacementError(CompanyError):
    """The status is in use by `count` cards; another one must take its place."""

    def __init__(self, count: int) -> None:
        super().__init__(f"in use by {count}")
        self.count = count


@dataclass(frozen=True, slots=True)
class StatusEdit:
    """A status as typed."""

    name: str
    sort_order: int
    plans: bool
    plan_days: int


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One status of the directory with the number of cards that have it."""

    id: int
    version: int
    name: str
    sort_order: int
    plans: bool
    plan_days: int
    used: int


async def status_rows(session: AsyncSession, which: StatusSet) -> list[StatusRow]:
    """The directory of one set in its order."""
    status, card = _STATUS[which], _CARD[which]
    counts = select(card.status_id, func.count().label("used")).group_by(card.status_id).subquery()
    rows = await session.execute(
        select(
            status.id,
            status.version,
            status.name,
            status.sort_order,
            status.plans,
            status.plan_days,
            func.coalesce(counts.c.used, 0),
        )
        .outerjoin(counts, counts.c.status_id == status.id)
        .order_by(status.sort_order, status.id)
    )
    return [StatusRow(*row) for row in rows]


async def status_names(session: AsyncSession, which: StatusSet) -> list[tuple[int, str]]:
    """Key and name of each status of one set, in the directory's order."""
    status = _STATUS[which]
    rows = await session.execute(select(status.id, status.name).order_by(status.sort_order, status.id))
    return [(row[0], row[1]) for row in rows]


async def save_status(
    session: AsyncSession, which: StatusSet, status_id: int | None, version: int, edit: StatusEdit
) -> int:
    """Save a status, or a new one when `status_id` is None; returns the key.

    Raises:
        SavedMeanwhileError, GoneError: as said there.
        TakenError: another status of the set has the name.
    """
    table = _STATUS[which]
    others = select(table.id).where(func.lower(table.name) == edit.name.lower(), table.id != (status_id or -1))
    if await session.scalar(others) is not None:
        raise TakenError("name", edit.name, edit.name)
    status = table() if status_id is None else await _opened(session, which, status_id, version)
    status.name, status.sort_order = edit.name, edit.sort_order
    status.plans, status.plan_days = edit.plans, edit.plan_days
    session.add(status)
    await session.flush()
    return status.id


async def remove_status(
    database: Database,
    which: StatusSet,
    status_id: int,
    version: int,
    replacement_id: int | None,
    *,
    by: int | None,
    now: datetime,
) -> int:
    """Remove a status; the cards that have it get the replacement, each with a line in its history.

    A call that is planned with one of them stays on its day, or is cancelled where the replacement plans none (P2); who
    has none is planned by the daily job. Many cards are changed in many small transactions, so that no call waits; one
    that breaks off is begun again.

    Returns:
        how many cards got the replacement.

    Raises:
        SavedMeanwhileError, GoneError: as said there; a replacement that was removed meanwhile counts as gone.
        NeedsReplacementError: cards have it, and no replacement is named.
        LastStatusError: there is no other one.
    """
    replaced = 0
    while True:
        async with database.write() as session:
            status = await _opened(session, which, status_id, version)
            names = dict(await status_names(session, which))
            if len(names) == 1:
                raise LastStatusError
            used = await _used(session, which, status_id)
            if not used:
                await session.delete(status)
                return replaced
            if replacement_id is None or replacement_id == status_id:
                raise NeedsReplacementError(used)
            if replacement_id not in names:
                raise GoneError
            replacement: Status = await session.get_one(_STATUS[which], replacement_id)
            replaced += await _replace_some(session, which, status, replacement, (by, now))


async def _replace_some(
    session: AsyncSession,
    which: StatusSet,
    before: Status,
    replacement: Status,
    told: tuple[int | None, datetime],
) -> int:
    """Give some of the cards of status `before` the replacement; `told` is who did and when; returns how many."""
    card, (by, now) = _CARD[which], told
    with_it = locked_in_order(card, card.status_id == before.id).limit(AT_ONCE)
    some = list(await session.scalars(with_it))
    changed = {"status_id": replacement.id, "version": card.version + 1, "updated_at": now}
    await session.execute(
        update(card).where(card.id.in_(some)).values(**changed).execution_options(synchronize_session=False)
    )
    key = "lead_id" if which is StatusSet.LEADS else "counterparty_id"
    change = {"at": now, "employee_id": by, "field": "status", "before": before.name, "after": replacement.name}
    await session.execute(insert(Change), [change | {key: each} for each in some])
    _version, choice = await planning_choice(session)
    if choice.planning and not replacement.plans:
        await cancel_plans_with(session, key, some, now, by)
    return len(some)


async def _used(session: AsyncSession, which: StatusSet, status_id: int) -> int:
    card = _CARD[which]
    return await session.scalar(select(func.count()).select_from(card).where(card.status_id == status_id)) or 0


async def _opened(session: AsyncSession, which: StatusSet, status_id: int, version: int) -> Status:
    """The status, locked, when it is still as it was opened."""
    status: Status | None = await session.get(_STATUS[which], status_id, with_for_update={"key_share": True})
    if status is None:
        raise GoneError
    if status.version != version:
        raise SavedMeanwhileError
    return status
