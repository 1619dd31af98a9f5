"""What an ended call does to what is still to be done with its person, in the transaction that writes it (P3, P7).

A conversation fulfils the planned call and closes the missed one; a missed call asks to be called back, once for each
person; a call out in vain is counted. Each is done once, when the call's end becomes known, whenever that is.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, select

from leads.domain.calls import Direction
from leads.domain.follow_up import Outcome
from leads.store.bulk import time_for, write_rows
from leads.store.models import Lead
from leads.store.people_of_calls import CallPerson
from leads.store.stored_calls import StoredCall

BEFORE_BUTTON = timedelta(seconds=5)
AFTER_BUTTON = timedelta(seconds=60)
"""A call that begins within these of a click on the Call button is that button's."""
LONGEST_TALK = timedelta(days=1)
"""Whoever called in vain may be talked with already; calls that began longer ago are over, and need no look."""


def follow_up(connection: Connection, calls: Sequence[StoredCall]) -> None:
    """Do what follows from those of the calls that ended just now."""
    ended = [(call, outcome) for call in calls if call.person.is_known and (outcome := call.news_of_end) is not None]
    if not ended:
        return
    became = _counterparties_of_closed(connection, [call for call, _outcome in ended])
    for person in ("lead", "counterparty"):
        theirs = [(call, outcome, key) for call, outcome in ended if (key := _key(call, person, became)) is not None]
        missed = [_missed(connection, call, key) for call, outcome, key in theirs if _asks_back(call, outcome)]
        attempts = [
            (key, time_for(connection, call.columns["started_at"]))
            for call, outcome, key in theirs
            if outcome is Outcome.ATTEMPT
        ]
        talks = [(call, key) for call, outcome, key in theirs if outcome is Outcome.CONVERSATION]
        write_rows(connection, _MISSED[person], missed)
        write_rows(connection, _ATTEMPT[person], attempts)
        write_rows(connection, _CALLED_BACK[person], [_called_back(connection, call, key) for call, key in talks])
        write_rows(connection, _FULFIL[person], [_fulfilment(connection, call, key) for call, key in talks])
        if person == "counterparty":
            pressed = [call for call, _key in talks if call.view.direction is Direction.OUTBOUND]
            write_rows(connection, _FULFIL_SHARED, [_fulfilment_of_button(connection, call) for call in pressed])


def answer_missed(connection: Connection, person: CallPerson) -> None:
    """Close a person's missed call if somebody talked with him after it: by what was another card until now (P7)."""
    kind, key = ("counterparty", person.counterparty_id) if person.lead_id is None else ("lead", person.lead_id)
    write_rows(connection, _ANSWERED_SINCE[kind], [(key, key, key)])


def _asks_back(call: StoredCall, outcome: Outcome) -> bool:
    """Whether a call is missed by us: not one of a number that we ignore, or of a colleague's mobile."""
    return outcome is Outcome.MISSED and call.judgement.makes_lead


def _key(call: StoredCall, person: str, became: dict[int | None, int]) -> int | None:
    """The key of the lead or counterparty, whichever is asked for, that a call is with."""
    lead_id = call.person.lead_id
    counterparty_id = became.get(lead_id) if lead_id is not None else call.person.counterparty_id
    if person == "counterparty":
        return counterparty_id
    return lead_id if counterparty_id is None else None


def _missed(connection: Connection, call: StoredCall, key: int) -> tuple[Any, ...]:
    started = time_for(connection, call.columns["started_at"])
    made = time_for(connection, call.columns["ended_at"] or call.columns["started_at"])
    talk_after = (key, time_for(connection, call.columns["started_at"] - LONGEST_TALK), started)
    return (
        *(key, call.person.contact_person_id, key, call.judgement.provisional_id, made, started),
        *(talk_after * 2),
    )


def _called_back(connection: Connection, call: StoredCall, key: int) -> tuple[Any, ...]:
    ended = time_for(connection, call.talked_until)
    return (ended, call.judgement.talker_id, key, ended)


def _fulfilment(connection: Connection, call: StoredCall, key: int) -> tuple[Any, ...]:
    """The values of a conversation that fulfils the planned call, if that was planned before it began."""
    began, started = time_for(connection, call.conversed_at), call.columns["started_at"]
    talker = call.judgement.talker_id
    return (
        began,
        call.own_id,
        talker,
        key,
        began,
        talker if call.view.direction is Direction.OUTBOUND else None,
        time_for(connection, started - AFTER_BUTTON),
        time_for(connection, started + BEFORE_BUTTON),
    )


def _fulfilment_of_button(connection: Connection, call: StoredCall) -> tuple[Any, ...]:
    """The values of a conversation that began with the button of a counterparty that shares the number with others."""
    began, started = time_for(connection, call.conversed_at), call.columns["started_at"]
    talker = call.judgement.talker_id
    pressed = (time_for(connection, started - AFTER_BUTTON), time_for(connection, started + BEFORE_BUTTON))
    return (began, call.own_id, talker, began, talker, *pressed, call.judgement.outside)


def _counterparties_of_closed(connection: Connection, calls: Sequence[StoredCall]) -> dict[int | None, int]:
    """The counterparties that leads became while a call with them went on; what was to be done went along."""
    leads = [call.person.lead_id for call in calls if call.person.lead_id is not None]
    if not leads:
        return {}
    return {row[0]: row[1] for row in connection.execute(_CLOSED, {"leads": leads})}


def _statements(sql: str) -> dict[str, str]:
    """The statement for each kind of person; `became` is the column by which leads that ended are his."""
    return {
        person: sql.format(person=person, became=became, talk=_TALK, talk_after=_TALK_AFTER)
        for person, became in (("lead", "merged_into_id"), ("counterparty", "counterparty_id"))
    }


_LEAD = Lead.metadata.tables["lead"].c
_CLOSED = select(_LEAD.id, _LEAD.counterparty_id).where(
    _LEAD.id.in_(bindparam("leads", expanding=True)), _LEAD.closed_at.is_not(None), _LEAD.counterparty_id.is_not(None)
)
_TALK = "role = 'call' AND phase = 3 AND result = 'answered'"
_TALK_AFTER = f"started_at > ? AND COALESCE(ended_at, started_at) > ? AND {_TALK}"
_FULFIL = _statements("""
    UPDATE planned_call
    SET state = 'done', closed_at = ?, call = ?, closed_by_id = ?, version = version + 1
    WHERE {person}_id = ? AND state = 'open' AND set_at <= ? AND (
        (SELECT any_conversation FROM planning_setting WHERE id = 1)
        OR (dialled_by_id = ? AND dialled_at BETWEEN ? AND ?)
    )
""")
# Whoever shares a number is not whom the call is with, but the button tells who was meant (L16).
_FULFIL_SHARED = """
    UPDATE planned_call
    SET state = 'done', closed_at = ?, call = ?, closed_by_id = ?, version = version + 1
    WHERE state = 'open' AND set_at <= ? AND dialled_by_id = ? AND dialled_at BETWEEN ? AND ? AND counterparty_id IN (
        SELECT COALESCE(number.counterparty_id, person.counterparty_id)
        FROM phone_number AS number LEFT JOIN contact_person AS person ON person.id = number.contact_person_id
        WHERE number.number = ?
    )
"""
# A missed call needs no calling back once somebody talked with the person after it began, in whatever order calls come
# on record: the conversation may have gone on already, by another number. One with a lead that a counterparty was
# counts, too. Whose it is: a contact person's own responsible before the counterparty's (K1), and before our number's.
_MISSED = _statements("""
    INSERT INTO task ({person}_id, kind, employee_id, text, made_at, reason, missed, missed_at, attempts)
    SELECT ?, 'missed', COALESCE(
        (SELECT responsible_id FROM contact_person WHERE id = ?), (SELECT responsible_id FROM {person} WHERE id = ?), ?
    ), '', ?, '', 1, ?, 0
    WHERE NOT EXISTS (SELECT 1 FROM call WHERE {person}_id = ? AND {talk_after})
    AND NOT EXISTS (SELECT 1 FROM lead JOIN call ON lead_id = lead.id WHERE lead.{became} = ? AND {talk_after})
    ON CONFLICT ({person}_id) WHERE kind = 'missed' AND done_at IS NULL DO UPDATE SET
        missed = task.missed + 1, employee_id = COALESCE(task.employee_id, excluded.employee_id),
        missed_at = CASE WHEN excluded.missed_at > task.missed_at THEN excluded.missed_at ELSE task.missed_at END
""")
_ATTEMPT = _statements("""
    UPDATE task SET attempts = attempts + 1
    WHERE {person}_id = ? AND kind = 'missed' AND done_at IS NULL AND missed_at <= ?
""")
_CALLED_BACK = _statements("""
    UPDATE task SET done_at = ?, done_by_id = ?
    WHERE {person}_id = ? AND kind = 'missed' AND done_at IS NULL AND missed_at <= ?
""")
_ANSWERED_SINCE = _statements("""
    UPDATE task SET done_at = talk.until, done_by_id = talk.employee_id
    FROM (
        SELECT missed.id, COALESCE(said.ended_at, said.started_at) AS until, said.employee_id
        FROM task AS missed JOIN (
            SELECT ended_at, started_at, employee_id FROM call WHERE {person}_id = ? AND {talk}
            UNION ALL
            SELECT ended_at, started_at, employee_id FROM lead JOIN call ON lead_id = lead.id
            WHERE lead.{became} = ? AND {talk}
        ) AS said ON COALESCE(said.ended_at, said.started_at) > missed.missed_at
        WHERE missed.{person}_id = ? AND missed.kind = 'missed' AND missed.done_at IS NULL
        ORDER BY until LIMIT 1
    ) AS talk
    WHERE task.id = talk.id
""")
