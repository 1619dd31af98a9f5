"""The report on calls (R3) against a count of our own over the same rows, on random calls."""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, select

from leads.domain.calls import Direction, Phase, Result, Role
from leads.domain.periods import Period
from leads.store import call_report
from leads.store.call_report import CallFigure, CallFigures, CallGrouping, Key, calls_behind, count_calls
from leads.store.engine import Database
from leads.store.figures import TooManyGroupsError
from leads.store.lead_past import LeadPast
from leads.store.long_reads import LongReads
from leads.store.models import Call, ContactPerson, Counterparty, Did, Employee, Lead

BEGIN = datetime(2026, 3, 20, tzinfo=UTC)
PERIOD = Period(date(2026, 3, 26), date(2026, 4, 2), ZoneInfo("Europe/Kyiv"))
"""The clocks go forward in it."""
PEOPLE = (None, 1, 2, 3)
ORDERS = [
    *((each,) for each in CallGrouping),
    (CallGrouping.DAY, CallGrouping.EMPLOYEE),
    tuple(CallGrouping)[::-1],
]
NUMBERS = ("+380441111111", "+380442222222")


def _random_call(dice: random.Random, place: int) -> dict[str, Any]:
    started = BEGIN + timedelta(seconds=dice.randrange(18 * 86_400))
    direction = dice.choice((*[Direction.INBOUND] * 4, Direction.OUTBOUND, Direction.INTERNAL, None))
    phase = dice.choice((*[Phase.ENDED] * 9, Phase.TALKING))
    result = dice.choice(tuple(Result)) if phase is Phase.ENDED else None
    answered = result is Result.ANSWERED
    person = dice.choice(("lead", "counterparty", "contact", None))
    return {
        "pbx": "pbx",
        "linkedid": f"{place}",
        "role": dice.choice((*[Role.CALL] * 9, Role.CONSULTATION)),
        "phase": phase,
        "progress": 1,
        "direction": direction,
        "outside_number": None if dice.random() < 0.1 else f"+380500000{dice.randrange(120):03}",
        "did": dice.choice((*NUMBERS, "+380443333333", None)) if direction is Direction.INBOUND else None,
        "result": result,
        "employee_id": dice.choice(PEOPLE) if answered or direction is Direction.OUTBOUND else None,
        "lead_id": dice.randrange(1, 6) if person == "lead" else None,
        "counterparty_id": 1 if person in ("counterparty", "contact") else None,
        "contact_person_id": dice.choice((1, 2)) if person == "contact" else None,
        "started_at": started,
        "ring_seconds": dice.choice((None, 4.5, 12.25)) if answered else dice.choice((None, 30.0)),
        "talk_seconds": dice.choice((None, 65.5, 300.0)) if answered else dice.choice((None, 0.0)),
    }


@pytest.fixture
async def calls(database: Database) -> list[dict[str, Any]]:
    """Five leads, one of which has another responsible since the period; a counterparty; 600 calls."""
    dice = random.Random(7)
    rows = [_random_call(dice, place) for place in range(600)]
    async with database.write() as session:
        session.add_all([Employee(id=key, name=f"e{key}", created_at=BEGIN) for key in (1, 2, 3)])
        await session.flush()
        session.add_all([Did(number=NUMBERS[0], responsible_id=3), Did(number=NUMBERS[1])])
        made = {"status_id": 1, "created_at": BEGIN, "updated_at": BEGIN}
        session.add_all([Lead(id=key, name=f"{key}", responsible_id=PEOPLE[key % 4], **made) for key in range(1, 6)])
        session.add(Counterparty(id=1, name="C", responsible_id=2, created_at=BEGIN, updated_at=BEGIN))
        await session.flush()
        session.add_all([ContactPerson(id=key, counterparty_id=1, name="p", responsible_id=3 - key) for key in (1, 2)])
        await session.flush()
        (await session.get_one(ContactPerson, 2)).responsible_id = None
        session.add_all([Call(**row, legs=[], transfers=[]) for row in rows])
    async with database.write() as session:
        lead = await session.get_one(Lead, 1)
        lead.responsible_id, lead.updated_at = 3, PERIOD.end + timedelta(seconds=1)
    return rows


RESPONSIBLE_THEN = {key: PEOPLE[key % 4] for key in range(1, 6)}
CONTACTS: dict[int | None, int | None] = {1: 2, 2: None, None: None}


def _employee(row: dict[str, Any]) -> int | None:
    if row["direction"] is Direction.OUTBOUND or row["result"] is Result.ANSWERED:
        return row["employee_id"]
    of_counterparty = CONTACTS[row["contact_person_id"]] or 2 if row["counterparty_id"] else None
    of_lead = RESPONSIBLE_THEN[row["lead_id"]] if row["lead_id"] else None
    return of_counterparty or of_lead or (3 if row["did"] == NUMBERS[0] else None)


def _keys(row: dict[str, Any], by: Sequence[CallGrouping]) -> tuple[Key, ...]:
    local = row["started_at"].astimezone(PERIOD.zone)
    keys = {
        CallGrouping.HOUR: local.hour,
        CallGrouping.DAY: local.date().isoformat(),
        CallGrouping.EMPLOYEE: _employee(row),
        CallGrouping.NUMBER: row["did"],
    }
    return tuple(keys[each] for each in by)


def _figures(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> CallFigures:
    inbound, answered = row["direction"] is Direction.INBOUND, row["result"] is Result.ANSWERED
    called_back = any(
        other["direction"] is Direction.OUTBOUND
        and other["role"] is Role.CALL
        and other["result"] is not Result.FAILED
        and other["outside_number"] is not None
        and other["outside_number"] == row["outside_number"]
        and other["started_at"] > row["started_at"]
        for other in rows
    )
    wait = row["ring_seconds"] if inbound and answered else None
    return CallFigures(
        inbound=int(inbound),
        answered=int(inbound and answered),
        missed=int(inbound and not answered),
        called_back=int(inbound and not answered and called_back),
        waits=int(wait is not None),
        wait_seconds=wait or 0,
        outgoing=int(not inbound),
        reached=int(not inbound and answered),
        talk_seconds=(row["talk_seconds"] or 0) if answered else 0,
    )


def _count(
    rows: Sequence[dict[str, Any]],
    of_call: Mapping[str, CallFigures],
    by: Sequence[CallGrouping],
    scope: frozenset[int] | None,
) -> dict[tuple[Key, ...], CallFigures]:
    figures: dict[tuple[Key, ...], CallFigures] = defaultdict(CallFigures)
    for row in rows:
        if (
            row["role"] is Role.CALL
            and row["phase"] is Phase.ENDED
            and row["direction"] in (Direction.INBOUND, Direction.OUTBOUND)
            and PERIOD.first <= row["started_at"].astimezone(PERIOD.zone).date() <= PERIOD.last
            and (scope is None or _employee(row) in scope)
        ):
            figures[_keys(row, by)] += of_call[row["linkedid"]]
    return figures


@pytest.mark.parametrize("scope", [None, frozenset({1, 3})])
async def test_every_figure_is_what_a_count_over_the_rows_gives(
    database: Database, calls: list[dict[str, Any]], scope: frozenset[int] | None
) -> None:
    of_call = {row["linkedid"]: _figures(row, calls) for row in calls}
    reads = LongReads(database)
    for by in ORDERS:
        found = await reads.run(lambda connection, by=by: count_calls(connection, PERIOD, by, scope))  # type: ignore[misc]
        assert found == _count(calls, of_call, by, scope), by
        some = dict(list(found.items())[:: 5 if len(by) == 1 else 99])
        behind = await reads.run(lambda connection, by=by, of=some: _behind(connection, by, of, scope))  # type: ignore[misc]
        assert behind == {keys: [getattr(each, figure) for figure in CallFigure] for keys, each in some.items()}, by
    reads.close()


async def test_more_groups_than_a_report_has_are_refused(
    database: Database, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    by = (CallGrouping.NUMBER,)
    reads = LongReads(database)
    many = len(await reads.run(lambda connection: count_calls(connection, PERIOD, by, None)))
    monkeypatch.setattr(call_report, "MOST_GROUPS", many)
    assert len(await reads.run(lambda connection: count_calls(connection, PERIOD, by, None))) == many
    monkeypatch.setattr(call_report, "MOST_GROUPS", many - 1)
    with pytest.raises(TooManyGroupsError):
        await reads.run(lambda connection: count_calls(connection, PERIOD, by, None))
    reads.close()


def _behind(
    connection: Connection, by: Sequence[CallGrouping], groups: Iterable[tuple[Key, ...]], scope: frozenset[int] | None
) -> dict[tuple[Key, ...], list[int]]:
    """How many calls are behind each figure of some groups, read some at a time."""
    found: dict[tuple[Key, ...], list[int]] = {}
    for keys in groups:
        where = dict(zip(by, keys, strict=True))
        for figure in CallFigure:
            calls: list[int] = []
            while page := calls_behind(
                connection, PERIOD, figure, where, scope, after=calls[-1] if calls else 0, most=9
            ):
                calls += page
            assert calls == sorted(set(calls))
            found.setdefault(keys, []).append(len(calls))
    return found


async def test_the_database_keeps_what_leads_were(database: Database, calls: list[dict[str, Any]]) -> None:
    async with database.read() as session:
        rows = (await session.execute(select(LeadPast.lead_id, LeadPast.responsible_id, LeadPast.until))).all()
    assert [tuple(row) for row in rows] == [(1, 1, PERIOD.end + timedelta(seconds=1))]


def test_what_an_average_and_a_share_are_of() -> None:
    some = CallFigures(inbound=8, answered=6, missed=2, waits=4, wait_seconds=10.0)
    assert (some.mean_wait, some.missed_share) == (2.5, 0.25)
    assert (CallFigures(outgoing=3).mean_wait, CallFigures(outgoing=3).missed_share) == (None, None)


async def test_a_period_holds_its_first_moment_and_not_the_next_ones(database: Database) -> None:
    call = {**_random_call(random.Random(1), 0), "lead_id": None, "counterparty_id": None, "contact_person_id": None}
    call |= {"role": Role.CALL, "phase": Phase.ENDED, "direction": Direction.INBOUND, "employee_id": None, "did": None}
    async with database.write() as session:
        for place, moment in enumerate((PERIOD.begin - timedelta(seconds=1), PERIOD.begin, PERIOD.end)):
            session.add(Call(**{**call, "linkedid": f"{place}", "started_at": moment}, legs=[], transfers=[]))
    reads = LongReads(database)
    figures = await reads.run(lambda connection: count_calls(connection, PERIOD, (CallGrouping.DAY,), None))
    reads.close()
    assert {keys: each.inbound for keys, each in figures.items()} == {("2026-03-26",): 1}
