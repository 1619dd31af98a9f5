"""A language that says each message in ⟦…⟧: whatever a page shows outside of them, nobody can translate (X2).

The company's own words are written in full-width letters here, so that any Latin letter outside of the marks is a text
that does not go through gettext. Pages, the answers to forms, filled well and badly, and what scripts put in are read.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from gettext import NullTranslations

import pytest
import pytest_asyncio
from playwright.async_api import expect
from sqlalchemy import text

from leads.domain.rings import RingState
from leads.store.engine import Database
from leads.store.people_of_calls import CallPerson
from leads.store.tasks import give_task
from tests.admin.test_questions import RING
from tests.browser.desk import Desk, Desks
from tools.showroom import IMPORT_FILE, NOW, PAGES, Page, Showroom

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

DATA = {
    "employee": ("name",),
    "lead": ("name", "address", "comment"),
    "counterparty": ("name", "folder", "address", "comment"),
    "contact_person": ("name",),
    "call": ("channel",),
    "did": ("label", "channel", "queue"),
    "source": ("name",),
    "ring_group": ("name",),
    "note": ("text",),
    "task": ("text", "reason"),
    "planned_call": ("note",),
    "holiday": ("name",),
    "ignored_number": ("note",),
    "import_batch": ("file_name",),
    "import_refusal": ("name", "reason"),
}
"""Where people's own words are; refused rows keep the words of the language in which they were imported."""
WIDE = {code: code + 0xFEE0 for code in (*range(ord("A"), ord("Z") + 1), *range(ord("a"), ord("z") + 1))}
OUTSIDE = """(html) => {
    const tree = html === null ? document : new DOMParser().parseFromString(html, "text/html");
    const skipped = "script, style, code, kbd, time, .number, .month, del, ins, .audit-values > .soft, "
        + "select[name=time_zone], select[name=language], [data-samples], .browser";
    const texts = [];
    const read = (root) => {
        const walker = tree.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
        for (let node = walker.currentNode; node; node = walker.nextNode()) {
            if (node.nodeType === Node.TEXT_NODE) {
                if (node.parentElement?.tagName === "NOSCRIPT")
                    read(new DOMParser().parseFromString(node.data, "text/html").documentElement);
                else if (!node.parentElement?.closest(skipped)) texts.push(node.data);
                continue;
            }
            for (const { name, value } of node.attributes ?? []) {
                const shown = ["title", "aria-label", "placeholder", "alt", "label"].includes(name);
                const told = name.startsWith("data-") && /^[^a-z\\/]|\\s/.test(value) && name !== "data-card-key";
                if ((shown && !node.matches("time, svg *")) || told) texts.push(value);
            }
            if (node.tagName === "TEMPLATE") read(node.content);
        }
    };
    read(tree.documentElement);
    return texts;
}"""
FORMS = """() => [...document.querySelectorAll("main form")]
    .filter((form) => form.method === "post" && !form.enctype.startsWith("multipart"))
    .map((form) => [new URL(form.action).pathname, [...new FormData(form)]
        .map(([name, value]) => [name, value, form.querySelector(`[name="${name}"]`)?.type === "hidden"])])"""
SEND = """async ([path, fields, headers]) => {
    const answer = await fetch(path, { method: "POST", body: new URLSearchParams(fields), headers });
    return [answer.headers.get("Content-Type"), await answer.text()];
}"""
ENDS = re.compile(r"/(?:remove|erase|revoke|undo|leave|delete|close|merge|cancel|done|reopen|away|stop)$")
"""Forms that take away what others need are sent last; those that end the session are not sent."""
ENDS_SESSION = re.compile(r"^/me/sessions/|/sign-(?:out|in)$")
WORD = re.compile(r"[A-Za-z]{2,}")
NO_WORDS = re.compile(
    r"\S+@\S+|https?://\S+|PJSIP/\d+|Leadline|Yealink|Grandstream|Cisco|directoryURL|vCard|asterisk"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
    r"|English|(?:^|· )(?:admin|andriy|james|mariia)$"
)
"""Names of products and languages, addresses, logins, and the calendar, which Babel says in each language."""


class Marked(NullTranslations):
    """Says each message between marks."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def marked(room: Showroom) -> AsyncIterator[None]:
    """The panel speaks in marks, and the company writes in full-width letters."""
    assert isinstance(room.panel.catalogs, dict)
    room.panel.catalogs["en"] = Marked()
    await _widen(room.panel.database)
    await room.panel.directory.refresh()
    yield


async def _widen(database: Database) -> None:
    async with database.write() as session:
        for table, columns in DATA.items():
            for column in columns:
                found = await session.execute(text(f"SELECT rowid, {column} FROM {table} WHERE {column} <> ''"))
                for key, value in found.all():
                    wide = {"value": value.translate(WIDE), "key": key}
                    await session.execute(text(f"UPDATE {table} SET {column} = :value WHERE rowid = :key"), wide)
        await session.execute(text("UPDATE routing_decision SET decision = replace(decision, 'Sales', 'Ｓ')"))


def outside(texts: Iterable[str]) -> list[str]:
    """The words outside of the marks."""
    found = []
    for one in texts:
        depth, plain = 0, ""
        for letter in one:
            depth += {"⟦": 1, "⟧": -1}.get(letter, 0)
            plain += letter if depth == 0 and letter != "⟧" else " "
        if WORD.search(NO_WORDS.sub(" ", plain)):
            found.append(" ".join(one.split())[:120])
    return sorted(set(found))


async def words(desk: Desk, html: str | None = None) -> list[str]:
    """The words outside of the marks on the page that is shown, or on one that was answered."""
    return outside(await desk.page.evaluate(OUTSIDE, html))


async def answered(desk: Desk, path: str, fields: list[list[str]], **headers: str) -> list[str]:
    """The words outside of the marks in the answer to a form."""
    kind, text = await desk.page.evaluate(SEND, [path, fields, headers])
    found = await words(desk, text) if "html" in kind else outside([json.loads(text)["text"]])
    return [f"{path}: {one}" for one in found]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sent_file(desks: Desks, marked: None) -> None:
    desk = await desks.of("admin")
    await desk.goto("/imports")
    file = {"name": "ｆ", "mimeType": "text/csv", "buffer": IMPORT_FILE.translate(WIDE).encode()}
    await desk.page.set_input_files("#file", file)  # type: ignore[arg-type]
    await desk.page.click("main button.button-primary")
    await desk.page.wait_for_url("**/imports/preview")


@dataclass
class Visited:
    """What pages said outside of the language, by their names, and the forms on them, by whose they are."""

    said: dict[str, list[str]] = field(default_factory=dict)
    forms: dict[str, dict[str, list[list[str]]]] = field(default_factory=lambda: defaultdict(dict))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def visited(desks: Desks, room: Showroom, sent_file: None) -> Visited:
    """Every page is read, and every form on it is sent once with nothing right in it."""
    found = Visited()
    kinds = set()
    for page in PAGES:
        desk = await desks.of(page.login)
        await desk.goto(room.path(page))
        if page.name == "live":
            await desk.page.locator("#live-state[data-state=connected]").wait_for()
        said = await words(desk)
        for path, fields in await desk.page.evaluate(FORMS):
            kind = re.sub(r"\d+", "{id}", path)
            if kind in kinds or ENDS_SESSION.search(path):
                continue
            kinds.add(kind)
            found.forms[page.login][path] = [[name, value] for name, value, _hidden in fields]
            if not ENDS.search(path):
                said += await answered(desk, path, [[name, value if kept else "?"] for name, value, kept in fields])
        found.said[page.name] = said
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_a_page_says_nothing_outside_of_the_language(page: Page, visited: Visited) -> None:
    assert not visited.said[page.name], "\n".join(visited.said[page.name])


async def test_what_is_said_after_a_change(visited: Visited, desks: Desks) -> None:
    """The forms as they stand on their pages, those that take something away last."""
    said = []
    for login, forms in visited.forms.items():
        desk = await desks.of(login)
        await desk.goto("/me" if login else "/sign-in")
        for path in sorted(forms, key=lambda path: ENDS.search(path) is not None):
            said += await answered(desk, path, forms[path])
    assert not said, "\n".join(said)
    assert len(visited.forms["admin"]) > 40


async def test_what_scripts_say(desks: Desks, room: Showroom) -> None:
    """A question, the reminders, what becomes of a call by a click and of the key for the card, and a dialog."""
    desk = await desks.of("james")
    ring = replace(RING, endpoint="PJSIP/103", party="+380501112233", linkedid="9.1", uniqueid="9.2")
    room.panel.questions.take([ring])
    await desk.goto("/day")
    async with room.panel.database.write() as session:
        about = CallPerson(lead_id=room.keys["lead"])
        await give_task(session, about, room.keys["supervisor"], "1", None, by=room.keys["employee"], now=NOW)
    await desk.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(desk.page.locator(".question")).to_have_count(1)
    await expect(desk.page.locator(".reminders p")).not_to_have_count(0)
    said = await words(desk)
    csrf = ["csrf", await desk.page.locator("input[name=csrf]").first.input_value()]
    for act in ("accept", "reject"):
        said += await answered(desk, f"/questions/{act}", [csrf, ["ring", ring.id]], Accept="application/json")
    room.panel.questions.take([replace(ring, state=RingState.OVER)])
    await expect(desk.page.locator(".question")).to_have_count(0)
    await desk.page.keyboard.press("Control+q")
    await expect(desk.page.locator("[data-word]")).to_be_visible()
    said += await words(desk)
    number = ["number", "+380501112233"]
    said += await answered(desk, f"/leads/{room.keys['lead']}/call", [csrf, number], Accept="application/json")
    assert not said, "\n".join(said)


@pytest.mark.parametrize(
    "path", ["/leads/export.csv", "/counterparties/export.csv", "/reports/leads.csv", "/reports/calls.csv"]
)
async def test_the_headings_of_a_file(path: str, desks: Desks) -> None:
    desk = await desks.of("admin")
    text = await desk.page.evaluate("async (path) => (await fetch(path)).text()", path)
    assert "⟦" in text
    assert outside(next(csv.reader(text.splitlines()))) == []
