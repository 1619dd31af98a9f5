"""Puts the steps of a chain together, each with its reason: the caller's own people, then the dialled number's way."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from leads.domain.directory import Did, Directory, DisplayMode, Employee, Extension
from leads.domain.duty import Absence, substitutes
from leads.domain.reasons import ChainRole, Reason, ReasonCode
from routing.decision import Ring, Step, StepKind

DEFAULT_RING_SECONDS = 30
"""How long the default phone rings: it is the last one, so longer than any other would by itself."""


class Chain:
    """The steps so far, and why."""

    def __init__(self, directory: Directory, absent: Mapping[int, Absence]) -> None:
        """Begin with nobody; `absent` are those who take no calls now."""
        self.steps: list[Step] = []
        self.reasons: list[Reason] = []
        self._directory = directory
        self._absent = absent
        self._rung: set[int] = set()

    def ring_own_people(self, responsible: list[int], last_talker: int | None) -> None:
        """Ring who is responsible, if it is one; then who talked last; then the substitute of the first of these."""
        first = responsible[0] if len(responsible) == 1 else None
        if first is not None:
            self.ring_employee(first, ChainRole.RESPONSIBLE)
        elif responsible:
            self._tell(ReasonCode.SEVERAL_RESPONSIBLE, employees=[self._name_of(one) for one in responsible])
        else:
            self._tell(ReasonCode.NOBODY_RESPONSIBLE)
        if last_talker is not None and last_talker != first:
            self.ring_employee(last_talker, ChainRole.LAST_TALKER)
        whose = last_talker if first is None else first
        if whose is None:
            return
        of = whose
        for substitute in substitutes(self._directory, whose):
            if substitute in self._rung or self.ring_employee(substitute, ChainRole.SUBSTITUTE, of=self._name_of(of)):
                return
            of = substitute

    def ring_employee(self, employee_id: int, role: ChainRole, **more: str) -> bool:
        """Ring an employee's phones if he takes calls now; tells whether they ring."""
        employee = self._directory.employees.get(employee_id)
        turn = {"role": role.value, "employee": self._name_of(employee_id), **more}
        absence = self._absent.get(employee_id)
        if employee is None or not employee.active:
            self._tell(ReasonCode.EMPLOYEE_LEFT, **turn)
        elif absence is not None:
            self._tell(ReasonCode.EMPLOYEE_ABSENT, **turn, **absence.as_args())
        elif not employee.extensions:
            self._tell(ReasonCode.EMPLOYEE_WITHOUT_PHONE, **turn)
        else:
            self._rung.add(employee_id)
            self._ring(employee.extensions, employee.ring_seconds, ReasonCode.EMPLOYEE_RINGS, **turn)
            return True
        return False

    def follow_dialled_number(self, did: Did | None, did_number: str | None, default_extension: str | None) -> None:
        """Go the way of the dialled number: its queue, else its group; then the last phone, its own or the company's.

        A caller shall not meet silence: where nobody of this way is at work, the last phone rings all the same, and
        where there is none, the group.
        """
        went = len(self.reasons)
        asleep = self._go_to_group(did, did_number)
        rings = any(reason.code in _GROUP_OR_QUEUE for reason in self.reasons[went:])
        last, attended = self._find_default(did, default_extension)
        if last is not None and attended:
            self._ring((last[0],), DEFAULT_RING_SECONDS, last[1])
        elif not rings and (phones := (last[0],) if last is not None else asleep):
            self._ring(phones, DEFAULT_RING_SECONDS, ReasonCode.LAST_RESORT_RINGS)

    def _go_to_group(self, did: Did | None, did_number: str | None) -> tuple[Extension, ...]:
        """Add the queue or the group; gives the group's phones where nobody of it is at work."""
        if did is None:
            if did_number:
                self._tell(ReasonCode.NUMBER_NOT_OURS, number=did_number)
            else:
                self._tell(ReasonCode.NUMBER_NOT_KNOWN)
            return ()
        dialled = f"{did.number} ({did.label})" if did.label else did.number
        group = self._directory.groups.get(did.group_id) if did.group_id is not None else None
        if did.queue is not None:
            self._queue(did.queue, did.queue_seconds, dialled)
            return ()
        if group is None:
            self._tell(ReasonCode.NUMBER_WITHOUT_ROUTE, number=dialled)
            return ()
        working = [phone for phone in group.extensions if self._has_working_owner(phone)]
        present = [phone for phone in working if self._is_attended(phone)]
        owners = dict.fromkeys(phone.employee_id for phone in working if phone not in present)
        missing = [self._name_of(owner) for owner in owners if owner is not None]
        args: dict[str, object] = {"number": dialled, "group": group.name}
        if missing:
            args["absent"] = missing
        if present:
            self._ring(present, group.ring_seconds, ReasonCode.GROUP_RINGS, **args)
            return ()
        self._tell(ReasonCode.GROUP_ABSENT if missing else ReasonCode.GROUP_EMPTY, **args)
        return tuple(working)

    def _find_default(
        self, did: Did | None, default_extension: str | None
    ) -> tuple[tuple[Extension, ReasonCode] | None, bool]:
        """The last phone, with why it rings, and whether somebody is there."""
        unattended = None
        for number, rings, unknown in (
            (did.default_extension if did else None, ReasonCode.OWN_DEFAULT_RINGS, ReasonCode.OWN_DEFAULT_UNKNOWN),
            (default_extension, ReasonCode.COMPANY_DEFAULT_RINGS, ReasonCode.COMPANY_DEFAULT_UNKNOWN),
        ):
            if number is None:
                continue
            phone = self._directory.extensions.get(number)
            if phone is None:
                self._tell(unknown, phones=[number])
            elif self._is_attended(phone):
                return (phone, rings), True
            else:
                self._tell(ReasonCode.DEFAULT_ABSENT, phones=[number])
                unattended = unattended or (phone, rings)
        return unattended, False

    def end(self) -> tuple[tuple[Step, ...], tuple[Reason, ...]]:
        """Give the steps and the reasons."""
        if not self.steps:
            self._tell(ReasonCode.NOBODY_LEFT)
        return tuple(self.steps), tuple(self.reasons)

    def _tell(self, code: ReasonCode, **args: object) -> None:
        self.reasons.append(Reason(code, args))

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

    def _has_working_owner(self, phone: Extension) -> bool:
        """Tell whether a phone is nobody's own, or its owner still works here."""
        owner = self._owner_of(phone)
        return owner is None or owner.active

    def _is_attended(self, phone: Extension) -> bool:
        """Tell whether somebody may take calls at this phone now."""
        return self._has_working_owner(phone) and phone.employee_id not in self._absent

    def _owner_of(self, phone: Extension) -> Employee | None:
        return self._directory.employees.get(phone.employee_id) if phone.employee_id is not None else None


_GROUP_OR_QUEUE = frozenset({ReasonCode.GROUP_RINGS, ReasonCode.QUEUE_WAITS})
