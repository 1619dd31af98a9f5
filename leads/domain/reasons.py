"""Why a call went where it went, as codes with arguments, so that everybody is told in his own language (C5)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class ReasonCode(StrEnum):
    """What was found; the arguments that go with a code are named in the sentence that leads.admin.reasons has for it.

    They are kept with each call for years: a code whose arguments change gets a new name.
    """

    CALLER_HIDDEN = "caller-hidden"
    CALLER_SHORT = "caller-short"
    CALLER_UNREADABLE = "caller-unreadable"
    CALLER_NOT_TOLD = "caller-not-told"
    CALLER_UNKNOWN = "caller-unknown"
    CALLER_KNOWN = "caller-known"
    CALLER_SHARED = "caller-shared"
    CALLER_PINNED = "caller-pinned"
    NOBODY_RESPONSIBLE = "nobody-responsible"
    SEVERAL_RESPONSIBLE = "several-responsible"
    EMPLOYEE_RINGS = "employee-rings"
    EMPLOYEE_LEFT = "employee-left"
    EMPLOYEE_WITHOUT_PHONE = "employee-without-phone"
    EMPLOYEE_ABSENT = "employee-absent"
    NUMBER_NOT_OURS = "number-not-ours"
    NUMBER_NOT_KNOWN = "number-not-known"
    NUMBER_WITHOUT_ROUTE = "number-without-route"
    QUEUE_WAITS = "queue-waits"
    GROUP_RINGS = "group-rings"
    GROUP_EMPTY = "group-empty"
    GROUP_ABSENT = "group-absent"
    OWN_DEFAULT_RINGS = "own-default-rings"
    OWN_DEFAULT_UNKNOWN = "own-default-unknown"
    COMPANY_DEFAULT_RINGS = "company-default-rings"
    COMPANY_DEFAULT_UNKNOWN = "company-default-unknown"
    DEFAULT_ABSENT = "default-absent"
    LAST_RESORT_RINGS = "last-resort-rings"
    NOBODY_LEFT = "nobody-left"
    DISPLAYS_SHOW = "displays-show"
    DISPLAYS_KEEP = "displays-keep"
    RECORDED = "recorded"


class ChainRole(StrEnum):
    """Why it is an employee's turn in a chain."""

    RESPONSIBLE = "responsible"
    LAST_TALKER = "last-talker"
    SUBSTITUTE = "substitute"


class Reason(NamedTuple):
    """One reason. The arguments are what JSON knows: texts, numbers, lists of them, and mappings."""

    code: ReasonCode
    args: Mapping[str, Any] = {}


def kept_reason(reason: Reason) -> dict[str, Any]:
    """Write a reason as it is kept with its call."""
    return {"code": reason.code.value, **reason.args}


def read_reason(kept: object) -> Reason | str:
    """Read a kept reason; what earlier versions kept as a sentence, or later ones by an unknown code, stays a text."""
    if not isinstance(kept, Mapping):
        return str(kept)
    args = dict(kept)
    try:
        return Reason(ReasonCode(args.pop("code", "")), args)
    except ValueError:
        return str(kept.get("code", ""))
