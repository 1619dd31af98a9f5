"""Pages of planned calls are the list in its order, whosever they are, and no more of it is read (P5)."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import product

import pytest
from sqlalchemy import insert, select

from leads.domain.follow_up import TaskKind
from leads.domain.planning import PlanState
from leads.store import plan_lists
from leads.store.counterparty_card import CounterpartyEdit, PersonEdit, save_counterparty
from leads.store.day_lists import open_tasks_for
from leads.store.engine import Database
from leads.store.models import Employee, Lead
from leads.store.people_of_calls import CallPerson
from leads.store.plan_lists import PlanFilter, list_plans
from leads.store.planning_tables import PlannedCall
from leads.store.tasks import give_task
from tests.leads.planning import TUESDAY, Desk
from tests.leads.query_plans import plans, statements

BEGIN = date(2026, 3, 3)
PEOPLE: tuple[frozenset[int] | None, ...] = (None, frozenset({1}), frozenset({1, 3}), frozenset({2, 3}), frozenset())


@pytest.fixture
async def planned(database: Database) -> Sequence[PlannedCall]:
    """Ninety calls of three employees, and some that are nobody's."""
    dice = random.Random(5)
    async with database.write() as session:
        await session.execute(
            insert(Employee), [{"id": key, "name": f"e{key}", "created_at": TUESDAY} for key in (1, 2, 3)]
        )
        for key in range(1, 91):
            name = {"name": f"L {key}", "sort_name": f"l {key}", "search_text": "", "main_number": f"+3805{key:08}"}
            session.add(Lead(id=key, status_id=1, **name, created_at=TUESDAY, updated_at=TUESDAY))
        await session.flush()
        for key in range(1, 91):
            session.add(
                PlannedCall(
                    lead_id=key,
                    employee_id=dice.choice((None, 1, 2, 3)),
                    state=dice.choice((*PlanState, PlanState.OPEN)),
                    day=BEGIN + timedelta(days=dice.randrange(6)),
                    set_at=TUESDAY,
                    made_at=TUESDAY,
                )
            )
    async with database.read() as session:
        return (await session.scalars(select(PlannedCall))).all()


async def test_pages_are_the_list(
    database: Database, planned: Sequence[PlannedCall], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_lists, "PAGE", 4)
    days = (None, BEGIN + timedelta(days=2))
    async with database.read() as session:
        for state, whose, before, day in product(PlanState, PEOPLE, days, days):
            expected = [
                one
                for one in planned
                if one.state is state
                and (whose is None or one.employee_id in whose)
                and (before is None or one.day < before)
                and day in (None, one.day)
            ]
            expected.sort(key=lambda one: (one.day, one.id), reverse=state is not PlanState.OPEN)
            found, page = [], 0
            while True:
                rows = await list_plans(session, PlanFilter(state, whose, before, day), page)
                found += [row.id for row in rows[:4]]
                page += 1
                if len(rows) <= 4:
                    break
            assert found == [one.id for one in expected], (state, whose, before, day)


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_page_is_read_in_its_order(database: Database) -> None:
    """300,000 calls that were done took 2 s to sort, 50,000 that are open for ten people 0.7 s."""
    for state, whose in product(PlanState, PEOPLE[:4]):
        with statements() as seen:
            async with database.read() as session:
                await list_plans(session, PlanFilter(state, whose), 0)
        (steps,) = (await plans(database, seen)).values()
        one = whose is not None and len(whose) == 1
        index = "ix_planned_call_employee_id" if one else "ix_planned_call_state_day (state=?"
        at = next(place for place, step in enumerate(steps) if index in step)
        assert "COVERING INDEX" in steps[at], steps
        assert not steps[at + 1].startswith("USE TEMP B-TREE"), steps


async def test_a_counterparty_is_called_by_its_own_first_number(database: Database) -> None:
    """Where only contact persons have numbers, each showed the first of any counterparty with a planned call."""
    desk = await Desk(database).open()
    own: dict[int, str | None] = {}
    for place, numbers in enumerate(((), (), ("+380441110000",))):
        of_person = f"+38050111000{place}"
        person = PersonEdit(None, f"p{place}", "", None, None, (of_person,))
        edit = CounterpartyEdit(f"ТОВ {place}", "", "", "", "", None, 1, numbers, (person,))
        saved = await save_counterparty(database, None, 0, edit, by=1, clock=desk.clock, region="UA")
        own[saved.id] = numbers[0] if numbers else of_person
    bare = CounterpartyEdit("ТОВ", "", "", "", "", None, 1, (), ())
    own[(await save_counterparty(database, None, 0, bare, by=1, clock=desk.clock, region="UA")).id] = None
    for key in own:
        await desk.by_hand(CallPerson(counterparty_id=key), 0)
        async with database.write() as session:
            await give_task(session, CallPerson(counterparty_id=key), 1, "t", None, by=2, now=desk.now)
    async with database.read() as session:
        planned = await list_plans(session, PlanFilter(), 0)
        tasks = (await open_tasks_for(session, 1, TaskKind.TYPED)).rows
    assert {row.counterparty_id: row.number for row in planned} == own
    assert {row.counterparty_id: row.number for row in tasks} == own
