"""Writes leads of a file: new ones many at a time, yet so briefly that no call waits; known ones by their card.

A known lead is saved as a person would save its card, so that whatever follows from a change follows here too.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from leads.domain.clock import Clock
from leads.store.cards import ConflictError, LeadClosedError, NoSuchCardError
from leads.store.closed_lead_import import Past, look_at_closed
from leads.store.counterparty_card import CounterpartyCard
from leads.store.counterparty_rows import NUMBERS_COMPANY
from leads.store.engine import Database, lock_calls, lock_numbers
from leads.store.import_tables import ImportItem
from leads.store.imported_leads import Import, LeadRow, insert_leads
from leads.store.lead_card import LeadCard, LeadEdit, load_lead, save_lead
from leads.store.lock_order import locked_in_order
from leads.store.models import ContactPerson, Counterparty, Employee, Lead, PhoneNumber
from leads.store.plans import Planning

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Known:
    """A row whose number is on an active lead already."""

    row: LeadRow
    lead_id: int


@dataclass(frozen=True, slots=True)
class OnCounterparty:
    """A row whose number is a counterparty's, so it cannot be a lead's (L7)."""

    row: LeadRow
    number: str
    counterparty: str


@dataclass(frozen=True, slots=True)
class OnSeveralLeads:
    """A row whose numbers are on more than one active lead."""

    row: LeadRow


@dataclass(frozen=True, slots=True)
class OfALeaver:
    """A row whose responsible has left since the file was looked at (K2)."""

    row: LeadRow
    name: str


Unmade = OnCounterparty | OnSeveralLeads | OfALeaver
"""Rows that cannot be imported."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of some rows: how many leads were made, how many closed ones are `present`, which made none."""

    made: int
    present: int
    others: tuple[Known | Unmade, ...]


def add_leads(connection: Connection, batch_id: int, rows: Sequence[LeadRow], *, by: int, now: datetime) -> Added:
    """Make a lead of each row whose numbers nobody has (L7); rows that repeat one of them are known then.

    A closed lead is in nobody's way, and read-only: it is made closed, or left as it is where it is present (L5).
    """
    numbers = {number for row in rows for number in row.numbers}
    if any(row.closed_at is not None for row in rows):
        # A call that waits for a number would find a closed lead there whose other numbers it has not locked.
        lock_calls(connection)
    lock_numbers(connection, numbers)
    past = look_at_closed(connection, [row for row in rows if row.closed_at is not None])
    rows = [row for row in rows if row.closed_at is None]
    leads, counterparties = _owners(connection, numbers)
    left = _who_left(connection, {row.responsible_id for row in rows} - {None})
    fresh: list[LeadRow] = []
    rest: list[LeadRow] = []
    leavers: list[OfALeaver] = []
    for row in rows:
        free = not any(number in leads or number in counterparties for number in row.numbers)
        if free and row.responsible_id in left:
            leavers.append(OfALeaver(row, left[row.responsible_id]))
        elif free:
            fresh.append(row)
            leads.update(dict.fromkeys(row.numbers, 0))
        else:
            rest.append(row)
    leads.update(_insert(connection, Import(batch_id, by, now), fresh, past))
    others = (*leavers, *(_judged(row, leads, counterparties) for row in rest))
    return Added(len(fresh) + len(past.fresh), past.present, others)


def _who_left(connection: Connection, wanted: Collection[int | None]) -> dict[int | None, str]:
    """Those of these employees who have left, with their names; nobody leaves before this transaction ends."""
    if not wanted:
        return {}
    found = select(Employee.id, Employee.name, Employee.active).where(Employee.id.in_(wanted)).order_by(Employee.id)
    return {row.id: row.name for row in connection.execute(found.with_for_update(read=True)) if not row.active}


def _insert(connection: Connection, into: Import, fresh: Sequence[LeadRow], past: Past) -> dict[str, int]:
    """Make the leads in the order of the file, open and closed ones: saved again they come in that order."""
    owners: dict[str, int] = {}
    for layer in _layers(sorted((*fresh, *past.fresh), key=lambda row: row.line)):
        owners |= insert_leads(connection, into, layer, past.became)
    return owners


def _layers(rows: Sequence[LeadRow]) -> Iterator[list[LeadRow]]:
    """The rows in pieces of which none has two with the same main number: leads that had it one after the other."""
    rest = list(rows)
    while rest:
        first: dict[str, LeadRow] = {}
        for row in rest:
            first.setdefault(row.numbers[0], row)
        yield list(first.values())
        rest = [row for row in rest if row is not first[row.numbers[0]]]


def _judged(row: LeadRow, leads: dict[str, int], counterparties: dict[str, str]) -> Known | Unmade:
    theirs = next((number for number in row.numbers if number in counterparties), None)
    if theirs is not None:
        return OnCounterparty(row, theirs, counterparties[theirs])
    found = {leads[number] for number in row.numbers if number in leads}
    return Known(row, found.pop()) if len(found) == 1 else OnSeveralLeads(row)


def _owners(connection: Connection, numbers: set[str]) -> tuple[dict[str, int], dict[str, str]]:
    """The active lead, and the name of a counterparty, that has each of these numbers."""
    leads: dict[str, int] = {}
    counterparties: dict[str, str] = {}
    statement = (
        select(PhoneNumber.number, PhoneNumber.lead_id, PhoneNumber.on_active_lead, Counterparty.name)
        .outerjoin(ContactPerson, ContactPerson.id == PhoneNumber.contact_person_id)
        .outerjoin(Counterparty, Counterparty.id == NUMBERS_COMPANY)
        .where(PhoneNumber.number.in_(numbers))
    )
    for number, lead_id, active, counterparty in connection.execute(statement):
        if active and lead_id is not None:
            leads[number] = lead_id
        elif lead_id is None:
            counterparties[number] = counterparty
    return leads, counterparties


async def update_lead(
    database: Database,
    batch_id: int,
    known: Known,
    *,
    by: int,
    clock: Clock,
    region: str,
    planning: Planning,
) -> bool:
    """Bring a known lead to what the row says of it; tells whether that changed anything.

    Raises:
        CardError: the card cannot be saved so; see leads.store.cards.
    """
    for attempt in range(_ATTEMPTS):
        async with database.read() as session:
            try:
                card = await load_lead(session, known.lead_id, None)
            except NoSuchCardError:
                return False
        if card.closed_at is not None:
            raise LeadClosedError(card.id)
        present = edit_of(card)
        wanted = _merged(present, known.row)
        if wanted == present:
            return False
        try:
            await note_change(database, batch_id, Lead, card, differences(present, wanted))
            await save_lead(
                database, card.id, card.version, wanted, by=by, clock=clock, region=region, planning=planning
            )
        except NoSuchCardError:
            return False
        except ConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return True
    return False


def edit_of(card: LeadCard) -> LeadEdit:
    """The card as an edit that changes nothing."""
    return LeadEdit(
        name=card.typed_name,
        numbers=card.numbers,
        email=card.email,
        address=card.address,
        comment=card.comment,
        language=card.language,
        status_id=card.status_id,
        responsible_id=card.responsible_id,
        source_id=card.source_id,
    )


def _merged(present: LeadEdit, row: LeadRow) -> LeadEdit:
    return replace(
        present,
        name=row.name or present.name,
        numbers=tuple(dict.fromkeys((*present.numbers, *row.numbers))),
        email=row.email or present.email,
        address=row.address or present.address,
        comment=row.comment or present.comment,
        language=row.language or present.language,
        status_id=row.status_id or present.status_id,
        responsible_id=row.responsible_id or present.responsible_id,
        source_id=row.source_id or present.source_id,
    )


async def note_change(
    database: Database,
    batch_id: int,
    model: type[Lead] | type[Counterparty],
    card: LeadCard | CounterpartyCard,
    changes: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """Note what is about to change. It is noted before: a note of a change that never came is undone by nothing.

    Raises:
        NoSuchCardError: it is gone.
    """
    before, after = changes
    whose = {f"{model.__tablename__}_id": card.id}
    async with database.write() as session:
        if await session.scalar(locked_in_order(model, model.id == card.id)) is None:
            raise NoSuchCardError(card.id)
        session.add(ImportItem(batch_id=batch_id, version=card.version + 1, before=before, after=after, **whose))


def differences(present: Any, wanted: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields in which two edits differ, as they were and as they are to be."""
    old, new = asdict(present), asdict(wanted)
    changed = [name for name in old if old[name] != new[name]]
    return {name: old[name] for name in changed}, {name: new[name] for name in changed}
