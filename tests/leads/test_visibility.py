"""Whose things somebody may see, and what he may do with them (X1); test_access_matrix holds every page to it."""

import pytest

from leads.domain.directory import Directory, DisplayMode, Extension, Group, Role
from leads.domain.visibility import answers_for_others, may_export, scope_of

BOSS, OLHA, MARIA, PETRO = 1, 2, 3, 4


def _group(key: int, *owners: int | None) -> Group:
    phones = tuple(
        Extension(f"{key}{n}", f"PJSIP/{key}{n}", DisplayMode.LATIN, 24, one) for n, one in enumerate(owners)
    )
    return Group(key, f"group {key}", 25, phones)


DIRECTORY = Directory(
    version=1, groups={1: _group(1, BOSS, OLHA), 2: _group(2, MARIA, PETRO), 3: _group(3, None, OLHA)}
)


@pytest.mark.parametrize(
    ("employee", "role", "seen"),
    [
        (OLHA, Role.EMPLOYEE, {OLHA}),
        (BOSS, Role.SUPERVISOR, {BOSS, OLHA}),
        (MARIA, Role.SUPERVISOR, {MARIA, PETRO}),
        (OLHA, Role.SUPERVISOR, {BOSS, OLHA}),
        (5, Role.SUPERVISOR, {5}),
        (BOSS, Role.ADMIN, None),
    ],
)
def test_a_supervisor_sees_those_who_ring_in_a_group_with_him(employee: int, role: Role, seen: set[int] | None) -> None:
    assert scope_of(employee, role, DIRECTORY) == seen


@pytest.mark.parametrize("role", Role)
def test_what_goes_with_a_role(role: Role) -> None:
    above = role is not Role.EMPLOYEE
    assert (may_export(role, True), may_export(role, False), answers_for_others(role)) == (above, False, above)
