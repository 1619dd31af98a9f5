"""Every route as everybody, with each one's own and with others' objects: what docs/access.md says, and no more (X1).

A new route needs a line in the table of docs/access.md. It needs more here only if it has objects of a kind of its own:
then `Owned` and `add_things` of tests/admin/access_world.py get one for each owner, KEYS tells its key by how the
route begins; LISTS has the addresses of a page that lists (each name on it holds the owner's word); FORMS what to POST
where an empty form would be refused before anybody looks whose the object is. Routes without any of these have no
objects: their cells for own and others' are the same. A stream counts as a list: its first event is looked through.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import select, update

from leadline.metrics import add_operation_routes
from leads.admin.context import PANEL
from leads.admin.recordings import Recordings
from leads.store.engine import Database
from leads.store.models import Counterparty, Employee, Lead
from leads.store.recording_files import RecordingFolder
from tests.admin.access_world import (
    FORMS,
    HARMLESS,
    KEYS,
    LAST,
    LISTS,
    Owned,
    add_handover,
    add_import,
    add_number,
    add_things,
    company_keys,
)
from tests.admin.conftest import Answer, Clock, Company, Visitor
from tests.admin.test_live import Events
from tests.admin.test_recordings import FakeControl

DOCUMENT = Path(__file__).parents[2] / "docs" / "access.md"
COLUMNS = ("nobody", "own", "other's", "group's", "beyond", "administrator", "right")
WORDS = {"yes", "hidden", "no", "sign in", "key"}
_LINE = re.compile(r"\| `((?:GET|POST) [^`]+)` \|(.*)\|")


def _matrix() -> dict[str, dict[str, str]]:
    """The table of docs/access.md: for each route its cells by column."""
    table: dict[str, dict[str, str]] = {}
    for line in DOCUMENT.read_text().splitlines():
        if found := _LINE.fullmatch(line.strip()):
            cells = [cell.strip() for cell in found[2].split("|")]
            assert found[1] not in table, f"{found[1]} stands in docs/access.md twice"
            table[found[1]] = dict(zip(COLUMNS, cells, strict=True))
    return table


MATRIX = _matrix()


@dataclass(frozen=True)
class Person:
    """Somebody who asks, and the columns that hold for what is the first's (Yurii's) and the second's (Maria's)."""

    login: str
    columns: tuple[str, str]


PEOPLE = (
    Person("", ("nobody", "nobody")),
    Person("yurii", ("own", "other's")),
    Person("boss", ("group's", "beyond")),
    Person("admin", ("administrator", "administrator")),
)


@pytest.fixture
def app(app: web.Application, tmp_path: Path) -> web.Application:
    """The whole server's routes, with a folder of recordings and a way to pause."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    app[PANEL] = replace(app[PANEL], recordings=Recordings({"asterisk": RecordingFolder(folder)}, FakeControl()))
    add_operation_routes(app, lambda: [], [])
    return app


def _routes(app: web.Application) -> set[str]:
    found = set()
    for route in app.router.routes():
        info = route.resource.get_info() if route.resource else {}
        if route.method != "HEAD":
            found.add(f"{route.method} {info.get('path') or info.get('formatter')}")
    return found


def test_the_matrix_names_every_route_and_no_other(app: web.Application) -> None:
    assert _routes(app) - MATRIX.keys() == set(), "say in docs/access.md who may ask these routes"
    assert MATRIX.keys() - _routes(app) == set(), "docs/access.md names routes that are gone"
    for route, cells in MATRIX.items():
        assert {cell for column, cell in cells.items() if column != "right"} <= WORDS, route
        assert cells["right"] in ("", "listen", "export"), route
        if not _has_objects(route):
            assert cells["own"] == cells["other's"], f"{route}: tell KEYS, LISTS or FORMS what it shows"
            assert cells["group's"] == cells["beyond"], route


def _has_objects(route: str) -> bool:
    path = route.partition(" ")[2]
    return route in LISTS or route in FORMS or path.endswith("/stream") or any(path.startswith(key) for key in KEYS)


@dataclass
class World:
    """The panel with things of Yurii's and Maria's, and everybody signed in; `tokens` are what their forms carry."""

    owners: tuple[Owned, Owned]
    visitors: dict[str, Visitor]
    company: dict[str, int]
    tokens: dict[str, str] = field(default_factory=dict)

    async def sign_in(self, login: str) -> None:
        visitor = self.visitors[login]
        assert (await visitor.sign_in(login)).status == 303
        self.tokens[login] = visitor.csrf

    def paths(self, route: str, owned: Owned) -> list[str]:
        """The addresses of a route for what somebody owns."""
        path = route.partition(" ")[2]
        if route in LISTS:
            return list(LISTS[route](owned))
        if route == "GET /static/{name}":
            return ["/static/panel.css"]
        if "{id}" not in path:
            return [path]
        keys = next((find(owned) for start, find in KEYS.items() if path.startswith(start)), None)
        if keys is None:
            keys = tuple(key for start, key in self.company.items() if path.startswith(start))
        assert keys, f"KEYS of access_world.py does not tell a key for {route}"
        if path.endswith("/call"):
            keys = keys[:1]
        return [path.replace("{id}", str(key)) for key in keys]

    async def answers(self, route: str, person: Person, place: int) -> set[str]:
        """What the route says to somebody about the first's or the second's things, as words of the table."""
        return {await self._ask(route, path, person, place) for path in self.paths(route, self.owners[place])}

    async def _ask(self, route: str, path: str, person: Person, place: int) -> str:
        owned, visitor = self.owners[place], self.visitors[person.login]
        if path.endswith("/stream") and person.login:
            return _shows(await _first_event(visitor, path, owned), owned)
        if route.startswith("GET"):
            answer = await visitor.get(path)
            said = _verdict(answer)
            return _shows(answer.text, owned) if said == "yes" and route in LISTS else said
        form = dict(FORMS[route](owned)) if route in FORMS else {}
        if MATRIX[route][person.columns[place]] == "yes" and route in HARMLESS:
            form = dict(HARMLESS[route])
        if route == "POST /sign-in":
            await visitor.get("/sign-in")
        elif person.login:
            if route.endswith(LAST):
                await self.sign_in(person.login)
            visitor.csrf = self.tokens[person.login]
        answer = await visitor.post(path, form)
        said = _verdict(answer)
        if said == "yes" and path.startswith("/questions/"):
            own_card = answer.location == f"/leads/{owned.leads[0]}"
            return "yes" if own_card or '"outcome": "unavailable"' in answer.text else "hidden"
        return said


async def _first_event(visitor: Visitor, path: str, owned: Owned) -> str:
    kind = "questions" if "questions" in path else "calls"
    async with visitor.client.get(visitor.base + path) as response:
        assert response.status == 200
        return (await Events(response.content).next(kind)).encode().decode("unicode_escape")


def _shows(text: str, owned: Owned) -> str:
    return "yes" if re.search(rf"{owned.word} \d", text) or owned.ring in text else "hidden"


def _verdict(answer: Answer) -> str:
    assert answer.status < 500, answer.text
    if answer.headers.get("Set-Cookie", "").startswith('leadline="";'):
        return "yes"  # He asked to be signed out, and was.
    if answer.status == 401 or (answer.status == 303 and answer.location.startswith("/sign-in")):
        return "sign in"
    return {403: "no", 404: "hidden"}.get(answer.status, "yes")


@pytest.fixture
async def world(
    *,
    app: web.Application,
    database: Database,
    clock: Clock,
    company: Company,
    visitor: Callable[[], Visitor],
    tmp_path: Path,
) -> World:
    owners = [
        await add_things(database, clock, app[PANEL], tmp_path / "recordings", owner=owner, phone=phone, word=word)
        for owner, phone, word in ((company.yurii, "101", "Ялинка"), (company.maria, "102", "Щавель"))
    ]
    visitors = {person.login: visitor() for person in PEOPLE}
    imported = await add_import(database, clock, company.admin)
    handed_over = await add_handover(database, clock, company.admin)
    keys = company_keys(company, await add_number(database), imported, handed_over)
    made = World((owners[0], owners[1]), visitors, keys)
    for person in PEOPLE[1:]:
        await made.sign_in(person.login)
    return made


@pytest.mark.timeout(300)
async def test_each_route_answers_everybody_as_the_matrix_says(world: World, database: Database) -> None:
    wrong: list[str] = []
    for right in ("without", "with"):
        rights = {"may_listen": right == "with", "may_export": right == "with"}
        async with database.write() as session:
            await session.execute(update(Employee).values(**rights))
        for route in _in_order(_of_round(right)):
            for person, place in _who_asks(route):
                expected = MATRIX[route][person.columns[place]]
                if right == "without" and (expected == "yes" or (expected == "hidden" and route in LISTS)):
                    expected = "no"
                said = await world.answers(route, person, place)
                if said != {expected} and expected != "key":
                    wrong.append(f"{route} for {person.login or 'nobody'}, {person.columns[place]}: {said} {right}")
    assert wrong == []
    await _nothing_was_taken(database)


def _of_round(right: str) -> list[str]:
    return [route for route in MATRIX if right == "with" or MATRIX[route]["right"]]


def _in_order(routes: list[str]) -> list[str]:
    return sorted(routes, key=lambda route: (route.endswith(LAST), route.startswith("POST")))


def _who_asks(route: str) -> list[tuple[Person, int]]:
    places = (0, 1) if _has_objects(route) else (0,)
    return [(person, place) for person in PEOPLE for place in places]


async def _nothing_was_taken(database: Database) -> None:
    async with database.read() as session:
        names = [*await session.scalars(select(Lead.name)), *await session.scalars(select(Counterparty.name))]
    assert "Taken" not in names


async def test_counts_are_of_what_may_be_seen(world: World) -> None:
    for login, leads, counterparties in (("yurii", 2, 3), ("boss", 2, 3), ("admin", 4, 6)):
        visitor = world.visitors[login]
        for path, count in (("/leads", leads), ("/counterparties", counterparties), ("/leads?q=380", leads)):
            assert f"{count} found" in (await visitor.get(path)).text, (login, path)
