"""What saving a lead's and a counterparty's card have in common: numbers, history, the ways in which it is refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.numbers import NumberKind, read_number
from leads.store.engine import lock_numbers
from leads.store.former_leads import of_counterparty
from leads.store.models import Change, ContactPerson, Counterparty, Employee, Lead, PhoneNumber

MOST_NUMBERS = 100
"""More than anybody types: leads that are merged, or closed to one card, add theirs, and that is saved later, too."""
MOST_HISTORY = 200


class CardError(Exception):
    """A card cannot be saved; the errors below say why."""


class NoSuchCardError(CardError):
    """There is no such card, or the viewer may not see it."""


class LeadClosedError(CardError):
    """A closed lead is read-only."""


class WrongFieldError(CardError):
    """A value that the card cannot hold; `row` is the number's place among the numbers."""

    def __init__(self, field: str, typed: str, row: int = 0) -> None:
        super().__init__(f"{field}: {typed!r}")
        self.field, self.typed, self.row = field, typed, row


class ConflictError(CardError):
    """Somebody else saved the card meanwhile; `by` may be unknown."""

    def __init__(self, by: str | None, at: datetime | None) -> None:
        super().__init__(f"saved by {by} at {at}")
        self.by, self.at = by, at


@dataclass(frozen=True, slots=True)
class Owner:
    """A card that has a number already."""

    id: int
    name: str
    responsible_id: int | None


class NumberTakenError(CardError):
    """A number is on another active lead; a number is on at most one (L7)."""

    def __init__(self, number: str, lead: Owner) -> None:
        super().__init__(f"{number} is on lead {lead.id}")
        self.number, self.lead = number, lead


class NumberOnCounterpartyError(CardError):
    """A number is on a counterparty, so it cannot be on an active lead (L7)."""

    def __init__(self, number: str, counterparty: Owner) -> None:
        super().__init__(f"{number} is on counterparty {counterparty.id}")
        self.number, self.counterparty = number, counterparty


class NumberWithoutLeadError(CardError):
    """A number is the company's own, an employee's mobile or an ignored one: such numbers are no leads (L2)."""

    def __init__(self, number: str) -> None:
        super().__init__(f"{number} makes no lead")
        self.number = number


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One change of one field, as people read it; `lead` names the lead whose it was, on its counterparty's card."""

    at: datetime
    by: str | None
    field: str
    before: str
    after: str
    lead: str | None = None


class Journal:
    """Collects what one save changes in a card, for its history."""

    def __init__(self, at: datetime, by: int | None, *, lead_id: int | None = None, counterparty_id: int | None = None):
        self._fixed = {"at": at, "employee_id": by, "lead_id": lead_id, "counterparty_id": counterparty_id}
        self.changes: list[Change] = []

    def note(self, field: str, before: str | None, after: str | None) -> bool:
        """Note a field's change, if it is one; tell whether it is."""
        if (before or "") == (after or ""):
            return False
        self.changes.append(Change(**self._fixed, field=field, before=before or "", after=after or ""))
        return True


def read_numbers(typed: Iterable[str], region: str) -> tuple[str, ...]:
    """Numbers in any writing as E.164, in their order and each once; empty ones are left out.

    Raises:
        WrongFieldError: one is no public number, or there are too many.
    """
    numbers: list[str] = []
    for row, raw in enumerate(typed):
        if not raw.strip():
            continue
        number = read_number(raw, region)
        if number.kind is not NumberKind.OUTSIDE or len(numbers) >= MOST_NUMBERS:
            raise WrongFieldError("numbers", raw, row)
        if number.text not in numbers:
            numbers.append(number.text)
    return tuple(numbers)


def set_numbers(held: list[PhoneNumber], wanted: Sequence[str], *, on_active_lead: bool = False) -> None:
    """Make `held` (a relationship) hold exactly `wanted`, in that order; rows of numbers that stay are kept."""
    rows = {row.number: row for row in held}
    held[:] = [rows.get(number) or PhoneNumber(number=number) for number in wanted]
    for position, row in enumerate(held):
        row.position = position
        row.on_active_lead = on_active_lead


async def lock(session: AsyncSession, numbers: Iterable[str]) -> None:
    """Keep calls and other cards from these numbers until this transaction ends."""
    connection = await session.connection()
    await connection.run_sync(lock_numbers, list(numbers))


async def active_leads_with(session: AsyncSession, numbers: Iterable[str]) -> dict[str, Lead]:
    """The active lead of each of these numbers that is on one."""
    rows = await session.execute(
        select(PhoneNumber.number, Lead)
        .join(Lead, Lead.id == PhoneNumber.lead_id)
        .where(PhoneNumber.number.in_(list(numbers)), PhoneNumber.on_active_lead)
    )
    return {row[0]: row[1] for row in rows}


async def counterparties_with(session: AsyncSession, numbers: Iterable[str]) -> dict[str, Owner]:
    """For each of these numbers a counterparty that has it, itself or by a contact person."""
    rows = await session.execute(
        select(PhoneNumber.number, Counterparty.id, Counterparty.name, Counterparty.responsible_id)
        .outerjoin(ContactPerson, ContactPerson.id == PhoneNumber.contact_person_id)
        .join(
            Counterparty,
            (Counterparty.id == PhoneNumber.counterparty_id) | (Counterparty.id == ContactPerson.counterparty_id),
        )
        .where(PhoneNumber.number.in_(list(numbers)))
    )
    return {row[0]: Owner(row[1], row[2], row[3]) for row in rows}


async def employee_name(session: AsyncSession, employee_id: int | None) -> str:
    """The name of an employee for the history, empty for nobody.

    Raises:
        WrongFieldError: there is no such employee.
    """
    if employee_id is None:
        return ""
    name = await session.scalar(select(Employee.name).where(Employee.id == employee_id))
    if name is None:
        raise WrongFieldError("responsible_id", str(employee_id))
    return name


async def chosen_name(session: AsyncSession, chosen: int | None, present: int | None) -> str:
    """The name of whom a person chose to be responsible: who is it already, or somebody who works here (K2).

    A form that was open while somebody left would give him work that nobody sees.

    Raises:
        WrongFieldError: there is no such employee at work.
    """
    if not await may_become_responsible(session, chosen, present):
        raise WrongFieldError("responsible_id", str(chosen))
    return await employee_name(session, chosen)


async def may_become_responsible(session: AsyncSession, chosen: int | None, present: int | None = None) -> bool:
    """Whether it is nobody, or who is responsible already, or an employee who has not left."""
    return chosen in (None, present) or await is_at_work(session, chosen)


async def is_at_work(session: AsyncSession, employee_id: int | None) -> bool:
    """Whether an employee has not left; who lets him go waits for this transaction, to hand on what it gives him."""
    here = select(Employee.id).where(Employee.id == employee_id, Employee.active).with_for_update(read=True)
    return await session.scalar(here) is not None


async def history(
    session: AsyncSession,
    *,
    lead_id: int | None = None,
    counterparty_id: int | None = None,
    most: int = MOST_HISTORY,
    skip: int = 0,
) -> list[HistoryRow]:
    """The changes of one card, the newest first; at most so many after the first `skip`."""
    which = Change.lead_id == lead_id if lead_id is not None else Change.counterparty_id == counterparty_id
    rows = await session.execute(
        select(Change.at, Employee.name, Change.field, Change.before, Change.after)
        .outerjoin(Employee, Employee.id == Change.employee_id)
        .where(which)
        .order_by(Change.at.desc(), Change.id.desc())
        .limit(most)
        .offset(skip)
    )
    return [HistoryRow(*row) for row in rows]


async def history_with_leads(
    session: AsyncSession, counterparty_id: int, most: int = MOST_HISTORY, skip: int = 0
) -> list[HistoryRow]:
    """The changes of a counterparty's card and of the leads that were closed to it, as `history` has them."""
    rows = await session.execute(
        select(Change.at, Employee.name, Change.field, Change.before, Change.after, Lead.name)
        .outerjoin(Employee, Employee.id == Change.employee_id)
        .outerjoin(Lead, Lead.id == Change.lead_id)
        .where(of_counterparty(Change, counterparty_id))
        .order_by(Change.at.desc(), Change.id.desc())
        .limit(most)
        .offset(skip)
    )
    return [HistoryRow(*row) for row in rows]


async def conflict(
    session: AsyncSession, *, lead_id: int | None = None, counterparty_id: int | None = None
) -> ConflictError:
    """Say who saved a card last."""
    rows = await history(session, lead_id=lead_id, counterparty_id=counterparty_id)
    return ConflictError(rows[0].by, rows[0].at) if rows else ConflictError(None, None)


def is_name(typed: str) -> bool:
    """Whether a person typed a name: it holds a letter (L13)."""
    return any(letter.isalpha() for letter in typed)
