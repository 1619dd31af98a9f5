"""Says who takes the calls of somebody who is absent: to him, to administrators, and to who takes them (K2)."""

from leads.admin.context import Panel
from leads.admin.i18n import _
from leads.admin.reasons import tell_absence
from leads.domain.duty import AbsenceKind, absences, stand_in


def said_of_stand_in(panel: Panel, employee_id: int) -> str:
    """Who takes an employee's calls while he does not."""
    directory = panel.directory.current
    employee = directory.employees.get(employee_id)
    if employee is None or employee.duty.substitute_id is None:
        return _("Nobody stands in.")
    found = stand_in(directory, employee_id, absences(directory, panel.clock(), panel.zone).of)
    return _("%(name)s stands in.", name=found.name) if found else _("Whoever stands in takes no calls now.")


def away_now(panel: Panel) -> dict[int, str]:
    """Who is away, and not only off duty: his name and until when."""
    directory = panel.directory.current
    return {
        one: f"{directory.employees[one].name}: {tell_absence(absence.as_args())}"
        for one, absence in absences(directory, panel.clock(), panel.zone).of.items()
        if absence.kind is AbsenceKind.AWAY and directory.employees[one].active
    }


def said_of_away(panel: Panel, employee_id: int) -> list[str]:
    """Whose calls ring at an employee because they are away, and until when."""
    directory = panel.directory.current
    absent = absences(directory, panel.clock(), panel.zone).of
    said = []
    for one, absence in absent.items():
        found = stand_in(directory, one, absent) if absence.kind is AbsenceKind.AWAY else None
        if found is not None and found.id == employee_id and directory.employees[one].active:
            name = directory.employees[one].name
            said.append(_("Calls of %(name)s ring here: %(why)s.", name=name, why=tell_absence(absence.as_args())))
    return sorted(said)
