"""The company that `make run` begins with: three employees, three numbers, and callers whose names test displays."""

from datetime import datetime

from sqlalchemy import select

from leads.domain.directory import DisplayMode
from leads.store.engine import Database
from leads.store.models import (
    ContactPerson,
    Counterparty,
    Did,
    Employee,
    Extension,
    GroupMember,
    Lead,
    LeadStatus,
    PhoneNumber,
    RingGroup,
)
from leads.store.search import search_text, sort_key

MAIN_NUMBER = "+380441234567"
QUEUE_NUMBER = "+380443334455"
DIRECT_NUMBER = "+380442223344"
QUEUE = "sales"
"""A queue that asterisk-conf/queues.conf has."""


async def seed_company(database: Database, now: datetime) -> bool:
    """Fill an empty installation; one that has phones already is somebody's own and stays as it is.

    Returns:
        Whether it was filled now.
    """
    async with database.write() as session:
        if await session.scalar(select(Extension.id).limit(1)) is not None:
            return False
        hot, warm, *_others = (await session.scalars(select(LeadStatus).order_by(LeadStatus.sort_order))).all()
        olena, andriy, mariia = (
            Employee(name=name, ring_seconds=10, created_at=now, extensions=[_phone(number, mode)])
            for name, number, mode in (
                ("Олена Коваль", "101", DisplayMode.LATIN),
                ("Андрій Бондар", "102", DisplayMode.UTF8),
                ("Марія Ткач", "103", DisplayMode.LATIN),
            )
        )
        sales = RingGroup(
            name="Sales",
            ring_seconds=15,
            members=[
                GroupMember(extension=person.extensions[0], position=place)
                for place, person in enumerate((olena, andriy))
            ],
        )
        reception = mariia.extensions[0]
        session.add_all([olena, andriy, mariia])
        await session.flush()
        session.add_all(
            [
                sales,
                Did(number=MAIN_NUMBER, label="Main", group=sales, default_extension=reception, responsible=olena),
                Did(number=QUEUE_NUMBER, label="Shop", queue=QUEUE, default_extension=reception, responsible=andriy),
                Did(number=DIRECT_NUMBER, label="Reception", default_extension=reception, responsible=mariia),
                _lead("Юрій Щербань", "+380501112233", "uk", responsible=andriy, status=hot, now=now),
                _lead("Ольга Мельниченко", "+380672223344", "uk", responsible=olena, status=warm, now=now),
                _lead("Юрий Щуров", "+380933334455", "ru", responsible=olena, status=hot, now=now),
                _counterparty(olena, mariia, now),
            ]
        )
    return True


def _phone(number: str, mode: DisplayMode) -> Extension:
    return Extension(number=number, endpoint=f"PJSIP/{number}", display_mode=mode)


def _numbers(*numbers: str, on_active_lead: bool = False) -> list[PhoneNumber]:
    return [
        PhoneNumber(number=number, position=place, on_active_lead=on_active_lead)
        for place, number in enumerate(numbers)
    ]


def _lead(name: str, number: str, language: str, *, responsible: Employee, status: LeadStatus, now: datetime) -> Lead:
    return Lead(
        name=name,
        named=True,
        language=language,
        status=status,
        responsible=responsible,
        responsible_by_hand=True,
        created_at=now,
        updated_at=now,
        numbers=_numbers(number, on_active_lead=True),
        main_number=number,
        sort_name=sort_key(name),
        search_text=search_text(name, numbers=[number]),
    )


def _counterparty(responsible: Employee, of_the_accountant: Employee, now: datetime) -> Counterparty:
    """A company that one employee looks after, and its accountant, who talks with another."""
    name, accountant = "ТОВ «Київські вікна»", "Наталія Згурська"
    numbers = ("+380445556677", "+380631234500")
    person = ContactPerson(name=accountant, responsible_id=of_the_accountant.id, numbers=_numbers(numbers[1]))
    return Counterparty(
        name=name,
        responsible=responsible,
        created_at=now,
        updated_at=now,
        numbers=_numbers(numbers[0]),
        contact_persons=[person],
        sort_name=sort_key(name),
        search_text=search_text(name, accountant, numbers=numbers),
        main_number=numbers[0],
        sort_person=sort_key(accountant),
        people_keys=sort_key(accountant),
    )
