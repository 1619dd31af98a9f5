"""Who talked last with a number, or with whoever has it: the chain of a call asks for that employee (C4)."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, or_, select, update

from leads.store.bulk import time_for, write_rows
from leads.store.models import PhoneNumber
from leads.store.people_of_calls import CallPerson


@dataclass(frozen=True, slots=True)
class LastTalk:
    """A conversation that has ended: with which number of whom, when it ended, and who talked last in it."""

    number: str
    person: CallPerson
    at: datetime
    talker_id: int


def note_last_talks(connection: Connection, talks: Iterable[LastTalk]) -> None:
    """Keep with each number, and with its owner's other numbers, who talked last (C4).

    A number that several share is told by its own conversations only, so that all of its owners tell the same. A lead
    that became one of its owners shares it with nobody: it is over.
    """
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for talk in sorted(talks, key=lambda talk: (talk.at, talk.number)):
        at, (column, owner) = time_for(connection, talk.at), _owner(talk.person)
        rows.setdefault(column, []).append((talk.talker_id, at, at, talk.number, owner))
    for column, talked in rows.items():
        write_rows(connection, _LAST_TALK.format(owner=column), talked)


def _owner(person: CallPerson) -> tuple[str, int | None]:
    """The column by which numbers are a person's, and its value; a contact person's are not his company's."""
    if person.lead_id is not None:
        return "lead_id", person.lead_id
    if person.contact_person_id is not None:
        return "contact_person_id", person.contact_person_id
    return "counterparty_id", person.counterparty_id


Talks = Mapping[str, tuple[int | None, datetime]]
"""Who talked last with each of some numbers, and when that ended."""


def talks_with(connection: Connection, numbers: Collection[str]) -> Talks:
    """Read who talked last with these numbers, whosever they are; to be asked before a card takes or loses some."""
    talks = select(_NUMBER.number, _NUMBER.last_talker_id, _NUMBER.last_talk_at)
    told = talks.where(_NUMBER.number.in_(numbers), _NUMBER.last_talk_at.is_not(None)).order_by(_NUMBER.last_talk_at)
    return {number: (talker_id, at) for number, talker_id, at in connection.execute(told)}


def tell_untold(connection: Connection, talks: Talks, *whose: ColumnElement[bool]) -> None:
    """Let these numbers bring along who talked with them, wherever they stand, or stand as `whose` says, untold."""
    for number, (talker_id, at) in talks.items():
        brought = _TELL.where(*whose, _UNTOLD, _NUMBER.number == number)
        connection.execute(brought.values(last_talker_id=talker_id, last_talk_at=at))


def hand_on_talks(connection: Connection, person: CallPerson, talks: Talks = MappingProxyType({})) -> None:
    """Let the numbers that have come to a person bring along who talked with them, and tell all his others.

    Numbers that several share neither tell others nor are told, as in `note_last_talks`.
    """
    column, owner = _owner(person)
    mine = _NUMBER[column] == owner
    own = mine, ~exists().where(_OTHER.number == _NUMBER.number, _OTHER.lead_id.is_(None), _OTHER.id != _NUMBER.id)
    tell_untold(connection, talks, mine)
    told = select(_NUMBER.last_talker_id, _NUMBER.last_talk_at).where(*own, ~_UNTOLD)
    newest = connection.execute(told.order_by(_NUMBER.last_talk_at.desc()).limit(1)).first()
    if newest is not None:
        talker_id, at = newest
        older = _TELL.where(*own, or_(_UNTOLD, _NUMBER.last_talk_at < at))
        connection.execute(older.values(last_talker_id=talker_id, last_talk_at=at))


_NUMBER = PhoneNumber.metadata.tables["phone_number"].c
_TELL = update(_NUMBER.id.table)
_UNTOLD = _NUMBER.last_talk_at.is_(None)
_OTHER = PhoneNumber.metadata.tables["phone_number"].alias("other").c
# One column of owners at a time: of three, one is an index with few numbers or many, and a planner that guesses wrong
# reads the whole table for each call.
_LAST_TALK = """
    UPDATE phone_number SET last_talker_id = ?, last_talk_at = ?
    WHERE (last_talk_at IS NULL OR last_talk_at <= ?) AND id IN (
        SELECT id FROM phone_number WHERE number = ?
        UNION ALL
        SELECT own.id FROM phone_number AS own
        WHERE own.{owner} = ? AND NOT EXISTS (
            SELECT 1 FROM phone_number AS other
            WHERE other.number = own.number AND other.lead_id IS NULL AND other.id <> own.id
        )
    )
"""
