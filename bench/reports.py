"""What a year's reports cost beside the same figures as one SQL statement by hand: a ratio for each kind.

    python -m bench.reports [DATABASE_URL]

A year of 1,000,000 calls and 200,000 leads; a database that is named is to be filled before, by `python -m bench.year`,
which takes minutes. Both sides take turns on one connection and must tell the same figures; the
ratio is of the medians of CPU time, or of time on PostgreSQL, whose work is done elsewhere. The statements by hand are
what somebody writes who knows the tables and asks for one thing only; so they know no groups but their own.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from bench.year import seed_year
from leads.domain.periods import Period
from leads.store.call_report import CallGrouping, count_calls
from leads.store.contact_report import Wanted, unnamed_leads, waiting_callers
from leads.store.engine import Database
from leads.store.lead_report import Dimension, count_leads
from leads.store.long_reads import LongReads

LEADS, CALLS = 200_000, 1_000_000
ROUNDS = 3
SECONDS = 300.0
PERIOD = Period(date(2025, 1, 1), date(2025, 12, 31), ZoneInfo("Europe/Kyiv"))
FIRST = Wanted(100)
Figures = Mapping[Any, Any]


class Contest(NamedTuple):
    """A report, and the statement by hand that tells the same."""

    name: str
    ours: Callable[[Connection], Figures]
    by_hand: str


_PAST = """
WITH later AS (
    SELECT p.lead_id, p.status_id, p.responsible_id, p.closed FROM lead_past p
    JOIN (SELECT min(id) AS id FROM lead_past WHERE until >= :end GROUP BY lead_id) first ON first.id = p.id
), lead_then AS (
    SELECT l.id, l.source_id, l.created_at, l.responsible_id AS now_responsible,
        CASE WHEN l.counterparty_id IS NOT NULL THEN l.closed_at END AS converted_at,
        CASE WHEN later.lead_id IS NULL THEN l.status_id ELSE later.status_id END AS status_id,
        CASE WHEN later.lead_id IS NULL THEN l.responsible_id ELSE later.responsible_id END AS responsible_id,
        CASE WHEN later.lead_id IS NULL THEN l.closed_at IS NOT NULL ELSE later.closed END AS closed
    FROM lead l LEFT JOIN later ON later.lead_id = l.id WHERE l.merged_into_id IS NULL
)"""
"""What each lead was at the period's end."""
_COLUMNS = {
    Dimension.EMPLOYEE: "employee",
    Dimension.SOURCE: "source_id",
    Dimension.STATUS: "status_id",
    Dimension.STATE: "CASE WHEN closed THEN 1 ELSE 0 END",
    Dimension.LEAD: "id",
}


def leads_by_hand(*by: Dimension) -> str:
    """All five figures in one pass over leads, conversions and calls."""
    keys = ", ".join(_COLUMNS[each] for each in by)
    grouped = f" GROUP BY {keys}" if by else ""
    return f"""{_PAST}, since AS (
    SELECT p.lead_id, p.responsible_id FROM lead_past p JOIN (
        SELECT min(p.id) AS id FROM lead_past p JOIN lead l ON l.id = p.lead_id
        WHERE p.closed AND l.closed_at >= :begin AND p.until >= l.closed_at GROUP BY p.lead_id
    ) first ON first.id = p.id
), calls AS (
    SELECT lead_id, CASE WHEN result = 'answered' OR phase = 2 THEN employee_id END AS talker, count(*) AS calls
    FROM call WHERE role = 'call' AND started_at >= :begin AND started_at < :end GROUP BY 1, 2
), facts AS (
    SELECT responsible_id AS employee, source_id, status_id, closed, id, 1 AS leads,
        CASE WHEN created_at >= :begin THEN 1 ELSE 0 END AS new, 0 AS calls, 0 AS converted,
        CASE WHEN created_at >= :begin AND converted_at < :end THEN 1 ELSE 0 END AS converted_new
    FROM lead_then WHERE created_at < :end
    UNION ALL
    SELECT CASE WHEN since.lead_id IS NULL THEN now_responsible ELSE since.responsible_id END,
        source_id, status_id, closed, id, 0, 0, 0, 1, 0
    FROM lead_then LEFT JOIN since ON since.lead_id = id WHERE converted_at >= :begin AND converted_at < :end
    UNION ALL
    SELECT coalesce(talker, responsible_id), source_id, status_id, closed, id, 0, 0, calls.calls, 0, 0
    FROM calls JOIN lead_then ON id = lead_id
)
SELECT {keys + ", " if keys else ""}sum(leads), sum(new), sum(calls), sum(converted), sum(converted_new)
FROM facts{grouped}"""


def calls_by_hand(key: str, joins: str = "") -> str:
    """All nine figures of calls in one pass."""
    return f"""
SELECT {key}, count(CASE WHEN direction = 'inbound' THEN 1 END),
    count(CASE WHEN direction = 'inbound' AND result = 'answered' THEN 1 END),
    count(CASE WHEN direction = 'inbound' AND (result IS NULL OR result <> 'answered') THEN 1 END),
    count(CASE WHEN direction = 'inbound' AND (result IS NULL OR result <> 'answered') AND EXISTS (
        SELECT 1 FROM call later WHERE later.outside_number = c.outside_number
        AND later.direction = 'outbound' AND later.started_at > c.started_at
    ) THEN 1 END),
    count(CASE WHEN direction = 'inbound' AND result = 'answered' THEN ring_seconds END),
    sum(CASE WHEN direction = 'inbound' AND result = 'answered' THEN ring_seconds END),
    count(CASE WHEN direction = 'outbound' THEN 1 END),
    count(CASE WHEN direction = 'outbound' AND result = 'answered' THEN 1 END),
    sum(CASE WHEN result = 'answered' THEN talk_seconds END)
FROM call c {joins}
WHERE started_at >= :begin AND started_at < :end AND role = 'call' AND phase = 3
AND direction IN ('inbound', 'outbound') GROUP BY 1"""


_AHEAD = """
CASE WHEN started_at < '2025-03-30 01:00:00' OR started_at >= '2025-10-26 01:00:00' THEN {winter} ELSE {summer} END"""
_LOCAL = {
    "sqlite": _AHEAD.format(
        winter="strftime('{0}', started_at, '+7200 seconds')", summer="strftime('{0}', started_at, '+10800 seconds')"
    ),
    "postgresql": "to_char(started_at AT TIME ZONE 'Europe/Kyiv', '{0}')",
}
_FORMATS = {"sqlite": ("%H", "%Y-%m-%d"), "postgresql": ("HH24", "YYYY-MM-DD")}
_OF_EMPLOYEE = """
LEFT JOIN ({past} SELECT id, responsible_id FROM lead_then) l ON l.id = c.lead_id
LEFT JOIN counterparty f ON f.id = c.counterparty_id
LEFT JOIN contact_person k ON k.id = c.contact_person_id
LEFT JOIN did d ON d.number = c.did
"""
_EMPLOYEE = """
CASE WHEN direction = 'outbound' OR result = 'answered' THEN c.employee_id
ELSE coalesce(k.responsible_id, l.responsible_id, f.responsible_id, d.responsible_id) END"""
_UNNAMED = """
SELECT l.responsible_id, count(*) FROM lead l JOIN (
    SELECT lead_id FROM call WHERE role = 'call' AND direction IN ('inbound', 'outbound') AND lead_id IS NOT NULL
    GROUP BY lead_id HAVING count(*) > 2
) c ON c.lead_id = l.id
WHERE NOT l.named AND l.closed_at IS NULL AND l.merged_into_id IS NULL GROUP BY 1"""
_WAITING = """
SELECT coalesce(k.responsible_id, f.responsible_id, CASE WHEN w.company IS NULL THEN l.responsible_id END), count(*)
FROM (
    SELECT DISTINCT c.outside_number, coalesce(c.counterparty_id, l.counterparty_id) AS company,
        coalesce(c.contact_person_id, l.contact_person_id) AS person,
        CASE WHEN coalesce(c.counterparty_id, l.counterparty_id) IS NULL THEN c.lead_id END AS lead
    FROM call c LEFT JOIN lead l ON l.id = c.lead_id
    WHERE c.started_at >= :begin AND c.started_at < :end AND c.role = 'call' AND c.phase = 3
    AND c.direction = 'inbound' AND (c.result IS NULL OR c.result <> 'answered') AND c.outside_number IS NOT NULL
    AND coalesce(c.lead_id, c.counterparty_id) IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM call later WHERE later.outside_number = c.outside_number
        AND later.direction = 'outbound' AND later.started_at > c.started_at
    )
) w LEFT JOIN lead l ON l.id = w.lead LEFT JOIN counterparty f ON f.id = w.company
LEFT JOIN contact_person k ON k.id = w.person GROUP BY 1"""


def contests(dialect: str) -> list[Contest]:
    """Every kind of report; of R1 each grouping alone, some pairs in both orders, and all at once."""
    employee, source, status, state, lead = Dimension
    orders = [(), *((each,) for each in Dimension if each is not lead), (employee, source), (source, employee)]
    orders += [(status, state), (employee, source, status, state), (state, status, source, employee)]
    found = [Contest(f"R1 by {', '.join(by) or 'nothing'}", _of_leads(by), leads_by_hand(*by)) for by in orders]
    hour, day = (_LOCAL[dialect].format(one) for one in _FORMATS[dialect])
    keys = {CallGrouping.HOUR: f"CAST({hour} AS INTEGER)", CallGrouping.DAY: day, CallGrouping.NUMBER: "did"}
    found += [Contest(f"R3 by {each}", _of_calls(each), calls_by_hand(key)) for each, key in keys.items()]
    joins = _OF_EMPLOYEE.format(past=_PAST)
    found.append(Contest("R3 by employee", _of_calls(CallGrouping.EMPLOYEE), calls_by_hand(_EMPLOYEE, joins)))
    found.append(Contest("R2, unnamed", lambda c: _counted(unnamed_leads(c, None, FIRST).by_responsible), _UNNAMED))
    found.append(
        Contest("R2, waiting", lambda c: _counted(waiting_callers(c, PERIOD, None, FIRST).by_responsible), _WAITING)
    )
    return found


def _of_leads(by: tuple[Dimension, ...]) -> Callable[[Connection], Figures]:
    return lambda connection: {
        key: astuple(figures) for key, figures in count_leads(connection, PERIOD, by, None).items()
    }


def _of_calls(grouping: CallGrouping) -> Callable[[Connection], Figures]:
    return lambda connection: {
        key: astuple(figures) for key, figures in count_calls(connection, PERIOD, (grouping,), None).items()
    }


def _counted(by_responsible: Mapping[int | None, int]) -> Figures:
    return {(key,): (count,) for key, count in by_responsible.items()}


def _by_hand(connection: Connection, contest: Contest) -> Figures:
    moments = {"begin": PERIOD.begin, "end": PERIOD.end}
    if connection.dialect.name == "sqlite":
        moments = {name: at.replace(tzinfo=None).isoformat(" ", "microseconds") for name, at in moments.items()}
    rows = connection.execute(text(contest.by_hand), moments).all()
    return {tuple(row): tuple(row) for row in rows}


def compare(connection: Connection, contest: Contest, rounds: int) -> tuple[float, float]:
    """The medians of both sides, which must tell the same."""
    clock = time.process_time if connection.dialect.name == "sqlite" else time.perf_counter
    times: tuple[list[float], list[float]] = ([], [])
    for attempt in range(rounds + 1):
        told = []
        for side, work in enumerate((contest.ours, lambda c: _by_hand(c, contest))):
            began = clock()
            told.append(work(connection))
            if attempt:  # The first warms up.
                times[side].append(clock() - began)
        if not attempt:
            _assert_same(contest.name, *told)
    return median(times[0]), median(times[1])


def _assert_same(name: str, ours: Figures, by_hand: Figures) -> None:
    count = len(next(iter(ours.values())))
    mine = sorted(repr((*key, *map(_plain, figures))) for key, figures in ours.items())
    hers = sorted(repr((*row[: len(row) - count], *map(_plain, row[-count:]))) for row in by_hand)
    if mine != hers:
        raise RuntimeError(f"{name}: the figures differ: {mine[:3]} and {hers[:3]}")


def _plain(value: Any) -> float:
    return round(float(value or 0), 2)


async def _run(url: str) -> None:
    database = Database(url)
    reads = LongReads(database, SECONDS)
    worst = 0.0
    for contest in contests(database.dialect):
        ours, by_hand = await reads.run(lambda c, contest=contest: compare(c, contest, ROUNDS))
        worst = max(worst, ours / by_hand)
        print(f"reports: {contest.name}: {ours / by_hand:.2f}   {ours:.2f} s : {by_hand:.2f} s", flush=True)
    print(f"report of a year, Leadline : one statement by hand, at most   {worst:.2f}")
    await database.dispose()


def main(url: str | None = None) -> None:
    """Fill a database if none is named, and measure."""
    if url is not None:
        asyncio.run(_run(url))
        return
    with tempfile.TemporaryDirectory(prefix="leadline-reports-") as name:
        made = f"sqlite+aiosqlite:///{Path(name)}/year.db"
        asyncio.run(seed_year(made, LEADS, CALLS))
        asyncio.run(_run(made))


if __name__ == "__main__":
    main(*sys.argv[1:2])
