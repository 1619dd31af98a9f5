"""Phone books for desk phones, each opened by a key of its own, and the page on which keys are made (C14).

A phone cannot sign in, so its key stands in the address that it fetches. The key is 128 random bits, shown once, kept
as a hash, and never logged; it opens what the phone's owner may see at that moment, and nothing else.
"""

import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate

from aiohttp import web

from leads.admin import cards
from leads.admin.context import Panel, panel_of, public, viewer_of
from leads.admin.downloads import send
from leads.admin.forms import ID, Query
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.phone_book_formats import Line, cisco, cisco_menu, grandstream, vcards, yealink, yealink_menu
from leads.admin.rendering import redirect, render
from leads.admin.sign_in import address_of
from leads.admin.throttle import Throttle
from leads.domain.clock import Clock
from leads.domain.directory import DisplayMode
from leads.domain.visibility import Scope, scope_of
from leads.store import phone_book
from leads.store.phone_book import BookPhone, KeyRow
from leads.store.phone_book_pages import BookPart, Entry, book_parts, read_book, read_mark

PhoneNames = Callable[[str, str | None, DisplayMode, int], str | None]
"""A name in the form of a display: name, its own language, what the display draws, its room; None shows nothing."""
ENTRIES = {"yealink": 1000, "grandstream": 1500, "cisco": 32, "vcard": 500}
"""How many entries go into one answer of each kind. A Cisco takes 32; a Grandstream keeps 2,000 contacts: some entries
need two, and some may be added before it has read all parts of its book."""
MOST_PARTS = 99
_MOST_IN_PART = 5000
"""However many were added to a part since its book was cut."""
_MOST_VCARD_PAGES = 200
_REMEMBERED_FOR = timedelta(minutes=10)
_BOOKS_REMEMBERED = 100
FETCHES = 120
"""How often a phone may ask at once; then one question is free again each second."""
MOST_REMEMBERED = 5000
_KEY = "{key:[0-9a-f]{32}}"
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")

routes = web.RouteTableDef()


class Pace:
    """Lets each key ask FETCHES times at once, then once a second, in bounded memory."""

    def __init__(self, clock: Clock) -> None:
        """Nobody has asked yet."""
        self._clock = clock
        self._full_at: OrderedDict[str, datetime] = OrderedDict()

    def wait(self, key: str) -> timedelta:
        """Count a question; how long it comes too early, zero when it may be answered."""
        now = self._clock()
        most = timedelta(seconds=FETCHES)
        known = self._full_at.get(key, now)
        # None is further ahead than that, unless the clock was put back meanwhile.
        full_at = (now if known > now + most else max(known, now)) + timedelta(seconds=1)
        early = full_at - now - most
        if early > timedelta(0):
            return early
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        while len(self._full_at) > MOST_REMEMBERED:
            self._full_at.popitem(last=False)
        return timedelta(0)


class CutBooks:
    """Where the parts of books begin that phones read at this moment, in bounded memory.

    A phone that asks for its book's parts by number gets them all of one moment: who is added meanwhile would else move
    others from one part to the next.
    """

    def __init__(self, clock: Clock) -> None:
        """No book is being read."""
        self._clock = clock
        self._books: OrderedDict[tuple[int, Scope], tuple[datetime, list[BookPart]]] = OrderedDict()

    def recall(self, phone: BookPhone, scope: Scope) -> list[BookPart] | None:
        """The parts that this phone's book was cut into a short while ago, if it was."""
        made_at, parts = self._books.get((phone.extension_id, scope), (None, None))
        return None if made_at is None or abs(self._clock() - made_at) >= _REMEMBERED_FOR else parts

    def remember(self, phone: BookPhone, scope: Scope, parts: list[BookPart]) -> None:
        """Keep the parts of a phone's book, the last one's as long as there is room."""
        self._books[phone.extension_id, scope] = self._clock(), parts
        self._books.move_to_end((phone.extension_id, scope))
        while len(self._books) > _BOOKS_REMEMBERED:
            self._books.popitem(last=False)


class OpenedKeys:
    """Keys (their hashes) that opened a book, in bounded memory; whoever guesses beside them slows none down."""

    def __init__(self) -> None:
        """None has."""
        self._keys: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        """It opened one now; the key that did longest ago is forgotten where there is no room."""
        self._keys[key] = None
        self._keys.move_to_end(key)
        while len(self._keys) > MOST_REMEMBERED:
            self._keys.popitem(last=False)

    def discard(self, key: str) -> None:
        """It opens none any more."""
        self._keys.pop(key, None)


@dataclass(frozen=True, slots=True)
class PhoneBooks:
    """What phone books need of the panel: names as displays show them, and limits of their own."""

    names: PhoneNames
    guesses: Throttle
    pace: Pace
    cut: CutBooks
    opened: OpenedKeys = field(default_factory=OpenedKeys)


@routes.get(f"/phonebook/{_KEY}/yealink.xml")
@public
async def yealink_book(request: web.Request) -> web.Response:
    """A menu of the book's parts, or one of them; a short book as it is."""
    panel, phone = panel_of(request), await _find_phone(request)
    query, size = Query(request), ENTRIES["yealink"]
    scope = scope_of(phone.employee_id, phone.role, panel.directory.current)
    search, at = cards.searched(query.text("q"), panel.region), query.text("at", cards.LONGEST_CURSOR) or None
    last = read_mark(query.text("last", cards.LONGEST_CURSOR))
    async with panel.database.read() as session:
        if not search and at is None:
            parts = await book_parts(session, scope, size, MOST_PARTS)
            if len(parts) > 1:
                return _xml(yealink_menu([_menu_item(request, phone, part) for part in parts]))
        page = await read_book(session, scope, size if search else _MOST_IN_PART, at, search=search, last=last)
    return _xml(yealink(_lines(panel, phone, page.entries)))


def _menu_item(request: web.Request, phone: BookPhone, part: BookPart) -> tuple[str, str]:
    last = "" if part.last is None else str(part.last)
    return _shown(panel_of(request), phone, part.name), _address(request, at=part.start, last=last)


@routes.get(f"/phonebook/{_KEY}/cisco-menu.xml")
@public
async def cisco_entry(request: web.Request) -> web.Response:
    """The book as an item of the menu that a phone's directoryURL adds to its own directories."""
    await _find_phone(request)
    return _xml(cisco_menu("Leadline", f"{_base(request)}/phonebook/{request.match_info['key']}/cisco.xml"))


@routes.get(f"/phonebook/{_KEY}/cisco.xml")
@public
async def cisco_book(request: web.Request) -> web.Response:
    """A page of the book, and the way to the next."""
    panel, phone = panel_of(request), await _find_phone(request)
    query = Query(request)
    scope = scope_of(phone.employee_id, phone.role, panel.directory.current)
    search, at = cards.searched(query.text("q"), panel.region), query.text("at", cards.LONGEST_CURSOR) or None
    async with panel.database.read() as session:
        page = await read_book(session, scope, ENTRIES["cisco"], at, search=search)
        fitting = _fitting(page.entries, ENTRIES["cisco"])
        if fitting < len(page.entries):
            page = await read_book(session, scope, fitting, at, search=search)
    following = _address(request, at=page.after, q=query.text("q")) if page.after else None
    return _xml(cisco(_lines(panel, phone, page.entries), following, (_("Dial"), _("Next"), _("Exit"))))


def _fitting(entries: tuple[Entry, ...], most: int) -> int:
    """How many of the first entries have at most so many numbers together; one at least."""
    ends = accumulate(len(entry.numbers) for entry in entries)
    return max(1, sum(end <= most for end in ends))


@routes.get(f"/phonebook/{_KEY}/{{file:phonebook.xml|gs_phonebook.xml}}")
@routes.get(f"/phonebook/{_KEY}/{{page:[1-9][0-9]?}}/{{file:phonebook.xml|gs_phonebook.xml}}")
@public
async def grandstream_book(request: web.Request) -> web.Response:
    """One part of a book, the first if none is named, for phones that cannot follow from one to the next."""
    panel, phone = panel_of(request), await _find_phone(request)
    scope, number = scope_of(phone.employee_id, phone.role, panel.directory.current), _part_number(request)
    async with panel.database.read() as session:
        # Whoever begins reads a new book, the others what it was cut into then.
        parts = panel.phone_books.cut.recall(phone, scope) if number > 1 else None
        if parts is None:
            parts = await book_parts(session, scope, ENTRIES["grandstream"], MOST_PARTS)
            panel.phone_books.cut.remember(phone, scope, parts)
        if number > len(parts):
            return _xml(grandstream(()))
        part = parts[number - 1]
        page = await read_book(session, scope, _MOST_IN_PART, part.start, last=part.last)
    return _xml(grandstream(_lines(panel, phone, page.entries)))


def _part_number(request: web.Request) -> int:
    return int(request.match_info.get("page", "1"))


@routes.get(f"/phonebook/{_KEY}/contacts.vcf")
@public
async def vcard_book(request: web.Request) -> web.StreamResponse:
    """The whole book, written while it is read."""
    phone = await _find_phone(request)
    scope = scope_of(phone.employee_id, phone.role, panel_of(request).directory.current)
    headers = {
        "Content-Type": "text/vcard; charset=utf-8",
        "Content-Disposition": 'attachment; filename="contacts.vcf"',
    }
    response = web.StreamResponse(headers=headers)
    panel, hashed = panel_of(request), phone_book.key_hash(request.match_info["key"])

    async def still_opens() -> bool:
        async with panel.database.read() as session:
            now = await phone_book.find_phone(session, hashed)
        return now is not None and scope_of(now.employee_id, now.role, panel.directory.current) == scope

    chunks = (vcards(lines).encode() async for lines in _all_lines(panel, phone, scope))
    await send(request, response, chunks, still_opens)
    return response


@routes.get("/phone-book")
async def key_list(request: web.Request) -> web.Response:
    """One's own phones, an administrator's everybody's, and which have a key."""
    return await _keys_page(request)


@routes.post(f"/phone-book/{ID}/key")
async def make_key(request: web.Request) -> web.Response:
    """Make a phone's key and show it, this once."""
    panel, row = panel_of(request), await _own_phone(request)
    async with panel.database.write() as session:
        key = await phone_book.make_key(session, row.extension_id, panel.clock())
    return await _keys_page(request, made=row, address=_base(request) + f"/phonebook/{key}")


@routes.post(f"/phone-book/{ID}/revoke")
async def revoke_key(request: web.Request) -> web.Response:
    """Let a phone's key open nothing any more."""
    row = await _own_phone(request)
    async with panel_of(request).database.write() as session:
        await phone_book.revoke_key(session, row.extension_id)
    return redirect(
        request, "/phone-book", flash=_("The key of phone %(number)s opens nothing any more.", number=row.number)
    )


async def _find_phone(request: web.Request) -> BookPhone:
    """The phone whose key the address holds; strangers are slowed down before the database is asked.

    A phone that asks on with a key that has ended, or whoever guesses, keeps no other phone of its office waiting.
    """
    panel = panel_of(request)
    books, hashed = panel.phone_books, phone_book.key_hash(request.match_info["key"])
    address = address_of(request, panel.behind_proxy)
    guessed = hashed not in books.opened
    wait = max(books.guesses.wait(hashed, address) if guessed else timedelta(0), books.pace.wait(hashed))
    if wait:
        raise _too_often(wait)
    if guessed:
        books.guesses.count_once(hashed, address)
    async with panel.database.read() as session:
        phone = await phone_book.find_phone(session, hashed)
    if phone is None:
        books.opened.discard(hashed)
        raise web.HTTPNotFound(text=_("This key opens no phone book."))
    if guessed:
        books.guesses.succeeded(hashed, address)
    books.opened.add(hashed)
    now = panel.clock()
    if phone.used_at is None or now - phone.used_at >= phone_book.USED_STEP:
        async with panel.database.write() as session:
            await phone_book.note_used(session, phone.extension_id, now)
    return phone


def _too_often(wait: timedelta) -> web.HTTPTooManyRequests:
    seconds = int(wait.total_seconds()) + 1
    return web.HTTPTooManyRequests(
        text=_("Too many questions. Ask again in %(count)s s.", count=seconds), headers={"Retry-After": str(seconds)}
    )


async def _own_phone(request: web.Request) -> KeyRow:
    form_of(request)
    phone_id = int(request.match_info["id"])
    row = next((one for one in await _phones(request) if one.extension_id == phone_id), None)
    if row is None:
        raise web.HTTPNotFound(text=_("There is no such phone, or it is not yours."))
    return row


async def _phones(request: web.Request) -> list[KeyRow]:
    viewer = viewer_of(request)
    async with panel_of(request).database.read() as session:
        return await phone_book.phones_with_keys(session, None if viewer.is_admin else viewer.id)


async def _keys_page(request: web.Request, made: KeyRow | None = None, address: str = "") -> web.Response:
    return render(request, "phone_book.html", phones=await _phones(request), made=made, address=address)


async def _all_lines(panel: Panel, phone: BookPhone, scope: Scope) -> AsyncIterator[list[Line]]:
    at: str | None = None
    for _page in range(_MOST_VCARD_PAGES):
        async with panel.database.read() as session:
            page = await read_book(session, scope, ENTRIES["vcard"], at)
        yield _lines(panel, phone, page.entries)
        at = page.after
        if at is None:
            return


def _lines(panel: Panel, phone: BookPhone, entries: tuple[Entry, ...]) -> list[Line]:
    """Entries in the form that the phone can draw; who has no name in it stands by his number."""
    return [
        Line(
            _shown(panel, phone, entry.name, entry.language) or entry.numbers[0],
            entry.numbers,
            _shown(panel, phone, entry.company, entry.language) if entry.company else "",
        )
        for entry in entries
    ]


def _shown(panel: Panel, phone: BookPhone, name: str, language: str | None = None) -> str:
    # A phone that shows no names on calls has a book all the same, in the letters that every phone draws.
    mode = DisplayMode.LATIN if phone.display_mode is DisplayMode.OFF else phone.display_mode
    return panel.phone_books.names(name, language, mode, phone.display_length) or ""


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/xml", charset="utf-8")


def _base(request: web.Request) -> str:
    """How this server is reached, as far as the question tells."""
    host = request.host if _HOST.fullmatch(request.host) else "localhost"
    return f"{'https' if panel_of(request).secure else 'http'}://{host}"


def _address(request: web.Request, **parts: str) -> str:
    """This address with other parts, in full: phones do not complete addresses."""
    query = {name: value for name, value in parts.items() if value}
    return _base(request) + str(request.rel_url.with_query(query))
