"""Puts the steps of a chain together, each with its reason: the responsible, the dialled number's way, the default."""

from collections.abc import Iterable
from dataclasses import replace

from leads.domain.directory import Did, Directory, DisplayMode, Employee, Extension
from leads.domain.reasons import ChainRole, Reason, ReasonCode
from routing.decision import Ring, Step, StepKind

DEFAULT_RING_SECONDS = 30
"""How long the default phone rings: it is the last one, so longer than any other would by itself."""


class Chain:
    """The steps so far, and why."""

    def __init__(self, directory: Directory) -> None:
        """Begin with nobody."""
        self.steps: list[Step] = []
        self.reasons: list[Reason] = []
        self._directory = directory

    def ring_responsible(self, ids: list[int]) -> None:
        """Ring the one who is responsible for the caller, if it is one."""
        if not ids:
            self._tell(ReasonCode.NOBODY_RESPONSIBLE)
        elif len(ids) > 1:
            self._tell(ReasonCode.SEVERAL_RESPONSIBLE, employees=[self._name_of(one) for one in ids])
        else:
            self._ring_employee(ids[0], ChainRole.RESPONSIBLE)

    def follow_dialled_number(self, did: Did | None, did_number: str | None) -> None:
        """Go the way of the dialled number: its queue, else its group."""
        if did is None:
            if did_number:
                self._tell(ReasonCode.NUMBER_NOT_OURS, number=did_number)
            else:
                self._tell(ReasonCode.NUMBER_NOT_KNOWN)
            return
        dialled = f"{did.number} ({did.label})" if did.label else did.number
        group = self._directory.groups.get(did.group_id) if did.group_id is not None else None
        if did.queue is not None:
            self._queue(did.queue, did.queue_seconds, dialled)
        elif group is None:
            self._tell(ReasonCode.NUMBER_WITHOUT_ROUTE, number=dialled)
        else:
            phones = [phone for phone in group.extensions if self._is_attended(phone)]
            if phones:
                self._ring(phones, group.ring_seconds, ReasonCode.GROUP_RINGS, number=dialled, group=group.name)
            else:
                self._tell(ReasonCode.GROUP_EMPTY, number=dialled, group=group.name)

    def ring_default(self, did: Did | None, default_extension: str | None) -> None:
        """Ring the last phone of all: the dialled number's, else the company's."""
        for number, rings, unknown in (
            (did.default_extension if did else None, ReasonCode.OWN_DEFAULT_RINGS, ReasonCode.OWN_DEFAULT_UNKNOWN),
            (default_extension, ReasonCode.COMPANY_DEFAULT_RINGS, ReasonCode.COMPANY_DEFAULT_UNKNOWN),
        ):
            if number is None:
                continue
            phone = self._directory.extensions.get(number)
            if phone is not None:
                self._ring((phone,), DEFAULT_RING_SECONDS, rings)
                return
            self._tell(unknown, phones=[number])

    def end(self) -> tuple[tuple[Step, ...], tuple[Reason, ...]]:
        """Give the steps and the reasons."""
        if not self.steps:
            self._tell(ReasonCode.NOBODY_LEFT)
        return tuple(self.steps), tuple(self.reasons)

    def _tell(self, code: ReasonCode, **args: object) -> None:
        self.reasons.append(Reason(code, args))

    def _ring_employee(self, employee_id: int, role: ChainRole) -> None:
        employee: Employee | None = self._directory.employees.get(employee_id)
        turn = {"role": role.value, "employee": self._name_of(employee_id)}
        if employee is None or not employee.active:
            self._tell(ReasonCode.EMPLOYEE_LEFT, **turn)
        elif not employee.extensions:
            self._tell(ReasonCode.EMPLOYEE_WITHOUT_PHONE, **turn)
        else:
            self._ring(employee.extensions, employee.ring_seconds, ReasonCode.EMPLOYEE_RINGS, **turn)

    def _name_of(self, employee_id: int) -> str:
        employee = self._directory.employees.get(employee_id)
        return employee.name if employee else f"№ {employee_id}"

    def _ring(self, extensions: Iterable[Extension], seconds: int, code: ReasonCode, **args: object) -> None:
        """Add phones that ring together.

        A phone that has rung alone may ring again with its group: its owner may have come back, and the group is
        promised to the caller whole. The very same phones twice running ring once, for the time of both.
        """
        rings = tuple(Ring(phone, self._has_call_waiting(phone)) for phone in dict.fromkeys(extensions))
        numbers = list(dict.fromkeys(ring.extension.number for ring in rings))
        why = Reason(code, {**args, "phones": numbers, "seconds": seconds})
        last = self.steps[-1] if self.steps else None
        if (
            last is not None
            and last.kind is StepKind.PHONES
            and {ring.extension for ring in last.rings} == {ring.extension for ring in rings}
        ):
            self.steps[-1] = replace(last, seconds=last.seconds + seconds)
            self.reasons.append(why._replace(args={**why.args, "longer": True}))
            return
        self._add(Step(StepKind.PHONES, seconds, why, rings))

    def _queue(self, queue: str, seconds: int, dialled: str) -> None:
        """Add a queue. Only Asterisk knows its members: so all phones go with it, the unusual displays first."""
        phones = sorted(self._directory.extensions.values(), key=lambda phone: phone.display_mode is DisplayMode.LATIN)
        rings = tuple(Ring(phone, self._has_call_waiting(phone)) for phone in phones)
        why = Reason(ReasonCode.QUEUE_WAITS, {"number": dialled, "queue": queue, "seconds": seconds})
        self._add(Step(StepKind.QUEUE, seconds, why, rings, queue))

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        self.reasons.append(step.why)

    def _has_call_waiting(self, phone: Extension) -> bool:
        owner = self._owner_of(phone)
        return owner is not None and owner.call_waiting

    def _is_attended(self, phone: Extension) -> bool:
        """Tell whether somebody may take calls at this phone: it is nobody's own, or its owner still works here."""
        owner = self._owner_of(phone)
        return owner is None or owner.active

    def _owner_of(self, phone: Extension) -> Employee | None:
        return self._directory.employees.get(phone.employee_id) if phone.employee_id is not None else None
