"""The audit log: noted by itself, kept by the database; retention; nothing of an erased person is left (X5)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, inspect, or_, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.calls import Direction, Phase, Result, Role
from leads.store import access, audit, company, retention
from leads.store.audit import Actor, What
from leads.store.audit_table import AuditEntry, Kept
from leads.store.counterparty_card import CounterpartyEdit, PersonEdit, save_counterparty
from leads.store.engine import SHORTEST_PAUSE, Database
from leads.store.erasing import CallRunsError, ChangedMeanwhileError, Traces, erase, mentions_of, traces_of
from leads.store.import_tables import ImportBatch, ImportKind, ImportRefusal
from leads.store.lead_card import LeadEdit, create_lead
from leads.store.models import (
    Base,
    Call,
    Change,
    Employee,
    Extension,
    IgnoredNumber,
    Lead,
    NumberChange,
    Outage,
    OutageKind,
    Recording,
    RingGroup,
    RoutingDecision,
)
from tests.leads.holding import watch

NOW = datetime.now(UTC).replace(microsecond=0)
NUMBER, OTHER = "+380501234567", "+380671112233"


@pytest.fixture
async def olena(database: Database) -> int:
    """An administrator."""
    async with database.write() as session:
        return await access.create_admin(session, "olena", "Олена", "correct horse", NOW)


@pytest.fixture
def acting(olena: int) -> Iterator[None]:
    audit.act_as(Actor(olena, "Олена", NOW))
    yield
    audit.act_as(None)


async def _entries(database: Database) -> list[AuditEntry]:
    async with database.read() as session:
        return list(await session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def _edit(**changed: Any) -> LeadEdit:
    values: dict[str, Any] = {
        "name": "Щербань",
        "numbers": (NUMBER,),
        "email": "s@example.com",
        "address": "Київ",
        "comment": "дзвонити зранку",
        "language": None,
        "status_id": 1,
        "responsible_id": None,
        "source_id": None,
    }
    return LeadEdit(**(values | changed))


async def _lead(database: Database, by: int, **changed: Any) -> int:
    return await create_lead(database, _edit(**changed), by=by, clock=lambda: NOW, region="UA")


@pytest.mark.usefixtures("acting")
async def test_what_people_set_up_is_noted_with_both_values(database: Database, olena: int) -> None:
    async with database.write() as session:
        group = RingGroup(name="Sales", ring_seconds=20)
        session.add_all([group, IgnoredNumber(number=OTHER, note="spam")])
    async with database.write() as session:
        row = await session.get(RingGroup, group.id)
        assert row is not None
        row.ring_seconds = 30
        await session.flush()
        row.ring_seconds = 40
    async with database.write() as session:
        await company.stop_ignoring(session, OTHER)
    added, ignored, changed, removed = await _entries(database)
    assert (added.who, added.employee_id, added.at, added.what, added.kind) == (
        "Олена",
        olena,
        NOW,
        What.ADDED,
        "ring_group",
    )
    assert added.after == {"name": "Sales", "ring_seconds": 20}
    assert ignored.after == {"number": OTHER, "note": "spam"}
    assert (changed.object_id, changed.before, changed.after) == (group.id, {"ring_seconds": 20}, {"ring_seconds": 40})
    assert (removed.what, removed.before, removed.after) == (What.REMOVED, {"number": OTHER, "note": "spam"}, {})


@pytest.mark.usefixtures("acting")
async def test_members_rights_and_passwords_are_noted_and_no_secret(database: Database, olena: int) -> None:
    async with database.write() as session:
        session.add_all([Extension(id=place, number=f"10{place}", endpoint=f"PJSIP/10{place}") for place in (1, 2)])
        group = RingGroup(name="Sales")
        session.add(group)
    async with database.write() as session:
        await company.save_group(session, group.id, 1, company.GroupEdit("Sales", 25, (2, 1)))
    async with database.write() as session:
        await company.save_group(session, group.id, 2, company.GroupEdit("Sales", 25, (2, 1)))
    async with database.write() as session:
        await access.keep_password_hash(session, olena, "a secret hash")
        employee = await session.get(Employee, olena)
        assert employee is not None
        employee.may_export = False
    members, password, rights = (await _entries(database))[-3:]
    assert (members.before, members.after) == ({"phones": []}, {"phones": ["102", "101"]})
    assert (password.object_id, password.after) == (olena, {"password_hash": audit.SECRET})
    assert (rights.before, rights.after) == ({"may_export": True}, {"may_export": False})


@pytest.mark.usefixtures("acting")
async def test_what_was_taken_back_is_not_noted(database: Database) -> None:
    async def change_ones_mind() -> None:
        async with database.write() as session:
            session.add(RingGroup(name="Sales"))
            await session.flush()
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await change_ones_mind()
    assert await _entries(database) == []


async def test_without_somebody_who_acts_nothing_is_noted(database: Database) -> None:
    async with database.write() as session:
        session.add(RingGroup(name="Sales"))
        await audit.note(session, What.EXPORTED, "lead")
    assert await _entries(database) == []


async def test_each_line_of_a_cards_history_is_noted_whoever_writes_it(database: Database, olena: int) -> None:
    lead = await _lead(database, olena)
    (entry,) = await _entries(database)
    assert (entry.who, entry.kind, entry.object_id, entry.lead_id) == ("Олена", "lead", lead, lead)
    assert (entry.before, entry.after) == ({"created": ""}, {"created": "Щербань"})


@pytest.mark.usefixtures("acting")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_entry SET who = 'somebody else'",
        "UPDATE audit_entry SET after = '{}'",
        "UPDATE audit_entry SET before = '{}', after = '{}', erased_at = at, who = ''",
        "UPDATE audit_entry SET before = '{}', after = '{\"a\": 1}', erased_at = at",
        "DELETE FROM audit_entry",
    ],
)
async def test_the_database_refuses_to_change_the_log(database: Database, change: str) -> None:
    async with database.write() as session:
        session.add(RingGroup(name="Sales"))
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.write() as session:
            await session.execute(text(change))
    (entry,) = await _entries(database)
    assert (entry.who, entry.after) == ("Олена", {"name": "Sales"})


async def _choose(database: Database, **days: int | None) -> None:
    async with database.write() as session:
        version, kept = await retention.kept_for(session)
        await retention.choose(session, version, {**kept, **{Kept(kind): count for kind, count in days.items()}})


def _call(linkedid: str, **changed: Any) -> Call:
    values: dict[str, Any] = {
        "pbx": "pbx",
        "linkedid": linkedid,
        "role": Role.CALL,
        "phase": Phase.ENDED,
        "progress": 9,
        "direction": Direction.INBOUND,
        "caller": "0501234567",
        "caller_name": "Shcherban",
        "dialled": "0441234567",
        "outside_number": NUMBER,
        "result": Result.ANSWERED,
        "started_at": NOW,
        "legs": [{"endpoint": "PJSIP/101", "number": "101"}, {"endpoint": "PJSIP/trunk-00000012", "number": NUMBER}],
        "transfers": [{"by": "101", "to": "+380 (50) 123-45-67"}],
    }
    return Call(**(values | changed))


async def test_what_was_kept_for_long_enough_goes_and_nothing_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    old, young = NOW - timedelta(days=30, seconds=1), NOW - timedelta(days=30)
    decision = {"decided_at": old, "decision": {}}
    async with database.write() as session:
        session.add_all([_call(f"old.{place}", started_at=old) for place in range(5)])
        session.add_all([_call("new", started_at=young), _call("runs", started_at=old, phase=2)])
        session.add_all([_call("heard", started_at=old), RoutingDecision(pbx="pbx", linkedid="old.1", **decision)])
        session.add(Recording(pbx="pbx", linkedid="heard", path="a/b/c.wav", recorded_at=old))
        session.add_all(
            [Outage(pbx="", kind=OutageKind.AMI, started_at=old - timedelta(days=day), ended_at=old) for day in (1, 2)]
        )
        rows = [{"at": at, "who": "", "what": "added", "kind": "did", "before": {}, "after": {}} for at in (old, NOW)]
        await session.execute(insert(AuditEntry), rows)
    assert await retention.remove_due(database, NOW) == {}
    await _choose(database, calls=30, audit=30, outages=30)
    assert await retention.remove_due(database, NOW) == {Kept.CALLS: 5, Kept.AUDIT: 1, Kept.OUTAGES: 2}
    async with database.read() as session:
        assert set(await session.scalars(select(Call.linkedid))) == {"new", "runs", "heard"}
        assert list(await session.scalars(select(RoutingDecision))) == []
    assert [entry.at for entry in await _entries(database)] == [NOW]


async def test_removal_looks_for_nothing_while_others_wait(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    old = NOW - timedelta(days=31)
    async with database.write() as session:
        session.add_all([_call(f"old.{place}", started_at=old + timedelta(seconds=place // 3)) for place in range(9)])
        session.add_all([Recording(pbx="pbx", linkedid=f"old.{n}", path=f"{n}.wav", recorded_at=old) for n in (0, 4)])
    await _choose(database, calls=30)
    seen = watch(database, monkeypatch)
    assert (await retention.remove_due(database, NOW))[Kept.CALLS] == 7
    assert [one for one in seen.statements if "ORDER BY" in one] == []
    assert len(seen.pauses) == 3
    assert min(seen.pauses) >= SHORTEST_PAUSE
    async with database.read() as session:
        assert set(await session.scalars(select(Call.linkedid))) == {"old.0", "old.4"}


async def test_a_recording_that_comes_late_keeps_its_call(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    old = NOW - timedelta(days=31)
    async with database.write() as session:
        session.add_all([_call("late", started_at=old), _call("old", started_at=old)])
    await _choose(database, calls=30)
    real = retention._remove_calls

    async def comes_first(*args: Any) -> int:
        session: AsyncSession = args[0]
        session.add(Recording(pbx="pbx", linkedid="late", path="a.wav", recorded_at=old))
        await session.flush()
        return await real(*args)

    monkeypatch.setitem(retention._REMOVALS, Kept.CALLS, (retention._due_calls, comes_first))
    assert (await retention.remove_due(database, NOW))[Kept.CALLS] == 1
    async with database.read() as session:
        assert list(await session.scalars(select(Call.linkedid))) == ["late"]


async def test_the_second_of_two_who_choose_is_told(database: Database) -> None:
    await _choose(database, calls=30)
    with pytest.raises(company.SavedMeanwhileError):
        async with database.write() as session:
            await retention.choose(session, 0, dict.fromkeys(Kept))


async def _everything(database: Database) -> str:
    """All that is in the database, as text, but for the notes of numbers that changed, which go within hours."""
    found: list[str] = []
    async with database.read() as session:
        connection = await session.connection()
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        for name in names:
            if name != "number_change" and not name.startswith("alembic"):
                found += [str(row) for row in await session.execute(text(f'SELECT * FROM "{name}"'))]
    return "\n".join(found)


PERSONAL = ("Щербань", "щербань", "Ольга", "Ромашка", "1234567", "1112233", "s@example.com", "o@example.com", "Київ")


@pytest.mark.usefixtures("acting")
@pytest.mark.parametrize("became_counterparty", [False, True])
async def test_nothing_of_an_erased_person_is_left(database: Database, olena: int, became_counterparty: bool) -> None:
    lead = await _lead(database, olena)
    neighbour = await _lead(database, olena, name="Сусід", numbers=("0509998877",), email="", address="", comment="")
    counterparty = None
    if became_counterparty:
        person = PersonEdit(None, "Ольга", "o@example.com", None, None, (OTHER,))
        edit = CounterpartyEdit(
            "ТОВ Ромашка",
            "",
            "s@example.com",
            "Київ",
            "",
            None,
            None,
            (NUMBER,),
            (person,),
            **_status(CounterpartyEdit),
        )
        saved = await save_counterparty(database, None, 0, edit, by=olena, clock=lambda: NOW, region="UA", scope=None)
        counterparty = saved.id
    decision = {"decided_at": NOW, "decision": {"name": "Щербань"}}
    async with database.write() as session:
        session.add_all([_call("1.1", lead_id=lead, dialled="101"), _call("1.2", dialled="101")])
        asked = {"caller": "101", "caller_name": None, "dialled": NUMBER, "outside_number": None, "legs": []}
        session.add(_call("1.4", lead_id=lead, direction=Direction.OUTBOUND, **(asked | {"answered_by": NUMBER})))
        session.add(_call("1.3", role=Role.CONSULTATION, parent_linkedid="1.1", transfers=[], **asked))
        session.add(
            _call(
                "2.1",
                lead_id=neighbour,
                caller="0509998877",
                outside_number="+380509998877",
                legs=[],
                transfers=[],
                caller_name="Susid",
                dialled="101",
            )
        )
        session.add(RoutingDecision(pbx="pbx", linkedid="1.1", **decision))
    before = await _everything(database)
    assert all(word in before for word in PERSONAL[4:5] + PERSONAL[:1])
    async with database.write() as session:
        traces = await traces_of(session, lead_id=None if counterparty else lead, counterparty_id=counterparty)
        await _erase(session, traces)
    left = await _everything(database)
    assert [word for word in PERSONAL if word in left] == []
    assert "Сусід" in left
    assert "+380509998877" in left
    async with database.read() as session:
        assert len(list(await session.scalars(select(Call.id)))) == 5
        legs = await session.scalar(select(Call.legs).where(Call.linkedid == "1.1"))
        assert legs == [
            {"endpoint": "PJSIP/101", "number": "101"},
            {"endpoint": "PJSIP/trunk-00000012", "number": None},
        ]
        noted = set(await session.scalars(select(NumberChange.number)))
        assert NUMBER in noted, "the copy in Asterisk follows these notes"
    entries = await _entries(database)
    assert (entries[-1].what, entries[-1].who) == (What.ERASED, "Олена")
    assert any(entry.erased_at == NOW and entry.after == {} for entry in entries)
    assert [entry.erased_at for entry in entries if entry.lead_id == neighbour] == [None]


async def _erase(session: AsyncSession, traces: Traces) -> None:
    await erase(session, traces, await mentions_of(session, traces), NOW)


def _status(edit: type) -> dict[str, Any]:
    return {"status_id": 1} if "status_id" in edit.__dataclass_fields__ else {}  # type: ignore[attr-defined]


async def test_nobody_is_erased_while_he_talks(database: Database, olena: int) -> None:
    lead = await _lead(database, olena)
    async with database.write() as session:
        session.add(_call("1.1", lead_id=lead, phase=Phase.TALKING))
    with pytest.raises(CallRunsError):
        async with database.write() as session:
            await _erase(session, await traces_of(session, lead_id=lead))
    async with database.read() as session:
        assert await session.get(Lead, lead) is not None


async def test_a_shared_number_stays_anothers(database: Database, olena: int) -> None:
    """Two counterparties have one number: who is erased takes neither the other's calls nor his card along, nor those
    of which nobody knows whose they were."""
    ids = []
    for name in ("Перша", "Друга"):
        edit = CounterpartyEdit(name, "", "", "", "", None, None, (NUMBER,), (), **_status(CounterpartyEdit))
        saved = await save_counterparty(database, None, 0, edit, by=olena, clock=lambda: NOW, region="UA", scope=None)
        ids.append(saved.id)
    async with database.write() as session:
        session.add(_call("1.1", counterparty_id=ids[1], transfers=[], legs=[]))
        session.add(_call("2.1", transfers=[], legs=[]))
        await _erase(session, await traces_of(session, counterparty_id=ids[0]))
    left = await _everything(database)
    assert "Друга" in left
    assert "Перша" not in left
    async with database.read() as session:
        calls = await session.execute(select(Call.counterparty_id, Call.outside_number).order_by(Call.linkedid))
        assert calls.all() == [(ids[1], NUMBER), (None, NUMBER)]


async def test_a_lead_that_is_closed_to_somebody_is_not_left_behind_when_he_is_erased(
    database: Database, olena: int
) -> None:
    edit = CounterpartyEdit("Перша", "", "", "", "", None, None, (NUMBER,), (), **_status(CounterpartyEdit))
    saved: dict[str, Any] = {"by": olena, "clock": lambda: NOW, "region": "UA", "scope": None}
    key = (await save_counterparty(database, None, 0, edit, **saved)).id
    async with database.read() as session:
        before = await traces_of(session, counterparty_id=key)
    lead = await _lead(database, olena, numbers=("0671112233",))
    await save_counterparty(database, key, 2, replace(edit, numbers=(NUMBER, "0671112233")), **saved)
    with pytest.raises(ChangedMeanwhileError):
        async with database.write() as session:
            await _erase(session, before)
    async with database.write() as session:
        await _erase(session, await traces_of(session, counterparty_id=key))
    async with database.read() as session:
        assert await session.get(Lead, lead) is None


async def test_somebody_with_thousands_of_calls_is_erased(database: Database, olena: int) -> None:
    lead = await _lead(database, olena)
    call = {"pbx": "pbx", "role": Role.CALL, "phase": Phase.ENDED, "progress": 9, "started_at": NOW, "lead_id": lead}
    call |= {"outside_number": NUMBER, "legs": [{"number": NUMBER}], "transfers": []}
    count = 17_000
    async with database.write() as session:
        await session.execute(insert(Call), [call | {"linkedid": f"1.{place}"} for place in range(count)])
        session.add(Recording(pbx="pbx", linkedid="1.5", path="5.wav", recorded_at=NOW))
    async with database.write() as session:
        traces = await traces_of(session, lead_id=lead)
        assert (len(traces.calls), len(traces.recordings)) == (count, 1)
        await _erase(session, traces)
    async with database.read() as session:
        left = select(Call.id).where(or_(Call.outside_number.is_not(None), Call.lead_id.is_not(None)))
        assert list(await session.scalars(left)) == []
        assert await session.scalar(select(Call.legs).limit(1)) == [{"number": None}]


@pytest.mark.usefixtures("acting")
async def test_nothing_that_mentions_an_erased_person_is_left(database: Database, olena: int) -> None:
    """Refused rows of imports, and a number that another card had for a while."""
    other = await _lead(database, olena, name="Сусід", numbers=("0671112233",), email="", address="", comment="")
    async with database.write() as session:
        change = {"at": NOW, "employee_id": olena, "lead_id": other, "field": "comment"}
        texts = ("його брат 050 123-45-67", "нічого")
        await session.execute(insert(Change), [change | {"before": "", "after": text} for text in texts])
        batch = ImportBatch(kind=ImportKind.LEADS, file_name="a.csv", size=1, started_at=NOW, moved_at=NOW)
        session.add(batch)
        await session.flush()
        reasons = (("Щербань", "x"), ("x", "+380 50 123 45 67 is on another open lead."), ("Інший", "no number"))
        session.add_all([ImportRefusal(batch_id=batch.id, line=2, name=name, reason=why) for name, why in reasons])
        session.add(IgnoredNumber(number=NUMBER, note=""))
    async with database.write() as session:
        await company.stop_ignoring(session, NUMBER)
    lead = await _lead(database, olena)
    async with database.write() as session:
        await _erase(session, await traces_of(session, lead_id=lead))
    left = await _everything(database)
    assert [word for word in ("Щербань", "1234567", "123-45-67", "123 45 67") if word in left] == []
    assert [word for word in ("Сусід", "+380671112233", "нічого", "Інший") if word not in left] == []


def test_every_table_is_a_cards_or_a_calls_or_noted() -> None:
    """A table that NOT_NOTED names and that is gone would hide a new one of that name."""
    assert set(Base.metadata.tables) >= audit.NOT_NOTED
