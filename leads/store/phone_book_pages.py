"""The people who stand in a phone book, page by page (C14).

A book holds what the phone's owner may see, and nothing else: counterparties with their contact persons by name, then
named leads by name. Pages are found by key and never by offset: the last of 50,000 entries costs what the first does,
and who is added while a phone turns pages moves nobody else to another page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import case, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.visibility import Scope
from leads.store.counterparties import CounterpartyFilter, CounterpartyOrder, find_counterparties
from leads.store.exports import numbers_of
from leads.store.leads import LeadFilter, LeadOrder, LeadState, find_leads
from leads.store.listing import Page, Request
from leads.store.models import ContactPerson, Counterparty, Lead, PhoneNumber

CHUNK = 500
"""So many cards are read at once: nobody waits long for the loop while they are."""
_MOST_LOOKED_AT = 5000
"""A page of cards without numbers ends after so many, however few entries it has."""
_COUNTERPARTIES, _LEADS = "c", "l"


@dataclass(frozen=True, slots=True)
class Entry:
    """One person or company with numbers; `company` is a contact person's."""

    name: str
    language: str | None
    numbers: tuple[str, ...]
    company: str = ""


@dataclass(frozen=True, slots=True)
class BookPage:
    """Some entries, and where the next ones begin; None at the end."""

    entries: tuple[Entry, ...]
    after: str | None


class Mark(NamedTuple):
    """A card's place in a book; marks order as the book does."""

    part: str
    key: str
    id: int

    def __str__(self) -> str:
        """The mark as a part of an address."""
        return f"{self.part}{self.key} {self.id}"


@dataclass(frozen=True, slots=True)
class BookPart:
    """A stretch of a book: where it begins, its last card as far as others follow, and the name that stands first."""

    start: str
    last: Mark | None
    name: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Behind which card of a list a page begins, and how many entries of the next one the page before held."""

    part: str = _COUNTERPARTIES
    cursor: str = ""
    told: int = 0

    def __str__(self) -> str:
        return f"{self.part}{self.cursor}.{self.told}" if self.told else f"{self.part}{self.cursor}"


class _Card(NamedTuple):
    mark: Mark
    entries: Sequence[Entry]


class _Counted(NamedTuple):
    mark: Mark
    name: str
    entries: int


def read_mark(text: str) -> Mark | None:
    """The mark that a text stands for; None for one that we did not write."""
    key, _, identity = text[1:].rpartition(" ")
    if text[:1] not in (_COUNTERPARTIES, _LEADS) or not identity.isdecimal():
        return None
    return Mark(text[0], key, int(identity))


async def read_book(
    session: AsyncSession, scope: Scope, size: int, at: str | None = None, *, search: str = "", last: Mark | None = None
) -> BookPage:
    """The next `size` entries. A card's entries stay together, unless they alone are more than that.

    Args:
        session: a reading one.
        scope: of the phone's owner.
        size: how many entries at most.
        at: where the page before ended; None begins. What we did not write begins too.
        search: narrows the book as it narrows lists.
        last: the card that ends the stretch to be read; None reads on to the end.
    """
    book = _Book(session, scope, search)
    place: _Place | None = _read_place(at or "")
    entries: list[Entry] = []
    looked_at = 0
    while place is not None and len(entries) < size and looked_at < _MOST_LOOKED_AT:
        found = await book.next(place, min(CHUNK, size - len(entries)))
        cards = await book.load(place.part, found.ids)
        looked_at += len(cards)
        wanted = [card for card in cards if last is None or card.mark <= last]
        more, whole, told = _fill([card.entries for card in wanted], place.told, size - len(entries), not entries)
        entries += more
        if whole == len(wanted) and cards and last is not None and cards[-1].mark >= last:
            place = None
        else:
            place = await book.behind(place, found, whole, told)
        if whole < len(wanted):
            break
    return BookPage(tuple(entries), None if place is None else str(place))


async def book_parts(session: AsyncSession, scope: Scope, size: int, most: int) -> list[BookPart]:
    """Cut a book into parts of at most `size` entries, as it is now; at most `most` of them.

    Together they hold all of it, also what is added later: each goes on to where the next one begins, the last one to
    the end. A card with more entries than `size` is a part by itself.
    """
    book = _Book(session, scope, "")
    parts: list[BookPart] = []
    place: _Place | None = _Place()
    start, name, count, last = str(place), "", 0, Mark(_COUNTERPARTIES, "", 0)
    while place is not None and len(parts) < most:
        found = await book.next(place, min(CHUNK, max(size - count, 1)))
        cards = await book.count(place.part, found.ids)
        whole = 0
        for card in cards:
            if count and count + card.entries > size:
                break
            name = name or (card.name if card.entries else "")
            count, last, whole = count + card.entries, card.mark, whole + 1
        following = await book.behind(place, found, whole, 0)
        if whole < len(cards) and following is not None:
            parts.append(BookPart(start, last, name))
            start, name, count = str(following), "", 0
        elif following is not None and following.part != place.part:
            last = Mark(following.part, "", 0)
        place = following
    if place is None and count:
        parts.append(BookPart(start, None, name))
    elif place is None and parts:
        parts[-1] = replace(parts[-1], last=None)
    return parts


def _read_place(text: str) -> _Place:
    cursor, _, told = text[1:].partition(".")
    if text[:1] not in (_COUNTERPARTIES, _LEADS):
        return _Place()
    return _Place(text[0], cursor, int(told) if told.isdecimal() and len(told) < 7 else 0)


def _fill(cards: Sequence[Sequence[Entry]], told: int, room: int, empty: bool) -> tuple[list[Entry], int, int]:
    """The entries of as many cards as there is room for; how many cards that are, and what was told of the next.

    `told` entries of the first card were told before. Only on an `empty` page a card is begun that does not fit.
    """
    taken: list[Entry] = []
    for whole, entries in enumerate(cards):
        fresh = entries[told:]
        if len(taken) + len(fresh) > room:
            if taken or not empty:
                return taken, whole, told
            return list(fresh[:room]), whole, told + room
        taken += fresh
        told = 0
    return taken, len(cards), 0


class _Book:
    """One owner's book, as far as one search narrows it."""

    def __init__(self, session: AsyncSession, scope: Scope, search: str) -> None:
        self._session = session
        self._scope = scope
        self._search = search

    async def next(self, place: _Place, size: int) -> Page:
        """The cards from a place on."""
        request = Request(size, after=place.cursor or None)
        if place.part == _LEADS:
            leads = LeadFilter(search=self._search, state=LeadState.NAMED)
            page = await find_leads(self._session, leads, LeadOrder.NAME, request, self._scope)
        else:
            wanted = CounterpartyFilter(search=self._search)
            page = await find_counterparties(self._session, wanted, CounterpartyOrder.NAME, request, self._scope)
        if place.cursor and page.before is None:
            return replace(page, ids=(), after=None)  # No place of ours: the list began anew, and would without end.
        return page

    async def behind(self, place: _Place, found: Page, whole: int, told: int) -> _Place | None:
        """The place behind the first `whole` of the cards that were found from a place on; None at the book's end."""
        if whole == 0 and found.ids:
            return replace(place, told=told)
        if whole < len(found.ids):
            found = await self.next(place, whole)
        if found.after is not None:
            return _Place(place.part, found.after, told)
        return _Place(_LEADS) if place.part == _COUNTERPARTIES else None

    async def load(self, part: str, ids: Sequence[int]) -> list[_Card]:
        """The entries of each of these cards, those with numbers; none of a card that is gone."""
        found = await (_of_counterparties if part == _COUNTERPARTIES else _of_leads)(self._session, ids)
        return [found.get(identity, _Card(Mark(part, "", 0), ())) for identity in ids]

    async def count(self, part: str, ids: Sequence[int]) -> list[_Counted]:
        """How many entries each of these cards has."""
        model = Counterparty if part == _COUNTERPARTIES else Lead
        if part == _COUNTERPARTIES:
            reached = exists().where(PhoneNumber.contact_person_id == ContactPerson.id)
            people = select(func.count()).where(ContactPerson.counterparty_id == Counterparty.id, reached)
            own = exists().where(PhoneNumber.counterparty_id == Counterparty.id)
            entries = case((own, 1), else_=0) + people.correlate(Counterparty).scalar_subquery()
        else:
            entries = case((exists().where(PhoneNumber.lead_id == Lead.id), 1), else_=0)
        columns: tuple[Any, ...] = (model.id, model.sort_name, model.name, entries)
        rows = {row[0]: row for row in await self._session.execute(select(*columns).where(model.id.in_(ids)))}
        return [
            _Counted(Mark(part, rows[identity][1], identity), rows[identity][2], rows[identity][3])
            if identity in rows
            else _Counted(Mark(part, "", 0), "", 0)
            for identity in ids
        ]


async def _of_counterparties(session: AsyncSession, ids: Sequence[int]) -> dict[int, _Card]:
    own = await numbers_of(session, PhoneNumber.counterparty_id, ids)
    columns: tuple[Any, ...] = (Counterparty.id, Counterparty.sort_name, Counterparty.name, Counterparty.language)
    cards = (await session.execute(select(*columns).where(Counterparty.id.in_(ids)))).all()
    of_person: tuple[Any, ...] = (
        ContactPerson.id,
        ContactPerson.counterparty_id,
        ContactPerson.name,
        ContactPerson.language,
    )
    chosen = select(*of_person).where(ContactPerson.counterparty_id.in_(ids)).order_by(ContactPerson.id)
    people = (await session.execute(chosen)).all()
    theirs = await numbers_of(session, PhoneNumber.contact_person_id, [person[0] for person in people])
    of_company: dict[int, list[Any]] = {}
    for person in people:
        of_company.setdefault(person[1], []).append(person)
    found: dict[int, _Card] = {}
    for identity, key, name, language in cards:
        entries = [Entry(name, language, own.get(identity, ()))]
        entries += [
            Entry(person[2], person[3] or language, theirs.get(person[0], ()), company=name)
            for person in of_company.get(identity, ())
        ]
        mark = Mark(_COUNTERPARTIES, key, identity)
        found[identity] = _Card(mark, [entry for entry in entries if entry.numbers])
    return found


async def _of_leads(session: AsyncSession, ids: Sequence[int]) -> dict[int, _Card]:
    numbers = await numbers_of(session, PhoneNumber.lead_id, ids)
    columns: tuple[Any, ...] = (Lead.id, Lead.sort_name, Lead.name, Lead.language)
    found: dict[int, _Card] = {}
    for identity, key, name, language in await session.execute(select(*columns).where(Lead.id.in_(ids))):
        entries = [Entry(name, language, numbers[identity])] if identity in numbers else []
        found[identity] = _Card(Mark(_LEADS, key, identity), entries)
    return found
