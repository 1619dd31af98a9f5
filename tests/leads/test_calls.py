"""Writing calls: each once and whole, whatever order they are told in, whatever goes wrong meanwhile."""

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import OperationalError

from leads.domain.calls import CallView, Direction, Leg, Phase, Result, Transfer, TransferType
from leads.domain.views import ended_unseen
from leads.store import engine
from leads.store.board import calls_left_running
from leads.store.calls import MOST_AT_ONCE, RecordedDecision
from leads.store.engine import Database
from leads.store.migrate import upgrade, upgrade_database
from leads.store.models import Call, Lead, PhoneNumber, RoutingDecision
from tests.conftest import PostgresServer
from tests.leads.views import CALLER, DID, NOW, RINGING, ended, outgoing, talking
from tests.leads.writing import OTHER, Desk


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await Desk(database).open()


async def test_a_call_is_there_while_it_rings_and_whole_when_it_ends(desk: Desk) -> None:
    await desk.write(RINGING)
    call = await desk.call()
    assert (call.phase, call.direction, call.caller, call.caller_name) == (
        Phase.RINGING,
        Direction.INBOUND,
        CALLER,
        "TRUNK NAME",
    )
    assert (call.outside_number, call.did, call.employee_id, call.started_at) == (CALLER, DID, None, NOW)
    transfer = Transfer(TransferType.BLIND, "101", "102", Result.ANSWERED, "102")
    await desk.write(ended(talking(RINGING, transfers=(transfer,))))
    (call,) = await desk.calls()
    assert (call.phase, call.result, call.answered_by, call.employee_id) == (Phase.ENDED, Result.ANSWERED, "101", 2)
    assert (call.answered_at, call.ended_at) == (NOW + timedelta(seconds=10), NOW + timedelta(seconds=60))
    assert (call.ring_seconds, call.talk_seconds) == (10.0, 50.0)
    assert call.legs == [{"endpoint": "PJSIP/101", "number": "101", "result": "answered"}]
    assert call.transfers == [{"type": "blind", "by": "101", "to": "102", "result": "answered", "answered_by": "102"}]


async def test_a_poorer_view_changes_nothing(desk: Desk) -> None:
    whole = ended(talking(RINGING))
    await desk.write(whole)
    await desk.write(RINGING, talking(RINGING), replace(whole, progress=2, caller_name="late", result=Result.BUSY))
    await desk.write(replace(talking(RINGING), progress=99, incomplete=True, caller_name="after a restart"))
    call = await desk.call()
    assert (call.phase, call.result, call.caller_name, call.incomplete) == (
        Phase.ENDED,
        Result.ANSWERED,
        "TRUNK NAME",
        False,
    )


async def test_a_restart_during_the_call_keeps_its_beginning(desk: Desk) -> None:
    await desk.write(replace(talking(RINGING), progress=20))
    after = replace(
        ended(talking(RINGING), progress=2),
        incomplete=True,
        caller=None,
        caller_name=None,
        started_at=None,
        answered_at=None,
        ring_seconds=None,
        legs=(Leg("PJSIP/102", "102", Result.ANSWERED),),
    )
    await desk.write(after)
    await desk.write(replace(talking(RINGING), progress=21))
    call = await desk.call()
    assert (call.phase, call.result, call.incomplete, call.caller, call.started_at, call.ring_seconds) == (
        Phase.ENDED,
        Result.ANSWERED,
        True,
        CALLER,
        NOW,
        10.0,
    )
    assert [leg["endpoint"] for leg in call.legs] == ["PJSIP/101", "PJSIP/102"]
    await desk.write(ended(talking(RINGING)))
    call = await desk.call()
    assert (call.incomplete, call.halves, len(call.legs)) == (False, None, 1)


async def test_a_call_left_running_by_a_former_process_can_be_ended(desk: Desk) -> None:
    over = replace(ended(RINGING), linkedid="1.2")
    await desk.write(RINGING, over, replace(RINGING, linkedid="1.3", pbx="other"))
    async with desk.database.read() as session:
        (left,) = await calls_left_running(session, "pbx")
    assert (left.linkedid, left.phase, left.caller, left.legs) == ("1.1", Phase.RINGING, CALLER, RINGING.legs)
    await desk.write(ended_unseen(left, NOW + timedelta(hours=1)))
    call = await desk.call()
    assert (call.phase, call.result, call.incomplete, call.ended_at, call.caller, call.talk_seconds) == (
        Phase.ENDED,
        Result.NO_ANSWER,
        True,
        NOW + timedelta(hours=1),
        CALLER,
        None,
    )
    assert [(leg["endpoint"], leg["result"]) for leg in call.legs] == [("PJSIP/101", "no-answer")]
    async with desk.database.read() as session:
        assert await calls_left_running(session, "pbx") == []


async def test_calls_of_two_servers_may_share_a_linkedid(desk: Desk) -> None:
    await desk.write(RINGING, replace(RINGING, pbx="other"))
    assert [call.pbx for call in await desk.calls()] == ["pbx", "other"]


async def test_hostile_values_are_stored_harmlessly(desk: Desk) -> None:
    await desk.write(
        replace(
            RINGING,
            caller_name="<script>\x00\r\n" + "х" * 500,
            caller="+38050\x001234567",
            dialled="1" * 500,
            legs=(Leg("PJSIP/\x00" + "9" * 200, "\ud800101", None),) * 1000,
        )
    )
    call = await desk.call()
    assert call.caller_name == ("<script>" + "х" * 500)[:200]
    assert (call.caller, len(call.dialled or ""), len(call.legs)) == ("+380501234567", 200, 200)
    assert call.legs[0] == {"endpoint": ("PJSIP/" + "9" * 200)[:80], "number": "101", "result": None}


async def test_a_bad_row_does_not_lose_the_others(desk: Desk) -> None:
    bad = replace(RINGING, linkedid="2.1", progress=2**80)
    naive = replace(RINGING, linkedid="3.1", started_at=datetime(2026, 1, 1))
    good = replace(RINGING, linkedid="4.1", caller=OTHER)
    decision = RecordedDecision("pbx", "4.1", NOW, {"steps": []})
    await desk.write(RINGING, bad, naive, good, decisions=[decision])
    assert [call.linkedid for call in await desk.calls()] == ["1.1", "4.1"]
    async with desk.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(RoutingDecision)) == 1


async def test_a_database_without_tables_is_told_and_loses_nothing(desk: Desk) -> None:
    await desk.change(text("ALTER TABLE call RENAME TO hidden"))
    with pytest.raises(Exception, match="call"):
        await desk.write(RINGING)
    await desk.change(text("ALTER TABLE hidden RENAME TO call"))
    await desk.write(RINGING)
    assert len(await desk.calls()) == 1


async def test_a_locked_database_is_told(sqlite_template: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.05)
    (tmp_path / "own.db").write_bytes(sqlite_template.read_bytes())
    database, other = (Database(f"sqlite+aiosqlite:///{tmp_path}/own.db") for _process in range(2))
    desk = await Desk(database).open()
    async with other.write():
        with pytest.raises(OperationalError, match="locked"):
            await desk.write(RINGING)
    await desk.write(RINGING)
    assert len(await desk.calls()) == 1
    await database.dispose()
    await other.dispose()


@pytest.mark.postgres
async def test_a_postgresql_that_hangs_is_told_and_loses_nothing(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await own_server.create("calls", "template0")
    await upgrade(url)
    monkeypatch.setattr(engine, "COMMAND_SECONDS", 1.5)
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 1.5)
    database = Database(url)
    desk = await Desk(database).open()
    await desk.write(RINGING)
    own_server.signal(signal.SIGSTOP)
    try:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await desk.write(ended(RINGING))
    finally:
        own_server.signal(signal.SIGCONT)
    await desk.write(ended(RINGING))
    assert (await desk.call()).phase is Phase.ENDED
    await database.dispose()


async def test_more_than_one_batch(desk: Desk) -> None:
    count = MOST_AT_ONCE + 5
    await desk.write(*(replace(RINGING, linkedid=f"{number}.1") for number in range(count)))
    assert len(await desk.calls()) == count


async def test_the_last_decision_of_a_call_is_kept(desk: Desk) -> None:
    later = RecordedDecision("pbx", "1.1", NOW + timedelta(seconds=1), {"reasons": ["later"]})
    await desk.write(decisions=[later])
    await desk.write(decisions=[RecordedDecision("pbx", "1.1", NOW, {"reasons": ["first"]})])
    async with desk.database.read() as session:
        kept = await session.get_one(RoutingDecision, ("pbx", "1.1"))
    assert kept.decision == {"reasons": ["later"]}


STORY = st.sampled_from(
    [
        (RINGING, talking(RINGING), ended(talking(RINGING))),
        (RINGING, ended(RINGING, Result.BUSY)),
        (outgoing(), talking(outgoing(), "0501234567"), ended(talking(outgoing(), "0501234567"))),
        (
            RINGING,
            talking(RINGING, "102"),
            replace(ended(talking(RINGING, "102"), progress=1), incomplete=True, started_at=None, caller_name=None),
        ),
    ]
)


@pytest.fixture(scope="module")
def rounds() -> Any:
    """One loop and one in-memory database for all examples: hypothesis runs outside of the test's loop."""
    loop = asyncio.new_event_loop()
    database = Database("sqlite+aiosqlite://")
    loop.run_until_complete(upgrade_database(database))
    desk = loop.run_until_complete(Desk(database).open())
    yield loop, desk
    loop.run_until_complete(database.dispose())
    loop.close()


async def _rows(desk: Desk, batches: Sequence[Sequence[CallView]]) -> list[tuple[Any, ...]]:
    await desk.change(delete(Call), delete(PhoneNumber), delete(Lead))
    for batch in batches:
        await desk.write(*batch)
    # `halves` is how the row is made, not what it says.
    columns = [column for column in Call.__table__.c if column.name not in {"id", "lead_id", "halves"}]
    async with desk.database.read() as session:
        calls = await session.execute(select(*columns).order_by(Call.linkedid))
        leads = await session.execute(
            select(Lead.name, Lead.responsible_id, Lead.last_call_at, Lead.first_talk_call).order_by(Lead.main_number)
        )
        return [*map(tuple, calls), *map(tuple, leads)]


async def test_calls_of_two_asterisks_with_one_linkedid_are_two(desk: Desk) -> None:
    """C13: neither views, nor halves, nor decisions, nor consultations of one go to the other."""
    ringing = replace(RINGING, pbx="kyiv")
    other = replace(ringing, pbx="lviv", caller=OTHER, started_at=NOW + timedelta(seconds=1))
    lost = replace(other, incomplete=True, progress=9)
    decisions = [RecordedDecision(pbx, "1.1", NOW, {"reasons": [pbx]}) for pbx in ("kyiv", "lviv")]
    await desk.write(ringing, other, decisions=decisions)
    await desk.write(talking(ringing), lost)
    await desk.write(ended(talking(ringing)))
    kyiv, lviv = sorted(await desk.calls(), key=lambda call: call.pbx)
    assert (kyiv.pbx, kyiv.phase, kyiv.outside_number, kyiv.result) == ("kyiv", Phase.ENDED, CALLER, Result.ANSWERED)
    assert (lviv.pbx, lviv.phase, lviv.outside_number, lviv.result) == ("lviv", Phase.RINGING, OTHER, None)
    assert kyiv.halves is None
    async with desk.database.read() as session:
        assert [left.caller for left in await calls_left_running(session, "lviv")] == [OTHER]
        kept = await session.execute(select(RoutingDecision.pbx, RoutingDecision.decision))
        assert {pbx: decision["reasons"] for pbx, decision in kept} == {"kyiv": ["kyiv"], "lviv": ["lviv"]}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(STORY, min_size=1, max_size=4), st.data())
def test_order_and_repetition_do_not_matter(rounds: Any, stories: list[tuple[CallView, ...]], data: Any) -> None:
    loop, desk = rounds

    def moved(view: CallView, place: int) -> CallView:
        later = timedelta(minutes=place)

        def shift(time: datetime | None) -> datetime | None:
            return time + later if time else None

        return replace(
            view,
            linkedid=f"{place}.1",
            started_at=shift(view.started_at),
            answered_at=shift(view.answered_at),
            ended_at=shift(view.ended_at),
        )

    views = [moved(view, place) for place, story in enumerate(stories) for view in story]
    shuffled = data.draw(st.permutations([*views, *views[:3]]))
    cut = data.draw(st.integers(0, len(shuffled)))
    expected = loop.run_until_complete(_rows(desk, [[view] for view in views]))
    assert loop.run_until_complete(_rows(desk, [shuffled[:cut], shuffled[cut:]])) == expected


async def test_a_connection_that_breaks_past_sqlalchemy_loses_no_call(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_write = desk.database.run_write

    async def broken(work: Any) -> Any:
        raise asyncpg.InterfaceError("connection is closed")

    monkeypatch.setattr(desk.database, "run_write", broken)
    with pytest.raises(asyncpg.InterfaceError):
        await desk.writer.write([RINGING], [])
    monkeypatch.setattr(desk.database, "run_write", run_write)
    await desk.writer.write([RINGING], [])
    async with desk.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Call)) == 1


async def test_a_row_is_given_up_only_by_a_database_that_is_well(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    run_write, refusals = desk.database.run_write, 0

    async def refuses_then_is_gone(work: Any) -> Any:
        nonlocal refusals
        refusals += 1
        if refusals == 1:
            raise KeyError("a strange row")
        raise OSError("gone")

    monkeypatch.setattr(desk.database, "run_write", refuses_then_is_gone)
    with pytest.raises(OSError, match="gone"):
        await desk.writer.write([RINGING], [])
    monkeypatch.setattr(desk.database, "run_write", run_write)
