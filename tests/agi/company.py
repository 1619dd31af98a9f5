"""A small company and a database that can be told to hang, for tests of questions and answers."""

import asyncio
from dataclasses import replace

from leads.domain.directory import Did, Directory, DisplayMode, Employee, Extension, Group
from leads.domain.people import LookupAnswer, Person, PersonKind
from leads.store.lookup import LookupUnavailable, Waiter

PHONES = {number: Extension(number, f"PJSIP/{number}", DisplayMode.LATIN, 24, None) for number in ("101", "102", "103")}
COMPANY = Directory(
    version=1,
    employees={1: Employee(1, "Oleh Koval", True, 15, False, (PHONES["101"],))},
    extensions=PHONES,
    groups={1: Group(1, "Sales", 25, (PHONES["101"], PHONES["102"]))},
    dids={"+380441234567": Did("+380441234567", "", 1, None, 60, "103", None)},
)
OLHA = Person(PersonKind.LEAD, 1, None, "Мельниченко Ольга", None, 1)


class FakeLookup:
    """Knows one person; `trouble` is raised, and while `hanging` nothing comes back."""

    def __init__(self) -> None:
        self.people = {"+380501234567": (OLHA,)}
        self.version = COMPANY.version
        self.asked: list[str | None] = []
        self.trouble: LookupUnavailable | None = None
        self.hanging = False
        self.began = asyncio.Event()
        self.waiters: list[Waiter] = []

    def find(self, e164: str | None) -> "asyncio.Future[LookupAnswer]":
        future: asyncio.Future[LookupAnswer] = asyncio.get_running_loop().create_future()
        self.ask(e164, future)
        return future

    def ask(self, e164: str | None, waiter: Waiter) -> None:
        self.asked.append(e164)
        self.waiters.append(waiter)
        self.began.set()
        if self.trouble is not None:
            waiter.set_exception(self.trouble)
        elif not self.hanging:
            waiter.set_result(LookupAnswer(self.version, self.people.get(e164 or "", ())))


class FakeDirectories:
    """Holds a company; knows how often it was read again; while `hanging` that takes for ever."""

    def __init__(self) -> None:
        self.current = COMPANY
        self.wanted: list[int] = []
        self.hanging = False
        self.trouble: Exception | None = None

    async def at_least(self, version: int) -> Directory:
        self.wanted.append(version)
        if self.hanging:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble
        self.current = replace(self.current, version=version, dids={})
        return self.current
