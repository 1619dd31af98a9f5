"""Finds or makes the person on our records for the outside number of a call; the database decides who was first (L1).

Everything here runs within the transaction that writes the call, so that a call is never without its lead.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from leads.store.bulk import time_for, write_rows
from leads.store.engine import lock_numbers
from leads.store.lock_order import lock_persons
from leads.store.models import ContactPerson, Lead, PhoneNumber
from leads.store.reopening import default_status, reopen
from leads.store.search import search_text, sort_key


@dataclass(frozen=True, slots=True)
class CallPerson:
    """Whom a call is with: a lead, or a counterparty and perhaps its contact person."""

    lead_id: int | None = None
    counterparty_id: int | None = None
    contact_person_id: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is anybody."""
        return self.lead_id is not None or self.counterparty_id is not None

    @property
    def card(self) -> str:
        """The address of the person's card."""
        return f"/leads/{self.lead_id}" if self.lead_id is not None else f"/counterparties/{self.counterparty_id}"


NOBODY = CallPerson()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A number of a call that is not connected yet; `makes_lead` with what follows if nobody has the number."""

    number: str
    makes_lead: bool
    responsible_id: int | None
    source_id: int | None


class People(dict[str, CallPerson]):
    """The person for each number; `untalked` are the leads among them that had no conversation yet."""

    def __init__(self) -> None:
        self.untalked: set[int] = set()

    def join(self, others: "People") -> None:
        """Add those of other numbers."""
        self.update(others)
        self.untalked |= others.untalked


def people_for(
    connection: Connection, wanted: Iterable[Wanted], now: datetime, known: Collection[CallPerson] = ()
) -> People:
    """The person for each number; one without a person and without a right to a lead is left out.

    They, and those that are `known` already, are locked until the transaction ends; see leads.store.lock_order.
    """
    asked: dict[str, Wanted] = {}
    for want in wanted:
        if want.number not in asked or (want.makes_lead and not asked[want.number].makes_lead):
            asked[want.number] = want
    if not asked:
        _hold(connection, known)
        return People()
    _hold_numbers(connection, [want.number for want in asked.values() if want.makes_lead])
    people, closed = _owners(connection, asked)
    missing = {number: want for number, want in asked.items() if want.makes_lead and number not in people}
    _hold(connection, [*known, *people.values(), *(CallPerson(closed[one]) for one in missing.keys() & closed.keys())])
    if not missing:
        return people
    status = default_status(connection)
    opened: set[int] = set()
    for number in sorted(missing.keys() & closed.keys()):
        instead = missing[number].responsible_id
        if closed[number] in opened or reopen(connection, closed[number], status, now, instead=instead):
            opened.add(closed[number])
            people[number] = CallPerson(lead_id=closed[number])
            del missing[number]
    people.join(_make_leads(connection, missing, status, now))
    return people


def _hold_numbers(connection: Connection, numbers: Collection[str]) -> None:
    """Lock the numbers, and with them the others of the closed leads that had them, which may be opened again."""
    if numbers and connection.dialect.name == "postgresql":
        numbers = {*numbers, *connection.scalars(_OF_CLOSED, {"numbers": list(numbers)})}
    lock_numbers(connection, numbers)


def _hold(connection: Connection, people: Collection[CallPerson]) -> None:
    """Lock these people's cards, and those of the counterparties that leads among them became."""
    if connection.dialect.name != "postgresql":
        return
    leads = {person.lead_id for person in people} - {None}
    companies = {person.counterparty_id for person in people}
    lock_persons(connection, leads)
    if leads:
        companies.update(connection.scalars(_BECAME, {"leads": list(leads)}))
    lock_persons(connection, (), companies)


def _owners(connection: Connection, numbers: Iterable[str]) -> tuple[People, dict[str, int]]:
    """Who has each number now, and of the closed leads that had it the one closed last.

    An active lead excludes others; among counterparties that share a number the pinned one stands for all, else the
    first entered.
    """
    people = People()
    closed: dict[str, int] = {}
    for number, lead_id, active, untalked, counterparty_id, contact_person_id in connection.execute(
        _OWNERS, {"numbers": list(numbers)}
    ):
        if untalked:
            people.untalked.add(lead_id)
        if lead_id is not None and not active:
            closed.setdefault(number, lead_id)
        else:
            people.setdefault(number, CallPerson(lead_id, counterparty_id, contact_person_id))
    return people, closed


def _make_leads(connection: Connection, wanted: Mapping[str, Wanted], status: int | None, now: datetime) -> People:
    people = People()
    if not wanted:
        return people
    rows = [
        {
            "name": number,
            "main_number": number,
            "status_id": status,
            "responsible_id": want.responsible_id,
            "source_id": want.source_id,
            "created_at": now,
            "updated_at": now,
            "sort_name": sort_key(number),
            "search_text": search_text(numbers=[number]),
        }
        for number, want in wanted.items()
    ]
    made = {
        number: lead for lead, number in connection.execute(insert(Lead).returning(Lead.id, Lead.main_number), rows)
    }
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    claim = dialect.insert(PhoneNumber).on_conflict_do_nothing(
        index_elements=[PhoneNumber.number], index_where=PhoneNumber.on_active_lead
    )
    claimed = set(
        connection.scalars(
            claim.returning(PhoneNumber.lead_id),
            [{"number": number, "lead_id": lead, "on_active_lead": True} for number, lead in made.items()],
        )
    )
    lost = {number: lead for number, lead in made.items() if lead not in claimed}
    people.update((number, CallPerson(lead_id=lead)) for number, lead in made.items() if lead in claimed)
    people.untalked.update(claimed)
    if lost:
        # Somebody who did not lock the number was faster; the unique index let him win.
        connection.execute(delete(Lead).where(Lead.id.in_(list(lost.values()))))
        people.join(_owners(connection, lost)[0])
    return people


def note_calls(connection: Connection, calls: Iterable[tuple[int, datetime]]) -> None:
    """Keep when each lead was last on a call; the card's version is for people, so it stays."""
    newest: dict[int, datetime] = {}
    for lead_id, at in calls:
        newest[lead_id] = max(at, newest.get(lead_id, at))
    if newest:
        times = {lead_id: time_for(connection, at) for lead_id, at in sorted(newest.items())}
        write_rows(connection, _LAST_CALL, [(at, lead_id, at) for lead_id, at in times.items()])


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with a lead: its call's Asterisk and linkedid, when it began, and who talked last in it."""

    lead_id: int
    call: str
    at: datetime
    talker_id: int


def note_conversations(connection: Connection, conversations: Iterable[Conversation], now: datetime) -> None:
    """Give each lead to whoever talked last in its first conversation, unless a person chose (L1); history tells so."""
    first_talks, responsibles = [], []
    changed_at = time_for(connection, now)
    for talk in sorted(conversations, key=lambda talk: (talk.lead_id, talk.at, talk.call)):
        at = time_for(connection, talk.at)
        first_talks.append((at, talk.call, talk.lead_id, at, talk.call, at))
        responsibles.append((changed_at, talk.talker_id, talk.lead_id, talk.call, talk.talker_id))
    write_rows(connection, _FIRST_TALK, first_talks)
    write_rows(connection, _RESPONSIBLE_NOTED, responsibles)
    write_rows(connection, _RESPONSIBLE, responsibles)


_NUMBER = PhoneNumber.metadata.tables["phone_number"].c
_LEAD = Lead.metadata.tables["lead"].c
_CONTACT = ContactPerson.metadata.tables["contact_person"].c
_OWNERS = (
    select(
        _NUMBER.number,
        _NUMBER.lead_id,
        _NUMBER.on_active_lead,
        and_(_NUMBER.lead_id.is_not(None), _LEAD.first_talk_call.is_(None)),
        func.coalesce(_NUMBER.counterparty_id, _CONTACT.counterparty_id),
        _NUMBER.contact_person_id,
    )
    .outerjoin_from(_NUMBER.id.table, _CONTACT.id.table, _CONTACT.id == _NUMBER.contact_person_id)
    .outerjoin(_LEAD.id.table, _LEAD.id == _NUMBER.lead_id)
    .where(_NUMBER.number.in_(bindparam("numbers", expanding=True)))
    .order_by(
        _NUMBER.on_active_lead.desc(),
        _NUMBER.pinned.desc(),
        # By their keys, those of a file would be the newest, whenever they were closed.
        _LEAD.closed_at.desc().nulls_last(),
        _NUMBER.lead_id.desc(),
        _NUMBER.id,
    )
)
_OTHER = PhoneNumber.metadata.tables["phone_number"].alias("other").c
_OF_CLOSED = (
    select(_OTHER.number)
    .distinct()
    .join_from(_NUMBER.id.table, _OTHER.id.table, _OTHER.lead_id == _NUMBER.lead_id)
    .where(_NUMBER.number.in_(bindparam("numbers", expanding=True)), ~_NUMBER.on_active_lead)
)
_BECAME = select(_LEAD.counterparty_id).where(
    _LEAD.id.in_(bindparam("leads", expanding=True)), _LEAD.counterparty_id.is_not(None)
)
_LAST_CALL = "UPDATE lead SET last_call_at = ? WHERE id = ? AND (last_call_at IS NULL OR last_call_at < ?)"
# What is said with a closed lead is said with its counterparty: whoever talks after it was opened again gets it.
_FIRST_TALK = """
    UPDATE lead SET first_talk_at = ?, first_talk_call = ?
    WHERE id = ? AND closed_at IS NULL
    AND (first_talk_call IS NULL OR first_talk_at > ? OR (first_talk_call = ? AND first_talk_at < ?))
"""
# By itself, and only where it changes: each list of leads by responsible has an index that would be written again.
_CHANGES_HANDS = """
    lead.id = ? AND first_talk_call = ? AND NOT responsible_by_hand AND closed_at IS NULL
    AND (responsible_id IS NULL OR responsible_id <> ?)
"""
_RESPONSIBLE = f"UPDATE lead SET updated_at = ?, responsible_id = ? WHERE {_CHANGES_HANDS}"  # noqa: S608 - constants
_RESPONSIBLE_NOTED = f"""
    INSERT INTO change ("at", lead_id, field, "before", "after")
    SELECT ?, lead.id, 'responsible',
        COALESCE((SELECT name FROM employee WHERE id = lead.responsible_id), ''),
        COALESCE((SELECT name FROM employee WHERE id = ?), '')
    FROM lead WHERE {_CHANGES_HANDS}
"""  # noqa: S608 - constants
