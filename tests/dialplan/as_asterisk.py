"""Reads plans and the copy as the dialplan does: what asterisk-conf/leadline.conf says, said once more in Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from dialplan.copy import SUBSTITUTE_OF
from dialplan.number_rules import ALIAS, SHORTEST_DIGITS, Rule
from dialplan.plan import MARK, UNSURE_MARK
from dialplan.words import COMPANY_FAMILY, COMPANY_PLAN, COMPANY_RULES, DID_FAMILY, EMPLOYEE_FAMILY
from routing.decision import StepKind

OPENING = ("G,", "R,")
"""How the steps begin that ring nobody; they come before all others."""
_SEPARATORS = str.maketrans("", "", ".-")
_LOOK_UP = "*"
_NO_FIELD = 99


class PlanError(ValueError):
    """The text is no plan of this version."""


@dataclass(frozen=True, slots=True)
class PlannedPhone:
    """One phone of a step; `shows` is None where the trunk's name stays, "" for no name."""

    endpoint: str
    call_waiting: bool
    shows: str | None


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step."""

    kind: StepKind
    seconds: int
    phones: tuple[PlannedPhone, ...] = ()
    queue: str | None = None


def decode_plan(plan: str) -> tuple[PlannedStep, ...]:
    """Read the steps of a plan that ring somebody.

    Raises:
        PlanError: it is no plan of this version.
    """
    if not plan.startswith((MARK, UNSURE_MARK)):
        raise PlanError(f"a plan begins with {MARK}")
    names, *steps = plan[len(MARK) :].split("|")
    try:
        return tuple(
            _decode_step(step.split(","), [unquote(name) for name in names.split("~")])
            for step in steps
            if step and not step.startswith(OPENING)
        )
    except (ValueError, IndexError) as error:
        raise PlanError(f"not a plan: {error}") from None


def _decode_step(fields: list[str], names: list[str]) -> PlannedStep:
    kind, seconds, who, special, forms = fields
    if kind == "Q":
        return PlannedStep(StepKind.QUEUE, int(seconds), queue=who)
    if kind != "P":
        raise ValueError(f"step {kind!r}")
    looked_up = special in ("", _LOOK_UP)
    own = {} if looked_up else dict(zip(special.split("!"), map(int, forms.split("!")), strict=True))
    phones = tuple(
        PlannedPhone(phone[1:], phone[0] == "1", _shown(names, own.get(phone.partition("/")[2], 1)))
        for phone in who.split("!")
    )
    return PlannedStep(StepKind.PHONES, int(seconds), phones)


def _shown(names: list[str], field: int) -> str | None:
    if field == _NO_FIELD:
        return ""
    return names[field - 1] or None


def find_entry(entries: Mapping[str, str], raw: str, rules: tuple[Rule, ...]) -> str | None:
    """Find a caller's entry, as the context leadline-find does."""
    number = raw.translate(_SEPARATORS)
    if not number.lstrip("+").isdecimal() or not number.isascii() or len(number) < SHORTEST_DIGITS:
        return None
    entry = entries.get(number)
    if entry is not None and entry.startswith(ALIAS):
        return entries.get(entry[len(ALIAS) :])
    if entry is not None or number.startswith("+"):
        return entry
    candidates = (put + number[len(cut) :] for cut, put in rules if number.startswith(cut))
    return next((entries[candidate] for candidate in candidates if candidate in entries), None)


def compose_plan(small: Mapping[str, Mapping[str, str]], numbers: Mapping[str, str], caller: str, did: str) -> str:
    """Put the plan together, as the context leadline-copy does.

    Args:
        small: the entries by family.
        numbers: the entries of outside numbers.
        caller: the caller's number as Asterisk has it.
        did: the dialled number's digits.
    """
    company = small[COMPANY_FAMILY]
    plan = small[DID_FAMILY].get(did, company[COMPANY_PLAN])
    rules = tuple((cut, put) for cut, put in (rule.split(",", 1) for rule in company[COMPANY_RULES].split("!")))
    entry = find_entry(numbers, caller, rules)
    if entry is None:
        return plan
    who, names = entry.split("|")
    steps = [step for step in plan.removeprefix(MARK).split("|") if step]
    opening = [step for step in steps if step.startswith(OPENING)]
    steps = steps[len(opening) :]
    first = who.split("-")[0]
    keys = (*who.split("-"), f"{first}{SUBSTITUTE_OF}")
    own = list(dict.fromkeys(filter(None, (small[EMPLOYEE_FAMILY].get(key, "") for key in keys))))
    if own and steps and own[-1].split(",")[2] == steps[0].split(",")[2]:
        kind, seconds, *ringing = own[-1].split(",")
        own[-1] = ",".join((kind, str(int(seconds) + int(steps.pop(0).split(",")[1])), *ringing))
    return "|".join(("L1", names, *opening, *own, *steps))
