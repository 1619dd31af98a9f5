"""A company in the middle of its working day, for pictures and tests of the panel: written by the store's own code."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from leads.domain.calls import CallView, Direction, Leg, Phase, Result, Role, Transfer, TransferType
from leads.domain.directory import DisplayMode
from leads.domain.directory import Role as PanelRole
from leads.store.access import create_admin
from leads.store.calls import CallWriter, RecordedDecision
from leads.store.company import EmployeeEdit, PhoneEdit, save_employee
from leads.store.counterparty_card import CounterpartyEdit, PersonEdit, save_counterparty
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lead_card import LeadEdit, create_lead, load_lead, save_lead
from leads.store.models import Did, Employee, Extension, GroupMember, Lead, LeadStatus, RingGroup, Source
from leads.store.password_hash import hash_password
from tools import showcase_work

REGION = "UA"
MAIN, SHOP, DIRECT = "+380441234567", "+380443334455", "+380442223344"
_TRUNK = "PJSIP/trunk"
# Name, number, e-mail, status's place, responsible's phone, minutes since made.
_LEADS = (
    ("Юрій Щербань", "+380501112233", "shcherban@gmail.com", 0, "101", 190),
    ("Ольга Мельниченко", "+380672223344", "o.melnychenko@ukr.net", 1, "102", 1500),
    ("Emma Jackson", "+442079460123", "emma.jackson@brightwater.co.uk", 0, "103", 95),
    ("Дар'я Кравець", "+380931234501", "", 1, "101", 2900),
    ("Тарас Приходько", "+380661239876", "taras@prykhodko.com.ua", 2, "102", 4300),
    ("Liam O'Connor", "+353861234567", "liam@oconnor-timber.ie", 1, "103", 5760),
    ("Наталія Гончаренко", "+380970001122", "nata.honcharenko@gmail.com", 0, "101", 300),
    ("Юрий Щуров", "+380933334455", "", 3, "102", 8600),
    ("Ірина Ковальчук", "+380685554433", "iryna.k@i.ua", 0, "103", 60),
    ("Sophie Laurent", "+33142685300", "s.laurent@maison-claire.fr", 2, "101", 10100),
    ("Богдан Лисенко", "+380995556677", "b.lysenko@gmail.com", 1, "102", 12000),
)


async def fill(database: Database, now: datetime, password: str) -> dict[str, int]:
    """Fill an empty database; returns the keys of the cards that pages show, by what they are.

    Args:
        database: with all tables and nothing in them.
        now: the moment of the pictures, UTC.
        password: of the logins `admin`, `andriy` (an employee) and `james` (a supervisor).
    """
    people = await _company(database, now, password)
    directory = DirectoryCache(database)
    await directory.refresh()
    await _leads(database, now, people)
    await _counterparties(database, now, people)
    for view in _calls(now):
        began = view.started_at or now
        writer = CallWriter(database, directory, REGION, lambda began=began: began)  # type: ignore[misc]
        await writer.write([view], _decisions(view, now))
    await _edit_a_lead(database, now, people)
    return await showcase_work.add(database, now, people)


async def _company(database: Database, now: datetime, password: str) -> dict[str, int]:
    """Employees by the number of their phone, the administrator by `admin`."""
    people: dict[str, int] = {}
    async with database.write() as session:
        people["admin"] = await create_admin(session, "admin", "Олена Коваль", password, now)
        admin = await session.get_one(Employee, people["admin"])
        admin.may_listen = admin.may_export = True
        hashed = hash_password(password)
        for name, login, number, role, mobiles in (
            ("Андрій Бондар", "andriy", "101", PanelRole.EMPLOYEE, ("+380509990001",)),
            ("Марія Ткач", "mariia", "102", PanelRole.EMPLOYEE, ()),
            ("James Whitfield", "james", "103", PanelRole.SUPERVISOR, ()),
        ):
            phone = PhoneEdit(number, f"PJSIP/{number}", DisplayMode.LATIN, 24)
            edit = EmployeeEdit(name, login, hashed, role, True, 20, False, True, False, (phone,), mobiles)
            people[number] = await save_employee(session, None, 1, edit, now)
        phones = {phone.number: phone for phone in await session.scalars(select(Extension))}
        members = [GroupMember(extension=phones[number], position=place) for place, number in enumerate(("101", "102"))]
        sales = RingGroup(name="Sales", ring_seconds=20, members=members)
        reception, shop = phones["103"], await session.get_one(Employee, people["102"])
        site, leaflet = Source(name="Google Ads"), Source(name="Leaflet")
        session.add_all([sales, site, leaflet, Source(name="Radio", active=False)])
        await session.flush()
        session.add_all(
            [
                Did(number=MAIN, label="Website", group=sales, default_extension=reception, source_id=site.id),
                Did(
                    number=SHOP,
                    label="Shop",
                    queue="sales",
                    default_extension=reception,
                    responsible=shop,
                    channel="Print",
                    source_id=leaflet.id,
                ),
                Did(number=DIRECT, label="Reception", default_extension=reception),
            ]
        )
    return people


async def _leads(database: Database, now: datetime, people: dict[str, int]) -> None:
    async with database.read() as session:
        statuses = list(await session.scalars(select(LeadStatus.id).order_by(LeadStatus.sort_order)))
    for name, number, email, status, phone, minutes in _LEADS:
        edit = LeadEdit(name, (number,), email, "", "", None, statuses[status], people[phone], None)
        made = now - timedelta(minutes=minutes)
        await create_lead(
            database,
            edit,
            by=people["admin"],
            clock=lambda made=made: made,  # type: ignore[misc]
            region=REGION,
        )


async def _counterparties(database: Database, now: datetime, people: dict[str, int]) -> None:
    windows = CounterpartyEdit(
        name="ТОВ «Київські вікна»",
        folder="Постачальники",
        email="office@kyivski-vikna.ua",
        address="вул. Січових Стрільців, 12, Київ",
        comment="Рахунки надсилати бухгалтерці до 25-го числа.",
        language="uk",
        responsible_id=people["101"],
        numbers=("+380445556677",),
        persons=(
            PersonEdit(None, "Наталія Згурська", "buh@kyivski-vikna.ua", "uk", people["103"], ("+380631234500",)),
            PersonEdit(None, "Олексій Рощук", "roschuk@kyivski-vikna.ua", "uk", None, ("+380509998877",)),
        ),
    )
    timber = CounterpartyEdit(
        name="Northgate Timber Ltd",
        folder="Customers",
        email="orders@northgate-timber.co.uk",
        address="4 Dock Road, Leeds",
        comment="",
        language=None,
        responsible_id=people["103"],
        numbers=("+441134960777",),
        persons=(PersonEdit(None, "Grace Miller", "grace@northgate-timber.co.uk", None, None, ("+447700900456",)),),
    )
    for edit in (windows, timber):
        await save_counterparty(
            database, None, 0, edit, by=people["admin"], clock=lambda: now - timedelta(days=40), region=REGION
        )


async def _edit_a_lead(database: Database, now: datetime, people: dict[str, int]) -> None:
    """Give one lead a full card and a history."""
    async with database.read() as session:
        lead_id = await session.scalar(select(Lead.id).where(Lead.name == _LEADS[0][0]))
        warm = await session.scalar(select(LeadStatus.id).where(LeadStatus.sort_order == 2))
        assert lead_id is not None
        card = await load_lead(session, lead_id, None)
    edit = LeadEdit(
        name=card.name,
        numbers=(*card.numbers, "+380443210099"),
        email=card.email,
        address="вул. Велика Васильківська, 55, Київ",
        comment="Цікавлять дубові двері, 14 шт. Просив передзвонити після 16:00 з ціною на доставку.",
        language="uk",
        status_id=warm or card.status_id,
        responsible_id=card.responsible_id,
        source_id=card.source_id,
    )
    await save_lead(
        database,
        card.id,
        card.version,
        edit,
        by=people["101"],
        clock=lambda: now - timedelta(minutes=42),
        region=REGION,
    )


def _calls(now: datetime) -> list[CallView]:
    """The day's calls, the running ones last."""
    shcherban, emma, iryna = "+380501112233", "+442079460123", "+380685554433"
    return [
        _inbound(now, 185, "+380672223344", SHOP, answered="102", talked=251),
        _inbound(now, 171, shcherban, MAIN, answered="101", talked=402),
        _inbound(now, 140, None, DIRECT, answered="103", talked=18),
        _outbound(now, 131, "101", "+380970001122", talked=97),
        _inbound(now, 118, "+441134960777", DIRECT, answered="103", talked=613),
        _inbound(now, 101, "+380639876543", MAIN, rang=("101", "102"), result=Result.NO_ANSWER),
        _internal(now, 88, "102", "101", talked=44),
        _inbound(now, 74, emma, MAIN, answered="101", talked=326, given_to="103"),
        _outbound(now, 63, "102", "+380995556677", result=Result.BUSY),
        _inbound(now, 52, iryna, SHOP, rang=("103",), result=Result.CANCELLED),
        _inbound(now, 44, "+380631234500", MAIN, answered="103", talked=188),
        _outbound(now, 31, "103", iryna, talked=540),
        _inbound(now, 23, _LEADS[3][1], MAIN, rang=("101", "102"), result=Result.NO_ANSWER),
        _inbound(now, 17, "+48221234567", MAIN, answered="102", talked=75),
        _inbound(now, 3, shcherban, MAIN, answered="101"),
        _outbound(now, 1.4, "102", "+380661239876", running=True),
        _inbound(now, 0.2, "+380971230045", MAIN, rang=("102",)),
    ]


def _inbound(
    now: datetime,
    minutes: float,
    caller: str | None,
    did: str,
    *,
    answered: str | None = None,
    talked: int | None = None,
    rang: Sequence[str] = (),
    result: Result | None = None,
    given_to: str | None = None,
) -> CallView:
    """A call from outside that began so many minutes ago; without `talked` or `result` it still goes on."""
    phones = [answered] if answered else list(rang)
    ended = Result.ANSWERED if talked is not None else result
    transfers: tuple[Transfer, ...] = ()
    if given_to and answered:
        transfers = (Transfer(TransferType.ATTENDED, answered, given_to, Result.ANSWERED, f"PJSIP/{given_to}"),)
        phones.append(given_to)
    legs = tuple(Leg(f"PJSIP/{phone}", phone, Result.ANSWERED if answered else ended) for phone in phones)
    return _view(
        now - timedelta(minutes=minutes),
        Direction.INBOUND,
        caller,
        did,
        result=ended,
        legs=legs,
        answered=answered,
        talked=talked,
        transfers=transfers,
    )


def _outbound(
    now: datetime,
    minutes: float,
    phone: str,
    number: str,
    *,
    talked: int | None = None,
    result: Result | None = None,
    running: bool = False,
) -> CallView:
    ended = Result.ANSWERED if talked is not None else result
    reached = running or talked is not None
    legs = (Leg(_TRUNK, number, Result.ANSWERED if reached else ended),)
    return _view(
        now - timedelta(minutes=minutes),
        Direction.OUTBOUND,
        phone,
        number,
        result=ended,
        legs=legs,
        answered=_TRUNK if reached else None,
        talked=talked,
    )


def _internal(now: datetime, minutes: float, phone: str, other: str, *, talked: int) -> CallView:
    legs = (Leg(f"PJSIP/{other}", other, Result.ANSWERED),)
    return _view(
        now - timedelta(minutes=minutes),
        Direction.INTERNAL,
        phone,
        other,
        result=Result.ANSWERED,
        legs=legs,
        answered=other,
        talked=talked,
    )


def _view(
    started: datetime,
    direction: Direction,
    caller: str | None,
    dialled: str,
    *,
    result: Result | None,
    legs: tuple[Leg, ...],
    answered: str | None,
    talked: int | None,
    transfers: tuple[Transfer, ...] = (),
) -> CallView:
    ring = 6.0 + started.timestamp() % 11
    answered_at = started + timedelta(seconds=ring) if answered else None
    phase = Phase.ENDED if result else Phase.TALKING if answered else Phase.RINGING
    endpoint = answered if answered is None or "/" in answered else f"PJSIP/{answered}"
    return CallView(
        pbx="asterisk",
        linkedid=f"{started.timestamp():.0f}.12",
        role=Role.CALL,
        phase=phase,
        progress=9,
        direction=direction,
        caller=caller,
        caller_name=None,
        caller_hidden=caller is None,
        dialled=dialled,
        result=result,
        answered_by=endpoint,
        started_at=started,
        answered_at=answered_at,
        ended_at=started + timedelta(seconds=ring + (talked or 0)) if result else None,
        ring_seconds=ring if phase is not Phase.RINGING else None,
        talk_seconds=None if talked is None else float(talked),
        transfers=transfers,
        legs=legs,
    )


def _decisions(view: CallView, now: datetime) -> list[RecordedDecision]:
    """Why the calls of the lead whose card is shown went to his responsible."""
    if view.caller != _LEADS[0][1]:
        return []
    responsible = {"role": "responsible", "employee": "Андрій Бондар", "phones": ["101"], "seconds": 20}
    lead = {"kind": "lead", "name": "Юрій Щербань"}
    reasons = [
        {"code": "caller-known", "number": "+380501112233", "people": [lead]},
        {"code": "employee-rings", **responsible},
        {"code": "group-rings", "number": "+380441234567", "group": "Sales", "phones": ["101", "102"], "seconds": 25},
    ]
    return [RecordedDecision(view.pbx, view.linkedid, now, {"name": "Юрій Щербань", "reasons": reasons})]
