"""What a call means for our records: whom it is with, if it makes a lead, and who is in charge of that (L1, L2)."""

from dataclasses import dataclass, replace

from leads.domain.calls import CallView, Direction, Phase, Result, Role
from leads.domain.directory import Directory, Employee
from leads.domain.numbers import NumberKind, read_number


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one view of a call means.

    `outside` is the outside party's E.164 number, None when hidden, internal or unreadable; `did` our number that was
    dialled. `employee_id` is who talked last, or who called; `talker_id` the same but only of a conversation, the one
    who gets the lead; `provisional_id` is in charge of a new lead until there is a conversation. `channel` and
    `source_id` are the dialled number's (S1); an outgoing call has none.
    """

    outside: str | None
    did: str | None
    employee_id: int | None
    talker_id: int | None
    provisional_id: int | None
    makes_lead: bool
    channel: str | None
    source_id: int | None


class Intake:
    """The rules of intake for one state of the directory."""

    def __init__(self, directory: Directory, region: str) -> None:
        self.directory = directory
        self._region = region
        self._never_leads = numbers_without_leads(directory)
        self._by_endpoint = {extension.endpoint: extension for extension in directory.extensions.values()}

    def as_meant(self, view: CallView) -> CallView:
        """The view with the direction that the dialled number tells where no line was dialled that would tell it.

        So ends a call out that Asterisk refuses before it comes to the trunk, or that fails with Asterisk itself.
        """
        rang = any(not leg.kind.is_station for leg in view.legs)
        if view.direction is not Direction.INTERNAL or view.result is Result.ANSWERED or rang:
            return view
        number = read_number(view.dialled, self._region)
        ours = number.text in self.directory.dids or view.dialled in self.directory.extensions
        if number.kind is not NumberKind.OUTSIDE or ours:
            return view
        failed = view.incomplete and view.phase is Phase.ENDED
        return replace(view, direction=Direction.OUTBOUND, result=Result.FAILED if failed else view.result)

    def judge(self, view: CallView) -> Judgement:
        """Say what a call means as far as it has come."""
        outside, did = self._outside(view), self._did(view)
        employee = self._employee(view)
        ours = self.directory.dids.get(did) if did else None
        talked = view.result is Result.ANSWERED or view.phase is Phase.TALKING
        return Judgement(
            outside=outside,
            did=did,
            employee_id=employee,
            talker_id=employee if talked else None,
            provisional_id=(
                self._owner_of(view.caller, view) if view.direction is Direction.OUTBOUND else self._in_charge(did)
            ),
            makes_lead=outside is not None and outside not in self._never_leads and _counts(view),
            channel=(ours.channel or None) if ours else None,
            source_id=ours.source_id if ours else None,
        )

    def _outside(self, view: CallView) -> str | None:
        if view.direction is Direction.INBOUND:
            raw = None if view.caller_hidden else view.caller
        elif view.direction is Direction.OUTBOUND:
            raw = view.dialled
        else:
            return None
        number = read_number(raw, self._region)
        return number.text if number.kind is NumberKind.OUTSIDE else None

    def _did(self, view: CallView) -> str | None:
        if view.direction is not Direction.INBOUND:
            return None
        number = read_number(view.dialled, self._region)
        return number.text if number.kind is NumberKind.OUTSIDE or number.text in self.directory.dids else None

    def _in_charge(self, did: str | None) -> int | None:
        """The employee who is in charge of a missed call to one of our numbers."""
        ours = self.directory.dids.get(did) if did else None
        return self._working(ours.responsible_id) if ours else None

    def _employee(self, view: CallView) -> int | None:
        """Who talked last; of an outgoing call that nobody handed on, who called."""
        for transfer in reversed(view.transfers):
            if transfer.result is Result.ANSWERED and (taker := self._owner_of(transfer.answered_by, view)) is not None:
                return taker
        return self._owner_of(view.caller if view.direction is Direction.OUTBOUND else view.answered_by, view)

    def _owner_of(self, party: str | None, view: CallView) -> int | None:
        """The employee at a phone, which a call names by its number or its endpoint.

        The endpoint says more: a phone may show the company's number as its own.
        """
        if party is None:
            return None
        endpoints = (leg.endpoint for leg in view.legs if leg.number == party and leg.result is Result.ANSWERED)
        for endpoint in (party, *endpoints):
            if endpoint in self._by_endpoint:
                return self._by_endpoint[endpoint].employee_id
        extension = self.directory.extensions.get(party)
        return extension.employee_id if extension else None

    def _working(self, employee_id: int | None) -> int | None:
        employee: Employee | None = self.directory.employees.get(employee_id) if employee_id is not None else None
        return employee.id if employee and employee.active else None


def numbers_without_leads(directory: Directory) -> frozenset[str]:
    """Outside numbers that make no lead: our own, employees' mobiles, ignored ones (L2)."""
    mobiles = {number for employee in directory.employees.values() for number in employee.mobiles}
    return directory.ignored | directory.dids.keys() | mobiles


def has_failed_outside(view: CallView) -> bool:
    """Whether a call out came to nothing because the line or the number did not work, so that it makes no lead (L1)."""
    failed = view.phase is Phase.ENDED and view.result is Result.FAILED
    return failed and view.direction is Direction.OUTBOUND and view.role is Role.CALL


def _counts(view: CallView) -> bool:
    """Whether a call is one that makes a lead of an unknown number: from outside as soon as it starts, to outside as
    soon as it rings there, which is when it comes on record, until it fails."""
    if view.role is not Role.CALL or has_failed_outside(view):
        return False
    return view.direction is Direction.INBOUND or view.direction is Direction.OUTBOUND
