"""The question on the screen: who is asked, who may act, what each outcome says; the card, calls (C10, C11, L11)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import aiohttp_jinja2
import pytest
from aiohttp import web
from jinja2 import BytecodeCache
from sqlalchemy import select, update

from leads.admin import CallFeed, create_panel, questions
from leads.admin.questions import Questions
from leads.domain.calls import Direction, Phase
from leads.domain.directory import Extension
from leads.domain.rings import PhonesUnavailableError, Rejection, Ring, RingState
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.models import Counterparty, Employee, IgnoredNumber, Lead, PhoneNumber
from tests.admin.browser import window
from tests.admin.calls import CALLER, add_call
from tests.admin.conftest import Clock, Company, Visitor
from tests.admin.test_live import Events

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
Visitors = Callable[[], Visitor]
RING = Ring(
    pbx="asterisk",
    uniqueid="1.2",
    linkedid="1.1",
    channel="PJSIP/101-00000002",
    endpoint="PJSIP/101",
    direction=Direction.INBOUND,
    party=CALLER,
    party_name="Kyivstar",
    hidden=False,
    dialled="0441234567",
    state=RingState.RINGING,
)


@dataclass
class FakePhones:
    """Phones that note what is asked of them, and do with each ringing what a test says."""

    available: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    on_answer: Callable[[Ring], None] = lambda _: None
    rejection: Rejection = Rejection.DONE
    failure: PhonesUnavailableError | None = None

    async def answer(self, ring: Ring) -> None:
        self.asked.append(("answer", ring.id))
        if self.failure:
            raise self.failure
        await asyncio.sleep(0)
        self.on_answer(ring)

    async def reject(self, ring: Ring) -> Rejection:
        self.asked.append(("reject", ring.id))
        if self.failure:
            raise self.failure
        return self.rejection

    async def call(self, phone: Extension, number: str, name: str | None, language: str | None) -> None:
        self.asked.append((phone.endpoint, f"{number} {name}"))
        if self.failure:
            raise self.failure


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about what is said, not about how long is waited."""
    monkeypatch.setattr(questions, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(questions, "SETTLE_SECONDS", 0.1)


@pytest.fixture
def phones() -> FakePhones:
    return FakePhones()


@pytest.fixture
def asked(database: Database, directory: DirectoryCache, phones: FakePhones) -> Questions:
    made = Questions(database, directory, "UA")
    made.attach("asterisk", phones)
    return made


@pytest.fixture
def app(
    database: Database,
    directory: DirectoryCache,
    feed: CallFeed,
    clock: Clock,
    compiled_templates: BytecodeCache,
    *,
    asked: Questions,
) -> web.Application:
    zone = ZoneInfo("Europe/Kyiv")
    made = create_panel(database, directory, feed, zone=zone, region="UA", secure=False, clock=clock, questions=asked)
    aiohttp_jinja2.get_env(made).bytecode_cache = compiled_templates
    return made


@asynccontextmanager
async def told(visitor: Visitor) -> AsyncIterator[Events]:
    async with visitor.client.get(f"{visitor.base}/live/questions/stream") as response:
        assert response.status == 200
        yield Events(response.content)


async def act(visitor: Visitor, action: str, ring: str = RING.id) -> str:
    answer = await visitor.post(f"/questions/{action}", {"ring": ring})
    assert answer.status == 200
    return str(json.loads(answer.text)["outcome"])


async def card(visitor: Visitor, ring: str = "") -> dict[str, str]:
    answer = await visitor.post("/questions/card", {"ring": ring}, Accept="application/json")
    return dict(json.loads(answer.text))


async def add_lead(database: Database, clock: Clock, responsible: int | None, name: str = "Olha") -> int:
    async with database.write() as session:
        lead = Lead(
            name=name,
            named=True,
            status_id=1,
            responsible_id=responsible,
            comment="Asks for tiles",
            created_at=clock(),
            updated_at=clock(),
            main_number=CALLER,
        )
        lead.numbers = [PhoneNumber(number=CALLER, on_active_lead=True)]
        session.add(lead)
        await session.flush()
        return lead.id


async def test_only_the_owner_of_the_phone_is_asked(visitor: Visitors, asked: Questions, yurii: Visitor) -> None:
    maria = visitor()
    await maria.sign_in("maria")
    async with told(yurii) as his, told(maria) as hers:
        assert json.loads(await his.next("questions")) == json.loads(await hers.next("questions")) == []
        asked.take([RING])
        (question,) = json.loads(await his.next("questions"))
        assert question["id"] == RING.id
        assert question["title"] == "Kyivstar calls"
        assert "+380 50 123 4567" in question["html"]
        asked.take([replace(RING, uniqueid="1.3", endpoint="PJSIP/102")])
        (question,) = json.loads(await hers.next("questions"))
        assert question["id"] == "asterisk/1.3"
        asked.take([replace(RING, state=RingState.OVER)])
        assert json.loads(await his.next("questions")) == []


async def test_the_name_is_routings_and_the_card_follows_with_its_note(
    yurii: Visitor, asked: Questions, database: Database, clock: Clock, company: Company
) -> None:
    lead = await add_lead(database, clock, company.maria)
    asked.decided("asterisk", "1.1", "Ольга")
    asked.take([RING])
    async with told(yurii) as events:
        while "Asks for tiles" not in (text := await events.next("questions")):
            pass
        (question,) = json.loads(text)
        assert question["title"] == "Ольга calls"
        assert f'href="/leads/{lead}"' in question["html"]
        # He may look at whose call he is to answer, though the lead is Maria's.
        assert (await yurii.get(f"/leads/{lead}")).status == 200
        task = {"task_text": "Call back", "task_employee": company.maria}
        for path, fields in (("tasks", task), ("notes", {"note": "In a hurry"})):
            assert (await yurii.post(f"/leads/{lead}/{path}", fields)).location == f"/leads/{lead}"
    asked.take([replace(RING, state=RingState.OVER)])
    assert (await yurii.get(f"/leads/{lead}")).status == 404
    assert (await yurii.post(f"/leads/{lead}/notes", {"note": "too late"})).status == 404


async def test_who_is_rung_saves_the_callers_card_and_no_other(
    yurii: Visitor, asked: Questions, database: Database, clock: Clock, company: Company
) -> None:
    lead = await add_lead(database, clock, company.maria)
    other = {"version": "1", "name": "Чужий", "status_id": "1", "number": "0671112233", "responsible_seen": ""}
    await yurii.post("/leads", other | {"responsible_id": company.maria})
    asked.take([RING])
    async with told(yurii) as events:
        while "Asks for tiles" not in await events.next("questions"):
            pass
        card = (await yurii.get(f"/leads/{lead}")).text
        typed = {"version": "1", "name": "Ольга", "status_id": "1", "number": CALLER, "comment": "Плитка"}
        typed |= {"responsible_id": str(company.maria), "responsible_seen": str(company.maria)}
        assert f'action="/leads/{lead}"' in card
        forged = typed | {"number": "0671112233", "merge": str(lead + 1)}
        assert (await yurii.post(f"/leads/{lead}", forged)).status == 404
        assert (await yurii.post(f"/leads/{lead + 1}", typed)).status == 404
        assert (await yurii.post(f"/leads/{lead}", typed)).location == f"/leads/{lead}"
        planned = await yurii.post(f"/leads/{lead}/plan", {"plan_day": "2026-03-10", "plan_note": "про плитку"})
        assert planned.location == f"/leads/{lead}"
    assert "Плитка" in (await yurii.get(f"/leads/{lead}")).text
    asked.take([replace(RING, state=RingState.OVER)])
    late = await yurii.post(f"/leads/{lead}", typed | {"version": "2", "comment": "Запізно"})
    assert late.status == 404
    assert "Запізно" in late.text


async def test_who_is_rung_by_a_counterparty_saves_its_card(
    yurii: Visitor, asked: Questions, database: Database, clock: Clock, company: Company
) -> None:
    async with database.write() as session:
        card = Counterparty(name="ТОВ", responsible_id=company.maria, created_at=clock(), updated_at=clock())
        card.numbers = [PhoneNumber(number=CALLER)]
        session.add(card)
        await session.flush()
        address = f"/counterparties/{card.id}"
    typed = {"version": "1", "name": "ТОВ «Плитка»", "number": CALLER, "responsible_id": company.maria}
    assert (await yurii.post(address, typed)).status == 404
    asked.take([RING])
    async with told(yurii) as events:
        while address not in await events.next("questions"):
            pass
        assert (await yurii.post(address, typed)).location == address
    asked.take([replace(RING, state=RingState.OVER)])
    assert (await yurii.post(address, typed | {"version": "2"})).status == 404


async def test_the_question_waits_for_no_database(
    yurii: Visitor, asked: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "find_caller", lambda *_: asyncio.Event().wait())
    async with told(yurii) as events:
        await events.next("questions")
        asked.take([RING])
        assert json.loads(await events.next("questions"))[0]["title"] == "Kyivstar calls"


async def test_what_comes_from_outside_is_text(yurii: Visitor, asked: Questions) -> None:
    async with told(yurii) as events:
        await events.next("questions")
        asked.take([replace(RING, party_name="<script>alert(1)</script>")])
        (question,) = json.loads(await events.next("questions"))
        assert "<script>" not in question["html"]
        assert "&lt;script&gt;" in question["html"]


async def test_a_hidden_number_is_not_shown(yurii: Visitor, asked: Questions) -> None:
    async with told(yurii) as events:
        await events.next("questions")
        asked.take([replace(RING, hidden=True, party=None, party_name=None)])
        assert json.loads(await events.next("questions"))[0]["title"] == "Number hidden calls"


async def test_a_colleague_is_named(yurii: Visitor, asked: Questions) -> None:
    async with told(yurii) as events:
        await events.next("questions")
        asked.take([replace(RING, direction=Direction.INTERNAL, party="102")])
        assert json.loads(await events.next("questions"))[0]["title"] == "Марія Коваленко · 102 calls"


async def test_accept_says_whether_the_phone_answered(yurii: Visitor, asked: Questions, phones: FakePhones) -> None:
    asked.take([RING])
    assert await act(yurii, "accept") == "no-remote-answer"
    phones.on_answer = lambda ring: asked.take([replace(ring, state=RingState.ANSWERED)])
    assert await act(yurii, "accept") == "answered"
    assert await act(yurii, "accept") == "answered"
    assert phones.asked == [("answer", RING.id)] * 2


async def test_a_phone_that_answers_in_the_instant_in_which_the_wait_ends_has_answered(
    yurii: Visitor, asked: Questions, phones: FakePhones, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "ANSWER_SECONDS", 0)
    asked.take([RING])
    phones.on_answer = lambda ring: asked.take([replace(ring, state=RingState.ANSWERED)])
    assert await act(yurii, "accept") == "answered"


async def test_several_windows_do_one_action(yurii: Visitor, asked: Questions, phones: FakePhones) -> None:
    asked.take([RING])
    phones.on_answer = lambda ring: asked.take([replace(ring, state=RingState.ANSWERED)])
    outcomes = await asyncio.gather(*(act(yurii, action) for action in ("accept", "reject", "accept")))
    assert len(phones.asked) == 1 or set(outcomes) == {"answered"}
    assert [action for action, _ring in phones.asked].count("answer") <= 1


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(RingState.ANSWERED, "answered"), (RingState.ELSEWHERE, "elsewhere"), (RingState.OVER, "over")],
)
async def test_what_rings_no_more_is_left_alone(
    yurii: Visitor, asked: Questions, phones: FakePhones, state: RingState, outcome: str
) -> None:
    asked.take([RING])
    asked.take([replace(RING, state=state)])
    assert await act(yurii, "reject") == await act(yurii, "accept") == outcome
    assert phones.asked == []


@pytest.mark.parametrize(
    ("rejection", "outcome"),
    [(Rejection.DONE, "rejected"), (Rejection.LATE, "late"), (Rejection.GONE, "still-rings")],
)
async def test_reject_says_what_asterisk_did(
    yurii: Visitor, asked: Questions, phones: FakePhones, rejection: Rejection, outcome: str
) -> None:
    phones.rejection = rejection
    asked.take([RING])
    assert await act(yurii, "reject") == outcome


async def test_of_anothers_phone_nobody_learns_or_does_anything(
    visitor: Visitors, company: Company, asked: Questions, phones: FakePhones
) -> None:
    maria = visitor()
    await maria.sign_in("maria")
    asked.take([RING])
    assert await act(maria, "accept") == await act(maria, "reject") == "over"
    asked.take([replace(RING, state=RingState.ANSWERED)])
    assert await act(maria, "reject") == "over"
    assert await act(maria, "accept", "nothing of ours") == "over"
    assert phones.asked == []


async def test_without_the_forms_token_nothing_is_done(yurii: Visitor, asked: Questions, phones: FakePhones) -> None:
    asked.take([RING])
    for path in ("/questions/accept", "/questions/reject", "/questions/card", "/leads/1/call"):
        assert (await yurii.post(path, {"ring": RING.id}, csrf=False)).status == 403
    assert phones.asked == []


async def test_strangers_are_asked_nothing(visitor: Visitors, company: Company) -> None:
    assert (await visitor().get("/live/questions/stream")).status == 401


async def test_an_asterisk_that_cannot_be_asked_is_said(yurii: Visitor, asked: Questions, phones: FakePhones) -> None:
    asked.take([RING])
    phones.available = False
    assert await act(yurii, "accept") == "unavailable"
    phones.available, phones.failure = True, PhonesUnavailableError("gone")
    assert await act(yurii, "reject") == "unavailable"


async def test_without_a_control_account_there_are_no_buttons(yurii: Visitor, asked: Questions) -> None:
    async with told(yurii) as events:
        await events.next("questions")
        asked.take([replace(RING, pbx="another")])
        assert json.loads(await events.next("questions"))[0]["steered"] is False


async def test_a_session_that_ends_ends_the_stream(yurii: Visitor, asked: Questions) -> None:
    async with told(yurii) as events:
        await events.next("questions")
        await yurii.post("/sign-out")
        assert b"event: signed-out" in await events.ended()


async def test_who_does_not_work_here_any_more_is_asked_nothing(
    admin: Visitor, yurii: Visitor, company: Company
) -> None:
    async with told(yurii) as events:
        await events.next("questions")
        path = f"/company/employees/{company.yurii}/leave"
        await admin.get(path)
        assert (await admin.post(path, {"version": 1, "successor_id": company.maria})).status == 303
        assert b"event: signed-out" in await events.ended()


# --- the caller's card ---


@pytest.mark.browser
async def test_a_task_is_given_from_the_call_on_the_screen(
    *, chromium: str, address: str, asked: Questions, database: Database, clock: Clock, company: Company
) -> None:
    lead = await add_lead(database, clock, company.yurii)
    async with window(chromium, address, width=390) as mine:
        await mine.sign_in("yurii")
        asked.take([RING])
        await mine.page.get_by_role("button", name="New task").click()
        await mine.page.wait_for_url(f"**/leads/{lead}#task_text")
        await mine.page.locator("#task_text").fill("Надіслати прайс")
        await mine.page.get_by_role("button", name="Give the task").click()
        await mine.page.get_by_text("The task is given.").wait_for()
        assert not await mine.scrolls_sideways()
        assert mine.complaints == []


async def test_the_card_of_whom_one_talks_with(
    yurii: Visitor, database: Database, clock: Clock, company: Company
) -> None:
    assert (await card(yurii))["text"] == "You are on no call at this moment."
    lead = await add_lead(database, clock, company.maria)
    await add_call(database, clock, "1.1", phase=Phase.TALKING, lead_id=lead, employee_id=company.yurii)
    assert await card(yurii) == {"href": f"/leads/{lead}", "text": ""}
    answer = await yurii.post("/questions/card")
    assert (answer.status, answer.location) == (303, f"/leads/{lead}")


async def test_a_card_is_made_where_there_is_none(yurii: Visitor, asked: Questions, database: Database) -> None:
    asked.take([RING])
    href = (await card(yurii, RING.id))["href"]
    assert (await card(yurii))["href"] == href
    async with database.read() as session:
        (lead,) = (await session.scalars(select(Lead))).all()
    assert (href, lead.name, lead.named) == (f"/leads/{lead.id}", CALLER, False)


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"hidden": True, "party": None}, "hides"), ({"direction": Direction.INTERNAL, "party": "102"}, "colleagues")],
)
async def test_some_callers_have_no_card(
    yurii: Visitor, asked: Questions, changed: dict[str, object], word: str
) -> None:
    asked.take([replace(RING, **changed)])  # type: ignore[arg-type]
    answer = await card(yurii)
    assert answer["href"] == ""
    assert word in answer["text"]


async def test_an_ignored_number_gets_no_card(
    yurii: Visitor, asked: Questions, database: Database, directory: DirectoryCache
) -> None:
    async with database.write() as session:
        session.add(IgnoredNumber(number=CALLER))
    await directory.refresh()
    asked.take([RING])
    assert "has no card" in (await card(yurii))["text"]


async def test_anothers_ringing_opens_no_card(
    visitor: Visitors, company: Company, asked: Questions, database: Database
) -> None:
    maria = visitor()
    await maria.sign_in("maria")
    asked.take([RING])
    assert (await card(maria, RING.id))["href"] == ""
    async with database.read() as session:
        assert (await session.scalars(select(Lead))).all() == []


@pytest.mark.parametrize(
    ("typed", "kept"), [("Alt+Shift+K", "Alt+Shift+K"), ("Ctrl+Q", None), ("", None), ("F9", "F9")]
)
async def test_each_has_a_key_of_his_own(
    yurii: Visitor, database: Database, company: Company, typed: str, kept: str | None
) -> None:
    assert (await yurii.post("/me", {"language": "", "time_zone": "", "card_key": typed})).status == 303
    async with database.read() as session:
        assert await session.scalar(select(Employee.card_key).where(Employee.id == company.yurii)) == kept
    assert f'data-card-key="{kept or "Ctrl+Q"}"' in (await yurii.get("/live")).text


@pytest.mark.parametrize("typed", ["Q", "Shift+Q", "Ctrl+", "Ctrl+QQ", '"><script>', "Ctrl+Q\t"])
async def test_a_key_that_is_none_is_refused(yurii: Visitor, typed: str) -> None:
    assert (await yurii.post("/me", {"language": "", "time_zone": "", "card_key": typed})).status == 422


# --- click to call ---


async def test_a_number_of_a_card_is_called_from_ones_own_phone(
    yurii: Visitor, database: Database, clock: Clock, company: Company, *, phones: FakePhones
) -> None:
    lead = await add_lead(database, clock, company.yurii)
    assert f'action="/leads/{lead}/call"' in (await yurii.get(f"/leads/{lead}")).text
    answer = await yurii.post(f"/leads/{lead}/call", {"number": "050 123 45 67"}, Accept="application/json")
    assert answer.status == 202
    assert phones.asked == [("PJSIP/101", f"{CALLER} Olha")]
    answer = await yurii.post(f"/leads/{lead}/call", {"number": CALLER})
    assert (answer.status, answer.location, len(phones.asked)) == (303, f"/leads/{lead}", 1)
    clock.move(seconds=4)
    await yurii.post(f"/leads/{lead}/call", {"number": CALLER})
    assert len(phones.asked) == 2


@pytest.mark.parametrize("number", ["+380501234568", "112", "", "101", "${SHELL(id)}", "+380501234567,1"])
async def test_only_a_cards_own_numbers_are_called(
    yurii: Visitor, database: Database, clock: Clock, company: Company, *, phones: FakePhones, number: str
) -> None:
    lead = await add_lead(database, clock, company.yurii)
    answer = await yurii.post(f"/leads/{lead}/call", {"number": number}, Accept="application/json")
    assert (answer.status, phones.asked) == (404, [])


async def test_calls_from_others_cards_or_phones_are_refused(
    yurii: Visitor, database: Database, clock: Clock, company: Company, *, phones: FakePhones
) -> None:
    theirs = await add_lead(database, clock, company.maria)
    assert (await yurii.post(f"/leads/{theirs}/call", {"number": CALLER})).status == 404
    async with database.write() as session:
        await session.execute(update(Lead).values(responsible_id=company.yurii))
    answer = await yurii.post(f"/leads/{theirs}/call", {"number": CALLER, "phone": "102"}, Accept="application/json")
    assert (answer.status, phones.asked) == (409, [])


async def test_a_contact_persons_number_is_called(
    admin: Visitor, yurii: Visitor, database: Database, clock: Clock, company: Company, *, phones: FakePhones
) -> None:
    async with database.write() as session:
        one = Counterparty(name="Tiles", responsible_id=company.yurii, created_at=clock(), updated_at=clock())
        one.numbers = [PhoneNumber(number=CALLER)]
        session.add(one)
        await session.flush()
        path = f"/counterparties/{one.id}"
    assert f'action="{path}/call"' in (await yurii.get(path)).text
    assert (await yurii.post(f"{path}/call", {"number": CALLER}, Accept="application/json")).status == 202
    assert phones.asked == [("PJSIP/101", f"{CALLER} Tiles")]
    # The administrator has no phone.
    assert f'href="tel:{CALLER}"' in (await admin.get(path)).text
    assert (await admin.post(f"{path}/call", {"number": CALLER}, Accept="application/json")).status == 409
