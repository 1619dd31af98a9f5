"""The company's set-up as administrators edit it: employees with their phones, groups, our numbers, ignored numbers.

Each save names the version that it was filled in from; when somebody else saved meanwhile, nothing is written.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload
from sqlalchemy.orm.attributes import flag_modified

from leads.domain.directory import DisplayMode, Role
from leads.store import access, audit
from leads.store.cards import may_become_responsible
from leads.store.models import Did, Employee, EmployeeMobile, Extension, GroupMember, IgnoredNumber, RingGroup, Source
from leads.store.phone_book_tables import PhoneBookKey
from leads.store.search import sort_key

Card = TypeVar("Card", Employee, RingGroup, Did)


class CompanyError(Exception):
    """A change to the company that cannot be saved."""


class SavedMeanwhileError(CompanyError):
    """Somebody else saved the card since it was opened."""


class GoneError(CompanyError):
    """The card was removed since it was opened."""


class NoAdminLeftError(CompanyError):
    """After this change nobody could set the company up any more."""


class TakenError(CompanyError):
    """A value that only one may have belongs to somebody else.

    `field` is the column's name, `value` what was asked for, `owner` who has it.
    """

    def __init__(self, field: str, value: str, owner: str) -> None:
        super().__init__(f"{field} {value!r} is taken by {owner!r}")
        self.field, self.value, self.owner = field, value, owner


@dataclass(frozen=True, slots=True)
class PhoneEdit:
    """One phone as typed."""

    number: str
    endpoint: str
    display_mode: DisplayMode
    display_length: int


@dataclass(frozen=True, slots=True)
class EmployeeEdit:
    """An employee as typed; without a `password_hash` the present password stays."""

    name: str
    login: str | None
    password_hash: str | None
    role: Role
    active: bool
    ring_seconds: int
    call_waiting: bool
    may_listen: bool
    may_export: bool
    phones: tuple[PhoneEdit, ...]
    mobiles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupEdit:
    """A group as typed; `members` are keys of phones in their order."""

    name: str
    ring_seconds: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DidEdit:
    """One of our numbers as typed."""

    number: str
    label: str
    group_id: int | None
    queue: str | None
    queue_seconds: int
    default_extension_id: int | None
    responsible_id: int | None
    channel: str
    source_id: int | None
    greeting_language: str


async def employees(session: AsyncSession) -> Sequence[Employee]:
    """All employees with their phones and mobiles, those who work here first."""
    statement = select(Employee).options(selectinload(Employee.extensions), selectinload(Employee.mobiles))
    return sorted(await session.scalars(statement), key=lambda one: (not one.active, sort_key(one.name), one.id))


async def find_employee(session: AsyncSession, employee_id: int) -> Employee | None:
    """One employee with his phones and mobiles."""
    options = [selectinload(Employee.extensions), selectinload(Employee.mobiles)]
    return await session.get(Employee, employee_id, options=options, populate_existing=True)


async def save_employee(
    session: AsyncSession, employee_id: int | None, version: int, edit: EmployeeEdit, now: datetime
) -> int:
    """Save an employee, or a new one when `employee_id` is None; returns the key.

    A phone that he loses stays, without an owner, in its groups; one without an owner can be given to him. When he
    may no longer sign in, or has a new password, his sessions end.

    Raises:
        SavedMeanwhileError, GoneError: as said there.
        TakenError: login, phone or mobile is somebody else's.
        NoAdminLeftError: nobody could set the company up any more.
    """
    if employee_id is None:
        employee = Employee(created_at=now, extensions=[], mobiles=[])
    else:
        employee = await opened(session, await find_employee(session, employee_id), version)
    await _refuse_taken(session, employee_id, edit)
    employee.name, employee.login, employee.role, employee.active = edit.name, edit.login, edit.role, edit.active
    employee.ring_seconds, employee.call_waiting = edit.ring_seconds, edit.call_waiting
    employee.may_listen, employee.may_export = edit.may_listen, edit.may_export
    signs_out = not edit.active or edit.login is None or edit.password_hash is not None
    if edit.password_hash is not None:
        employee.password_hash = edit.password_hash
    if employee_id is None:
        session.add(employee)
    else:
        # Phones and mobiles belong to the card, so a change of theirs alone counts as a save of it.
        touch(session, employee)
    await session.flush()
    await _give_phones(session, employee, edit.phones)
    employee.mobiles = [
        next((own for own in employee.mobiles if own.number == number), None) or EmployeeMobile(number=number)
        for number in edit.mobiles
    ]
    await session.flush()
    if not await access.has_admin(session):
        raise NoAdminLeftError
    if signs_out:
        await access.end_sessions_of(session, employee.id)
    return employee.id


async def opened(session: AsyncSession, card: Card | None, version: int) -> Card:
    """The card, locked, when it is still as it was opened."""
    if card is None:
        raise GoneError
    await session.refresh(card, ["version"], with_for_update={"key_share": True})
    if card.version != version:
        raise SavedMeanwhileError
    return card


def touch(session: AsyncSession, card: Employee | RingGroup) -> None:
    """Let a save count, with a version of its own, also when no column of the card changed."""
    if not session.is_modified(card):
        flag_modified(card, "name")


async def _refuse_taken(session: AsyncSession, employee_id: int | None, edit: EmployeeEdit) -> None:
    own = -1 if employee_id is None else employee_id
    if edit.login is not None:
        owner = await session.scalar(select(Employee.name).where(Employee.login == edit.login, Employee.id != own))
        if owner is not None:
            raise TakenError("login", edit.login, owner)
    for phone in edit.phones:
        statement = (
            select(Extension.number, Employee.name)
            .join(Employee, Employee.id == Extension.employee_id)
            .where(or_(Extension.number == phone.number, Extension.endpoint == phone.endpoint), Employee.id != own)
        )
        taken = (await session.execute(statement)).first()
        if taken is not None:
            by_number = taken[0] == phone.number
            raise TakenError(
                "number" if by_number else "endpoint", phone.number if by_number else phone.endpoint, taken[1]
            )
    if edit.mobiles:
        mobile = (
            await session.execute(
                select(EmployeeMobile.number, Employee.name)
                .join(Employee, Employee.id == EmployeeMobile.employee_id)
                .where(EmployeeMobile.number.in_(edit.mobiles), Employee.id != own)
            )
        ).first()
        if mobile is not None:
            raise TakenError("mobile", mobile[0], mobile[1])


async def _give_phones(session: AsyncSession, employee: Employee, phones: Collection[PhoneEdit]) -> None:
    """Make `phones` the employee's: his own kept by number or endpoint, ownerless ones taken over, others made."""
    numbers, endpoints = [phone.number for phone in phones], [phone.endpoint for phone in phones]
    statement = select(Extension).where(
        or_(Extension.employee_id == employee.id, Extension.number.in_(numbers), Extension.endpoint.in_(endpoints))
    )
    known = list(await session.scalars(statement.order_by(Extension.number)))
    chosen: list[tuple[PhoneEdit, Extension]] = []
    for phone in phones:
        same = next((one for one in known if one.number == phone.number), None) or next(
            (one for one in known if one.endpoint == phone.endpoint and one.number not in numbers), None
        )
        if same is None:
            same = Extension()
        else:
            known.remove(same)
        chosen.append((phone, same))
    for left in known:
        if left.endpoint in endpoints or left.number in numbers:
            # An ownerless phone that clashes in the other half: its half-twin takes its place.
            await session.delete(left)
        else:
            left.employee_id = None
    # Whoever gets one of them next shall not find a key that its last owner knows.
    await session.execute(delete(PhoneBookKey).where(PhoneBookKey.extension_id.in_([left.id for left in known])))
    # Two phones may swap endpoints; unique columns are checked row by row, so they pass through names nobody has.
    for _edit, extension in chosen:
        if extension.id is not None:
            extension.endpoint = f"-{extension.id}"
    await session.flush()
    for edit, extension in chosen:
        extension.number, extension.endpoint, extension.employee_id = edit.number, edit.endpoint, employee.id
        extension.display_mode, extension.display_length = edit.display_mode, edit.display_length
        session.add(extension)
    await session.flush()


async def ownerless_phones(session: AsyncSession) -> Sequence[Extension]:
    """Phones that belong to nobody, such as a meeting room's."""
    statement = select(Extension).where(Extension.employee_id.is_(None)).order_by(Extension.number)
    return (await session.scalars(statement)).all()


async def remove_ownerless_phone(session: AsyncSession, extension_id: int) -> None:
    """Remove a phone that belongs to nobody, from its groups too."""
    phone = await session.get(Extension, extension_id)
    if phone is not None and phone.employee_id is None:
        await session.delete(phone)


async def phones(session: AsyncSession) -> Sequence[Extension]:
    """All phones with their owners, by number."""
    statement = select(Extension).options(selectinload(Extension.employee)).order_by(Extension.number)
    return (await session.scalars(statement)).all()


async def groups(session: AsyncSession) -> Sequence[RingGroup]:
    """All groups with their phones and the phones' owners."""
    return sorted(await session.scalars(select(RingGroup).options(_MEMBERS)), key=lambda one: sort_key(one.name))


_MEMBERS = selectinload(RingGroup.members).selectinload(GroupMember.extension).selectinload(Extension.employee)


async def find_group(session: AsyncSession, group_id: int) -> RingGroup | None:
    """One group with its phones."""
    return await session.get(RingGroup, group_id, options=[_MEMBERS], populate_existing=True)


async def save_group(session: AsyncSession, group_id: int | None, version: int, edit: GroupEdit) -> int:
    """Save a group, or a new one when `group_id` is None; returns the key.

    Raises:
        SavedMeanwhileError, GoneError: as said there; a phone that was removed meanwhile counts as gone.
        TakenError: another group has the name.
    """
    owner = await session.scalar(
        select(RingGroup.id).where(RingGroup.name == edit.name, RingGroup.id != (group_id or -1))
    )
    if owner is not None:
        raise TakenError("name", edit.name, edit.name)
    present = set(await session.scalars(select(Extension.id).where(Extension.id.in_(edit.members))))
    if present != set(edit.members):
        raise GoneError
    if group_id is None:
        group = RingGroup(name=edit.name, ring_seconds=edit.ring_seconds, members=[])
    else:
        group = await opened(session, await find_group(session, group_id), version)
    group.name, group.ring_seconds = edit.name, edit.ring_seconds
    if group_id is None:
        session.add(group)
    else:
        touch(session, group)  # Its phones belong to the card, as an employee's do.
    await session.flush()
    await audit.note_list(session, "ring_group", group.id, "phones", await _phones_in(session, group.id, edit.members))
    await session.execute(delete(GroupMember).where(GroupMember.group_id == group.id))
    session.expire(group, ["members"])
    session.add_all(
        GroupMember(group_id=group.id, extension_id=member, position=place) for place, member in enumerate(edit.members)
    )
    await session.flush()
    return group.id


async def _phones_in(session: AsyncSession, group_id: int, members: Sequence[int]) -> tuple[list[str], list[str]]:
    """The numbers of a group's phones, and of those that it is to have."""
    numbers = {row[0]: row[1] for row in await session.execute(select(Extension.id, Extension.number))}
    present = await session.scalars(
        select(GroupMember.extension_id).where(GroupMember.group_id == group_id).order_by(GroupMember.position)
    )
    return [numbers[key] for key in present], [numbers[key] for key in members]


async def remove_group(session: AsyncSession, group_id: int, version: int) -> None:
    """Remove a group; our numbers that led to it lead to their default phone.

    Raises:
        SavedMeanwhileError, GoneError: as said there.
    """
    group = await opened(session, await find_group(session, group_id), version)
    await session.delete(group)


async def dids(session: AsyncSession) -> Sequence[Did]:
    """All of our numbers with where they lead."""
    return (await session.scalars(select(Did).options(*_ROUTE).order_by(Did.number))).all()


_ROUTE = (
    selectinload(Did.group),
    selectinload(Did.default_extension).selectinload(Extension.employee),
    selectinload(Did.responsible),
    selectinload(Did.source),
)


async def find_did(session: AsyncSession, did_id: int) -> Did | None:
    """One of our numbers with where it leads."""
    return await session.get(Did, did_id, options=list(_ROUTE), populate_existing=True)


async def save_did(session: AsyncSession, did_id: int | None, version: int, edit: DidEdit) -> int:
    """Save one of our numbers, or a new one when `did_id` is None; returns the key.

    Raises:
        SavedMeanwhileError, GoneError: as said there; what was removed meanwhile and is named counts as gone.
        TakenError: the number is entered already.
    """
    owner = await session.scalar(select(Did.label).where(Did.number == edit.number, Did.id != (did_id or -1)))
    if owner is not None:
        raise TakenError("number", edit.number, owner)
    for table, key in (
        (RingGroup, edit.group_id),
        (Extension, edit.default_extension_id),
        (Employee, edit.responsible_id),
        (Source, edit.source_id),
    ):
        if key is not None and await session.get(table, key) is None:
            raise GoneError
    did = Did() if did_id is None else await opened(session, await find_did(session, did_id), version)
    if not await may_become_responsible(session, edit.responsible_id, did.responsible_id):
        raise GoneError
    did.number, did.label = edit.number, edit.label
    did.group_id, did.queue, did.queue_seconds = edit.group_id, edit.queue, edit.queue_seconds
    did.default_extension_id, did.responsible_id = edit.default_extension_id, edit.responsible_id
    did.channel, did.source_id = edit.channel, edit.source_id
    did.greeting_language = edit.greeting_language
    session.add(did)
    await session.flush()
    return did.id


async def remove_did(session: AsyncSession, did_id: int, version: int) -> None:
    """Remove one of our numbers; calls to it go to the default then.

    Raises:
        SavedMeanwhileError, GoneError: as said there.
    """
    await session.delete(await opened(session, await find_did(session, did_id), version))


async def ignored_numbers(session: AsyncSession) -> Sequence[IgnoredNumber]:
    """All numbers whose calls make no lead."""
    return (await session.scalars(select(IgnoredNumber).order_by(IgnoredNumber.number))).all()


async def ignore_number(session: AsyncSession, number: str, note: str) -> None:
    """Let calls of a number make no lead, or change its note."""
    row = await session.get(IgnoredNumber, number)
    if row is None:
        session.add(IgnoredNumber(number=number, note=note))
    else:
        row.note = note


async def stop_ignoring(session: AsyncSession, number: str) -> None:
    """Let calls of a number make leads again."""
    row = await session.get(IgnoredNumber, number)
    if row is not None:
        await session.delete(row)
