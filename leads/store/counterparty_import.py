"""Writes counterparties of a file, each as a person would save its card: its numbers close leads all the same (L6)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.clock import Clock
from leads.domain.csv_cells import card_mark, is_card_mark
from leads.store.cards import ConflictError, NoSuchCardError
from leads.store.counterparty_card import (
    CounterpartyCard,
    CounterpartyEdit,
    PersonEdit,
    load_counterparty,
    save_counterparty,
)
from leads.store.counterparty_rows import NUMBERS_COMPANY
from leads.store.engine import Database
from leads.store.former_leads import numbers_of_counterparties
from leads.store.import_tables import ImportItem
from leads.store.lead_import import differences, note_change
from leads.store.models import ContactPerson, Counterparty, PhoneNumber
from leads.store.plans import Planning
from leads.store.search import sort_key

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A contact person of a file; an empty or missing value says nothing."""

    name: str
    numbers: tuple[str, ...] = ()
    email: str = ""
    language: str | None = None
    responsible_id: int | None = None


@dataclass(frozen=True, slots=True)
class CounterpartyRow:
    """A counterparty of a file with the contact persons that stand below it; `numbers` are E.164.

    `card` is the mark that an export of ours gave it.
    """

    line: int
    name: str
    folder: str = ""
    numbers: tuple[str, ...] = ()
    email: str = ""
    address: str = ""
    comment: str = ""
    language: str | None = None
    status_id: int | None = None
    source_id: int | None = None
    responsible_id: int | None = None
    persons: tuple[PersonRow, ...] = ()
    created_at: datetime | None = None
    card: str = ""


class CardsOfFile:
    """Which counterparty each marked card of a file turned out to be: no two marks are the same one."""

    def __init__(self) -> None:
        """Begin with a file of which nothing is imported yet."""
        self._found: dict[str, int] = {}
        self._taken: set[int] = set()

    def note(self, row: CounterpartyRow, counterparty_id: int) -> None:
        """Note who the row was."""
        if row.card:
            self._found[row.card] = counterparty_id
            self._taken.add(counterparty_id)

    def could_be(self, row: CounterpartyRow, counterparty_id: int) -> bool:
        """Whether the row may be about this counterparty, as far as the rows before it tell."""
        if row.card in self._found:
            return self._found[row.card] == counterparty_id
        return not row.card or counterparty_id not in self._taken


class Became(Enum):
    """What became of a row."""

    MADE = "made"
    UPDATED = "updated"
    SKIPPED = "skipped"


async def import_counterparty(
    database: Database,
    batch_id: int,
    row: CounterpartyRow,
    cards: CardsOfFile,
    *,
    update_known: bool,
    by: int,
    clock: Clock,
    region: str,
    planning: Planning,
) -> Became:
    """Make the counterparty, or bring a known one to what the row says of it.

    Raises:
        CardError: it cannot be saved so; see leads.store.cards.
    """
    for attempt in range(_ATTEMPTS):
        async with database.read() as session:
            known = await _find(session, row, cards)
            try:
                card = None if known is None else await load_counterparty(session, known, None)
            except NoSuchCardError:
                card = None
        if card is None:
            cards.note(row, await _make(database, batch_id, row, by=by, clock=clock, region=region))
            return Became.MADE
        cards.note(row, card.id)
        present = edit_of(card)
        wanted = _merged(present, row)
        if not update_known or wanted == present:
            return Became.SKIPPED
        try:
            await note_change(database, batch_id, Counterparty, card, differences(present, wanted))
            await save_counterparty(
                database, card.id, card.version, wanted, by=by, clock=clock, region=region, planning=planning
            )
        except (ConflictError, NoSuchCardError):
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return Became.UPDATED
    return Became.SKIPPED


async def _make(database: Database, batch_id: int, row: CounterpartyRow, *, by: int, clock: Clock, region: str) -> int:
    edit = _merged(CounterpartyEdit("", "", "", "", "", None, None, (), ()), row)
    saved = await save_counterparty(database, None, 0, edit, by=by, clock=clock, region=region)
    async with database.write() as session:
        made = select(Counterparty.version).where(Counterparty.id == saved.id).with_for_update(key_share=True)
        version = await session.scalar(made)
        if version is not None:
            await _remember(session, saved.id, row, clock())
            session.add(ImportItem(batch_id=batch_id, counterparty_id=saved.id, version=version))
    return saved.id


async def _remember(session: AsyncSession, counterparty_id: int, row: CounterpartyRow, now: datetime) -> None:
    """Keep when the file says that the counterparty was made, and its mark there: the card's version is for people."""
    values: dict[str, object] = {}
    if row.created_at is not None:
        values["created_at"] = min(row.created_at, now)
    if is_card_mark(row.card):
        values["mark"] = row.card
    if values:
        kept = update(Counterparty).where(Counterparty.id == counterparty_id).values(values)
        await session.execute(kept.execution_options(synchronize_session=False))


async def _find(session: AsyncSession, row: CounterpartyRow, cards: CardsOfFile) -> int | None:
    """The counterparty of that name that has the row's mark, else the row's numbers, its own before those of its
    contact persons; the first of that name where numbers do not tell, because one of the two has none.

    Two that have numbers of their own, and none in common, are two, although they may share a contact person; and so
    are two that have marks of their own.
    """
    named = select(Counterparty.id, Counterparty.created_at, Counterparty.mark).where(
        Counterparty.sort_name == sort_key(row.name), Counterparty.name == row.name
    )
    marks = {
        identity: mark or card_mark(identity, created_at)
        for identity, created_at, mark in await session.execute(named.order_by(Counterparty.id))
        if cards.could_be(row, identity)
    }
    marked = next((identity for identity, mark in marks.items() if mark == row.card), None)
    return marked if marked is not None else await _nearest(session, row, list(marks))


async def _nearest(session: AsyncSession, row: CounterpartyRow, ids: list[int]) -> int | None:
    """Whichever of these namesakes the row is about, by numbers."""
    if not ids:
        return None
    own: dict[int, set[str]] = {identity: set() for identity in ids}
    held: dict[int, set[str]] = {identity: set() for identity in ids}
    for identity, number, person in await session.execute(
        select(NUMBERS_COMPANY, PhoneNumber.number, PhoneNumber.contact_person_id)
        .outerjoin(ContactPerson, ContactPerson.id == PhoneNumber.contact_person_id)
        .where(numbers_of_counterparties(ids))
    ):
        held[identity].add(number)
        if person is None:
            own[identity].add(number)
    mine = {*row.numbers, *(number for person in row.persons for number in person.numbers)}

    def nearness(identity: int) -> tuple[int, int]:
        return len(own[identity].intersection(row.numbers)), len(held[identity] & mine)

    ids = [one for one in ids if not row.numbers or not own[one] or own[one].intersection(row.numbers)]
    nearest = max(ids, key=nearness, default=None)
    if nearest is not None and nearness(nearest) != (0, 0):
        return nearest
    return next((identity for identity in ids if not mine or not held[identity]), None)


def edit_of(card: CounterpartyCard) -> CounterpartyEdit:
    """The card as an edit that changes nothing."""
    return CounterpartyEdit(
        name=card.name,
        folder=card.folder,
        email=card.email,
        address=card.address,
        comment=card.comment,
        language=card.language,
        responsible_id=card.responsible_id,
        numbers=card.numbers,
        persons=tuple(
            PersonEdit(one.id, one.name, one.email, one.language, one.responsible_id, one.numbers)
            for one in card.persons
        ),
        status_id=card.status_id,
        source_id=card.source_id,
    )


def _merged(present: CounterpartyEdit, row: CounterpartyRow) -> CounterpartyEdit:
    return replace(
        present,
        name=row.name,
        folder=row.folder or present.folder,
        numbers=_union(present.numbers, row.numbers),
        email=row.email or present.email,
        address=row.address or present.address,
        comment=row.comment or present.comment,
        language=row.language or present.language,
        status_id=row.status_id or present.status_id,
        source_id=row.source_id or present.source_id,
        responsible_id=row.responsible_id or present.responsible_id,
        persons=_merged_persons(present.persons, row.persons),
    )


def _merged_persons(present: tuple[PersonEdit, ...], rows: tuple[PersonRow, ...]) -> tuple[PersonEdit, ...]:
    """Each row joins the contact person of its name: of several that with its number, else one that no row joined."""
    persons, joined, rest = list(present), set[int](), list[PersonRow]()

    def join(place: int, row: PersonRow) -> None:
        persons[place] = _merged_person(persons[place], row)
        joined.add(place)

    for row in rows:
        namesakes = [place for place, one in enumerate(present) if one.name == row.name]
        sharing = [place for place in namesakes if set(present[place].numbers).intersection(row.numbers)]
        if sharing:
            join(next((place for place in sharing if place not in joined), sharing[0]), row)
        else:
            rest.append(row)
    for row in rest:
        free = (place for place, one in enumerate(present) if one.name == row.name and place not in joined)
        if (place := next(free, None)) is not None:
            join(place, row)
        else:
            persons.append(_merged_person(PersonEdit(None, row.name, "", None, None, ()), row))
    return tuple(persons)


def _merged_person(present: PersonEdit, row: PersonRow) -> PersonEdit:
    return replace(
        present,
        email=row.email or present.email,
        language=row.language or present.language,
        responsible_id=row.responsible_id or present.responsible_id,
        numbers=_union(present.numbers, row.numbers),
    )


def _union(present: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*present, *more)))
