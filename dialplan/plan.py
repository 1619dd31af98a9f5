"""Writes a routing decision as the one line that Asterisk's dialplan walks; asterisk-conf/leadline.conf reads it.

    L1|names|step|step|...
    names   main~form~form...                       percent-encoded; main is what phones show, empty: the trunk's name
    step    P,seconds,phones,special,forms          phones as 0PJSIP/101!1PJSIP/102; 1 rings even in a call
            Q,seconds,queue,special,forms           special as 101!102: phones with a form of their own, and which
                                                    field of names, from 1, each of them shows, as 2!3

It is written so that reading is cheap for Asterisk (commas for ARRAY(), the others for SHIFT() and CUT()), and so that
no sign in it means anything to AGI's quoting, to Set(), Dial() and Gosub(), or to a configuration file.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from dialplan.names import display_form
from leads.domain.directory import DisplayMode, Extension
from routing.decision import Decision, Step, StepKind

MARK = "L1|"
NOTHING = "L1||"
"""The plan that rings nobody."""
MAX_BYTES = 1000
"""AMI takes lines of 1,024 bytes, and a plan is also kept in AstDB by way of AMI."""

_USUAL_LENGTH = 24
_MAX_PHONES = (64, 32, 16, 8, 4)
_ENDPOINT = re.compile(r"[A-Za-z0-9]{2,10}/[A-Za-z0-9_.@+/-]{1,80}")
_QUEUE = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_KINDS = {StepKind.PHONES: "P", StepKind.QUEUE: "Q"}


class PlanError(ValueError):
    """The text is no plan of this version."""


@dataclass(frozen=True, slots=True)
class PlannedPhone:
    """One phone of a step as the dialplan reads it; `shows` is None where the trunk's name stays, "" for no name."""

    endpoint: str
    call_waiting: bool
    shows: str | None


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step as the dialplan reads it."""

    kind: StepKind
    seconds: int
    phones: tuple[PlannedPhone, ...] = ()
    queue: str | None = None


def encode_plan(decision: Decision) -> str:
    """Write `decision` for the dialplan, in at most MAX_BYTES bytes of UTF-8.

    A call must go on: so phones and queues whose names are not safe in a dialplan are left out, and of a plan that is
    too long first the phones' own forms of the name, then the last phones of its big groups.
    """
    for own_forms in (True, False):
        plan = _encode(decision, _MAX_PHONES[0], own_forms)
        if _fits(plan):
            return plan
    return next(filter(_fits, (_encode(decision, most, False) for most in _MAX_PHONES)), NOTHING)


def decode_plan(plan: str) -> tuple[PlannedStep, ...]:
    """Read a plan as the dialplan does; for people and tests.

    Raises:
        PlanError: it is no plan of this version.
    """
    if not plan.startswith(MARK):
        raise PlanError(f"a plan begins with {MARK}")
    names, *steps = plan.removeprefix(MARK).split("|")
    try:
        return tuple(
            _decode_step(step.split(","), [unquote(name) for name in names.split("~")]) for step in steps if step
        )
    except (ValueError, IndexError) as error:
        raise PlanError(f"not a plan: {error}") from None


def _fits(plan: str) -> bool:
    return len(plan.encode()) <= MAX_BYTES


def _encode(decision: Decision, most: int, own_forms: bool) -> str:
    names = _Names(decision, own_forms)
    steps = [text for step in decision.steps if (text := _encode_step(step, names, most))]
    return MARK + "|".join(["~".join(map(_escape, names.forms)), *steps])


def _encode_step(step: Step, names: "_Names", most: int) -> str:
    """Write one step; nothing where there is nobody to ring."""
    rings = [ring for ring in step.rings if _ENDPOINT.fullmatch(ring.extension.endpoint)][:most]
    if step.kind is StepKind.QUEUE:
        who = step.queue if step.queue and _QUEUE.fullmatch(step.queue) else ""
    else:
        who = "!".join(f"{ring.call_waiting:d}{ring.extension.endpoint}" for ring in rings)
    if not who:
        return ""
    fields = {ring.extension.endpoint.partition("/")[2]: names.field_of(ring.extension) for ring in rings}
    special = {phone: field for phone, field in fields.items() if field > 1}
    forms = "!".join(map(str, special.values()))
    return f"{_KINDS[step.kind]},{max(1, step.seconds)},{who},{'!'.join(special)},{forms}"


class _Names:
    """What displays show: the form for all, then the forms of phones that differ."""

    def __init__(self, decision: Decision, own_forms: bool) -> None:
        self._name = decision.name
        self._language = decision.language
        self._own_forms = own_forms
        self.forms = [self._main(decision)]

    def field_of(self, phone: Extension) -> int:
        """Which field of names this phone shows, from 1."""
        form = self._form(phone)
        if not self._own_forms or form is None or (form and form == self.forms[0]):
            return 1
        if form not in self.forms[1:]:
            self.forms.append(form)
        return self.forms.index(form, 1) + 1

    def _main(self, decision: Decision) -> str:
        """Latin letters, as the first phone that draws them has room: safe on a phone that a call is transferred to."""
        if self._name is None:
            return ""
        phones = (ring.extension for step in decision.steps for ring in step.rings)
        length = next(
            (phone.display_length for phone in phones if phone.display_mode is DisplayMode.LATIN), _USUAL_LENGTH
        )
        return _form(self._name, self._language, DisplayMode.LATIN, length) or ""

    def _form(self, phone: Extension) -> str | None:
        """This phone's own form; None where it shows what all show."""
        if phone.display_mode is DisplayMode.OFF:
            return ""
        if self._name is None:
            return None
        return _form(self._name, self._language, phone.display_mode, phone.display_length)


@lru_cache(maxsize=4096)
def _form(name: str, language: str | None, mode: DisplayMode, length: int) -> str | None:
    return display_form(name, language, mode, length)


@lru_cache(maxsize=4096)
def _escape(text: str) -> str:
    """Percent-encode all but letters, their marks, digits, inner spaces, dots, dashes and slashes."""
    return "".join(c if _is_plain(c) else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)


def _is_plain(character: str) -> bool:
    return character in " .-/" or character.isalnum() or unicodedata.category(character)[0] == "M"


def _decode_step(fields: list[str], names: list[str]) -> PlannedStep:
    kind, seconds, who, special, forms = fields
    own = dict(zip(special.split("!"), forms.split("!"), strict=True)) if special else {}
    if kind == _KINDS[StepKind.QUEUE]:
        return PlannedStep(StepKind.QUEUE, int(seconds), queue=who)
    if kind != _KINDS[StepKind.PHONES]:
        raise ValueError(f"step {kind!r}")
    phones = tuple(
        PlannedPhone(
            phone[1:],
            phone[0] == "1",
            names[int(own[key]) - 1] if (key := phone.partition("/")[2]) in own else names[0] or None,
        )
        for phone in who.split("!")
    )
    return PlannedStep(StepKind.PHONES, int(seconds), phones)
