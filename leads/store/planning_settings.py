"""The company's choices for planning: whether, on which days, how many calls a day (P2 to P4)."""

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.planning import Calendar, Workload
from leads.store.company import SavedMeanwhileError
from leads.store.duty_tables import Holiday
from leads.store.planning_tables import OPEN, PlannedCall, PlanningSetting


@dataclass(frozen=True, slots=True)
class PlanningChoice:
    """What the company chose; `any_conversation`: every conversation fulfils, not only one from the Call button."""

    planning: bool
    any_conversation: bool
    daily_cap: int
    working_days: frozenset[int]


async def planning_choice(session: AsyncSession) -> tuple[int, PlanningChoice]:
    """The choice as it is now, with its version."""
    row = (await session.scalars(select(PlanningSetting))).one()
    days = frozenset(int(digit) for digit in row.working_days)
    return row.version, PlanningChoice(row.planning, row.any_conversation, row.daily_cap, days)


async def save_planning_choice(session: AsyncSession, version: int, choice: PlanningChoice) -> None:
    """Choose anew.

    Raises:
        SavedMeanwhileError: somebody else did so since the choice was opened.
    """
    row = (await session.scalars(select(PlanningSetting).with_for_update())).one()
    if row.version != version:
        raise SavedMeanwhileError
    row.planning, row.any_conversation, row.daily_cap = choice.planning, choice.any_conversation, choice.daily_cap
    row.working_days = "".join(str(day) for day in sorted(choice.working_days))


async def company_calendar(session: AsyncSession, zone: ZoneInfo) -> Calendar:
    """The company's days, as planning counts them."""
    _version, choice = await planning_choice(session)
    holidays = frozenset(await session.scalars(select(Holiday.day)))
    return Calendar(zone, choice.working_days, holidays)


async def planned_load(session: AsyncSession, zone: ZoneInfo, since: date) -> Workload:
    """How many open calls each employee has on each day since one, to spread many more within the daily cap (P4)."""
    _version, choice = await planning_choice(session)
    counts = await session.execute(
        select(PlannedCall.employee_id, PlannedCall.day, func.count())
        .where(OPEN, PlannedCall.day >= since)
        .group_by(PlannedCall.employee_id, PlannedCall.day)
    )
    calendar = await company_calendar(session, zone)
    return Workload.of(choice.daily_cap, calendar, ((row[0], row[1], row[2]) for row in counts))
