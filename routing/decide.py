"""Decides whom a call reaches and why: the responsible employee, else the dialled number's route, else the default.

Whether a phone is busy or away only Asterisk knows, at the moment of ringing: so a decision is the whole chain, and
the dialplan goes along it.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from leads.domain.directory import Did, Directory, DisplayMode, Employee, Extension
from leads.domain.displays import displays_of
from leads.domain.numbers import Number, NumberKind
from leads.domain.people import Person, PersonKind
from routing.decision import Decision, Ring, Step, StepKind
from routing.language import language_of

DEFAULT_RING_SECONDS = 30
"""How long the default phone rings: it is the last one, so longer than any other would by itself."""

_TRUNK_NAME_LENGTH = 80
_CHAINS = 4096
_KINDS = {
    PersonKind.CONTACT_PERSON: "contact person",
    PersonKind.COUNTERPARTY: "counterparty",
    PersonKind.LEAD: "lead",
}
_ORDER = tuple(_KINDS)


def decide(
    caller: Number,
    people: tuple[Person, ...] | None,
    did: Did | None,
    did_number: str | None,
    directory: Directory,
    *,
    default_extension: str | None,
    name_language: str | None = None,
) -> Decision:
    """Decide a single call; whoever decides many keeps a Routes."""
    return Routes(directory, default_extension, name_language).decide(caller, people, did, did_number)


class Routes:
    """The routes of a company at one version, with the parts that many calls share put together only once."""

    def __init__(self, directory: Directory, default_extension: str | None, name_language: str | None = None) -> None:
        """Take what all decisions share.

        Args:
            directory: the company as it is now.
            default_extension: whose phone rings last when the dialled number names none.
            name_language: how the installation reads Cyrillic names; see routing.language.
        """
        self.directory = directory
        self.displays = displays_of(directory.extensions.values())
        self._default_extension = default_extension
        self._name_language = name_language
        self._chain = lru_cache(maxsize=_CHAINS)(self._build_chain)

    def decide(
        self,
        caller: Number,
        people: tuple[Person, ...] | None,
        did: Did | None,
        did_number: str | None,
        trunk_name: str | None = None,
    ) -> Decision:
        """Decide where one inbound call goes, and give the reasons in the order in which they were found.

        Args:
            caller: who calls, as it was read from the trunk.
            people: all owners of the caller's number; None when the database did not tell in time, so that the call
                goes where an unknown caller's would.
            did: the dialled number, if it is one of ours; `did_number` is how it was dialled in any case.
            trunk_name: the caller's name that the trunk delivered, which stays on displays where we know none.
        """
        known = _in_order(people) if people else ()
        responsible = tuple([person.responsible_id for person in known]) if known else None
        steps, reasons = self._chain(responsible, did.number if did else None, None if did else did_number)
        name = _joined_name(known)
        record = self.directory.recording.records_inbound(did.number if did else None)
        return Decision(
            caller=caller.text if caller.kind is NumberKind.OUTSIDE else None,
            did=did.number if did else did_number,
            name=name,
            language=_language(name, known, self._name_language),
            steps=steps,
            reasons=(
                _who_calls(caller, known if people is not None else None),
                *reasons,
                *_what_displays_show(name, trunk_name),
                *(("The call is recorded.",) if record else ()),
            ),
            record=record,
            displays=self.displays,
            unsure=people is None and caller.kind is NumberKind.OUTSIDE,
        )

    def _build_chain(
        self, responsible: tuple[int | None, ...] | None, did: str | None, strange_number: str | None
    ) -> tuple[tuple[Step, ...], tuple[str, ...]]:
        chain = _Chain(self.directory)
        if responsible is not None:
            _ring_responsible(chain, _distinct(responsible))
        dialled = self.directory.dids[did] if did is not None else None
        _follow_dialled_number(chain, dialled, strange_number)
        _ring_default(chain, dialled, self._default_extension)
        if not chain.steps:
            chain.reasons.append("Nobody is left to ring: give the dialled number a route, or set a default extension.")
        return tuple(chain.steps), tuple(chain.reasons)


class CallerFacts(NamedTuple):
    """What an outside number alone adds to a decision: its one responsible, and the name with its language."""

    responsible_id: int | None
    name: str | None
    language: str | None


def caller_facts(people: tuple[Person, ...], name_language: str | None) -> CallerFacts:
    """Tell what `decide` makes of the owners of a number, for who keeps it instead of deciding."""
    known = _in_order(people)
    if len(known) == 1:
        name = known[0].name or None
        return CallerFacts(known[0].responsible_id, name, _language(name, known, name_language))
    ids = _distinct(person.responsible_id for person in known)
    name = _joined_name(known)
    return CallerFacts(ids[0] if len(ids) == 1 else None, name, _language(name, known, name_language))


def _distinct(ids: Iterable[int | None]) -> list[int]:
    return list(dict.fromkeys(one for one in ids if one is not None))


class _Chain:
    """The steps so far, and why."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.steps: list[Step] = []
        self.reasons: list[str] = []

    def ring(self, extensions: Iterable[Extension], seconds: int, why: str) -> None:
        """Add phones that ring together.

        A phone that has rung alone may ring again with its group: its owner may have come back, and the group is
        promised to the caller whole. The very same phones twice running ring once, for the time of both.
        """
        rings = tuple(Ring(phone, self._call_waiting(phone)) for phone in dict.fromkeys(extensions))
        last = self.steps[-1] if self.steps else None
        if (
            last is not None
            and last.kind is StepKind.PHONES
            and {ring.extension for ring in last.rings} == {ring.extension for ring in rings}
        ):
            self.steps[-1] = replace(last, seconds=last.seconds + seconds)
            self.reasons.append(f"{why} The same rings already, so it rings {seconds} s longer.")
            return
        self._add(Step(StepKind.PHONES, seconds, f"{why} Ring time: {seconds} s.", rings))

    def queue(self, queue: str, seconds: int, why: str) -> None:
        """Add a queue. Only Asterisk knows its members: so all phones go with it, the unusual displays first."""
        phones = sorted(self.directory.extensions.values(), key=lambda phone: phone.display_mode is DisplayMode.LATIN)
        rings = tuple(Ring(phone, self._call_waiting(phone)) for phone in phones)
        self._add(Step(StepKind.QUEUE, seconds, f"{why} Waiting time: {seconds} s.", rings, queue))

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        self.reasons.append(step.why)

    def _call_waiting(self, phone: Extension) -> bool:
        owner = self.directory.employees.get(phone.employee_id) if phone.employee_id is not None else None
        return owner is not None and owner.call_waiting


def _who_calls(caller: Number, known: tuple[Person, ...] | None) -> str:
    if caller.kind is NumberKind.HIDDEN:
        return "The caller's number is hidden."
    if caller.kind is not NumberKind.OUTSIDE:
        what = "a short number" if caller.kind is NumberKind.SHORT else "no telephone number"
        return f"The caller's number “{caller.text}” is {what}, so nobody was looked up."
    if known is None:
        return (
            f"The database did not tell in time who {caller.text} is: Asterisk's own copy does, and for a number that "
            "it does not have the call goes as an unknown caller's."
        )
    if not known:
        return f"{caller.text} is unknown: no lead, counterparty or contact person has this number."
    if len(known) == 1:
        return f"{caller.text} is {_introduce(known[0])}."
    return f"{caller.text} belongs to several: {', '.join(map(_introduce, known))}."


def _introduce(person: Person) -> str:
    kind = f"closed {_KINDS[person.kind]}" if person.closed else _KINDS[person.kind]
    return f"the {kind} {person.name}" if person.name else f"a {kind} without a name"


def _in_order(people: tuple[Person, ...]) -> tuple[Person, ...]:
    if len(people) < 2:
        return people
    return tuple(sorted(people, key=lambda person: (_ORDER.index(person.kind), person.id)))


def _joined_name(known: tuple[Person, ...]) -> str | None:
    if len(known) == 1:
        return known[0].name or None
    return " / ".join(dict.fromkeys(person.name for person in known if person.name)) or None


def _what_displays_show(name: str | None, trunk_name: str | None) -> tuple[str, ...]:
    if name is not None:
        return (f"Displays show the name {name}.",)
    if trunk_name:
        shown = "".join(filter(str.isprintable, trunk_name))[:_TRUNK_NAME_LENGTH]
        return (f"Displays keep the name that the trunk delivered: “{shown}”.",)
    return ()


def _ring_responsible(chain: _Chain, ids: list[int]) -> None:
    if not ids:
        chain.reasons.append("Nobody is responsible for this caller.")
    elif len(ids) > 1:
        names = ", ".join(_name_of(chain.directory, employee_id) for employee_id in ids)
        chain.reasons.append(f"Several are responsible ({names}), so nobody's phone rings first.")
    else:
        _ring_employee(chain, ids[0])


def _name_of(directory: Directory, employee_id: int) -> str:
    employee = directory.employees.get(employee_id)
    return employee.name if employee else f"employee {employee_id}"


def _ring_employee(chain: _Chain, employee_id: int) -> None:
    employee: Employee | None = chain.directory.employees.get(employee_id)
    if employee is None or not employee.active:
        chain.reasons.append(
            f"{_name_of(chain.directory, employee_id)} is responsible but does not work here any more."
        )
    elif not employee.extensions:
        chain.reasons.append(f"{employee.name} is responsible but has no phone.")
    else:
        why = f"{employee.name} is responsible: {_phones(employee.extensions)}."
        chain.ring(employee.extensions, employee.ring_seconds, why)


def _phones(extensions: Iterable[Extension]) -> str:
    numbers = list(dict.fromkeys(phone.number for phone in extensions))
    return f"phone{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def _follow_dialled_number(chain: _Chain, did: Did | None, did_number: str | None) -> None:
    if did is None:
        chain.reasons.append(
            f"The dialled number {did_number} is not one of ours." if did_number else "The dialled number is not known."
        )
        return
    dialled = f"{did.number} ({did.label})" if did.label else did.number
    group = chain.directory.groups.get(did.group_id) if did.group_id is not None else None
    if did.queue is not None:
        chain.queue(did.queue, did.queue_seconds, f"{dialled} leads to the queue {did.queue}.")
    elif group is None:
        chain.reasons.append(f"{dialled} has neither a group nor a queue.")
    else:
        phones = [phone for phone in group.extensions if _attended(chain.directory, phone)]
        if phones:
            chain.ring(phones, group.ring_seconds, f"{dialled} leads to the group {group.name}: {_phones(phones)}.")
        else:
            chain.reasons.append(f"{dialled} leads to the group {group.name}, which has no phones.")


def _attended(directory: Directory, phone: Extension) -> bool:
    """Tell whether somebody may take calls at this phone: it is nobody's own, or its owner still works here."""
    owner = directory.employees.get(phone.employee_id) if phone.employee_id is not None else None
    return owner is None or owner.active


def _ring_default(chain: _Chain, did: Did | None, default_extension: str | None) -> None:
    for number, whose in (
        (did.default_extension if did else None, "dialled number's"),
        (default_extension, "company's"),
    ):
        if number is None:
            continue
        phone = chain.directory.extensions.get(number)
        if phone is not None:
            chain.ring((phone,), DEFAULT_RING_SECONDS, f"The {whose} default: {_phones((phone,))}.")
            return
        chain.reasons.append(f"The {whose} default, {number}, is not a phone that is known.")


def _language(name: str | None, known: tuple[Person, ...], default: str | None) -> str | None:
    if name is None:
        return None
    own = {person.language for person in known if person.name}
    return language_of(name, own.pop() if len(own) == 1 else None, default)
