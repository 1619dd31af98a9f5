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
from collections import Counter
from dataclasses import dataclass
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
_PLAIN = re.compile(r"[A-Za-z0-9 ./-]*")
_MOST_LAYOUTS = 4096
_layouts: dict[int, tuple[tuple[Step, ...], "_Layout"]] = {}
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
    layout = _layout_of(decision.steps)
    forms, fields = _forms(decision, layout)
    plan = f"{MARK}{'~'.join(map(_escape, forms))}{layout.steps(fields)}"
    if _fits(plan):
        return plan
    main = MARK + _escape(forms[0])
    alike = (1,) * len(fields)
    return next(filter(_fits, (main + layout.steps(alike, most) for most in _MAX_PHONES)), NOTHING)


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


class _Layout:
    """Steps as far as they do not depend on the caller's name; many calls share them."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self._steps = steps
        self._texts: dict[tuple[tuple[int, ...], int], str] = {}
        phones = [ring.extension for step in steps for ring in step.rings if _is_safe(ring.extension)]
        self.displays = tuple(dict.fromkeys(map(_display, phones)))
        """What kinds of display there are, each once."""
        lengths = Counter(phone.display_length for phone in phones if phone.display_mode is DisplayMode.LATIN)
        self.main_length = max(lengths, key=lengths.__getitem__, default=_USUAL_LENGTH)
        """Room for the form that all show: as most phones have that draw Latin letters."""

    def steps(self, fields: tuple[int, ...], most: int = _MAX_PHONES[0]) -> str:
        """Write the steps, each with its separator; `fields` tells which field of names each kind of display shows."""
        text = self._texts.get((fields, most))
        if text is None:
            shown = dict(zip(self.displays, fields, strict=True))
            texts = (_encode_step(step, shown, most) for step in self._steps)
            text = "".join(f"|{text}" for text in texts if text)
            self._texts[fields, most] = text
        return text


def _layout_of(steps: tuple[Step, ...]) -> _Layout:
    """Find the layout of these very steps, by identity: to hash them would cost more than all the rest of a plan."""
    known = _layouts.get(id(steps))
    if known is not None and known[0] is steps:
        return known[1]
    if len(_layouts) >= _MOST_LAYOUTS:
        _layouts.clear()
    layout = _Layout(steps)
    # Kept with the steps themselves, so that no others can take over their identity.
    _layouts[id(steps)] = steps, layout
    return layout


def _forms(decision: Decision, layout: _Layout) -> tuple[list[str], tuple[int, ...]]:
    """The forms of the name, first the one for all: in Latin letters, safe on a phone that a call is transferred to.

    Also which of them, from 1, each kind of display shows.
    """
    name, language = decision.name, decision.language
    forms = [(display_form(name, language, DisplayMode.LATIN, layout.main_length) or "") if name else ""]
    fields = []
    for mode, length in layout.displays:
        if mode is DisplayMode.OFF:
            form: str | None = ""
        elif name is None or (mode is DisplayMode.LATIN and length == layout.main_length):
            form = None
        else:
            form = display_form(name, language, mode, length)
        if form is None or (form and form == forms[0]):
            fields.append(1)
            continue
        if form not in forms[1:]:
            forms.append(form)
        fields.append(forms.index(form, 1) + 1)
    return forms, tuple(fields)


def _is_safe(phone: Extension) -> bool:
    return _ENDPOINT.fullmatch(phone.endpoint) is not None


def _display(phone: Extension) -> tuple[DisplayMode, int]:
    return phone.display_mode, phone.display_length


def _encode_step(step: Step, shown: dict[tuple[DisplayMode, int], int], most: int) -> str:
    """Write one step; nothing where there is nobody to ring."""
    rings = [ring for ring in step.rings if _is_safe(ring.extension)]
    if step.kind is StepKind.QUEUE:
        rings = [ring for ring in rings if shown[_display(ring.extension)] > 1][:most]
        who = step.queue if step.queue and _QUEUE.fullmatch(step.queue) else ""
    else:
        rings = rings[:most]
        who = "!".join(f"{ring.call_waiting:d}{ring.extension.endpoint}" for ring in rings)
    if not who:
        return ""
    fields = {ring.extension.endpoint.partition("/")[2]: shown[_display(ring.extension)] for ring in rings}
    special = {phone: field for phone, field in fields.items() if field > 1}
    forms = "!".join(map(str, special.values()))
    return f"{_KINDS[step.kind]},{max(1, step.seconds)},{who},{'!'.join(special)},{forms}"


def _escape(text: str) -> str:
    """Percent-encode all but letters, their marks, digits, inner spaces, dots, dashes and slashes."""
    if _PLAIN.fullmatch(text):
        return text
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
