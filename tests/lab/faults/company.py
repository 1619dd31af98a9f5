"""The company under faults: phones that treat calls each in its own way, numbers that lead there, known callers."""

from datetime import UTC, datetime

from sqlalchemy import select

from leadline.demo.company import seed_company
from leadline.demo.scenarios import Behaviour
from leads.store.access import create_admin
from leads.store.engine import Database
from leads.store.models import Did, Employee, Extension, Lead, LeadStatus, PhoneNumber

ADMIN = ("admin", "Administrator", "a-password-for-tests")
"""Login, name and password."""
MAIN = "+380441234567"
OURS = {
    "101": Behaviour(ring_seconds=0.3),
    "102": Behaviour(ring_seconds=0.9),
    "103": Behaviour(ring_seconds=0.3),
    "111": Behaviour(status=486, ring_seconds=0.1),
    "112": Behaviour(status=603, ring_seconds=0.2),
    "113": Behaviour(status=480, ring_seconds=0.4),
    "114": Behaviour(status=None),
}
"""Our phones, and what each does with a call."""
LEADS_TO = {"+380441110111": "111", "+380441110112": "112", "+380441110113": "113", "+380441110114": "114"}
"""Our numbers besides the main one, each with the phone that rings."""
KNOWN = [f"+38050200{place:04}" for place in range(80)]
"""Callers who are leads already."""


async def fill(database: Database) -> None:
    """Fill a fresh database; every employee takes further calls while he talks."""
    now = datetime.now(UTC)
    await seed_company(database, now)
    async with database.write() as session:
        await create_admin(session, *ADMIN, now)
        for number in LEADS_TO.values():
            session.add(
                Employee(
                    name=f"Phone {number}",
                    created_at=now,
                    extensions=[Extension(number=number, endpoint=f"PJSIP/{number}")],
                )
            )
        await session.flush()
        phones = {phone.number: phone for phone in await session.scalars(select(Extension))}
        for number, phone in LEADS_TO.items():
            session.add(Did(number=number, default_extension=phones[phone]))
        employees = list(await session.scalars(select(Employee)))
        for employee in employees:
            employee.call_waiting = True
        status = await session.scalar(select(LeadStatus).order_by(LeadStatus.sort_order).limit(1))
        assert status is not None
        for place, number in enumerate(KNOWN):
            session.add(
                Lead(
                    name=f"Known {place}",
                    named=True,
                    status=status,
                    responsible_id=phones[("101", "103")[place % 2]].employee_id,
                    responsible_by_hand=True,
                    created_at=now,
                    updated_at=now,
                    numbers=[PhoneNumber(number=number, on_active_lead=True)],
                    main_number=number,
                )
            )
