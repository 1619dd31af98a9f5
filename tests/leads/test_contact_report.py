"""First contact (R2) against a count of our own over the same random calls."""

from collections import Counter
from typing import Any

from sqlalchemy import Connection

from leads.domain.calls import Direction, Phase, Result, Role
from leads.store.contact_report import WaitingCaller, Wanted, unnamed_leads, waiting_callers
from leads.store.engine import Database
from leads.store.long_reads import LongReads
from leads.store.models import Call, Lead
from tests.leads.test_call_report import CONTACTS, PEOPLE, PERIOD, calls

__all__ = ["calls"]


async def test_unnamed_leads_and_callers_never_called_back(database: Database, calls: list[dict[str, Any]]) -> None:
    reads = LongReads(database)
    responsible = {key: PEOPLE[key % 4] for key in range(1, 6)} | {1: 3}
    outside = (Direction.INBOUND, Direction.OUTBOUND)
    per_lead = Counter(
        row["lead_id"] for row in calls if row["lead_id"] and row["role"] is Role.CALL and row["direction"] in outside
    )
    unnamed = await reads.run(lambda connection: unnamed_leads(connection, None, Wanted(100)))
    assert {lead.id: lead.calls for lead in unnamed.rows} == {key: many for key, many in per_lead.items() if many > 2}
    assert unnamed.by_responsible == Counter(responsible[lead.id] for lead in unnamed.rows)

    last_out: dict[str, Any] = {}
    for row in calls:
        called = row["role"] is Role.CALL and row["result"] is not Result.FAILED
        if row["direction"] is Direction.OUTBOUND and row["outside_number"] and called:
            last_out[row["outside_number"]] = max(
                row["started_at"], last_out.get(row["outside_number"], row["started_at"])
            )
    waiting: Counter[Any] = Counter()
    for row in calls:
        number = row["outside_number"]
        if (
            row["direction"] is Direction.INBOUND
            and row["role"] is Role.CALL
            and row["phase"] is Phase.ENDED
            and row["result"] is not Result.ANSWERED
            and PERIOD.begin <= row["started_at"] < PERIOD.end
            and number
            and (row["lead_id"] or row["counterparty_id"])
            and not (number in last_out and last_out[number] > row["started_at"])
        ):
            of_company = CONTACTS[row["contact_person_id"]] or 2 if row["counterparty_id"] else None
            of_lead = responsible[row["lead_id"]] if row["lead_id"] else None
            whose = (row["lead_id"], row["counterparty_id"], row["contact_person_id"])
            waiting[number, whose, of_company or of_lead] += 1
    found = await reads.run(lambda connection: waiting_callers(connection, PERIOD, None, Wanted(1000)))
    assert sorted((one.number, one.missed, one.responsible_id or 0) for one in found.rows) == sorted(
        (key[0], many, key[2] or 0) for key, many in waiting.items()
    )
    assert found.by_responsible == Counter(key[2] for key in waiting)
    assert found.rows
    mine = await reads.run(lambda connection: waiting_callers(connection, PERIOD, frozenset({2}), Wanted(1000)))
    assert mine.by_responsible == {key: many for key, many in found.by_responsible.items() if key == 2}
    for whose, many in found.by_responsible.items():
        paged = await reads.run(lambda connection, of=whose: _by_three(connection, of))  # type: ignore[misc]
        assert paged == [row for row in found.rows if row.responsible_id == whose]
        assert len(paged) == many
    reads.close()


async def test_a_lead_counts_as_unnamed_while_it_is_open_and_was_called_more_than_twice(database: Database) -> None:
    made: dict[str, Any] = {"status_id": 1, "created_at": PERIOD.begin, "updated_at": PERIOD.begin}
    leads = {
        1: Lead(id=1, name="called twice", **made),
        2: Lead(id=2, name="called three times", **made),
        3: Lead(id=3, name="Ольга", named=True, **made),
        4: Lead(id=4, name="closed", closed_at=PERIOD.begin, **made),
        5: Lead(id=5, name="consulted about", **made),
    }
    async with database.write() as session:
        session.add_all(leads.values())
        await session.flush()
        for key in leads:
            session.add_all(_call(key, place, inside=key == 5) for place in range(2 if key == 1 else 3))
    reads = LongReads(database)
    unnamed = await reads.run(lambda connection: unnamed_leads(connection, None, Wanted(100)))
    reads.close()
    assert [(lead.id, lead.calls) for lead in unnamed.rows] == [(2, 3)]


def _call(lead: int, place: int, *, inside: bool) -> Call:
    """The last of three is a consultation where `inside` says so."""
    role = Role.CONSULTATION if inside and place == 2 else Role.CALL
    more: dict[str, Any] = {"phase": Phase.ENDED, "progress": 1, "legs": [], "transfers": []}
    linkedid = f"{lead}.{place}"
    began = PERIOD.begin
    return Call(
        pbx="pbx", linkedid=linkedid, role=role, direction=Direction.INBOUND, lead_id=lead, started_at=began, **more
    )


def _by_three(connection: Connection, of: int | None) -> list[WaitingCaller]:
    """All who wait for one responsible, read three at a time."""
    rows: list[WaitingCaller] = []
    while more := waiting_callers(connection, PERIOD, None, Wanted(3, len(rows), (of,))).rows:
        rows += more
    return rows
