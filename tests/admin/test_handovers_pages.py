"""A whole list or a leaver's work that is long: a page tells how far it is, whoever began it can stop it (L8, K2)."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from leads.admin import handover_runner
from leads.admin.context import PANEL
from leads.admin.handover_runner import Handovers
from leads.domain.directory import Role
from leads.store import handing_over, handovers
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.handover_tables import HandoverState, StopReason
from leads.store.handovers import begin_list, find
from leads.store.leads import LeadFilter
from leads.store.models import Employee, Lead
from tests.admin.conftest import Clock, Company, Visitor
from tests.admin.test_leads_pages import _text


class Hold:
    """Keeps the server from its next piece until it is let go."""

    def __init__(self) -> None:
        self.pieces = asyncio.Semaphore(0)
        self.waits = asyncio.Event()

    async def breathe(self, _began: float) -> None:
        self.waits.set()
        await self.pieces.acquire()

    async def one_piece_done(self) -> None:
        """Wait until a piece is done, so that a page can be looked at between two."""
        await asyncio.wait_for(self.waits.wait(), 10)
        self.waits.clear()

    def go_on(self, pieces: int = 1_000) -> None:
        for _ in range(pieces):
            self.pieces.release()


@pytest.fixture
def hold(app: web.Application, monkeypatch: pytest.MonkeyPatch) -> Hold:
    """Pieces are of two things, more than two are many, and the server waits after each piece."""
    held = Hold()
    for module in (handing_over, handovers):
        monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(handover_runner, "breathe", held.breathe)
    monkeypatch.setattr(handover_runner, "LOOK_SECONDS", 3600.0)  # What a test begins by itself is no server's to find.
    return held


async def _fill(database: Database, clock: Clock, of: int, count: int) -> None:
    times = {"created_at": clock(), "updated_at": clock(), "main_number": "", "status_id": 1, "responsible_id": of}
    async with database.write() as session:
        session.add_all(Lead(name=f"lead {place}", numbers=[], **times) for place in range(count))


async def _responsibles(database: Database) -> list[int | None]:
    async with database.read() as session:
        return list(await session.scalars(select(Lead.responsible_id).order_by(Lead.id)))


async def _until_over(database: Database, handover_id: int) -> handovers.Standing:
    async with asyncio.timeout(20):
        while True:
            async with database.read() as session:
                found = await find(session, handover_id)
            assert found is not None
            if not found.runs:
                return found
            await asyncio.sleep(0.02)


async def test_a_long_list_goes_on_by_itself_and_tells_how_far_it_is(
    *, hold: Hold, admin: Visitor, visitor: Callable[[], Visitor], database: Database, company: Company, clock: Clock
) -> None:
    await _fill(database, clock, company.yurii, 6)
    fields = {"all": "1", "sure": "1", "to": str(company.maria)}
    began = await admin.post("/leads/give?state=all", fields)
    address = began.location
    assert address.startswith("/handovers/")
    await hold.one_piece_done()
    page = await admin.get(address)
    assert '<progress class="progress" max="100" value="33"' in page.text
    assert 'http-equiv="refresh"' in page.text
    assert "A list for Марія Коваленко" in page.text
    assert "Work is changing hands: 33 %" in (await admin.get("/leads")).text
    assert (await admin.post("/leads/give?state=all", fields)).location == address, "a second click"
    boss = visitor()
    await boss.sign_in("boss")
    assert [(await boss.get(address)).status, (await boss.post(f"{address}/stop")).status] == [404, 404]
    assert address not in (await boss.get("/handovers")).text
    assert "Work is changing hands" not in (await boss.get("/leads")).text
    hold.go_on()
    done = await _until_over(database, int(address.rpartition("/")[2]))
    assert (done.state, done.counts) == (HandoverState.DONE, {"given": 6})
    page = await admin.get(address)
    assert ("Done" in page.text, "<progress" in page.text, "/stop" in page.text) == (True, False, False)
    assert address in (await admin.get("/handovers")).text
    assert set(await _responsibles(database)) == {company.maria}
    log = _text((await admin.get("/company/audit?kind=handover")).text)
    assert "Work that changes hands 1 added" in log
    assert "Responsible: – → Марія Коваленко" in log
    assert "Changed hands: – → 6" in log


async def test_it_is_stopped_between_two_pieces(
    *, hold: Hold, admin: Visitor, database: Database, company: Company, clock: Clock
) -> None:
    await _fill(database, clock, company.yurii, 6)
    began = await admin.post("/leads/give", {"all": "1", "sure": "1", "to": "nobody"})
    await hold.one_piece_done()
    await admin.get(began.location)
    assert (await admin.post(f"{began.location}/stop")).location == began.location
    hold.go_on()
    page = await admin.get(began.location)
    assert "You stopped it." in page.text
    await admin.post(f"{began.location}/stop")
    assert "It was over already." in (await admin.get(began.location)).text
    assert (await _responsibles(database)).count(None) == 2


async def test_a_leavers_work_shows_on_his_page_too(
    *, hold: Hold, admin: Visitor, yurii: Visitor, database: Database, company: Company, clock: Clock
) -> None:
    await _fill(database, clock, company.yurii, 6)
    path, choice = f"/company/employees/{company.yurii}/leave", {"version": "1", "successor_id": str(company.maria)}
    await admin.get(path)
    began = await admin.post(path, choice)
    assert began.location.startswith("/handovers/")
    assert (await yurii.get("/live")).status == 303, "he is signed out before his work has changed hands"
    await hold.one_piece_done()
    assert "Щербань Юрій has left." in (await admin.get(began.location)).text
    page = await admin.get(path)
    assert "Work is changing hands: 33 %" in page.text
    assert f'href="{began.location}"' in page.text
    again = await admin.post(path, {**choice, "version": "2"})
    assert (again.status, "being handed over already" in again.text) == (422, True)
    async with database.write() as session:
        await session.execute(update(Employee).where(Employee.id == company.boss).values(role=Role.ADMIN))
    hold.go_on()
    done = await _until_over(database, int(began.location.rpartition("/")[2]))
    assert done.counts == {"leads": 6}
    assert set(await _responsibles(database)) == {company.maria}


async def test_a_few_are_done_before_the_page_comes(
    *, admin: Visitor, database: Database, company: Company, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as one piece holds: no other page is between."""
    monkeypatch.setattr(handing_over, "MOST_AT_ONCE", 2)
    await _fill(database, clock, company.yurii, 5)
    began = await admin.post("/leads/give", {"all": "1", "sure": "1", "to": str(company.maria)})
    assert began.location == "/leads"
    assert "5 leads changed hands." in (await admin.get("/leads")).text
    assert set(await _responsibles(database)) == {company.maria}


async def test_the_next_start_goes_on_where_a_server_ended(
    *, hold: Hold, database: Database, directory: DirectoryCache, company: Company, clock: Clock
) -> None:
    await _fill(database, clock, company.yurii, 6)
    async with database.write() as session:
        one = await begin_list(session, LeadFilter(), company.maria, 6, by=company.admin, now=clock())
    first, second = (Handovers(database, directory, clock) for _ in range(2))
    hold.go_on()
    assert await first.go_round()
    assert not await second.go_round(), "the first is at it"
    await first.close()
    assert await second.go_round()
    killed, third = second, Handovers(database, directory, clock)
    clock.move(seconds=16)
    running = asyncio.create_task(third.run())
    done = await _until_over(database, one)
    running.cancel()
    assert done.counts == {"given": 6}
    assert not await killed.go_round()


async def test_a_database_that_is_away_is_waited_for_and_a_mistake_of_ours_stops(
    *,
    hold: Hold,
    admin: Visitor,
    app: web.Application,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await _fill(database, clock, company.yurii, 6)
    async with database.write() as session:
        one = await begin_list(session, LeadFilter(), company.maria, 6, by=company.admin, now=clock())
    runner = Handovers(database, app[PANEL].directory, clock)
    hold.go_on()
    for error, state in (
        (OperationalError("", {}, OSError()), HandoverState.RUNNING),
        (KeyError(), HandoverState.STOPPED),
    ):

        async def fails(*_: object, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(handing_over, "give_some", fails)
            assert not await runner.go_round()
        async with database.read() as session:
            found = await find(session, one)
        assert found is not None
        assert found.state is state
    assert found.reason is StopReason.TROUBLE
    assert "has been logged" in (await admin.get(f"/handovers/{one}")).text


async def test_who_has_begun_nothing_reads_how_to(admin: Visitor) -> None:
    assert "Nothing has changed hands yet" in (await admin.get("/handovers")).text
    assert (await admin.get("/handovers/1")).status == 404
