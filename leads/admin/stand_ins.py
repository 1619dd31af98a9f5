"""Says who takes the calls of somebody who is absent: to him, to administrators, and to who takes them (K2)."""

from collections.abc import Mapping

from leads.admin.context import Panel
from leads.admin.i18n import _
from leads.admin.reasons import tell_absence
from leads.domain.duty import Absence, AbsenceKind, absences, stand_in


def said_of_stand_in(panel: Panel, employee_id: int) -> str:
    """Who takes an employee's calls while he does not."""
    directory = panel.directory.current
    employee = directory.employees.get(employee_id)
    if employee is None or employee.duty.substitute_id is None:
        return _("Nobody stands in.")
    found = stand_in(directory, employee_id, _absent(panel))
    return _("%(name)s stands in.", name=found.name) if found else _("Whoever stands in takes no calls now.")


def away_now(panel: Panel) -> dict[int, str]:
    """Who is away, and not only off duty: his name and until when."""
    employees = panel.directory.current.employees
    absent = _absent(panel)
    return {one: f"{employees[one].name}: {tell_absence(absent[one].as_args())}" for one in _away(panel, absent)}


def said_of_away(panel: Panel, employee_id: int) -> list[str]:
    """Whose calls ring at an employee because they are away, and until when."""
    directory = panel.directory.current
    absent = _absent(panel)
    said = []
    for one in _away(panel, absent):
        found = stand_in(directory, one, absent)
        if found is not None and found.id == employee_id:
            name, why = directory.employees[one].name, tell_absence(absent[one].as_args())
            said.append(_("Calls of %(name)s ring here: %(why)s.", name=name, why=why))
    return sorted(said)


def _absent(panel: Panel) -> Mapping[int, Absence]:
    return absences(panel.directory.current, panel.clock(), panel.zone).of


def _away(panel: Panel, absent: Mapping[int, Absence]) -> list[int]:
    employees = panel.directory.current.employees
    return [one for one, absence in absent.items() if absence.kind is AbsenceKind.AWAY and employees[one].active]
