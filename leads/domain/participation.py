"""Whose call a call is: the rule by which people see their own calls only."""

from collections.abc import Iterable
from dataclasses import dataclass

from leads.domain.calls import Direction
from leads.domain.directory import Directory


@dataclass(frozen=True, slots=True)
class Participants:
    """Some employees with the names and numbers of their phones."""

    employees: frozenset[int]
    endpoints: frozenset[str]
    numbers: frozenset[str]

    def are_on(
        self,
        *,
        direction: Direction | None,
        employee_id: int | None,
        caller: str | None,
        dialled: str | None,
        endpoints: Iterable[str],
    ) -> bool:
        """Whether one of them talked, was rung, or called.

        A caller from outside may send a phone's short number as his own, so `caller` counts for calls from inside.
        """
        if employee_id in self.employees or not self.endpoints.isdisjoint(endpoints):
            return True
        if direction is Direction.INBOUND:
            return False
        return caller in self.numbers or (direction is Direction.INTERNAL and dialled in self.numbers)


def participants(employees: frozenset[int], directory: Directory) -> Participants:
    """The phones of `employees` as the directory knows them now."""
    phones = [phone for phone in directory.extensions.values() if phone.employee_id in employees]
    return Participants(
        employees, frozenset(phone.endpoint for phone in phones), frozenset(phone.number for phone in phones)
    )
