"""What the showcase's company has to do and has set up: plans, tasks, notes, hours, imports, hand-overs, outages."""

from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from leads.domain.duty import Shift
from leads.store.closing import Choice, choose_counterparty
from leads.store.company import ignore_number
from leads.store.duty import add_holiday, save_working_times, set_away
from leads.store.engine import Database
from leads.store.handover_tables import Handover
from leads.store.handovers import begin_list
from leads.store.import_tables import ImportKind, ImportState
from leads.store.imports import Counts, Refusal, advance, begin
from leads.store.lead_card import LeadEdit, create_lead
from leads.store.leads import LeadFilter
from leads.store.merging import merge_leads
from leads.store.models import Call, Counterparty, Did, Extension, Lead, OutageKind, RingGroup, Source
from leads.store.people_of_calls import CallPerson
from leads.store.phone_book import make_key
from leads.store.planning_tables import PlannedCall
from leads.store.plans import PlanEdit, plan_by_hand
from leads.store.recordings import note_found
from leads.store.recovery import add_outage
from leads.store.task_tables import Task
from leads.store.tasks import add_note, give_task

REGION = "UA"


async def add(database: Database, now: datetime, people: dict[str, int]) -> dict[str, int]:
    """Add it to the company of `tools.showcase`; returns the keys of what pages show, by what it is."""
    async with database.read() as session:
        leads = {row.name: row.id for row in await session.scalars(select(Lead))}
        parties = {row.name: row.id for row in await session.scalars(select(Counterparty))}
    windows = parties["ТОВ «Київські вікна»"]
    await _set_up(database, now, people)
    await _work(database, now, people, leads, windows)
    ended = await _ended_leads(database, now, people, windows)
    await _outages(database, now)
    imported = await _import(database, now, people["admin"])
    handed_over = await _hand_over(database, now, people["103"], people["101"])
    async with database.read() as session:
        firsts = {
            name: await session.scalar(select(func.min(column)))
            for name, column in (("did", Did.id), ("group", RingGroup.id), ("source", Source.id), ("task", Task.id))
        }
        calls = list(await session.scalars(select(Call.id).order_by(Call.started_at)))
        unnamed = await session.scalar(select(func.min(Lead.id)).where(~Lead.named))
        planned = await session.scalar(select(func.min(PlannedCall.id)))
    return {
        "employee": people["101"],
        "supervisor": people["103"],
        "lead": leads["Юрій Щербань"],
        "other_lead": leads["Ольга Мельниченко"],
        "unnamed_lead": unnamed or 0,
        "counterparty": windows,
        "import": imported,
        "handover": handed_over,
        "call": calls[1],
        "running_call": calls[-3],
        "plan": planned or 0,
        **ended,
        **{name: key or 0 for name, key in firsts.items()},
    }


async def _set_up(database: Database, now: datetime, people: dict[str, int]) -> None:
    """Hours and substitutes, holidays, numbers that make no lead, a phone book's key, a recording."""
    week = tuple(Shift(day, 9 * 60, 18 * 60) for day in range(5))
    async with database.write() as session:
        await save_working_times(session, people["101"], week, people["102"])
        await save_working_times(session, people["102"], (*week, Shift(5, 10 * 60, 15 * 60)), None)
        await set_away(session, people["103"], True, now + timedelta(hours=2))
        await add_holiday(session, date(2026, 5, 1), "Labour Day")
        await add_holiday(session, date(2026, 8, 24), "День Незалежності")
        await ignore_number(session, "+380800500123", "Courier service")
        await ignore_number(session, "+380445000000", "")
        phone = await session.scalar(select(Extension.id).where(Extension.number == "101"))
        await make_key(session, phone or 0, now - timedelta(days=12))
        talk = (
            await session.scalars(select(Call).where(Call.answered_at.is_not(None)).order_by(Call.started_at))
        ).all()
        linkedid = talk[1].linkedid
        path = f"{now:%Y-%m-%d}/{linkedid}/{linkedid}.wav"
        await note_found(session, "asterisk", [(linkedid, path, talk[1].started_at or now)])


async def _work(database: Database, now: datetime, people: dict[str, int], leads: dict[str, int], windows: int) -> None:
    """Calls that are planned, one overdue; tasks, one late; notes."""
    today = now.date()
    for name, days, note in (
        ("Юрій Щербань", 0, "Ціна на доставку"),
        ("Наталія Гончаренко", -2, ""),
        ("Дар'я Кравець", 0, ""),
        ("Sophie Laurent", 6, "Ask about the spring order"),
        ("Ольга Мельниченко", 0, ""),
        ("Emma Jackson", 1, ""),
    ):
        by = people["101"]
        edit = PlanEdit(today + timedelta(days=days), None, note)
        made = now - timedelta(days=3)
        async with database.read() as session:
            open_version = await session.scalar(
                select(PlannedCall.version).where(PlannedCall.lead_id == leads[name], PlannedCall.closed_at.is_(None))
            )
        await plan_by_hand(
            database,
            CallPerson(lead_id=leads[name]),
            open_version,
            edit,
            by=by,
            clock=lambda made=made: made,  # type: ignore[misc]
        )
    async with database.write() as session:
        about = CallPerson(lead_id=leads["Юрій Щербань"])
        bondar, admin = people["101"], people["admin"]
        await give_task(session, about, bondar, "Надіслати прайс на двері", today, by=admin, now=now)
        late = CallPerson(counterparty_id=windows)
        await give_task(session, late, bondar, "Акт звірки за лютий", today - timedelta(days=1), by=admin, now=now)
        await give_task(session, late, people["103"], "Ask for the signed contract", None, by=bondar, now=now)
        earlier = now - timedelta(minutes=160)
        await add_note(session, about, "Просить знижку від 10 шт.", by=bondar, now=earlier)
        call = await session.scalar(select(Call.id).order_by(Call.started_at).offset(1).limit(1))
        await add_note(session, about, "Узгодили розміри, чекає на розрахунок.", by=bondar, now=now, call_id=call)


async def _ended_leads(database: Database, now: datetime, people: dict[str, int], windows: int) -> dict[str, int]:
    """A lead that became a counterparty's contact, and two that were merged."""

    def before() -> datetime:
        return now - timedelta(days=8)

    async def lead(name: str, number: str) -> int:
        edit = LeadEdit(name, (number,), "", "", "", None, 1, people["101"], None)
        return await create_lead(database, edit, by=people["admin"], clock=before, region=REGION)

    closed = await lead("Оксана Рудь", "+380672340001")
    choice = Choice(windows, None, None)
    await choose_counterparty(database, closed, 1, choice, by=people["101"], clock=before)
    one, other = await lead("Петро Дяченко", "+380672340002"), await lead("Дяченко П.", "+380672340003")
    await merge_leads(database, one, 1, other, by=people["101"], clock=before)
    return {"closed_lead": closed, "merged_lead": one}


async def _outages(database: Database, now: datetime) -> None:
    for kind, hours, minutes in ((OutageKind.AMI, 30, 4), (OutageKind.LEADLINE, 75, 11)):
        start = now - timedelta(hours=hours)
        await add_outage(database, "asterisk", kind, start, start + timedelta(minutes=minutes))


async def _import(database: Database, now: datetime, by: int) -> int:
    """An import with rows that were refused."""
    async with database.write() as session:
        started = now - timedelta(days=1)
        batch = await begin(session, ImportKind.LEADS, "trade-fair.csv", 4096, update_known=True, by=by, now=started)
        counts = Counts(made=118, updated=7, skipped=3)
        refused = [
            Refusal(14, "Ігор Бойко", "+380445556677: on the counterparty ТОВ «Київські вікна»"),
            Refusal(57, "Smith", "12: not a telephone number"),
        ]
        connection = await session.connection()
        await connection.run_sync(
            lambda bound: advance(bound, batch, counts, refused, started, read=4096, state=ImportState.DONE)
        )
    return batch


async def _hand_over(database: Database, now: datetime, by: int, to: int) -> int:
    """A list that is changing hands on another server."""
    async with database.write() as session:
        one = await begin_list(session, LeadFilter(), to, 1240, by=by, now=now)
        running = await session.get_one(Handover, one)
        running.counts, running.runner = {"given": 486, "theirs": 31, "left": 3}, "another"
    return one
