"""What an ended call does to what is still to be done with its person, in the transaction that writes it (P3)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, select

from leads.domain.calls import Direction
from leads.domain.follow_up import Outcome
from leads.store.bulk import time_for, write_rows
from leads.store.call_table import StoredCall
from leads.store.models import Lead

BEFORE_BUTTON = timedelta(seconds=5)
AFTER_BUTTON = timedelta(seconds=60)
"""A call that begins within these of a click on the Call button is that button's."""


def follow_up(connection: Connection, calls: Sequence[StoredCall]) -> None:
    """Do what follows from those of the calls that ended just now."""
    talks = [call for call in calls if call.news_of_end is Outcome.CONVERSATION and call.person.is_known]
    if talks:
        _fulfil(connection, talks)


def _fulfil(connection: Connection, talks: Sequence[StoredCall]) -> None:
    """Let each conversation fulfil the open planned call with its person, if it was planned before it began."""
    became = _counterparties_of_closed(connection, talks)
    with_leads: list[tuple[Any, ...]] = []
    with_counterparties: list[tuple[Any, ...]] = []
    for talk in talks:
        lead_id = talk.person.lead_id
        counterparty_id = became.get(lead_id) if lead_id is not None else talk.person.counterparty_id
        began, started = talk.conversed_at, talk.columns["started_at"]
        talker = talk.judgement.talker_id
        row = (
            time_for(connection, began),
            talk.own_id,
            talker,
            counterparty_id if counterparty_id is not None else lead_id,
            time_for(connection, began),
            talker if talk.view.direction is Direction.OUTBOUND else None,
            time_for(connection, started - AFTER_BUTTON),
            time_for(connection, started + BEFORE_BUTTON),
        )
        (with_leads if counterparty_id is None else with_counterparties).append(row)
    write_rows(connection, _FULFIL_LEADS, with_leads)
    write_rows(connection, _FULFIL_COUNTERPARTIES, with_counterparties)


def _counterparties_of_closed(connection: Connection, talks: Sequence[StoredCall]) -> dict[int | None, int]:
    """The counterparties that leads became while they were talked with; what was planned went along."""
    leads = [talk.person.lead_id for talk in talks if talk.person.lead_id is not None]
    if not leads:
        return {}
    return {row[0]: row[1] for row in connection.execute(_CLOSED, {"leads": leads})}


def _fulfil_statement(person: str) -> str:
    return f"""
        UPDATE planned_call
        SET state = 'done', closed_at = ?, call = ?, closed_by_id = ?, version = version + 1
        WHERE {person}_id = ? AND state = 'open' AND set_at <= ? AND (
            (SELECT any_conversation FROM planning_setting WHERE id = 1)
            OR (dialled_by_id = ? AND dialled_at BETWEEN ? AND ?)
        )
    """  # noqa: S608 - our own names


_LEAD = Lead.metadata.tables["lead"].c
_CLOSED = select(_LEAD.id, _LEAD.counterparty_id).where(
    _LEAD.id.in_(bindparam("leads", expanding=True)), _LEAD.closed_at.is_not(None), _LEAD.counterparty_id.is_not(None)
)
_FULFIL_LEADS, _FULFIL_COUNTERPARTIES = _fulfil_statement("lead"), _fulfil_statement("counterparty")
