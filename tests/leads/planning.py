"""A company that plans: employees 1 and 2 at phones 101 and 102, a writer of calls, and the doings of a working day."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update

from leads.domain.calls import CallView, Direction, Leg, Result
from leads.domain.planning import HandDate, PlanState, Step
from leads.store import models
from leads.store.calls import CallWriter
from leads.store.counterparty_card import CounterpartyEdit, Saved, load_counterparty, save_counterparty
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead, load_lead, save_lead
from leads.store.people_of_calls import CallPerson
from leads.store.planning_tables import PlannedCall, PlanningSetting
from leads.store.plans import PlanEdit, Planning, plan_by_hand
from tests.leads.views import DID, RINGING, ended, outgoing, talking

ZONE = ZoneInfo("Europe/Kyiv")
TUESDAY = datetime(2026, 3, 3, 9, tzinfo=UTC)
NUMBER, OTHER = "+380501234567", "+380671234567"
HOT, WARM, COLD, UNPROMISING = 1, 2, 3, 4


@dataclass
class Desk:
    """What people and calls do; `now` is the clock."""

    database: Database
    now: datetime = TUESDAY
    _calls: "count[int]" = field(default_factory=lambda: count(1))

    async def open(self) -> "Desk":
        people = [{"id": key, "name": f"e{key}", "created_at": self.now} for key in (1, 2)]
        async with self.database.write() as session:
            await session.execute(insert(models.Employee), people)
            session.add_all(
                [models.Extension(number=f"10{key}", endpoint=f"PJSIP/10{key}", employee_id=key) for key in (1, 2)]
            )
            session.add(models.Did(number=DID, responsible_id=2))
        return self

    def clock(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)

    async def lead(self, *numbers: str, status: int = HOT, responsible: int | None = 1) -> int:
        edit = LeadEdit("Лід", numbers or (NUMBER,), "", "", "", None, status, responsible, None)
        return await create_lead(self.database, edit, by=1, clock=self.clock, region="UA")

    async def set_lead(
        self, lead_id: int, status: int, answer: HandDate | None = None, responsible: int | None = 1
    ) -> Step:
        async with self.database.read() as session:
            card = await load_lead(session, lead_id, None)
        edit = LeadEdit(card.name, card.numbers, "", "", "", None, status, responsible, None)
        planning = Planning(ZONE, answer)
        saved = await save_lead(
            self.database, lead_id, card.version, edit, by=1, clock=self.clock, region="UA", planning=planning
        )
        return saved.step

    async def counterparty(self, *numbers: str) -> int:
        edit = CounterpartyEdit("ТОВ", "", "", "", "", None, 1, numbers or (OTHER,), ())
        return (await save_counterparty(self.database, None, 0, edit, by=1, clock=self.clock, region="UA")).id

    async def set_counterparty(
        self, key: int, status: int, *more_numbers: str, answer: HandDate | None = None
    ) -> Saved:
        async with self.database.read() as session:
            card = await load_counterparty(session, key, None)
        edit = CounterpartyEdit("ТОВ", "", "", "", "", None, 1, (*card.numbers, *more_numbers), (), status)
        planning = Planning(ZONE, answer)
        return await save_counterparty(
            self.database, key, card.version, edit, by=1, clock=self.clock, region="UA", planning=planning
        )

    async def by_hand(self, person: CallPerson, days: int, note: str = "") -> None:
        async with self.database.read() as session:
            whose = (
                PlannedCall.lead_id == person.lead_id
                if person.lead_id
                else PlannedCall.counterparty_id == person.counterparty_id
            )
            version = await session.scalar(
                select(PlannedCall.version).where(whose, PlannedCall.state == PlanState.OPEN)
            )
        day = (self.now + timedelta(days=days)).astimezone(ZONE).date()
        edit = PlanEdit(day, None, note)
        await plan_by_hand(self.database, person, version, edit, by=1, clock=self.clock)

    async def plans(self) -> Sequence[PlannedCall]:
        async with self.database.read() as session:
            return (await session.scalars(select(PlannedCall).order_by(PlannedCall.id))).all()

    async def plan(self) -> PlannedCall:
        (only,) = await self.plans()
        return only

    async def choose(self, **choice: object) -> None:
        async with self.database.write() as session:
            await session.execute(update(PlanningSetting).values(**choice))

    def view(self, number: str = NUMBER, *, out: bool = False) -> CallView:
        """A call that begins now."""
        begun = replace(RINGING, linkedid=f"c.{next(self._calls)}", started_at=self.now, caller=number)
        if not out:
            return begun
        legs = (Leg("PJSIP/trunk", number, None),)
        return outgoing(begun, dialled=number, direction=Direction.OUTBOUND, legs=legs)

    async def write(self, *views: CallView) -> None:
        """As the recorder writes; the clock is at the end of the call afterwards."""
        writer = CallWriter(self.database, DirectoryCache(self.database), "UA", self.clock)
        await writer.write(views, ())

    async def talk(self, number: str = NUMBER, *, out: bool = False) -> CallView:
        """A conversation of 50 seconds, whole."""
        view = self.view(number, out=out)
        talk = talking(view, **({"legs": view.legs, "answered_by": number} if out else {}))
        await self.write(view)
        await self.write(talk)
        done = ended(talk)
        self.move(minutes=1)
        await self.write(done)
        return done

    async def miss(self, number: str = NUMBER, *, out: bool = False, result: Result = Result.NO_ANSWER) -> CallView:
        """A call that nobody answers."""
        view = ended(self.view(number, out=out), result)
        self.move(minutes=1)
        await self.write(view)
        return view
