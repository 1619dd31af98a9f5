"""Who may see and do what: the rule of roles, groups and rights, in one place (X1).

A person's *scope* is the employees whose leads, counterparties and calls he may see. What belongs to an employee is
told elsewhere, once each: a call by leads.domain.participation, a card by the condition of leads.store.visibility.
"""

from leads.domain.directory import Directory, Role

Scope = frozenset[int] | None
"""The employees whose things may be seen, the person himself among them; None means everybody's, and nobody's too."""


def scope_of(employee_id: int, role: Role, directory: Directory) -> Scope:
    """Whose things this person may see: an administrator everybody's, a supervisor also those of his groups.

    A supervisor's groups are those in which a phone of his rings.
    """
    if role is Role.ADMIN:
        return None
    seen = {employee_id}
    if role is Role.SUPERVISOR:
        for group in directory.groups.values():
            members = {extension.employee_id for extension in group.extensions}
            if employee_id in members:
                seen.update(member for member in members if member is not None)
    return frozenset(seen)


def may_export(role: Role, right: bool) -> bool:
    """Whether somebody may take lists away as files: with the right of its own, and never a plain employee."""
    return right and role is not Role.EMPLOYEE


def answers_for_others(role: Role) -> bool:
    """Whether somebody looks after others' work: reports, outages, changes of many cards at once, reopening."""
    return role is not Role.EMPLOYEE
